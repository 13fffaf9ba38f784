"""Lay groups, attributes and datasets into a new HDF5 file, the same bytes for the same content."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from h5py import h5a, h5d, h5f, h5g, h5p, h5s, h5t

from maskstat.archive import spec
from maskstat.archive.ahead import LEAST_BYTES, in_order
from maskstat.archive.encode import Encoder, share_limit
from maskstat.archive.guard_members import AttributeValue
from maskstat.archive.payloads import Payload
from maskstat.archive.pieces import Pieces
from maskstat.threads import n_threads

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["Builder"]

_Bytes: TypeAlias = bytes | memoryview

_TYPES = {
    "u1": h5t.STD_U8LE,
    "u2": h5t.STD_U16LE,
    "i8": h5t.STD_I64LE,
    "f4": h5t.IEEE_F32LE,
    "f8": h5t.IEEE_F64LE,
}
_UNDECIDED = 32 * spec.CHUNK_TARGET
_LEVEL = 4


class Builder:
    """A new HDF5 file, in memory or over an empty file of ours.

    Parameters
    ----------
    path
        The file; None for one in memory.
    """

    def __init__(self, path: str | None = None) -> None:
        access = _access()
        if path is None:
            access.set_fapl_core(spec.CHUNK_TARGET, False)
            name = b"maskstat-in-memory-" + os.urandom(8).hex().encode()
        else:
            name = os.fsencode(path)
        mode = h5f.ACC_EXCL if path is None else h5f.ACC_TRUNC
        self._group_creation = _creation(h5p.GROUP_CREATE)
        self._file = h5f.create(name, mode, _creation(h5p.FILE_CREATE), access)
        self.root: Any = h5g.open(self._file, b"/")

    def group(self, parent: Any, name: str) -> Any:
        """Make a group."""
        return h5g.create(parent, name.encode("ascii"), gcpl=self._group_creation)

    def attributes(self, target: Any, values: Mapping[str, AttributeValue]) -> None:
        """Give an object attributes."""
        for name, value in values.items():
            key = name.encode("ascii")
            if isinstance(value, str):
                text = np.array(value.encode("ascii"), f"S{max(1, len(value))}")
                kind = h5t.C_S1.copy()
                kind.set_size(text.dtype.itemsize)
                kind.set_strpad(h5t.STR_NULLPAD)
                h5a.create(target, key, kind, h5s.create(h5s.SCALAR)).write(text, mtype=kind)
            else:
                array = np.array(value, "<i8")
                space = h5s.create_simple(array.shape) if array.shape else h5s.create(h5s.SCALAR)
                h5a.create(target, key, h5t.STD_I64LE, space).write(array, mtype=h5t.STD_I64LE)

    def dataset(self, parent: Any, name: str, payload: Payload, *, hashed: bool = True) -> str:
        """Write a dataset chunk by chunk and return the SHA-256 of its values, hexadecimal.

        It is declared compressed only if a chunk is; that is decided by the first 32 MiB at most.
        Chunks are compressed several at a time, and the bytes are those of one at a time. Unless
        it is to be `hashed`, the result is that of nothing.
        """
        pieces = Pieces(payload.shape, payload.chunk, int(payload.dtype[1]))
        digest = sha256()
        made: Any = None
        compress = True
        row_bytes = math.prod(payload.shape[1:]) * int(payload.dtype[1])
        encoder = Encoder(limit=share_limit(row_bytes))
        waiting: list[tuple[int, _Bytes, int]] = []

        def encode(chunk: tuple[int, _Bytes]) -> bytes | None:
            return encoder(chunk[1]) if compress else None

        chunks = _chunks(payload, pieces, digest if hashed else None)
        threads = n_threads(pieces.number * pieces.step, least=LEAST_BYTES)
        for (piece, whole), found in in_order(encode, chunks, threads=threads):
            packed = found if compress else None  # it may be from before that was decided
            waiting.append((piece, whole, 1) if packed is None else (piece, packed, 0))
            if made is None:
                last = piece + 1 == pieces.number
                if packed is None and not last and len(waiting) * pieces.step < _UNDECIDED:
                    continue
                compress = packed is not None
                made = self._declare(parent, name, payload, compress=compress)
            for index, content, mask in waiting:
                made.write_direct_chunk(pieces.position(index), content, mask if compress else 0)
            waiting.clear()
        self.attributes(made, payload.attributes)
        return digest.hexdigest()

    def image(self) -> bytes:
        """Return the finished file's bytes and close it."""
        self._close_objects()
        h5f.flush(self._file)
        data: bytes = self._file.get_file_image()
        self._file.close()
        return data

    def close(self) -> None:
        """Close the file, finished or not."""
        if self._file.valid:
            self._close_objects()
            self._file.close()

    def _close_objects(self) -> None:
        self.root = None

    def _declare(self, parent: Any, name: str, payload: Payload, *, compress: bool) -> Any:
        creation = _creation(h5p.DATASET_CREATE)
        creation.set_chunk(payload.chunk)
        creation.set_fill_time(h5d.FILL_TIME_NEVER)
        creation.set_alloc_time(h5d.ALLOC_TIME_INCR)
        if compress:
            creation.set_deflate(_LEVEL)
        space = h5s.create_simple(payload.shape)
        return h5d.create(parent, name.encode("ascii"), _TYPES[payload.dtype], space, creation)


def _access() -> Any:
    """Access properties: one format generation, no locks, close means close."""
    properties = h5p.create(h5p.FILE_ACCESS)
    properties.set_fclose_degree(h5f.CLOSE_STRONG)
    properties.set_libver_bounds(h5f.LIBVER_V110, h5f.LIBVER_V110)
    properties.set_file_locking(False, True)
    return properties


def _creation(kind: Any) -> Any:
    """Creation properties without times, attributes kept in the object's header."""
    properties = h5p.create(kind)
    properties.set_obj_track_times(False)
    properties.set_attr_phase_change(spec.ATTRIBUTES, 0)
    return properties


def _chunks(payload: Payload, pieces: Pieces, digest: _Hash | None) -> Iterator[tuple[int, _Bytes]]:
    """Yield the chunks of a dataset, the last of a block filled up."""
    for piece in range(pieces.number):
        data = payload.read(*pieces.bounds(piece))
        if digest is not None:
            digest.update(data)
        yield piece, data if len(data) == pieces.step else _padded(data, pieces.step)


def _padded(data: memoryview, length: int) -> bytes:
    return bytes(data) + bytes(length - len(data))
