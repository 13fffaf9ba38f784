"""Every pruning method by its name: the bundled ones, and those of installed packages."""

from __future__ import annotations

import inspect
from importlib.metadata import EntryPoint, entry_points

from maskstat.errors import UsageError, closest, printable
from maskstat.prune.methods.method import Method, Scope, Unit
from maskstat.prune.methods.structured import (
    L1Structured,
    L2Structured,
    LInfStructured,
    LNegInfStructured,
    RandomStructured,
)
from maskstat.prune.methods.unstructured import (
    GlobalUnstructured,
    L1Unstructured,
    LayerKind,
    RandomUnstructured,
)

__all__ = ["METHODS", "is_bundled", "method_named", "method_names", "method_source"]

METHODS: dict[str, type[Method]] = {
    "global-unstructured": GlobalUnstructured,
    "l1-unstructured": L1Unstructured,
    "random-unstructured": RandomUnstructured,
    "l1-structured": L1Structured,
    "l2-structured": L2Structured,
    "linf-structured": LInfStructured,
    "lneginf-structured": LNegInfStructured,
    "random-structured": RandomStructured,
    "layer-kind": LayerKind,
}

_GROUP = "maskstat.methods"
_UNITS: tuple[Unit, ...] = ("weight", "channel")
_SCOPES: tuple[Scope, ...] = ("layer", "kind", "network")


def method_names() -> tuple[str, ...]:
    """Return every name: the bundled ones, then those that installed packages add.

    A package cannot take a bundled name.
    """
    added = {point.name for point in entry_points(group=_GROUP)} - METHODS.keys()
    return (*METHODS, *sorted(added))


def method_named(name: str) -> Method:
    """Make a method from its name.

    Parameters
    ----------
    name
        One of `METHODS`, or of an entry point of the group ``maskstat.methods``.

    Raises
    ------
    UsageError
        There is no such method, or the package that adds it is broken.

    Examples
    --------
    >>> method_named("layer-kind").scope
    'kind'
    """
    if name in METHODS:
        return METHODS[name]()
    point = _entry_point(name)
    try:
        made = point.load()
        if not (inspect.isclass(made) and issubclass(made, Method)):
            raise TypeError("it is not a class derived from maskstat.prune.methods.Method")
        method = made()
        if method.unit not in _UNITS or method.scope not in _SCOPES:
            raise TypeError(f"it declares unit {method.unit!r} and scope {method.scope!r}")
    except Exception as error:
        raise UsageError(
            f"pruning method '{printable(name)}' of {_distribution(point)} cannot be used",
            code="bad-method",
            place="prune.method",
            consequence=f"{point.value}: {type(error).__name__}: {printable(str(error))}",
        ) from error
    return method


def method_source(name: str) -> str:
    """Say where a method comes from: ``maskstat``, or a package with its version.

    Raises
    ------
    UsageError
        There is no such method.
    """
    return "maskstat" if name in METHODS else _distribution(_entry_point(name))


def is_bundled(method: Method) -> bool:
    """Tell whether a method is one of maskstat's own."""
    return type(method) in METHODS.values()


def _entry_point(name: str) -> EntryPoint:
    """Find the one entry point of a name."""
    points = {point.value: point for point in entry_points(group=_GROUP, name=name)}
    if not points:
        raise UsageError(
            f"there is no pruning method '{printable(name)}'",
            code="unknown-method",
            place="prune.method",
            consequence=closest(name, method_names(), limit=len(METHODS)),
        )
    if len(points) > 1:
        owners = " and ".join(sorted(_distribution(point) for point in points.values()))
        raise UsageError(
            f"more than one package adds a pruning method '{printable(name)}'",
            code="ambiguous-method",
            place="prune.method",
            consequence=f"they are {owners}",
        )
    return next(iter(points.values()))


def _distribution(point: EntryPoint) -> str:
    """Name the package that declares an entry point."""
    owner = point.dist
    return printable(f"{owner.name} {owner.version}") if owner else "an unknown package"
