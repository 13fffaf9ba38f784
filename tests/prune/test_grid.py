import doctest

import pytest

import maskstat.prune.grid
from maskstat.errors import UsageError
from maskstat.prune import Recipe
from maskstat.prune.grid import Grid

SWEEP = """
dataset = "digits"
[train]
epochs = 2
[random]
vary = ["order"]
[grid]
"prune.method" = ["l1-unstructured", "random-unstructured"]
[grid.random]
seed = [3, 4]
replicate = [0, 1]
[grid.train]
lr = [0.1]
"""


@pytest.fixture
def toml(tmp_path):
    def write(text):
        path = tmp_path / "grid.toml"
        path.write_text(text)
        return path

    return write


def test_every_combination_is_a_run_and_the_last_list_changes_fastest(toml):
    grid = Grid.from_toml(toml(SWEEP))
    recipes = list(grid.recipes.values())
    assert [(r.method, r.seed, r.replicate) for r in recipes] == [
        (method, seed, replicate)
        for method in ("l1-unstructured", "random-unstructured")
        for seed in (3, 4)
        for replicate in (0, 1)
    ]
    assert {(r.epochs, r.lr, r.vary) for r in recipes} == {(2, 0.1, ("order",))}
    assert {r.engine for r in recipes} == {"auto"}
    assert next(iter(grid.recipes)) == "lenet-digits-l1-unstructured-s3-r0-lr=0.1"


def test_a_recipe_without_a_grid_is_one_run(toml):
    grid = Grid.from_toml(toml("[train]\nepochs = 3\n"), settings=["train.lr=0.5"])
    assert grid.axes == {}
    assert list(grid.recipes.values()) == [Recipe(epochs=3, lr=0.5)]


def test_a_sweep_may_choose_its_engine(toml):
    text = "train.engine = 'loop'\n[grid]\n'random.seed' = [0, 1]"
    assert {r.engine for r in Grid.from_toml(toml(text)).recipes.values()} == {"loop"}


def test_what_is_given_takes_the_place_of_a_list(toml):
    grid = Grid.from_toml(toml(SWEEP)).replace(seed=9, epochs=1)
    assert {(r.seed, r.epochs) for r in grid.recipes.values()} == {(9, 1)}
    assert len(grid.recipes) == 4


def test_lists_of_lists_are_values():
    grid = Grid(base=Recipe(), axes={"prune.levels": [[0.5], [0.5, 0.8]]})
    assert [r.iterations for r in grid.recipes.values()] == [1, 2]
    assert list(grid.recipes)[1].endswith("-levels=0.5,0.8")


@pytest.mark.parametrize(
    ("text", "code", "fact"),
    [
        ("grid = 3", "bad-grid", "is no table"),
        ("prune = {levels = [0.5], iterations = 2}", "conflicting-options", "prune.iterations"),
        ("prune = {levels = [0.5], fraction = 0.3}", "conflicting-options", "prune.fraction"),
        (
            "prune = {levels = [0.5]}\n[grid]\n'prune.iterations' = [1, 2]",
            "conflicting-options",
            "prune.levels is given beside prune.iterations",
        ),
        (
            "prune = {iterations = 1}\n[grid]\n'prune.levels' = [[0.5], [0.8]]",
            "conflicting-options",
            "prune.iterations",
        ),
        ("[grid]\n'train.lr' = 0.1", "bad-grid", "'train.lr' has no list of values"),
        ("[grid]\n'train.lr' = []", "bad-grid", "'train.lr' has no list of values"),
        ("[grid]\n'train.lr' = [0.1, 0.1]", "bad-grid", "two runs are called"),
        ("[grid]\n'train.lr' = [0.1]\n[grid.train]\nlr = [0.2]", "bad-grid", "is there twice"),
        ("'train.lr' = 0.1\n[train]\nlr = 0.2", "bad-setting", "'train.lr' is there twice"),
        ("[grid]\n'train.lrr' = [0.1]", "unknown-setting", "'train.lrr'"),
        ("[grid]\n'train.lr' = [0.1, -1]", "bad-value", "-1"),
        ("[grid]\n'random.replicate' = [0, 1]", "nothing-varies", "replicate 1"),
        (
            f"[grid.random]\nseed = {[*range(400)]}\nreplicate = {[*range(300)]}",
            "bad-grid",
            "120,0",
        ),
    ],
)
def test_a_grid_that_makes_no_sense_is_found_before_anything_runs(toml, text, code, fact):
    with pytest.raises(UsageError) as caught:
        Grid.from_toml(toml(text))
    assert caught.value.code == code
    assert fact in caught.value.fact


def test_examples_in_the_documentation():
    assert doctest.testmod(maskstat.prune.grid).failed == 0


def test_a_resolved_recipe_may_repeat_what_its_levels_say(toml):
    path = toml("prune = {levels = [0.5, 0.8], iterations = 2, fraction = 0.2}")
    assert Grid.from_toml(path).base == Recipe(levels=(0.5, 0.8))
    assert Grid.from_toml(toml("prune = {levels = [], iterations = 3}")).base.iterations == 3
