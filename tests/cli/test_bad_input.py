"""Every bad input: the right exit status, one clear error on stderr, nothing on stdout or lost."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from maskstat.archive import write


def check(result, status, *facts):
    assert result.exit_code == status, result.stderr
    assert result.stdout == ""
    assert result.stderr.count("Error") == 1
    for fact in facts:
        assert fact in result.stderr
    return result


def test_a_missing_file(run_cli, archives):
    check(run_cli("compare", "missing.h5", archives[0]), 3, "missing.h5", "[no-such-file]")


def test_a_text_file(run_cli, archives, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("no archive\n" * 100)
    check(run_cli("compare", archives[0], path), 3, "notes.txt", "[not-an-archive]")
    assert path.read_text() == "no archive\n" * 100


def test_an_empty_file_and_a_folder(run_cli, archives, tmp_path):
    empty = tmp_path / "empty.h5"
    empty.touch()
    check(run_cli("info", empty), 3)
    check(run_cli("info", tmp_path), 3)


@pytest.mark.parametrize("length", [10, 100, 5000])
def test_a_truncated_archive(run_cli, archives, tmp_path, length):
    path = tmp_path / "short.h5"
    path.write_bytes(Path(archives[0]).read_bytes()[:length])
    check(run_cli("info", path), 3, "short.h5")


def test_a_flipped_byte_in_a_mask(run_cli, archives, tmp_path):
    content = bytearray(Path(archives[0]).read_bytes())
    words = open_words(archives[0])
    at = bytes(content).index(words)
    content[at] ^= 0x10
    path = tmp_path / "flipped.h5"
    path.write_bytes(content)
    result = run_cli("compare", path, archives[1])
    check(result, 3, "flipped.h5")
    verified = run_cli("verify", path)
    assert verified.exit_code == 1
    assert "false" in verified.stdout


def open_words(path):
    """The raw bytes of an archive's mask rows as they lie in the file."""
    import h5py

    with h5py.File(path) as file:
        (run,) = file["runs"].values()
        dataset = run["masks"]
        return bytes(dataset.id.read_direct_chunk((0, 0))[1])[64:96]


def test_another_layout(run_cli, archives, tmp_path, make_run):
    path = tmp_path / "other.h5"
    write(path, [make_run("other", shapes={"conv1.weight": (4, 1, 5, 5), "fc1.weight": (20, 36)})])
    result = run_cli("compare", archives[0], path)
    check(result, 3, "conv1.weight", "(4, 1, 3, 3)", "(4, 1, 5, 5)", "[layout-mismatch]")


def test_unknown_options_and_values(run_cli, archives):
    a, b, _ = archives
    check(run_cli("compare", a, b, "--null", "nope"), 2, "there is no null 'nope'")
    check(run_cli("compare", a, b, "--iteration", "x"), 2, "selects no iterations")
    check(run_cli("compare", a, b, "--iteration", "99"), 3, "iterations 0 to 3")
    check(run_cli("compare", a, b, "--layer", "fc9"), 3, "there are: conv1.weight")
    check(run_cli("compare", a, b, "--pairs", "1:9"), 3, "the inputs are 1 to 2")
    check(run_cli("compare", a), 2, "two or more")
    check(run_cli("compare", a, b, "--format", "xml"), 2, "xml")
    check(run_cli("compare", a, b, "--fail-if", "jacard < 1"), 2, "did you mean 'jaccard'")
    check(run_cli("compare", a, b, "--select", "seed=77"), 3, "no run matches")
    check(run_cli("consensus", a, b, "--threshold", "0"), 2, "(0, 1]")
    check(run_cli("compair"), 2, "did you mean 'compare'")
    check(run_cli("compare"), 2)


def test_an_error_is_json_where_results_are(run_cli):
    result = run_cli("compare", "missing.h5", "b.h5", "--format", "json")
    record = json.loads(result.stderr)
    assert record["error"] == "no-such-file"
    assert record["place"] == "missing.h5"
    assert result.exit_code == 3


def test_an_existing_output_is_kept(run_cli, archives, tmp_path):
    before = Path(archives[2]).read_bytes()
    result = run_cli("consensus", *archives[:2], "-o", archives[2])
    check(result, 4, "[output-exists]", "--overwrite")
    assert Path(archives[2]).read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "b.h5", "c.h5"]


def test_a_folder_that_is_not_there_or_read_only(run_cli, archives, tmp_path):
    target = tmp_path / "nowhere" / "ticket.h5"
    check(run_cli("consensus", *archives, "-o", target), 4, "[no-such-folder]")
    check(run_cli("consensus", *archives, "-o", "/proc/ticket.h5"), 4)


def test_names_from_files_are_printed_escaped(run_cli, tmp_path, make_run):
    path = tmp_path / "odd.h5"
    write(path, [make_run("odd", shapes={"fc\x1b[31m": (3, 3)})])
    result = run_cli("info", path, "--format", "table")
    assert "\x1b" not in result.stdout + result.stderr
    assert "fc\\x1b[31m" in result.stdout


