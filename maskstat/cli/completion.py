"""What the shell completes after an option or as an argument: files, and words from the help."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["complete_values"]

_FILE = re.compile(r"\b(FILE|PATH|SRC|TICKET|FIGURE)\b")
_FOLDER = re.compile(r"\bDIR\b")
_WORD = re.compile(r"[a-z][a-z0-9-]*", re.ASCII)


class _Text(click.types.StringParamType):
    """Any text, of which the shell knows some."""

    def __init__(self, metavar: str) -> None:
        self._metavar = metavar

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer files and folders where the help says so, and the words that it gives."""
        from click.shell_completion import CompletionItem

        for pattern, kind in ((_FILE, "file"), (_FOLDER, "dir")):
            if pattern.search(self._metavar):
                return [CompletionItem(incomplete, type=kind)]
        words = filter(_WORD.fullmatch, self._metavar.split("|"))
        return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def complete_values(command: click.Command) -> None:
    """Let the shell complete the values of a command's parameters by their metavars.

    Parameters
    ----------
    command
        The command; its parameters take what they took before.
    """
    for parameter in command.params:
        if parameter.metavar and isinstance(parameter.type, click.types.StringParamType):
            parameter.type = _Text(parameter.metavar)
