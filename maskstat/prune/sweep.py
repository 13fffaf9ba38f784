"""Sweep: many runs, an archive each; those of one architecture train side by side."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from maskstat.errors import MaskstatError, TrainingError
from maskstat.prune.progress import Progress, Silent
from maskstat.prune.recipe import Recipe

if TYPE_CHECKING:
    from maskstat.prune.data.dataset import Dataset
    from maskstat.prune.engines.engine import Engine
    from maskstat.prune.trial import Trial
    from maskstat.prune.workshop import Workshop

__all__ = ["Job", "Outcome", "Watch", "lost", "run_pack", "run_safely", "unfinished"]

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


def run_pack(
    pack: Sequence[Job],
    *,
    overwrite: bool,
    surroundings: Mapping[str, Any],
    watch: Watch,
    datasets: dict[str, Dataset] | None = None,
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
    datasets
        The data sets that this process has loaded, by name; those that are loaded now are added.

    Returns
    -------
    list of Outcome
        In the order of the runs; a run that fails does not stop the others.

    Raises
    ------
    MissingExtraError
        torch is not installed.
    """
    from maskstat.prune.session import deterministic_torch, require_torch, resolve_device

    require_torch()
    from maskstat.prune.workshop import Workshop

    outcomes: dict[str, Outcome] = {}
    waiting: list[tuple[Job, Trial]] = []
    engine: Engine | None = None
    with deterministic_torch(resolve_device(str(surroundings["device"]))):
        workshop = Workshop(**surroundings, datasets=datasets)
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


def run_safely(pack: Sequence[Job], *, watch: Watch, **given: Any) -> list[Outcome]:
    """Run a pack as `run_pack`; an error that nobody foresaw ends only the run that it comes from.

    Parameters
    ----------
    pack
        The runs. If one of them breaks the pack, each is run by itself, from where it got to.
    watch, **given
        As `run_pack` takes them.

    Returns
    -------
    list of Outcome
        In the order of the runs.
    """
    try:
        return run_pack(pack, watch=watch, **given)
    except MaskstatError as error:  # none of them can run here
        return [Outcome(name=job.name, path=job.path, status="failed", error=error) for job in pack]
    except Exception as error:
        if len(pack) > 1:
            return [outcome for job in pack for outcome in run_safely([job], watch=watch, **given)]
        (job,) = pack
        watch(job.name).note(traceback.format_exc())
        crash = MaskstatError(
            f"{type(error).__name__}: {error}",
            code="run-crashed",
            place=str(job.path),
            consequence="the iterations that were published stand",
            hint="if it is not yours, report it with the lines above",
        )
        return [Outcome(name=job.name, path=job.path, status="failed", error=crash)]


def unfinished(
    jobs: Sequence[Job], *, overwrite: bool, watch: Watch
) -> tuple[list[Outcome], list[Job]]:
    """Set runs aside that are complete, before the others are shared out.

    Parameters
    ----------
    jobs
        The runs.
    overwrite
        Whether none is, whatever is there.
    watch
        Makes what is told about each.

    Returns
    -------
    list of Outcome, list of Job
        What is skipped, and what is left; each in order.
    """
    from maskstat.prune.resume import Target, skip_note

    skipped: list[Outcome] = []
    left: list[Job] = []
    for job in jobs:
        try:
            earlier = Target(job.path, overwrite=overwrite).earlier_run(
                job.recipe, progress=Silent()
            )
        except MaskstatError:  # told when its turn comes
            earlier = None
        if earlier is not None and earlier.status == "complete":
            watch(job.name).note(skip_note(job.path, earlier))
            skipped.append(Outcome(name=job.name, path=job.path, status="skipped"))
        else:
            left.append(job)
    return skipped, left


def lost(job: Job, fact: str = "its process ended before it") -> Outcome:
    """Say that nobody is left who could tell what became of a run."""
    error = TrainingError(
        fact,
        code="worker-lost",
        place=str(job.path),
        consequence="the iterations that were published stand",
        hint="the same command continues it; fewer workers at once if memory ran out",
    )
    return Outcome(name=job.name, path=job.path, status="failed", error=error)
