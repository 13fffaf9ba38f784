"""A sweep on the command line: which runs, where they run, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from maskstat.cli.progress import watching
from maskstat.cli.report import counted, note, report
from maskstat.errors import UsageError
from maskstat.prune.grid import Grid
from maskstat.prune.manifest import begin, jobs_in
from maskstat.prune.shard import Shard
from maskstat.prune.sweep import Job, Outcome

__all__ = ["list_runs", "require_sweep", "sweep"]


def require_sweep(grid: Grid, options: Mapping[str, object]) -> None:
    """Raise if an option was given that is about several runs, and there is one.

    Raises
    ------
    UsageError
    """
    for name, value in options.items():
        if value is not None and not grid.axes:
            raise UsageError(
                "there is one run, and nothing to share",
                code="no-grid",
                place=name,
                consequence="a recipe with a table [grid] makes a sweep",
                hint="--recipe grid.toml",
            )


def list_runs(grid: Grid, shard: str | None) -> None:
    """Print the names of the runs."""
    for job in _share(jobs_in(Path(), grid), shard):
        click.echo(job.name)


def sweep(
    grid: Grid,
    folder: Path,
    *,
    shard: str | None,
    jobs: int | None,
    scheduler: str | None,
    overwrite: bool,
    surroundings: Mapping[str, Any],
) -> None:
    """Run all runs, tell what became of each, and leave with the worst one's status.

    Parameters
    ----------
    grid, folder
        The runs, and where their archives are to be.
    shard
        Which share of them, ``i/n``.
    jobs
        Processes here, or workers of a scheduler that the sweep is cut for.
    scheduler
        Address of a Dask scheduler.
    overwrite, surroundings
        As `run_pack` takes them.
    """
    chosen = _share(jobs_in(folder, grid), shard)
    everything = begin(folder, grid, overwrite=overwrite)
    counts = {"done": 0, "skipped": 0, "failed": 0}
    status = 0
    given: dict[str, Any] = {"overwrite": overwrite, "surroundings": surroundings}
    with watching(several=True) as watch:
        for outcome in _outcomes(chosen, jobs, scheduler, {**given, "watch": watch}):
            counts[outcome.status] += 1
            if outcome.error is not None:
                report(outcome.error)
                status = max(status, outcome.error.exit_status)
    said = ", ".join(f"{n} {what}" for what, n in counts.items() if n) or "nothing to do"
    part = f" of {len(everything)}, share {shard}," if shard else ""
    note(f"{counted(len(chosen), 'run')}{part} in {folder}: {said}")
    click.get_current_context().exit(status)


def _share(jobs: list[Job], shard: str | None) -> list[Job]:
    return Shard.parse(shard).share(jobs) if shard is not None else jobs


def _outcomes(
    chosen: list[Job], jobs: int | None, scheduler: str | None, given: dict[str, Any]
) -> Iterator[Outcome]:
    """Choose where the runs run."""
    if scheduler is not None:
        from maskstat.prune.cluster import run_on_cluster

        return run_on_cluster(chosen, scheduler=scheduler, workers=jobs, **given)
    from maskstat.prune.workers import run_sweep

    return run_sweep(chosen, workers=jobs or 1, **given)
