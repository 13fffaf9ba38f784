from __future__ import annotations

import subprocess
import sys
import tracemalloc
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from maskstat.errors import InputError, LayoutMismatchError
from maskstat.stats._ranks import BLOCK, twice_ranks
from maskstat.stats.spearman import correlation_log10_p, rank_correlation, spearman

SMALL = st.integers(-4, 4)
PAIRS = st.integers(3, 30).flatmap(
    lambda n: st.tuples(
        st.lists(SMALL, min_size=n, max_size=n), st.lists(SMALL, min_size=n, max_size=n)
    )
)


def bfloat16(values):
    """Bit patterns of float32 values that need no more than bfloat16."""
    return (np.asarray(values, np.float32).view(np.uint32) >> 16).astype(np.uint16)


def exact_ranks(values):
    return [
        Fraction(sum(v < u for v in values) + sum(v <= u for v in values) + 1, 2) for u in values
    ]


def exact_rho(x, y):
    """Square of the correlation of exact ranks, with its sign; None where undefined."""
    a, b = exact_ranks(x), exact_ranks(y)
    mean = Fraction(len(x) + 1, 2)
    product = sum((p - mean) * (q - mean) for p, q in zip(a, b, strict=True))
    squares = sum((p - mean) ** 2 for p in a) * sum((q - mean) ** 2 for q in b)
    return None if squares == 0 else (product, squares)


@given(PAIRS)
@settings(max_examples=100)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64])
def test_rho_is_the_exact_rational_rounded(dtype, pair):
    x, y = (np.array(values, dtype=dtype) for values in pair)
    expected = exact_rho(*pair)
    found = spearman(x, y)
    if expected is None:
        assert found.rho is None
        assert found.reason == "constant"
    else:
        product, squares = expected
        with mpmath.workdps(50):
            exact = mpmath.mpf(product.numerator) / product.denominator
            exact /= mpmath.sqrt(mpmath.mpf(squares.numerator) / squares.denominator)
        assert found.rho == pytest.approx(float(exact), rel=3e-16, abs=0)
        assert (abs(found.rho) == 1) == (product * product == squares)


@pytest.mark.parametrize("n", [4, 10, 57, 3 * BLOCK + 11])
@pytest.mark.parametrize("decimals", [0, 1, 8])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_agrees_with_scipy(n, decimals, dtype):
    rng = np.random.default_rng(n + decimals)
    x = np.round(rng.standard_normal(n), decimals).astype(dtype)
    y = np.round(0.02 * x + rng.standard_normal(n), decimals).astype(dtype)
    expected = scipy.stats.spearmanr(x.astype(float), y.astype(float))
    found = spearman(x, y)
    assert found.rho == pytest.approx(expected.statistic, rel=1e-12, abs=1e-15)
    assert 10**found.log10_p == pytest.approx(expected.pvalue, rel=1e-9)


@pytest.mark.parametrize("decimals", [2, 9])
def test_every_route_gives_the_same_ranks(decimals):
    rng = np.random.default_rng(0)
    values = np.round(rng.standard_normal(2 * BLOCK + 5), decimals).astype(np.float16)
    values[: BLOCK + 100] = 0.0  # one tied group that spans whole tiles
    values[:50] = -0.0
    rng.shuffle(values)
    wide = values.astype(np.float64)
    expected = 2 * scipy.stats.rankdata(wide)
    nudged = values.astype(np.float32)
    nudged[nudged == nudged.max()] += np.float32(1e-6)  # no longer a float16: the packed sort
    for route in (values, values.astype(np.float32), nudged, wide):
        np.testing.assert_array_equal(twice_ranks(route), expected)


@given(st.lists(st.integers(0, 0xFFFF), min_size=3, max_size=60))
def test_bfloat16_patterns_rank_as_the_numbers_they_are(bits):
    patterns = np.array([b for b in bits if b & 0x7F80 != 0x7F80], dtype=np.uint16)
    numbers = (patterns.astype(np.uint32) << 16).view(np.float32)
    expected = 2 * scipy.stats.rankdata(numbers)
    np.testing.assert_array_equal(twice_ranks(patterns), expected)
    np.testing.assert_array_equal(twice_ranks(numbers), expected)


