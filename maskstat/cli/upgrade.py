"""``maskstat upgrade``."""

from __future__ import annotations

import os

import click

from maskstat.archive.reader import open_archive
from maskstat.archive.upgrade import Upgrade, is_older, upgrade
from maskstat.cli.options import (
    format_option,
    overwrite_option,
    quiet_option,
)
from maskstat.cli.output import emit
from maskstat.cli.report import note, report
from maskstat.errors import MaskstatError, UsageError
from maskstat.table import Column, Table

__all__ = ["UPGRADE_COLUMNS", "command"]

UPGRADE_COLUMNS = {
    "file": Column("text", "the archive"),
    "version": Column("text", "the version of the format that it has"),
    "state": Column("text", "current, newer or upgraded"),
    "output": Column("text", "where the upgraded archive is; empty where nothing was to be done"),
}


@click.command("upgrade")
@click.argument("sources", nargs=-1, required=True, metavar="FILE...")
@format_option
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="Where upgraded archives go: a file, or for several archives a folder.",
)
@overwrite_option
@quiet_option
def command(
    sources: tuple[str, ...],
    format_: str | None,
    output: str | None,
    overwrite: bool,
) -> None:
    """Bring archives to the current version of the format.

    Never in place: an archive of an earlier version is written anew to --output, one of the current
    version is left alone. One row an archive. Without --output an archive of an earlier version is
    an error (status 2) that says so, and nothing is written.

    \b
    Example:
      maskstat upgrade *.h5
      maskstat upgrade old.h5 -o new.h5
    """
    if output == "-":
        raise UsageError(
            "it is standard output",
            code="bad-output",
            place="--output",
            consequence="the table is printed there",
            hint="-o new.h5",
        )
    into_folder = output is not None and os.path.isdir(output)
    if len(sources) > 1 and output is not None and not into_folder:
        raise UsageError(
            f"{len(sources)} archives cannot become one file",
            code="not-a-folder",
            place=output,
            hint="--output FOLDER",
        )
    done: list[tuple[str, Upgrade]] = []
    status = 0
    for source in sources:
        try:
            done.append((source, _upgraded(source, output, overwrite=overwrite)))
        except MaskstatError as error:  # the others are upgraded all the same
            report(error)
            status = max(status, error.exit_status)
    for source, one in done:
        if one.state == "current":
            note(f"{source}: format {one.version} is current")
    table = Table(
        schema="maskstat.upgrade/1",
        columns=UPGRADE_COLUMNS,
        data={
            "file": [source for source, _ in done],
            "version": [one.version for _, one in done],
            "state": [one.state for _, one in done],
            "output": [one.output for _, one in done],
        },
        inputs=[],
    )
    emit(table, format_=format_)
    click.get_current_context().exit(status)


def _upgraded(source: str, output: str | None, *, overwrite: bool) -> Upgrade:
    if output is None:
        with open_archive(source) as archive:
            version = archive.format_version
        if is_older(version):
            raise UsageError(
                f"it has format {version}, and archives are not upgraded in place",
                code="no-output",
                place=source,
                hint="--output NEW",
            )
        output = source
    elif os.path.isdir(output):
        output = os.path.join(output, os.path.basename(source))
    return upgrade(source, output, overwrite=overwrite)
