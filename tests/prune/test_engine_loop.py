from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from maskstat.errors import TrainingError, UsageError
from maskstat.prune.data.parts import Part, Preprocessing, Split
from maskstat.prune.engines.device import Device
from maskstat.prune.engines.engine import Draws, Replica, Settings
from maskstat.prune.engines.loop import LoopEngine
from maskstat.prune.models.dropout import Dropout
from maskstat.prune.models.registry import build
from maskstat.prune.network import Network
from maskstat.prune.session import deterministic_torch, resolve_device
from maskstat.prune.streams import Streams

DRAWS = Draws(streams=Streams(seed=0), iteration=1)


def examples(n: int) -> Part:
    generator = torch.Generator().manual_seed(n)
    images = torch.randn(n, 1, 8, 8, generator=generator)
    return Part(images, torch.randint(0, 10, (n,), generator=generator))


SPLIT = Split(
    train=examples(100),
    validation=examples(40),
    test=examples(600),
    preprocessing=Preprocessing(shape=(1, 8, 8), stored=(1, 8, 8), mean=(0.0,), std=(1.0,)),
)


def lenet() -> Network:
    return Network(build("lenet", (1, 8, 8), 10, generator=torch.Generator().manual_seed(0)))


def train(network: Network, settings: Settings, *, kept=None, on_epoch=None, start=None):
    replica = Replica(
        start=start or network.state(),
        kept=np.ones(network.layout.size, bool) if kept is None else kept,
        split=SPLIT,
        draws=DRAWS,
    )
    with deterministic_torch():
        return LoopEngine(network).train(
            [replica], settings=settings, on_epoch=on_epoch or (lambda *_: None)
        )[0]


