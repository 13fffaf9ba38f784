"""The group of commands: loads each one when it is used, and turns errors into exit statuses."""

from __future__ import annotations

import atexit
import errno
import gc
import importlib
import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from maskstat import __version__
from maskstat.cli.common import furnish
from maskstat.cli.streams import prepare_streams

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["COMMANDS", "MaskstatGroup", "cli", "main"]

COMMANDS = {
    "prune": "Train and prune a network, and store its masks.",
    "compare": "Compare masks: overlap, what chance gives, significance.",
    "consensus": "Count in how many masks each weight is kept; make the consensus ticket.",
    "correlate": "Correlate the ranks of initial and final weights.",
    "outputs": "Compare what networks compute: their outputs on the same examples.",
    "connectivity": "Count kept weights that still have an effect, and dead units.",
    "weights": "Describe the initial weights of tickets and of their consensus.",
    "retrain": "Train tickets from their initial weights on any tasks.",
    "convert": "Read masks in whatever format they are, and write them in another.",
    "info": "Show what a run holds: layers, sparsity, accuracy, where it comes from.",
    "list": "List the runs in archives.",
    "merge": "Pack runs into one archive; each keeps its digest.",
    "verify": "Check everything about archives that can be checked.",
    "upgrade": "Bring archives to the current version of the format.",
    "plot": "Draw a figure from archives.",
    "reproduce": "Run a paper's sweeps, draw its figures, and set our numbers beside its own.",
    "doctor": "Describe this machine and what is installed, for a report of a bug.",
}
"""Command name to its first line of help; the module of a command has its name."""

EXIT_BUG = 70
EXIT_INTERRUPTED = 128 + signal.SIGINT
EXIT_BROKEN_PIPE = 128 + signal.SIGPIPE
EXIT_TERMINATED = 128 + signal.SIGTERM

HELP_SETTINGS = {"help_option_names": ["-h", "--help"]}


class MaskstatGroup(click.Group):
    """A group whose commands are imported when they run, and whose errors have exit statuses."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names, in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"maskstat.cli.{cmd_name}")
        gc.freeze()
        gc.enable()
        command: click.Command = module.command
        return furnish(command)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the commands without importing them."""
        from click.shell_completion import CompletionItem

        named = [
            CompletionItem(name, help=text)
            for name, text in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return [*named, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which is nearest."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from maskstat.errors import closest, printable

            ctx.fail(f"there is no command '{printable(name)}'; {closest(name, COMMANDS)}")
        return super().resolve_command(ctx, args)

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Read the options; --help and --version are results, which may not be writable."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except OSError as error:
            raise click.exceptions.Exit(_explain(error)) from None

    def _written(self, ctx: click.Context) -> Any:
        """Run the command, and have what it wrote leave the buffer, where that can fail."""
        try:
            result = super().invoke(ctx)
        except click.exceptions.Exit:
            sys.stdout.flush()
            raise
        sys.stdout.flush()
        return result

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; every way it can end has its exit status."""
        try:
            result = self._written(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(EXIT_INTERRUPTED)
        except Exception as error:
            ctx.exit(_explain(error))
        return result


def _explain(error: Exception) -> int:
    """Say what went wrong, if anybody listens, and return the exit status that it has."""
    try:
        return _explained(error)
    except BrokenPipeError:
        return EXIT_BROKEN_PIPE


def _explained(error: Exception) -> int:
    """Say what went wrong on standard error, and return the exit status that it has."""
    from maskstat.cli.report import report
    from maskstat.errors import MaskstatError, StorageError

    if isinstance(error, MaskstatError):
        report(error)
        return error.exit_status
    if isinstance(error, OSError):
        _silence(sys.stdout)
        if isinstance(error, BrokenPipeError):
            return EXIT_BROKEN_PIPE
        unwritten = error.filename is None and error.errno in (errno.ENOSPC, errno.EBADF)
        closed = unwritten and error.errno == errno.EBADF
        failure = StorageError(
            "it is closed" if closed else error.strerror or str(error),
            code="os-error",
            place="standard output" if unwritten else str(error.filename or ""),
            consequence="the result could not be written" if unwritten else "",
        )
        report(failure)
        return failure.exit_status
    import traceback

    traceback.print_exception(error)
    click.echo(
        f"This is a bug in maskstat {__version__}: please report it with the lines above.", err=True
    )
    return EXIT_BUG


def _silence(stream: Any) -> None:
    """Point a stream that cannot be written at nothing, so that closing it stays quiet."""
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)
    except (OSError, ValueError):
        return


class Terminated(BaseException):
    """SIGTERM came; no SystemExit, which a user's own model may raise and which ends a run only."""


def _terminate(signum: int, frame: FrameType | None) -> NoReturn:
    """Leave by an exception, so that temporary files are removed on the way out."""
    raise Terminated


@click.group(cls=MaskstatGroup, context_settings=HELP_SETTINGS)
@click.version_option(__version__, "-V", "--version", message="maskstat %(version)s")
def cli() -> None:
    """Ask which weights pruning kept, and whether that is more alike than chance.

    Masks are addressed as FILE, FILE::RUN, FILE@ITERATION or FILE::RUN@ITERATION; '-' is standard
    input or output. Results go to standard output: a table on a terminal, tab-separated into a
    pipe, or what --format says.

    Exit status: 0 done; 1 a condition that was asked for is not met; 2 usage; 3 bad input;
    4 environment (output exists, permission, missing extra); 5 training failed; 70 a bug.

    \b
    Example:
      maskstat prune -o a.h5
      maskstat prune --vary order --run 1 -o b.h5
      maskstat compare a.h5 b.h5

    \b
    Completion, in the start-up file:
      bash  eval "$(_MASKSTAT_COMPLETE=bash_source maskstat)"
      zsh   eval "$(_MASKSTAT_COMPLETE=zsh_source maskstat)"
      fish  _MASKSTAT_COMPLETE=fish_source maskstat | source
    """


furnish(cli)


def main() -> NoReturn:
    """Run the command line, and leave without taking numpy and HDF5 apart object by object."""
    signal.signal(signal.SIGTERM, _terminate)
    prepare_streams()
    try:
        cli.main(prog_name="maskstat", terminal_width=_width())
    except SystemExit as done:
        status = done.code if isinstance(done.code, int) else int(done.code is not None)
    except Terminated:
        status = EXIT_TERMINATED
    except BrokenPipeError:  # nobody reads what was wrong with the command
        status = EXIT_BROKEN_PIPE
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            status = status or EXIT_BROKEN_PIPE
    os._exit(status)


def _width() -> int:
    """Return the width to wrap help to; click would load shutil and with it all compressors."""
    try:
        columns = int(os.environ.get("COLUMNS", 0)) or os.get_terminal_size().columns
    except (OSError, ValueError):
        columns = 80
    return max(40, min(columns, 100))
