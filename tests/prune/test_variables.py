"""Settings from the environment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat.errors import UsageError
from maskstat.prune import Recipe
from maskstat.prune.recipe import SETTINGS, parsed
from maskstat.prune.variables import OTHERS, read_variables, variable_of


def test_every_setting_has_one_variable():
    variables = [variable_of(name) for name in SETTINGS]
    assert len(set(variables)) == len(SETTINGS)
    assert not set(variables) & set(OTHERS)
    assert variable_of("batch_size") == "MASKSTAT_TRAIN_BATCH_SIZE"


@given(
    lr=st.floats(1e-9, 1e3),
    seed=st.integers(0, 2**63 - 1),
    exclude=st.lists(st.sampled_from(["conv*", "fc?", "fc1.weight"]), min_size=1),
    keep=st.booleans(),
)
def test_a_variable_reads_like_set(lr, seed, exclude, keep):
    texts = {
        "lr": repr(lr),
        "seed": str(seed),
        "exclude": ",".join(exclude),
        "keep_output": str(keep).lower(),
    }
    environ = {variable_of(name): f" {text} " for name, text in texts.items()}
    found = read_variables({**environ, "HOME": "/", "MASKSTAT": "x", "MASKSTAT_MODEL": ""})
    assert not found.unknown
    assert found.settings == parsed(f"{SETTINGS[name].key}={text}" for name, text in texts.items())
    assert Recipe().replace(**found.settings).lr == lr


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=5)))
def test_nothing_else_is_looked_at(environ):
    environ = {name: text for name, text in environ.items() if not name.startswith("MASKSTAT_")}
    found = read_variables(environ)
    assert (found.settings, found.unknown) == ({}, {})


def test_unknown_names_have_a_nearest():
    names = ("MASKSTAT_LR", "MASKSTAT_TRAIN_LRR", "MASKSTAT_train_lr", "MASKSTAT_ZZZZZZZZZZZZ")
    found = read_variables(dict.fromkeys(names, "1") | {"MASKSTAT_DATA": "/data"})
    assert not found.settings
    assert found.unknown["MASKSTAT_TRAIN_LRR"] == "MASKSTAT_TRAIN_LR"
    assert found.unknown["MASKSTAT_train_lr"] == "MASKSTAT_TRAIN_LR"
    assert found.unknown["MASKSTAT_ZZZZZZZZZZZZ"] is None
    assert set(found.unknown) == set(names)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("MASKSTAT_TRAIN_LR", "fast"),
        ("MASKSTAT_TRAIN_LR", "-1"),
        ("MASKSTAT_PRUNE_KEEP_OUTPUT", "maybe"),
        ("MASKSTAT_DATA_VALIDATION", "1"),
    ],
)
def test_a_bad_value_names_its_variable(variable, text):
    with pytest.raises(UsageError) as caught:
        read_variables({variable: text})
    assert (caught.value.code, caught.value.place) == ("bad-value", variable)
