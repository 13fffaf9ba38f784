"""``maskstat merge``."""

from __future__ import annotations

import click

from maskstat.cli.archives import save_runs
from maskstat.cli.inputs import load
from maskstat.cli.options import (
    output_option,
    overwrite_option,
    quiet_option,
    select_option,
    sources_argument,
)
from maskstat.cli.report import counted, note
from maskstat.errors import UsageError

__all__ = ["command"]


@click.command("merge")
@sources_argument
@output_option("The archive to write.", required=True)
@select_option
@overwrite_option
@quiet_option
def command(sources: tuple[str, ...], output: str, select: str | None, overwrite: bool) -> None:
    """Pack runs into one archive; each keeps its digest.

    Reads archives, or masks in any format that convert reads, and writes one archive with all
    their runs. FILE::RUN takes one run of a file. Two runs of one name cannot be in one archive.

    \b
    Example:
      maskstat merge runs/*.h5 -o sweep.h5
      maskstat merge runs/*.h5 --select 'method=l1-*' -o l1.h5
    """
    found = load(sources, select)
    for run, iteration in found:
        if iteration is not None:
            raise UsageError(
                f"the address names iteration {iteration}",
                code="iteration-of-run",
                place=run.label,
                consequence="archives hold whole runs",
                hint=f"leave out @{iteration}",
            )
    runs = [run for run, _ in found]
    save_runs(output, runs, overwrite=overwrite)
    note(f"{'standard output' if output == '-' else output}: {counted(len(runs), 'run')}")
