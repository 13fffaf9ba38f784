"""What every command has that its own module does not say."""

from __future__ import annotations

import click

from maskstat.cli.color import color_option
from maskstat.cli.completion import complete_values
from maskstat.cli.help import Context

__all__ = ["furnish"]


def furnish(command: click.Command) -> click.Command:
    """Give a command ``--color``, help that folds its examples, and completion of its values.

    Parameters
    ----------
    command
        A command or kind of figure; given all of it once, however often it is passed.
    """
    if command.context_class is not Context:
        command.context_class = Context
        command.params.append(color_option())
        complete_values(command)
    return command
