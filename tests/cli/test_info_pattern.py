"""info --pattern: rows on stdout, talk on stderr, and a gate that fails a build."""

import json

import numpy as np
import pytest

from maskstat.archive import write
from maskstat.mask import Mask
from maskstat.run import Run

# fc1 follows 2:4; of fc2, one group of three does not, and each row ends with a short group.
FC1 = np.tile([1, 0, 0, 1], (4, 2))
FC2 = np.array([[1, 1, 0, 1, 1, 1], [0, 1, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0]])


@pytest.fixture
def pruned(tmp_path):
    """Path of an archive with a layer that follows 2:4 and one that does not."""
    mask = Mask.from_arrays({"fc1.weight": FC1, "fc2.weight": FC2})
    path = tmp_path / "pruned.h5"
    write(path, [Run.from_masks("pruned", [mask], model="mlp")])
    return str(path)


def test_rows_go_to_stdout_and_talk_to_stderr(run_cli, pruned):
    result = run_cli("info", pruned, "--pattern", "2:4")
    assert result.exit_code == 0
    header, *lines = result.stdout.splitlines()
    assert header.split("\t") == [
        "run", "iteration", "layer", "pattern", "size", "kept", "groups", "short_groups",
        "full_groups", "violating_groups", "share", "conforms",
    ]  # fmt: skip
    assert [line.split("\t", 1)[1] for line in lines] == [
        "1\tfc1.weight\t2:4\t32\t16\t8\t0\t8\t0\t0.0\ttrue",
        "1\tfc2.weight\t2:4\t18\t7\t6\t3\t2\t1\t0.16666666666666666\tfalse",
        "1\ttotal\t2:4\t50\t23\t14\t3\t10\t1\t0.07142857142857142\tfalse",
    ]
    assert "mlp" in result.stderr
    quiet = run_cli("info", pruned, "--pattern", "2:4", "--quiet")
    assert (quiet.stdout, quiet.stderr) == (result.stdout, "")


@pytest.mark.parametrize(
    ("pattern", "layer", "expected"),
    [
        ("2x2", "fc2.weight", {"blocks": "6", "short_blocks": "3", "kept_blocks": "0",
                               "empty_blocks": "3", "violating_blocks": "3", "share": "0.5",
                               "conforms": "false"}),
        ("4x1", "fc1.weight", {"blocks": "8", "short_blocks": "0", "kept_blocks": "4",
                               "empty_blocks": "4", "violating_blocks": "0", "share": "0.0",
                               "conforms": "true"}),
        ("channels", "total", {"outputs": "7", "empty_outputs": "1", "inputs": "14",
                               "empty_inputs": "5"}),
    ],
)  # fmt: skip
def test_blocks_and_channels_have_their_own_columns(run_cli, pruned, rows_of, pattern, layer,
                                                    expected):  # fmt: skip
    rows = rows_of(run_cli("info", pruned, "--pattern", pattern))
    (row,) = [row for row in rows if row["layer"] == layer]
    common = ("run", "iteration", "layer", "pattern", "size", "kept")
    assert {key: value for key, value in row.items() if key not in common} == expected


@pytest.mark.parametrize("pattern", ["2:4", "4x1", "channels"])
def test_json_follows_its_schema(run_cli, pruned, json_of, pattern):
    document = json_of(run_cli("info", pruned, "--pattern", pattern, "--format", "json"))
    assert document["schema"] == "maskstat.pattern/1"
    assert document["parameters"]["pattern"] == pattern
    assert document["inputs"][0]["run"] == "pruned"
    lines = run_cli("info", pruned, "--pattern", pattern, "-f", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == document["rows"]
    table = run_cli("info", pruned, "--pattern", pattern, "--format", "table").stdout
    assert f"pattern: {pattern}" in table
    assert "total" in table


GATE = "total:violating_groups > 0"


def test_a_gate_passes_what_conforms(run_cli, pruned):
    result = run_cli("info", pruned, "--pattern", "2:4", "--layer", "fc1*", "--fail-if", GATE, "-q")
    assert (result.exit_code, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) == 3


def test_a_gate_fails_what_does_not(run_cli, pruned):
    result = run_cli("info", pruned, "--pattern", "2:4", "--fail-if", GATE, "-q")
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 4
    assert result.stderr == (
        f"fail-if '{GATE}': {pruned} iteration 1 total: violating_groups is 1\n"
    )


def test_the_dense_network_is_held_against_it_too(run_cli, pruned):
    command = ["info", pruned, "--pattern", "2:4", "--iteration", "0", "--fail-if", GATE]
    assert run_cli(*command).exit_code == 1


def test_a_gate_names_columns_of_the_pattern(run_cli, pruned):
    for option in (["--pattern", "4x1"], []):
        result = run_cli("info", pruned, *option, "--fail-if", GATE)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "there is no numeric column 'violating_groups'" in result.stderr
    result = run_cli("info", pruned, "--pattern", "4x1", "--fail-if", "fc2*:violating_blocks > 0")
    assert result.exit_code == 1


def test_a_foreign_file_is_checked_in_place(run_cli, tmp_path, rows_of):
    path = tmp_path / "mask.npz"
    np.savez(path, **{"fc1.weight": FC1.astype(bool)})
    result = run_cli("info", path, "--pattern", "2:4", "--fail-if", GATE)
    assert result.exit_code == 0
    assert [row["conforms"] for row in rows_of(result)] == ["true", "true"]


@pytest.mark.parametrize("text", ["0:4", "5:4", "2:0", "a:b", "2:65536", "", "0x1", "4x", "rows"])
def test_a_bad_pattern_is_a_usage_error(run_cli, pruned, text):
    result = run_cli("info", pruned, "--pattern", text)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"--pattern: '{text}' is no pattern" in result.stderr
    assert "[bad-pattern]" in result.stderr
    missing = run_cli("info", "missing.h5", "--pattern", text, "--format", "json")
    assert missing.exit_code == 2
    assert json.loads(missing.stderr)["error"] == "bad-pattern"


def test_help_shows_the_gate(run_cli):
    shown = run_cli("info", "--help").stdout
    assert f"maskstat info run.h5 --pattern 2:4 --fail-if '{GATE}'" in shown
