"""Effective weights: against float64 autograd, path enumeration, and the papers' counts."""

import json
import tracemalloc
from itertools import pairwise, product
from pathlib import Path
from time import process_time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat.errors import InputError, LayoutMismatchError
from maskstat.graph.connectivity import connectivity
from maskstat.graph.nodes import check_graph
from maskstat.stats.chain import chain_graph

SHAPES = json.loads((Path(__file__).parent / "data" / "model_shapes.json").read_text())


def node(name, op, *inputs, **fields):
    return {"name": name, "op": op, "inputs": list(inputs), **fields}


@pytest.fixture
def torch():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch


def rows_by_layer(result):
    return {row.layer: row for row in result.layers}


@st.composite
def perceptrons(draw):
    widths = draw(st.lists(st.integers(1, 4), min_size=2, max_size=5))
    seed, density = draw(st.integers(0, 2**32 - 1)), draw(st.floats(0.1, 0.9))
    rng = np.random.default_rng(seed)
    shapes = zip(widths[1:], widths[:-1], strict=True)
    return {f"fc{k}": rng.random(shape) < density for k, shape in enumerate(shapes)}


@given(perceptrons())
def test_perceptrons_path_by_path(masks):
    layers = list(masks.values())
    both = [np.zeros_like(mask) for mask in layers]
    output = [np.zeros_like(mask) for mask in layers]
    widths = [layers[0].shape[1], *(mask.shape[0] for mask in layers)]
    for path in product(*map(range, widths)):
        kept = [mask[path[k + 1], path[k]] for k, mask in enumerate(layers)]
        for k in range(len(layers)):
            both[k][path[k + 1], path[k]] |= all(kept)
            output[k][path[k + 1], path[k]] |= all(kept[k:])
    result = connectivity(chain_graph([(n, m.shape) for n, m in masks.items()]).graph, masks)
    for row, mask, by_both, by_output in zip(result.layers, layers, both, output, strict=True):
        assert (row.size, row.kept) == (mask.size, mask.sum())
        assert (row.effective_both, row.effective_output) == (by_both.sum(), by_output.sum())
        assert (row.effective_mask(mask) == by_both).all()
        assert (row.effective_mask(mask, rule="output") == by_output).all()
        assert row.dead_outputs == (~by_both.any(axis=1)).sum()
        assert row.dead_inputs == (~by_both.any(axis=0)).sum()
        assert row.effective_both <= row.effective_output <= row.kept
        assert (row.padding_only, row.padding_only_kept) == (0, 0)


