from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor, nn

from maskstat.graph.nodes import check_graph
from maskstat.prune.models.registry import MODELS, build
from maskstat.prune.network import Network
from maskstat.prune.streams import Streams
from maskstat.prune.trace import UntraceableError, trace


def lenet(side: int) -> nn.Module:
    return build("lenet", (1, side, side), 10, generator=Streams(seed=0).generator("init"))


def test_lenet():
    graph = trace(lenet(8), (1, 8, 8))
    assert [(node["op"], node["inputs"]) for node in graph] == [
        ("input", []),
        ("conv", ["x"]),
        ("pass", ["conv1"]),
        ("pool", ["relu"]),
        ("conv", ["max_pool2d"]),
        ("pass", ["conv2"]),
        ("pool", ["relu_1"]),
        ("flatten", ["max_pool2d_1"]),
        ("linear", ["flatten"]),
        ("pass", ["fc1"]),
        ("linear", ["relu_2"]),
        ("pass", ["fc2"]),
        ("linear", ["relu_3"]),
        ("output", ["fc3"]),
    ]
    by_name = {node["name"]: node for node in graph}
    assert by_name["x"]["units"] == 1
    assert by_name["conv2"] == {
        "name": "conv2",
        "op": "conv",
        "inputs": ["max_pool2d"],
        "layer": "conv2.weight",
        "units": 16,
        "bias": True,
        "groups": 1,
        "kernel": [3, 3],
        "stride": [1, 1],
        "padding": [1, 1],
        "dilation": [1, 1],
        "map": [4, 4],
    }
    assert by_name["max_pool2d_1"]["map"] == [2, 2]
    assert by_name["flatten"]["area"] == 4
    assert json.loads(json.dumps(graph)) == list(graph)


class Block(nn.Module):
    """What residual and densely connected networks are made of."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.deep = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.ReLU())
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.stem(x))
        x = torch.cat([x + self.deep(x), x], dim=1)
        x = nn.functional.adaptive_avg_pool2d(x, 1)
        return self.head(x.view(x.size(0), -1))


def test_branches():
    graph = trace(Block(), (3, 12, 12))
    assert [node["op"] for node in graph] == [
        *("input", "conv", "pass", "conv", "pass", "add", "concat", "pool", "flatten"),
        *("linear", "output"),
    ]
    by_name = {node["name"]: node for node in graph}
    assert by_name["stem"]["map"] == [6, 6]
    assert by_name["norm"]["bias"] is True
    assert by_name["deep_0"]["groups"] == 8
    assert by_name["deep_0"]["layer"] == "deep.0.weight"
    assert by_name["add"]["inputs"] == ["norm", "deep_1"]
    assert by_name["view"] == {
        "name": "view",
        "op": "flatten",
        "area": 1,
        "inputs": ["adaptive_avg_pool2d"],
    }


@pytest.mark.parametrize(
    ("module", "shape"),
    [(lenet(8), (1, 8, 8)), (lenet(28), (1, 28, 28)), (Block(), (3, 12, 12))],
    ids=["lenet 8x8", "lenet 28x28", "branches"],
)
def test_what_is_traced_can_be_computed_on(module, shape):
    layout = Network(module).layout
    shapes = {layer.name: layer.shape for layer in layout.layers}
    check_graph([dict(node) for node in trace(module, shape)], shapes)


@pytest.mark.parametrize("name", ["lenet5x5", "lenet-equal", "resnet18", "resnet18-cifar"])
def test_bundled_models_are_traced(name):
    shape = MODELS[name].takes((3, 32, 32))
    module = build(name, shape, 10, generator=torch.Generator())
    shapes = {layer.name: layer.shape for layer in Network(module).layout.layers}
    graph = trace(module, shape)
    checked = check_graph([dict(node) for node in graph], shapes)
    assert {node.layer for node in checked if node.layer} == set(shapes)
    assert checked[-1].units == 10


def test_a_residual_networks_branches_meet():
    module = build("resnet18-cifar", (3, 32, 32), 10, generator=torch.Generator())
    adds = [node["inputs"] for node in trace(module, (3, 32, 32)) if node["op"] == "add"]
    assert len(adds) == 8
    assert ["layer2_0_bn2", "layer2_0_downsample_1"] in adds


def test_alexnet_is_traced():
    module = build("alexnet", (3, 63, 63), 10, generator=torch.Generator())
    graph = trace(module, (3, 63, 63))
    by_name = {node["name"]: node for node in graph}
    assert by_name["avgpool"]["map"] == [6, 6]
    assert by_name["flatten"]["area"] == 36
    assert by_name["classifier_0"]["op"] == "pass"
    assert by_name["classifier_1"]["inputs"] == ["classifier_0"]
    shapes = {layer.name: layer.shape for layer in Network(module).layout.layers}
    check_graph([dict(node) for node in graph], shapes)


class DataDependent(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Strange(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.fft(x).real


class Folding(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(2, -1)


@pytest.mark.parametrize(
    "module",
    [
        DataDependent(),
        Strange(),
        Folding(),
        nn.Sequential(nn.ConvTranspose2d(1, 1, 2)),
        nn.Sequential(nn.Conv2d(1, 1, 3, padding="same")),
        nn.Sequential(nn.Linear(3, 3)),
    ],
    ids=["control flow", "operation", "fold", "transposed", "padding", "shape"],
)
def test_what_has_no_word_is_refused(module):
    with pytest.raises(UntraceableError):
        trace(module, (1, 8, 8))


def test_tracing_leaves_the_module_as_it_was():
    module = Block()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    generator = torch.get_rng_state()
    trace(module, (3, 12, 12))
    assert module.training
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
