"""consensus: votes against sums of booleans, thresholds by integers, what the ticket carries."""

import itertools
import math
from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat.errors import UsageError
from maskstat.mask import Layout, Mask
from maskstat.run import Run, Weights
from maskstat.stats.consensus import consensus, least_votes

SHAPES = {"conv": (4, 3, 3), "fc": (5, 13)}


def masks_of(seed, n, density=0.5):
    rng = np.random.default_rng(seed)
    return [
        Mask.from_arrays({k: rng.random(s) < density for k, s in SHAPES.items()}, label=f"m{i}")
        for i in range(n)
    ]


@given(st.integers(0, 1000), st.integers(1, 9), st.data())
def test_votes_and_ticket_equal_sums_of_booleans(seed, n, data):
    masks = masks_of(seed, n, data.draw(st.sampled_from([0.1, 0.5, 0.9])))
    least = data.draw(st.integers(1, n))
    result = consensus(*masks, at_least_votes=least)
    for name in SHAPES:
        votes = np.sum([mask.layer(name) for mask in masks], axis=0)
        np.testing.assert_array_equal(result.ticket.layer(name), votes >= least)
        rows = result.where(layer=name)
        assert [r["weights"] for r in rows] == np.bincount(votes.ravel(), minlength=n + 1).tolist()
        assert sum(r["expected"] for r in rows) == pytest.approx(votes.size)
        assert sum(r["votes"] * r["expected"] for r in rows) == pytest.approx(votes.sum())
    total = result.where(layer="total")
    in_ticket = sum(r["weights"] for r in total if r["in_ticket"])
    assert in_ticket == result.ticket.n_kept


def chance_of_bins(N, sizes):
    """In how many ways each count of weights that no mask and that all masks keep comes about."""
    none, every = Counter(), Counter()
    for choice in itertools.product(*(itertools.combinations(range(N), n) for n in sizes)):
        votes = Counter(itertools.chain.from_iterable(choice))
        none[N - len(votes)] += 1
        every[sum(count == len(sizes) for count in votes.values())] += 1
    return none, every


def doubled_tail(ways, x):
    """The smaller tail doubled."""
    tails = sum(w for y, w in ways.items() if y <= x), sum(w for y, w in ways.items() if y >= x)
    return min(1, Fraction(2 * min(tails), ways.total()))


@pytest.mark.parametrize(("sizes_a", "sizes_b"), [((2, 3, 2), (3, 1, 2)), ((2, 3), (1, 2))])
def test_p_values_are_those_of_all_masks_there_are(sizes_a, sizes_b):
    laws = {"a": chance_of_bins(5, sizes_a), "b": chance_of_bins(4, sizes_b), "total": []}
    for one, other in zip(laws["a"], laws["b"], strict=True):
        both = Counter()
        for (x, v), (y, w) in itertools.product(one.items(), other.items()):
            both[x + y] += v * w
        laws["total"].append(both)
    masks = [
        Mask.from_arrays({"a": np.arange(5) < m, "b": np.arange(4) >= 4 - n})
        for m, n in zip(sizes_a, sizes_b, strict=True)
    ]
    result = consensus(*masks)
    n = len(masks)
    for name, (none, every) in laws.items():
        rows = result.where(layer=name)
        kept = {"a": sizes_a, "b": sizes_b}.get(name, np.add(sizes_a, sizes_b))
        for votes, ways in ((0, none), (n, every)):
            weights, p = rows[votes]["weights"], doubled_tail(ways, rows[votes]["weights"])
            assert 10 ** rows[votes]["log10_p"] == pytest.approx(float(p), rel=1e-9)
            mean = Fraction(sum(x * w for x, w in ways.items()), ways.total())
            square = Fraction(sum(x * x * w for x, w in ways.items()), ways.total())
            z = float(weights - mean) / float(square - mean**2) ** 0.5
            assert rows[votes]["z"] == pytest.approx(z, rel=1e-9, abs=1e-9)
        assert rows[n]["normalized"] == rows[n]["weights"] / min(kept)
        size, covered = rows[0]["size"], sum(kept)
        beyond = rows[0]["weights"] - max(0, size - covered)
        assert rows[0]["normalized"] == pytest.approx(beyond / min(size, covered))
        assert [row["share"] for row in rows] == [row["weights"] / size for row in rows]
        if n == 2:  # one overlap settles every bin
            assert len({row["log10_p"] for row in rows[1:]}) == 1
        else:
            assert [row["log10_p"] for row in rows[1:-1]] == [None] * (n - 1)  # too few expected


def test_two_large_masks_have_an_omnibus_test_of_their_overlap():
    rng = np.random.default_rng(1)
    masks = [Mask.from_arrays({"fc": rng.random(5000) < 0.4}) for _ in range(2)]
    (row, *others) = consensus(*masks).where(layer="fc")
    assert {(r["omnibus_df"], r["omnibus_log10_p"]) for r in others} == {
        (1, row["omnibus_log10_p"])
    }
    assert 10 ** row["omnibus_log10_p"] == pytest.approx(math.erfc(abs(row["z"]) / math.sqrt(2)))
    assert {r["omnibus_df"] for r in consensus(masks[0])} == {None}


def test_rare_coincidences_have_a_spread():
    rng = np.random.default_rng(2)
    masks = [Mask.from_arrays({"fc": rng.permutation(2400) < 240}) for _ in range(5)]
    row = consensus(*masks).where(layer="fc")[5]
    assert row["sd"] == pytest.approx(0.155, abs=5e-4)  # as the design says
    assert row["z"] == pytest.approx((row["weights"] - 0.024) / row["sd"], rel=1e-9)
    assert row["log10_p"] is not None


