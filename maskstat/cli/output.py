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
from maskstat.cli.color import colored
from maskstat.errors import printable
from maskstat.table import Cell, Table, readable

__all__ = ["emit", "gated", "render", "save_bytes"]

MISSING = "-"

EXPENDABLE = (
    "log10_q", "log10_se", "high95", "low95", "expected_shared", "sd", "se", "null", "shape",
    "dead_outputs", "untestable", "layers", "iteration_b", "iteration_a", "lift", "kept_b",
    "kept_a", "expected_jaccard", "validation_accuracy", "z", "sparsity", "share", "size",
    "expected", "replicate", "kept", "shared",
)  # fmt: skip
"""Columns that a narrow terminal does without, in this order."""

SECONDARY = ("advice", "part")
"""Columns of text that go rather than have all text folded into slips."""
COMFORTABLE, NARROW = 32, 8
"""Characters of text in a column before it is folded: rather than more columns, and at all."""


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


def _print_table(table: Table, hidden: Sequence[str]) -> None:
    """Print the table on standard output: to the terminal's width, else as wide as it needs."""
    width = None
    if sys.stdout.isatty():
        from rich.console import Console

        width = Console().width
    text = _table_text(table, hidden, width=width, color=colored(sys.stdout))
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = text.replace("─", "-")
    sys.stdout.write(text)


def _table_text(
    table: Table, hidden: Sequence[str], *, width: int | None, color: bool = False
) -> str:
    """Return the table for people; None is as wide as it needs to be."""
    from rich.console import Console

    stream = io.StringIO()
    caption, laid_out = _laid_out(table, hidden, width)
    least = sum(3 + (column.min_width or 0) for column in laid_out.columns) + 1
    console = Console(
        file=stream,
        width=max(width, least) if width else 10_000,
        force_terminal=color,
        color_system="standard" if color else None,
    )
    if caption:
        console.print(caption, markup=False, highlight=False, width=width)
    console.print(laid_out)
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())


def _laid_out(table: Table, hidden: Sequence[str], width: int | None) -> tuple[str, Any]:
    """Lay out what a person reads: what is the same in every row once, above; rounded numbers.

    Columns that do not fit the width are left out and named in the caption.
    """
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    cells = {
        name: [readable(value) for value in table.column(name)]
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
    left_out = _too_wide(table, cells, names, width)
    names = [name for name in names if name not in left_out]
    deep = max((name.count("_") for name in names), default=0)
    caption = "   ".join(
        f"{name.replace('_', ' ')}: {value}"
        for name, value in constant.items()
        if value not in (MISSING, "")
    )
    if left_out:
        caption += f"\nleft out here: {', '.join(left_out)} (--format tsv has every column)"
    laid_out = RichTable(box=box.SIMPLE_HEAD)
    for name in names:
        numeric = _is_number(table, name)
        laid_out.add_column(
            "\n" * (deep - name.count("_")) + name.replace("_", "\n"),
            justify="right" if numeric else "left",
            # A number that is cut is another number: let the line run over the edge instead.
            min_width=_least_width(table, name, cells[name], fold=NARROW),
            no_wrap=numeric,
            overflow="fold",
        )
    layers = table.data.get("layer", ())
    for index in range(len(table)):
        style = "bold" if len(layers) and layers[index] == "total" else ""
        laid_out.add_row(*(Text(cells[name][index], style=style) for name in names))
    return caption.strip(), laid_out


def _is_label(table: Table, name: str) -> bool:
    """Tell whether a column says what a row is rather than what was found."""
    return name != "layer" and (table.columns[name].kind == "text" or name.startswith("iteration"))


def _is_number(table: Table, name: str) -> bool:
    return table.columns[name].kind in ("integer", "number")


def _least_width(table: Table, name: str, cells: Sequence[str], *, fold: int) -> int:
    """Return the characters that a column takes where text longer than `fold` is folded."""
    longest = max(map(len, cells), default=0)
    if not _is_number(table, name):
        longest = min(longest, fold)
    return max(longest, *map(len, name.split("_")))


def _too_wide(
    table: Table, cells: dict[str, list[str]], names: Sequence[str], width: int | None
) -> list[str]:
    """Choose the columns to leave out, the least asked for first, then the last numbers."""
    if width is None:
        return []

    def fits(kept: Sequence[str], fold: int) -> bool:
        widths = (_least_width(table, name, cells[name], fold=fold) for name in kept)
        return sum(3 + one for one in widths) + 1 <= width

    kept = list(names)
    for name in EXPENDABLE:
        if fits(kept, COMFORTABLE):
            break
        if name in kept:
            kept.remove(name)
    for name in SECONDARY:
        if name in kept and not fits(kept, COMFORTABLE // 2):
            kept.remove(name)
    numbers = [name for name in kept if _is_number(table, name)]
    for name in reversed(numbers[1:]):
        if fits(kept, NARROW):
            break
        kept.remove(name)
    return [name for name in names if name not in kept]