def residual_net(rng):
    """Shapes and graph of a small net with a shortcut, grouped convolutions and a concatenation."""
    a, b, f = (int(n) for n in rng.integers(2, 6, 3))
    b *= 2
    shapes = {
        "c1": (a, 3, 3, 3),
        "c2": (b, a, 3, 3),
        "shortcut": (b, a, 1, 1),
        "depthwise": (b, 1, 3, 3),
        "grouped": (4, b // 2, 1, 1),
        "f1": (f, (b + 4) * 4),
        "f2": (3, f),
    }
    graph = [
        node("x", "input", units=3, map=[16, 16]),
        node("c1", "conv", "x", layer="c1", padding=[1, 1], bias=True),
        node("relu", "pass", "c1"),
        node("c2", "conv", "relu", layer="c2", padding=[1, 1]),
        node("shortcut", "conv", "relu", layer="shortcut", bias=True),
        node("sum", "add", "c2", "shortcut"),
        node("depthwise", "conv", "sum", layer="depthwise", groups=b, padding=[1, 1]),
        node("sum2", "add", "depthwise", "sum"),
        node("grouped", "conv", "sum2", layer="grouped", groups=2, kernel=[1, 1]),
        node("both", "concat", "sum2", "grouped"),
        node("pool", "pool", "both", kernel=[8, 8]),
        node("flat", "flatten", "pool", area=4),
        node("f1", "linear", "flat", layer="f1", bias=True),
        node("f2", "linear", "f1", layer="f2"),
        node("y", "output", "f2"),
    ]
    return shapes, graph


def residual_gradients(torch, masks, *, biases):
    """Gradient of the summed output in every weight and in every layer's outputs, all weights 1."""
    tensors = {
        name: torch.tensor(mask.astype(float), requires_grad=True) for name, mask in masks.items()
    }
    conv = torch.nn.functional.conv2d
    outputs = {}

    def layer(name, x, **how):
        weight = tensors[name]
        bias = torch.ones(weight.shape[0], dtype=torch.float64) if name in biases else None
        y = torch.nn.functional.linear(x, weight, bias) if x.ndim == 2 else None
        outputs[name] = conv(x, weight, bias, **how) if y is None else y
        outputs[name].retain_grad()
        return outputs[name]

    h = layer("c1", torch.ones(1, 3, 16, 16, dtype=torch.float64), padding=1)
    s = layer("c2", h, padding=1) + layer("shortcut", h)
    t = layer("depthwise", s, padding=1, groups=s.shape[1]) + s
    t = torch.cat([t, layer("grouped", t, groups=2)], dim=1)
    flat = torch.nn.functional.avg_pool2d(t, 8).flatten(1)
    layer("f2", layer("f1", flat)).sum().backward()
    units = {}
    for name, y in outputs.items():
        reach = y.grad if y.grad is not None else torch.zeros_like(y)
        units[name] = reach.numpy().reshape(y.shape[1], -1).any(axis=1)
    weights = {name: tensor.grad.numpy() > 0 for name, tensor in tensors.items()}
    return weights, units


@pytest.mark.parametrize("bias", ["ignore", "keeps-alive"])
def test_residual_networks_against_autograd(torch, bias):
    rng = np.random.default_rng(0)
    for _ in range(40):
        shapes, graph = residual_net(rng)
        density = rng.uniform(0.05, 0.6)
        masks = {name: rng.random(shape) < density for name, shape in shapes.items()}
        biased = {n["name"] for n in graph if n.get("bias")} if bias == "keeps-alive" else set()
        gradients, units = residual_gradients(torch, masks, biases=biased)
        result = connectivity(json.loads(json.dumps(graph)), masks, bias=bias)
        for row in result.layers:
            mask = masks[row.layer]
            expected = mask & gradients[row.layer]
            assert (row.effective_mask(mask) == expected).all()
            assert row.effective_both == expected.sum()
            reaches = units[row.layer].reshape(-1, *[1] * (mask.ndim - 1))
            assert (row.effective_mask(mask, rule="output") == (mask & reaches)).all()
            assert row.effective_output == (mask & reaches).sum()
            if bias == "ignore":
                dead = ~expected.any(axis=tuple(range(1, mask.ndim)))
                assert row.dead_outputs == dead.sum()


def test_a_traced_network_is_a_graph(torch):
    from maskstat.prune.trace import trace

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Conv2d(3, 6, 3, padding=1)
            self.norm = torch.nn.BatchNorm2d(6)
            self.depthwise = torch.nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False)
            self.head = torch.nn.Linear(6 * 16, 5)

        def forward(self, x):
            h = torch.relu(self.norm(self.first(x)))
            h = torch.nn.functional.max_pool2d(self.depthwise(h) + h, 2)
            return self.head(torch.flatten(h, 1))

    net = Net()
    masks = {
        name: np.ones(tuple(p.shape), bool) for name, p in net.named_parameters() if p.ndim > 1
    }
    masks["first.weight"][2] = False
    graph = json.loads(json.dumps(trace(net, (3, 8, 8))))
    rows = rows_by_layer(connectivity(graph, masks))
    assert rows["first.weight"].dead_outputs == 1
    assert rows["depthwise.weight"].effective_both == 5 * 9
    assert rows["head.weight"].effective_both == 5 * 5 * 16
    kept_alive = rows_by_layer(connectivity(graph, masks, bias="keeps-alive"))
    assert kept_alive["head.weight"].effective_both == 5 * 6 * 16


def test_a_layer_applied_twice_counts_once():
    masks = {
        "shared": np.array([[1, 0], [1, 1]], bool),
        "last": np.array([[1, 0]], bool),
    }
    graph = [
        node("x", "input", units=2),
        node("one", "linear", "x", layer="shared"),
        node("two", "linear", "one", layer="shared"),
        node("last", "linear", "two", layer="last"),
        node("y", "output", "last"),
    ]
    rows = rows_by_layer(connectivity(graph, masks))
    # Only output 0 counts, and it reads input 0 alone, in both applications.
    assert rows["shared"].effective_both == rows["shared"].effective_output == 1
    assert rows["shared"].effective_mask(masks["shared"]).tolist() == [[1, 0], [0, 0]]
    assert (rows["shared"].dead_outputs, rows["shared"].dead_inputs) == (1, 1)


