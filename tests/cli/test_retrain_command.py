"""``maskstat retrain``: tickets in, a table out, and one status for each way it can end."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

import maskstat
from maskstat.archive import open_archive, write
from maskstat.prune import prune
from maskstat.run import Run, Weights

OPTIONS = ("--dataset", "digits", "--batch-size", "128", "--epochs", "1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two runs of one initialization and their consensus."""
    path = tmp_path_factory.mktemp("tickets")
    runs = [
        prune(iterations=2, epochs=1, vary=("order",), replicate=r, output=path / f"{r}.h5")
        for r in (1, 2)
    ]
    write(path / "ticket.h5", [maskstat.consensus(*runs).to_run()])
    return path


@pytest.fixture
def here(folder, tmp_path, monkeypatch):
    """A folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_row_a_ticket_and_task(run_cli, rows_of, json_of, folder, here):
    ask = ["retrain", folder / "1.h5", folder / "ticket.h5@1", *OPTIONS, "--random"]
    result = run_cli(*ask, "--seed", "0-1", "--seed", "4")
    assert result.exit_code == 0, result.stderr
    rows = rows_of(result)
    assert [(row["kind"], row["n"], row["iteration"]) for row in rows] == [
        ("bespoke", "3", "2"), ("random", "3", "2"), ("consensus", "3", "1"), ("random", "3", "1"),
    ]  # fmt: skip
    assert len(list((here / "retrained").glob("*.h5"))) == 12
    assert result.stderr.count("accuracy") == 12
    again = run_cli(*ask, "--seed", "0-1", "--seed", "4", "--format", "json")
    assert "skipped: 12 of 12" in again.stderr
    document = json_of(again)
    assert document["schema"] == "maskstat.retrain/1"
    assert [str(row["kept"]) for row in document["rows"]] == [row["kept"] for row in rows]
    assert [one["iterations"] for one in document["inputs"]] == [[2], [1]]
    table = run_cli(*ask, "-q", "--seed", "0-1", "--seed", "4", "--format", "table")
    assert table.stderr == ""
    assert "consensus" in table.stdout
    assert "failed" not in table.stdout


def test_options_reach_the_training(run_cli, folder, here):
    done = run_cli(
        "retrain", folder / "1.h5", *OPTIONS, "--lr", "0.05", "--set", "train.momentum=0.5",
        "--save-weights", "none", "--save-outputs", "-o", "x.h5", "--group-by", "source",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    (run,) = open_archive(here / "x.h5").runs.values()
    train = run.provenance["settings"]["train"]
    assert (train["lr"], train["momentum"], train["batch_size"]) == (0.05, 0.5, 128)
    assert run.provenance["parents"][0]["path"] == str(folder / "1.h5")
    assert not run.weights
    assert run.outputs["digits"].iterations == (1,)


@pytest.mark.parametrize(
    ("options", "status", "fact"),
    [
        (["--dataset", "digit"], 2, "did you mean 'digits'"),
        (["--set", "prune.fraction=0.5"], 2, "decides nothing"),
        (["--set", "train.lrr=1"], 2, "did you mean 'train.lr'"),
        (["--seed", "4-1"], 2, "[bad-value]"),
        (["--seed", "x"], 2, "[bad-value]"),
        (["--seed", "0-99999999999"], 2, "[bad-value]"),
        (["--model", "lenet5x5"], 2, "[wrong-input-size]"),
        (["--set", "data.input=1x28x28"], 3, "[layout-mismatch]"),
        (["--iteration", "9"], 3, "[no-such-iteration]"),
        (["-o", "-"], 2, "[bad-output]"),
        (["-o", "/nowhere/x.h5"], 4, "[no-such-folder]"),
    ],
)
def test_bad_options(run_cli, folder, here, options, status, fact):
    result = run_cli("retrain", folder / "1.h5", *OPTIONS, *options)
    assert result.exit_code == status, result.stderr
    assert result.stdout == ""
    assert result.stderr.count("Error") == 1
    assert fact in result.stderr
    assert not list(here.iterdir())


def test_a_ticket_without_a_start_is_named(run_cli, make_run, tmp_path):
    path = tmp_path / "bare.h5"
    write(path, [Run.from_masks("bare", [make_run("x").mask(1)])])
    result = run_cli("retrain", path, *OPTIONS)
    assert result.exit_code == 3
    assert f"{path}: it holds no initial weights" in result.stderr
    assert "--save-weights initial" in result.stderr


def test_other_settings_at_the_same_place(run_cli, folder, here):
    ask = ["retrain", folder / "1.h5", *OPTIONS]
    assert run_cli(*ask).exit_code == 0
    before = {path: path.read_bytes() for path in here.rglob("*.h5")}
    other = run_cli(*ask, "--lr", "0.01")
    assert (other.exit_code, other.stdout) == (4, "")
    assert "train.lr is 0.1, not 0.01" in other.stderr
    assert {path: path.read_bytes() for path in here.rglob("*.h5")} == before
    assert run_cli(*ask, "--lr", "0.01", "--overwrite").exit_code == 0


def test_a_failure_is_an_empty_cell_and_status_5(run_cli, rows_of, folder, here):
    good = maskstat.read(folder / "1.h5")
    huge = Weights(values=good.weights["initial"].values[:] * 1e30, iterations=(0,))
    bad = Run.from_masks(
        "bad", [good.mask()], model="lenet", weights={"initial": huge}, others=good.others
    )
    write("bad.h5", [replace(bad, layout=good.layout)])  # with the places of biases
    result = run_cli("retrain", "bad.h5", folder / "1.h5", *OPTIONS)
    assert result.exit_code == 5
    first, second = rows_of(result)
    assert (first["n"], first["failed"], first["test_accuracy"]) == ("0", "1", "")
    assert (second["n"], second["failed"]) == ("1", "0")
    assert float(second["test_accuracy"]) >= 0
    assert result.stderr.count("[non-finite-loss]") == 1
    table = run_cli("retrain", "bad.h5", *OPTIONS, "-q", "--format", "table")
    assert table.exit_code == 5
    assert "failed" in table.stdout


def test_the_documented_commands_run(run_cli, here):
    page = (Path(__file__).parents[2] / "docs" / "retrain.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```console\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    for line in block.splitlines():
        _, command, *words = shlex.split(line)
        fast = ("--iterations", "2", "--epochs", "1") if command == "prune" else ()
        done = run_cli(command, *words, *fast)
        assert done.exit_code == 0, done.stderr
    assert len(list((here / "initial").iterdir())) == 3
