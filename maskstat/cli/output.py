"""The only place that prints rows: a table, tsv, csv, json or jsonl."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Sequence
from typing import Any

from maskstat import __version__
from maskstat.table import Cell, Table

__all__ = ["emit", "render", "save_bytes"]


def emit(
    table: Table,
    *,
    format_: str | None,
    output: str | None = None,
    overwrite: bool = False,
    hidden: Sequence[str] = (),
    title: str = "",
) -> None:
    """Print a table on standard output, or write it to a file.

    Parameters
    ----------
    table
        What to print.
    format_
        One of the formats; None takes a table on a terminal and tsv elsewhere.
    output
        A path; None or ``-`` is standard output.
    overwrite
        Replace an existing file.
    hidden
        Columns that the terminal's table leaves out; the other formats have every column.
    title
        Heading of the terminal's table.

    Raises
    ------
    OutputExistsError
        The file exists.
    """
    to_stdout = output is None or output == "-"
    if format_ is None:
        format_ = "table" if to_stdout and sys.stdout.isatty() else "tsv"
    if format_ == "table" and to_stdout:
        _print_table(table, hidden, title)
        return
    text = render(table, format_, hidden=hidden, title=title)
    if to_stdout:
        sys.stdout.write(text)
    else:
        assert output is not None
        save_bytes(output, text.encode(), overwrite=overwrite)


def render(table: Table, format_: str, *, hidden: Sequence[str] = (), title: str = "") -> str:
    """Return the table as text in one of the formats, a final newline included."""
    if format_ == "json":
        document = {"schema": table.schema, "maskstat": __version__, **table.to_dict()}
        return json.dumps(document, indent=1, allow_nan=False) + "\n"
    if format_ == "jsonl":
        return "".join(json.dumps(row, allow_nan=False) + "\n" for row in table)
    if format_ == "table":
        from rich.console import Console

        stream = io.StringIO()
        Console(file=stream, width=160).print(_rich_table(table, hidden, title))
        return stream.getvalue()
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter="\t" if format_ == "tsv" else ",", lineterminator="\n")
    writer.writerow(table.data)
    for row in table:
        writer.writerow([_exact(value) for value in row.values()])
    return stream.getvalue()


def save_bytes(path: str, content: bytes, *, overwrite: bool) -> None:
    """Write a file whole or not at all, through the archive's publisher.

    Raises
    ------
    OutputExistsError
        The file exists and `overwrite` is not set.
    """
    from maskstat.archive import publish

    publish(path, content, overwrite=overwrite)


def _exact(value: Cell) -> str:
    """Shortest text that reads back as the same value; nothing for what does not exist."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def _print_table(table: Table, hidden: Sequence[str], title: str) -> None:
    from rich.console import Console

    console = Console(file=sys.stdout)
    console.print(_rich_table(table, hidden, title))


def _rich_table(table: Table, hidden: Sequence[str], title: str) -> Any:
    """Lay out what a person reads: rounded numbers, thousands apart, totals in bold."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    names = [name for name in table.data if name not in hidden]
    kinds = {name: table.columns[name].kind for name in names}
    laid_out = RichTable(box=box.SIMPLE_HEAD, title=title or None, title_justify="left")
    for name in names:
        numeric = kinds[name] in ("integer", "number")
        laid_out.add_column(
            name.replace("_", " "), justify="right" if numeric else "left", overflow="fold"
        )
    for row in table:
        style = "bold" if row.get("layer") == "total" else ""
        laid_out.add_row(*(Text(_readable(row[name]), style=style) for name in names))
    return laid_out


def _readable(value: Cell) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return _readable_float(value)
    return value


def _readable_float(value: float) -> str:
    size = abs(value)
    if value == 0:
        return "0"
    if size < 1e-4 or size >= 1e7:
        return f"{value:.3g}"
    if size >= 1000:
        return f"{value:,.1f}"
    return f"{value:.4g}"
