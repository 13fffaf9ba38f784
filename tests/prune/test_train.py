from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from maskstat.errors import TrainingError
from maskstat.prune.data import Part
from maskstat.prune.models import build
from maskstat.prune.network import Network
from maskstat.prune.session import deterministic_torch
from maskstat.prune.streams import Streams
from maskstat.prune.train import Settings, accuracy, logits, train


def examples(n: int) -> Part:
    generator = Streams(seed=n).generator("split")
    return Part(
        images=torch.randn(n, 1, 8, 8, generator=generator),
        labels=torch.randint(0, 10, (n,), generator=generator),
    )


def lenet() -> Network:
    return Network(build("lenet", (1, 8, 8), 10, generator=Streams(seed=0).generator("init")))


def trained(network: Network, kept: np.ndarray, settings: Settings, *, start=None, on_epoch=None):
    with deterministic_torch():
        return train(
            network,
            start or network.state(),
            kept,
            examples=examples(100),
            validation=examples(40),
            settings=settings,
            order=Streams(seed=0).generator("order", 1),
            on_epoch=on_epoch or (lambda *_: None),
        )


@pytest.mark.parametrize(("momentum", "weight_decay"), [(0, 0), (0.9, 0), (0, 0.01), (0.9, 0.01)])
def test_steps_are_those_of_torch(momentum, weight_decay):
    settings = Settings(
        epochs=2, lr=0.05, batch_size=32, momentum=momentum, weight_decay=weight_decay
    )
    network = lenet()
    module = lenet().module
    optimizer = torch.optim.SGD(
        module.parameters(), lr=0.05, momentum=momentum, weight_decay=weight_decay
    )
    part, order = examples(100), Streams(seed=0).generator("order", 1)
    losses = []
    with deterministic_torch():
        for _ in range(2):
            for batch in torch.randperm(100, generator=order).split(32):
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(module(part.images[batch]), part.labels[batch])
                loss.backward()
                optimizer.step()
                losses.append(loss.item() * len(batch))
    result = trained(network, np.ones(network.layout.size, bool), settings)
    expected = Network(module).state()
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
    result = trained(network, kept, settings, start=start, on_epoch=look)
    assert len(seen) == 2 * (4 + 1 + 1)
    assert set(seen) == {(True, True)}
    assert not np.signbit(result.state.weights[~kept]).any()
    assert (start.weights[~kept] != 0).all()


def test_the_given_start_is_what_counts():
    kept = np.ones(lenet().layout.size, bool)
    settings = Settings(epochs=1, lr=0.1, batch_size=32, momentum=0.5)
    network = lenet()
    start = network.state()
    first = trained(network, kept, settings, start=start)
    second = trained(network, kept, settings, start=start)
    assert first.state.digest == second.state.digest != start.digest


def test_epochs_are_reported_as_recorded():
    network, told = lenet(), []
    settings = Settings(epochs=3, lr=0.1, batch_size=50)
    result = trained(
        network,
        np.ones(network.layout.size, bool),
        settings,
        on_epoch=lambda *values: told.append(values),
    )
    assert told == [
        (epoch + 1, result.train_loss[epoch], result.validation_loss[epoch]) for epoch in range(3)
    ]
    held_out = logits(network.module, examples(40))
    expected = nn.functional.cross_entropy(held_out, examples(40).labels).item()
    assert result.validation_loss[-1] == pytest.approx(expected, rel=1e-6)


def test_a_loss_that_is_not_finite_ends_training():
    network = lenet()
    with pytest.raises(TrainingError) as caught:
        trained(
            network,
            np.ones(network.layout.size, bool),
            Settings(epochs=5, lr=1e30, batch_size=10),
        )
    assert caught.value.code == "non-finite-loss"
    assert caught.value.exit_status == 5
    assert "epoch 1" in caught.value.fact


def test_evaluation_is_without_dropout():
    module = nn.Sequential(nn.Dropout(0.9), nn.Flatten(), nn.Linear(64, 10))
    module.train()
    assert torch.equal(logits(module, examples(600)), module.eval()(examples(600).images))


def test_accuracy_counts():
    scores = torch.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 2.0]])
    assert accuracy(scores, torch.tensor([0, 1, 1])) == 2 / 3


def test_torch_is_left_as_it_was():
    def fail_inside() -> None:
        with torch.no_grad(), deterministic_torch():
            assert torch.get_num_threads() == 1
            assert torch.are_deterministic_algorithms_enabled()
            assert torch.get_default_dtype() == torch.float32
            assert torch.is_grad_enabled()
            raise ZeroDivisionError

    torch.set_num_threads(2)
    torch.set_default_dtype(torch.float64)
    try:
        with pytest.raises(ZeroDivisionError):
            fail_inside()
        assert torch.get_num_threads() == 2
        assert torch.get_default_dtype() == torch.float64
        assert not torch.are_deterministic_algorithms_enabled()
        assert torch.utils.deterministic.fill_uninitialized_memory
    finally:
        torch.set_num_threads(1)
        torch.set_default_dtype(torch.float32)
