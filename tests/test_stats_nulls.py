"""compare --null: every chance model through the public function, and calibration."""

import math

import numpy as np
import pytest
from scipy import stats as reference

from maskstat.errors import InputError, UsageError
from maskstat.mask import Mask
from maskstat.run import Run
from maskstat.stats.compare import compare


def masks(*arrays):
    return [Mask.from_arrays({"fc": a}, label=f"m{i}") for i, a in enumerate(arrays)]


def random_arrays(n, shape=(12, 15), density=0.3, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.random(shape) < density for _ in range(n)]


def channels(seed, n_channels=32, kept=16, fan=9):
    alive = np.random.default_rng(seed).permutation(n_channels) < kept
    return np.repeat(alive[:, None], fan, axis=1)


def test_whole_channels_are_tested_as_channels():
    a, b = channels(1), channels(2)
    row = compare(*masks(a, b), correction="none").rows()[0]
    shared = int((a[:, 0] & b[:, 0]).sum())
    law = reference.hypergeom(32, 16, 16)
    p = min(1, 2 * min(law.cdf(shared), law.sf(shared - 1)))
    assert (row["null"], row["note"]) == ("channel", "tested by channel")
    assert row["log10_p"] == pytest.approx(math.log10(p), abs=1e-9)
    assert row["expected_shared"] == pytest.approx(9 * law.mean())
    by_weight = compare(*masks(a, b), null="layer").rows()[0]
    assert by_weight["null"] == "layer"
    assert abs(by_weight["z"]) >= abs(row["z"])


def exact_channels(sizes):
    """Law of the total of independent channel-pruned layers: (C, a, b, fan) each."""
    law = {0: 1.0}
    for C, a, b, fan in sizes:
        pmf = reference.hypergeom(C, a, b).pmf(np.arange(C + 1))
        law = _convolved(law, {fan * k: p for k, p in enumerate(pmf) if p > 0})
    return law


def _convolved(left, right):
    total = {}
    for x, p in left.items():
        for y, q in right.items():
            total[x + y] = total.get(x + y, 0.0) + p * q
    return total


@pytest.mark.parametrize("sizes", [[(6, 2, 3, 36)], [(20, 1, 2, 9), (40, 2, 2, 36), (6, 3, 3, 4)]])
def test_totals_of_channels_are_added_value_by_value(sizes):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        pair = [
            Mask.from_arrays(
                {
                    f"l{i}": np.repeat((rng.permutation(C) < kept)[:, None], fan, axis=1)
                    for i, (C, *both, fan) in enumerate(sizes)
                    for kept in [both[side]]
                },
                label="ab"[side],
            )
            for side in (0, 1)
        ]
        total = compare(*pair, correction="none").where(layer="total")[0]
        law = exact_channels(sizes)
        x = total["shared"]
        tails = sum(p for v, p in law.items() if v <= x), sum(p for v, p in law.items() if v >= x)
        assert total["null"] == "stratified-channel"
        assert 10 ** total["log10_p"] == pytest.approx(min(1, 2 * min(tails)), rel=1e-9)
        kept = total["kept_a"] + total["kept_b"]
        index = sum(p * v / (kept - v) for v, p in law.items())
        assert total["expected_jaccard"] == pytest.approx(index)
        assert 0 <= total["low95"] <= total["high95"] <= min(total["kept_a"], total["kept_b"])


def test_expected_jaccard_follows_the_null():
    a, b = branched(0)
    row = compare(a, b, null="parent").rows()[0]
    law = reference.hypergeom(a.mask(2).n_kept, row["kept_a"], row["kept_b"])
    x = np.arange(row["kept_a"] + 1)
    exact = float(law.pmf(x) @ (x / (row["kept_a"] + row["kept_b"] - x)))
    assert row["expected_jaccard"] == pytest.approx(exact)
    inherited = compare((a, 4), (b, 4), null="inherit").rows()[0]
    assert inherited["expected_jaccard"] == pytest.approx(
        inherited["expected_shared"]
        / (inherited["kept_a"] + inherited["kept_b"] - inherited["expected_shared"]),
        abs=0.01,
    )
    assert inherited["low95"] <= inherited["expected_shared"] <= inherited["high95"]


