"""``maskstat verify``."""

from __future__ import annotations

import click

from maskstat.archive.verify import Verification, verify
from maskstat.cli.report import report
from maskstat.cli.rows import Rows, row_options
from maskstat.convert.address import Address
from maskstat.convert.read import standard_input
from maskstat.errors import MaskstatError, UsageError
from maskstat.table import Column, Table

__all__ = ["VERIFY_COLUMNS", "command"]

VERIFY_COLUMNS = {
    "place": Column("text", "the file, a run in it, or one iteration"),
    "check": Column("text", "what was checked"),
    "ok": Column("flag", "whether all was well"),
    "detail": Column("text", "what was checked, or what is wrong"),
    "code": Column("text", "the error's slug; empty where all was well"),
}


@click.command("verify")
@click.argument("sources", nargs=-1, required=True, metavar="FILE...")
@row_options()
def command(
    sources: tuple[str, ...],
    rows: Rows,
) -> None:
    """Check everything about archives that can be checked.

    Reads every byte that a reader uses, and changes nothing: structure, digests of masks and
    arrays, padding, counts, and whether each mask is inside the one before. One row a check.

    Exit status: 1 if a check finds something; 3 if a file is no archive, or unsafe to read. The
    other files are checked all the same.

    \b
    Example:
      maskstat verify run.h5
      maskstat verify *.h5 --format json
    """
    found: list[Verification] = []
    status = 0
    for source in sources:
        try:
            found.append(_verified(Address.find(source), source))
        except MaskstatError as error:  # the other files are checked all the same
            report(error)
            status = max(status, error.exit_status)
    checks = [check for verification in found for check in verification.rows()]
    table = Table(
        schema="maskstat.verify/1",
        columns=VERIFY_COLUMNS,
        data={name: [check[name] for check in checks] for name in VERIFY_COLUMNS},
        inputs=[{"path": one.path, "digest": one.content_digest or None} for one in found],
    )
    rows.emit(table)
    if status or not all(verification.ok for verification in found):
        click.get_current_context().exit(status or 1)


def _verified(address: Address, source: str) -> Verification:
    if address != Address(address.path):
        raise UsageError(
            "it names a part of a file, and files are checked whole",
            code="whole-file",
            place=source,
            hint=f"maskstat verify {address.path}",
        )
    return verify(standard_input() if address.path == "-" else address.path)
