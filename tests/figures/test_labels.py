"""Labels: short, and still telling apart what the names do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat.figures.labels import short_inputs, short_layers


@given(st.lists(st.from_regex(r"[a-c./]{1,6}(::[a-c.]{1,3})?", fullmatch=True), max_size=5))
def test_short_names_tell_apart_what_the_names_do(names):
    if not names:
        return
    short = short_inputs(names)
    same = {
        (names[i] == names[j], short[i] == short[j]) for i in range(len(names)) for j in range(i)
    }
    assert same <= {(True, True), (False, False)}
    assert all(len(s) <= len(n) for s, n in zip(short, names, strict=True))


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["conv1", "fc.weight", "total"], ["conv1", "fc.weight", "total"]),
        (["a.weight", "total"], ["a", "total"]),
        (["weight", "weight", "total"], ["weight", "weight", "total"]),
        (["total"], ["total"]),
    ],
)
def test_layers_lose_only_what_they_share(names, short):
    assert short_layers(names) == short


def test_long_layer_names_lose_their_middle():
    (short,) = short_layers(["encoder.block.17.attention.query_projection"])
    assert len(short) == 25
    assert short[:6] == "encode"
    assert short.endswith("query_projection"[-6:])
    assert "…" in short