@pytest.mark.parametrize("exponent", [0x7F80, 0x7C00])
def test_counting_ranks_every_16_bit_number(exponent):
    rng = np.random.default_rng(9)
    patterns = np.arange(1 << 16, dtype=np.uint16)
    patterns = patterns[patterns & exponent != exponent]
    patterns = np.concatenate([patterns, rng.choice(patterns, 9999)])
    rng.shuffle(patterns)
    if exponent == 0x7F80:
        values, wide = patterns, (patterns.astype(np.uint32) << 16).view(np.float32)
    else:
        values = patterns.view(np.float16)
        wide = values.astype(np.float32)
    np.testing.assert_array_equal(twice_ranks(values), 2 * scipy.stats.rankdata(wide))


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_float32_ranks(values):
    x = np.array(values, dtype=np.float32)
    np.testing.assert_array_equal(twice_ranks(x), 2 * scipy.stats.rankdata(x))


@given(PAIRS, st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_symmetries_hold_to_the_last_bit(pair, random):
    x, y = (np.array(values, dtype=np.float32) for values in pair)
    found = spearman(x, y)
    order = random.sample(range(x.size), x.size)
    assert spearman(y, x) == found
    assert spearman(x[order], y[order]) == found
    assert spearman(np.exp(x), y**3) == found
    assert spearman(x.reshape(1, -1), y.reshape(1, -1)) == found
    mirrored = spearman(-x, y)
    if found.rho is not None:
        assert mirrored.rho == -found.rho
        assert mirrored.log10_p == found.log10_p
    if found.low95 is not None:
        assert found.low95 <= found.rho <= found.high95
        assert mirrored.low95 == pytest.approx(-found.high95, rel=1e-12, abs=1e-12)


def test_perfect_correlations_are_exact():
    x = np.random.default_rng(1).standard_normal(100_003).astype(np.float32)
    for y, rho in ((x, 1.0), (-x, -1.0), (np.cbrt(x.astype(np.float64)), 1.0)):
        found = spearman(x, y)
        assert found.rho == rho
        assert found.reason == "perfect"
        assert found.log10_p is None
        assert found.low95 is None


@pytest.mark.parametrize(
    ("x", "y", "rho", "reason"),
    [
        ([], [], None, "n<3"),
        ([1.0], [2.0], None, "n<3"),
        ([1.0, 2.0], [3.0, 5.0], 1.0, "n<3"),
        ([1.0, 2.0], [5.0, 3.0], -1.0, "n<3"),
        ([1.0, 1.0], [5.0, 3.0], None, "constant"),
        ([1.0, 1.0, 1.0, 1.0], [5.0, 3.0, 1.0, 2.0], None, "constant"),
        ([-0.0, 0.0, 0.0, -0.0], [5.0, 3.0, 1.0, 2.0], None, "constant"),
        ([1.0, 2.0, 3.0], [1.0, 3.0, 2.0], 0.5, "n<4"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], 1.0, "perfect"),
    ],
)
@pytest.mark.parametrize("convert", [np.float32, np.float64, np.float16, bfloat16])
def test_what_is_undefined_is_none_with_a_reason(x, y, rho, reason, convert):
    found = spearman(convert(x), convert(y))
    assert (found.n, found.rho, found.reason) == (len(x), rho, reason)
    assert found.low95 is None
    assert found.high95 is None
    assert (found.log10_p is None) == (reason != "n<4")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("convert", [np.float32, np.float64, np.float16, bfloat16])
@pytest.mark.parametrize("others", [[0.1, 0.2, 0.3], [1.0, 2.0, 4.0]])
def test_values_that_are_not_finite_are_refused(bad, convert, others):
    good, spoilt = convert([1.0, 2.0, 3.0, 4.0]), convert([*others, bad])
    for pair in ((good, spoilt), (spoilt, good)):
        with pytest.raises(InputError, match="not-finite"):
            spearman(*pair)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_one_bad_value_among_many_is_found(bad, dtype):
    for values in (np.arange(2.0 * BLOCK) % 97, np.random.default_rng(0).random(2 * BLOCK)):
        spoilt = values.astype(dtype)
        spoilt[BLOCK + 3] = bad
        with pytest.raises(InputError, match="not-finite"):
            spearman(spoilt, values)


def test_inputs_of_the_wrong_kind_are_refused():
    with pytest.raises(LayoutMismatchError, match="shape-mismatch"):
        spearman(np.zeros(3), np.zeros(4))
    with pytest.raises(InputError, match="not-real"):
        spearman(np.array([1j, 2j, 3j]), np.arange(3.0))
    with pytest.raises(InputError, match="not-real"):
        spearman(np.array(["a", "b", "c"]), np.arange(3.0))
    endless = np.broadcast_to(np.float32(1), (2**31,))
    with pytest.raises(InputError, match="too-many-values"):
        spearman(endless, endless)