def test_intervals_and_p_agree_for_approximate_nulls():
    for seed in range(40):
        row = compare(*masks(*random_arrays(2, shape=(8, 10), seed=seed)), null="margins").rows()[0]
        outside = not row["low95"] <= row["shared"] <= row["high95"]
        assert outside == (row["log10_p"] <= math.log10(0.05))


def test_what_a_null_cannot_do_is_refused():
    pair = masks(*random_arrays(2))
    for null in ("row", "column", "margins"):
        with pytest.raises(UsageError):
            compare(*pair, null=null, mid_p=True)
    with pytest.raises(UsageError):
        compare(*pair, null="row", alternative="fisher")
    left, right = masks(channels(1), channels(2))
    fisher = compare(left, right, alternative="fisher").rows()[0]
    assert "doubled tails" in fisher["note"]


def test_nested_layers_reach_the_largest_total():
    a = Mask.from_arrays({"x": np.arange(10) < 9, "y": np.arange(10) < 1}, label="a")
    b = Mask.from_arrays({"x": np.arange(10) < 1, "y": np.arange(10) < 9}, label="b")
    assert compare(a, b).column("adjusted") == [pytest.approx(1.0)] * 3


def test_a_common_parent_over_common_layers():
    a, b = branched(0)
    extra = Run.from_masks(
        "c", [Mask.from_arrays({**b.mask(t).to_arrays(), "more": np.ones(3)}) for t in range(1, 5)]
    )
    row = compare(a, extra, null="parent", missing="skip").where(layer="fc")[0]
    assert row["log10_p"] == compare(a, b, null="parent").where(layer="fc")[0]["log10_p"]


def test_a_total_says_why_it_has_no_p():
    rng = np.random.default_rng(3)
    both = [
        Mask.from_arrays(
            {"partly": channels(k) & (rng.random((32, 9)) < 0.6), "whole": channels(k)}
        )
        for k in (1, 2)
    ]
    partly, whole, total = compare(*both, null="channel").rows()
    assert (partly["null"], whole["null"]) == ("alive", "channel")
    assert partly["note"].endswith("p by a normal law")
    assert partly["log10_p"] is not None
    assert total["log10_p"] is None
    assert (
        total["note"] == "a layer lost single weights too, so its law cannot be written out: no p"
    )


def test_unstructured_masks_are_not_channels():
    a, b = random_arrays(2)
    assert compare(*masks(a, b)).column("null") == ["layer", "stratified"]
    with pytest.raises(InputError) as caught:
        compare(*masks(a, b), null="channel")
    assert caught.value.code == "not-structured"


@pytest.mark.parametrize(("null", "axis"), [("row", 1), ("column", 0)])
def test_rows_and_columns_are_strata(null, axis):
    a, b = random_arrays(2, seed=3)
    row, total = compare(*masks(a, b), null=null, correction="none").rows()
    law = np.ones(1)
    for ka, kb in zip(a.sum(axis=axis), b.sum(axis=axis), strict=True):
        n = a.shape[axis]
        law = np.convolve(law, reference.hypergeom(n, ka, kb).pmf(np.arange(n + 1)))
    shared = int((a & b).sum())
    p = min(1, 2 * min(law[: shared + 1].sum(), law[shared:].sum()))
    for cell in (row, total):
        assert cell["null"] == null
        assert cell["log10_p"] == pytest.approx(math.log10(p), abs=1e-8)
        assert cell["expected_shared"] == pytest.approx(np.arange(law.size) @ law)
    name = f"z_{null}"
    assert compare(*masks(a, b)).rows()[0][name] == pytest.approx(row["z"])


def test_pooling_forgets_the_layers():
    rng = np.random.default_rng(0)
    two = [
        Mask.from_arrays({"dense": rng.random(300) < 0.9, "sparse": rng.random(3000) < 0.02})
        for _ in range(2)
    ]
    pooled = compare(*two, null="pooled").where(layer="total")[0]
    stratified = compare(*two).where(layer="total")[0]
    assert abs(stratified["z"]) < 4
    assert pooled["z"] > 10
    assert pooled["expected_shared"] == pytest.approx(stratified["pooled_shared"])
    N, a, b = 3300, pooled["kept_a"], pooled["kept_b"]
    assert pooled["expected_shared"] == pytest.approx(a * b / N)


def test_margins_say_that_they_are_approximate():
    a, b = random_arrays(2, shape=(30, 40))
    row = compare(*masks(a, b), null="margins").rows()[0]
    assert row["null"] == "margins"
    assert "approximate" in row["note"]
    assert abs(row["z"]) < 5


