"""Sweep: many runs, an archive each; those of one architecture train side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from maskstat.errors import MaskstatError
from maskstat.prune.progress import Progress
from maskstat.prune.recipe import Recipe

if TYPE_CHECKING:
    from maskstat.prune.engines.engine import Engine
    from maskstat.prune.trial import Trial
    from maskstat.prune.workshop import Workshop

__all__ = ["PACK", "Job", "Outcome", "Watch", "packs", "run_pack"]

PACK = 8
"""Replicas that train together where they can: beyond, a step's arrays leave the cache."""

_APART = ("prune.exclude", "prune.keep_output", "train", "data", "model", "dataset")
"""Settings, and sections of them, in which runs that train together are the same."""

Watch: TypeAlias = Callable[[str], Progress]
"""Makes what is told about a run, from its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A run of a sweep.

    Parameters
    ----------
    name
        What it is called.
    recipe
        What it is.
    path
        Where its archive is to be.
    """

    name: str
    recipe: Recipe
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a run.

    Parameters
    ----------
    name, path
        The job's.
    status
        ``done`` now, ``skipped`` because it was complete, or ``failed``.
    error
        Why it failed.
    """

    name: str
    path: Path
    status: Literal["done", "skipped", "failed"]
    error: MaskstatError | None = None


def packs(jobs: Sequence[Job], *, workers: int) -> list[list[Job]]:
    """Put runs together that can train side by side, a like number for every worker.

    Parameters
    ----------
    jobs
        The runs.
    workers
        How many processes share them.

    Returns
    -------
    list of list of Job
        What a run comes to does not depend on it.
    """
    alike: dict[str, list[Job]] = {}
    for job in jobs:
        settings = job.recipe.settings
        shared = {
            key: value
            for key, value in settings.items()
            if key in _APART or key.partition(".")[0] in _APART
        }
        alike.setdefault(json.dumps(shared, sort_keys=True), []).append(job)
    found = []
    for group in alike.values():
        n = -(-len(group) // PACK)
        n = min(-(-n // workers) * workers, len(group))
        found += [group[start::n] for start in range(n)]
    return found


def run_pack(
    pack: Sequence[Job], *, overwrite: bool, surroundings: Mapping[str, Any], watch: Watch
) -> list[Outcome]:
    """Run some runs of one architecture to their ends in this process.

    Parameters
    ----------
    pack
        The runs. Those that are complete are skipped, those that were begun are continued.
    overwrite
        Replace whatever is there and begin anew.
    surroundings
        ``data_dir``, ``download``, ``device``, as `prune` takes them.
    watch
        Makes what is told about each.

    Returns
    -------
    list of Outcome
        In the order of the runs; a run that fails does not stop the others.
    """
    from maskstat.prune.session import deterministic_torch
    from maskstat.prune.workshop import Workshop

    outcomes: dict[str, Outcome] = {}
    waiting: list[tuple[Job, Trial]] = []
    engine: Engine | None = None
    with deterministic_torch():
        workshop = Workshop(**surroundings)
        for job in pack:
            begun = _begin(job, workshop, watch(job.name), overwrite=overwrite)
            if isinstance(begun, Outcome):
                outcomes[job.name] = begun
                continue
            waiting.append((job, begun[0]))
            engine = engine or begun[1]
            if engine.pack == 1:  # nothing is gained by holding several in memory
                outcomes |= _finish(waiting, engine)
                waiting, engine = [], None
        if engine is not None:
            outcomes |= _finish(waiting, engine)
    return [outcomes[job.name] for job in pack]


def _begin(
    job: Job, workshop: Workshop, progress: Progress, *, overwrite: bool
) -> tuple[Trial, Engine] | Outcome:
    """Make a run ready, or say why there is nothing to do."""
    from maskstat.prune.resume import Target

    try:
        target = Target(job.path, overwrite=overwrite)
        earlier = target.earlier_run(job.recipe, progress=progress)
        if earlier is not None and earlier.status == "complete":
            return Outcome(name=job.name, path=job.path, status="skipped")
        trial, engine = workshop.trial(job.recipe, publish=target.publish, progress=progress)
        if earlier is not None:
            trial.resume(earlier)
    except MaskstatError as error:
        return Outcome(name=job.name, path=job.path, status="failed", error=error)
    return trial, engine


def _finish(waiting: Sequence[tuple[Job, Trial]], engine: Engine) -> dict[str, Outcome]:
    """Bring runs to their ends."""
    from maskstat.prune.imp import iterate

    iterate([trial for _, trial in waiting], engine)
    return {
        job.name: Outcome(
            name=job.name,
            path=job.path,
            status="failed" if trial.failure else "done",
            error=trial.failure,
        )
        for job, trial in waiting
    }
