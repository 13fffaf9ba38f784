"""Streams: every random draw comes from its own, seeded by what it is for and nothing else.

Two runs that differ in one stream agree in all the others, and an iteration can be run again from
its number alone: no generator's state is ever saved. torch's global generator is never used.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["EPOCH_STREAMS", "STREAMS", "Streams"]

STREAMS = ("init", "split", "order", "augment", "dropout", "prune")
"""Initial weights; train/validation split; order of the examples; data augmentation; dropout;
random pruning."""

EPOCH_STREAMS = ("order", "augment", "dropout")
"""Those that are drawn from in every epoch anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """The seeds of one run.

    Parameters
    ----------
    seed
        The run's base seed.
    vary
        The streams that differ between replicates.
    replicate
        Which replicate this is; of no effect where nothing varies.
    diverge_at
        Epochs of each training in which the varying `EPOCH_STREAMS` are shared all the same.

    Examples
    --------
    >>> one, two = (Streams(seed=0, vary=("order",), replicate=r) for r in (1, 2))
    >>> one.seed_of("init") == two.seed_of("init"), one.seed_of("order") == two.seed_of("order")
    (True, False)
    """

    seed: int
    vary: tuple[str, ...] = ()
    replicate: int = 0
    diverge_at: int = 0

    def seed_of(self, stream: str, iteration: int = 0, *, epoch: int = 0, part: str = "") -> int:
        """Derive the seed of one stream at one iteration.

        Parameters
        ----------
        stream
            One of `STREAMS`.
        iteration
            The pruning iteration; 0 for what is drawn once a run.
        epoch
            The epoch of the training, from 0; of the `EPOCH_STREAMS` alone.
        part
            A layer's name, where each layer draws for itself.

        Returns
        -------
        int
            64 bits of SHA-256 over all of these, the replicate only where the stream varies and
            the replicates have parted.
        """
        shared = stream in EPOCH_STREAMS and epoch < self.diverge_at
        replicate = str(self.replicate) if stream in self.vary and not shared else "-"
        told = (self.seed, stream, iteration, epoch, replicate, part)
        text = "\0".join(("maskstat", *map(str, told)))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")

    def generator(
        self, stream: str, iteration: int = 0, *, epoch: int = 0, part: str = ""
    ) -> torch.Generator:
        """Make a fresh generator for one stream at one iteration and epoch."""
        import torch

        generator = torch.Generator(device="cpu")
        generator.manual_seed(self.seed_of(stream, iteration, epoch=epoch, part=part))
        return generator