@given(st.integers(1, 50), st.fractions(Fraction(1, 100), 1, max_denominator=100))
def test_a_threshold_is_decided_by_integers(n, threshold):
    least = least_votes(n, threshold=threshold)
    assert Fraction(least, n) >= threshold
    assert Fraction(least - 1, n) < threshold


def test_decimal_thresholds_are_exact():
    # The double nearest to 0.2 lies above 1/5: taken as it is, it would ask for two votes.
    assert consensus(*masks_of(0, 5), threshold=0.2).least == 1
    assert consensus(*masks_of(0, 5), threshold=0.6).least == 3
    assert consensus(*masks_of(0, 5), threshold="0.61").least == 4
    assert consensus(*masks_of(0, 3), threshold="1/3").least == 1
    assert consensus(*masks_of(0, 5)).least == 5


@pytest.mark.parametrize("threshold", ["0", "1.01", "-1", "x", "1/0", "nan"])
def test_thresholds_outside_the_range_are_refused(threshold):
    with pytest.raises(UsageError, match=r"\(0, 1\]"):
        consensus(*masks_of(0, 2), threshold=threshold)


def test_both_forms_or_an_impossible_count_are_refused():
    with pytest.raises(UsageError):
        consensus(*masks_of(0, 2), threshold=1, at_least_votes=2)
    for count in (3, 0, 1.5):
        with pytest.raises(UsageError, match="1 to 2"):
            consensus(*masks_of(0, 2), at_least_votes=count)


def run_of(name, seed, start):
    (mask,) = masks_of(seed, 1)
    weights = {"initial": Weights(values=np.array([start], np.float32), iterations=(0,))}
    return Run.from_masks(name, [mask], weights=weights, model="lenet", dataset=name, digest=name)


def test_a_ticket_names_its_parents_and_carries_their_start():
    start = np.arange(101, dtype=np.float32)
    runs = [run_of("a", 1, start), run_of("b", 2, start), run_of("c", 3, start)]
    run = consensus(*runs).to_run()
    assert run.weight("initial").tolist() == start.tolist()
    assert [parent["digest"] for parent in run.provenance["parents"]] == ["a", "b", "c"]
    assert (run.model, run.dataset, run.method) == ("lenet", "a+b+c", "consensus")
    votes = np.concatenate(
        [np.sum([r.mask().layer(n) for r in runs], axis=0).ravel() for n in SHAPES]
    )
    assert np.asarray(run.votes[:]).tolist() == votes.tolist()
    assert run.kept[1].tolist() == run.mask(1).kept.tolist()


def test_parents_that_started_elsewhere_leave_no_initial_weights():
    start = np.arange(101, dtype=np.float32)
    run = consensus(run_of("a", 1, start), run_of("b", 2, start + 1)).to_run()
    assert not run.weights
    assert run.provenance["initial_weights"] == "none in common"


def test_a_mask_beside_runs_leaves_no_initial_weights():
    start = np.arange(101, dtype=np.float32)
    runs = [run_of("a", 1, start), replace(run_of("b", 2, start), dataset="", model="")]
    run = consensus(*runs, *masks_of(3, 1)).to_run()
    assert not run.weights
    assert run.provenance["initial_weights"] == "none in common"
    assert (run.dataset, run.model) == ("a", "")


def test_a_consensus_of_some_layers_carries_no_weights_of_others():
    start = np.arange(101, dtype=np.float32)
    run = consensus(run_of("a", 1, start), run_of("b", 2, start), layers=["fc"]).to_run()
    assert run.layout.names == ("fc",)
    assert not run.weights


def test_several_iterations_are_no_consensus():
    run = Run.from_masks("r", masks_of(0, 2))
    with pytest.raises(UsageError, match="one mask of each input"):
        consensus(run, iteration="all")


def test_masks_of_one_run_are_no_independent_votes():
    run = Run.from_masks("r", masks_of(0, 2))
    read = replace(run, digest="sha256:0")
    for pair in ([(run, 1), (run, 2)], [(read, 1), (replace(read), 2)]):
        for row in consensus(*pair):
            assert (row["z"], row["log10_p"], row["note"]) == (None, None, "same-run")


def test_parents_with_other_biases_leave_no_initial_weights():
    start = np.arange(101, dtype=np.float32)
    one, two = run_of("a", 1, start), run_of("b", 2, start)
    layout = Layout.from_shapes(SHAPES, others={"bias": (2,)})
    biased = [
        replace(run, layout=layout, others={"initial": np.float32([value, 0])})
        for run, value in ((one, 1), (two, 8))
    ]
    assert not consensus(*biased).to_run().weights
    assert consensus(biased[0], replace(biased[0], digest="c")).to_run().others
    bare = replace(biased[0], others={}, digest="d")
    for pair in ((biased[0], bare), (bare, biased[0]), (bare, two)):
        assert not consensus(*pair).to_run().weights


def test_a_ticket_knows_the_settings_that_its_parents_share():
    def parent(name, seed, *, recipe=True):
        settings = {"model": "lenet", "random": {"seed": seed, "vary": []}, "train": {"lr": 0.1}}
        mask = Mask.from_arrays({"fc": [1, 0, 1, seed % 2]})
        return Run.from_masks(name, [mask], provenance={"recipe": settings} if recipe else {})

    agreed = consensus(parent("a", 0), parent("b", 1)).to_run().provenance["recipe"]
    assert agreed == {"model": "lenet", "random": {"vary": []}, "train": {"lr": 0.1}}
    mixed = consensus(parent("a", 0), parent("b", 1, recipe=False)).to_run()
    assert "recipe" not in mixed.provenance