def test_file_names_are_told_escaped(archives, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    odd = "odd\x1b[31m.h5"
    (tmp_path / odd).write_bytes(Path(archives[0]).read_bytes())
    master, slave = pty.openpty()
    for command in (("upgrade", odd), ("merge", odd, "-o", f"m{odd}"), ("info", odd)):
        done = subprocess.run(
            [sys.executable, "-m", "maskstat", *command],
            stdout=subprocess.DEVNULL,
            stderr=slave,
            check=True,
        )
        told = os.read(master, 10_000)
        assert b"odd\\x1b[31m" in told, done
        assert b"\x1b" not in told
    os.close(slave)
    os.close(master)


def maskstat(*arguments, stdout=subprocess.PIPE):
    command = [sys.executable, "-m", "maskstat", *map(str, arguments)]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)


def test_a_closed_pipe_is_quiet(archives):
    command = f"{sys.executable} -m maskstat compare {' '.join(archives)} | head -1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("a\tb\t")
    assert done.stderr == ""
    assert done.returncode in (0, 141)


def test_a_full_standard_output_is_an_error(archives):
    with open("/dev/full", "w") as full:
        done = maskstat("compare", *archives, stdout=full)
    assert done.returncode == 4
    assert "standard output" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_gate_that_cannot_close_is_refused(run_cli, archives):
    a, *_ = archives
    check(run_cli("compare", a, a, "--fail-if", "total:log10_p > -2"), 2, "has no value")
    check(run_cli("info", a, "--fail-if", "fc1*:test_accuracy < 2"), 2, "has no value")


def test_a_gate_says_why_even_when_quiet(run_cli, archives):
    a, b, _ = archives
    result = run_cli("compare", a, b, "-q", "--iteration", "all", "--fail-if", "fc1*:jaccard < 2")
    assert result.exit_code == 1
    assert [f"iteration_a {t} iteration_b {t}" in result.stderr for t in (1, 2, 3)] == [True] * 3


def test_a_part_of_a_file_is_not_verified_alone(run_cli, archives):
    a, b, _ = archives
    result = run_cli("verify", f"{a}::a", f"{b}@1", a)
    assert result.exit_code == 2
    assert result.stderr.count("[whole-file]") == 2
    assert f"try: maskstat verify {a}" in result.stderr
    assert {line.split("\t")[0] for line in result.stdout.splitlines()[1:]} >= {a}


def test_options_that_would_do_nothing_are_refused(run_cli, archives):
    a, b, _ = archives
    check(run_cli("compare", a, b, "--match", "units", "--null", "row"), 2, "--null does nothing")
    check(run_cli("compare", a, b, "--draws", "9"), 2, "--draws does nothing")
    check(run_cli("compare", a, b, "--common", "--missing", "dense"), 2, "--missing does nothing")
    check(run_cli("connectivity", a, "--group-by", "seed", "--bias", "ignore"), 2, "--bias does")
    summary = ("compare", a, b, "--band", "sd")
    for idle in (["--measure", "dice"], ["--mid-p"], ["--correction", "by"]):
        check(run_cli(*summary, *idle), 2, f"{idle[0]} does nothing with --group-by and --band")
    figure = ("plot", "overlap", a, b, "-o", "x.png")
    check(run_cli(*figure, "--side", "within"), 2, "--side does nothing without --group-by")


@pytest.mark.parametrize(
    "command", [("convert", "--to", "npz"), ("convert", "--to", "archive"), ("upgrade",)]
)
def test_what_writes_files_alone_makes_none_named_minus(
    run_cli, archives, tmp_path, command, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    name, *options = command
    check(run_cli(name, archives[0], "-o", "-", *options), 2, "standard output", "[bad-output]")
    assert not (tmp_path / "-").exists()


def test_one_bad_file_does_not_hide_the_others(run_cli, archives, tmp_path):
    (tmp_path / "notes.h5").write_text("no archive")
    result = run_cli("verify", archives[0], tmp_path / "notes.h5", archives[1])
    assert result.exit_code == 3
    assert "[not-an-archive]" in result.stderr
    assert result.stdout.count("structure") == 2
    result = run_cli("list", tmp_path)
    assert result.exit_code == 3
    assert len(result.stdout.splitlines()) == 1 + 3


def test_odd_file_names_are_files(run_cli, archives, tmp_path, rows_of):
    odd = tmp_path / "x::y.h5"
    odd.write_bytes(Path(archives[0]).read_bytes())
    rows = rows_of(run_cli("info", f"{odd}@1", "-q"))
    assert {row["iteration"] for row in rows} == {"1"}


def test_standard_input_can_be_named_twice(run_cli, archives):
    result = run_cli("compare", "-", "-", input=Path(archives[0]).read_bytes())
    assert result.exit_code == 0
    assert "same-run" in result.stdout


def test_a_run_is_not_one_of_its_iterations(archives):
    from maskstat import read
    from maskstat.errors import UsageError

    with pytest.raises(UsageError, match=r"mask\(1\)"):
        read(f"{archives[0]}@1")