def test_byte_order_and_strides_do_not_matter():
    x = np.random.default_rng(2).standard_normal((40, 6)).astype(np.float32)
    y = np.random.default_rng(3).standard_normal((40, 6)).astype(np.float32)
    expected = spearman(x[:, ::2].copy(), y[:, 1::2].copy())
    assert spearman(x[:, ::2], y[:, 1::2]) == expected
    assert spearman(x[:, ::2].astype(">f4"), y[:, 1::2]) == expected


def log10_p_by_quadrature(rho, n):
    """Two-sided p of r's density c (1 - r^2)^((n-4)/2), integrated in multiple precision."""
    with mpmath.workdps(60):
        power = mpmath.mpf(n - 4) / 2
        r = mpmath.mpf(abs(rho))
        peak = power * mpmath.log1p(-r * r)
        width = (1 - r) / (1 + (1 - r) * (2 * power * r / (1 - r * r) + mpmath.sqrt(n)))
        edges = [r + k * width for k in (0, 1, 3, 9, 27, 81) if r + k * width < 1]
        tail = mpmath.quad(
            lambda t: mpmath.exp(power * mpmath.log1p(-t * t) - peak),
            [*edges, min(1, edges[-1] + 162 * width)],
        )
        whole = mpmath.beta(mpmath.mpf(1) / 2, mpmath.mpf(n - 2) / 2)
        return float((mpmath.log(2 * tail) + peak - mpmath.log(whole)) / mpmath.log(10))


@pytest.mark.parametrize(
    ("rho", "n"),
    [
        (0.9, 1000),
        (0.3, 10**5),
        (-0.27, 10**6),
        (0.5, 10**8),
        (0.001, 10**8),
        (2e-4, 10**8),
        (1.8e-4, 10**8),
        (1e-4, 10**8),
        (0.3, 2 * 10**9),
        (0.02, 5000),
        (0.06, 2000),
        (-0.4, 31),
        (0.31, 34),
    ],
)
def test_log10_p_against_quadrature(rho, n):
    assert correlation_log10_p(rho, n) == pytest.approx(log10_p_by_quadrature(rho, n), rel=2e-13)


@given(st.integers(3, 400), st.floats(-0.9999, 0.9999))
@settings(max_examples=80)
def test_log10_p_against_the_incomplete_beta_function(n, rho):
    with mpmath.workdps(60):
        x = 1 - mpmath.mpf(rho) ** 2
        p = mpmath.betainc(mpmath.mpf(n - 2) / 2, 0.5, 0, x, regularized=True)
        expected = mpmath.log10(p)
    assert correlation_log10_p(rho, n) == pytest.approx(float(expected), rel=1e-12, abs=1e-15)


def test_value_of_the_design():
    assert correlation_log10_p(0.9, 1000) == pytest.approx(-361.4540314463384, rel=1e-14)
    assert correlation_log10_p(0.0, 50) == 0.0
    assert correlation_log10_p(1e-200, 50) <= 0.0


def test_interval_of_a_worked_case():
    # rho = 1 - 6 * 4 / 990 = 0.9757..., z = 2.2003..., se = sqrt((1 + rho^2 / 2) / 7) = 0.4591...
    x = np.arange(10.0)
    y = np.array([1, 0, 3, 2, 4, 5, 6, 7, 8, 9.0])
    found = spearman(x, y)
    assert found.rho == pytest.approx(1 - 24 / 990, rel=1e-15)
    assert found.low95 == pytest.approx(0.861796862415731, rel=1e-12)
    assert found.high95 == pytest.approx(0.995951918487370, rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("rho", "n"), [(0.0, 30), (0.5, 30), (0.8, 200)])
def test_interval_covers_the_true_correlation(rho, n):
    rng = np.random.default_rng(7)
    true = 6 / np.pi * np.arcsin(rho / 2)  # of a bivariate normal
    covered = 0
    for _ in range(4000):
        x = rng.standard_normal(n)
        found = spearman(x, rho * x + np.sqrt(1 - rho**2) * rng.standard_normal(n))
        covered += found.low95 <= true <= found.high95
    assert 0.935 <= covered / 4000 <= 0.965


