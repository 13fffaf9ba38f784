"""Talk: errors and notes on standard error, never on standard output."""

from __future__ import annotations

import sys

import click

from maskstat.cli.color import colored
from maskstat.errors import MaskstatError

__all__ = ["note", "report"]


def report(error: MaskstatError, *, as_json: bool = False) -> None:
    """Print one error on standard error, as text or as one JSON line."""
    if as_json:
        import json

        click.echo(json.dumps(error.to_dict()), err=True)
        return
    color = colored(sys.stderr)
    label = click.style("Error", fg="red", bold=True) if color else "Error"
    click.echo(f"{label}: {error.headline}", err=True, color=color)
    if error.hint:
        click.echo(f"  try: {error.hint}", err=True)


def note(text: str) -> None:
    """Say something on standard error, unless ``--quiet`` was given."""
    context = click.get_current_context(silent=True)
    if context is None or not context.meta.get("maskstat.quiet"):
        click.echo(text, err=True)
