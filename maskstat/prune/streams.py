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

__all__ = ["STREAMS", "Streams"]

STREAMS = ("init", "split", "order", "augment", "dropout", "prune")
"""Initial weights; train/validation split; order of the examples; data augmentation; dropout;
random pruning."""


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

    Examples
    --------
    >>> one, two = (Streams(seed=0, vary=("order",), replicate=r) for r in (1, 2))
    >>> one.seed_of("init") == two.seed_of("init"), one.seed_of("order") == two.seed_of("order")
    (True, False)
    """

    seed: int
    vary: tuple[str, ...] = ()
    replicate: int = 0

    def seed_of(self, stream: str, iteration: int = 0, *, part: str = "") -> int:
        """Derive the seed of one stream at one iteration.

        Parameters
        ----------
        stream
            One of `STREAMS`.
        iteration
            The pruning iteration; 0 for what is drawn once a run.
        part
            A layer's name, where each layer draws for itself.

        Returns
        -------
        int
            64 bits of SHA-256 over all of these, the replicate only where the stream varies.
        """
        replicate = str(self.replicate) if stream in self.vary else "-"
        text = "\0".join(("maskstat", str(self.seed), stream, str(iteration), replicate, part))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")

    def generator(self, stream: str, iteration: int = 0, *, part: str = "") -> torch.Generator:
        """Make a fresh generator for one stream at one iteration."""
        import torch

        generator = torch.Generator(device="cpu")
        generator.manual_seed(self.seed_of(stream, iteration, part=part))
        return generator
