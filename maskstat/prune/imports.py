"""Code of the user's own, named ``package.module:name``: found, called, and told apart."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import pkgutil
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, distribution, distributions
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from maskstat.errors import MaskstatError, UsageError, closest, printable

__all__ = [
    "current_folder",
    "has_changed",
    "imported",
    "is_path",
    "kind_of",
    "origin_of",
    "their_errors",
    "told",
]

_OURS = str(Path(__file__).parents[1])
_STANDARD, _INSTALLED = sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")
_LIBRARIES = ("torch", "numpy")
"""Beside Python's own and ours: a mistake that shows there was made by whoever called them."""

_DEFINED = (type, FunctionType, BuiltinFunctionType, MethodType)
"""What a module defines under a name; other objects are made where they stand."""


def is_path(name: str) -> bool:
    """Tell whether a name is one of an object in a module.

    Examples
    --------
    >>> is_path("torchvision.models:resnet18"), is_path("resnet18"), is_path("emnist:")
    (True, False, False)
    """
    module, colon, path = name.partition(":")
    parts = (*module.split("."), *path.split("."))
    return bool(colon) and all(map(str.isidentifier, parts))


@contextmanager
def current_folder() -> Iterator[None]:
    """Let modules be imported from the current folder, as ``python -m`` does."""
    sys.path.insert(0, "")
    importlib.invalidate_caches()  # a file may be younger than the last look at its folder
    try:
        yield
    finally:
        sys.path.remove("")


def imported(name: str) -> Any:
    """Import what a name stands for; call it in `current_folder`.

    Parameters
    ----------
    name
        ``package.module:name``, where the second part may have dots, too.

    Raises
    ------
    UsageError
        There is no such module, importing it fails, or it holds nothing of the name.
    """
    module_name, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if not f"{module_name}.".startswith(f"{error.name}."):
            raise _broken(name, error) from error
        missing = str(error.name)
        raise UsageError(
            f"there is no module '{missing}'",
            code="no-such-module",
            place=name,
            consequence=_instead(missing),
        ) from None
    except (Exception, SystemExit) as error:
        raise _broken(name, error) from error
    for attribute in path.split("."):
        if not hasattr(found, attribute):
            where = getattr(found, "__file__", None)
            public = [key for key in vars(found) if not key.startswith("_")]
            raise UsageError(
                f"there is no '{attribute}' in {getattr(found, '__name__', kind_of(found))}",
                code="no-such-factory",
                place=name,
                consequence=closest(attribute, public) + (f"; it is {where}" if where else ""),
            )
        found = getattr(found, attribute)
    return found


def _broken(name: str, error: BaseException) -> UsageError:
    return UsageError(
        f"importing {name.partition(':')[0]} failed",
        code="import-failed",
        place=name,
        consequence=told(error),
    )


def _instead(missing: str) -> str:
    """Say where a module was looked for, and the nearest that is there."""
    parent, _, last = missing.rpartition(".")
    if parent and not hasattr(sys.modules.get(parent), "__path__"):
        return f"'{parent}' is a module, not a package"
    folders = list(sys.modules[parent].__path__) if parent else None
    there = {module.name for module in pkgutil.iter_modules(folders)}
    near = get_close_matches(last, sorted(there), n=1, cutoff=0.7)
    looked = f"in {parent}" if parent else "installed nor in the current folder"
    suggestion = f"; did you mean '{parent + '.' if parent else ''}{near[0]}'?" if near else ""
    return f"it is {'not' if parent else 'neither'} {looked}{suggestion}"


@contextmanager
def their_errors(place: str, fact: str, *, code: str = "factory-failed") -> Iterator[None]:
    """Turn whatever a stranger's code raises into an error that says which line of theirs it was.

    Parameters
    ----------
    place, fact, code
        Of the error.
    """
    try:
        yield
    except (MaskstatError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(fact, code=code, place=place, consequence=told(error)) from error


def told(error: BaseException) -> str:
    """Say what a stranger's code raised, and where."""
    reason = (str(error).splitlines() or [""])[0]
    where = _line(error)
    return f"{type(error).__name__}: {printable(reason)}" + (f", at {where}" if where else "")


def _line(error: BaseException) -> str:
    """Say which line of a stranger's code raised an error: the last outside the libraries."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    files = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    theirs = [f"{file}:{line}" for file, line in files if not _is_library(file)]
    return theirs[-1] if theirs else ""


def _is_library(file: str) -> bool:
    """Tell whether code is Python's, torch's or ours; what is installed may lie within Python's."""
    standard = file.startswith(_STANDARD) and not file.startswith(_INSTALLED)
    places = [getattr(sys.modules.get(name), "__file__", None) for name in _LIBRARIES]
    libraries = [str(Path(place).parent) for place in places if place]
    return standard or file.startswith((*libraries, _OURS, "<frozen"))


def kind_of(value: object) -> str:
    """Say what something is that should have been something else."""
    return f"an object of type {type(value).__name__}" if value is not None else "None"


def origin_of(name: str, *, owner: str = "") -> dict[str, str]:
    """Say which code a name stands for, as far as that can be known.

    Parameters
    ----------
    name
        ``package.module:name``, which can be imported.
    owner
        The distribution with its version, where that is known; else it is looked for.

    Returns
    -------
    dict
        JSON-ready: ``import``, the name; ``module``, where it is defined; ``sha256`` of that
        module's source file; ``distribution``, its name and version where it is installed.
    """
    with current_folder():
        found = inspect.unwrap(imported(name))
    module = found.__module__ if isinstance(found, _DEFINED) else None
    if module not in sys.modules:
        module = name.partition(":")[0]
    origin = {"import": name, "module": module}
    file = getattr(sys.modules[module], "__file__", None)
    if file and file.endswith(".py") and Path(file).is_file():
        origin["sha256"] = _sha256(Path(file))
    installed = owner or _installed(module, file)
    return origin | ({"distribution": installed} if installed else {})


def has_changed(origin: object) -> bool:
    """Tell whether code is known to be another than it was, without running any of it.

    Parameters
    ----------
    origin
        As `origin_of` has returned it; anything else is not known to have changed.
    """
    match origin:
        case {"distribution": str(text)}:
            name, _, version = text.rpartition(" ")
            try:
                return distribution(name).version != version
            except (PackageNotFoundError, ValueError):
                return False
        case {"module": str(module), "sha256": str(digest)} if "." not in module:
            file = _file_of(module)
            return file is not None and _sha256(file) != digest
    return False


def _file_of(module: str) -> Path | None:
    """Find a module's source file."""
    with current_folder():
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            return None
    file = Path(spec.origin) if spec and spec.has_location and spec.origin else None
    return file if file and file.suffix == ".py" and file.is_file() else None


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _installed(module: str, file: str | None) -> str:
    """Name the installed distribution that a module's file belongs to, with its version."""
    if not file:
        return ""
    top, *below = module.split(".")
    depth = len(below) + (Path(file).stem == "__init__")
    for owner in distributions(path=[str(Path(file).absolute().parents[depth])]):
        if any(listed.parts[0] in (top, f"{top}.py") for listed in owner.files or ()):
            return f"{owner.name} {owner.version}"
    return ""
