from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat.errors import InputError, LayoutMismatchError, UsageError
from maskstat.stats import initial_weights as module
from maskstat.stats.initial_weights import initial_weights

SHAPES = {"conv": (6, 3, 3, 3), "fc": (10, 40)}


def network(seed, density=0.4, tickets=("mnist", "cifar")):
    rng = np.random.default_rng(seed)
    scales = {"conv": 0.2, "fc": 0.03}
    weights = {
        k: (0.01 + scales[k] * rng.standard_normal(s)).astype(np.float32) for k, s in SHAPES.items()
    }
    masks = {t: {k: rng.random(s) < density for k, s in SHAPES.items()} for t in tickets}
    return weights, masks


def check(found, values, edges, whole_sd):
    """Compare one selection with the standard library and with numpy's histogram."""
    numbers = [float(v) for v in values]
    assert found.n == len(numbers)
    assert found.counts.dtype == np.int64
    np.testing.assert_array_equal(found.counts, np.histogram(np.float64(values), edges)[0])
    if numbers:
        assert found.mean == pytest.approx(statistics.fmean(numbers), rel=1e-12, abs=1e-15)
    else:
        assert found.mean is None
    if len(numbers) > 1:
        assert found.sd == pytest.approx(statistics.stdev(numbers), rel=1e-12, abs=1e-16)
        assert found.sd_ratio == pytest.approx(found.sd / whole_sd, rel=1e-12)
    else:
        assert found.sd is None
        assert found.sd_ratio is None


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.004, 0.4, 1.0]), st.integers(1, 40))
def test_every_selection_of_every_layer_and_of_all(seed, density, bins):
    weights, masks = network(seed, density)
    found = initial_weights(weights, masks, bins=bins)
    assert list(found.layers) == list(weights)
    everything = {"whole": [], "mnist": [], "cifar": [], "consensus": []}
    for layer, values in weights.items():
        row = found.layers[layer]
        assert row.edges.shape == (bins + 1,)
        assert (row.edges[0], row.edges[-1]) == (values.min(), values.max())
        both = masks["mnist"][layer] & masks["cifar"][layer]
        sd = np.std(values, ddof=1, dtype=np.float64)
        chosen = {
            "whole": (row.whole, values.ravel()),
            "mnist": (row.tickets["mnist"], values[masks["mnist"][layer]]),
            "cifar": (row.tickets["cifar"], values[masks["cifar"][layer]]),
            "consensus": (row.consensus, values[both]),
        }
        for name, (selected, numbers) in chosen.items():
            check(selected, numbers, row.edges, sd)
            everything[name].append(numbers)
        assert row.whole.counts.sum() == values.size
    total = found.total
    rows = {"whole": total.whole, "consensus": total.consensus, **total.tickets}
    pooled = {name: np.concatenate(parts) for name, parts in everything.items()}
    sd = np.std(pooled["whole"], ddof=1, dtype=np.float64)
    for name, numbers in pooled.items():
        check(rows[name], numbers, total.edges, sd)


def test_a_given_consensus_is_used_as_it_is():
    weights, masks = network(1)
    votes = {k: masks["mnist"][k] | masks["cifar"][k] for k in SHAPES}
    found = initial_weights(weights, masks, consensus=votes)
    for layer, values in weights.items():
        assert found.layers[layer].consensus.n == votes[layer].sum()
        expected = np.std(values[votes[layer]], ddof=1, dtype=np.float64)
        assert found.layers[layer].consensus.sd == pytest.approx(expected, rel=1e-12)


def test_no_tickets_leave_the_layers_alone():
    weights, _ = network(2)
    found = initial_weights(weights, {})
    assert found.total.consensus is None
    assert found.total.tickets == {}
    assert found.total.whole.n == sum(v.size for v in weights.values())
    full = {k: np.ones(s, bool) for k, s in SHAPES.items()}
    given_one = initial_weights(weights, {}, consensus=full)
    assert given_one.total.consensus.sd_ratio == pytest.approx(1, rel=1e-14)


def test_large_offsets_and_many_tiles_lose_no_digits(monkeypatch):
    rng = np.random.default_rng(3)
    values = 1e6 + rng.standard_normal(5000)
    kept = rng.random(5000) < 0.5
    whole = initial_weights({"fc": values}, {"a": {"fc": kept}})
    monkeypatch.setattr(module, "BLOCK", 77)
    tiled = initial_weights({"fc": values}, {"a": {"fc": kept}})
    for found in (whole, tiled):
        selected = found.total.tickets["a"]
        assert selected.sd == pytest.approx(statistics.stdev(values[kept].tolist()), rel=1e-9)
    np.testing.assert_array_equal(whole.total.tickets["a"].counts, tiled.total.tickets["a"].counts)


def test_magnitude_pruning_leaves_the_tails_and_a_consensus_the_centre():
    rng = np.random.default_rng(4)
    weights = rng.standard_normal(100_000)
    large = np.abs(weights) > 1
    found = initial_weights({"fc": weights}, {"a": {"fc": large}}, bins=41).layers["fc"]
    assert found.tickets["a"].sd_ratio > 1.3
    centres = (found.edges[1:] + found.edges[:-1]) / 2
    assert not found.tickets["a"].counts[np.abs(centres) < 0.8].any()


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(8),
        np.full(8, 0.1, np.float32),
        np.full(8, -3e20),
        np.nextafter(np.ones(8), [2, 1] * 4),
        np.full(8, 5e-324),
    ],
)
def test_weights_that_are_all_alike(values):
    found = initial_weights({"fc": values}, {"a": {"fc": np.arange(8) < 3}}).layers["fc"]
    assert np.all(np.diff(found.edges) > 0)
    assert found.whole.counts.sum() == 8
    assert found.tickets["a"].counts.sum() == 3
    if values.min() == values.max():
        assert found.whole.sd == 0
        assert found.tickets["a"].sd_ratio is None


def test_inputs_that_do_not_fit_are_refused():
    weights, masks = network(5)
    partial = {"conv": masks["mnist"]["conv"]}
    extra = {**masks["mnist"], "fc2": np.ones(3, bool)}
    flat = {k: v.ravel() for k, v in masks["mnist"].items()}
    for broken, code in ((partial, "layer-missing"), (extra, "layer-missing"), (flat, "shape-")):
        with pytest.raises(LayoutMismatchError, match=code):
            initial_weights(weights, {"a": broken})
        with pytest.raises(LayoutMismatchError, match=code):
            initial_weights(weights, masks, consensus=broken)
    numbers = {k: v.astype(np.float32) for k, v in masks["mnist"].items()}
    with pytest.raises(InputError, match="mask-type"):
        initial_weights(weights, {"a": numbers})
    with pytest.raises(InputError, match="no-layers"):
        initial_weights({}, {})
    with pytest.raises(InputError, match="empty-layer"):
        initial_weights({"fc": np.zeros((0, 3))}, {})
    for bad in (np.nan, np.inf):
        with pytest.raises(InputError, match="not-finite"):
            initial_weights({"fc": np.array([1.0, bad])}, {})
    for bins in (0, 10_001):
        with pytest.raises(UsageError, match="bins"):
            initial_weights(weights, masks, bins=bins)
