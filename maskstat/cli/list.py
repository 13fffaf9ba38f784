"""``maskstat list``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click

from maskstat.cli.inputs import load
from maskstat.cli.options import select_option, sources_argument
from maskstat.cli.report import note, report
from maskstat.cli.rows import Rows, row_options
from maskstat.errors import InputError, MaskstatError
from maskstat.prune.manifest import jobs_in, read_grid
from maskstat.prune.sweep import Job
from maskstat.run import Run
from maskstat.selection import select_runs
from maskstat.stats.inventory import Hole, list_runs

__all__ = ["command"]


@click.command("list")
@sources_argument
@select_option
@row_options()
def command(
    sources: tuple[str, ...],
    select: str | None,
    rows: Rows,
) -> None:
    """List the runs in archives.

    One row a run. A folder stands for the .h5 files in it; the folder of a sweep for the runs of
    its grid, with those that are missing, and whatever else is in it. What cannot be read is told
    on standard error, the rest is listed, and the exit status is 3.

    \b
    Example:
      maskstat list runs/
      maskstat list *.h5 --select 'method=l1-* seed=0-5'
    """
    found = _Found()
    for source in sources:
        if Path(source).is_dir():
            found.folder(Path(source))
        else:
            found.file(source)
    runs = select_runs(found.runs, select) if select else found.runs
    rows.emit(list_runs(runs), seldom=("digest",))
    click.get_current_context().exit(found.status)


class _Found:
    """Runs and holes in order; what cannot be read is told, and the others are listed."""

    def __init__(self) -> None:
        self.runs: list[Run | Hole] = []
        self.status = 0

    def file(self, path: str) -> str:
        """Add the runs of a file; return what is wrong with it."""
        try:
            self.runs.extend(run for run, _ in load([path], None))
        except MaskstatError as error:
            self._report(error)
            return error.fact
        return ""

    def folder(self, folder: Path) -> None:
        """Add the runs of a folder, those of its grid first."""
        others = dict.fromkeys(sorted(map(str, folder.glob("*.h5"))))
        try:
            grid = read_grid(folder)
        except InputError as error:
            self._report(error)
            grid = None
        if grid is not None:
            first = len(self.runs)
            for job in jobs_in(folder, grid):
                self._cell(job, others)
            _tell(folder, self.runs[first:])
        if grid is None and not others:  # a checkpoint of another program, or nothing
            others[str(folder)] = None
        for path in others:
            self.file(path)

    def _cell(self, job: Job, files: dict[str, None]) -> None:
        """Add a run of a grid, and take its file from those that are left."""
        path, first = str(job.path), len(self.runs)
        if path not in files:
            self.runs.append(_hole(job))
            return
        reason = self.file(path)
        if reason:
            del files[path]
            self.runs.append(_hole(job, damage=reason))
        elif [run.recipe_digest for run in self._runs_from(first)] == [job.recipe.digest]:
            del files[path]
        else:
            del self.runs[first:]  # listed among the other files
            self.runs.append(_hole(job, other="its archive holds something else"))

    def _runs_from(self, first: int) -> Iterator[Run]:
        return (run for run in self.runs[first:] if isinstance(run, Run))

    def _report(self, error: MaskstatError) -> None:
        report(error)
        self.status = max(self.status, error.exit_status)


def _hole(job: Job, *, damage: str = "", other: str = "") -> Hole:
    """Describe a run that is not there."""
    recipe = job.recipe
    return Hole(
        path=str(job.path),
        run_id=recipe.run_id,
        model=recipe.model,
        dataset=recipe.dataset,
        method=recipe.method,
        seed=recipe.seed,
        replicate=recipe.replicate if recipe.vary else None,
        status="damaged" if damage else "missing",
        reason=damage or other or None,
    )


def _tell(folder: Path, cells: list[Run | Hole]) -> None:
    """Say how many runs of a sweep are not complete."""
    counts = Counter(cell.status for cell in cells)
    holes = len(cells) - counts.pop("complete", 0)
    if holes:
        said = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
        note(f"Warning: {folder}: {holes} of {len(cells)} runs are not complete: {said}")
