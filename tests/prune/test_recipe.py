from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat.errors import InputError, NotFoundError, UsageError
from maskstat.prune import Recipe
from maskstat.prune.streams import STREAMS

recipes = st.builds(
    Recipe,
    fraction=st.floats(0.01, 0.99),
    iterations=st.integers(0, 50),
    lr=st.floats(1e-9, 1e3),
    seed=st.integers(0, 2**63 - 1),
    vary=st.lists(st.sampled_from(STREAMS), min_size=1).map(tuple),
    replicate=st.integers(0, 1000),
    exclude=st.lists(st.text(max_size=5)).map(tuple),
    save_outputs=st.booleans(),
)


@given(recipes)
def test_nested_tables_hold_everything(recipe):
    again = Recipe.from_mapping(json.loads(recipe.canonical))
    assert again == recipe
    assert again.digest == recipe.digest


def test_digest_is_sha256_of_the_canonical_form():
    recipe = Recipe(lr=1, vary=["order", "init"])
    assert recipe == Recipe(lr=1.0, vary=("init", "order"))
    assert recipe.canonical.isascii()
    assert " " not in recipe.canonical
    assert recipe.digest == hashlib.sha256(recipe.canonical.encode()).hexdigest()
    assert recipe.digest != Recipe(lr=1).digest


def test_toml(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('model = "lenet"\n[train]\nlr = 1\n[random]\nvary = ["order"]\nreplicate = 4\n')
    recipe = Recipe.from_toml(path)
    assert recipe == Recipe(lr=1.0, vary=("order",), replicate=4)


def test_settings_as_text():
    recipe = Recipe().with_settings(
        [
            "train.lr=0.5",
            "train.lr = 0.01",
            "random.vary=order, init",
            "save.outputs=true",
            "random.seed=3",
        ]
    )
    assert recipe == Recipe(lr=0.01, vary=("init", "order"), save_outputs=True, seed=3)


@pytest.mark.parametrize(
    ("tree", "near"),
    [
        ({"train": {"ir": 0.1}}, "train.lr"),
        ({"lr": 0.1}, "train.lr"),
        ({"modle": "lenet"}, "model"),
        ({"prune": {"fractions": 0.1}}, "prune.fraction"),
    ],
)
def test_unknown_settings_name_the_nearest(tree, near):
    with pytest.raises(UsageError) as caught:
        Recipe.from_mapping(tree, place="mine.toml")
    assert caught.value.code == "unknown-setting"
    assert caught.value.place == "mine.toml"
    assert f"did you mean '{near}'" in caught.value.consequence


@pytest.mark.parametrize("tree", [{"grid": {}}, {"grid": {"random": {"seed": [0, 1]}}}])
def test_unknown_sections(tree):
    with pytest.raises(UsageError) as caught:
        Recipe.from_mapping(tree)
    assert caught.value.code == "unknown-setting"
    assert "'grid'" in caught.value.fact


def test_unknown_python_names_too():
    with pytest.raises(UsageError) as caught:
        Recipe().replace(epoch=3)
    assert "did you mean 'epochs'" in caught.value.consequence


@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        ("fraction", 0.0, "prune.fraction"),
        ("fraction", 1, "prune.fraction"),
        ("fraction", float("nan"), "prune.fraction"),
        ("fraction", "0.2", "prune.fraction"),
        ("iterations", -1, "prune.iterations"),
        ("iterations", 2.0, "prune.iterations"),
        ("iterations", True, "prune.iterations"),
        ("rewind", "epoch", "prune.rewind"),
        ("epochs", 0, "train.epochs"),
        ("lr", float("inf"), "train.lr"),
        ("lr", 10**400, "train.lr"),
        ("weight_decay", -(10**400), "train.weight_decay"),
        ("batch_size", 0, "train.batch_size"),
        ("momentum", 1.0, "train.momentum"),
        ("weight_decay", -1e-9, "train.weight_decay"),
        ("seed", -1, "random.seed"),
        ("seed", 1 << 63, "random.seed"),
        ("vary", "order", "random.vary"),
        ("exclude", [1], "prune.exclude"),
        ("save_weights", "some", "save.weights"),
        ("save_outputs", 1, "save.outputs"),
        ("model", "", "model"),
        ("model", {"name": "lenet"}, "model"),
    ],
)
def test_values_that_cannot_be_used(name, value, key):
    with pytest.raises(UsageError) as caught:
        Recipe(**{name: value})
    assert (caught.value.code, caught.value.place) == ("bad-value", key)
    assert caught.value.exit_status == 2


@pytest.mark.parametrize("setting", ["random.seed=x", "train.lr=", "save.outputs=1"])
def test_text_that_cannot_be_read(setting):
    with pytest.raises(UsageError) as caught:
        Recipe().with_settings([setting])
    assert caught.value.code == "bad-value"


def test_setting_without_value():
    with pytest.raises(UsageError) as caught:
        Recipe().with_settings(["train.lr"])
    assert caught.value.code == "bad-setting"


def test_unknown_stream():
    with pytest.raises(UsageError) as caught:
        Recipe(vary=("oder",))
    assert "did you mean 'order'" in caught.value.consequence


def test_a_replicate_needs_something_that_varies():
    with pytest.raises(UsageError) as caught:
        Recipe(replicate=1)
    assert caught.value.code == "nothing-varies"


def test_bad_files(tmp_path):
    with pytest.raises(NotFoundError):
        Recipe.from_toml(tmp_path / "missing.toml")
    path = tmp_path / "bad.toml"
    path.write_bytes(b"model = \xff")
    with pytest.raises(InputError) as caught:
        Recipe.from_toml(path)
    assert caught.value.code == "bad-recipe"
    for text in ("model = ", "[train]\nepochs = " + "1" * 5000, "levels = " + "[" * 5000):
        path.write_text(text)
        with pytest.raises(InputError) as caught:
            Recipe.from_toml(path)
        assert caught.value.code == "bad-recipe"
    with pytest.raises(InputError) as caught:
        Recipe.from_toml(tmp_path)
    assert caught.value.code == "unreadable"


def test_run_ids():
    assert Recipe(seed=4).run_id == "lenet-digits-global-unstructured-s4"
    assert Recipe(vary=("order",)).run_id == "lenet-digits-global-unstructured-s0-r0"
    strange = Recipe(model="my.models:net", dataset="x" * 80, seed=2**62).run_id
    assert strange.startswith("my.models-net-x")
    assert strange.endswith(f"-s{2**62}")
    assert len(strange) == 64


def test_a_recipe_needs_no_torch():
    code = "import sys, maskstat.prune; assert 'torch' not in sys.modules; print('free')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "free\n"


def test_a_misspelt_setting_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"did you mean 'train\.lr'") as caught:
        Recipe().with_settings(["train.lrr=1"])
    assert caught.value.place == "--set"
