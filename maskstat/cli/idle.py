"""Options that would do nothing are refused, rather than let be believed."""

from __future__ import annotations

from collections.abc import Container

import click
from click.core import ParameterSource

__all__ = ["refuse_idle"]


def refuse_idle(idle: Container[str], why: str) -> None:
    """End with a usage error if one of some options was given.

    Parameters
    ----------
    idle
        Python names of the options that have no effect.
    why
        Said after the option, such as ``does nothing with --match``.
    """
    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in idle and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{parameter.opts[-1]} {why}")
