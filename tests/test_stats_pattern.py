"""Patterns of structured sparsity: against a count weight by weight, in plain Python."""

from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import maskstat
from maskstat.errors import NotFoundError, UsageError
from maskstat.layout import Layout
from maskstat.mask import Mask
from maskstat.run import Run
from maskstat.stats import pattern_counts
from maskstat.stats.pattern import Pattern, parse_pattern, pattern

SHAPES = st.one_of(
    st.tuples(st.integers(1, 150)),
    st.tuples(st.integers(1, 9), st.sampled_from([1, 3, 4, 8, 16, 31, 64, 65, 100])),
    st.tuples(st.integers(1, 5), st.integers(1, 17), st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 4), st.sampled_from([4, 12, 32]), st.just(1), st.just(1)),
    st.tuples(st.integers(1, 4), st.integers(1, 20), st.integers(1, 5)),
)
SIDES = st.one_of(st.integers(1, 16), st.sampled_from([32, 33, 64, 300]))
NM = SIDES.flatmap(lambda m: st.tuples(st.integers(1, m), st.just(m)))
TILES = st.sampled_from([1, 7, 64, 200, 1 << 20])


@st.composite
def arrays(draw):
    """A layer, from nearly empty to nearly full, now and then with whole rows or inputs gone."""
    shape = draw(SHAPES)
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    array = rng.random(shape) < draw(st.sampled_from([0.05, 0.5, 0.8, 0.97, 2]))
    for axis in range(min(2, len(shape))):
        if draw(st.booleans()):
            gone = rng.random(shape[axis]) < 0.3
            array[(slice(None),) * axis + (gone,)] = False
    return array


def by_position(array):
    """Which weights are kept: (output, input, tap) to bool; a vector is one output."""
    shape = array.shape if array.ndim > 1 else (1, array.size)
    outputs, inputs, taps = shape[0], shape[1], prod(shape[2:])
    flat = array.reshape(-1).tolist()
    kept = {
        (o, i, t): flat[(o * inputs + i) * taps + t]
        for o, i, t in product(range(outputs), range(inputs), range(taps))
    }
    return kept, (outputs, inputs, taps)


def naive_groups(array, n, m):
    kept, (outputs, inputs, taps) = by_position(array)
    found = dict.fromkeys(("groups", "short_groups", "full_groups", "violating_groups"), 0)
    for o, t, start in product(range(outputs), range(taps), range(0, inputs, m)):
        group = [kept[o, i, t] for i in range(start, min(start + m, inputs))]
        found["groups"] += 1
        found["short_groups"] += len(group) < m
        found["full_groups"] += sum(group) == n
        found["violating_groups"] += sum(group) > n
    return found


