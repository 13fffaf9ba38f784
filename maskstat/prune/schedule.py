"""Schedules: how many weights each iteration prunes."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FractionSchedule"]


@dataclass(frozen=True, slots=True)
class FractionSchedule:
    """Prune the same fraction of what remains at every iteration.

    Parameters
    ----------
    fraction
        Between 0 and 1, e.g. 0.2.

    Notes
    -----
    The count is ``round(fraction * remaining)``, half to even: the rule of
    ``torch.nn.utils.prune``, so 0.2 means the same here, there and in Paganini & Forde (2020).

    Examples
    --------
    >>> FractionSchedule(0.2).remaining(59838, iterations=3)
    [59838, 47870, 38296, 30637]
    """

    fraction: float

    def count(self, *, iteration: int, size: int, remaining: int) -> int:
        """Return how many of `remaining` weights are pruned to reach `iteration`.

        Parameters
        ----------
        iteration
            The iteration that the pruning leads to, from 1.
        size
            Weights before any pruning.
        remaining
            Weights still kept.
        """
        return round(self.fraction * remaining)

    def remaining(self, size: int, *, iterations: int) -> list[int]:
        """Return the kept counts of iterations 0, 1, ... of `size` weights that compete."""
        counts = [size]
        for iteration in range(1, iterations + 1):
            left = counts[-1]
            counts.append(left - self.count(iteration=iteration, size=size, remaining=left))
        return counts
