"""Matching units of runs: links that keep the function, overlaps by trying every order."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskstat.bits import Words
from maskstat.errors import InputError, LayoutMismatchError, UsageError
from maskstat.layout import Layout
from maskstat.mask import Mask
from maskstat.run import Run
from maskstat.stats.matched import matched
from maskstat.stats.matched_overlap import matched_overlap
from maskstat.stats.matching import chain_links
from maskstat.stats.unit_links import unit_links


def node(name, op, *inputs, **fields):
    return {"name": name, "op": op, "inputs": list(inputs), **fields}


SHAPES = {
    "stem": (4, 3, 1, 1),
    "wide": (6, 4, 1, 1),
    "back": (4, 6, 1, 1),
    "depth": (4, 1, 1, 1),
    "side": (5, 4, 1, 1),
    "fc1": (7, 18),
    "fc2": (6, 7),
    "fc3": (2, 6),
}

# stem's units enter a sum, back's as well, depth is grouped, side's enter a concatenation.
GRAPH = (
    node("x", "input", units=3, map=[1, 2]),
    node("stem", "conv", "x", layer="stem", bias=True),
    node("wide", "conv", "stem", layer="wide"),
    node("relu", "pass", "wide"),
    node("back", "conv", "relu", layer="back"),
    node("sum", "add", "back", "stem"),
    node("depth", "conv", "sum", layer="depth", groups=4),
    node("side", "conv", "sum", layer="side"),
    node("both", "concat", "depth", "side"),
    node("flat", "flatten", "both", area=2),
    node("fc1", "linear", "flat", layer="fc1"),
    node("act", "pass", "fc1"),
    node("fc2", "linear", "act", layer="fc2"),
    node("fc3", "linear", "fc2", layer="fc3"),
    node("y", "output", "fc3"),
)


def forward(weights, x, graph=GRAPH):
    """Evaluate a network of 1x1 convolutions on maps of two positions."""
    at = {}
    for each in graph:
        inputs = [at[name] for name in each["inputs"]]
        if each["op"] == "input":
            value = x
        elif each["op"] == "conv":
            w = weights[each["layer"]][:, :, 0, 0]
            value = w * inputs[0] if each.get("groups", 1) > 1 else w @ inputs[0]
        elif each["op"] == "linear":
            value = weights[each["layer"]] @ inputs[0]
        elif each["op"] == "add":
            value = sum(inputs)
        elif each["op"] == "concat":
            value = np.concatenate(inputs)
        elif each["op"] == "flatten":
            value = inputs[0].ravel()
        else:
            value = np.maximum(inputs[0], 0) if each["op"] == "pass" else inputs[0]
        at[each["name"]] = value
    return at["y"]


def relabelled(arrays, links, orders):
    """Reorder the output units of source layers, and the inputs that read them."""
    names, turned = list(arrays), dict(arrays)
    for source, order in orders.items():
        turned[names[source]] = turned[names[source]][order]
        for link in (each for each in links if each.source == source):
            array = turned[names[link.target]]
            blocks = array.reshape(array.shape[0], len(order), -1)[:, order]
            turned[names[link.target]] = blocks.reshape(array.shape)
    return turned


@given(st.integers(0, 10_000))
def test_relabelling_along_the_links_leaves_the_function_alone(seed):
    rng = np.random.default_rng(seed)
    links = unit_links(GRAPH, SHAPES)
    assert [(e.source, e.target, e.area) for e in links] == [(1, 2, 1), (5, 6, 1), (6, 7, 1)]
    weights = {name: rng.normal(size=shape) for name, shape in SHAPES.items()}
    units = [shape[0] for shape in SHAPES.values()]
    orders = {source: rng.permutation(units[source]) for source in {e.source for e in links}}
    x = rng.normal(size=(3, 2))
    turned = relabelled(weights, links, orders)
    np.testing.assert_allclose(forward(turned, x), forward(weights, x), rtol=1e-10)


def test_flattened_units_are_carried_into_the_linear_layer():
    shapes = {"c": (3, 2, 1, 1), "d": (4, 3, 1, 1), "fc": (5, 8)}
    graph = (
        node("x", "input", units=2, map=[1, 2]),
        node("c", "conv", "x", layer="c"),
        node("d", "conv", "c", layer="d"),
        node("pool", "pool", "d", map=[1, 2]),
        node("flat", "flatten", "pool", area=2),
        node("fc", "linear", "flat", layer="fc"),
        node("y", "output", "fc"),
    )
    links = unit_links(graph, shapes)
    assert [(e.source, e.target, e.area) for e in links] == [(0, 1, 1), (1, 2, 2)]
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    turned = relabelled(weights, links, {0: rng.permutation(3), 1: rng.permutation(4)})
    x = rng.normal(size=(2, 2))
    np.testing.assert_allclose(forward(turned, x, graph), forward(weights, x, graph))


def linear(name, source, layer):
    return node(name, "linear", source, **({"layer": layer} if layer else {"units": 3}))


@pytest.mark.parametrize(
    ("layers", "outputs", "links"),
    [
        ([("a", "x", "a"), ("b", "a", "b")], ["b"], 1),
        # read by a layer that no mask prunes
        ([("a", "x", "a"), ("dense", "a", ""), ("b", "dense", "b")], ["b"], 0),
        # read by an output as well
        ([("a", "x", "a"), ("b", "a", "b")], ["b", "a"], 0),
        # applied twice
        ([("a", "x", "a"), ("again", "a", "a"), ("b", "again", "b")], ["b"], 0),
        # read by a layer that is applied twice
        ([("a", "x", "a"), ("b", "a", "b"), ("again", "b", "b")], ["again"], 0),
        # read by a layer that stands before it in the layout
        ([("b", "x", "b"), ("a", "b", "a")], ["a"], 0),
    ],
)
def test_units_that_something_else_reads_keep_their_labels(layers, outputs, links):
    graph = [
        node("x", "input", units=3),
        *(linear(*layer) for layer in layers),
        *(node(f"to {name}", "output", name) for name in outputs),
    ]
    assert len(unit_links(graph, {"a": (3, 3), "b": (3, 3)})) == links


def mask_of(arrays, *, graph=(), label="m"):
    mask = Mask.from_arrays(arrays)
    layout = Layout.from_shapes({n: np.shape(a) for n, a in arrays.items()}, graph=graph)
    return Mask(layout, Words(mask.words()), label=label)


def random_arrays(seed, shapes, density=0.4):
    rng = np.random.default_rng(seed)
    return {name: rng.random(shape) < density for name, shape in shapes.items()}


@settings(max_examples=15)
@given(st.integers(0, 1000))
def test_the_best_order_of_four_units_is_found(seed):
    shapes = {"fc1": (4, 6), "fc2": (3, 4)}
    a, b = random_arrays(seed, shapes), random_arrays(seed + 1, shapes)
    first, second, total = matched(mask_of(a, label="a"), mask_of(b, label="b"), draws=2)
    overlaps = [
        int((a["fc1"] & b["fc1"][list(order)]).sum()) for order in itertools.permutations(range(4))
    ]
    assert first["matched"] == max(overlaps)
    assert first["shared"] == (a["fc1"] & b["fc1"]).sum()
    assert (first["units"], second["units"], total["units"]) == (4, None, 4)
    assert total["matched"] == first["matched"] + second["matched"]
    kept = first["kept_a"] + first["kept_b"]
    assert first["matched_jaccard"] == pytest.approx(max(overlaps) / (kept - max(overlaps)))


def test_rows_are_those_of_the_numeric_test():
    shapes = {"c": (4, 2, 3, 3), "fc1": (8, 36), "fc2": (3, 8)}
    arrays = [random_arrays(seed, shapes) for seed in (1, 2, 3)]
    masks = [mask_of(each, label=f"m{i}") for i, each in enumerate(arrays)]
    table = matched(*masks, draws=20, seed=5)
    assert [(r["a"], r["b"]) for r in table.where(layer="total")] == [
        ("m0", "m1"),
        ("m0", "m2"),
        ("m1", "m2"),
    ]
    links = chain_links(list(shapes.values()))
    for i, j in itertools.combinations(range(3), 2):
        found = matched_overlap(
            list(arrays[i].values()),
            list(arrays[j].values()),
            links,
            rng=np.random.default_rng(5),
            draws=20,
        )
        rows = table.where(a=f"m{i}", b=f"m{j}")
        assert [row["layer"] for row in rows] == [*shapes, "total"]
        for row, layer in zip(rows, (*found.layers, found.total), strict=True):
            for name in ("size", "kept_a", "kept_b", "shared", "matched", "expected", "sd", "z"):
                assert row[name] == getattr(layer, name), name
            assert 10 ** row["log10_p"] == pytest.approx(layer.p)
            assert row["draws"] == 20
    assert matched(*masks, draws=20, seed=5).rows() == table.rows()
    assert matched(*masks, draws=20, seed=6).column("expected") != table.column("expected")
    assert "graph-guessed" in table.column("note")
    assert "taken as one chain" in table.where(layer="total")[0]["note"]


def test_the_stored_graph_decides_what_is_relabelled():
    arrays = random_arrays(1, SHAPES, 0.5)
    links = unit_links(GRAPH, SHAPES)
    rng = np.random.default_rng(2)
    orders = {1: rng.permutation(6), 5: rng.permutation(7), 6: rng.permutation(6)}
    runs = [
        Run.from_masks("a", [mask_of(arrays, graph=GRAPH)]),
        Run.from_masks("b", [mask_of(relabelled(arrays, links, orders))]),
    ]
    for pair in (runs, runs[::-1]):  # one stored graph serves both
        table = matched(*pair, draws=39)
        total = table.where(layer="total")[0]
        assert total["shared"] < total["matched"] == total["kept_a"]
        assert total["log10_p"] == pytest.approx(math.log10(1 / 40))
        assert total["moved"] == sum(
            (order != np.arange(order.size)).sum() for order in orders.values()
        )
        assert table.column("units") == [None, 6, None, None, None, 7, 6, None, 19]
        assert total["note"] is None


def test_iterations_of_one_run_are_not_tested():
    masks = [
        mask_of({"a": [[1, 1], [1, 0]], "b": [[1, 1]]}),
        mask_of({"a": [[1, 0], [1, 0]], "b": [[1, 1]]}),
    ]
    run = Run.from_masks("r", masks)
    for row in matched((run, 1), (run, 2), draws=3):
        assert (row["z"], row["log10_p"]) == (None, None)
        assert row["note"].startswith("same-run")


def test_a_single_layer_has_nothing_to_relabel():
    pair = [Mask.from_arrays({"fc": row}) for row in ([[1, 1, 0]], [[0, 1, 1]])]
    table = matched(*pair, draws=2)
    assert table.column("units") == [None, 0]
    assert table.column("matched") == table.column("shared") == [1, 1]
    total = table.where(layer="total")[0]
    assert total["moved"] == 0
    assert "one chain" in total["note"]
    assert "no unit may be relabelled" in total["note"]
    empty = matched(Mask.from_arrays({"fc": [[0]]}), Mask.from_arrays({"fc": [[0]]}), draws=2)
    assert empty.column("jaccard") == empty.column("matched_jaccard") == [1, 1]
    assert empty.column("z") == [None, None]


def test_what_does_not_fit_is_refused():
    a = Mask.from_arrays({"a": np.ones((3, 4)), "b": np.ones((2, 3))})
    with pytest.raises(UsageError, match="two or more"):
        matched(a)
    with pytest.raises(LayoutMismatchError):
        matched(a, Mask.from_arrays({"a": np.ones((3, 4))}))
    with pytest.raises(UsageError, match="1 draws"):
        matched(a, a, draws=1)
    apart = Mask.from_arrays({"a": np.ones((3, 4)), "b": np.ones((2, 5))})
    with pytest.raises(InputError, match="does not follow"):
        matched(apart, apart)
