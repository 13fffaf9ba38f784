from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from maskstat.errors import TrainingError
from maskstat.prune.data.augment import Augmentation
from maskstat.prune.data.parts import Part, Preprocessing, Split
from maskstat.prune.engines.chain import Chain, chain_of
from maskstat.prune.engines.engine import Draws, Replica, Settings, Trained
from maskstat.prune.engines.ensemble import EnsembleEngine
from maskstat.prune.engines.features import Features
from maskstat.prune.engines.loop import LoopEngine
from maskstat.prune.models.registry import build
from maskstat.prune.network import Network
from maskstat.prune.session import deterministic_torch
from maskstat.prune.streams import Streams
from maskstat.prune.trace import trace

SETTINGS = Settings(epochs=2, lr=0.05, batch_size=16, momentum=0.9, weight_decay=1e-3)
DIGITS = (1, 8, 8)

CHAINS = {
    "lenet": (DIGITS, None),
    "5x5, colour": (
        (3, 12, 12),
        lambda: nn.Sequential(
            *(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 3), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(64, 21), nn.ReLU(), nn.Linear(21, 10)),
        ),
    ),
    "odd sizes": (
        (2, 9, 11),
        lambda: nn.Sequential(
            *(nn.MaxPool2d(2, 1, 1), nn.Conv2d(2, 5, (3, 2), bias=False), nn.ReLU()),
            *(nn.Conv2d(5, 1, 3, stride=2, padding=1, dilation=2), nn.ReLU(), nn.Conv2d(1, 3, 2)),
            *(nn.Flatten(), nn.ReLU(), nn.Linear(24, 13, bias=False), nn.Linear(13, 10)),
        ),
    ),
    "no convolution": (
        (1, 3, 3),
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(9, 37), nn.ReLU(), nn.Linear(37, 10)),
    ),
    "no linear layer": ((1, 4, 4), lambda: nn.Sequential(nn.Conv2d(1, 10, 4), nn.Flatten())),
}


def network(name: str = "lenet", seed: int = 0) -> Network:
    shape, make = CHAINS[name]
    if make is None:
        module = build("lenet", shape, 10, generator=torch.Generator().manual_seed(seed))
    else:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            module = make()
    made = Network(module)
    made.with_graph(trace(module, shape))
    return made


def part(n: int, shape: tuple[int, int, int], seed: int, *, augmented: bool = False) -> Part:
    generator = torch.Generator().manual_seed(seed)
    padded = (shape[0], shape[1] + 2 * augmented, shape[2] + 2 * augmented)
    images = torch.randn(n, *padded, generator=generator)
    labels = torch.randint(0, 10, (n,), generator=generator)
    crop = Augmentation(height=shape[1], width=shape[2], crop=(1, 1), flip=True)
    return Part(images, labels, augmentation=crop if augmented else None)


def split(seed: int, *, n: int = 65, name: str = "lenet", augmented: bool = False) -> Split:
    shape = CHAINS[name][0]
    how = Preprocessing(
        shape=shape,
        stored=shape,
        mean=(0.0,),
        std=(1.0,),
        augment=("flip", "crop") if augmented else (),
    )
    return Split(
        train=part(n, shape, 3 * seed, augmented=augmented),
        validation=part(17, shape, 3 * seed + 1),
        test=part(129, shape, 3 * seed + 2),
        preprocessing=how,
    )


def replica(seed: int, *, name: str = "lenet", parts: Split | None = None) -> Replica:
    start = network(name, seed)
    return Replica(
        start=start.state(),
        kept=np.random.default_rng(seed).random(start.layout.size) < 0.6,
        split=parts or split(seed, name=name),
        draws=Draws(streams=Streams(seed=seed), iteration=1),
    )


def ensemble(name: str = "lenet") -> EnsembleEngine:
    made = network(name)
    chain = chain_of(made)
    assert isinstance(chain, Chain)
    return EnsembleEngine(made, chain)


def run(engine, replicas, settings=SETTINGS, on_epoch=lambda *_: None):
    with deterministic_torch():
        return engine.train(replicas, settings=settings, on_epoch=on_epoch)


