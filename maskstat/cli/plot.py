"""``maskstat plot``: the group of the kinds of figures."""

from __future__ import annotations

import importlib
import logging
import pkgutil

import click

from maskstat.cli import plots
from maskstat.cli.common import furnish
from maskstat.errors import closest, printable

__all__ = ["command"]


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
