"""``maskstat prune``: every bad option has its status and one clear error, and nothing is lost."""

import pytest

from maskstat.archive import open_archive

TINY = ("--iterations", "1", "--epochs", "1")


@pytest.mark.parametrize(
    ("options", "status", "fact"),
    [
        (["--model", "nope"], 2, "there is no model 'nope'"),
        (["--dataset", "nope"], 2, "there is no data set 'nope'"),
        (["--method", "l1-unstructred"], 2, "did you mean 'l1-unstructured'"),
        (["--fraction", "2"], 2, "between 0 and 1"),
        (["--set", "train.lrr=1"], 2, "did you mean 'train.lr'"),
        (["--set", "train.lr"], 2, "NAME=VALUE"),
        (["--vary", "odrer"], 2, "did you mean 'order'"),
        (["--run", "3"], 2, "none does"),
        (["--recipe", "missing.toml"], 3, "missing.toml"),
        (["-o", "/nowhere/run.h5"], 4, "[no-such-folder]"),
        (["-o", "."], 4, "[not-a-file]"),
        (["-o", ".", "--overwrite"], 4, "[not-a-file]"),
        (["-o", "/dev/null", "--overwrite"], 4, "[not-a-file]"),
        (["-o", "-"], 2, "[bad-output]"),
        (["--set", "prune.levels=0.5,0.4"], 2, "increasing numbers between 0 and 1"),
        (["--set", "prune.levels=0.5,much"], 2, "a list of numbers"),
        (["--levels", "0.5"], 2, "beside --iterations or --fraction"),
        (["--rewind", "epoch:1"], 2, "an epoch before 1"),
        (["--rewind", "start"], 2, "'initial', 'epoch:K', 'none' or 'random'"),
        (["--diverge-at", "1"], 2, "of order, augment, dropout none varies"),
        (["--criterion", "movment"], 2, "did you mean 'movement'"),
        (["--criterion", "movement", "--method", "random-structured"], 2, "[no-effect]"),
        (["--method", "l1-structured", "--dim", "7"], 2, "[no-such-dim]"),
        (["--engine", "fast"], 2, "'auto', 'loop' or 'ensemble'"),
        (["--device", "abacus"], 2, "[no-device]"),
        (["--input", "5x5"], 2, "3x32x32"),
        (["--input", "1x5x5"], 2, "[wrong-input-size]"),
        (["--augment", "spin"], 2, "'flip', 'crop'"),
        (["--exclude", "*"], 2, "[nothing-to-prune]"),
        (["--exclude", "attention*"], 3, "attention*"),
        (["--model", "nowhere.nothing:net"], 2, "[no-such-module]"),
        (["--dataset", "mnist", "--data-dir", "."], 3, "[no-data-files]"),
        (["--dataset", "mine.npz"], 3, "mine.npz"),
        (["--lr", "1e9"], 5, "[non-finite-loss]"),
    ],
)
def test_bad_options(run_cli, tmp_path, monkeypatch, options, status, fact):
    monkeypatch.chdir(tmp_path)
    result = run_cli("prune", *TINY, *options)
    assert result.exit_code == status, result.stderr
    assert result.stdout == ""
    assert result.stderr.count("Error") == 1
    assert fact in result.stderr
    left = [path.name for path in tmp_path.iterdir()]
    assert left == (["run.h5"] if status == 5 else [])


def test_what_is_there_is_never_lost(run_cli, tmp_path):
    text = tmp_path / "notes.h5"
    text.write_text("precious")
    result = run_cli("prune", *TINY, "-o", text)
    assert (result.exit_code, text.read_text()) == (4, "precious")
    run = tmp_path / "run.h5"
    assert run_cli("prune", "-q", *TINY, "-o", run).exit_code == 0
    before = run.read_bytes()
    other = run_cli("prune", *TINY, "--seed", "1", "-o", run)
    assert other.exit_code == 4
    assert "random.seed is 0, not 1" in other.stderr
    again = run_cli("prune", *TINY, "-o", run)
    assert again.exit_code == 0
    assert "skipped" in again.stderr
    assert run.read_bytes() == before


def test_options_and_recipe_make_the_run(run_cli, tmp_path):
    recipe = tmp_path / "mine.toml"
    recipe.write_text('[prune]\nmethod = "l1-unstructured"\n[train]\nepochs = 1\nlr = 0.05\n')
    run = tmp_path / "run.h5"
    result = run_cli("prune", "--recipe", recipe, "--set", "prune.iterations=1", "-o", run)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "iteration  1:" in result.stderr
    (stored,) = open_archive(run).runs.values()
    settings = stored.provenance["recipe"]
    assert settings["prune"]["method"] == stored.method == "l1-unstructured"
    assert (settings["train"]["lr"], stored.n_iterations) == (0.05, 2)
