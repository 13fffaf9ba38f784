"""A kind of figure as a command: what every kind takes, and where the figure goes."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from maskstat.cli.options import overwrite_option, quiet_option, sources_argument
from maskstat.cli.report import note
from maskstat.errors import UsageError, printable

if TYPE_CHECKING:
    from maskstat.figures.style import Figure
    from maskstat.run import Run

__all__ = ["Found", "figure_command"]

Found: TypeAlias = "list[tuple[Run, int | None]]"
"""Runs that were named, each with the iteration that its address names."""

_FORMATS = ("png", "svg", "pdf")


def figure_command(name: str) -> Callable[[Callable[..., Figure]], click.Command]:
    """Make a kind of figure of a function that draws it.

    The kind takes files, ``--output``, ``--overwrite`` and ``--quiet``, and the function's own
    options, ``--select`` among them.

    Parameters
    ----------
    name
        Of the kind.

    Returns
    -------
    callable
        Decorates the function, which is given the runs that were named and selected, then the
        values of its options by name, and returns the figure.
    """

    def decorate(draw: Callable[..., Figure]) -> click.Command:
        @wraps(draw)
        def run(
            sources: tuple[str, ...],
            output: str,
            select: str | None,
            overwrite: bool,
            **options: Any,
        ) -> None:
            from maskstat.cli.inputs import load

            figure = draw(load(sources, select), **options)
            _save(figure, output, overwrite=overwrite)

        kind: click.Command = click.command(name)(sources_argument(_output_option(run)))
        for last in (overwrite_option, quiet_option):
            last(kind)
        return kind

    return decorate


def _checked(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Refuse before any work what could not be written after it."""
    if value != "-":
        _format_of(value)
    elif sys.stdout.isatty():
        raise UsageError(
            "a figure is binary",
            code="binary-to-terminal",
            place="--output",
            consequence="a terminal cannot show it",
            hint="-o figure.png, or a pipe",
        )
    return value


def _format_of(output: str) -> Any:
    suffix = "png" if output == "-" else PurePath(output).suffix[1:].lower()
    if suffix not in _FORMATS:
        raise UsageError(
            f"the name ends in '.{printable(suffix)}'" if suffix else "the name has no ending",
            code="unknown-figure-format",
            place=output,
            consequence="a figure ends in .png, .svg or .pdf",
            hint=f"-o {PurePath(output).stem or 'figure'}.png",
        )
    return suffix


_output_option = click.option(
    "-o",
    "--output",
    required=True,
    metavar="FIGURE|-",
    callback=_checked,
    help="Write the figure here: .png, .svg or .pdf. '-' is a PNG on standard output.",
)


def _save(figure: Figure, output: str, *, overwrite: bool) -> None:
    """Write a figure to a path, whole or not at all, or to standard output for ``-``."""
    from maskstat.cli.output import save_bytes
    from maskstat.figures.style import save

    stream = io.BytesIO()
    save(figure, stream, format_=_format_of(output))
    title = figure.get_suptitle()
    if output == "-":
        sys.stdout.buffer.write(stream.getvalue())
        note(title)
    else:
        save_bytes(output, stream.getvalue(), overwrite=overwrite)
        note(f"{title} -> {output}")
