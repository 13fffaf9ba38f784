"""The only place that prints rows: a table, tsv, csv, json or jsonl."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from maskstat import __version__
from maskstat.errors import printable
from maskstat.table import Cell, Table

__all__ = ["emit", "gated", "render", "save_bytes"]

MISSING = "-"

EXPENDABLE = (
    "log10_q", "log10_se", "high95", "low95", "expected_shared", "sd", "se", "null", "shape",
    "dead_outputs", "untestable", "layers", "iteration_b", "iteration_a", "lift", "kept_b",
    "kept_a", "expected_jaccard", "validation_accuracy", "z", "sparsity", "share", "size",
    "expected",
)  # fmt: skip
"""Columns that a narrow terminal does without, in this order."""


def emit(
    table: Table,
    *,
    format_: str | None,
    output: str | None = None,
    overwrite: bool = False,
    hidden: Sequence[str] = (),
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

    Raises
    ------
    OutputExistsError
        The file exists.
    """
    to_stdout = output is None or output == "-"
    if format_ is None:
        format_ = "table" if to_stdout and sys.stdout.isatty() else "tsv"
    if format_ == "table" and to_stdout:
        _print_table(table, hidden)
        return
    text = render(table, format_, hidden=hidden)
    if to_stdout:
        sys.stdout.write(text)
    else:
        assert output is not None
        save_bytes(output, text.encode(), overwrite=overwrite)


@contextmanager
def gated(table: Table, conditions: Sequence[str]) -> Iterator[None]:
    """Read ``--fail-if`` conditions before anything is written, and check the rows after it."""
    if not conditions:
        yield
        return
    from maskstat.cli.gates import enforce, read_gates

    gates = read_gates(table, conditions)
    yield
    enforce(gates, table)


def render(table: Table, format_: str, *, hidden: Sequence[str] = ()) -> str:
    """Return the table as text in one of the formats, a final newline included."""
    if format_ == "json":
        document = {"schema": table.schema, "maskstat": __version__, **table.to_dict()}
        return json.dumps(document, indent=1, allow_nan=False) + "\n"
    if format_ == "jsonl":
        return "".join(json.dumps(row, allow_nan=False) + "\n" for row in table)
    if format_ == "table":
        return _table_text(table, hidden, width=None)
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
    from maskstat.archive.publish import publication

    with publication(path, overwrite=overwrite) as temporary:
        temporary.write(content)


def _exact(value: Cell) -> str:
    """Shortest text that reads back as the same value; nothing for what does not exist."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else printable(str(value))


def _table_text(table: Table, hidden: Sequence[str], width: int | None) -> str:
    """Return the table for people without colour, as wide as it needs to be."""
    from rich.console import Console

    stream = io.StringIO()
    caption, laid_out = _laid_out(table, hidden, width)
    console = Console(file=stream, width=10_000)
    if caption:
        console.print(caption, markup=False, highlight=False)
    console.print(laid_out)
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())


def _print_table(table: Table, hidden: Sequence[str]) -> None:
    from rich.console import Console

    console = Console(file=sys.stdout)
    if not console.is_terminal:
        sys.stdout.write(_table_text(table, hidden, width=None))
        return
    caption, laid_out = _laid_out(table, hidden, console.width)
    if caption:
        console.print(caption, markup=False, highlight=False)
    console.print(laid_out)


def _laid_out(table: Table, hidden: Sequence[str], width: int | None) -> tuple[str, Any]:
    """Lay out what a person reads: what is the same in every row once, above; rounded numbers.

    Columns that do not fit the width are left out from the end of what `hidden` leaves, after the
    first numbers; the caption names them.
    """
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    cells = {
        name: [_readable(value) for value in table.column(name)]
        for name in table.data
        if name not in hidden
    }
    constant = {
        name: values[0]
        for name, values in cells.items()
        if len(set(values)) == 1 and len(values) > 1 and _is_label(table, name)
    }
    names = [
        name
        for name, values in cells.items()
        if not values or (name not in constant and set(values) - {MISSING})
    ]
    left_out = _too_wide(names, cells, width)
    names = [name for name in names if name not in left_out]
    caption = "   ".join(
        f"{name.replace('_', ' ')}: {value}"
        for name, value in constant.items()
        if value not in (MISSING, "")
    )
    if left_out:
        caption += f"\nleft out here: {', '.join(left_out)} (--format tsv has every column)"
    laid_out = RichTable(box=box.SIMPLE_HEAD)
    for name in names:
        numeric = table.columns[name].kind in ("integer", "number")
        laid_out.add_column(
            name.replace("_", "\n"),
            justify="right" if numeric else "left",
            vertical="bottom",
            # A number that is cut is another number: let the line run over the edge instead.
            min_width=max(map(len, cells[name]), default=0) if numeric else None,
            no_wrap=numeric,
        )
    layers = table.data.get("layer", ())
    for index in range(len(table)):
        style = "bold" if len(layers) and layers[index] == "total" else ""
        laid_out.add_row(*(Text(cells[name][index], style=style) for name in names))
    return caption.strip(), laid_out


def _is_label(table: Table, name: str) -> bool:
    """Tell whether a column says what a row is rather than what was found."""
    return name != "layer" and (table.columns[name].kind == "text" or name.startswith("iteration"))


def _too_wide(names: Sequence[str], cells: dict[str, list[str]], width: int | None) -> list[str]:
    """Choose the columns to leave out, the least asked for first."""
    if width is None:
        return []

    def needed(kept: Sequence[str]) -> int:
        words = (max(name.split("_"), key=len) for name in kept)
        return 2 + sum(
            3 + max([len(word), *map(len, cells[name])])
            for name, word in zip(kept, words, strict=True)
        )

    kept = list(names)
    left_out: list[str] = []
    for name in EXPENDABLE:
        if needed(kept) <= width:
            break
        if name in kept:
            kept.remove(name)
            left_out.append(name)
    return left_out


def _readable(value: Cell) -> str:
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return _readable_float(value)
    return printable(value)


def _readable_float(value: float) -> str:
    size = abs(value)
    if value == 0:
        return "0"
    if size < 1e-4 or size >= 1e7:
        return f"{value:.3g}"
    if size >= 1000:
        return f"{value:,.1f}"
    return f"{value:.4g}"
