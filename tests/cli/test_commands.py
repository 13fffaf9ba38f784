"""Commands on good input: results on stdout, talk on stderr, status 0 or a gate's 1."""

import json
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

import maskstat
from maskstat.archive import open_archive
from maskstat.cli.app import COMMANDS, cli


def test_compare_prints_rows_into_a_pipe(run_cli, archives, rows_of):
    result = run_cli("compare", *archives)
    assert (result.exit_code, result.stderr) == (0, "")
    rows = rows_of(result)
    assert [row["layer"] for row in rows[:4]] == [
        "conv1.weight",
        "fc1.weight",
        "fc2.weight",
        "total",
    ]
    assert len(rows) == 3 * 4
    for row in rows:
        union = int(row["kept_a"]) + int(row["kept_b"]) - int(row["shared"])
        assert float(row["jaccard"]) == int(row["shared"]) / union
        assert row["null"] == ("stratified" if row["layer"] == "total" else "layer")


@pytest.mark.parametrize(
    "command",
    [
        ["compare", "a", "b"],
        ["compare", "a", "b", "c", "--iteration", "all", "--group-by", "init_seed"],
        ["consensus", "a", "b", "c"],
        ["info", "a", "--iteration", "all"],
        ["list", "a", "b"],
        ["verify", "a"],
    ],
    ids=lambda command: " ".join(command[:1] + command[4:]),
)
def test_json_follows_its_schema(run_cli, archives, json_of, command):
    named = dict(zip("abc", archives, strict=True))
    command = [named.get(word, word) for word in command]
    document = json_of(run_cli(*command, "--format", "json"))
    assert document["rows"]
    lines = run_cli(*command, "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == document["rows"]
    header, *rows = run_cli(*command, "--format", "csv").stdout.splitlines()
    assert header.split(",") == list(document["rows"][0])
    assert len(rows) == len(document["rows"])
    table = run_cli(*command, "--format", "table")
    assert table.exit_code == 0
    assert ("total" in table.stdout) == ("layer" in document["rows"][0])


def test_addresses_name_runs_and_iterations(run_cli, archives, rows_of):
    a, b, _ = archives
    rows = rows_of(run_cli("compare", f"{a}@1", f"{b}::b@3"))
    assert {(row["iteration_a"], row["iteration_b"]) for row in rows} == {("1", "3")}
    result = run_cli("compare", a, f"{b}::nope")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "there is no run 'nope'" in result.stderr
    assert "there are: b" in result.stderr


def test_groups_are_within_and_between(run_cli, archives, rows_of):
    rows = rows_of(run_cli("compare", *archives, "--group-by", "init_seed"))
    assert [(r["group"], r["pairs"]) for r in rows if r["layer"] == "total"] == [
        ("within", "1"),
        ("between", "2"),
    ]


def test_consensus_writes_a_ticket_with_its_parents(run_cli, archives, rows_of, tmp_path):
    ticket = tmp_path / "ticket.h5"
    result = run_cli("consensus", *archives[:2], "--at-least", "2", "-o", ticket)
    assert result.exit_code == 0
    assert "kept by 2 or more of 2 masks" in result.stderr
    in_ticket = [r for r in rows_of(result) if r["layer"] == "total" and r["in_ticket"] == "true"]
    (run,) = open_archive(ticket).runs.values()
    assert run.mask().n_kept == sum(int(row["weights"]) for row in in_ticket)
    parents = [next(iter(open_archive(path).runs.values())) for path in archives[:2]]
    assert [p["digest"] for p in run.provenance["parents"]] == [p.digest for p in parents]
    assert run.weight("initial").tolist() == parents[0].weight("initial").tolist()
    assert (parents[0].mask() & parents[1].mask()) == run.mask()
    assert all(row["ok"] == "true" for row in rows_of(run_cli("verify", ticket)))


def test_a_ticket_is_written_unless_its_gate_cannot_be_read(run_cli, archives, tmp_path):
    ticket = tmp_path / "ticket.h5"
    command = ("consensus", *archives[:2], "-o", ticket, "--fail-if")
    assert run_cli(*command, "nope < 1").exit_code == 2
    assert not ticket.exists()
    assert run_cli(*command, "total:weights >= 0").exit_code == 1
    assert ticket.exists()


@pytest.mark.parametrize("format_", ["json", "jsonl", "tsv"])
def test_errors_are_json_where_rows_are(run_cli, format_):
    told = run_cli("info", "missing.h5", "--format", format_).stderr
    assert told.startswith('{"error": "no-such-file"') == (format_ != "tsv")


def test_verify_ends_with_the_worst_status(run_cli, archives):
    assert run_cli("verify", f"{archives[0]}@1").exit_code == 2
    assert run_cli("verify", "missing.h5", f"{archives[0]}@1", archives[1]).exit_code == 3


def test_a_ticket_goes_through_a_pipe(run_cli, archives, rows_of):
    result = run_cli("consensus", *archives, "-o", "-")
    assert result.exit_code == 0
    assert result.stdout_bytes.startswith(b"\x89HDF")
    rows = rows_of(run_cli("info", "-", input=result.stdout_bytes))
    assert rows[-1]["layer"] == "total"


def test_info_introduces_the_run_unless_quiet(run_cli, archives, rows_of):
    result = run_cli("info", archives[0], "--iteration", "0-1", "--layer", "fc*")
    assert [(r["iteration"], r["layer"]) for r in rows_of(result)] == [
        ("0", "fc1.weight"), ("0", "fc2.weight"), ("0", "total"),
        ("1", "fc1.weight"), ("1", "fc2.weight"), ("1", "total"),
    ]  # fmt: skip
    assert "lenet / digits / global-unstructured, seed 0" in result.stderr
    quiet = run_cli("info", archives[0], "-q")
    assert quiet.stderr == ""
    assert quiet.stdout


def test_list_takes_folders_and_selections(run_cli, archives, rows_of, tmp_path):
    rows = rows_of(run_cli("list", tmp_path))
    assert [row["run"] for row in rows] == ["a", "b", "c"]
    rows = rows_of(run_cli("list", *archives, "--select", "seed=0-5 replicate=2"))
    assert [row["run"] for row in rows] == ["b"]


def test_gates_end_with_one_and_say_which_rows(run_cli, archives):
    a, b, _ = archives
    result = run_cli("compare", a, b, "--fail-if", "total:jaccard < 0.99")
    assert result.exit_code == 1
    assert "fail-if 'total:jaccard < 0.99'" in result.stderr
    assert "total: jaccard is" in result.stderr
    assert result.stdout
    assert run_cli("compare", a, a, "--fail-if", "total:jaccard < 0.99").exit_code == 0
    assert run_cli("info", a, "--fail-if", "fc*:density < 0.9").exit_code == 1
    assert run_cli("consensus", a, b, "--fail-if", "share > 2").exit_code == 0


def test_results_go_to_files_whole(run_cli, archives, tmp_path):
    output = tmp_path / "rows.tsv"
    assert run_cli("compare", *archives, "-o", output).stdout == ""
    assert output.read_text().startswith("a\tb\t")
    again = run_cli("compare", *archives, "-o", output)
    assert again.exit_code == 4
    assert "[output-exists]" in again.stderr
    assert run_cli("compare", *archives, "-o", output, "--overwrite").exit_code == 0


def test_what_nobody_foresaw_is_told_as_a_bug(archives, monkeypatch):
    def broken(_):
        raise RuntimeError("no idea")

    monkeypatch.setattr("maskstat.cli.list.list_runs", broken)
    result = CliRunner().invoke(cli, ["list", *archives])
    assert (result.exit_code, result.stdout) == (70, "")
    assert "RuntimeError: no idea" in result.stderr
    assert f"This is a bug in maskstat {maskstat.__version__}" in result.stderr


def test_help_lists_every_command(run_cli):
    result = run_cli("--help")
    assert result.exit_code == 0
    assert all(name in result.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(run_cli, name):
    result = run_cli(name, "--help")
    assert result.exit_code == 0
    assert "Example:" in result.stdout
    assert f"maskstat {name}" in result.stdout


def test_version(run_cli):
    assert re.fullmatch(r"maskstat \d+\.\d+\.\d+\S*\n", run_cli("--version").stdout)


@pytest.mark.parametrize(("words", "loaded"), [(["--help"], []), (["list", "--help"], ["list"])])
def test_only_the_command_that_is_asked_for_is_loaded(words, loaded):
    code = (
        "import sys\nfrom maskstat.cli.app import COMMANDS, cli\n"
        f"try:\n    cli.main({words})\nexcept SystemExit:\n"
        "    print([name for name in COMMANDS if f'maskstat.cli.{name}' in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == str(loaded)
