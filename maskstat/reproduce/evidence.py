"""Evidence: the runs there are for a plan, and the cells that are empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from maskstat.archive import open_archive
from maskstat.errors import InputError, NotFoundError
from maskstat.prune.recipe import Recipe
from maskstat.prune.sweep import Job
from maskstat.reproduce.plan import Case, Plan, Sweep
from maskstat.run import Run

__all__ = ["Cell", "Evidence", "called", "gather"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One place of a sweep's grid.

    Parameters
    ----------
    sweep, name
        Where it is.
    recipe
        What was to be run.
    run
        What was run; None where the cell is empty.
    why
        Why it is empty.
    """

    sweep: Sweep
    name: str
    recipe: Recipe
    run: Run | None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All cells of a plan, and the retrained tickets.

    Parameters
    ----------
    plan
        What was to be run.
    cells
        In the order of the plan.
    consensus
        Consensus tickets by case, one a seed.
    retrained
        Retrained tickets by case; those evaluated at initialization have 0 epochs.
    """

    plan: Plan
    cells: tuple[Cell, ...]
    consensus: Mapping[str, Mapping[int, Run]] = field(default_factory=dict)
    retrained: Mapping[str, Sequence[Run]] = field(default_factory=dict)

    @property
    def cases(self) -> list[Case]:
        """The cases of the plan."""
        return list(self.plan.cases.values())

    @property
    def holes(self) -> list[Cell]:
        """The cells that are empty."""
        return [cell for cell in self.cells if cell.run is None]

    def of(self, roles: str, case: Case | str | None = None, **settings: object) -> list[Cell]:
        """Return the cells of some roles, empty ones included.

        Parameters
        ----------
        roles
            Of the sweeps, separated by blanks.
        case
            None takes all.
        **settings
            Settings of the recipes by their Python names, e.g. ``method="l1-unstructured"``.
        """
        name = case.name if isinstance(case, Case) else case
        return [
            cell
            for cell in self.cells
            if cell.sweep.role in roles.split()
            and name in (None, cell.sweep.case)
            and all(getattr(cell.recipe, key) == value for key, value in settings.items())
        ]

    def runs(self, roles: str, case: Case | str | None = None, **settings: object) -> list[Run]:
        """Return the runs there are of some roles."""
        return [cell.run for cell in self.of(roles, case, **settings) if cell.run is not None]


def gather(
    plan: Plan,
    folder: Path,
    *,
    failures: Mapping[str, str],
    consensus: Mapping[str, Mapping[int, Run]] | None = None,
    retrained: Mapping[str, Sequence[Run]] | None = None,
) -> Evidence:
    """Read what is there of a plan.

    Parameters
    ----------
    plan
        What was to be run.
    folder
        Where the sweeps' folders are.
    failures
        Job name to why it failed.
    consensus, retrained
        As `Evidence` has them.

    Returns
    -------
    Evidence
    """
    cells = [
        _cell(sweep, job, failures.get(job.name, ""))
        for sweep in plan.sweeps
        for job in sweep.jobs(folder)
    ]
    return Evidence(
        plan=plan, cells=tuple(cells), consensus=consensus or {}, retrained=retrained or {}
    )


def called(run: Run, name: str) -> Run:
    """Return a run under another label, for figures that have little room."""
    return replace(run, place=name)


def _cell(sweep: Sweep, job: Job, failure: str) -> Cell:
    """Read one run, if it is whole and the one that was asked for."""
    name = job.name.partition("/")[2]
    run, why = _read(job)
    if run is None and failure:
        why = failure
    return Cell(sweep=sweep, name=name, recipe=job.recipe, run=run, why=why)


def _read(job: Job) -> tuple[Run | None, str]:
    try:
        with open_archive(job.path) as archive:
            run = archive.runs.get(job.recipe.run_id)
    except NotFoundError:
        return None, "not run"
    except InputError as error:
        return None, error.fact
    if run is None or run.recipe_digest != job.recipe.digest:
        return None, "another run is at its place"
    if run.status != "complete":
        told = run.provenance.get("failure", {}).get("message", "not finished")
        return None, f"{run.status}: {told}"
    return run, ""
