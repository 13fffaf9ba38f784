"""``maskstat convert``."""

from __future__ import annotations

import click

from maskstat.cli.names import complete_formats_written
from maskstat.cli.options import foreign_options, overwrite_option, quiet_option
from maskstat.cli.report import counted, note
from maskstat.convert import convert
from maskstat.convert.out.write import WRITABLE
from maskstat.convert.registry import FORMATS
from maskstat.errors import UsageError

__all__ = ["command"]


class _Command(click.Command):
    """Lists the formats below its options."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what is read and written."""
        with formatter.section("Read (--from)"):
            rows = [(one.name, one.description) for one in FORMATS]
            formatter.write_dl([("maskstat", "archives"), *rows])
        with formatter.section("Written (--to)"):
            formatter.write_dl([("archive", "an archive, with every iteration"), *WRITABLE.items()])


@click.command("convert", cls=_Command)
@click.argument("source", metavar="SRC")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="PATH",
    help="The file to write; a folder for a checkpoint in shards.",
)
@click.option(
    "--to",
    metavar="FORMAT",
    shell_complete=complete_formats_written,
    help="Format to write.  [default: archive, if PATH ends in .h5]",
)
@click.option(
    "--checkpoint",
    metavar="FILE|DIR",
    help="Weights to put the mask on, where FORMAT has weights.  [default: the run's own]",
)
@foreign_options
@overwrite_option
@quiet_option
@click.pass_context
def command(
    ctx: click.Context,
    source: str,
    output: str,
    to: str | None,
    checkpoint: str | None,
    overwrite: bool,
) -> None:
    """Read masks in whatever format they are, and write them in another.

    What SRC is, a file or a folder, is told by its content, never by its name. Every command that
    takes archives reads the same formats in place. What could not be matched is said, never skipped
    in silence; nothing is ever unpickled as code.

    \b
    Example:
      maskstat convert lottery_1234/ -o lottery.h5
      maskstat convert model/ --from zeros --include '*proj*' -o mask.h5
      maskstat convert run.h5@12 -o pruned.pth --to torch-prune
      maskstat convert mask.h5 --to zeros --checkpoint model.safetensors -o sparse.safetensors
    """
    if output == "-":
        raise UsageError(
            "it is standard output",
            code="bad-output",
            place="--output",
            consequence="some formats are not one stream, so that convert writes files alone",
            hint="-o masks.h5; maskstat merge FILE -o - sends an archive",
        )
    written = convert(
        source,
        output,
        format=ctx.meta["maskstat.from"],
        to=to,
        include=ctx.meta["maskstat.include"],
        exclude=ctx.meta["maskstat.exclude"],
        checkpoint=checkpoint,
        overwrite=overwrite,
    )
    for line in written.notes:
        note(line)
    note(
        f"{output}: {written.format}, {counted(written.n_layers, 'layer')}, {written.n_kept:,} of "
        f"{written.n_weights:,} weights kept"
    )
