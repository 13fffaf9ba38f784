"""``maskstat verify``."""

from __future__ import annotations

import sys

import click

from maskstat.archive import verify
from maskstat.cli.options import (
    format_option,
    output_option,
    overwrite_option,
    quiet_option,
    sources_argument,
)
from maskstat.cli.output import emit

__all__ = ["command"]


@click.command("verify")
@sources_argument
@format_option
@output_option("Write the rows here.")
@overwrite_option
@quiet_option
def command(
    sources: tuple[str, ...],
    format_: str | None,
    output: str | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    r"""Check everything about archives that can be checked.

    One row a check. Ends with status 1 if any finds something.

    \b
    Example:
      maskstat verify run.h5
      maskstat verify *.h5 --format json
    """
    contents = [sys.stdin.buffer.read() if source == "-" else source for source in sources]
    table = verify(*contents)
    emit(table, format_=format_, output=output, overwrite=overwrite)
    if not all(table.column("ok")):
        click.get_current_context().exit(1)
