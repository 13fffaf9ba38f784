"""Runs named on the command line."""

from __future__ import annotations

from collections.abc import Sequence

import click

from maskstat.cli.report import note
from maskstat.convert.read import read_all
from maskstat.run import Run
from maskstat.selection import select_runs

__all__ = ["load"]


def load(sources: Sequence[str], select: str | None) -> list[tuple[Run, int | None]]:
    """Read the runs that the addresses name, and keep those that match ``--select``."""
    context = click.get_current_context(silent=True)
    given = context.meta if context is not None else {}
    found = read_all(
        sources,
        format=given.get("maskstat.from"),
        include=given.get("maskstat.include", ()),
        exclude=given.get("maskstat.exclude", ()),
        tell=note,
    )
    if select is None:
        return found
    chosen = {id(run) for run in select_runs([run for run, _ in found], select)}
    return [(run, iteration) for run, iteration in found if id(run) in chosen]
