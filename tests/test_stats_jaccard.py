import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat.errors import UsageError
from maskstat.stats.hypergeometric import moments, support
from maskstat.stats.jaccard import (
    adjusted_jaccard,
    empty_union,
    expected_jaccard,
    expected_jaccard_total,
    jaccard,
    jaccard_distance,
    mean_of_layers,
)
from maskstat.stats.measures import MEASURES, measure

REFERENCE = json.loads((Path(__file__).parent / "data" / "chance.json").read_text())["jaccard"]
FALLING = {"hamming", "hamming-normalized"}
UNDEFINED_FOR_FIXED = {"kappa", "mcc", "z", "adjusted-overlap", "adjusted-jaccard"}


@st.composite
def sizes(draw, largest=80):
    N = draw(st.integers(1, largest))
    return N, draw(st.integers(0, N)), draw(st.integers(0, N))


@st.composite
def masks(draw, largest=60):
    """Two masks as boolean arrays."""
    N = draw(st.integers(1, largest))
    bits = st.lists(st.booleans(), min_size=N, max_size=N)
    return np.array(draw(bits)), np.array(draw(bits))


def exact_law(N, a, b):
    low, high = max(0, a + b - N), min(a, b)
    total = math.comb(N, b)
    return {
        x: Fraction(math.comb(a, x) * math.comb(N - a, b - x), total) for x in range(low, high + 1)
    }


@given(sizes())
def test_the_total_of_one_layer_is_that_layer(counts):
    alone = expected_jaccard(*counts)
    total = expected_jaccard_total(*([n] for n in counts))
    assert [float(v) for v in total] == [float(v) for v in alone]
    _, a, b = counts
    twice = expected_jaccard_total(*([[n]] * 2 for n in counts))
    np.testing.assert_array_equal(twice, np.array(total)[:, None].repeat(2, axis=1))
    assert (total[1] == 0) == (len(exact_law(*counts)) == 1 or a == b == 0)


@pytest.mark.parametrize("case", REFERENCE, ids=lambda c: f"{c['N']}-{c['a']}-{c['b']}")
def test_reference_moments(case):
    mean, sd = expected_jaccard(case["N"], case["a"], case["b"])
    assert float(mean) == pytest.approx(float(case["mean"]), rel=1e-12)
    assert float(sd) == pytest.approx(float(case["sd"]), rel=1e-12)


@given(sizes())
def test_expected_equals_exact_fractions(counts):
    N, a, b = counts
    index = {x: Fraction(x, a + b - x) if a + b else Fraction(1) for x in exact_law(N, a, b)}
    law = exact_law(N, a, b)
    mean = sum(p * index[x] for x, p in law.items())
    variance = sum(p * (index[x] - mean) ** 2 for x, p in law.items())
    computed = expected_jaccard(N, a, b)
    assert float(computed[0]) == pytest.approx(float(mean), rel=1e-12)
    assert float(computed[1]) == pytest.approx(math.sqrt(variance), rel=1e-11, abs=1e-13)


@pytest.mark.parametrize(("N", "a", "b"), [(2400, 480, 480), (2400, 24, 2000), (1500, 700, 800)])
def test_thinned_lattice_equals_exact_fractions(N, a, b):
    mean = float(sum(p * Fraction(x, a + b - x) for x, p in exact_law(N, a, b).items()))
    assert float(expected_jaccard(N, a, b)[0]) == pytest.approx(mean, rel=1e-13)


@given(sizes(10**10))
def test_expected_is_symmetric_and_possible(counts):
    N, a, b = counts
    mean, sd = expected_jaccard(N, a, b)
    low, high = support(N, a, b)
    np.testing.assert_allclose(expected_jaccard(N, b, a), (mean, sd), rtol=1e-9, atol=1e-14)
    assert jaccard(low, a, b) - 1e-12 <= mean <= jaccard(high, a, b) + 1e-12
    overlap = moments(N, a, b)[0]
    assert mean >= jaccard(overlap, a, b) - 1e-12  # the ratio of expectations is too low