@pytest.mark.parametrize(("momentum", "weight_decay"), [(0, 0), (0.9, 0), (0, 0.01), (0.9, 0.01)])
def test_steps_are_those_of_torch(momentum, weight_decay):
    settings = Settings(
        epochs=2, lr=0.05, batch_size=32, momentum=momentum, weight_decay=weight_decay
    )
    module, part = lenet().module, SPLIT.train
    optimizer = torch.optim.SGD(
        module.parameters(), lr=0.05, momentum=momentum, weight_decay=weight_decay
    )
    losses = []
    with deterministic_torch():
        for epoch in range(2):
            for batch in DRAWS.order(epoch, 100).split(32):
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(module(part.inputs(batch)), part.labels[batch])
                loss.backward()
                optimizer.step()
                losses.append(loss.item() * len(batch))
    result, expected = train(lenet(), settings), Network(module).state()
    np.testing.assert_allclose(result.state.weights, expected.weights, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(result.state.others, expected.others, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(
        result.train_loss, [sum(losses[:4]) / 100, sum(losses[4:]) / 100], rtol=1e-6
    )


def test_a_pruned_weight_is_zero_in_every_forward_and_after_every_step():
    network = lenet()
    kept = np.random.default_rng(0).random(network.layout.size) < 0.3
    start = network.state()
    seen = []

    def look(*_):
        weights = network.state().weights
        seen.append((bool((weights[~kept] == 0).all()), bool((weights[kept] != 0).all())))

    network.module.register_forward_pre_hook(look)
    settings = Settings(epochs=2, lr=0.1, batch_size=32, momentum=0.9, weight_decay=0.1)
    result = train(network, settings, kept=kept, start=start, on_epoch=look)
    assert len(seen) == 2 * (4 + 1 + 1) + 1 + 2
    assert set(seen) == {(True, True)}
    assert not np.signbit(result.state.weights[~kept]).any()
    assert (start.weights[~kept] != 0).all()


def test_every_epoch_trains_in_one_mode_and_measures_in_the_other():
    network, modes = lenet(), []
    network.module.register_forward_pre_hook(lambda module, _: modes.append(module.training))
    train(network, Settings(epochs=2, lr=0.1, batch_size=32))
    epoch = [True] * 4 + [False]
    assert modes == [*epoch, *epoch, False, False, False]


def test_the_given_start_is_what_counts():
    settings = Settings(epochs=1, lr=0.1, batch_size=32, momentum=0.5)
    network = lenet()
    start = network.state()
    first, second = (train(network, settings, start=start) for _ in range(2))
    assert first.state.digest == second.state.digest != start.digest


def test_what_is_reported_is_recorded_and_what_is_recorded_is_so():
    network, told = lenet(), []
    settings = Settings(epochs=3, lr=0.1, batch_size=50)
    result = train(network, settings, on_epoch=lambda *values: told.append(values))
    assert told == [
        (0, epoch + 1, result.train_loss[epoch], result.validation_loss[epoch])
        for epoch in range(3)
    ]
    network.load(result.state)
    for part, loss, accuracy in (
        (SPLIT.validation, result.validation_loss[-1], result.validation_accuracy),
        (SPLIT.test, result.test_loss, result.test_accuracy),
    ):
        with torch.no_grad():
            logits = network.module(part.inputs(torch.arange(len(part))))
        expected = nn.functional.cross_entropy(logits, part.labels).item()
        assert loss == pytest.approx(expected, rel=1e-6)
        assert accuracy == (logits.argmax(1) == part.labels).double().mean().item()
    np.testing.assert_allclose(result.logits, logits, rtol=1e-5, atol=1e-6)


def test_a_snapshot_is_what_a_shorter_training_ends_with():
    shorter, longer = (
        train(lenet(), Settings(epochs=epochs, lr=0.1, batch_size=32, snapshot=2))
        for epochs in (2, 3)
    )
    assert longer.snapshot.digest == shorter.snapshot.digest == shorter.state.digest
    assert longer.state.digest != shorter.state.digest


def test_a_loss_that_is_not_finite_ends_training():
    failed = train(lenet(), Settings(epochs=5, lr=1e30, batch_size=10))
    assert isinstance(failed, TrainingError)
    assert (failed.code, failed.exit_status) == ("non-finite-loss", 5)
    assert "epoch 1" in failed.fact


class Drawing(nn.Module):
    """Draws from torch's global generator, as a stranger's module may."""

    def forward(self, x):
        return x + torch.randn_like(x) if self.training else x


@pytest.mark.parametrize("layer", [Dropout(0.5), nn.Dropout(0.5), Drawing()])
def test_what_modules_draw_is_reproducible_and_the_global_generator_left_alone(layer):
    with torch.random.fork_rng():
        torch.manual_seed(5)
        module = nn.Sequential(nn.Flatten(), layer, nn.Linear(64, 10))
        network = Network(module)
        start = network.state()
        digests = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            before = torch.get_rng_state()
            result = train(network, Settings(epochs=2, lr=0.1, batch_size=32), start=start)
            assert torch.equal(torch.get_rng_state(), before)
            digests.append(result.state.digest)
    assert digests[0] == digests[1]
    held_out = nn.Sequential(module[0], module[2])(SPLIT.test.inputs(torch.arange(600)))
    np.testing.assert_allclose(result.logits, held_out.detach(), rtol=1e-5, atol=1e-6)


class AlwaysDrawing(nn.Module):
    """Draws when it is used, too."""

    def forward(self, x):
        return x + torch.randn_like(x)


def test_so_it_is_without_any_training():
    network = Network(nn.Sequential(nn.Flatten(), AlwaysDrawing(), nn.Linear(64, 10)))
    with torch.random.fork_rng():
        logits = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            logits.append(train(network, Settings(epochs=0, lr=0.1, batch_size=32)).logits)
    np.testing.assert_array_equal(*logits)


@pytest.mark.parametrize("layer", [Dropout(0.5), nn.Dropout(0.5), Drawing()])
def test_an_epoch_draws_the_same_whatever_went_before(layer):
    network = Network(nn.Sequential(nn.Flatten(), layer, nn.Linear(64, 10)))
    settings = Settings(epochs=3, lr=0.1, batch_size=32, snapshot=2)
    whole = train(network, settings)
    rest = train(network, replace(settings, first_epoch=2, snapshot=None), start=whole.snapshot)
    assert rest.state.digest == whole.state.digest != whole.snapshot.digest


def test_an_unused_parameter_stays_as_it_is():
    class Spare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.spare = nn.Linear(64, 10), nn.Linear(3, 3)

        def forward(self, x):
            return self.used(x.flatten(1))

    network = Network(Spare())
    start = network.state()
    end = train(network, Settings(epochs=1, lr=0.1, batch_size=32)).state
    np.testing.assert_array_equal(end.weights[-9:], start.weights[-9:])
    assert (end.weights[:640] != start.weights[:640]).any()


def test_the_estimate_is_a_time_and_leaves_no_trace():
    network = lenet()
    replica = Replica(
        start=network.state(),
        kept=np.ones(network.layout.size, bool),
        split=SPLIT,
        draws=DRAWS,
    )
    settings, before = Settings(epochs=1, lr=0.1, batch_size=32), torch.get_rng_state()
    with deterministic_torch():
        engine = LoopEngine(network)
        assert 0 < engine.seconds_per_epoch([replica], settings=settings) < 10
        assert engine.seconds_per_epoch([], settings=settings) == 0
    assert torch.equal(torch.get_rng_state(), before)


def test_torch_is_left_as_it_was(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    cudnn = torch.backends.cudnn

    def fail_inside() -> None:
        with torch.no_grad(), deterministic_torch():
            assert torch.get_num_threads() == 1
            assert torch.are_deterministic_algorithms_enabled()
            assert torch.get_default_dtype() == torch.float32
            assert torch.is_grad_enabled()
            assert not cudnn.allow_tf32
            assert not torch.backends.cuda.matmul.allow_tf32
            assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
            raise ZeroDivisionError

    torch.set_num_threads(2)
    torch.set_default_dtype(torch.float64)
    tf32 = cudnn.allow_tf32
    cudnn.allow_tf32 = True
    try:
        with pytest.raises(ZeroDivisionError):
            fail_inside()
        assert torch.get_num_threads() == 2
        assert torch.get_default_dtype() == torch.float64
        assert not torch.are_deterministic_algorithms_enabled()
        assert torch.utils.deterministic.fill_uninitialized_memory
        assert cudnn.allow_tf32
        assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    finally:
        torch.set_num_threads(1)
        torch.set_default_dtype(torch.float32)
        cudnn.allow_tf32 = tf32


def test_a_device_is_one_that_is_there():
    assert resolve_device("cpu") == "cpu"
    there = {"cpu", "cuda" if torch.cuda.is_available() else "cpu"}
    there |= {"mps"} if torch.backends.mps.is_available() else set()
    assert resolve_device("auto") in there
    for name in {"cuda", "mps", "abacus"} - there:
        with pytest.raises(UsageError) as caught:
            resolve_device(name)
        assert caught.value.code == "no-device"
        assert "cpu" in caught.value.consequence


def test_a_part_is_brought_to_a_device_once():
    device = Device("meta")
    here = device.part(SPLIT.train)
    assert here.labels.device.type == "meta"
    assert device.part(SPLIT.train) is here
    assert Device("cpu").part(SPLIT.train) is SPLIT.train


def test_a_last_example_alone_joins_others_where_batches_are_normalized():
    class Normalized(nn.Sequential):
        def __init__(self) -> None:
            super().__init__(
                nn.Conv2d(1, 4, 8), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4, 10)
            )

    network = Network(Normalized())
    engine = LoopEngine(network)
    sizes = [len(part) for part in engine._split(torch.arange(65), 32)]
    assert sizes == [32, 33]
    assert [len(part) for part in engine._split(torch.arange(66), 32)] == [32, 32, 2]
    plain = LoopEngine(Network(nn.Sequential(nn.Flatten(), nn.Linear(64, 10))))
    assert [len(part) for part in plain._split(torch.arange(65), 32)] == [32, 32, 1]


def test_weights_that_are_computed_are_not_pruned():
    module = nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Linear(64, 32)), nn.ReLU(), nn.Linear(32, 10)
    )
    network = Network(module)
    assert [layer.name for layer in network.layout.layers] == ["2.weight"]