def bits(trained: Trained) -> tuple[object, ...]:
    return (
        *(trained.state.digest, trained.train_loss.tobytes(), trained.validation_loss.tobytes()),
        *(trained.validation_accuracy, trained.test_accuracy, trained.test_loss),
        trained.logits.tobytes(),
    )


@pytest.mark.parametrize("name", CHAINS)
def test_a_replica_has_the_same_bits_in_every_company(name):
    engine, one = ensemble(name), replica(0, name=name)
    others = [replica(seed, name=name) for seed in range(1, 8)]
    alone = bits(run(engine, [one])[0])
    for size in (2, 3, 5, 8):
        for place in sorted({0, 1, size // 2, size - 1}):
            company = others[: size - 1]
            company.insert(place, one)
            assert bits(run(engine, company)[place]) == alone, (size, place)


@pytest.mark.parametrize("batch_size", [1, 2, 7, 32])
def test_so_it_has_with_batches_of_any_size(batch_size):
    engine = ensemble()
    replicas = [replica(seed, parts=split(seed, n=2 * batch_size + 1)) for seed in range(5)]
    settings = dataclasses.replace(SETTINGS, batch_size=batch_size)
    together = run(engine, replicas, settings)
    for one, trained in zip(replicas, together, strict=True):
        assert bits(run(engine, [one], settings)[0]) == bits(trained)


def test_taking_all_convolutions_at_once_or_two_by_two_is_the_same(monkeypatch):
    replicas = [replica(seed) for seed in range(6)]
    either = [bits(trained) for trained in run(ensemble(), replicas)]
    monkeypatch.setattr(Features, "_alike", lambda *_, **__: False)
    assert [bits(trained) for trained in run(ensemble(), replicas)] == either


def test_another_ones_failure_changes_nothing():
    engine, replicas = ensemble(), [replica(seed) for seed in range(4)]
    expected = [bits(trained) for trained in run(engine, replicas)]
    huge = dataclasses.replace(
        replicas[2].start, weights=replicas[2].start.weights * np.float32(1e30)
    )
    replicas[2] = dataclasses.replace(replicas[2], start=huge)
    told = []
    results = run(engine, replicas, on_epoch=lambda *values: told.append(values))
    failed = results.pop(2)
    assert isinstance(failed, TrainingError)
    assert (failed.code, failed.exit_status) == ("non-finite-loss", 5)
    assert "epoch 1" in failed.fact
    assert [bits(trained) for trained in results] == [expected[i] for i in (0, 1, 3)]
    assert [values[:2] for values in told] == [
        *((place, 1) for place in range(4)),
        *((place, 2) for place in (0, 1, 3)),
    ]


def test_data_that_is_not_finite_spoils_its_own_replica_alone():
    engine, good = ensemble(), replica(0)
    images = torch.full((65, *DIGITS), torch.nan)
    bad = dataclasses.replace(split(1), train=Part(images, torch.zeros(65, dtype=torch.int64)))
    spoiled, fine = run(engine, [replica(1, parts=bad), good])
    assert isinstance(spoiled, TrainingError)
    assert bits(fine) == bits(run(engine, [good])[0])


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize(("momentum", "weight_decay"), [(0, 0), (0.9, 0.01)])
def test_it_does_what_the_loop_does(name, momentum, weight_decay):
    settings = dataclasses.replace(SETTINGS, momentum=momentum, weight_decay=weight_decay)
    replicas = [replica(seed, name=name) for seed in range(3)]
    ours, theirs = (
        run(engine, replicas, settings) for engine in (ensemble(name), LoopEngine(network(name)))
    )
    for one, other in zip(ours, theirs, strict=True):
        for field in ("weights", "others"):
            values = getattr(one.state, field), getattr(other.state, field)
            np.testing.assert_allclose(*values, rtol=1e-3, atol=1e-5)
        for field in ("train_loss", "validation_loss", "logits", "test_loss"):
            np.testing.assert_allclose(
                getattr(one, field), getattr(other, field), rtol=1e-3, atol=1e-4
            )


def test_augmentation_is_that_of_the_loop_and_each_ones_own():
    parts = split(0, augmented=True)
    replicas = [replica(seed, parts=parts) for seed in (0, 1, 1, 2)]
    ours, theirs = (run(engine, replicas) for engine in (ensemble(), LoopEngine(network())))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.train_loss, other.train_loss, rtol=1e-4)
    assert bits(ours[1]) == bits(ours[2])
    assert len({bits(trained) for trained in ours}) == 3


def test_replicas_that_differ_in_one_thing_alone_share_the_others_only():
    engine, parts = ensemble(), split(0, augmented=True)
    one = replica(0, parts=parts)
    flipped = Draws(streams=Streams(seed=0, vary=("augment",), replicate=1), iteration=1)
    replicas = [
        one,
        dataclasses.replace(one, draws=flipped),
        dataclasses.replace(one, split=split(1, augmented=True)),
    ]
    together = list(map(bits, run(engine, replicas)))
    assert together == [bits(run(engine, [each])[0]) for each in replicas]
    assert len(set(together)) == 3


def test_sharing_the_data_changes_nothing():
    engine, parts = ensemble(), split(0)
    shared = [replica(seed, parts=parts) for seed in range(3)]
    own = [replica(seed, parts=split(0)) for seed in range(3)]
    same_order = [dataclasses.replace(one, draws=shared[0].draws) for one in shared]
    assert list(map(bits, run(engine, shared))) == list(map(bits, run(engine, own)))
    assert bits(run(engine, same_order)[0]) == bits(run(engine, shared)[0])


def test_pruned_weights_are_zero_and_stay_so():
    replicas = [replica(seed) for seed in range(3)]
    settings = dataclasses.replace(SETTINGS, epochs=3, snapshot=2)
    for one, trained in zip(replicas, run(ensemble(), replicas, settings), strict=True):
        for state in (trained.state, trained.snapshot):
            assert (state.weights[~one.kept] == 0).all()
            assert not np.signbit(state.weights[~one.kept]).any()
            assert (state.weights[one.kept] != 0).all()
        assert trained.snapshot.digest != trained.state.digest


def test_a_snapshot_is_what_a_shorter_training_ends_with():
    replicas = [replica(seed) for seed in range(3)]
    longer = dataclasses.replace(SETTINGS, epochs=3, snapshot=2)
    for one, other in zip(
        run(ensemble(), replicas, longer), run(ensemble(), replicas), strict=True
    ):
        assert one.snapshot.digest == other.state.digest
        assert other.snapshot is None


def test_no_epochs_only_measure():
    one = replica(0)
    settings = dataclasses.replace(SETTINGS, epochs=0)
    (trained,) = run(ensemble(), [one], settings)
    (looped,) = run(LoopEngine(network()), [one], settings)
    assert trained.train_loss.shape == (0,)
    assert trained.state.digest == looped.state.digest
    np.testing.assert_allclose(trained.logits, looped.logits, rtol=1e-4, atol=1e-5)
    assert trained.test_accuracy == looped.test_accuracy


def test_epochs_before_the_first_are_left_out():
    settings = dataclasses.replace(SETTINGS, epochs=3, first_epoch=2)
    told = []
    (trained,) = run(ensemble(), [replica(0)], settings, lambda *values: told.append(values))
    assert np.isnan(trained.train_loss).tolist() == [True, True, False]
    assert told == [(0, 3, trained.train_loss[2], trained.validation_loss[2])]


def test_different_numbers_of_examples_do_not_go_together():
    with pytest.raises(ValueError, match="different lengths"):
        run(ensemble(), [replica(0), replica(1, parts=split(1, n=64))])


def test_nobody_to_train():
    assert run(ensemble(), []) == []
    assert ensemble().seconds_per_epoch([], settings=SETTINGS) == 0


def test_the_estimate_is_a_time_and_leaves_no_trace():
    engine, replicas = ensemble(), [replica(seed) for seed in range(2)]
    expected = list(map(bits, run(engine, replicas)))
    with deterministic_torch():
        assert 0 < engine.seconds_per_epoch(replicas, settings=SETTINGS) < 10
    assert list(map(bits, run(engine, replicas))) == expected