def naive_blocks(array, r, c):
    kept, (outputs, inputs, taps) = by_position(array)
    rows = [[kept[o, k // taps, k % taps] for k in range(inputs * taps)] for o in range(outputs)]
    found = dict.fromkeys(
        ("blocks", "short_blocks", "kept_blocks", "empty_blocks", "violating_blocks"), 0
    )
    for top, left in product(range(0, outputs, r), range(0, inputs * taps, c)):
        block = [weight for row in rows[top : top + r] for weight in row[left : left + c]]
        found["blocks"] += 1
        found["short_blocks"] += len(block) < r * c
        found["kept_blocks"] += all(block)
        found["empty_blocks"] += not any(block)
        found["violating_blocks"] += any(block) and not all(block)
    return found


def naive_channels(array):
    kept, (outputs, inputs, _) = by_position(array)
    if array.ndim < 2:
        return {"outputs": inputs, "empty_outputs": sum(not k for k in kept.values()),
                "inputs": 0, "empty_inputs": 0}  # fmt: skip
    live_outputs = {o for (o, _, _), weight in kept.items() if weight}
    live_inputs = {i for (_, i, _), weight in kept.items() if weight}
    return {"outputs": outputs, "empty_outputs": outputs - len(live_outputs),
            "inputs": inputs, "empty_inputs": inputs - len(live_inputs)}  # fmt: skip


def check(layers, text, expected_of, tile):
    """Hold two layers against a pattern, with tiles of a given size; the total is their sum."""
    mask = Mask.from_arrays(layers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pattern_counts, "TILE_WEIGHTS", tile)
        *rows, total = pattern(mask, pattern=text).rows()
    expected = [expected_of(array) for array in layers.values()]
    for row, (name, array), counts in zip(rows, layers.items(), expected, strict=True):
        assert row["layer"] == name
        assert row | counts == row
        assert (row["size"], row["kept"]) == (array.size, int(array.sum()))
    assert total["layer"] == "total"
    for key in ("size", "kept", *expected[0]):
        assert total[key] == sum(row[key] for row in rows)
    return [*rows, total]


@given(arrays(), arrays(), NM, TILES)
def test_groups_are_counted_one_by_one(one, two, nm, tile):
    n, m = nm
    rows = check({"a": one, "b": two}, f"{n}:{m}", lambda a: naive_groups(a, n, m), tile)
    for row in rows:
        assert row["conforms"] is (row["violating_groups"] == 0)
        assert row["share"] == row["violating_groups"] / row["groups"]


@given(arrays(), arrays(), SIDES, SIDES, TILES)
def test_blocks_are_counted_one_by_one(one, two, r, c, tile):
    rows = check({"a": one, "b": two}, f"{r}x{c}", lambda a: naive_blocks(a, r, c), tile)
    for row in rows:
        assert row["conforms"] is (row["violating_blocks"] == 0)
        assert row["share"] == row["violating_blocks"] / row["blocks"]


@given(arrays(), arrays(), TILES)
def test_channels_are_counted_one_by_one(one, two, tile):
    check({"a": one, "b": two}, "channels", naive_channels, tile)


@pytest.mark.parametrize("m", range(1, 17))
@pytest.mark.parametrize("shape", [(3, 64), (3, 48), (2, 37), (70,), (2, 19, 2, 2), (2, 32, 1, 1)])
def test_every_n_of_every_m(m, shape):
    array = np.random.default_rng(m).random(shape) < 0.6
    for n in range(1, m + 1):
        (row, _) = pattern(Mask.from_arrays({"w": array}), pattern=f"{n}:{m}")
        assert row | naive_groups(array, n, m) == row


@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 4), NM, st.integers(0, 10_000))
def test_a_mask_made_by_the_rule_conforms(outputs, groups, taps, nm, seed):
    n, m = nm
    rank = np.random.default_rng(seed).random((outputs, groups, m, taps)).argsort(2).argsort(2)
    array = (rank < n).reshape(outputs, groups * m, taps)
    (row, _) = pattern(Mask.from_arrays({"w": array}), pattern=f"{n}:{m}")
    assert row["conforms"] is True
    assert row["full_groups"] == row["groups"] == outputs * groups * taps
    if n < m:
        array[0, np.flatnonzero(~array[0, :, 0])[0], 0] = True
        (row, _) = pattern(Mask.from_arrays({"w": array}), pattern=f"{n}:{m}")
        assert (row["violating_groups"], row["conforms"]) == (1, False)


@pytest.mark.parametrize("tile", [1, 8, 1 << 20])
@pytest.mark.parametrize(("r", "c"), [(2, 1), (4, 3), (3, 4), (40, 40)])
def test_blocks_at_the_end_are_judged_by_what_they_have(r, c, tile):
    full, empty = np.ones((5, 7), bool), np.zeros((5, 7), bool)
    rows = check({"full": full, "empty": empty}, f"{r}x{c}", lambda a: naive_blocks(a, r, c), tile)
    assert rows[0]["kept_blocks"] == rows[0]["blocks"] == rows[1]["empty_blocks"]


@pytest.mark.parametrize("m", [255, 256, 300, 1024])
def test_long_groups_do_not_overflow(m):
    array = np.ones((2, 2000), bool)
    (row, _) = pattern(Mask.from_arrays({"w": array}), pattern=f"{m - 1}:{m}")
    assert row | naive_groups(array, m - 1, m) == row
    assert row["violating_groups"] == 2 * (2000 // m)


def test_groups_run_along_inputs_not_along_taps_or_outputs():
    conv = np.zeros((4, 4, 2, 2), bool)
    conv[:, 0] = True  # one input of four kept, at every output and tap
    assert pattern(Mask.from_arrays({"w": conv}), pattern="1:4").column("conforms") == [True] * 2
    across = conv.swapaxes(0, 1)  # one output of four, all of its inputs
    (row, _) = pattern(Mask.from_arrays({"w": across}), pattern="1:4")
    assert (row["groups"], row["violating_groups"]) == (16, 4)


class Virtual:
    """A layer that is in no memory: 0x3 in every nibble, but 0xF and zeros in the first word."""

    def __init__(self, n_words):
        self.n_words = n_words
        self.longest = 0

    def words(self, start, stop):
        self.longest = max(self.longest, stop - start)
        words = np.full(stop - start, 0x3333_3333_3333_3333, np.uint64)
        if start == 0:
            words[0] = 0xF
        return words


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("2:4", "violating_groups", 1),  # the 0xF
        ("1:2", "violating_groups", (1 << 24) - 16 + 2),  # one a nibble, two in the 0xF
        ("12:24", "violating_groups", 0),
        ("12:24", "short_groups", 1 << 12),
        ("4x2", "kept_blocks", (1 << 10) * (1 << 12) - 15),
        ("channels", "empty_inputs", (1 << 13) - 2),
    ],
)
def test_a_wide_layer_is_read_in_tiles(text, column, expected):
    layout = Layout.from_shapes({"w": (1 << 12, 1 << 14)})
    source = Virtual(layout.n_words)
    (row, _) = pattern(Mask(layout, source, kept=np.array([1])), pattern=text)
    assert row[column] == expected
    assert source.longest <= 1 << 16