def branched(seed, common=2):
    """Two runs of nested masks that are equal up to iteration `common`."""
    rng = np.random.default_rng(seed)
    trunk, runs = [np.ones(400, bool)], []
    for _ in range(common):
        kept = np.flatnonzero(trunk[-1])
        smaller = np.zeros(400, bool)
        smaller[rng.choice(kept, int(0.8 * kept.size), replace=False)] = True
        trunk.append(smaller)
    for name in "ab":
        rows = trunk[1:]
        for _ in range(2):
            kept = np.flatnonzero(rows[-1])
            smaller = np.zeros(400, bool)
            smaller[rng.choice(kept, int(0.8 * kept.size), replace=False)] = True
            rows = [*rows, smaller]
        runs.append(Run.from_masks(name, [Mask.from_arrays({"fc": row}) for row in rows]))
    return runs


def test_runs_with_a_common_past_are_tested_inside_it():
    a, b = branched(0)
    row = compare(a, b, null="parent", correction="none").rows()[0]
    parent = a.mask(2).n_kept
    law = reference.hypergeom(parent, row["kept_a"], row["kept_b"])
    p = min(1, 2 * min(law.cdf(row["shared"]), law.sf(row["shared"] - 1)))
    assert row["null"] == "parent"
    assert row["expected_shared"] == pytest.approx(law.mean())
    assert row["log10_p"] == pytest.approx(math.log10(p), abs=1e-9)
    assert compare(a, b).rows()[0]["z"] > row["z"] + 2, "the common past looks like similarity"


def test_inherited_overlap_is_no_news():
    a, b = branched(1)
    row, total = compare((a, 4), (b, 4), null="inherit", correction="none").rows()
    c = int((a.mask(3) & b.mask(3)).n_kept)
    mean = c * row["kept_a"] * row["kept_b"] / (a.mask(3).n_kept * b.mask(3).n_kept)
    assert row["expected_shared"] == pytest.approx(mean)
    assert total["log10_p"] == pytest.approx(row["log10_p"], abs=1e-9)
    with pytest.raises(InputError, match="no iteration before"):
        compare((a, 0), (b, 0), null="inherit")
    with pytest.raises(InputError):
        compare(*masks(*random_arrays(2)), null="parent")


def regrown(name, *rows):
    return Run.from_masks(name, [Mask.from_arrays({"fc": row}) for row in rows])


@pytest.mark.parametrize("null", ["parent", "inherit"])
def test_weights_that_grew_back_are_outside_every_past(null):
    shrinking = regrown("shrinking", [1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0])
    fewer = regrown("fewer", [1, 1, 1, 1, 0, 0], [0, 0, 0, 1, 1, 0])
    more = regrown("more", [1, 1, 1, 1, 0, 0], [0, 1, 1, 1, 1, 1])
    for grown in (fewer, more):
        with pytest.raises(InputError, match="iteration 2 keeps weights that iteration 1") as said:
            compare(shrinking, grown, null=null)
        assert (said.value.code, said.value.place) == ("outside-parent", grown.run_id)
        assert "--null layer" in said.value.hint
    assert compare(shrinking, fewer, null="layer").rows()


def test_options_that_do_not_exist():
    pair = masks(*random_arrays(2))
    with pytest.raises(UsageError, match="there are: auto, layer"):
        compare(*pair, null="nope")
    with pytest.raises(UsageError):
        compare(*pair, alternative="nope")
    with pytest.raises(UsageError):
        compare(*pair, alternative="fisher", mid_p=True)
    with pytest.raises(UsageError, match="did you mean 'dice'"):
        compare(*pair, measures=["dic"])


def test_one_sided_tails_and_mid_p():
    pair = masks(*random_arrays(2, seed=5))
    p = {
        alternative: compare(*pair, alternative=alternative, correction="none").rows()[0]["log10_p"]
        for alternative in ("two-sided", "greater", "less", "fisher")
    }
    assert p["two-sided"] == pytest.approx(min(p["greater"], p["less"]) + math.log10(2))
    mid = compare(*pair, mid_p=True, correction="none").rows()[0]["log10_p"]
    assert mid < p["two-sided"]


