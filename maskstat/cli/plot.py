"""``maskstat plot``: the group of figures, and where a figure goes."""

from __future__ import annotations

import importlib
import io
import logging
import pkgutil
import sys
from collections.abc import Callable
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from maskstat.cli import plots
from maskstat.cli.common import furnish
from maskstat.cli.report import note
from maskstat.errors import UsageError, closest, printable

if TYPE_CHECKING:
    from maskstat.figures.style import Figure

__all__ = [
    "command",
    "figure_option",
    "save_figure",
]

Decorator: TypeAlias = Callable[[Any], Any]

_FORMATS = ("png", "svg", "pdf")


class _Kinds(click.Group):
    """Every module of `maskstat.cli.plots` is a kind of figure."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the kinds by name."""
        return sorted(m.name.replace("_", "-") for m in pkgutil.iter_modules(plots.__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one kind."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"{plots.__name__}.{cmd_name.replace('-', '_')}")
        kind: click.Command = module.command
        return furnish(kind)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the kinds."""
        kinds = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        with formatter.section("Kinds"):
            formatter.write_dl(
                [(name, kind.get_short_help_str(90)) for name, kind in kinds.items() if kind]
            )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the kind, or say which there are."""
        kinds = self.list_commands(ctx)
        if args[0] not in kinds and not args[0].startswith("-"):
            there_are = closest(args[0], kinds, limit=len(kinds))
            ctx.fail(f"there is no figure '{printable(args[0])}'; {there_are}")
        return super().resolve_command(ctx, args)


@click.command("plot", cls=_Kinds, subcommand_metavar="KIND FILE... -o FIGURE")
def command() -> None:
    """Draw a figure from archives.

    The figure's file name ends in .png (300 dots an inch), .svg or .pdf; '-' is a PNG on standard
    output. The same archives give the same bytes. 'maskstat plot KIND --help' shows the options
    of a kind.

    \b
    Example:
      maskstat plot distance runs/*.h5 -o distance.pdf
      maskstat plot heatmap runs/*.h5 --iteration 6 -o iteration6.svg
      maskstat plot votes tickets/*.h5 --threshold 0.6 -o votes.png
    """
    # matplotlib's talk of building its cache of fonts would not keep to --quiet.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)


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


figure_option: Decorator = click.option(
    "-o",
    "--output",
    required=True,
    metavar="FIGURE|-",
    callback=_checked,
    help="Write the figure here: .png, .svg or .pdf. '-' is a PNG on standard output.",
)


def save_figure(figure: Figure, output: str, *, overwrite: bool) -> None:
    """Write a figure to a path, whole or not at all, or to standard output for ``-``.

    Raises
    ------
    OutputExistsError
        The file exists and `overwrite` is not set.
    """
    from maskstat.cli.output import save_bytes
    from maskstat.figures.style import save

    stream = io.BytesIO()
    save(figure, stream, format_=_format_of(output))
    title = printable(figure.get_suptitle())
    if output == "-":
        sys.stdout.buffer.write(stream.getvalue())
        note(title)
    else:
        save_bytes(output, stream.getvalue(), overwrite=overwrite)
        note(f"{title} -> {output}")
