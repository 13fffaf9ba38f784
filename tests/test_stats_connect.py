"""connectivity of runs: against every path of a small network, walked one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskstat.bits import Words
from maskstat.errors import InputError, NotFoundError
from maskstat.layout import Layout
from maskstat.mask import Mask
from maskstat.run import Run
from maskstat.stats.connect import connectivity

SHAPES = {"fc1": (3, 3), "fc2": (4, 3), "fc3": (2, 7)}


def node(name, op, *inputs, **fields):
    return {"name": name, "op": op, "inputs": list(inputs), **fields}


# A shortcut around fc1, and its sum joined again beside what fc2 makes of it.
GRAPH = (
    node("x", "input", units=3),
    node("fc1", "linear", "x", layer="fc1", bias=True),
    node("relu", "pass", "fc1"),
    node("sum", "add", "relu", "x"),
    node("fc2", "linear", "sum", layer="fc2"),
    node("both", "concat", "fc2", "sum"),
    node("fc3", "linear", "both", layer="fc3"),
    node("y", "output", "fc3"),
)


def with_graph(arrays, graph=GRAPH, label="m"):
    mask = Mask.from_arrays(arrays)
    layout = Layout.from_shapes({n: np.shape(a) for n, a in arrays.items()}, graph=graph)
    return Mask(layout, Words(mask.words()), label=label)


def random_arrays(seed, density):
    rng = np.random.default_rng(seed)
    return {name: rng.random(shape) < density for name, shape in SHAPES.items()}


def walk(arrays, *, biases):
    """Follow every path unit by unit; return each layer's weights by rule, and the live units."""
    edges = []  # (source, target, layer and weight or None)
    for i in range(3):
        edges += [(("x", i), ("sum", i), None), (("fc1", i), ("sum", i), None)]
        edges += [(("sum", i), ("both", 4 + i), None)]
    edges += [(("fc2", i), ("both", i), None) for i in range(4)]
    edges += [(("fc3", i), ("y", i), None) for i in range(2)]
    feeds = {"fc1": "x", "fc2": "sum", "fc3": "both"}
    for layer, array in arrays.items():
        for target, source in zip(*np.nonzero(array), strict=True):
            edges.append(((feeds[layer], source), (layer, target), (layer, target, source)))
    starts = [("x", i) for i in range(3)] + ([("fc1", i) for i in range(3)] if biases else [])
    forward, backward = set(starts), {("y", 0), ("y", 1)}
    for _ in range(len(edges)):
        forward |= {b for a, b, _ in edges if a in forward}
        backward |= {a for a, b, _ in edges if b in backward}
    found = {}
    for rule in ("output", "both"):
        marked = {layer: np.zeros(array.shape, bool) for layer, array in arrays.items()}
        for a, b, weight in edges:
            if weight and b in backward and (rule == "output" or a in forward):
                marked[weight[0]][weight[1:]] = True
        found[rule] = marked
    return found, forward & backward


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from([0.2, 0.4, 0.7]), st.booleans())
def test_every_path_of_a_network_with_branches(seed, density, biases):
    arrays = random_arrays(seed, density)
    found, live = walk(arrays, biases=biases)
    table = connectivity(with_graph(arrays), bias="keeps-alive" if biases else "ignore")
    for name, array in arrays.items():
        (row,) = table.where(layer=name)
        assert (row["size"], row["kept"]) == (array.size, array.sum())
        assert row["sparsity"] == pytest.approx(1 - array.mean())
        for rule in ("output", "both"):
            count = found[rule][name].sum()
            assert row[f"effective_{rule}"] == count
            assert row[f"effective_sparsity_{rule}"] == pytest.approx(1 - count / array.size)
        assert row["outputs"] == array.shape[0]
        assert row["dead_outputs"] == sum((name, i) not in live for i in range(array.shape[0]))
        assert row["dead_inputs"] == (~found["both"][name].any(axis=0)).sum()
        assert row["note"] is None
    (total,) = table.where(layer="total")
    for key in ("size", "kept", "effective_output", "effective_both", "dead_outputs", "inputs"):
        assert total[key] == sum(row[key] for row in table.rows()[:-1])
    assert total["effective_sparsity_both"] == pytest.approx(
        1 - total["effective_both"] / total["size"]
    )


