"""Canonical JSON: one text for one value, ASCII, keys sorted, no white space."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from maskstat.archive import spec
from maskstat.errors import CorruptArchiveError, InputError

__all__ = ["decode", "encode"]


def encode(value: object, *, place: str = "") -> bytes:
    r"""Turn a JSON-ready value into its canonical text.

    Raises
    ------
    InputError
        It holds something that JSON has no form for, NaN and infinity included, or too much.

    Examples
    --------
    >>> encode({"b": [1, 2.5], "a": "é"})
    b'{"a":"\\u00e9","b":[1,2.5]}'
    """
    try:
        text = json.dumps(
            value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain
        ).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"it cannot be written as JSON: {error}", code="bad-run", place=place
        ) from error
    if _too_large(text):
        raise InputError(
            f"it is a JSON text of {len(text):,} bytes",
            code="bad-run",
            place=place,
            consequence=f"{spec.JSON_BYTES:,} bytes and {spec.JSON_TOKENS:,} items are allowed",
        )
    return text


def decode(text: bytes, *, place: str) -> Any:
    """Turn a canonical text back into its value.

    Raises
    ------
    CorruptArchiveError
        It is no JSON, not in canonical form (a key twice, say), or too much of it.
    """
    if _too_large(text):
        raise _corrupt(place)
    try:
        value = json.loads(text.decode("ascii"), parse_constant=_refuse_constant)
        again = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise _corrupt(place) from error
    if again.encode("ascii") != text:
        raise _corrupt(place)
    return value


def _too_large(text: bytes) -> bool:
    items = sum(text.count(mark) for mark in (b"[", b"{", b","))
    return len(text) > spec.JSON_BYTES or items > spec.JSON_TOKENS


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"it holds a value of type {type(value).__name__}")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _corrupt(place: str) -> CorruptArchiveError:
    return CorruptArchiveError(
        "it is not canonical JSON",
        code="corrupt-json",
        place=place,
        consequence="the file is damaged or was not written by maskstat",
    )
