"""Structured masks: detection, the channel null against enumeration, calibration."""

from fractions import Fraction
from itertools import combinations, product
from math import comb, exp, inf, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat.errors import InputError, LayoutMismatchError, UsageError
from maskstat.stats.channel import channel_interval, channel_null
from maskstat.stats.hypergeometric import log_tails
from maskstat.stats.structured import alive_null, detect_structure, null_for


def cut(shape, alive):
    """The mask that keeps the given slices of each axis."""
    mask = np.ones(shape, bool)
    for axis, kept in enumerate(alive):
        gone = np.setdiff1d(np.arange(shape[axis]), list(kept))
        mask[(slice(None),) * axis + (gone,)] = False
    return mask


def random_cut(rng, shape, counts):
    return cut(shape, [rng.permutation(n)[:c] for n, c in zip(shape, counts, strict=True)])


@st.composite
def cuts(draw):
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    return tuple(shape), [
        draw(st.sets(st.integers(0, n - 1), min_size=1, max_size=n)) for n in shape
    ]


@given(cuts())
def test_whole_slices_are_found(case):
    shape, alive = case
    mask = cut(shape, alive)
    found = detect_structure(mask)
    assert found.is_product
    assert found.kept == mask.sum()
    assert all(
        set(np.flatnonzero(units)) == kept for units, kept in zip(found.alive, alive, strict=True)
    )
    if mask.all():
        assert (found.kind, found.axes) == ("dense", ())
    elif mask.sum() == 1 or sum(n > 1 for n in shape) == 1:
        assert found.kind == "unstructured"
    else:
        assert found.kind == "structured"
        assert found.axes == tuple(k for k, n in enumerate(shape) if len(alive[k]) < n)


def test_one_more_pruned_weight_is_not_whole_slices():
    mask = cut((64, 32, 3, 3), [range(30), range(32), range(3), range(3)])
    mask[0, 0, 0, 0] = False
    found = detect_structure(mask)
    assert (found.kind, found.axes, found.is_product) == ("partial", (0,), False)


def test_dead_slices_that_chance_leaves_are_no_structure():
    rng = np.random.default_rng(0)
    for density in (0.5, 0.1, 0.02, 0.003):
        mask = rng.random((120, 400)) < density
        assert detect_structure(mask).kind == "unstructured"
    assert not detect_structure(mask).alive[1].all()


def test_empty_and_dense():
    assert detect_structure(np.zeros((3, 4), bool)).kind == "empty"
    assert detect_structure(np.ones((3, 4), bool)).kind == "dense"


def test_choice_of_null():
    rng = np.random.default_rng(1)
    rows = random_cut(rng, (64, 32), (20, 32))
    kinds = {
        "structured": rows,
        "partial": rows & (rng.random((64, 32)) < 0.5),
        "unstructured": rng.random((64, 32)) < 0.5,
        "dense": np.ones((64, 32), bool),
    }
    found = {kind: detect_structure(mask) for kind, mask in kinds.items()}
    assert {kind: structure.kind for kind, structure in found.items()} == {k: k for k in kinds}
    chosen = {(a, b): null_for(found[a], found[b]) for a, b in product(kinds, repeat=2)}
    assert chosen["structured", "structured"] == "channel"
    assert chosen["structured", "partial"] == chosen["partial", "partial"] == "alive"
    for kind in kinds:
        assert chosen[kind, "unstructured"] == chosen["dense", kind] == "layer"


def enumerated(shape, kept_a, kept_b):
    """Exact law of the shared weights of two random cuts, as Fractions."""
    law = {1: Fraction(1)}
    for n, a, b in zip(shape, kept_a, kept_b, strict=True):
        first = set(range(a))
        axis = {}
        for other in combinations(range(n), b):
            shared = len(first & set(other))
            axis[shared] = axis.get(shared, 0) + Fraction(1, comb(n, b))
        joint = {}
        for (x, p), (y, q) in product(law.items(), axis.items()):
            joint[x * y] = joint.get(x * y, 0) + p * q
        law = joint
    return law


@pytest.mark.parametrize(
    ("shape", "kept_a", "kept_b"),
    [
        ((6, 4), (3, 4), (2, 4)),
        ((6, 4), (3, 4), (6, 2)),
        ((6, 4, 2, 2), (3, 2, 2, 2), (4, 3, 2, 2)),
        ((7, 5, 3, 3), (4, 2, 2, 3), (5, 3, 2, 3)),
        ((5, 6), (1, 5), (4, 5)),
        ((5, 6), (5, 6), (5, 6)),
        ((5, 4, 3), (2, 2, 2), (3, 2, 1)),
    ],
)
def test_channel_null_is_exact(shape, kept_a, kept_b):
    law = enumerated(shape, kept_a, kept_b)
    mean = sum(x * p for x, p in law.items())
    central = [float(sum((x - mean) ** k * p for x, p in law.items())) for k in (2, 3)]
    rng = np.random.default_rng(2)
    for _ in range(20):
        a, b = random_cut(rng, shape, kept_a), random_cut(rng, shape, kept_b)
        null = channel_null(detect_structure(a), detect_structure(b))
        assert null.shared == (a & b).sum()
        assert null.mean == pytest.approx(float(mean), rel=1e-13)
        assert null.variance == pytest.approx(central[0], rel=1e-12, abs=1e-12)
        assert null.third_cumulant == pytest.approx(central[1], rel=1e-11, abs=1e-11)
        tails = [
            sum(p for x, p in law.items() if x <= null.shared),
            sum(p for x, p in law.items() if x >= null.shared),
            law[null.shared],
        ]
        logs = [null.log_p_le, null.log_p_ge, null.log_p_at]
        assert logs == pytest.approx([log(p) for p in tails], rel=1e-11, abs=1e-13)
        assert (null.z is None) == (len(law) == 1)