def test_layers_without_a_mask_are_dense():
    masks = {"fc1": np.array([[1, 0], [0, 0]], bool), "fc3": np.array([[0, 1]], bool)}
    graph = [
        node("x", "input", units=2),
        node("fc1", "linear", "x", layer="fc1"),
        node("fc2", "linear", "fc1", layer="fc2", units=2),
        node("fc3", "linear", "fc2", layer="fc3"),
        node("y", "output", "fc3"),
    ]
    rows = rows_by_layer(connectivity(graph, masks))
    assert rows["fc1"].effective_both == rows["fc3"].effective_both == 1
    grouped = [
        node("x", "input", units=4),
        node("c", "conv", "x", units=4, groups=2),
        node("fc", "linear", "c", layer="fc"),
        node("y", "output", "fc"),
    ]
    result = connectivity(grouped, {"fc": np.array([[1, 0, 0, 0]], bool)})
    assert result.units["x"] == (2, 4)


def test_nothing_kept_and_everything_kept():
    shapes, graph = residual_net(np.random.default_rng(1))
    empty = connectivity(graph, {name: np.zeros(shape, bool) for name, shape in shapes.items()})
    assert all(row.kept == row.effective_output == row.effective_both == 0 for row in empty.layers)
    assert all(row.dead_outputs == row.outputs for row in empty.layers)
    dense = connectivity(graph, {name: np.ones(shape, bool) for name, shape in shapes.items()})
    assert all(row.effective_both == row.size for row in dense.layers)
    assert all(alive == units for alive, units in dense.units.values())
    assert dense.warnings == ()


def test_masks_are_asked_for_once_and_layer_by_layer():
    shapes, graph = residual_net(np.random.default_rng(2))
    asked = []

    class Unpacking(dict):
        def __getitem__(self, name):
            asked.append(name)
            return np.ones(shapes[name], bool)

    connectivity(graph, Unpacking(), shapes=shapes)
    assert asked == list(shapes)


def test_a_mask_of_another_shape_is_refused():
    masks = {"fc": np.ones((3, 5), bool)}
    graph = chain_graph([("fc", (3, 4))]).graph
    with pytest.raises(LayoutMismatchError) as caught:
        connectivity(graph, masks, shapes={"fc": (3, 4)})
    assert caught.value.code == "shape-mismatch"


def resnet18(image, maps=True):
    """Graph and masked shapes of torchvision's ResNet18, its 1x1 shortcuts left unpruned."""
    weights = {
        name.removesuffix(".weight"): tuple(shape)
        for name, shape in SHAPES["resnet18"].items()
        if len(shape) > 1
    }
    known = {"map": [image, image]} if maps else {}
    graph = [node("x", "input", units=3, **known)]

    def conv(name, source, stride, padding):
        shape = weights[name]
        fields = {"stride": [stride] * 2, "padding": [padding] * 2, "kernel": list(shape[2:])}
        graph.append(node(name, "conv", source, layer=name, units=shape[0], **fields))
        graph.append(node(f"{name}.bn", "pass", name, bias=True))
        return f"{name}.bn"

    at = conv("conv1", "x", 2, 3)
    graph.append(node("pool", "pool", at, kernel=[3, 3], stride=[2, 2], padding=[1, 1]))
    at = "pool"
    for stage, block in product(range(1, 5), range(2)):
        name = f"layer{stage}.{block}"
        stride = 2 if stage > 1 and block == 0 else 1
        inner = conv(f"{name}.conv2", conv(f"{name}.conv1", at, stride, 1), 1, 1)
        if stride == 2:
            at = conv(f"{name}.downsample.0", at, 2, 0)
        graph.append(node(f"{name}.sum", "add", inner, at))
        at = f"{name}.sum"
    graph += [
        node("mean", "pool", at, map=[1, 1]),
        node("flat", "flatten", "mean", area=1),
        node("fc", "linear", "flat", layer="fc", bias=True),
        node("y", "output", "fc"),
    ]
    masked = {name: shape for name, shape in weights.items() if "downsample" not in name}
    return graph, masked


@pytest.mark.parametrize(("image", "lost"), [(32, 6_946_816), (64, 0), (224, 0)])
def test_resnet18_weights_that_never_see_data(image, lost):
    graph, shapes = resnet18(image)
    masks = {name: np.ones(shape, bool) for name, shape in shapes.items()}
    result = connectivity(graph, masks)
    assert sum(row.padding_only for row in result.layers) == lost
    assert sum(row.padding_only_kept for row in result.layers) == lost
    assert len(result.warnings) == (4 if lost else 0)
    assert all(row.effective_both == row.size for row in result.layers)
    cut = connectivity(graph, masks, exclude_padding_taps=True)
    for row, whole in zip(cut.layers, result.layers, strict=True):
        assert row.effective_both == row.effective_output == row.size - whole.padding_only
    if lost:
        assert lost / 10_994_880 == pytest.approx(0.632, abs=5e-4)
        assert "1x1 map" in result.warnings[-1]
        assert "2097152 of 2359296" in result.warnings[-1]


