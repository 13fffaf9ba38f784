"""Talk: errors and notes on standard error, never on standard output."""

from __future__ import annotations

import os

import click

from maskstat.errors import MaskstatError

__all__ = ["note", "report"]


def report(error: MaskstatError, *, as_json: bool = False) -> None:
    """Print one error on standard error, as text or as one JSON line."""
    if as_json:
        import json

        click.echo(json.dumps(error.to_dict()), err=True)
        return
    plain = "NO_COLOR" in os.environ
    label = "Error" if plain else click.style("Error", fg="red", bold=True)
    click.echo(f"{label}: {error.headline}", err=True)
    if error.hint:
        click.echo(f"  try: {error.hint}", err=True)


def note(text: str) -> None:
    """Say something on standard error, unless ``--quiet`` was given."""
    context = click.get_current_context(silent=True)
    if context is None or not context.meta.get("maskstat.quiet"):
        click.echo(text, err=True)
