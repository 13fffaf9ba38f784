"""Help whose examples can be pasted at any width: long command lines are folded as shells fold."""

from __future__ import annotations

import re
from collections.abc import Iterable

import click

__all__ = ["Context"]

_VERBATIM = "\b\n"
"""How click is told not to wrap a paragraph anew."""
_WORD = re.compile(r"""(?:--?[a-z][\w-]*\ (?!-))?  (?: '[^']*' | "[^"]*" | \S )+""", re.VERBOSE)
"""A word of a command line, an option together with its value."""


class _Formatter(click.HelpFormatter):
    """Folds the examples that are wider than the page, and keeps room beside the options."""

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write options or commands, their names in a narrower column on a narrow page."""
        for least, column in ((72, col_max), (56, 20), (0, 6)):
            if self.width >= least:
                super().write_dl(rows, min(col_max, column), col_spacing)
                return

    def write_text(self, text: str) -> None:
        """Write paragraphs; those that click leaves as they are get folded."""
        width = self.width - self.current_indent
        paragraphs = text.split("\n\n")
        super().write_text(
            "\n\n".join(_folded(p, width) if p.startswith(_VERBATIM) else p for p in paragraphs)
        )


class Context(click.Context):
    """What a command is parsed in, with such help."""

    formatter_class = _Formatter


def _folded(paragraph: str, width: int) -> str:
    """Break the command lines of a paragraph after a word, with a backslash."""
    lines: list[str] = []
    for line in paragraph.splitlines():
        margin = line[: len(line) - len(line.lstrip())]
        words = _WORD.findall(line)
        if not margin or len(line) <= width:
            lines.append(line)
            continue
        current = margin + words[0]
        for word in words[1:]:
            if len(current) + len(word) + 3 > width:
                lines.append(f"{current} \\")
                current = f"{margin}    {word}"
            else:
                current += f" {word}"
        lines.append(current)
    return "\n".join(lines)