def test_unknown_maps_say_nothing_about_padding():
    graph, shapes = resnet18(32, maps=False)
    masks = {name: np.ones(shape, bool) for name, shape in shapes.items()}
    result = connectivity(graph, masks, exclude_padding_taps=True)
    rows = rows_by_layer(result)
    assert rows["layer4.1.conv2"].padding_only is None
    assert rows["fc"].padding_only == 0
    assert result.warnings == ()


@given(
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.integers(1, 3),
    padding=st.integers(0, 4),
    dilation=st.integers(1, 3),
)
def test_padding_taps_by_sliding_the_kernel(size, kernel, stride, padding, dilation):
    steps = [
        range(0, n + 2 * padding - dilation * (k - 1), stride)
        for n, k in zip(size, kernel, strict=True)
    ]
    graph = [
        node("x", "input", units=2, map=list(size)),
        node(
            "c",
            "conv",
            "x",
            layer="c",
            stride=[stride] * 2,
            padding=[padding] * 2,
            dilation=[dilation] * 2,
        ),
        node("y", "output", "c"),
    ]
    mask = np.ones((3, 2, *kernel), bool)
    if not all(steps):
        with pytest.raises(InputError, match="does not fit"):
            connectivity(graph, {"c": mask})
        return
    sees = np.zeros(kernel, bool)
    for top, left, i, j in product(*steps, *map(range, kernel)):
        y, x = top + i * dilation - padding, left + j * dilation - padding
        sees[i, j] |= 0 <= y < size[0] and 0 <= x < size[1]
    row = connectivity(graph, {"c": mask}, exclude_padding_taps=True).layers[0]
    assert row.padding_only == 6 * (~sees).sum()
    assert (row.effective_mask(mask) == (mask & sees)).all()
    assert row.effective_both == 6 * sees.sum()


FC = {"fc": (3, 4)}
CONV = {"c": (4, 2, 3, 3)}
X4, X2 = node("x", "input", units=4), node("x", "input", units=2, map=[8, 8])
Y = node("y", "output", "fc")


def fc(**fields):
    return node("fc", "linear", "x", layer="fc") | fields


def conv_graph(**fields):
    return [X2, node("c", "conv", "x", **{"layer": "c"} | fields), node("y", "output", "c")]


@pytest.mark.parametrize(
    ("graph", "shapes", "says"),
    [
        ("not a list", FC, "not a list of nodes"),
        ([X4, ["fc"]], FC, "not an object"),
        ([X4, {"op": "pass"}], FC, "no name"),
        ([X4, fc(), node("z", "convolution", "fc"), Y], FC, "unknown operation"),
        ([X4, fc(op="conv2d"), Y], FC, "unknown operation"),
        ([X4, fc(op=["linear"]), Y], FC, "unknown operation"),
        ([X4, fc(), node("z", "pass", "fc", slope=2), Y], FC, "unknown field"),
        ([X4, fc(inputs=["z"]), Y], FC, "does not exist"),
        ([X4, fc(inputs=["fc"]), Y], FC, "does not come before"),
        ([X4, fc(inputs=["p"]), node("p", "pass", "fc"), Y], FC, "does not come before"),
        ([X4, fc(inputs=[]), Y], FC, "takes 1 input"),
        ([X4, fc(inputs=["x", "x"]), Y], FC, "takes 1 input"),
        ([X4, fc() | {"inputs": "x"}, Y], FC, "not a list of names"),
        ([X4, fc() | {"inputs": [1]}, Y], FC, "not a list of names"),
        ([X4, node("s", "add", "x"), fc(), Y], FC, "2 or more"),
        ([X4, X4, fc(), Y], FC, "taken by an earlier node"),
        ([X4, fc()], FC, "no 'output'"),
        ([], FC, "no 'input'"),
        ([X4, node("y", "output", "x")], FC, "leaves out layer 'fc'"),
        ([node("x", "input", units=5), fc(), Y], FC, "takes 4 input units"),
        ([node("x", "input"), fc(), Y], FC, "'units' is missing"),
        ([node("x", "input", units=True), fc(), Y], FC, "not a whole number"),
        ([node("x", "input", units=4.0), fc(), Y], FC, "not a whole number"),
        ([node("x", "input", units=2**40), fc(), Y], FC, "not a whole number"),
        ([X4, fc(layer="fd"), Y], FC, "does not exist and states no 'units'"),
        ([X4, fc(layer=3), Y], FC, "not a name"),
        ([X4, fc(units=7), Y], FC, "'units' is not layer"),
        ([X4, fc(bias=1), Y], FC, "not true or false"),
        ([X4, node("f", "flatten", "x"), fc(inputs=["f"]), Y], FC, "'area' is missing"),
        (
            [X4, fc(), node("s", "add", "x", "fc"), Y],
            FC,
            r"adds \[4, 3\] units",
        ),
        (conv_graph(groups=2), CONV, "takes 4 input units"),
        (conv_graph(kernel=[5, 5]), CONV, "'kernel' is"),
        (conv_graph(stride=[1]), CONV, "2 spatial dimension"),
        (conv_graph(padding=[-1, 0]), CONV, "whole numbers from 0"),
        (conv_graph(dilation=[5, 1]), CONV, "does not fit"),
        (conv_graph(map=[8, 8]), CONV, "its input and kernel give"),
        (conv_graph(layer="fc"), FC, "cannot be a conv"),
        ([X2, node("l", "linear", "x", layer="c"), node("y", "output", "l")], CONV, "be a linear"),
        ([X2, node("f", "flatten", "x", area=9), node("y", "output", "f")], {}, "map is"),
        (
            [X2, node("p", "pool", "x", kernel=[2, 2]), node("s", "concat", "p", "x")],
            {},
            "different map sizes",
        ),
    ],
)
def test_bad_graphs_are_refused(graph, shapes, says):
    masks = {name: np.ones(shape, bool) for name, shape in shapes.items()}
    with pytest.raises(InputError, match=says) as caught:
        connectivity(graph, masks)
    assert caught.value.code == "bad-graph"