@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.3])
@pytest.mark.parametrize(
    ("shape", "kept_a", "kept_b"), [((9, 8), (4, 8), (5, 8)), ((8, 9, 2), (5, 4, 2), (4, 5, 2))]
)
def test_interval_is_where_the_doubled_tail_exceeds_alpha(shape, kept_a, kept_b, alpha):
    law = enumerated(shape, kept_a, kept_b)
    half = Fraction(alpha).limit_denominator(1000) / 2
    inside = [
        x
        for x in law
        if sum(p for y, p in law.items() if y <= x) > half
        and sum(p for y, p in law.items() if y >= x) > half
    ]
    rng = np.random.default_rng(3)
    a, b = random_cut(rng, shape, kept_a), random_cut(rng, shape, kept_b)
    null = channel_null(detect_structure(a), detect_structure(b))
    assert channel_interval(null, alpha=alpha) == (min(inside), max(inside))


def test_far_tails_stay_finite():
    mask = cut((4096, 2048), [range(400), range(300)])
    null = channel_null(detect_structure(mask), detect_structure(mask))
    assert null.log_p_le == 0.0
    certain = -log(comb(4096, 400)) - log(comb(2048, 300))
    assert null.log_p_ge == pytest.approx(certain, rel=1e-12)
    assert null.log_p_ge == null.log_p_at > -inf


def test_a_larger_unit_makes_no_difference():
    rng = np.random.default_rng(4)
    thin, wide = (
        channel_null(
            *(detect_structure(np.broadcast_to(m[:, None], (64, fan))) for m in np.eye(2, 64) > 0)
        )
        for fan in (2, 500)
    )
    assert wide.log_p_ge == thin.log_p_ge
    assert wide.mean == 250 * thin.mean
    shape = (32, 16, 3, 3)
    a, b = (detect_structure(random_cut(rng, shape, (20, 7, 3, 3))) for _ in range(2))
    forth, back = channel_null(a, b), channel_null(b, a)
    assert (forth.mean, forth.log_p_ge) == pytest.approx((back.mean, back.log_p_ge), rel=1e-13)


def test_wrong_inputs():
    rng = np.random.default_rng(5)
    loose = detect_structure(rng.random((8, 8)) < 0.5)
    rows = detect_structure(random_cut(rng, (8, 8), (3, 8)))
    with pytest.raises(InputError) as caught:
        channel_null(rows, loose)
    assert caught.value.code == "not-structured"
    with pytest.raises(LayoutMismatchError):
        channel_null(rows, detect_structure(np.ones((8, 9), bool)))
    with pytest.raises(UsageError):
        channel_interval(channel_null(rows, rows), alpha=0)
    with pytest.raises(LayoutMismatchError):
        alive_null(np.ones((2, 3), bool), np.ones((3, 2), bool))


def alive_law(mask_a, mask_b):
    """Mean and variance by enumerating every row inside the columns alive in each mask."""
    columns_a, columns_b = (np.flatnonzero(m.any(axis=0)) for m in (mask_a, mask_b))
    mean = variance = Fraction(0)
    for row_a, row_b in zip(mask_a, mask_b, strict=True):
        values = [
            len(set(x) & set(y))
            for x in combinations(columns_a, int(row_a.sum()))
            for y in combinations(columns_b, int(row_b.sum()))
        ]
        row_mean = Fraction(sum(values), len(values))
        mean += row_mean
        variance += Fraction(sum(v * v for v in values), len(values)) - row_mean**2
    return float(mean), float(variance)


def test_alive_null_against_enumeration():
    rng = np.random.default_rng(6)
    for _ in range(15):
        a, b = rng.random((2, 4, 6)) < rng.uniform(0.2, 0.9)
        for mask in (a, b):
            mask[:, rng.integers(6)] = False
            mask[rng.integers(4)] = False
        null = alive_null(a, b)
        assert null.shared == (a & b).sum()
        assert (null.mean, null.variance) == pytest.approx(alive_law(a, b), rel=1e-12, abs=1e-12)


def test_alive_null_of_whole_channels_leaves_nothing_to_test():
    rng = np.random.default_rng(7)
    a = random_cut(rng, (16, 8, 3, 3), (7, 8, 3, 3))
    b = random_cut(rng, (16, 8, 3, 3), (9, 8, 3, 3))
    null = alive_null(a, b)
    assert (null.mean, null.variance, null.z) == (null.shared, 0.0, None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "counts"), [((64, 64, 3, 3), (32, 64, 3, 3)), ((64, 64, 3, 3), (40, 20, 3, 3))]
)
def test_random_channel_masks_are_not_significant(shape, counts):
    rng = np.random.default_rng(8)
    channel, weight = [], []
    for _ in range(1000):
        a, b = random_cut(rng, shape, counts), random_cut(rng, shape, counts)
        null = channel_null(detect_structure(a), detect_structure(b))
        channel.append(2 * exp(min(null.log_p_le, null.log_p_ge)))
        tails = log_tails(null.shared, a.size, a.sum(), b.sum())
        weight.append(2 * exp(min(map(float, tails))))
    for level in (0.05, 0.01):
        assert np.mean(np.array(channel) <= level) <= level
    assert np.mean(np.array(weight) <= 0.05) > 0.5
