"""Whether what is printed has colour: ``--color``, NO_COLOR, and whether anybody looks."""

from __future__ import annotations

import os
from typing import IO

import click

__all__ = ["color_option", "colored"]

_KEY = "maskstat.color"


def _remember(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    """Keep the option where error reports find it; one that is left out changes nothing."""
    if value is not None:
        ctx.meta[_KEY] = value


def color_option() -> click.Option:
    """Return ``--color``; the group and every command below it take it."""
    return click.Option(
        ["--color"],
        type=click.Choice(["auto", "always", "never"]),
        is_eager=True,
        expose_value=False,
        callback=_remember,
        help="Colour in tables and errors; auto is on a terminal, unless NO_COLOR is set.  "
        "[default: auto]",
    )


def colored(stream: IO[str]) -> bool:
    """Tell whether what goes to a stream has colour.

    Parameters
    ----------
    stream
        Standard output or standard error.
    """
    context = click.get_current_context(silent=True)
    wanted = None if context is None else context.meta.get(_KEY)
    if wanted in ("always", "never"):
        return bool(wanted == "always")
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return not plain and stream.isatty()