def test_expected_over_arrays_equals_one_by_one():
    rng = np.random.default_rng(0)
    N = rng.choice([1, 10, 2400, 10**6, 10**9], (20, 30))
    a, b = rng.integers(0, N + 1, (2, 20, 30))
    mean, sd = expected_jaccard(N, a, b)
    assert mean.shape == sd.shape == (20, 30)
    for i in ((0, 0), (7, 21), (19, 29)):
        one = expected_jaccard(N[i], a[i], b[i])
        np.testing.assert_allclose((mean[i], sd[i]), one, rtol=1e-12, atol=1e-14)
    assert expected_jaccard(np.empty(0), 1, 1)[0].shape == (0,)


@pytest.mark.parametrize(
    ("layers", "tolerance"), [(((150, 75, 75),), 1e-8), (((150, 60, 75), (300, 60, 30)), 1e-7)]
)
def test_total_against_exact_convolution(layers, tolerance):
    total = {0: Fraction(1)}
    for layer in layers:
        grown = {}
        for x, p in total.items():
            for y, q in exact_law(*layer).items():
                grown[x + y] = grown.get(x + y, 0) + p * q
        total = grown
    kept = sum(a + b for _, a, b in layers)
    mean = sum(p * Fraction(x, kept - x) for x, p in total.items())
    sd = math.sqrt(sum(p * (Fraction(x, kept - x) - mean) ** 2 for x, p in total.items()))
    computed = expected_jaccard_total(*zip(*layers, strict=True))
    assert float(computed[0]) == pytest.approx(float(mean), rel=tolerance)
    assert float(computed[1]) == pytest.approx(sd, rel=0.01)


def test_total_of_one_layer_is_the_layer():
    one, total = (
        expected_jaccard(10**6, 10**5, 10**5),
        expected_jaccard_total([10**6], [10**5], 1e5),
    )
    np.testing.assert_allclose(total[0], one[0], rtol=1e-10)
    np.testing.assert_allclose(total[1], one[1], rtol=1e-4)


@given(masks())
def test_index_of_sets(pair):
    A, B = (set(np.flatnonzero(mask)) for mask in pair)
    index = float(jaccard(len(A & B), len(A), len(B)))
    expected = len(A & B) / len(A | B) if A | B else 1.0
    assert index == pytest.approx(expected, rel=1e-15)
    distance = float(jaccard_distance(len(A & B), len(A), len(B)))
    assert distance == pytest.approx(1 - expected, abs=1e-15)
    assert bool(empty_union(len(A), len(B))) is (not A | B)


def test_empty_masks():
    assert float(jaccard(0, 0, 0)) == 1.0
    assert float(jaccard_distance(0, 0, 0)) == 0.0
    assert float(jaccard_distance(0, 0, 5)) == 1.0
    assert [float(v) for v in expected_jaccard(10, 0, 0)] == [1.0, 0.0]
    assert [float(v) for v in expected_jaccard_total([10, 5], [0, 0], [0, 0])] == [1.0, 0.0]


def test_empty_unions_count_in_no_mean():
    x, a, b = [10, 0, 3], [20, 0, 3], [20, 0, 3]
    assert float(mean_of_layers(x, a, b)) == pytest.approx((1 / 3 + 1) / 2)
    assert np.isnan(mean_of_layers([0, 0], [0, 0], [0, 0]))
    assert mean_of_layers([x, x], [a, a], [b, b]).shape == (2,)


def test_full_masks_agree():
    assert float(jaccard(9, 9, 9)) == 1.0
    assert float(jaccard_distance(9, 9, 9)) == 0.0
    assert [float(v) for v in expected_jaccard(9, 9, 9)] == [1.0, 0.0]


