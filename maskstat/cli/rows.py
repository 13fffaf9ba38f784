"""What every command that prints rows takes, and the way its rows go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any

from maskstat.cli.options import (
    Decorator,
    fail_if_option,
    format_option,
    in_order,
    output_option,
    overwrite_option,
    quiet_option,
    verbose_option,
)
from maskstat.cli.output import emit, gated
from maskstat.cli.report import note
from maskstat.table import Table

__all__ = ["Rows", "row_options"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What the options of `row_options` were given.

    Parameters
    ----------
    format_, output, overwrite
        As `maskstat.cli.output.emit` takes them.
    verbose
        Whether a terminal's table has every column.
    fail_if
        Conditions that end the command with status 1.
    """

    format_: str | None
    output: str | None
    overwrite: bool
    verbose: bool = False
    fail_if: tuple[str, ...] = ()

    def emit(self, table: Table, *, seldom: Sequence[str] = (), notes: Iterable[str] = ()) -> None:
        """Print the rows or write them to a file, say notes on them, and check conditions.

        Parameters
        ----------
        table
            The rows.
        seldom
            Columns that a terminal's table has only where ``--verbose`` is given.
        notes
            Said on standard error after the rows.
        """
        with gated(table, self.fail_if):
            emit(
                table,
                format_=self.format_,
                output=self.output,
                overwrite=self.overwrite,
                hidden=() if self.verbose else seldom,
            )
            for text in notes:
                note(text)


def row_options(*, fail_if: str = "", verbose: bool = False) -> Decorator:
    """Add ``--format``, ``--output``, ``--overwrite`` and ``--quiet``, passed as one `Rows`.

    Parameters
    ----------
    fail_if
        An example of a condition on the rows; without one there is no ``--fail-if``.
    verbose
        Whether there is ``--verbose``.
    """
    options = in_order(
        *([fail_if_option(fail_if)] if fail_if else []),
        format_option,
        output_option("Write the rows here."),
        overwrite_option,
        *([verbose_option] if verbose else []),
        quiet_option,
    )
    names = {field.name for field in fields(Rows)}

    def decorate(command: Callable[..., Any]) -> Any:
        @wraps(command)
        def run(**given: Any) -> Any:
            rows = Rows(**{name: given.pop(name) for name in names & given.keys()})
            return command(rows=rows, **given)

        return options(run)

    return decorate
