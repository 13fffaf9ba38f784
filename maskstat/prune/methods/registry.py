"""Every pruning method by its name: the bundled ones, and those of installed packages."""

from __future__ import annotations

import inspect
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from maskstat.errors import UsageError, closest, printable
from maskstat.prune.imports import (
    current_folder,
    imported,
    is_path,
    origin_of,
    their_errors,
    told,
)
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

__all__ = ["METHODS", "is_bundled", "method_named", "method_names", "method_origin"]

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
        One of `METHODS`, of an entry point of the group ``maskstat.methods``, or
        ``package.module:Class``, installed or in the current folder.

    Raises
    ------
    UsageError
        There is no such method, or the code that is to be one is none.

    Examples
    --------
    >>> method_named("layer-kind").scope
    'kind'
    """
    if name in METHODS:
        return METHODS[name]()
    if is_path(name):
        with current_folder():
            found = imported(name)
            with their_errors(name, "it cannot be used as a pruning method", code="bad-method"):
                return _made(found)
    point = _entry_point(name)
    fact = f"pruning method '{printable(name)}' of {_distribution(point)} cannot be used"
    try:
        return _made(point.load())
    except (Exception, SystemExit) as error:
        raise UsageError(
            fact,
            code="bad-method",
            place="prune.method",
            consequence=f"{printable(point.value)}: {told(error)}",
        ) from error


def _made(found: object) -> Method:
    """Make a method of a class, if it is one of a method."""
    if not (inspect.isclass(found) and issubclass(found, Method)):
        raise TypeError("it is not a class derived from maskstat.prune.methods.Method")
    method = found()
    if method.unit not in _UNITS or method.scope not in _SCOPES:
        raise TypeError(f"it declares unit {method.unit!r} and scope {method.scope!r}")
    return method


def method_origin(name: str) -> dict[str, Any]:
    """Say where a method comes from.

    Parameters
    ----------
    name
        As `method_named` takes it.

    Returns
    -------
    dict
        JSON-ready: ``name``; ``source``, which is ``maskstat``, a package with its version or a
        module; and for anybody else's ``code``, as `maskstat.prune.imports.origin_of` says it.

    Raises
    ------
    UsageError
        There is no such method.

    Examples
    --------
    >>> method_origin("layer-kind")
    {'name': 'layer-kind', 'source': 'maskstat'}
    """
    if name in METHODS:
        return {"name": name, "source": "maskstat"}
    if is_path(name):
        code = origin_of(name)
        return {"name": name, "source": code.get("distribution", code["module"]), "code": code}
    point = _entry_point(name)
    owner = _distribution(point)
    code = origin_of(f"{point.module}:{point.attr}", owner=owner if point.dist else "")
    return {"name": name, "source": owner, "code": code}


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
            hint="one of your own is named package.module:Class, or by an entry point of the "
            f"group {_GROUP}",
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
