"""Networks of anybody's, as ``package.module:factory``, and all that can be wrong with them."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from maskstat.errors import UsageError
from maskstat.prune.models.dropout import Dropout
from maskstat.prune.models.registry import build

NETS = """
import torch
from torch import nn

torch.rand(3)  # drawn on the first import alone

def net(num_classes, shape):
    channels, height, width = shape
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2),
        nn.Linear(4 * (height - 2) * (width - 2), num_classes),
    )

def like_torchvisions(*, weights=None, **kwargs):
    return net(shape=(1, 8, 8), **kwargs)

def lazy(num_classes=3, input_shape=None):
    assert input_shape == (1, 8, 8)
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(num_classes, dtype=torch.float64))

class Net(nn.Sequential):
    made = classmethod(lambda cls, num_classes: cls(num_classes))

    def __init__(self, num_classes=7):
        super().__init__(nn.Flatten(), nn.Linear(64, num_classes))

def late(num_classes):
    import sibling_of_nets
    return sibling_of_nets.Net(num_classes)

def five():
    return Net(5)

def failing():
    depth = 0
    return 1 / depth

def leaving():
    raise SystemExit("bye")

def none():
    pass

class Failing(nn.Module):
    def forward(self, x):
        return self.lost(x)

class Pair(nn.Module):
    def forward(self, x):
        return x, x

instance = Net()
number = 3
"""


@pytest.fixture
def nets(tmp_path, monkeypatch):
    (tmp_path / "nets_of_mine.py").write_text(NETS)
    (tmp_path / "sibling_of_nets.py").write_text("from nets_of_mine import Net\n")
    (tmp_path / "needy.py").write_text("from torch import nn\nimport absent_library\n")
    (tmp_path / "unreadable.py").write_text("a = 1\ndef net(:\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in ("nets_of_mine", "sibling_of_nets", "needy", "unreadable"):
        sys.modules.pop(name, None)


def made(name: str, *, shape=(1, 8, 8), classes=10, seed=0) -> nn.Module:
    return build(name, shape, classes, generator=torch.Generator().manual_seed(seed))


def refused(name: str, **kwargs) -> UsageError:
    with pytest.raises(UsageError) as caught:
        made(name, **kwargs)
    assert caught.value.place == name
    return caught.value


@pytest.mark.usefixtures("nets")
@pytest.mark.parametrize("factory", ["net", "like_torchvisions", "lazy", "Net", "Net.made", "late"])
def test_factories_of_all_kinds(factory):
    path = list(sys.path)
    module = made(f"nets_of_mine:{factory}")
    assert module.training
    assert module.eval()(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert {values.dtype for values in module.parameters()} == {torch.float32}
    assert sys.path == path


@pytest.mark.usefixtures("nets")
@pytest.mark.parametrize("factory", ["net", "lazy"])
def test_draws_depend_on_the_generator_alone(factory):
    def drawn(seed: int) -> torch.Tensor:
        values = made(f"nets_of_mine:{factory}", seed=seed).parameters()
        return nn.utils.parameters_to_vector(values).detach()

    before = torch.get_rng_state()
    first = drawn(1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    assert torch.equal(drawn(1), first)
    assert not torch.equal(drawn(2), first)


def test_the_same_network_by_both_doors_has_the_same_weights(tmp_path, monkeypatch):
    (tmp_path / "second_door.py").write_text(
        "from maskstat.prune.models.lenet import LeNet\n"
        "def net(num_classes):\n    return LeNet(1, 28, num_classes)\n"
    )
    monkeypatch.chdir(tmp_path)
    states, generators = [], []
    for name in ("lenet", "second_door:net"):
        generators.append(torch.Generator().manual_seed(4))
        module = build(name, (1, 28, 28), 10, generator=generators[-1])
        states.append(module.state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert torch.equal(generators[0].get_state(), generators[1].get_state())


@pytest.mark.usefixtures("nets")
def test_torchs_dropout_is_replaced():
    assert type(made("nets_of_mine:net")[3]) is Dropout


@pytest.mark.usefixtures("nets")
def test_what_is_not_there():
    missing = refused("nowhere_at_all.nets:net")
    assert (missing.code, missing.fact) == ("no-such-module", "there is no module 'nowhere_at_all'")
    inside = refused("nets_of_mine.inner:net")
    assert inside.code == "no-such-module"
    misspelt = refused("nets_of_mine:nett")
    assert misspelt.code == "no-such-factory"
    assert "did you mean 'net'" in misspelt.consequence


@pytest.mark.usefixtures("nets")
@pytest.mark.parametrize("name", ["number", "instance"])
def test_what_makes_nothing(name):
    assert refused(f"nets_of_mine:{name}").code == "not-callable"


@pytest.mark.parametrize(
    ("factory", "told", "line"),
    [
        ("nets_of_mine:failing", "ZeroDivisionError: division by zero", "return 1 / depth"),
        ("nets_of_mine:leaving", "SystemExit: bye", 'raise SystemExit("bye")'),
        ("nets_of_mine:Failing", "AttributeError", "return self.lost(x)"),
        ("needy:net", "No module named 'absent_library'", "import absent_library"),
        ("unreadable:net", "SyntaxError", "def net(:"),
    ],
)
def test_which_line_of_theirs_failed(nets, factory, told, line):
    error = refused(factory)
    broken = factory.startswith(("needy", "unreadable"))
    assert error.code == ("import-failed" if broken else "factory-failed")
    assert told in error.consequence
    source = nets / f"{factory.partition(':')[0]}.py"
    lines = [text.strip() for text in source.read_text().splitlines()]
    assert error.consequence.endswith(f", at {source}:{lines.index(line) + 1}")


@pytest.mark.usefixtures("nets")
def test_a_call_that_lacks_something():
    error = refused("torch.nn:Linear")
    assert error.code == "factory-failed"
    assert "missing 2 required positional arguments" in error.consequence


@pytest.mark.usefixtures("nets")
@pytest.mark.parametrize(
    ("name", "code", "told"),
    [
        ("none", "not-a-module", "None"),
        ("five", "wrong-output", "(1, 5)"),
        ("Pair", "wrong-output", "tuple"),
    ],
)
def test_what_is_made_wrongly(name, code, told):
    error = refused(f"nets_of_mine:{name}")
    assert error.code == code
    assert told in error.fact


@pytest.mark.usefixtures("nets")
def test_images_that_do_not_fit():
    error = refused("nets_of_mine:Net", shape=(1, 9, 9))
    assert error.code == "wrong-input-size"
    assert "1x9x9" in error.fact
    assert "1x81" in error.consequence
    assert "64x10" in error.consequence


def test_a_colon_alone_is_no_factory():
    for name in ("lenet:", ":net", "a:b:c", "my-nets:net", "../nets:net"):
        with pytest.raises(UsageError) as caught:
            made(name)
        assert caught.value.code == "unknown-model"
        assert "package.module:factory" in caught.value.hint
