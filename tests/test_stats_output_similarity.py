from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskstat.errors import InputError, LayoutMismatchError
from maskstat.stats import _rows
from maskstat.stats.output_similarity import linear_cka, output_distance
from maskstat.stats.prediction_agreement import agreement, ensemble_accuracy, error_consistency

SEEDS = st.integers(0, 2**32 - 1)
SHAPES = st.tuples(st.integers(4, 25), st.integers(1, 30), st.integers(1, 30))


def related(seed, n, p, q):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, p)) + 3
    y = rng.standard_normal((n, q))
    shared = min(p, q)
    y[:, :shared] += 0.7 * x[:, :shared]
    return x, y


def notebook_cka(x, y, *, debiased):
    """Kornblith et al.'s cka_linear on Gram matrices, centring matrices written out."""
    n = len(x)
    grams = [x @ x.T, y @ y.T]
    if debiased:
        centred = []
        for gram in grams:
            gram = gram * (1 - np.eye(n))
            means = gram.sum(axis=0) / (n - 2)
            means -= means.sum() / (2 * (n - 1))
            gram = (gram - means[:, None] - means[None, :]) * (1 - np.eye(n))
            centred.append(gram)
    else:
        h = np.eye(n) - np.ones((n, n)) / n
        centred = [h @ gram @ h for gram in grams]
    k, m = centred
    return np.sum(k * m) / np.linalg.norm(k) / np.linalg.norm(m)


def song_cka(x, y):
    """The same from Song et al.'s unbiased HSIC, in multiple precision."""
    n = len(x)
    ones = mpmath.ones(n, 1)

    def gram(values):
        matrix = mpmath.matrix(values.tolist())
        product = matrix * matrix.T
        for i in range(n):
            product[i, i] = 0
        return product

    def hsic(k, m):
        product = k * m
        trace = sum(product[i, i] for i in range(n))
        sums = (ones.T * k * ones)[0] * (ones.T * m * ones)[0] / ((n - 1) * (n - 2))
        cross = (ones.T * product * ones)[0] * 2 / (n - 2)
        return (trace + sums - cross) / (n * (n - 3))

    with mpmath.workdps(40):
        k, m = gram(x), gram(y)
        return float(hsic(k, m) / mpmath.sqrt(hsic(k, k) * hsic(m, m)))


