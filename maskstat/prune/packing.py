"""Packing: which runs of a sweep train side by side, so that all workers end at about one time."""

from __future__ import annotations

import heapq
import json
from collections.abc import Sequence

from maskstat.prune.sweep import Job

__all__ = ["PACK", "deal", "packs"]

PACK = 8
"""Replicas that train together where they can: beyond, a step's arrays leave the cache."""

_APART = ("prune.exclude", "prune.keep_output", "train", "data", "model", "dataset")
"""Settings, and sections of them, in which runs that train together are the same."""


def packs(jobs: Sequence[Job], *, workers: int) -> list[list[Job]]:
    """Put runs together that can train side by side, in packs that workers can share evenly.

    Parameters
    ----------
    jobs
        The runs.
    workers
        How many processes share them.

    Returns
    -------
    list of list of Job
        The longest first, where several workers take one after the other. What a run comes to
        does not depend on it.

    Notes
    -----
    As few packs as `PACK` allows; the longest is split for as long as that lets the last worker
    end earlier.
    """
    groups = [(group, -(-len(group) // PACK)) for group in _alike(jobs)]
    best = _loads(_cut(groups), workers)
    while groups:
        longest = max(range(len(groups)), key=lambda place: _cost(_share(groups[place], 0)))
        group, n = groups[longest]
        if n == len(group):
            break
        finer = [*groups[:longest], (group, n + 1), *groups[longest + 1 :]]
        loads = _loads(_cut(finer), workers)
        if loads >= best:
            break
        groups, best = finer, loads
    found = _cut(groups)
    return sorted(found, key=_cost, reverse=True) if workers > 1 else found


def deal(shares: Sequence[Sequence[Job]], n: int) -> list[list[Job]]:
    """Deal packs out to n hands of about the same length.

    Parameters
    ----------
    shares
        The packs.
    n
        How many hands.

    Returns
    -------
    list of list of Job
        The runs in each hand; some are empty where there are fewer packs than hands.
    """
    hands: list[list[Job]] = [[] for _ in range(n)]
    loads = [(0, place) for place in range(n)]
    for share in sorted(shares, key=_cost, reverse=True):
        load, place = loads[0]
        hands[place] += share
        heapq.heapreplace(loads, (load + _cost(share), place))
    return hands


def _alike(jobs: Sequence[Job]) -> list[list[Job]]:
    """Group runs that one engine can train side by side."""
    found: dict[str, list[Job]] = {}
    for job in jobs:
        shared = {
            key: value
            for key, value in job.recipe.settings.items()
            if key in _APART or key.partition(".")[0] in _APART
        }
        found.setdefault(json.dumps(shared, sort_keys=True), []).append(job)
    return list(found.values())


def _share(group: tuple[list[Job], int], place: int) -> list[Job]:
    """Return one of the packs that a group is cut into; the first is the longest."""
    jobs, n = group
    return jobs[place::n]


def _cut(groups: Sequence[tuple[list[Job], int]]) -> list[list[Job]]:
    return [_share(group, place) for group in groups for place in range(group[1])]


def _cost(share: Sequence[Job]) -> int:
    """Estimate how long a pack takes, in epochs of one run.

    Unless they are trained one by one, one run more than there are stands for what a pack takes
    however small it is: the ensemble trains at least two.
    """
    epochs = [(job.recipe.iterations + 1) * job.recipe.epochs for job in share]
    return sum(epochs) + (max(epochs) if share[0].recipe.engine != "loop" else 0)


def _loads(shares: Sequence[Sequence[Job]], workers: int) -> list[int]:
    """Return how long each worker is busy, the last to end first."""
    loads = [0] * workers
    for cost in sorted(map(_cost, shares), reverse=True):
        heapq.heapreplace(loads, loads[0] + cost)
    return sorted(loads, reverse=True)
