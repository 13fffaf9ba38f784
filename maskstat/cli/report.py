"""Talk: errors and notes on standard error, never on standard output."""

from __future__ import annotations

import sys
from typing import Any

import click

from maskstat.cli.color import colored
from maskstat.errors import MaskstatError, printable

__all__ = ["counted", "is_quiet", "note", "report"]


def report(error: MaskstatError) -> None:
    """Print one error on standard error: as text, or as one JSON line where the result is JSON."""
    if _asked("format") in ("json", "jsonl"):
        import json

        click.echo(json.dumps(error.to_dict()), err=True)
        return
    color = colored(sys.stderr)
    label = click.style("Error", fg="red", bold=True) if color else "Error"
    click.echo(f"{label}: {error.headline}", err=True, color=color)
    if error.hint:
        click.echo(f"  try: {error.hint}", err=True)


def note(text: str) -> None:
    """Say something in one line on standard error, unless ``--quiet`` was given."""
    if not is_quiet():
        click.echo(printable(text), err=True)


def counted(n: int, noun: str) -> str:
    """Say how many there are of something."""
    return f"{n} {noun}{'' if n == 1 else 's'}"


def is_quiet() -> bool:
    """Tell whether ``--quiet`` was given."""
    return bool(_asked("quiet"))


def _asked(name: str) -> Any:
    """Return the value of an option that every command has, whichever command runs."""
    context = click.get_current_context(silent=True)
    return None if context is None else context.meta.get(f"maskstat.{name}")