@given(SEEDS, SHAPES)
def test_cka_is_the_notebook_formula(seed, shape):
    x, y = related(seed, *shape)
    found = linear_cka(x, y)
    assert found.biased == pytest.approx(notebook_cka(x, y, debiased=False), rel=1e-10)
    assert found.debiased == pytest.approx(notebook_cka(x, y, debiased=True), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("shape", [(4, 3, 2), (7, 2, 9), (12, 20, 20)])
def test_debiased_cka_is_songs_estimator(shape):
    x, y = related(3, *shape)
    assert linear_cka(x, y).debiased == pytest.approx(song_cka(x, y), rel=1e-11, abs=1e-12)


@given(SEEDS, SHAPES)
def test_cka_ignores_rotation_scale_and_shift(seed, shape):
    x, y = related(seed, *shape)
    rng = np.random.default_rng(seed + 1)
    rotation, _ = np.linalg.qr(rng.standard_normal((shape[1], shape[1])))
    moved = 3e-7 * x @ rotation + rng.standard_normal(shape[1])
    order = rng.permutation(shape[0])
    plain = linear_cka(x, y)
    for other in (linear_cka(moved, y), linear_cka(y, x), linear_cka(x[order], y[order])):
        assert other.biased == pytest.approx(plain.biased, rel=1e-6)
        assert other.debiased == pytest.approx(plain.debiased, rel=1e-6, abs=1e-6)
    same = linear_cka(x, 5 * x @ rotation)
    assert same.biased == pytest.approx(1, abs=1e-12)
    assert same.debiased == pytest.approx(1, abs=1e-9)


def test_bias_of_few_examples():
    rng = np.random.default_rng(0)
    found = [
        linear_cka(rng.standard_normal((12, 200)), rng.standard_normal((12, 200)))
        for _ in range(50)
    ]
    assert np.mean([f.biased for f in found]) == pytest.approx(0.94, abs=0.01)
    assert np.mean([f.debiased for f in found]) == pytest.approx(0, abs=0.05)
    assert min(f.debiased for f in found) < 0  # not clipped


def test_a_shift_of_every_example_hides_the_likeness_unless_rows_are_centred():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((10_000, 10))
    shifted = x + 20 * rng.standard_normal((10_000, 1))
    assert linear_cka(x, shifted).debiased < 0.05
    assert linear_cka(x, shifted, center_rows=True).debiased == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("factor", [1e-200, 1e-30, 1e30, 1e200])
def test_extreme_scales_neither_over_nor_underflow(factor):
    x, y = related(2, 20, 4, 5)
    expected = linear_cka(x, y)
    found = linear_cka(x * factor, y / factor)
    assert found.debiased == pytest.approx(expected.debiased, rel=1e-12)
    assert found.biased == pytest.approx(expected.biased, rel=1e-12)


def test_a_large_offset_costs_no_digits():
    rng = np.random.default_rng(3)
    x = rng.integers(-50, 50, (300, 6)).astype(np.float32)
    y = x + rng.integers(-50, 50, (300, 6)).astype(np.float32)
    away = np.float32(2.0**17)
    assert linear_cka(x + away, y - away).debiased == pytest.approx(
        linear_cka(x, y).debiased, rel=1e-12
    )


class Recorded:
    """Rows that can only be read a few at a time, as from a file."""

    def __init__(self, values, most):
        self.values, self.most, self.shape = values, most, values.shape

    def __getitem__(self, rows):
        taken = self.values[rows]
        assert len(taken) <= self.most
        return taken


def test_rows_are_streamed(monkeypatch):
    x, y = (a.astype(np.float32) for a in related(4, 500, 6, 6))
    labels = np.random.default_rng(0).integers(0, 6, 500)
    whole = (
        linear_cka(x, y, center_rows=True),
        output_distance(x, y),
        agreement(x, y),
        error_consistency(x, y, labels),
        ensemble_accuracy([x, y], labels),
    )
    monkeypatch.setattr(_rows, "TILE_BYTES", 8 * 18 * 7)
    a, b = Recorded(x, 21), Recorded(y, 21)
    cka = linear_cka(a, b, center_rows=True)
    assert cka.debiased == pytest.approx(whole[0].debiased, rel=1e-12)
    assert cka.biased == pytest.approx(whole[0].biased, rel=1e-12)
    assert output_distance(a, b).l2 == pytest.approx(whole[1].l2, rel=1e-13)
    assert agreement(a, b) == whole[2]
    assert error_consistency(a, b, labels) == whole[3]
    assert ensemble_accuracy([a, b], labels) == whole[4]


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_cka_of_too_few_examples_is_none(n):
    found = linear_cka(np.eye(3)[:n], np.eye(3)[:n])
    assert (found.debiased, found.biased, found.reason) == (None, None, "n<4")


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9, -3.3e-7])
def test_cka_of_constant_outputs_is_none(value):
    constant = np.full((7, 3), value) + np.array([0.3, 0.7, 1.9])
    varied = np.random.default_rng(0).standard_normal((7, 2))
    for pair in ((constant, varied), (varied, constant)):
        found = linear_cka(*pair)
        assert (found.debiased, found.biased, found.reason) == (None, None, "constant")
    shifted = constant + np.random.default_rng(1).standard_normal((7, 1))
    assert linear_cka(shifted, varied).reason is None
    assert linear_cka(shifted, varied, center_rows=True).reason == "constant"


def test_one_example_apart_leaves_nothing_to_debias():
    lone = np.zeros((9, 4))
    lone[3] = [0.1, 0.7, -2.3, 0.9]
    varied = np.random.default_rng(0).standard_normal((9, 4))
    found = linear_cka(lone, varied)
    assert (found.debiased, found.reason) == (None, "no-pair")
    assert found.biased == pytest.approx(notebook_cka(lone, varied, debiased=False), rel=1e-12)