def test_runs_iterations_and_layers_are_chosen():
    masks = [Mask.from_arrays({"a": [[1, 1, 1, 0]], "b": [keep]}) for keep in ([1, 1], [1, 0])]
    run = Run.from_masks("mine", masks)
    table = pattern(run, pattern="1:2", iteration="all")
    assert [(r["iteration"], r["layer"], r["violating_groups"]) for r in table] == [
        (1, "a", 1), (1, "b", 1), (1, "total", 2), (2, "a", 1), (2, "b", 0), (2, "total", 1),
    ]  # fmt: skip
    assert table.column("run") == ["mine"] * 6
    only = pattern(run, pattern="1:2", layers=["b"])
    assert only.column("layer") == ["b", "total"]
    assert only.column("conforms") == [True, True]
    assert only.parameters == {"pattern": "1:2", "iteration": "last", "layers": ["b"]}
    assert maskstat.pattern((run, 1), pattern="1:2").column("iteration") == [1, 1, 1]
    with pytest.raises(NotFoundError):
        pattern(run, layers=["c*"])


@pytest.mark.parametrize(
    ("text", "kind", "first", "second"),
    [
        ("2:4", "groups", 2, 4),
        ("4:4", "groups", 4, 4),
        ("1:1024", "groups", 1, 1024),
        ("02:04", "groups", 2, 4),
        ("4x1", "blocks", 4, 1),
        ("1024x1024", "blocks", 1024, 1024),
        ("channels", "channels", 0, 0),
    ],
)
def test_patterns_are_taken_apart(text, kind, first, second):
    found = parse_pattern(text)
    assert found == Pattern(kind, first, second)
    assert parse_pattern(str(found)) == found


@pytest.mark.parametrize(
    "text",
    ["", "0:4", "5:4", "2:0", "a:b", "2:65536", "2:1025", "-2:4", "2:4:8", " 2:4", "2.0:4", "٢:٤",
     "2:4\n", "0x1", "1x0", "1025x1", "4X1", "channel", "2"],
)  # fmt: skip
def test_anything_else_is_no_pattern(text):
    with pytest.raises(UsageError) as caught:
        pattern(Mask.from_arrays({"w": [1]}), pattern=text)
    assert (caught.value.code, caught.value.place) == ("bad-pattern", "--pattern")
    assert "N:M" in caught.value.consequence
