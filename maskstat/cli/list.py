"""``maskstat list``."""

from __future__ import annotations

from pathlib import Path

import click

from maskstat.cli.inputs import load
from maskstat.cli.options import (
    format_option,
    output_option,
    overwrite_option,
    quiet_option,
    select_option,
    sources_argument,
)
from maskstat.cli.output import emit
from maskstat.stats.inventory import list_runs

__all__ = ["command"]


@click.command("list")
@sources_argument
@select_option
@format_option
@output_option("Write the rows here.")
@overwrite_option
@quiet_option
def command(
    sources: tuple[str, ...],
    select: str | None,
    format_: str | None,
    output: str | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """List the runs in archives.

    One row a run. A folder stands for the .h5 files in it.

    \b
    Example:
      maskstat list runs/
      maskstat list *.h5 --select 'method=l1-* seed=0-5'
    """
    files: list[str] = []
    for source in sources:
        folder = Path(source)
        files.extend(map(str, sorted(folder.glob("*.h5"))) if folder.is_dir() else [source])
    table = list_runs([run for run, _ in load(files, select)])
    emit(table, format_=format_, output=output, overwrite=overwrite, hidden=("digest",))
