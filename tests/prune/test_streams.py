from __future__ import annotations

import itertools

import torch

from maskstat.prune.engines.engine import Draws
from maskstat.prune.streams import STREAMS, Streams


def test_seeds_are_fixed_forever():
    """A change here would change every run that anyone has made."""
    streams = Streams(seed=0, vary=("order",), replicate=2)
    assert streams.seed_of("init") == 0x33DA176CE3061BBF
    assert streams.seed_of("order", 3) == 0xA632014ABE441842
    assert streams.seed_of("prune", 1, part="fc1.weight") == 0x7344D5756625B1F3


def test_no_two_draws_share_a_seed():
    seeds = {
        Streams(seed=seed).seed_of(stream, iteration, epoch=epoch, part=part)
        for seed, stream, iteration, epoch, part in itertools.product(
            range(3), STREAMS, range(5), range(3), ("", "a", "b")
        )
    }
    assert len(seeds) == 3 * len(STREAMS) * 5 * 3 * 3


def test_only_what_varies_differs_between_replicates():
    one, two = (Streams(seed=5, vary=("order", "prune"), replicate=r) for r in (0, 1))
    differing = {stream for stream in STREAMS if one.seed_of(stream) != two.seed_of(stream)}
    assert differing == {"order", "prune"}
    assert Streams(seed=5, replicate=1) != Streams(seed=5)
    assert Streams(seed=5, replicate=1).seed_of("order") == Streams(seed=5).seed_of("order")


def test_generators_are_fresh_each_time():
    streams = Streams(seed=1)
    first, second = (
        torch.rand(8, generator=streams.generator("order", 4)).tolist() for _ in range(2)
    )
    assert first == second


def test_every_epoch_of_every_training_has_an_order_of_its_own():
    streams = Streams(seed=1)
    orders = {
        tuple(Draws(streams=streams, iteration=iteration).order(epoch, 50).tolist())
        for iteration in range(3)
        for epoch in range(3)
    }
    assert len(orders) == 9
    assert all(sorted(order) == list(range(50)) for order in orders)


def test_replicates_part_at_their_epoch():
    one, two = (
        Streams(seed=5, vary=("order", "dropout", "prune"), replicate=r, diverge_at=3)
        for r in (0, 1)
    )

    def shared(stream: str) -> list[bool]:
        return [
            one.seed_of(stream, 2, epoch=epoch) == two.seed_of(stream, 2, epoch=epoch)
            for epoch in range(5)
        ]

    assert shared("order") == shared("dropout") == [True, True, True, False, False]
    assert shared("augment") == [True] * 5
    assert shared("prune") == [False] * 5
