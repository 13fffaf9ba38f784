"""Schedules: how many of what competes each iteration prunes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

__all__ = ["FractionSchedule", "LevelSchedule", "Schedule"]


class Schedule(ABC):
    """A rule for how many of the weights, or channels, that compete are pruned."""

    __slots__ = ()

    @abstractmethod
    def count(self, *, iteration: int, size: int, remaining: int) -> int:
        """Return how many of `remaining` weights or channels go to reach `iteration`.

        Parameters
        ----------
        iteration
            The iteration that the pruning leads to, from 1.
        size
            How many there were before any pruning.
        remaining
            How many are still kept.
        """

    def remaining(self, size: int, *, iterations: int) -> list[int]:
        """Return the kept counts of iterations 0, 1, ... of `size` that compete."""
        counts = [size]
        for iteration in range(1, iterations + 1):
            left = counts[-1]
            counts.append(left - self.count(iteration=iteration, size=size, remaining=left))
        return counts


@dataclass(frozen=True, slots=True)
class FractionSchedule(Schedule):
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
        """Return the fraction of `remaining`."""
        return round(self.fraction * remaining)


@dataclass(frozen=True, slots=True)
class LevelSchedule(Schedule):
    """Prune to given shares of the original; a single level is one-shot pruning.

    Parameters
    ----------
    levels
        The pruned share after iterations 1, 2, ..., increasing, between 0 and 1.

    Notes
    -----
    After iteration t exactly ``round(levels[t - 1] * size)``, half to even, are pruned of each
    set that competes (Grosse & Backes 2020); what a level prunes stays pruned in the next.

    Examples
    --------
    >>> LevelSchedule((0.5, 0.8, 0.98)).remaining(400, iterations=3)
    [400, 200, 80, 8]
    """

    levels: tuple[float, ...]

    def count(self, *, iteration: int, size: int, remaining: int) -> int:
        """Return what of `remaining` is more than the level leaves."""
        goal = size - round(self.levels[iteration - 1] * size)
        return max(0, remaining - goal)
