"""Files: figures, tables and pages, each written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from maskstat.archive.publish import made_folder, publication
from maskstat.errors import InputError, OutputExistsError
from maskstat.table import Table

if TYPE_CHECKING:
    from maskstat.figures.style import Figure

__all__ = ["claim_folder", "csv_bytes", "figure_bytes", "publish"]

_MARK = "reproduction.json"


def publish(path: Path, content: bytes) -> None:
    """Write a file in place of whatever has its name."""
    with publication(path, overwrite=True) as temporary:
        temporary.write(content)


def claim_folder(folder: Path, *, paper: str, scale: str) -> None:
    """Say in a folder what it is for, or raise if it is for something else.

    Raises
    ------
    OutputExistsError
        Another paper or scale is there.
    """
    mark, wanted = folder / _MARK, {"paper": paper, "scale": scale}
    made_folder(folder)
    if mark.exists():
        found = _read_mark(mark)
        if found != wanted:
            raise OutputExistsError(
                f"it holds {found.get('paper')} at scale {found.get('scale')}",
                code="output-exists",
                place=str(folder),
                consequence="its runs would be taken for those of another recipe",
                hint="another --output",
            )
        return
    publish(mark, json.dumps(wanted, indent=1).encode() + b"\n")


def _read_mark(mark: Path) -> dict[str, Any]:
    try:
        found = json.loads(mark.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read: {error}", code="unreadable", place=str(mark)) from error
    return found if isinstance(found, dict) else {}


def csv_bytes(table: Table) -> bytes:
    """Write a table as CSV: a header, numbers in shortest form, nothing for what is missing."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(table.data)
    for row in table:
        writer.writerow(["" if value is None else value for value in row.values()])
    return stream.getvalue().encode()


def figure_bytes(figure: Figure, format_: Literal["png", "svg"]) -> bytes:
    """Write a figure; the same figure gives the same bytes."""
    from maskstat.figures.style import save

    stream = io.BytesIO()
    save(figure, stream, format_=format_)
    return stream.getvalue()
