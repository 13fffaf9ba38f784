"""``maskstat doctor``."""

from __future__ import annotations

import click

from maskstat.cli.rows import Rows, row_options
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
@row_options()
def command(rows: Rows) -> None:
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
    bad = [one for one in findings if one.ok is False]
    rows.emit(table, notes=[f"Warning: {one.item}: {one.found}" for one in bad])
