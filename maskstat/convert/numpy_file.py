"""NumPy's .npy and .npz, without pickles, piece by piece."""

from __future__ import annotations

import ast
import math
import struct
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from maskstat.archive.source import Source
from maskstat.convert.refusals import damaged, unsafe
from maskstat.convert.tensors import PIECE_BYTES, StoredTensor, encoding_of, read_pieces
from maskstat.convert.zip_file import entries, open_entry
from maskstat.errors import CorruptArchiveError, InputError, printable

if TYPE_CHECKING:
    from maskstat.convert.probe import Probe

__all__ = ["tensors"]

_MAGIC = b"\x93NUMPY"
_HEADER = 16_384
_RANK = 64
_COLUMNS = 1 << 26
_COLUMNS_RATIO = 4
"""A longer array stored by columns is transposed if it takes room on the disk, and is no bomb."""


class _Header(NamedTuple):
    """What a .npy file says about its array."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    start: int
    """Where the values begin."""


class _Open(Protocol):
    def __call__(self) -> AbstractContextManager[BinaryIO]: ...


def tensors(probe: Probe) -> Mapping[str, StoredTensor]:
    """Return the arrays of a .npy or .npz file, or of the .npy files of a folder.

    Raises
    ------
    UnsafeArchiveError
        One holds Python objects, or is built to harm.
    CorruptArchiveError
        One is damaged.
    """
    if probe.kind == "npz":
        return _of_npz(probe)
    if probe.kind == "folder":
        found: dict[str, StoredTensor] = {}
        for relative in probe.files:
            if not relative.endswith(".npy"):
                continue
            inner = probe.file(relative)
            if inner.kind == "npy":
                name = relative.removesuffix(".npy")
                found[name] = _of_source(name, _source(inner), inner.place)
        return found
    name = probe.name.removesuffix(".npy")
    return {name: _of_source(name, _source(probe), probe.place)}


def _source(probe: Probe) -> Source:
    if probe.source is None:
        raise InputError("it is a folder", code="not-a-file", place=probe.place)
    return probe.source


def _of_source(name: str, source: Source, place: str) -> StoredTensor:
    header = _parse(source.read(0, min(source.size, _HEADER + 12)), place)
    n_values = math.prod(header.shape)
    if source.size != header.start + n_values * header.dtype.itemsize:
        raise _damaged(f"its {n_values:,} values are not those of its size", place)

    _check_columns(header, source, place)

    def pieces() -> Iterator[NDArray[Any]]:
        return read_pieces(source, header.start, n_values, _raw(header.dtype))

    return _tensor(name, header, pieces, place)


def _of_npz(probe: Probe) -> dict[str, StoredTensor]:
    found: dict[str, StoredTensor] = {}
    for entry in probe.once("zip", lambda: entries(probe)):
        if not entry.filename.endswith(".npy"):
            continue
        name, place = entry.filename.removesuffix(".npy"), f"{probe.place}: {entry.filename}"
        opened = partial(open_entry, probe, entry)
        with opened() as stream:
            header = _parse(_exactly(stream, min(entry.file_size, _HEADER + 12), place), place)
        n_bytes = math.prod(header.shape) * header.dtype.itemsize
        if entry.file_size != header.start + n_bytes:
            raise _damaged("its values are not those of its size", place)
        _check_columns(header, _source(probe), place)
        tensor = _tensor(name, header, partial(_unzipped, opened, header, place), place)
        found[name] = replace(tensor, stored=entry.compress_size)
    return found


def _check_columns(header: _Header, source: Source, place: str) -> None:
    """Refuse what would have to be in memory whole, and is not on the disk."""
    n_bytes = math.prod(header.shape) * header.dtype.itemsize
    if header.fortran and n_bytes > max(_COLUMNS, _COLUMNS_RATIO * source.stored):
        raise unsafe(
            f"it is stored by columns and would become {n_bytes:,} bytes",
            "unsafe-ratio",
            place,
            hint="numpy.ascontiguousarray(array) before it is saved",
        )


def _unzipped(opened: _Open, header: _Header, place: str) -> Iterator[NDArray[Any]]:
    """Decompress the values of one array piece by piece."""
    raw, n_values = _raw(header.dtype), math.prod(header.shape)
    step = PIECE_BYTES // raw.itemsize
    with opened() as stream:
        _exactly(stream, header.start, place)
        for start in range(0, n_values, step):
            n = min(step, n_values - start)
            yield np.frombuffer(_exactly(stream, n * raw.itemsize, place), raw)
        if stream.read(1):
            raise _damaged("it goes on after its end", place)


def _tensor(name: str, header: _Header, pieces: Any, place: str) -> StoredTensor:
    encoding = encoding_of(header.dtype)
    if encoding is None:
        raise InputError(
            f"its values are of type {header.dtype}",
            code="unknown-dtype",
            place=place,
            consequence="masks and weights are plain numbers",
        )
    if header.fortran and len(header.shape) > 1:
        pieces = partial(_transposed, pieces, header)
    return StoredTensor(
        name=name, shape=header.shape, encoding=encoding, pieces=pieces, place=place
    )


def _transposed(pieces: Any, header: _Header) -> Iterator[NDArray[Any]]:
    """Bring an array that is stored column by column into C order; it is in memory once."""
    flat, at = np.empty(math.prod(header.shape), _raw(header.dtype)), 0
    for piece in pieces():
        flat[at : at + piece.size] = piece
        at += piece.size
    if flat.size:
        whole = flat.reshape(header.shape[::-1]).T
        step = max(1, PIECE_BYTES * len(whole) // flat.nbytes)
        for start in range(0, len(whole), step):
            yield whole[start : start + step].reshape(-1)


def _raw(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(f"{'>' if dtype.byteorder == '>' else '<'}u{dtype.itemsize}")


def _parse(head: bytes, place: str) -> _Header:
    """Take a header apart: a Python literal of three known keys, and nothing is run."""
    version = head[6:8]
    if not head.startswith(_MAGIC) or version not in (b"\1\0", b"\2\0", b"\3\0"):
        raise _damaged("it does not begin like a .npy file", place)
    width = 2 if version == b"\1\0" else 4
    if len(head) < 8 + width:
        raise _damaged("it ends in its header", place)
    (length,) = struct.unpack_from("<H" if width == 2 else "<I", head, 8)
    start = 8 + width + length
    if length > _HEADER or start > len(head):
        raise _damaged(f"its header of {length:,} bytes is too long", place)
    try:
        found = ast.literal_eval(head[8 + width : start].decode("latin-1").strip())
        descr, fortran, shape = found["descr"], found["fortran_order"], found["shape"]
        known = set(found) == {"descr", "fortran_order", "shape"}
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError) as error:
        raise _damaged("its header cannot be read", place) from error
    if not (
        known
        and isinstance(fortran, bool)
        and isinstance(shape, tuple)
        and len(shape) <= _RANK
        and all(type(n) is int and 0 <= n < 1 << 45 for n in shape)
    ):
        raise _damaged("its header is not one of an array", place)
    return _Header(_dtype(descr, place), shape, fortran, start)


def _dtype(descr: object, place: str) -> np.dtype[Any]:
    """Return a type of plain numbers, refusing Python objects before anything else."""
    if isinstance(descr, str) and "O" in descr:
        raise unsafe(
            "it holds Python objects, which can run code when they are read",
            "unsafe-pickle",
            place,
            hint="numpy.savez(path, **{name: array}) with one plain array a layer",
        )
    try:
        dtype = np.dtype(descr if isinstance(descr, str) else "V")
    except (TypeError, ValueError) as error:
        raise _damaged("its type is unknown", place) from error
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise InputError(
            f"its values are of type {printable(str(descr))[:60]}",
            code="unknown-dtype",
            place=place,
            consequence="masks and weights are plain numbers",
        )
    return dtype


def _exactly(stream: BinaryIO, length: int, place: str) -> bytes:
    data = stream.read(length)
    if len(data) != length:
        raise _damaged("it ends too early", place)
    return data


def _damaged(fact: str, place: str) -> CorruptArchiveError:
    return damaged(fact, "corrupt-npy", place)