def test_adjusted_index_is_zero_at_chance_and_one_at_the_maximum():
    mean, _ = expected_jaccard(840, 100, 150)
    overlap = 250 * mean / (1 + mean)
    assert float(adjusted_jaccard(overlap, 840, 100, 150)) == pytest.approx(0.0, abs=1e-12)
    assert float(adjusted_jaccard(100, 840, 100, 150)) == pytest.approx(1.0)
    assert np.isnan(adjusted_jaccard([5, 0, 0], 10, [10, 0, 0], [5, 0, 4])).all()


@given(masks())
def test_measures_of_boolean_arrays(pair):
    A, B = pair
    N, x, a, b = A.size, int((A & B).sum()), int(A.sum()), int(B.sum())
    value = {name: float(measure(name, x, N, a, b)) for name in MEASURES}
    same = float((A == B).mean())
    agree_by_chance = (a * b + (N - a) * (N - b)) / N**2
    assert value["hamming"] == (A != B).sum()
    assert value["hamming-normalized"] == pytest.approx(1 - same)
    assert value["dice"] == pytest.approx(2 * x / (a + b) if a + b else 1.0)
    if min(a, b):
        assert value["containment"] == pytest.approx(x / min(a, b))
        assert value["lift"] == pytest.approx((x / b) / (a / N))
    else:
        assert math.isnan(value["containment"])
        assert math.isnan(value["lift"])
    if agree_by_chance < 1:
        kappa = (same - agree_by_chance) / (1 - agree_by_chance)
        assert value["kappa"] == pytest.approx(kappa, abs=1e-12)
    if 0 < a < N and 0 < b < N:
        phi = float(np.corrcoef(A, B)[0, 1])
        assert value["mcc"] == pytest.approx(phi, abs=1e-12)
        assert value["z"] == pytest.approx(phi * math.sqrt(N - 1), abs=1e-11)
    else:
        assert math.isnan(value["mcc"])
        assert math.isnan(value["z"])


def test_log_odds_has_haldanes_half_and_woolfs_error():
    assert float(measure("log-odds", 3, 20, 5, 10)) == pytest.approx(
        math.log(3.5 * 8.5 / (2.5 * 7.5))
    )
    assert float(measure("log-odds-se", 3, 20, 5, 10)) == pytest.approx(
        math.sqrt(1 / 3.5 + 1 / 8.5 + 1 / 2.5 + 1 / 7.5)
    )


@pytest.mark.parametrize("name", sorted(set(MEASURES) - {"log-odds-se"}))
def test_every_measure_is_monotone_in_the_overlap(name):
    value = measure(name, np.arange(61), 200, 60, 90)
    step = np.diff(value)
    assert np.all(step < 0) if name in FALLING else np.all(step > 0)


@pytest.mark.parametrize("name", ["lift", "z", "kappa", "mcc", "adjusted-overlap"])
def test_chance_is_neutral(name):
    neutral = 1.0 if name == "lift" else 0.0
    assert float(measure(name, 20, 100, 40, 50)) == pytest.approx(neutral)


def test_containment_is_one_for_nested_masks():
    assert float(measure("containment", 30, 100, 30, 70)) == 1.0
    assert float(measure("adjusted-overlap", 30, 100, 30, 70)) == pytest.approx(1.0)


@pytest.mark.parametrize("name", sorted(UNDEFINED_FOR_FIXED))
def test_undefined_is_nan(name):
    assert np.isnan(measure(name, [10, 0], 10, [10, 0], [10, 0])).all()


def test_measures_refuse():
    with pytest.raises(UsageError, match="jacard") as unknown:
        measure("jacard", 1, 10, 2, 3)
    assert "jaccard" in unknown.value.consequence
    with pytest.raises(UsageError):
        measure("dice", 1, 10, 20, 3)


def test_measures_broadcast():
    assert measure("z", np.arange(3)[:, None], 100, [10, 20], 30).shape == (3, 2)