def test_rank_correlation_is_spearman_inside_and_over_all():
    rng = np.random.default_rng(4)
    initial = rng.standard_normal((30, 20)).astype(np.float32)
    final = (initial + rng.standard_normal((30, 20))).astype(np.float32)
    kept = rng.random((30, 20)) < 0.3
    found = rank_correlation(initial, final, kept)
    assert found.kept.signed == spearman(initial[kept], final[kept])
    assert found.kept.magnitude == spearman(abs(initial[kept]), abs(final[kept]))
    assert found.layer.signed == spearman(initial, final)
    assert found.layer.magnitude == spearman(abs(initial), abs(final))
    assert found.kept.signs_agreeing == np.sum(np.sign(initial[kept]) == np.sign(final[kept]))
    assert found.layer.signs_compared == 600
    assert found.layer.sign_agreement == found.layer.signs_agreeing / 600
    assert not found.pruned_are_zero


def test_zeros_have_no_sign_and_zeroed_weights_are_told():
    initial = np.array([1.0, -1.0, 2.0, 0.0, -2.0, 3.0])
    final = np.array([2.0, 1.0, 0.0, 3.0, -1.0, -0.0])
    kept = np.array([True, True, False, True, True, False])
    found = rank_correlation(initial, final, kept)
    assert (found.layer.signs_compared, found.layer.signs_agreeing) == (3, 2)
    assert found.layer.expected_sign_agreement == pytest.approx((1 * 2 + 2 * 1) / 9)
    assert found.pruned_are_zero
    assert not rank_correlation(initial, final, np.ones(6, bool)).pruned_are_zero
    empty = rank_correlation(initial, final, np.zeros(6, bool))
    assert empty.kept.signed.reason == "n<3"
    assert empty.kept.sign_agreement is None
    assert empty.kept.expected_sign_agreement is None


def test_rank_correlation_of_bfloat16():
    rng = np.random.default_rng(5)
    a, b = (rng.integers(-100, 100, 500).astype(np.float32) for _ in range(2))
    kept = rng.random(500) < 0.5
    assert rank_correlation(bfloat16(a), bfloat16(b), kept) == rank_correlation(a, b, kept)


def test_masks_of_another_shape_or_type_are_refused():
    with pytest.raises(LayoutMismatchError, match="shape-mismatch"):
        rank_correlation(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros(6, bool))
    with pytest.raises(InputError, match="mask-type"):
        rank_correlation(np.zeros(3), np.zeros(3), np.array([0, 1, 2]))


def test_selecting_large_weights_raises_the_signed_correlation_alone():
    rng = np.random.default_rng(6)
    n = 200_000
    initial = rng.standard_normal(n).astype(np.float32)
    final = (0.3 * initial + np.sqrt(1 - 0.09) * rng.standard_normal(n)).astype(np.float32)
    for density, signed in ((0.1, 0.52), (0.02, 0.59)):
        kept = abs(final) >= np.quantile(abs(final), 1 - density)
        found = rank_correlation(initial, final, kept)
        assert found.layer.signed.rho == pytest.approx(0.29, abs=0.01)
        assert found.kept.signed.rho == pytest.approx(signed, abs=0.02)
        assert found.kept.magnitude.rho == pytest.approx(0.06, abs=0.04)
        assert found.layer.magnitude.rho == pytest.approx(0.06, abs=0.02)


@pytest.mark.parametrize(
    ("dtype", "bytes_each"), [(np.float32, 16.5), (np.float16, 9), (np.float64, 32.5)]
)
def test_memory_beyond_the_inputs(dtype, bytes_each):
    rng = np.random.default_rng(8)
    x, y = (rng.standard_normal(2_000_000).astype(dtype) for _ in range(2))
    tracemalloc.start()
    spearman(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= bytes_each * x.size + 40e6


def test_needs_numpy_alone():
    code = (
        "import sys, numpy as np; from maskstat.stats.spearman import spearman;"
        "spearman(np.arange(5.0), np.array([0, 2, 1, 3, 4.0]));"
        "sys.exit(any(m.split('.')[0] in {'scipy', 'h5py', 'torch'} for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_a_hundred_million_weights_within_four_gigabytes():
    code = """
import resource, numpy as np
from maskstat.stats.spearman import rank_correlation
rng = np.random.default_rng(0)
n = 10**8
x = rng.standard_normal(n, dtype=np.float32)
y = rng.standard_normal(n, dtype=np.float32)
for start in range(0, n, 10**6):
    y[start:start + 10**6] += np.float32(0.3) * x[start:start + 10**6]
found = rank_correlation(x, y, rng.random(n, dtype=np.float32) < 0.2)
rho = 0.3 / 1.09**0.5
assert abs(found.layer.signed.rho - 6 / np.pi * np.arcsin(rho / 2)) < 5e-4
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(run.stdout) * 1024 <= 4e9
