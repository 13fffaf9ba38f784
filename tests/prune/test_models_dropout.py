from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from maskstat.prune.models.dropout import Dropout, own_dropout, seed_dropout
from maskstat.prune.models.registry import MODELS


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(7,), (3, 33), (2, 3, 5, 4)])
def test_it_drops_what_torch_would_drop(p, shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    theirs, ours = nn.Dropout(p), Dropout(p)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        expected = theirs(x)
    seed_dropout(ours, torch.Generator().manual_seed(3))
    dropped = ours(x)
    assert torch.equal(dropped, expected)
    (ours_back,) = torch.autograd.grad(dropped.sum(), x)
    (theirs_back,) = torch.autograd.grad(expected.sum(), x)
    assert torch.equal(ours_back, theirs_back)


def test_the_global_generator_is_left_alone():
    layer = Dropout(0.5)
    seed_dropout(layer, torch.Generator().manual_seed(1))
    before = torch.get_rng_state()
    first, second = layer(torch.ones(100)), layer(torch.ones(100))
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(first, second)


def test_without_a_generator_it_refuses_to_train():
    with pytest.raises(RuntimeError, match="seed_dropout"):
        Dropout(0.5)(torch.ones(3))
    assert torch.equal(Dropout(0.5).eval()(torch.ones(3)), torch.ones(3))


def test_it_has_no_state_and_can_be_copied():
    layer = Dropout(0.25)
    assert (layer.p, layer.state_dict(), repr(layer)) == (0.25, {}, repr(nn.Dropout(0.25)))
    seed_dropout(layer, torch.Generator().manual_seed(1))
    twin = copy.deepcopy(layer)
    assert torch.equal(layer(torch.ones(50)), twin(torch.ones(50)))


def test_one_generator_serves_all_layers_of_a_module():
    module = nn.Sequential(Dropout(0.5), nn.Sequential(nn.ReLU(), Dropout(0.5)))
    x = torch.ones(4, 10)

    def seeded(seed: int) -> torch.Tensor:
        seed_dropout(module, torch.Generator().manual_seed(seed))
        return module(x)

    assert torch.equal(seeded(1), seeded(1))
    assert not torch.equal(seeded(1), seeded(2))
    assert module[0].generator is module[1][1].generator


@pytest.mark.parametrize("name", ["alexnet", "vgg11"])
def test_bundled_models_use_no_other(name):
    with torch.device("meta"):
        module = MODELS[name].make((3, 224, 224), 10)
    dropout = [layer for layer in module.modules() if isinstance(layer, nn.Dropout)]
    assert [type(layer) for layer in dropout] == [Dropout, Dropout]
    assert [layer.p for layer in dropout] == [0.5, 0.5]


def test_torchs_own_layers_are_replaced():
    shared = nn.Dropout(0.3)
    module = nn.Sequential(shared, nn.Linear(4, 4), nn.Sequential(nn.Dropout(0.1)), shared)
    own_dropout(module)
    assert [type(module[i]) for i in (0, 1, 3)] == [Dropout, nn.Linear, Dropout]
    assert module[0] is module[3]
    assert (module[0].p, module[2][0].p) == (0.3, 0.1)
