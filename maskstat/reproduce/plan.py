"""Plan: a paper's shipped recipe at one scale, as the sweeps that are to be run."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from maskstat.errors import NotFoundError, UsageError, closest
from maskstat.prune.grid import Grid
from maskstat.prune.recipe import Recipe
from maskstat.prune.sweep import Job

__all__ = ["PAPERS", "SCALES", "Case", "Plan", "Sweep", "Tickets", "read_plan"]

PAPERS = ("grosse2020", "paganini2020")
SCALES = ("full", "small", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A network on a task, which figures have a panel or a page for.

    Parameters
    ----------
    name
        In file names.
    title
        In words.
    stands_for
        What the paper has in its place; empty at full scale.
    at
        Which pruning iterations figures are about, by the figure's or the iterations' name.
    """

    name: str
    title: str
    stands_for: str
    at: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Runs of one kind for one case.

    Parameters
    ----------
    name
        The folder of its archives.
    role
        What it is in the paper, e.g. ``unfixed``.
    case
        Name of the case.
    grid
        Its runs.
    needs
        Data sets that have to be in the data folder.
    """

    name: str
    role: str
    case: str
    grid: Grid
    needs: tuple[str, ...] = ()

    def jobs(self, folder: Path) -> list[Job]:
        """List the runs, with an archive each below a folder."""
        return [
            Job(name=f"{self.name}/{name}", recipe=recipe, path=folder / self.name / f"{name}.h5")
            for name, recipe in self.grid.recipes.items()
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tickets:
    """How tickets of a case, sourced by its sweep of role ``sources``, are made and retrained.

    Parameters
    ----------
    case
        Name of the case.
    sourced_at
        Iteration of the sourced runs whose masks are intersected. The bespoke tickets are of the
        iteration at which the sourced runs keep about as much as the intersection.
    targets, held_out
        Tasks to train on: those that tickets were sourced on, and others.
    epochs
        Of the retraining.
    """

    case: str
    sourced_at: int
    targets: tuple[str, ...]
    held_out: tuple[str, ...]
    epochs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is run for a paper at a scale.

    Parameters
    ----------
    paper, scale
        Their names.
    citation, title
        Of the paper.
    about
        What this scale is, and what it leaves out.
    unstated
        What the paper does not state, and what stands in its place here.
    cases, sweeps, tickets
        In order.
    left_out
        Sweeps whose data sets are not there, by name, with the data sets.
    """

    paper: str
    scale: str
    citation: str
    title: str
    about: str
    unstated: tuple[str, ...]
    cases: Mapping[str, Case]
    sweeps: tuple[Sweep, ...]
    tickets: tuple[Tickets, ...] = ()
    left_out: Mapping[str, tuple[str, ...]]

    def jobs(self, folder: Path) -> list[Job]:
        """List all runs."""
        return [job for sweep in self.sweeps for job in sweep.jobs(folder)]

    def only(self, roles: Iterable[str]) -> Plan:
        """Keep what is needed for some roles; ``tickets`` are made of ``sources``."""
        kept = set(roles)
        return replace(
            self,
            sweeps=tuple(sweep for sweep in self.sweeps if sweep.role in kept),
            tickets=self.tickets if "tickets" in kept else (),
        )


def read_plan(
    paper: str, *, scale: str = "small", data_dir: str | os.PathLike[str] | None = None
) -> Plan:
    """Read a paper's shipped recipe.

    Parameters
    ----------
    paper
        One of `PAPERS`.
    scale
        One of `SCALES`: ``full``, as printed; ``small``, real data, minutes on two cores;
        ``test``, seconds.
    data_dir
        The folder that is searched for data sets which are not embedded. At full scale all are
        wanted, and are told as missing when the runs start; at other scales sweeps without their
        data sets are left out.

    Returns
    -------
    Plan

    Raises
    ------
    UsageError
        There is no such paper or scale.

    Examples
    --------
    >>> plan = read_plan("grosse2020", scale="test")
    >>> plan.sweeps[0].name, plan.sweeps[0].grid.base.method
    ('unfixed-digits', 'l1-unstructured')
    """
    _require(paper, PAPERS, "paper", "PAPER")
    _require(scale, SCALES, "scale", "--scale")
    text = files("maskstat.reproduce").joinpath("recipes", f"{paper}.toml").read_text("utf-8")
    tree = tomllib.loads(text)
    part = tree["scale"][scale]
    base = part.get("base", {})
    sweeps = [_sweep(one, base) for one in part["sweeps"]]
    there = {name for sweep in sweeps for name in sweep.needs if _is_there(name, data_dir)}
    absent = {
        sweep.name: tuple(name for name in sweep.needs if name not in there) for sweep in sweeps
    }
    if scale == "full":
        absent = {}
    kept = tuple(sweep for sweep in sweeps if not absent.get(sweep.name))
    cases = {
        name: Case(
            name=name,
            title=case["title"],
            stands_for=case.get("stands_for", ""),
            at={key: tuple(values) for key, values in case.get("at", {}).items()},
        )
        for name, case in part["cases"].items()
        if any(sweep.case == name for sweep in kept)
    }
    tickets = [_tickets(one, data_dir, scale) for one in part.get("tickets", ())]
    return Plan(
        paper=paper,
        scale=scale,
        citation=tree["citation"],
        title=tree["title"],
        about=part["about"].strip(),
        unstated=tuple(tree.get("unstated", ())),
        cases=cases,
        sweeps=kept,
        tickets=tuple(one for one in tickets if one.case in cases),
        left_out={name: needs for name, needs in absent.items() if needs},
    )


def _require(name: str, known: Sequence[str], what: str, place: str) -> None:
    if name not in known:
        raise UsageError(
            f"there is no {what} '{name}'",
            code=f"unknown-{what}",
            place=place,
            consequence=closest(name, known),
        )


def _sweep(tree: Mapping[str, Any], base: Mapping[str, Any]) -> Sweep:
    """Build a sweep from its table; what all have in common lies below."""
    merged = _over(base, tree.get("recipe", {}))
    return Sweep(
        name=tree["name"],
        role=tree["role"],
        case=tree["case"],
        grid=Grid(base=Recipe.from_mapping(merged, place=tree["name"]), axes=tree["grid"]),
        needs=tuple(tree.get("needs", ())),
    )


def _tickets(
    tree: Mapping[str, Any], data_dir: str | os.PathLike[str] | None, scale: str
) -> Tickets:
    held_out = [
        name
        for name in tree["held_out"]
        if scale == "full" or name.startswith("digits") or _is_there(name, data_dir)
    ]
    fields = {name: value for name, value in tree.items() if name not in ("targets", "held_out")}
    return Tickets(**fields, targets=tuple(tree["targets"]), held_out=tuple(held_out))


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Put one tree of settings over another."""
    merged = dict(below)
    for name, value in above.items():
        under = merged.get(name)
        both = isinstance(value, Mapping) and isinstance(under, Mapping)
        merged[name] = _over(under, value) if both else value  # type: ignore[arg-type]
    return merged


def _is_there(dataset: str, data_dir: str | os.PathLike[str] | None) -> bool:
    from maskstat.prune.data.registry import load

    try:
        load(dataset, data_dir=data_dir)
    except NotFoundError:
        return False
    return True
