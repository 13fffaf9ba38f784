"""Places in the order of colours: one for each pruning method, the same in every figure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any

__all__ = ["N_COLOURS", "methods_of", "places"]

N_COLOURS = 7
"""Places that lie this far apart have one colour, and look different otherwise."""

_METHODS = (
    "global-unstructured", "l1-unstructured", "random-unstructured", "l1-structured",
    "l2-structured", "linf-structured", "random-structured", "lneginf-structured", "layer-kind",
)  # fmt: skip
_BETWEEN = re.compile(r", |: | and ")


def places(names: Sequence[str], methods: Iterable[str] = ()) -> dict[str, int]:
    """Give every line, or group of dots, a place in the order of colours.

    A pruning method has its own place wherever it is drawn. Other lines of the same method, which
    differ in something else, have its colour.

    Parameters
    ----------
    names
        Of the lines, each once. One that names a single method stands for it.
    methods
        Of all runs that the figure is drawn from; those that do not come with maskstat have places
        after those that do.

    Returns
    -------
    dict
        Name to place, each place once, in the order of the names.

    Examples
    --------
    >>> places(["seed 0", "seed 1"])
    {'seed 0': 0, 'seed 1': 1}
    >>> places(["l1-structured", "global-unstructured"])
    {'l1-structured': 3, 'global-unstructured': 0}
    >>> places(["layer-kind, rewound", "layer-kind, finetuned"])
    {'layer-kind, rewound': 8, 'layer-kind, finetuned': 15}
    """
    home = _homes({*methods, *(name for name in names if name in _METHODS)})
    of = {name: _method(name, home) for name in names}
    found: dict[str, int] = {}
    taken: set[int] = set()
    # What is named by its method alone comes first, then its variants, then all else.
    for name in sorted(names, key=lambda name: (of[name] is None, of[name] != name)):
        method = of[name]
        free = count() if method is None else count(home[method], N_COLOURS)
        found[name] = next(place for place in free if place not in taken)
        taken.add(found[name])
    return {name: found[name] for name in names}


def methods_of(inputs: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the pruning methods of a table's inputs, where they are known."""
    return [str(record["method"]) for record in inputs if record.get("method")]


def _homes(methods: set[str]) -> dict[str, int]:
    """Return the place of every method."""
    home = {method: place for place, method in enumerate(_METHODS)}
    free = (place for place in count() if place >= len(_METHODS) or _METHODS[place] not in methods)
    return home | dict(zip(sorted(methods - home.keys()), free, strict=False))


def _method(name: str, home: Mapping[str, int]) -> str | None:
    """Return the one method that a line's name has in it."""
    if name in home:
        return name
    found = {part for part in _BETWEEN.split(name) if part in home}
    return found.pop() if len(found) == 1 else None
