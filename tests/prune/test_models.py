from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from maskstat.errors import NotFoundError, UsageError
from maskstat.prune.models import LeNet, build
from maskstat.prune.network import Network


def lenet(side: int = 8, seed: int = 0) -> nn.Module:
    return build("lenet", (1, side, side), 10, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("side", "parameters", "fc1"), [(28, 60_074, 400), (8, 19_754, 64)])
def test_lenet_is_as_printed(side, parameters, fc1):
    module = lenet(side)
    assert sum(p.numel() for p in module.parameters()) == parameters
    assert module.fc1.in_features == fc1
    assert module(torch.zeros(3, 1, side, side)).shape == (3, 10)


def test_initialization_is_torchs_own_bit_for_bit():
    with torch.random.fork_rng():
        torch.manual_seed(11)
        theirs = LeNet(1, 28, 10).state_dict()
    ours = lenet(28, seed=11).state_dict()
    assert list(ours) == list(theirs)
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name


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


@pytest.mark.parametrize("shape", [(1, 32, 32), (1, 8, 28)])
def test_lenet_says_what_it_takes(shape):
    with pytest.raises(UsageError) as caught:
        build("lenet", shape, 10, generator=torch.Generator())
    assert caught.value.code == "wrong-input-size"


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
