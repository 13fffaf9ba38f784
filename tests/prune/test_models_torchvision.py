"""The networks that torchvision has, too: its names, its shapes, its draws."""

from __future__ import annotations

import json
from math import prod
from pathlib import Path

import pytest
import torch
from torch import nn

from maskstat.prune.models.registry import MODELS, build
from maskstat.prune.network import Network

SHAPES = json.loads((Path(__file__).parents[1] / "data" / "model_shapes.json").read_text())
PARAMETERS = {"alexnet": 57_044_810, "vgg11": 128_807_306, "resnet18": 11_181_642}


def unfilled(name: str) -> nn.Module:
    """The model without memory."""
    with torch.device("meta"):
        return MODELS[name].make((3, 224, 224), 10)


@pytest.mark.parametrize("name", PARAMETERS)
def test_names_shapes_and_their_order_are_torchvisions(name):
    module = unfilled(name)
    ours = {key: list(value.shape) for key, value in module.state_dict().items()}
    assert list(ours.items()) == list(SHAPES[name].items())
    assert sum(values.numel() for values in module.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", PARAMETERS)
def test_table_1_is_counted_on_these_models(name):
    network = Network(unfilled(name), exclude=["*downsample*"] if name == "resnet18" else [])
    pruned = {layer.name: layer.size for layer in network.layout.layers}
    assert pruned == {  # as in test_stats_table1, which checks the column itself
        key: prod(shape)
        for key, shape in SHAPES[name].items()
        if len(shape) > 1 and "downsample" not in key
    }
    rest = PARAMETERS[name] - sum(pruned.values())
    assert rest == {"alexnet": 9_354, "vgg11": 10_954, "resnet18": 181_642}[name]


def test_the_cifar_variant_has_another_stem_alone():
    ours = {
        key: list(value.shape) for key, value in unfilled("resnet18-cifar").state_dict().items()
    }
    assert ours == {**SHAPES["resnet18"], "conv1.weight": [64, 3, 3, 3]}


@pytest.mark.parametrize(
    ("name", "side", "map_side"), [("resnet18", 224, 56), ("resnet18-cifar", 32, 32)]
)
def test_what_the_first_stage_sees(name, side, map_side):
    module, seen = unfilled(name), []
    module.layer1.register_forward_hook(lambda _, given, __: seen.append(given[0].shape))
    module.eval()(torch.zeros(1, 3, side, side, device="meta"))
    assert seen == [(1, 64, map_side, map_side)]


def constructed(name: str) -> list[str]:
    """Layers in the order in which torchvision's constructors make them."""
    layers = [key[:-7] for key in SHAPES[name] if len(SHAPES[name][key]) > 1]
    if name != "resnet18":
        return layers

    def place(layer: str) -> tuple[str, int, str]:
        if layer == "fc":
            return "layer9", 0, ""
        stage, _, rest = layer.rpartition("conv") if "conv" in layer else (layer, "", "")
        block = stage.removesuffix("downsample.0").rstrip(".")
        return block, int("downsample" not in layer), rest

    return sorted(layers, key=place)


def independently_drawn(name: str, seed: int) -> dict[str, torch.Tensor]:
    """Plain layers, made one after the other, then drawn again in the order of their names."""
    layers: dict[str, nn.Module] = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in constructed(name):
            outputs, inputs, *kernel = SHAPES[name][f"{layer}.weight"]
            bias = f"{layer}.bias" in SHAPES[name]
            layers[layer] = (
                nn.Conv2d(inputs, outputs, kernel[0], bias=bias)
                if kernel
                else nn.Linear(inputs, outputs, bias=bias)
            )
        for key in SHAPES[name]:
            layer = layers.get(key.removesuffix(".weight"))
            if isinstance(layer, nn.Conv2d) and name != "alexnet":
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(layer, nn.Linear) and name == "vgg11":
                nn.init.normal_(layer.weight, 0, 0.01)
    for layer in layers.values() if name == "vgg11" else ():
        nn.init.zeros_(layer.bias)
    return {
        f"{layer}.{kind}": values.detach()
        for layer, module in layers.items()
        for kind, values in module.named_parameters()
    }


def test_the_shortcuts_convolution_is_made_before_what_it_goes_around():
    assert constructed("resnet18")[:7] == [
        *("conv1", "layer1.0.conv1", "layer1.0.conv2", "layer1.1.conv1", "layer1.1.conv2"),
        *("layer2.0.downsample.0", "layer2.0.conv1"),
    ]
    assert constructed("resnet18")[-1] == "fc"


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "alexnet",
        pytest.param("vgg11", marks=pytest.mark.slow),
    ],
)
def test_weights_are_those_that_torchvision_would_draw(name):
    before = torch.get_rng_state()
    module = build(name, (3, 224, 224), 10, generator=torch.Generator().manual_seed(5))
    assert torch.equal(torch.get_rng_state(), before)
    ours = module.state_dict()
    theirs = independently_drawn(name, 5)
    for key, values in theirs.items():
        assert torch.equal(ours[key], values), key
    normalizations = set(ours) - set(theirs)
    assert all("bn" in key or "downsample.1" in key for key in normalizations)
    for key in normalizations:
        ones = key.endswith(("weight", "running_var"))
        assert torch.all(ours[key] == (1 if ones else 0)), key


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_state_dict_in_torchvisions_naming_loads(name):
    with torch.device("meta"):
        theirs = {key: torch.zeros(shape) for key, shape in SHAPES[name].items()}
    unfilled(name).load_state_dict(theirs, strict=True, assign=True)


def test_values_arrive_where_they_are_named():
    theirs = {
        key: torch.full(shape, float(place)).to(torch.int64 if shape == [] else torch.float32)
        for place, (key, shape) in enumerate(SHAPES["resnet18"].items())
    }
    module = build("resnet18", (3, 32, 32), 10, generator=torch.Generator())
    module.load_state_dict(theirs, strict=True)
    for key, values in module.state_dict().items():
        assert torch.equal(values, theirs[key])
