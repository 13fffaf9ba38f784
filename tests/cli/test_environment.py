"""Option over environment over recipe over default; shipped recipes by name."""

import pytest

from maskstat.archive import open_archive
from maskstat.prune.grid import Grid
from maskstat.prune.recipe_files import recipe_file, recipe_names

TINY = ("--iterations", "1", "--epochs", "1")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings_of(path="run.h5"):
    with open_archive(path) as archive:
        (run,) = archive.runs.values()
    return run.provenance.get("recipe") or run.provenance["settings"]


def test_each_layer_outranks_those_below(run_cli, here, monkeypatch):
    (here / "mine.toml").write_text(
        "[train]\nlr = 0.01\nbatch_size = 64\nmomentum = 0.5\n[random]\nseed = 1\n"
    )
    monkeypatch.setenv("MASKSTAT_TRAIN_LR", "0.02")
    monkeypatch.setenv("MASKSTAT_TRAIN_BATCH_SIZE", "128")
    monkeypatch.setenv("MASKSTAT_TRAIN_MOMENTUM", "0.25")
    options = ("--recipe", "mine.toml", "--lr", "0.03", "--set", "train.momentum=0.125")
    result = run_cli("prune", *TINY, *options)
    assert (result.exit_code, result.stdout) == (0, "")
    settings = settings_of()
    train = settings["train"]
    assert (train["lr"], train["batch_size"], train["momentum"]) == (0.03, 128, 0.125)
    assert (settings["random"]["seed"], train["weight_decay"]) == (1, 0.0)
    assert result.stderr.count("from MASKSTAT_") == 1
    assert "train.batch_size is 128, from MASKSTAT_TRAIN_BATCH_SIZE\n" in result.stderr


@pytest.mark.parametrize("quiet", [False, True])
def test_an_unknown_variable_is_warned_of_once(run_cli, monkeypatch, quiet):
    monkeypatch.setenv("MASKSTAT_TRIAN_LR", "0.5")
    result = run_cli("prune", *TINY, "--recipe", "replicates", "--list", *(["-q"] * quiet))
    line = (
        "warning: MASKSTAT_TRIAN_LR is no setting, and is passed over; "
        "did you mean MASKSTAT_TRAIN_LR?\n"
    )
    assert (result.exit_code, result.stderr) == (0, "" if quiet else line)
    assert len(result.stdout.splitlines()) == 25


def test_a_bad_value_is_a_usage_error(run_cli, here, monkeypatch):
    monkeypatch.setenv("MASKSTAT_TRAIN_EPOCHS", "many")
    result = run_cli("prune")
    assert (result.exit_code, result.stdout) == (2, "")
    assert (
        "MASKSTAT_TRAIN_EPOCHS: it is 'many'; it takes a whole number [bad-value]" in result.stderr
    )
    assert not list(here.iterdir())


def test_the_environment_narrows_a_sweep_as_options_do(run_cli, monkeypatch):
    listing = ("prune", "--recipe", "replicates", "--list")
    monkeypatch.setenv("MASKSTAT_RANDOM_SEED", "3")
    from_variable = run_cli(*listing)
    monkeypatch.delenv("MASKSTAT_RANDOM_SEED")
    names = {run_cli(*listing, *o).stdout for o in (("--seed", "3"), ("--set", "random.seed=3"))}
    assert names == {from_variable.stdout}
    assert len(from_variable.stdout.split()) == 5


@pytest.mark.parametrize(
    ("variables", "options", "iterations", "levels"),
    [
        ({"PRUNE_LEVELS": "0.5,0.8"}, (), 2, [0.5, 0.8]),
        ({"PRUNE_LEVELS": "0.5,0.8"}, ("--iterations", "1"), 1, []),
        ({"PRUNE_ITERATIONS": "1"}, ("--recipe", "one-shot"), 1, []),
        ({"PRUNE_ITERATIONS": "3"}, ("--levels", "0.5"), 1, [0.5]),
    ],
)
def test_levels_give_way_to_what_outranks_them(
    run_cli, monkeypatch, variables, options, iterations, levels
):
    for name, text in variables.items():
        monkeypatch.setenv(f"MASKSTAT_{name}", text)
    assert run_cli("prune", "-q", "--epochs", "1", *options).exit_code == 0
    pruned = settings_of()["prune"]
    assert (pruned["iterations"], pruned["levels"]) == (iterations, levels)


def test_two_schedules_by_options_are_refused(run_cli):
    result = run_cli("prune", "--set", "prune.levels=0.5", "--fraction", "0.1")
    assert result.exit_code == 2
    assert "[conflicting-options]" in result.stderr


def test_retrain_reads_it_too(run_cli, monkeypatch):
    assert run_cli("prune", "-q", *TINY).exit_code == 0
    monkeypatch.setenv("MASKSTAT_TRAIN_EPOCHS", "1")
    monkeypatch.setenv("MASKSTAT_TRAIN_LR", "0.05")
    monkeypatch.setenv("MASKSTAT_RANDOM_SEED", "7")
    monkeypatch.setenv("MASKSTAT_PRUNE_FRACTION", "0.5")
    options = ("run.h5", "--dataset", "digits", "--lr", "0.02", "-f", "tsv", "-o", "out.h5")
    result = run_cli("retrain", *options)
    assert result.exit_code == 0, result.stderr
    settings = settings_of("out.h5")
    assert (settings["train"]["epochs"], settings["train"]["lr"]) == (1, 0.02)
    assert settings["random"]["seed"] == 7
    assert [line for line in result.stderr.splitlines() if "MASKSTAT_" in line] == [
        "train.epochs is 1, from MASKSTAT_TRAIN_EPOCHS",
        "random.seed is 7, from MASKSTAT_RANDOM_SEED",
    ]


def test_the_library_does_not_look(monkeypatch):
    import maskstat

    monkeypatch.setenv("MASKSTAT_TRAIN_LR", "0.05")
    run = maskstat.prune(iterations=0, epochs=1)
    assert run.provenance["recipe"]["train"]["lr"] == 0.1


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_is_one(run_cli, name):
    with recipe_file(name) as path:
        runs = list(Grid.from_toml(path).recipes)
    assert run_cli("prune", "--recipe", name, "--list").stdout.split() == runs


def test_a_shipped_recipe_runs(run_cli):
    result = run_cli("prune", "--recipe", "one-shot", "--epochs", "1")
    assert (result.exit_code, result.stdout) == (0, "")
    assert settings_of()["prune"]["levels"] == [0.8]


def test_a_wrong_name_lists_all(run_cli):
    result = run_cli("prune", "--recipe", "lotery-ticket")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "did you mean 'lottery-ticket'?" in result.stderr
    assert "[unknown-recipe]" in result.stderr
    assert all(name in result.stderr for name in recipe_names())


def test_a_file_without_suffix_is_a_file_and_names_come_first(run_cli, here):
    for name in ("mine", "one-shot"):
        (here / name).write_text("[grid.random]\nseed = [1, 2]\n")
    for name, runs in (("mine", 2), ("one-shot", 1), ("./one-shot", 2)):
        assert len(run_cli("prune", "--recipe", name, "--list").stdout.split()) == runs