def test_measures_are_columns():
    row = compare(*masks(*random_arrays(2)), measures=["dice", "log-odds"]).rows()[0]
    assert row["dice"] == pytest.approx(2 * row["shared"] / (row["kept_a"] + row["kept_b"]))
    assert math.isfinite(row["log_odds"])


def test_shared_density_of_neurons_is_noticed():
    rng = np.random.default_rng(2)
    propensity = np.exp(rng.normal(0, 1.2, (60, 1)))
    arrays = [rng.random((60, 50)) < np.clip(0.15 * propensity, 0, 1) for _ in range(2)]
    row = compare(*masks(*arrays)).rows()[0]
    assert row["z"] > 5
    assert abs(row["z_row"]) < 4
    assert row["note"] == "neuron-density"


def test_density_is_noticed_where_it_explains_a_significant_overlap_only():
    explained = []
    for seed in range(20):
        row = compare(*masks(*random_arrays(2, seed=seed))).rows()[0]
        assert abs(row["z"]) < 3
        assert row["note"] is None
        explained.append(min(abs(row["z_row"]), abs(row["z_column"])) < 0.5 * abs(row["z"]))
    assert any(explained)
    a, b = random_arrays(2, shape=(60, 50))
    alike = compare(*masks(a, np.where(np.arange(50) < 25, a, b))).rows()[0]
    assert min(alike["z_row"], alike["z_column"]) > 0.7 * alike["z"] > 10
    assert alike["note"] is None


def rejection(null, draw, times, alpha=0.05):
    """Share of pairs of one distribution that a null rejects."""
    rejected = 0
    for seed in range(times):
        row = compare(*masks(*draw(seed)), null=null, correction="none").rows()[0]
        rejected += row["log10_p"] is not None and row["log10_p"] <= math.log10(alpha)
    return rejected / times


@pytest.mark.slow
@pytest.mark.parametrize("null", ["layer", "row", "column", "margins"])
def test_uniform_masks_are_rejected_at_most_at_the_nominal_rate(null):
    rate = rejection(null, lambda seed: random_arrays(2, seed=seed, shape=(20, 30)), 600)
    assert rate <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 600)


@pytest.mark.slow
def test_random_channels_are_not_called_significant():
    def draw(seed):
        return channels(2 * seed, 64, 32, 64), channels(2 * seed + 1, 64, 32, 64)

    assert rejection("auto", draw, 400) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)
    assert rejection("layer", draw, 400) > 0.5


@pytest.mark.slow
def test_totals_of_few_random_channels_are_not_called_significant():
    rejected = 0
    for seed in range(400):
        pair = [
            Mask.from_arrays(
                {
                    f"l{i}": channels(10 * seed + 5 * side + i, C, kept, 27)
                    for i, (C, kept) in enumerate(((20, 1), (40, 2)))
                },
                label="ab"[side],
            )
            for side in (0, 1)
        ]
        total = compare(*pair, correction="none").where(layer="total")[0]
        rejected += total["log10_p"] is not None and total["log10_p"] <= math.log10(0.05)
    assert rejected / 400 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)


@pytest.mark.slow
def test_untrained_networks_pruned_by_magnitude_are_not_alike_in_total():
    torch = pytest.importorskip("torch")
    rejected_pooled = rejected = 0
    for seed in range(60):
        pair = []
        for which in (2 * seed, 2 * seed + 1):
            generator = torch.Generator().manual_seed(which)
            shapes = {"c1": (6, 1, 3, 3), "c2": (16, 6, 3, 3), "f1": (120, 400), "f2": (84, 120)}
            weights = {}
            for name, shape in shapes.items():
                bound = math.prod(shape[1:]) ** -0.5
                draw = torch.rand(shape, generator=generator)
                weights[name] = ((2 * draw - 1) * bound).abs().numpy()
            cut = np.quantile(np.concatenate([w.ravel() for w in weights.values()]), 0.98)
            pair.append(Mask.from_arrays({name: w > cut for name, w in weights.items()}))
        limit = math.log10(0.05)
        total = compare(*pair, correction="none").where(layer="total")[0]
        pooled = compare(*pair, null="pooled", correction="none").where(layer="total")[0]
        rejected += total["log10_p"] <= limit
        rejected_pooled += pooled["log10_p"] <= limit
    assert rejected_pooled == 60
    assert rejected <= 60 * 0.05 + 3 * math.sqrt(60 * 0.05 * 0.95)
