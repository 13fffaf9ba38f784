from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from maskstat.errors import NotFoundError, UsageError
from maskstat.prune.models.lenet import LeNet, LeNet5x5, LeNetEqual
from maskstat.prune.models.registry import MODELS, build, input_shape
from maskstat.prune.network import Network


def lenet(side: int = 8, seed: int = 0) -> nn.Module:
    return build("lenet", (1, side, side), 10, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("side", "parameters", "fc1"), [(28, 60_074, 400), (8, 19_754, 64)])
def test_lenet_is_as_printed(side, parameters, fc1):
    module = lenet(side)
    assert sum(p.numel() for p in module.parameters()) == parameters
    assert module.fc1.in_features == fc1
    assert module(torch.zeros(3, 1, side, side)).shape == (3, 10)


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        ((1, 28, 28), [150, 2_400, 30_720, 10_080, 840]),
        ((3, 32, 32), [450, 2_400, 48_000, 10_080, 840]),
    ],
)
def test_lenet5x5_is_as_printed(shape, sizes):
    module = build("lenet5x5", shape, 10, generator=torch.Generator())
    assert [layer.size for layer in Network(module).layout.layers] == sizes
    assert module(torch.zeros(3, *shape)).shape == (3, 10)


def test_lenet_equal_has_the_printed_sizes():
    module = build("lenet-equal", (1, 28, 28), 10, generator=torch.Generator())
    first, *inner, last = [layer.size for layer in Network(module).layout.layers]
    assert (first, last) == (400, 250)
    assert inner == [2_400, 2_400, 2_500]
    assert module(torch.zeros(3, 1, 28, 28)).shape == (3, 10)


@pytest.mark.parametrize(
    ("name", "constructor", "arguments"),
    [
        ("lenet", LeNet, (1, 28, 10)),
        ("lenet", LeNet, (2, 8, 7)),
        ("lenet5x5", LeNet5x5, (3, 32, 10)),
        ("lenet-equal", LeNetEqual, (1, 28, 10)),
    ],
)
def test_initialization_is_torchs_own_bit_for_bit(name, constructor, arguments):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        theirs = constructor(*arguments).state_dict()
        left_at = torch.get_rng_state()
    channels, side, classes = arguments
    generator = torch.Generator().manual_seed(11)
    ours = build(name, (channels, side, side), classes, generator=generator).state_dict()
    assert list(ours) == list(theirs)
    for layer in ours:
        assert torch.equal(ours[layer], theirs[layer]), layer
    assert torch.equal(generator.get_state(), left_at)


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    lenet()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_default_device_is_no_matter():
    torch.set_default_device("meta")
    try:
        module = lenet()
    finally:
        torch.set_default_device(None)
    assert {p.device.type for p in module.parameters()} == {"cpu"}


@pytest.mark.parametrize(
    ("name", "images", "brought_to"),
    [
        ("lenet", (1, 28, 28), (1, 28, 28)),
        ("lenet", (3, 32, 32), (1, 28, 28)),
        ("lenet", (1, 8, 8), (1, 8, 8)),
        ("lenet5x5", (1, 28, 28), (1, 28, 28)),
        ("lenet5x5", (3, 32, 32), (3, 32, 32)),
        ("lenet5x5", (1, 8, 8), (1, 28, 28)),
        ("lenet5x5", (3, 64, 64), (3, 32, 32)),
        ("lenet-equal", (3, 32, 32), (1, 28, 28)),
        ("alexnet", (1, 28, 28), (3, 224, 224)),
        ("vgg11", (3, 32, 32), (3, 224, 224)),
        ("resnet18", (3, 32, 32), (3, 224, 224)),
        ("resnet18-cifar", (1, 28, 28), (3, 32, 32)),
        ("my.nets:small", (2, 9, 7), (2, 9, 7)),
    ],
)
def test_what_images_are_brought_to(name, images, brought_to):
    assert input_shape(name, images) == brought_to


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("lenet", (1, 32, 32), "28x28 or 8x8"),
        ("lenet", (1, 8, 28), "28x28 or 8x8"),
        ("lenet", (1, 5, 5), "28x28 or 8x8"),
        ("lenet5x5", (1, 8, 8), "28x28 or 32x32"),
        ("lenet-equal", (3, 28, 28), "1x28x28"),
        ("alexnet", (1, 224, 224), "3 channels"),
        ("alexnet", (3, 224, 62), "63x63"),
        ("vgg11", (3, 31, 32), "32x32"),
        ("resnet18", (1, 224, 224), "3 channels"),
        ("resnet18-cifar", (1, 32, 32), "3 channels"),
    ],
)
def test_an_unusable_input_is_refused(name, shape, expected):
    with pytest.raises(UsageError) as caught:
        build(name, shape, 10, generator=torch.Generator())
    assert caught.value.code == "wrong-input-size"
    assert "x".join(map(str, shape)) in caught.value.fact
    assert expected in caught.value.consequence


@pytest.mark.parametrize(
    ("name", "least"), [("alexnet", 63), ("vgg11", 32), ("resnet18", 1), ("resnet18-cifar", 1)]
)
def test_the_least_input_is_the_least_that_works(name, least):
    assert MODELS[name].fits((3, least, least))
    with torch.device("meta"):
        module = MODELS[name].make((3, least, least), 10).eval()
        assert module(torch.zeros(2, 3, least, least)).shape == (2, 10)
        if least > 1:
            with pytest.raises(RuntimeError):
                module(torch.zeros(2, 3, least - 1, least - 1))


def test_unknown_model():
    with pytest.raises(UsageError) as caught:
        build("lennet", (1, 8, 8), 10, generator=torch.Generator())
    assert "did you mean 'lenet'" in caught.value.consequence


class Mixed(nn.Module):
    """A convolution, a normalization, a layer used twice under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.norm = nn.BatchNorm2d(2)
        self.fc = nn.Linear(4, 4)
        self.again = nn.Linear(4, 4, bias=False)
        self.again.weight = self.fc.weight


def test_layout_takes_weight_matrices_once_and_nothing_else():
    layout = Network(Mixed()).layout
    assert layout.names == ("conv.weight", "fc.weight")
    assert "norm.weight" in [other.name for other in layout.others]
    assert "norm.num_batches_tracked" in [other.name for other in layout.others]


def test_state_comes_back_as_it_went():
    module = Mixed()
    module.norm.num_batches_tracked.fill_(7)
    network = Network(module)
    state = network.state()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with torch.no_grad():
        for tensor in module.state_dict().values():
            tensor.zero_()
    assert network.state().digest != state.digest
    network.load(state)
    assert network.state().digest == state.digest
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_state_is_a_copy():
    network = Network(lenet())
    state = network.state()
    first = state.weights.copy()
    with torch.no_grad():
        network.prunable[0].add_(1)
    assert np.array_equal(state.weights, first)


def test_exclude():
    network = Network(lenet(), exclude=["conv*"])
    assert network.layout.names == ("fc1.weight", "fc2.weight", "fc3.weight")
    assert "conv1.weight" in [other.name for other in network.layout.others]
    with pytest.raises(NotFoundError):
        Network(lenet(), exclude=["cov*"])
    with pytest.raises(UsageError) as caught:
        Network(lenet(), exclude=["*"])
    assert caught.value.code == "nothing-to-prune"
    with pytest.raises(UsageError):
        Network(nn.ReLU())
