"""``maskstat doctor``."""

from __future__ import annotations

import click

from maskstat.cli.options import format_option, output_option, overwrite_option, quiet_option
from maskstat.cli.output import emit
from maskstat.cli.report import note
from maskstat.cli.surroundings import examine
from maskstat.table import Column, Table

__all__ = ["DOCTOR_COLUMNS", "command"]

DOCTOR_COLUMNS = {
    "part": Column("text", "what it belongs to: versions, extras, machine, device, data, ..."),
    "item": Column("text", "what it is"),
    "found": Column("text", "what was found"),
    "ok": Column("flag", "whether it will do; empty where that is no question"),
    "advice": Column("text", "what helps where it will not do, or is not there"),
}


@click.command("doctor")
@format_option
@output_option("Write the rows here.")
@overwrite_option
@quiet_option
def command(format_: str | None, output: str | None, overwrite: bool, quiet: bool) -> None:
    """Describe this machine and what is installed, for a report of a bug.

    One row a thing: versions, extras, cores, memory, devices that torch sees, the data folder and
    what is in it, folders and room in them, the terminal. Each library is imported, which takes
    some seconds. Nothing is changed and nothing is sent. The home folder is written as ~; of
    variables that may hold a password it is only said that they are set.

    Exit status: 0, whatever was found; the column ok says what will not do.

    \b
    Example:
      maskstat doctor
      maskstat doctor --format json > doctor.json
    """
    findings = list(examine())
    table = Table(
        schema="maskstat.doctor/1",
        columns=DOCTOR_COLUMNS,
        data={name: [getattr(one, name) for one in findings] for name in DOCTOR_COLUMNS},
        inputs=[],
    )
    emit(table, format_=format_, output=output, overwrite=overwrite)
    bad = [f"{one.item}: {one.found}" for one in findings if one.ok is False]
    for line in bad:
        note(f"Warning: {line}")