def test_iterations_and_runs_each_have_rows():
    layout = Layout.from_shapes(SHAPES, graph=GRAPH)
    masks = [with_graph(random_arrays(seed, 0.5)) for seed in (1, 2)]
    run = Run.from_masks("r", masks)
    assert run.layout == layout
    table = connectivity(run, masks[0], iteration="0-2")
    totals = table.where(layer="total")
    assert [(r["run"], r["iteration"]) for r in totals] == [
        ("r", 0),
        ("r", 1),
        ("r", 2),
        ("m", None),
    ]
    assert totals[0]["effective_both"] == totals[0]["size"]
    assert totals[1]["effective_both"] == totals[3]["effective_both"]
    assert len(table) == 4 * 4


def test_a_chain_is_guessed_and_said_so():
    arrays = {"a": [[1, 1], [1, 0]], "b": [[1, 0]]}
    table = connectivity(Mask.from_arrays(arrays))
    assert table.column("note")[:2] == ["graph-guessed", "graph-guessed"]
    assert "taken as one chain" in table.column("note")[2]
    assert table.column("effective_both") == [2, 1, 3]
    with pytest.raises(InputError, match="does not follow") as caught:
        connectivity(Mask.from_arrays({"a": np.ones((3, 4)), "b": np.ones((2, 5))}))
    assert "JSON" in caught.value.hint


def test_a_given_graph_outranks_the_stored_one():
    arrays = {"a": [[1, 0], [0, 0]], "b": [[0, 1]]}
    chain = connectivity(Mask.from_arrays(arrays)).column("effective_both")
    assert chain == [0, 0, 0]
    beside = [
        node("x", "input", units=2),
        node("a", "linear", "x", layer="a"),
        node("sum", "add", "a", "x"),
        node("b", "linear", "sum", layer="b"),
        node("y", "output", "b"),
    ]
    table = connectivity(with_graph(arrays, graph=GRAPH[:1]), graph=beside)
    assert table.column("effective_both") == [0, 1, 1]
    assert table.column("note") == [None] * 3
    assert table.parameters["graph"] == "given"
    with pytest.raises(InputError, match="not a list"):
        connectivity(Mask.from_arrays(arrays), graph=3)
    with pytest.raises(InputError, match="no 'input'"):
        connectivity(Mask.from_arrays(arrays), graph=[])


def small_map(arrays):
    graph = (
        node("x", "input", units=1, map=[1, 1]),
        node("c", "conv", "x", layer="c", padding=[1, 1]),
        node("f", "flatten", "c", area=1),
        node("fc", "linear", "f", layer="fc"),
        node("y", "output", "fc"),
    )
    return with_graph(arrays, graph=graph)


def test_weights_that_meet_padding_only():
    arrays = {"c": np.ones((2, 1, 3, 3), bool), "fc": np.ones((2, 2), bool)}
    arrays["c"][0, 0, 0] = False
    table = connectivity(small_map(arrays))
    assert table.column("padding_only") == [16, 0, 16]
    assert table.column("padding_only_kept") == [13, 0, 13]
    assert table.column("effective_both") == [15, 4, 19]
    assert table.column("note")[:2] == ["small-map", None]
    assert "a 3x3 kernel on a 1x1 map" in table.column("note")[2]
    cut = connectivity(small_map(arrays), exclude_padding=True)
    assert cut.column("effective_both") == [2, 4, 6]
    unknown = connectivity(Mask.from_arrays(arrays))
    assert unknown.column("padding_only") == [None, 0, None]


def test_layers_are_chosen_but_paths_run_through_all():
    arrays = random_arrays(3, 0.4)
    whole = connectivity(with_graph(arrays))
    some = connectivity(with_graph(arrays), layers=["fc[12]"])
    assert some.column("layer") == ["fc1", "fc2", "total"]
    assert some.column("effective_both")[:2] == whole.column("effective_both")[:2]
    assert some.column("effective_both")[2] == sum(some.column("effective_both")[:2])
    with pytest.raises(NotFoundError):
        connectivity(with_graph(arrays), layers=["nope"])
    shown = connectivity(
        small_map({"c": np.ones((2, 1, 3, 3)), "fc": np.ones((2, 2))}), layers=["fc"]
    )
    assert shown.column("note") == [None, None]  # nothing is shown that the warning is about
