"""A user's own data: four arrays, from an .npz file or from a factory."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from operator import index
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskstat.bits import IntArray
from maskstat.errors import MaskstatError, NotFoundError, UsageError, printable
from maskstat.prune.data.checks import checked, lie
from maskstat.prune.data.dataset import Dataset, Images
from maskstat.prune.imports import current_folder, imported, kind_of, their_errors

__all__ = ["from_factory", "from_npz"]

_NAMES = ("x_train", "y_train", "x_test", "y_test")
_CHANNELS = (1, 2, 3, 4)
_HINT = (
    "images uint8 or float (n, h, w), (n, h, w, c) or (n, c, h, w), labels whole numbers (n,) "
    f"from 0: {', '.join(_NAMES)}"
)


def from_npz(name: str, *, data_dir: str | os.PathLike[str] | None) -> Dataset:
    """Load the arrays x_train, y_train, x_test, y_test of an .npz file.

    Parameters
    ----------
    name
        Its path; where there is no such file, it is looked for in `data_dir`.
    data_dir
        A folder.

    Raises
    ------
    NotFoundError
        There is no such file.
    InputError
        It does not hold images and labels.
    """
    candidates = [Path(name), *([Path(data_dir) / name] if data_dir else [])]
    path = next((c for c in candidates if c.is_file()), None)
    if path is None:
        raise NotFoundError(
            "there is no such file",
            code="no-such-file",
            place=name,
            consequence=f"looked in {' and '.join(str(c.absolute().parent) for c in candidates)}",
            hint=f"numpy.savez({name!r}, {', '.join(f'{n}=...' for n in _NAMES)})",
        )
    place = str(path)
    if not zipfile.is_zipfile(path):
        raise lie("it is no .npz file", place=place, hint=_HINT)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            _demand(stored.files, place)
            arrays = {key: stored[key] for key in _NAMES}
    except MaskstatError:
        raise
    except Exception as error:  # unpacking raises many kinds on damaged files
        raise lie(f"it cannot be read: {printable(str(error))}", place=place, hint=_HINT) from None
    return _dataset(path.name, arrays, place)


def from_factory(name: str) -> Dataset:
    """Load what a function returns, named ``package.module:factory``.

    The module is installed or in the current folder. The function is called without arguments and
    returns a `Dataset`, a dictionary with the names of an .npz file,
    ``(x_train, y_train, x_test, y_test)`` or ``((x_train, y_train), (x_test, y_test))``.

    Raises
    ------
    UsageError
        There is no such function, or it fails.
    InputError
        It returns something else.
    """
    with current_folder():
        made = _made(name)
    if isinstance(made, Dataset):
        return checked(
            name=made.name,
            train=(_array(made.images, f"{name}: images"), _array(made.labels, f"{name}: labels")),
            test=(
                _array(made.test_images, f"{name}: test_images"),
                _array(made.test_labels, f"{name}: test_labels"),
            ),
            places=(name, name),
            classes=_classes(made.classes, name),
            notes=made.notes,
            hint=_HINT,
        )
    return _dataset(name, _named(made, name), name)


def _made(name: str) -> object:
    """Import a function, and call it."""
    factory = imported(name)
    if not callable(factory):
        raise UsageError(
            f"it is {kind_of(factory)}, not a function that returns images and labels",
            code="not-callable",
            place=name,
            hint=_HINT,
        )
    with their_errors(name, f"calling {name} failed"):
        return factory()


def _named(made: object, place: str) -> Mapping[str, object]:
    """Name the arrays that a factory returns."""
    if isinstance(made, Mapping):
        _demand(list(made), place)
        return made
    if isinstance(made, (tuple, list)):
        pairs = len(made) == 2 and all(isinstance(x, (tuple, list)) and len(x) == 2 for x in made)
        flat = [x for part in made for x in part] if pairs else list(made)
        if len(flat) == len(_NAMES):
            return dict(zip(_NAMES, flat, strict=True))
        raise lie(
            f"it returned {len(made)} things, not ((x_train, y_train), (x_test, y_test))",
            place=place,
            hint=_HINT,
        )
    raise lie(f"it returned {kind_of(made)}", place=place, hint=_HINT)


def _demand(names: list[Any], place: str) -> None:
    """Check that all four arrays are there."""
    for name in _NAMES:
        if name not in names:
            raise lie(
                f"it holds no '{name}', but {', '.join(printable(str(n)) for n in names[:8])}",
                place=place,
                hint=_HINT,
            )


def _classes(given: object, place: str) -> int:
    """Take a number of classes, NumPy's integers included."""
    try:
        classes = index(given)  # type: ignore[arg-type]
    except TypeError:
        classes = 0
    if classes < 1:
        raise lie(f"its number of classes is {printable(repr(given))}", place=place, hint=_HINT)
    return classes


def _dataset(name: str, arrays: Mapping[str, object], place: str) -> Dataset:
    """Make a data set of four arrays."""
    x_train, y_train, x_test, y_test = (_array(arrays[key], f"{place}: {key}") for key in _NAMES)
    for x, key in ((x_train, "x_train"), (x_test, "x_test")):
        if x.dtype.kind not in "buif":
            raise lie(f"{key} is of type {x.dtype}", place=place, hint=_HINT)
    dtype = np.uint8 if _fits_bytes(x_train) and _fits_bytes(x_test) else np.float32
    return checked(
        name=name,
        train=(_images(x_train, dtype, f"{place}: x_train"), _labels(y_train, f"{place}: y_train")),
        test=(_images(x_test, dtype, f"{place}: x_test"), _labels(y_test, f"{place}: y_test")),
        places=(place, place),
        hint=_HINT,
    )


def _array(values: object, place: str) -> NDArray[Any]:
    """Take what can be an array: one of NumPy's, a tensor on the CPU, nested lists."""
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise lie(
            f"it is {kind_of(values)} that is no array: {printable(str(error))}",
            place=place,
            hint=_HINT,
        ) from error


def _fits_bytes(x: NDArray[Any]) -> bool:
    """Tell whether an array holds whole numbers from 0 to 255."""
    if x.dtype.kind == "f" or x.dtype.itemsize == 1:
        return x.dtype.kind in "bu"
    return not x.size or bool(x.min() >= 0 and x.max() <= 255)


def _images(x: NDArray[Any], dtype: type, place: str) -> Images:
    """Bring images to (n, channels, height, width) and one type."""
    with np.errstate(over="ignore"):  # what doesn't fit is infinite, and that is checked
        x = x.astype(dtype, copy=False)
    if x.ndim == 3:
        return x[:, None]
    if x.ndim != 4:
        raise lie(f"it has the shape {x.shape}", place=place, hint=_HINT)
    first, last = x.shape[1] in _CHANNELS, x.shape[3] in _CHANNELS
    if first == last:
        raise lie(
            f"its shape {x.shape} does not tell which axis holds the channels",
            place=place,
            hint=_HINT,
        )
    return x if first else x.transpose(0, 3, 1, 2)


def _labels(y: NDArray[Any], place: str) -> IntArray:
    """Bring labels to int64 (n,)."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.dtype.kind not in "ui" or y.ndim != 1:
        raise lie(f"it is {y.dtype} {y.shape}", place=place, hint=_HINT)
    return y.astype(np.int64)
