"""Shard: a share of a sweep, for machines that know nothing of each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from maskstat.errors import UsageError, printable
from maskstat.prune.packing import deal, packs
from maskstat.prune.sweep import Job

__all__ = ["Shard"]

_MOST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """The i-th of n shares, from 1.

    Parameters
    ----------
    place
        Which.
    of
        How many there are.

    Examples
    --------
    >>> str(Shard.parse("2/5"))
    '2/5'
    """

    place: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``i/n``.

        Raises
        ------
        UsageError
            It is not of this form, or i is not from 1 to n.
        """
        match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text, re.ASCII)
        place, of = (int(match[1]), int(match[2])) if match else (0, 0)
        if not 1 <= place <= of <= _MOST:
            raise UsageError(
                f"'{printable(text)}' is no share",
                code="bad-value",
                place="--shard",
                consequence=f"it takes i/n, i from 1 to n, n at most {_MOST:,}",
                hint="--shard 1/4",
            )
        return cls(place=place, of=of)

    def __str__(self) -> str:
        return f"{self.place}/{self.of}"

    def share(self, jobs: Sequence[Job]) -> list[Job]:
        """Choose the runs of this share.

        Parameters
        ----------
        jobs
            All runs of the sweep.

        Returns
        -------
        list of Job
            In their order. It depends on the sweep alone: neither on what is there already nor on
            how many processes run it. Together the n shares are the sweep, and no two have a run in
            common; runs that train side by side stay together where that is fair.
        """
        hand = deal(packs(jobs, workers=self.of), self.of)[self.place - 1]
        chosen = {job.name for job in hand}
        return [job for job in jobs if job.name in chosen]
