"""Initial weights of tickets: against numpy on the selected values."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskstat.errors import InputError, NotFoundError, UsageError
from maskstat.mask import Mask
from maskstat.run import Run, Weights
from maskstat.stats.initial import initial

SHAPES = {"conv": (4, 3, 3), "fc": (5, 13)}
SIZES = [math.prod(shape) for shape in SHAPES.values()]
START = np.random.default_rng(0).normal(size=sum(SIZES)).astype(np.float32)


def layers_of(values, names=tuple(SHAPES)):
    parts = dict(zip(SHAPES, np.split(values, [SIZES[0]]), strict=True))
    return {name: parts[name].reshape(SHAPES[name]) for name in names}


def run_of(name, seed, *, density=0.6, start=START, iterations=1):
    rng = np.random.default_rng(seed)
    masks = [
        Mask.from_arrays({k: rng.random(s) < density for k, s in SHAPES.items()})
        for _ in range(iterations)
    ]
    weights = {"initial": Weights(values=start[None], iterations=(0,))}
    return Run.from_masks(name, masks, weights=weights)


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 30))
def test_every_selection_against_numpy(seed, n, bins):
    runs = [run_of(f"r{i}", seed + i) for i in range(n)]
    table = initial(*runs, bins=bins)
    weights = layers_of(START)
    kept = [{k: run.mask().layer(k) for k in SHAPES} for run in runs]
    expected = [
        *(("ticket", run.label, mask) for run, mask in zip(runs, kept, strict=True)),
        ("consensus", None, {k: np.all([m[k] for m in kept], axis=0) for k in SHAPES}),
    ]
    everything = {k: np.ones(s, bool) for k, s in SHAPES.items()}
    rows = iter(table)
    bars = iter(table.histogram)
    for name in (*SHAPES, "total"):
        parts = SHAPES if name == "total" else [name]
        whole = np.concatenate([weights[k].ravel() for k in parts]).astype(np.float64)
        edges = np.linspace(whole.min(), whole.max(), bins + 1)
        for which, label, mask in [("all", None, everything), *expected]:
            values = np.concatenate([weights[k][mask[k]] for k in parts]).astype(np.float64)
            row = next(rows)
            assert (row["layer"], row["weights"], row["run"]) == (name, which, label)
            assert row["iteration"] == (1 if which == "ticket" else None)
            assert (row["n"], row["share"]) == (values.size, values.size / whole.size)
            if values.size > 1:
                assert row["mean"] == pytest.approx(values.mean(), abs=1e-12)
                assert row["sd"] == pytest.approx(values.std(ddof=1))
                assert row["sd_ratio"] == pytest.approx(values.std(ddof=1) / whole.std(ddof=1))
            counts = np.histogram(values, edges)[0]
            for k in range(bins):
                bar = next(bars)
                assert (bar["layer"], bar["weights"], bar["run"]) == (name, which, label)
                assert (bar["low"], bar["high"]) == pytest.approx((edges[k], edges[k + 1]))
                assert bar["count"] == counts[k]
                if values.size:
                    assert bar["density"] == pytest.approx(
                        counts[k] / values.size / (edges[1] - edges[0])
                    )
    assert next(rows, None) is None
    assert next(bars, None) is None


def test_a_relaxed_consensus_is_the_commands_own():
    runs = [run_of(f"r{i}", i) for i in range(5)]
    votes = np.sum([run.mask().layer("fc") for run in runs], axis=0)
    for options in ({"threshold": "0.6"}, {"at_least_votes": 3}):
        table = initial(*runs, **options)
        (row,) = table.where(layer="fc", weights="consensus")
        assert row["n"] == (votes >= 3).sum()
        assert row["sd"] == pytest.approx(
            layers_of(START)["fc"][votes >= 3].astype(np.float64).std(ddof=1)
        )
        assert table.parameters["at_least"] == 3
    with pytest.raises(UsageError):
        initial(*runs, threshold="2")


def test_layers_are_chosen_and_the_total_follows():
    table = initial(run_of("a", 1), layers=["fc"])
    assert list(dict.fromkeys(table.column("layer"))) == ["fc", "total"]
    fc, total = (table.where(layer=name, weights="ticket")[0] for name in ("fc", "total"))
    assert {k: fc[k] for k in ("n", "sd", "mean")} == {k: total[k] for k in ("n", "sd", "mean")}


def test_layers_in_another_order_are_found_by_name():
    first = run_of("a", 1)
    arrays = first.mask().to_arrays()
    mask = Mask.from_arrays({name: arrays[name] for name in reversed(SHAPES)})
    start = np.concatenate([layers_of(START)[name].ravel() for name in reversed(SHAPES)])
    weights = {"initial": Weights(values=start[None], iterations=(0,))}
    table = initial(first, Run.from_masks("b", [mask], weights=weights))
    for name in SHAPES:
        a, b = table.where(layer=name, weights="ticket")
        assert (a["n"], a["sd"]) == (b["n"], b["sd"])


def test_an_empty_ticket_has_no_spread():
    (row,) = initial(run_of("a", 1, density=0)).where(layer="fc", weights="ticket")
    assert (row["n"], row["mean"], row["sd"], row["sd_ratio"]) == (0, None, None, None)


def test_what_does_not_fit_is_refused():
    a = run_of("a", 1)
    with pytest.raises(InputError, match="layer fc are others than in a") as caught:
        initial(a, run_of("b", 2, start=np.where(np.arange(START.size) < SIZES[0], START, 0)))
    assert caught.value.code == "other-start"
    with pytest.raises(NotFoundError, match="no initial weights"):
        initial(a, Run.from_masks("b", [a.mask(1)]))
    with pytest.raises(InputError, match="a mask alone"):
        initial(a, ~~a.mask(1))
    with pytest.raises(UsageError, match="2 iterations are selected"):
        initial(run_of("b", 2, iterations=2), iteration="all")
    with pytest.raises(UsageError, match="0 bins"):
        initial(a, bins=0)
