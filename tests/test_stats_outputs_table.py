"""outputs, their summary and the ensemble: against centring matrices and plain loops."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskstat.errors import InputError, LayoutMismatchError, NotFoundError, UsageError
from maskstat.mask import Mask
from maskstat.run import Outputs, Run
from maskstat.stats.ensemble import ensemble
from maskstat.stats.outputs import outputs
from maskstat.stats.outputs_summary import AVERAGED, summarize_outputs

CLASSES = 4


def run_of(name, draw, *, n=30, iterations=2, labels=True, stored=None, dataset="toy", **fields):
    """A run whose logits lean towards the true classes."""
    truth = np.random.default_rng(99).integers(0, CLASSES, n)
    rng = np.random.default_rng(draw)
    stored = range(iterations + 1) if stored is None else stored
    logits = rng.normal(size=(len(stored), n, CLASSES)) + 1.5 * np.eye(CLASSES)[truth]
    kept = Outputs(
        logits=logits.astype(np.float32),
        iterations=tuple(stored),
        labels=truth if labels else None,
    )
    masks = [Mask.from_arrays({"fc": rng.random((3, draw % 3 + 1)) < 0.9})] * iterations
    return Run.from_masks(name, masks, outputs={dataset: kept}, **fields)


def logits_of(run, iteration, dataset="toy"):
    stored = run.outputs[dataset]
    return np.asarray(stored.logits[stored.iterations.index(iteration)], np.float64)


def cka_by_matrices(x, y):
    """Biased by centring matrices, debiased by the unbiased HSIC of Song et al."""
    n = len(x)
    centre = np.eye(n) - 1 / n

    def biased(k, m):
        return np.trace(k @ centre @ m @ centre)

    def unbiased(k, m):
        k, m, one = k - np.diag(np.diag(k)), m - np.diag(np.diag(m)), np.ones(n)
        return (
            np.trace(k @ m)
            + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
            - 2 * (one @ k @ m @ one) / (n - 2)
        )

    k, m = x @ x.T, y @ y.T
    return [h(k, m) / math.sqrt(h(k, k) * h(m, m)) for h in (unbiased, biased)]


@settings(max_examples=25)
@given(st.integers(0, 1000), st.booleans())
def test_a_pair_equals_the_definitions(seed, center_rows):
    a, b = run_of("a", seed), run_of("b", seed + 1)
    (row,) = outputs(a, b, center_rows=center_rows)
    x, y, truth = logits_of(a, 2), logits_of(b, 2), a.outputs["toy"].labels
    n = len(x)
    u, v = (z - z.mean(axis=1, keepdims=True) if center_rows else z for z in (x, y))
    debiased, biased = cka_by_matrices(u, v)
    assert (row["cka"], row["cka_biased"]) == pytest.approx((debiased, biased), abs=1e-10)
    assert row["l2"] == pytest.approx(math.dist(x.ravel(), y.ravel()))
    assert row["rms"] == pytest.approx(
        math.sqrt(sum(math.dist(p, q) ** 2 for p, q in zip(x, y, strict=True)) / n)
    )
    first, second = x.argmax(1).tolist(), y.argmax(1).tolist()
    assert row["agreeing"] == sum(p == q for p, q in zip(first, second, strict=True))
    shares = Counter(first), Counter(second)
    chance = sum(shares[0][c] * shares[1][c] for c in range(CLASSES)) / n**2
    assert row["expected_agreement"] == pytest.approx(chance)
    assert row["kappa"] == pytest.approx((row["agreeing"] / n - chance) / (1 - chance))
    right = [[p == t for p, t in zip(side, truth, strict=True)] for side in (first, second)]
    accuracies = [sum(side) / n for side in right]
    assert [row["accuracy_a"], row["accuracy_b"]] == pytest.approx(accuracies)
    assert row["correct_both"] == sum(p and q for p, q in zip(*right, strict=True))
    together = sum(p == q for p, q in zip(*right, strict=True)) / n
    by_chance = math.prod(accuracies) + math.prod(1 - p for p in accuracies)
    assert row["error_agreement"] == pytest.approx(together)
    assert row["error_kappa"] == pytest.approx((together - by_chance) / (1 - by_chance))


def test_pairs_and_iterations_meet_as_masks_do():
    runs = [
        run_of("a", 0, iterations=3),
        run_of("b", 1, iterations=2),
        run_of("c", 2, iterations=3),
    ]
    rows = outputs(*runs).rows()
    assert sorted((r["a"], r["b"]) for r in rows) == list(itertools.combinations("abc", 2))
    assert {(r["a"], r["iteration_a"]) for r in rows} == {("a", 3), ("b", 2)}
    rows = outputs(*runs, iteration="all").rows()
    assert all(r["iteration_a"] == r["iteration_b"] for r in rows)
    assert [r["iteration_a"] for r in rows] == [1, 1, 1, 2, 2, 2, 3]
    (row,) = outputs((runs[0], 0), (runs[1], 2))
    assert (row["iteration_a"], row["iteration_b"]) == (0, 2)
    assert len(outputs(*runs, pairs="first")) == 2
    assert [(r["a"], r["b"]) for r in outputs(*runs, pairs="3:1")] == [("c", "a")]


def test_a_network_is_equal_to_itself_and_nothing_else():
    run = run_of("a", 1)
    (row,) = outputs((run, 2), (run, 2))
    assert (row["cka"], row["agreement"], row["l2"]) == (pytest.approx(1), 1, 0)
    assert row["equal"] is True
    (row,) = outputs((run, 1), (run, 2))
    assert row["equal"] is False


def test_without_labels_there_is_no_accuracy():
    (row,) = outputs(run_of("a", 1, labels=False), run_of("b", 2, labels=False))
    assert (row["accuracy_a"], row["error_kappa"], row["correct_both"]) == (None, None, None)
    (row,) = outputs(run_of("a", 1, labels=False), run_of("b", 2))
    assert row["accuracy_a"] is not None


def test_what_cka_cannot_tell_is_said():
    runs = [run_of(name, seed, n=3) for seed, name in enumerate("ab")]
    (row,) = outputs(*runs)
    assert (row["cka"], row["note"]) == (None, "n<4")
    assert row["agreement"] is not None


def test_the_data_set_has_to_be_common():
    a, b = run_of("a", 1), run_of("b", 2, dataset="other")
    with pytest.raises(NotFoundError, match=r"b: .* on other; the inputs before it .* on toy"):
        outputs(a, b)
    everywhere = Run.from_masks("f", [a.mask(1)], outputs=dict(a.outputs) | dict(b.outputs))
    with pytest.raises(NotFoundError, match=r"b: .* on other; the inputs before it .* on toy"):
        outputs(everywhere, a, b)  # each of the others shares a data set with the first
    with pytest.raises(NotFoundError, match="no outputs on 'toy'"):
        outputs(a, b, dataset="toy")
    with pytest.raises(NotFoundError, match="no outputs are stored") as caught:
        outputs(a, Run.from_masks("c", [a.mask(1)]))
    assert "--save-outputs" in caught.value.hint
    with pytest.raises(NotFoundError, match="no outputs are stored"):
        outputs(a, Mask.from_arrays(a.mask(1).to_arrays()))
    assert len(outputs(a, (a, 1)).rows()) == len(outputs(a, a.mask(1)).rows())
    both = [
        Run.from_masks(n, [a.mask(1)] * 2, outputs={"toy": a.outputs["toy"], "x": a.outputs["toy"]})
        for n in "de"
    ]
    with pytest.raises(UsageError, match="name one of toy, x"):
        outputs(*both)
    assert outputs(*both, dataset="x").column("dataset") == ["x"]
    assert outputs(both[0], a).column("dataset") == ["toy"]


def test_other_examples_are_refused():
    a = run_of("a", 1)
    with pytest.raises(LayoutMismatchError, match="29 examples by 4 classes"):
        outputs(a, run_of("b", 2, n=29))
    stored = a.outputs["toy"]
    turned = Outputs(
        logits=stored.logits, iterations=stored.iterations, labels=np.roll(stored.labels, 1)
    )
    other = Run.from_masks("b", [a.mask(1)] * 2, outputs={"toy": turned})
    with pytest.raises(LayoutMismatchError, match="true classes on 'toy'"):
        outputs(a, other)
    with pytest.raises(NotFoundError, match="at iteration 1"):
        outputs(a, run_of("b", 2, stored=[0, 2]), iteration="all")
    with pytest.raises(UsageError, match="two or more"):
        outputs(a)


def test_groups_are_averaged_and_runs_left_out():
    seeds = {"a": 0, "b": 0, "c": 0, "d": 7, "e": 7, "f": 7}
    runs = [run_of(name, i, seed=seed) for i, (name, seed) in enumerate(seeds.items())]
    table = outputs(*runs, iteration="all")
    summary = summarize_outputs(table, group_by="seed")
    assert [(r["group"], r["iteration"], r["pairs"], r["runs"]) for r in summary] == [
        ("within", 1, 6, 6),
        ("within", 2, 6, 6),
        ("between", 1, 9, 6),
        ("between", 2, 9, 6),
    ]
    for row in summary:
        same = row["group"] == "within"
        pairs = [
            r
            for r in table.where(iteration_a=row["iteration"])
            if (seeds[r["a"]] == seeds[r["b"]]) == same
        ]
        for name in AVERAGED:
            assert row[name] == pytest.approx(np.mean([r[name] for r in pairs]))
            left_out = [
                np.mean([r[name] for r in pairs if gone not in (r["a"], r["b"])]) for gone in seeds
            ]
            se = math.sqrt(5 / 6 * np.sum((left_out - np.mean(left_out)) ** 2))
            assert row[f"{name}_se"] == pytest.approx(se)
    everything = summarize_outputs(table)
    assert everything.column("group") == ["all", "all"]
    assert everything.column("pairs") == [15, 15]
    with pytest.raises(UsageError, match="not grouped by 'colour'"):
        summarize_outputs(table, group_by="colour")
    with pytest.raises(UsageError, match="its dataset is not known"):
        summarize_outputs(table, group_by="dataset")


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(2, 5))
def test_an_ensemble_by_hand(seed, members):
    runs = [run_of(f"m{i}", seed + i) for i in range(members)]
    table = ensemble(*runs)
    truth = runs[0].outputs["toy"].labels
    logits = [logits_of(run, 2) for run in runs]
    mean = vote = 0
    for i, label in enumerate(truth):
        total, votes = [0.0] * CLASSES, [0] * CLASSES
        for each in logits:
            weights = [math.exp(v) for v in each[i]]
            total = [t + w / sum(weights) for t, w in zip(total, weights, strict=True)]
            votes[int(np.argmax(each[i]))] += 1
        mean += max(range(CLASSES), key=total.__getitem__) == label
        vote += max(range(CLASSES), key=lambda c: (votes[c], total[c])) == label
    alone = [int((each.argmax(1) == truth).sum()) for each in logits]
    assert table.column("correct") == [*alone, mean, vote]
    assert table.column("members") == [1] * members + [members] * 2
    for row in table:
        assert row["accuracy"] == row["correct"] / 30
        assert row["over_best"] == pytest.approx(row["accuracy"] - max(alone) / 30)
        assert row["over_mean"] == pytest.approx(row["accuracy"] - sum(alone) / 30 / members)


def test_ensembles_of_several_iterations():
    a, b, c = run_of("a", 1, iterations=3), run_of("b", 2, iterations=2), run_of("c", 3)
    rows = ensemble(a, b, c, iteration="all").rows()
    assert [(r["iteration"], r["members"]) for r in rows if r["network"] == "ensemble"] == [
        (1, 3),
        (1, 3),
        (2, 3),
        (2, 3),
    ]
    rows = ensemble((a, 1), (a, 2), (a, 3)).rows()
    assert [(r["network"], r["iteration"]) for r in rows] == [
        ("a", 1),
        ("a", 2),
        ("a", 3),
        ("ensemble", None),
        ("ensemble", None),
    ]
    with pytest.raises(UsageError, match="no two networks"):
        ensemble(a)
    with pytest.raises(NotFoundError, match="true classes on 'toy'"):
        ensemble(run_of("a", 1, labels=False), run_of("b", 2, labels=False))


def test_true_classes_are_compared_wherever_they_are_stored():
    without, first = run_of("without", 1, labels=False), run_of("first", 2)
    stored = first.outputs["toy"]
    other = Run.from_masks(
        "other",
        [first.mask(1)],
        outputs={"toy": stored._replace(labels=(stored.labels + 1) % CLASSES)},
    )
    with pytest.raises(LayoutMismatchError, match=r"other: the true classes .* than in first"):
        ensemble(without, first, (other, 1))
    assert ensemble(without, first).where(network="first")[0]["correct"] > 0


def test_outputs_that_are_not_finite_are_named():
    a, b = run_of("a", 1), run_of("b", 2)
    b.outputs["toy"].logits[2, 7] = np.nan
    for table in (outputs, ensemble):
        with pytest.raises(InputError, match="b@2: an output is infinite or not a number"):
            table(a, b)