def test_a_graph_cannot_ask_for_all_memory():
    graph = [node("x", "input", units=2**20)]
    for k in range(40):
        graph.append(node(f"f{k}", "flatten", graph[-1]["name"], area=2**20))
    with pytest.raises(InputError, match="more than"):
        connectivity([*graph, node("y", "output", "x")], {})
    huge = [node("x", "input", units=2, map=[2**28, 2**28]), *conv_graph()[1:]]
    row = connectivity(huge, {"c": np.ones(CONV["c"], bool)}).layers[0]
    assert row.padding_only == 0


def test_a_long_graph_is_checked_in_time_that_grows_with_its_length():
    names = [f"p{k}" for k in range(20_000)]
    passes = [node(name, "pass", before) for before, name in pairwise(["x", *names])]
    graph = [node("x", "input", units=1), *passes, node("y", "output", names[-1])]
    before = process_time()
    assert len(check_graph(graph, {})) == len(graph)
    assert process_time() - before < 3  # once 20 s


def test_a_chain_is_guessed_from_shapes():
    shapes = {"c1": (6, 1, 3, 3), "c2": (16, 6, 3, 3), "f1": (120, 400), "f2": (10, 120)}
    guess = chain_graph(list(shapes.items()))
    assert "graph is not known" in guess.warning
    areas = [n["area"] for n in guess.graph if n["op"] == "flatten"]
    assert areas == [25]
    json.dumps(guess.graph)
    masks = {name: np.ones(shape, bool) for name, shape in shapes.items()}
    masks["c2"][5:] = False
    rows = rows_by_layer(connectivity(guess.graph, masks))
    assert rows["f1"].effective_both == 120 * 5 * 25
    alive = rows_by_layer(connectivity(guess.graph, masks, bias="keeps-alive"))
    assert alive["f1"].effective_both == 120 * 400


@pytest.mark.parametrize(
    "shapes",
    [
        [],
        [("a", (4, 3)), ("b", (2, 5))],
        [("a", (4, 3, 3, 3)), ("b", (8, 5, 3, 3))],
        [("a", (4, 3, 3, 3)), ("b", (10, 7))],
        [("a", (4, 3)), ("b", (2, 4, 3, 3))],
        [("a", (4,))],
    ],
)
def test_shapes_that_do_not_chain_are_refused(shapes):
    with pytest.raises(InputError) as caught:
        chain_graph(shapes)
    assert caught.value.code == "bad-graph"


@pytest.mark.slow
def test_a_layer_of_1e8_weights_is_never_copied_whole():
    rng = np.random.default_rng(3)
    masks = {
        "fc1": rng.integers(0, 20, (4096, 25088), dtype=np.uint8) == 0,
        "fc2": rng.random((4096, 4096)) < 0.05,
        "fc3": rng.random((10, 4096)) < 0.05,
    }
    graph = chain_graph([(name, mask.shape) for name, mask in masks.items()]).graph
    tracemalloc.start()
    result = connectivity(graph, masks)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < masks["fc1"].nbytes / 2
    row = result.layers[0]
    assert row.effective_both == np.count_nonzero(row.effective_mask(masks["fc1"]))