@given(SEEDS, st.integers(1, 40), st.integers(1, 12))
def test_distance_is_the_frobenius_norm(seed, n, c):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, c)), rng.standard_normal((n, c))
    found = output_distance(x, y)
    assert found.l2 == pytest.approx(np.linalg.norm(x - y), rel=1e-13)
    squares = [
        sum((a - b) ** 2 for a, b in zip(u, v, strict=True)) for u, v in zip(x, y, strict=True)
    ]
    assert found.rms == pytest.approx(math.sqrt(math.fsum(squares) / n), rel=1e-13)
    assert not found.equal
    assert output_distance(y, x) == found


def test_rounding_is_not_a_difference():
    rng = np.random.default_rng(5)
    x = rng.standard_normal((1000, 10)).astype(np.float32)
    noisy = x * (1 + 3e-7 * rng.standard_normal(x.shape)).astype(np.float32)
    found = output_distance(x, noisy)
    assert found.l2 > 0
    assert found.equal
    assert not output_distance(x, noisy, tolerance=0).equal
    assert output_distance(x, x, tolerance=0).equal
    assert not output_distance(x, x * 1.001).equal
    assert found.scale == pytest.approx(np.sqrt(10), rel=0.05)
    empty = output_distance(x[:0], x[:0])
    assert (empty.l2, empty.rms, empty.scale) == (0, None, None)


@given(SEEDS, st.integers(1, 60), st.integers(1, 6), st.integers(1, 3))
def test_agreement_by_hand(seed, n, c, levels):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, levels, (n, c)), rng.integers(0, levels, (n, c))  # with equal outputs
    a = [max(range(c), key=lambda j, row=row: (row[j], -j)) for row in x]
    b = [max(range(c), key=lambda j, row=row: (row[j], -j)) for row in y]
    found = agreement(x, y)
    fraction = Fraction(sum(i == j for i, j in zip(a, b, strict=True)), n)
    expected = sum(Fraction(a.count(j), n) * Fraction(b.count(j), n) for j in range(c))
    assert found.agreeing == fraction * n
    assert found.fraction == float(fraction)
    assert found.expected == float(expected)
    if expected == 1:
        assert found.kappa is None
    else:
        assert found.kappa == float((fraction - expected) / (1 - expected))
    assert agreement(y, x) == found


@given(SEEDS, st.integers(1, 60), st.integers(1, 4))
def test_error_consistency_by_hand(seed, n, c):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, c)), rng.standard_normal((n, c))
    labels = rng.integers(0, c, n)
    right = [
        (int(a), int(b)) for a, b in zip(x.argmax(1) == labels, y.argmax(1) == labels, strict=True)
    ]
    found = error_consistency(x, y, labels)
    acc_a, acc_b = (Fraction(sum(pair[i] for pair in right), n) for i in (0, 1))
    same = Fraction(sum(a == b for a, b in right), n)
    chance = acc_a * acc_b + (1 - acc_a) * (1 - acc_b)
    assert found.accuracy_a == float(acc_a)
    assert found.accuracy_b == float(acc_b)
    assert found.correct_both == sum(a * b for a, b in right)
    assert found.fraction == float(same)
    assert found.expected == float(chance)
    if chance == 1:
        assert found.kappa is None
    else:
        assert found.kappa == float((same - chance) / (1 - chance))


def test_independent_errors_have_no_consistency():
    rng = np.random.default_rng(6)
    n = 40_000
    labels = rng.integers(0, 10, n)
    outputs = []
    for accuracy in (0.9, 0.8):
        wrong = (labels + rng.integers(1, 10, n)) % 10
        outputs.append(np.eye(10)[np.where(rng.random(n) < accuracy, labels, wrong)])
    found = error_consistency(*outputs, labels)
    assert found.kappa == pytest.approx(0, abs=0.02)
    assert agreement(*outputs).kappa > 0.6  # both are mostly right, so they agree


