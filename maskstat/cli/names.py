"""Names that the shell completes; they are looked up when it asks, and never with torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias, cast

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = [
    "MODELS",
    "Complete",
    "complete_criteria",
    "complete_datasets",
    "complete_formats_read",
    "complete_formats_written",
    "complete_measures",
    "complete_methods",
    "complete_models",
    "complete_nulls",
    "complete_papers",
    "complete_recipes",
    "complete_streams",
]

Complete: TypeAlias = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]
"""As click takes it: ``shell_complete`` of a parameter."""

MODELS = ("lenet", "lenet5x5", "lenet-equal", "alexnet", "vgg11", "resnet18", "resnet18-cifar")
"""The bundled models; `maskstat.prune.models.registry` needs torch to name them."""


def _complete(
    names: Callable[[], Iterable[str]], *, or_file: bool = False, several: bool = False
) -> Complete:
    """Complete one of some names.

    Parameters
    ----------
    names
        Looks them up.
    or_file
        Whether a file is completed where no name begins with what is there.
    several
        Whether a comma ends a name, and the next one begins.
    """

    def complete(
        ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        before, comma, begun = incomplete.rpartition(",") if several else ("", "", incomplete)
        found = [
            CompletionItem(before + comma + name) for name in names() if name.startswith(begun)
        ]
        return found or ([CompletionItem(incomplete, type="file")] if or_file else [])

    return complete


def _of(module: str, constant: str) -> Callable[[], Iterable[str]]:
    """Take names from where they are defined, when they are asked for."""
    return lambda: cast(Iterable[str], getattr(import_module(f"maskstat.{module}"), constant))


def _methods() -> Iterable[str]:
    from maskstat.prune.methods.registry import method_names

    return method_names()


def _recipes() -> Iterable[str]:
    from maskstat.prune.recipe_files import recipe_names

    return recipe_names()


def _formats_read() -> Iterable[str]:
    from maskstat.convert.registry import FORMATS

    return [one.name for one in FORMATS]


def _formats_written() -> Iterable[str]:
    from maskstat.convert.out.write import WRITABLE

    return ["archive", *WRITABLE]


complete_criteria = _complete(_of("prune.criteria", "CRITERIA"))
complete_datasets = _complete(_of("prune.data.registry", "DATASETS"), or_file=True)
complete_formats_read = _complete(_formats_read)
complete_formats_written = _complete(_formats_written)
complete_measures = _complete(_of("stats.measures", "MEASURES"), several=True)
complete_methods = _complete(_methods)
complete_models = _complete(lambda: MODELS)
complete_nulls = _complete(_of("stats.nulls", "NULLS"))
complete_papers = _complete(_of("reproduce.plan", "PAPERS"))
complete_recipes = _complete(_recipes, or_file=True)
complete_streams = _complete(_of("prune.streams", "STREAMS"), several=True)
