"""Names of tensors without what wrappers of a model put before them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Renaming", "normalise", "strip_wrappers"]

_PREFIXES = ("module.", "model.")
_ANYWHERE = ("_orig_mod", "_fsdp_wrapped_module")


class Renaming(NamedTuple):
    """What became of names.

    Parameters
    ----------
    names
        Old name to new name.
    stripped
        What was taken off, each once.
    collided
        Two names that would have become one, so that all stayed as they were; else empty.
    """

    names: dict[str, str]
    stripped: tuple[str, ...]
    collided: tuple[str, ...] = ()


def strip_wrappers(name: str) -> str:
    """Take off ``module.`` and ``model.`` in front, and wrappers' parts wherever they are.

    Examples
    --------
    >>> strip_wrappers("module.model.layers.0._fsdp_wrapped_module.fc.weight")
    'layers.0.fc.weight'
    >>> strip_wrappers("_orig_mod.model.conv.weight"), strip_wrappers("model.weight")
    ('conv.weight', 'weight')
    """
    short = ".".join(part for part in name.split(".") if part not in _ANYWHERE)
    while short.startswith(_PREFIXES) and short not in _PREFIXES:
        short = short.partition(".")[2]
    return short or name


def normalise(names: Iterable[str]) -> Renaming:
    """Take wrappers' prefixes off every name, or off none if two names would become one.

    Parameters
    ----------
    names
        All the names of one file.

    Returns
    -------
    Renaming

    Examples
    --------
    >>> normalise(["module.fc.weight"]).names
    {'module.fc.weight': 'fc.weight'}
    >>> normalise(["module.fc", "fc"]).collided
    ('module.fc', 'fc')
    """
    old = list(dict.fromkeys(names))
    taken: dict[str, str] = {}
    for name in old:
        short = strip_wrappers(name)
        if short in taken:
            return Renaming({name: name for name in old}, (), (taken[short], name))
        taken[short] = name
    stripped = [
        f"{part}."
        for part in (*_ANYWHERE, *(prefix[:-1] for prefix in _PREFIXES))
        if any(
            name != short and part in name.split(".") and part not in short.split(".")
            for short, name in taken.items()
        )
    ]
    return Renaming({name: short for short, name in taken.items()}, tuple(stripped))