@given(SEEDS, st.integers(1, 25), st.integers(1, 5), st.integers(1, 5))
@settings(max_examples=40)
def test_ensemble_by_hand(seed, n, c, members):
    rng = np.random.default_rng(seed)
    outputs = [rng.standard_normal((n, c)) * 3 for _ in range(members)]
    labels = rng.integers(0, c, n)
    mean = vote = 0
    for i in range(n):
        probability = [mpmath.mpf(0)] * c
        votes = [0] * c
        for output in outputs:
            weights = [mpmath.exp(v) for v in output[i].tolist()]
            probability = [p + w / sum(weights) for p, w in zip(probability, weights, strict=True)]
            votes[int(output[i].argmax())] += 1
        mean += max(range(c), key=lambda j: probability[j]) == labels[i]
        vote += max(range(c), key=lambda j: (votes[j], probability[j])) == labels[i]
    found = ensemble_accuracy(outputs, labels)
    assert found.correct_mean_probability == mean
    assert found.correct_majority_vote == vote
    assert found.correct_members == tuple(int(np.sum(o.argmax(1) == labels)) for o in outputs)
    assert found.mean_probability_accuracy == mean / n
    assert found.majority_vote_accuracy == vote / n
    assert found.member_accuracies == tuple(k / n for k in found.correct_members)


def test_an_ensemble_of_independent_voters_beats_its_members():
    rng = np.random.default_rng(7)
    labels = rng.integers(0, 10, 5000)
    outputs = [np.eye(10)[labels] * 1.5 + rng.standard_normal((5000, 10)) for _ in range(9)]
    found = ensemble_accuracy(outputs, labels)
    assert max(found.member_accuracies) < 0.7
    assert found.majority_vote_accuracy > 0.95
    assert found.mean_probability_accuracy > 0.95
    alone = ensemble_accuracy(outputs[:1], labels)
    assert alone.correct_majority_vote == alone.correct_mean_probability == alone.correct_members[0]


def test_logits_of_any_size_have_a_softmax():
    labels = [0, 1]
    outputs = [np.array([[1e5, -1e5], [-1e300, 3.0]]), np.array([[-2.0, 1.0], [0.0, 0.5]])]
    assert ensemble_accuracy(outputs, labels).correct_mean_probability == 2


@pytest.mark.parametrize("measure", [linear_cka, output_distance, agreement])
def test_outputs_that_cannot_be_compared_are_refused(measure):
    good = np.random.default_rng(0).standard_normal((6, 3))
    with pytest.raises(LayoutMismatchError, match="shape-mismatch"):
        measure(good, good[:5])
    with pytest.raises(InputError, match="outputs-shape"):
        measure(good[:, 0], good[:, 0])
    for bad in (np.nan, np.inf):
        spoilt = good.copy()
        spoilt[4, 1] = bad
        with pytest.raises(InputError, match="not-finite"):
            measure(good, spoilt)
    if measure is not linear_cka:
        with pytest.raises(LayoutMismatchError, match="shape-mismatch"):
            measure(good, good[:, :2])


@pytest.mark.parametrize(
    ("labels", "code"),
    [
        ([0, 1, 2], "labels-shape"),
        ([0, 1, 2, 3], "labels-range"),
        ([0, -1, 2, 1], "labels-range"),
        ([0.0, 1.0, 2.0, 1.0], "labels-range"),
    ],
)
def test_labels_that_are_no_classes_are_refused(labels, code):
    outputs = np.eye(3)[[0, 1, 2, 0]]
    with pytest.raises(InputError, match=code):
        error_consistency(outputs, outputs, labels)
    with pytest.raises(InputError, match=code):
        ensemble_accuracy([outputs], labels)


def test_an_empty_ensemble_is_refused():
    with pytest.raises(InputError, match="empty-ensemble"):
        ensemble_accuracy([], [])
    with pytest.raises(InputError, match="empty-ensemble"):
        ensemble_accuracy([np.zeros((0, 3))], [])
    empty = error_consistency(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0, int))
    assert (empty.accuracy_a, empty.expected, empty.kappa) == (None, None, None)
    assert agreement(np.zeros((0, 3)), np.zeros((0, 3))).kappa is None
