from __future__ import annotations

import contextlib

import pytest
import torch
from torch import nn
from torch.nn import functional

from maskstat.errors import UsageError
from maskstat.prune.engines.chain import Chain, Conv, Linear, MaxPool, ReLU, chain_of
from maskstat.prune.engines.choose import engine_for
from maskstat.prune.models.registry import build
from maskstat.prune.network import Network
from maskstat.prune.trace import UntraceableError, trace

SHAPE = (1, 8, 8)


def network(module: nn.Module, *, exclude=()) -> Network:
    made = Network(module, exclude=exclude)
    with contextlib.suppress(UntraceableError):
        made.with_graph(trace(module, SHAPE))
    return made


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding="valid", stride=1)
        self.conv.padding = (0, 0)
        self.fc = nn.Linear(18, 10, bias=False)

    def forward(self, x):
        x = functional.max_pool2d(self.conv(x), kernel_size=2, padding=0).relu()
        return self.fc(x.view(x.size(0), -1))


def test_a_chain_is_read_from_modules_functions_and_methods():
    assert chain_of(network(Functional())) == Chain(
        features=(
            Conv(
                weight="conv.weight",
                bias="conv.bias",
                stride=(1, 1),
                padding=(0, 0),
                dilation=(1, 1),
            ),
            MaxPool(kernel=(2, 2), stride=(2, 2), padding=(0, 0), dilation=(1, 1), ceil_mode=False),
            ReLU(),
        ),
        head=(Linear(weight="fc.weight", bias=None),),
    )


@pytest.mark.parametrize("name", ["lenet", "lenet5x5", "lenet-equal"])
def test_the_small_networks_of_the_papers_are_chains(name):
    shape = (1, 28, 28)
    module = build(name, shape, 10, generator=torch.Generator().manual_seed(0))
    made = Network(module, exclude=["*1.weight"])
    made.with_graph(trace(module, shape))
    chain = chain_of(made)
    assert isinstance(chain, Chain)
    assert sum(isinstance(step, Conv | Linear) for step in (*chain.features, *chain.head)) == 5
    assert engine_for(made, wanted="auto", device="cpu").name == "ensemble"
    assert engine_for(made, wanted="loop", device="cpu").name == "loop"


class Changing(nn.Module):
    def __init__(self, forward) -> None:
        super().__init__()
        self.fc, self.again, self.way = nn.Linear(64, 64), nn.Linear(64, 64), forward

    def forward(self, x):
        return self.way(self, x.flatten(1))


def hooked() -> nn.Module:
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    module[1].register_forward_hook(lambda *_: None)
    return module


def frozen() -> nn.Module:
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    module[1].bias.requires_grad_(False)
    return module


def tied() -> nn.Module:
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.Linear(64, 64))
    module[2].weight = module[1].weight
    return module


def flat(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Flatten(), *layers)


UNFIT = {
    "BatchNorm": (lambda: nn.Sequential(nn.BatchNorm2d(1), flat(nn.Linear(64, 9))), "statistics"),
    "dropout": (lambda: flat(nn.Dropout(), nn.Linear(64, 9)), "Dropout"),
    "functional dropout": (
        lambda: Changing(lambda m, x: m.again(functional.dropout(m.fc(x), 0.5, m.training))),
        "when it trains than when it is used",
    ),
    "two ways": (
        lambda: Changing(lambda m, x: m.again(m.fc(x)) if m.training else m.fc(x)),
        "when it trains than when it is used",
    ),
    "groups": (lambda: nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 2, 8, groups=2)), "groups"),
    "average": (lambda: nn.Sequential(nn.AvgPool2d(2), flat(nn.Linear(16, 9))), "AvgPool2d"),
    "tanh": (lambda: flat(nn.Tanh(), nn.Linear(64, 9)), "Tanh"),
    "branches": (lambda: Changing(lambda m, x: m.fc(x) + m.again(x)), "branches"),
    "a layer twice": (lambda: Changing(lambda m, x: m.fc(m.fc(x))), "more than once"),
    "a layer unused": (lambda: Changing(lambda m, x: m.fc(x)), "not used"),
    "data-dependent": (
        lambda: Changing(lambda m, x: m.fc(x) if x.sum() > 0 else m.again(x)),
        "not known",
    ),
    "linear on rows": (lambda: nn.Sequential(nn.Linear(8, 8), nn.Flatten()), "another shape"),
    "maps come out": (lambda: nn.Sequential(nn.Conv2d(1, 3, 3)), "not vectors"),
    "double": (lambda: flat(nn.Linear(64, 9)).double(), "float64"),
    "hooks": (hooked, "hooks"),
    "frozen": (frozen, "frozen"),
    "tied": (tied, "more than once"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_is_no_chain_is_told_why(name):
    make, reason = UNFIT[name]
    made = network(make())
    found = chain_of(made)
    assert isinstance(found, str)
    assert reason in found
    assert engine_for(made, wanted="auto", device="cpu").name == "loop"
    with pytest.raises(UsageError) as caught:
        engine_for(made, wanted="ensemble", device="cpu")
    assert caught.value.code == "engine-unable"
    assert found in caught.value.fact


def test_the_mode_of_the_module_is_left_alone():
    for mode in (True, False):
        module = flat(nn.Linear(64, 9)).train(mode)
        chain_of(network(module))
        assert module.training is mode
