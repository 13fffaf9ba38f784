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
from maskstat.cli.report import report
from maskstat.errors import MaskstatError
from maskstat.run import Run
from maskstat.selection import select_runs
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
    runs: list[Run] = []
    status = 0
    for source in sources:
        folder = Path(source)
        for path in sorted(map(str, folder.glob("*.h5"))) if folder.is_dir() else [source]:
            try:
                runs.extend(run for run, _ in load([path], None))
            except MaskstatError as error:  # the other runs are listed all the same
                report(error, as_json=format_ in ("json", "jsonl"))
                status = max(status, error.exit_status)
    table = list_runs(select_runs(runs, select) if select else runs)
    emit(table, format_=format_, output=output, overwrite=overwrite, hidden=("digest",))
    click.get_current_context().exit(status)
