"""correlate: values against scipy on the arrays, the control's choice, totals by definition."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as reference

from maskstat.errors import InputError, NotFoundError
from maskstat.mask import Mask
from maskstat.run import Run, Weights
from maskstat.stats.combined_correlation import combine_layers
from maskstat.stats.correlate import NEAR_ZERO, NO_CONTROL, correlate
from maskstat.stats.spearman import spearman

SHAPES = {"conv": (4, 3, 3, 3), "fc": (12, 9), "out": (3, 12)}
SIZES = {name: math.prod(shape) for name, shape in SHAPES.items()}
STARTS = dict(zip(SHAPES, np.cumsum([0, *SIZES.values()]), strict=False))
TOTAL = sum(SIZES.values())


def place(name):
    return slice(STARTS[name], STARTS[name] + SIZES[name])


def trained_run(seed, *, noise=1.0, iterations=2, zeros=True, stored=None, ties=False):
    """Train by adding noise to the same start, keep the largest half each time, store zeros."""
    rng = np.random.default_rng(seed)
    start = rng.normal(size=TOTAL).astype(np.float32)
    kept = np.ones(TOTAL, bool)
    finals, masks = [], []
    for t in range(iterations + 1):
        if t:
            sizes = np.where(kept, np.abs(finals[-1]), -1)
            kept = sizes >= np.median(sizes[kept])
            masks.append(Mask.from_arrays({n: kept[place(n)].reshape(SHAPES[n]) for n in SHAPES}))
        final = (start + noise * rng.normal(size=TOTAL)).astype(np.float32)
        if ties:
            final = np.round(final)
        finals.append(np.where(kept, final, np.float32(0)) if zeros else final)
    stored = range(iterations + 1) if stored is None else stored
    weights = {
        "initial": Weights(values=start[None], iterations=(0,)),
        "final": Weights(values=np.stack([finals[t] for t in stored]), iterations=tuple(stored)),
    }
    return Run.from_masks("r", masks, weights=weights), start, finals


def scipy_rho(x, y):
    return reference.spearmanr(x, y).statistic


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.booleans())
def test_every_layer_equals_scipy_on_the_arrays(seed, ties):
    run, start, finals = trained_run(seed, ties=ties)
    table = correlate(run, iteration="all")
    for t in (1, 2):
        for name in SHAPES:
            (row,) = table.where(iteration=t, layer=name)
            kept = run.mask(t).layer(name).ravel()
            w0, wt = start[place(name)], finals[t][place(name)]
            whole = max(s for s in range(t + 1) if run.mask(s).layer(name).all())
            dense = finals[whole][place(name)]
            assert row["n"] == kept.sum()
            if len(set(wt[kept])) > 1:
                assert row["rho"] == pytest.approx(scipy_rho(w0[kept], wt[kept]), abs=1e-12)
                if row["reason"] is None:
                    test = reference.spearmanr(w0[kept], wt[kept])
                    assert 10 ** row["log10_p"] == pytest.approx(test.pvalue, rel=1e-8)
                    assert row["low95"] < row["rho"] < row["high95"]
                else:
                    assert kept.sum() < 4 or abs(row["rho"]) == 1
            sizes = np.abs(wt[kept])
            if len(set(sizes)) > 1:
                assert row["magnitude_rho"] == pytest.approx(
                    scipy_rho(np.abs(w0[kept]), sizes), abs=1e-12
                )
            same = np.sign(w0[kept]) == np.sign(wt[kept])
            compared = wt[kept] != 0
            assert row["signs_compared"] == compared.sum()
            assert row["sign_agreement"] == pytest.approx(same[compared].mean())
            assert row["whole_iteration"] == whole
            assert row["whole_n"] == SIZES[name]
            assert row["whole_rho"] == pytest.approx(scipy_rho(w0, dense), abs=1e-12)
            if len(set(dense[kept])) > 1:
                assert row["selected_rho"] == pytest.approx(
                    scipy_rho(w0[kept], dense[kept]), abs=1e-12
                )
            assert row["note"] is None


def test_totals_average_the_layers():
    run, start, finals = trained_run(1)
    (total,) = correlate(run).where(layer="total")
    rows = correlate(run).rows()[:-1]
    weight = [row["n"] - 1 for row in rows]
    assert total["n"] == run.mask().n_kept == sum(row["n"] for row in rows)
    for name in ("rho", "magnitude_rho", "selected_rho", "selected_magnitude_rho"):
        assert total[name] == pytest.approx(
            np.average([row[name] for row in rows], weights=weight), rel=1e-12
        )
    assert total["whole_rho"] == pytest.approx(
        np.average([r["whole_rho"] for r in rows], weights=[r["whole_n"] - 1 for r in rows])
    )
    signs = np.sign(start) == np.sign(finals[2])
    kept = finals[2] != 0
    assert total["sign_agreement"] == pytest.approx(signs[kept].mean())
    assert total["expected_sign_agreement"] == pytest.approx(0.5, abs=0.05)


@given(st.lists(st.integers(4, 40), min_size=1, max_size=4), st.integers(0, 1000))
def test_one_layer_alone_is_its_own_total(sizes, seed):
    rng = np.random.default_rng(seed)
    results = [spearman(rng.normal(size=n), rng.normal(size=n)) for n in sizes]
    one = results[0]
    if one.reason is None:
        total = combine_layers([one])
        assert total.rho == pytest.approx(one.rho, rel=1e-12)
        assert total.log10_p == pytest.approx(one.log10_p, rel=1e-9)
        assert (total.low95, total.high95) == pytest.approx((one.low95, one.high95), rel=1e-9)
    known = [r.rho for r in results if r.rho is not None]
    assert min(known) - 1e-12 <= combine_layers(results).rho <= max(known) + 1e-12


def test_layers_of_unlike_scale_do_not_correlate_by_that_alone():
    rng = np.random.default_rng(3)
    scale = np.repeat([0.01, 1.0], 2000)
    w0, wf = rng.normal(size=4000) * scale, rng.normal(size=4000) * scale
    pooled = scipy_rho(np.abs(w0), np.abs(wf))
    parts = [spearman(np.abs(w0[p]), np.abs(wf[p])) for p in (slice(2000), slice(2000, None))]
    assert pooled > 0.7
    total = combine_layers(parts)
    assert total.low95 < 0 < total.high95
    assert total.log10_p > -2


def test_what_cannot_be_ranked_is_left_out_of_the_average():
    good = spearman([1, 2, 3, 4, 5, 6], [2, 1, 4, 3, 6, 5])
    constant, short = spearman([1, 1, 1, 1], [1, 2, 3, 4]), spearman([1, 2, 3], [3, 2, 1])
    total = combine_layers([constant, good, short])
    assert (total.rho, total.n, total.reason) == (pytest.approx(good.rho), 13, None)
    assert combine_layers([constant, short]).reason == "constant"
    assert combine_layers([short]).reason == "n<4"
    assert combine_layers([short]).rho is None
    perfect = spearman([1, 2, 3, 4], [1, 2, 3, 4])
    total = combine_layers([perfect, perfect])
    assert (total.rho, total.low95, total.log10_p, total.reason) == (1.0, None, None, "perfect")
    nearly = dataclasses.replace(good, n=4, rho=math.nextafter(1.0, 0.0))
    assert combine_layers([perfect, perfect, nearly]).reason == "perfect"  # their mean is 1
    mixed = combine_layers([perfect, good])
    assert mixed.low95 < mixed.rho < mixed.high95 < 1


@pytest.mark.slow
def test_total_p_and_interval_keep_their_rates():
    rng = np.random.default_rng(4)
    sizes, repeats = (12, 40, 150), 4000
    rejected = covered = 0
    for _ in range(repeats):
        parts = [spearman(rng.normal(size=n), rng.normal(size=n)) for n in sizes]
        rejected += combine_layers(parts).log10_p <= math.log10(0.05)
        x = [rng.normal(size=n) for n in sizes]
        y = [0.6 * v + 0.8 * rng.normal(size=v.size) for v in x]
        total = combine_layers([spearman(u, v) for u, v in zip(x, y, strict=True)])
        truth = 6 / np.pi * np.arcsin(0.6 / 2)
        covered += total.low95 <= truth <= total.high95
    assert rejected / repeats == pytest.approx(0.05, abs=0.012)
    assert covered / repeats == pytest.approx(0.95, abs=0.02)


def test_final_weights_that_were_never_zeroed_are_their_own_control():
    run, start, finals = trained_run(5, zeros=False, stored=[2])
    for name in SHAPES:
        (row,) = correlate(run).where(layer=name)
        assert row["whole_iteration"] == 2
        assert row["whole_rho"] == pytest.approx(
            scipy_rho(start[place(name)], finals[2][place(name)])
        )
        assert row["selected_rho"] == row["rho"]


def test_the_control_is_the_last_training_of_the_whole_layer():
    w0 = np.arange(1, 13, dtype=np.float32)[None]
    rng = np.random.default_rng(6)
    finals = rng.normal(size=(3, 12)).astype(np.float32)
    masks = [
        Mask.from_arrays({"a": [1] * 6, "b": [1, 1, 1, 1, 1, 0]}),
        Mask.from_arrays({"a": [1, 1, 1, 1, 1, 0], "b": [1, 1, 1, 1, 0, 0]}),
    ]
    finals[1, 11] = finals[2, [5, 10, 11]] = 0
    weights = {
        "initial": Weights(values=w0, iterations=(0,)),
        "final": Weights(values=finals, iterations=(0, 1, 2)),
    }
    rows = correlate(Run.from_masks("r", masks, weights=weights)).rows()
    assert [row["whole_iteration"] for row in rows] == [1, 0, None]
    assert rows[0]["whole_rho"] == pytest.approx(scipy_rho(w0[0, :6], finals[1, :6]))
    assert rows[1]["whole_rho"] == pytest.approx(scipy_rho(w0[0, 6:], finals[0, 6:]))
    assert rows[2]["whole_rho"] is not None


def test_without_an_earlier_training_the_row_says_so():
    run, _, _ = trained_run(7, stored=[2])
    for row in correlate(run):
        assert (row["note"], row["whole_rho"], row["selected_rho"]) == (NO_CONTROL, None, None)
        assert row["rho"] is not None


def test_a_start_that_left_no_trace_is_doubted():
    rng = np.random.default_rng(8)
    mask = Mask.from_arrays({"fc": rng.random((60, 60)) < 0.5})

    def run(start, finals):
        weights = {
            "initial": Weights(values=start[None], iterations=(0,)),
            "final": Weights(values=np.stack(finals), iterations=(0, 1)),
        }
        return Run.from_masks("r", [mask], weights=weights)

    kept = mask.layer("fc").ravel()
    start, other, noise = rng.normal(size=(3, 3600)).astype(np.float32)
    dense = start + noise
    finals = [dense, np.where(kept, start - noise, 0)]
    assert correlate(run(start, finals)).column("note") == [None, None]
    note = correlate(run(other, finals)).column("note")[-1]
    assert "probably not started from" in note
    near = correlate(run(other, finals)).rows()[-1]
    assert max(abs(near["whole_low95"]), abs(near["whole_high95"])) < NEAR_ZERO
    few = trained_run(9, noise=1000.0)[0]
    assert correlate(few).column("note")[-1] is None  # too few weights to tell


def test_layers_are_chosen_and_the_total_follows():
    run, _, _ = trained_run(10)
    table = correlate(run, layers=["fc", "o*"])
    assert table.column("layer") == ["fc", "out", "total"]
    assert table.column("n")[2] == sum(table.column("n")[:2])
    with pytest.raises(NotFoundError):
        correlate(run, layers=["nope"])


def test_a_layer_pruned_to_nothing_has_reasons():
    weights = {
        "initial": Weights(values=np.arange(6, dtype=np.float32)[None], iterations=(0,)),
        "final": Weights(values=np.zeros((1, 6), np.float32), iterations=(1,)),
    }
    run = Run.from_masks("r", [Mask.from_arrays({"fc": [0] * 6})], weights=weights)
    for row, reason in zip(correlate(run), ("n<3", "n<4"), strict=True):
        assert (row["n"], row["rho"], row["sign_agreement"]) == (0, None, None)
        assert row["reason"] == reason


def test_weights_that_are_not_stored_are_asked_for():
    run, _, _ = trained_run(11, stored=[2])
    with pytest.raises(NotFoundError, match="no final weights are stored at 1") as caught:
        correlate((run, 1))
    assert "--save-weights all" in caught.value.hint
    bare = Run.from_masks("bare", [run.mask(1)])
    with pytest.raises(NotFoundError, match="no initial weights"):
        correlate(bare)
    with pytest.raises(InputError, match="a mask alone"):
        correlate(~~run.mask(1))
    broken = np.full((1, TOTAL), np.nan, np.float32)
    weights = run.weights | {"final": Weights(values=broken, iterations=(2,))}
    with pytest.raises(InputError, match=r"r@2, layer conv: .* not a number"):
        correlate(Run.from_masks("r", [run.mask(1), run.mask(2)], weights=weights))


def test_a_mask_of_a_run_has_its_weights():
    run, _, _ = trained_run(13)
    for t in (1, 2):
        assert correlate(run.mask(t)).rows() == correlate((run, t)).rows()


def test_one_layer_is_read_at_a_time():
    run, _, _ = trained_run(12)

    class Watched:
        def __init__(self, values):
            self.values, self.shape, self.most = values, values.shape, 0

        def __getitem__(self, key):
            part = self.values[key]
            self.most = max(self.most, part.size)
            return part

    weights = {
        kind: Weights(values=Watched(stored.values), iterations=stored.iterations)
        for kind, stored in run.weights.items()
    }
    watched = Run(run_id="w", layout=run.layout, masks=run.masks, kept=run.kept, weights=weights)
    assert correlate(watched).column("rho") == correlate(run).column("rho")
    for stored in weights.values():
        assert stored.values.most == max(SIZES.values())
