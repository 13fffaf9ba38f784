"""What the HDF5 library says about a file, as plain values.

Every call into h5py on a file that may be hostile is in here, reads metadata only, and turns any
failure of the library into one kind of error. Rules about the values are the guard's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from h5py import h5a, h5d, h5f, h5fd, h5g, h5l, h5o, h5p, h5s, h5t

from maskstat.archive.source import Source
from maskstat.errors import CorruptArchiveError, MaskstatError

__all__ = [
    "AttributeFacts",
    "ChunkFacts",
    "DatasetFacts",
    "HdfFile",
    "LinkFacts",
    "ObjectFacts",
    "file_access",
]

Kind: TypeAlias = Literal["group", "dataset", "other"]

_TYPES = {
    "u1": h5t.STD_U8LE,
    "u2": h5t.STD_U16LE,
    "i8": h5t.STD_I64LE,
    "f4": h5t.IEEE_F32LE,
    "f8": h5t.IEEE_F64LE,
}
_BY_SIZE = {(kind.get_class(), kind.get_size()): name for name, kind in _TYPES.items()}
_KINDS: dict[int, Kind] = {h5o.TYPE_GROUP: "group", h5o.TYPE_DATASET: "dataset"}


class LinkFacts(NamedTuple):
    """One link of a group."""

    name: bytes
    hard: bool


class ObjectFacts(NamedTuple):
    """What a hard link leads to."""

    kind: Kind
    address: int
    references: int
    header_version: int
    n_attributes: int
    attribute_bytes: int
    """Of attributes stored outside the object's header."""
    index_bytes: int
    """Of the indices of its links or chunks, as the file declares them."""


class AttributeFacts(NamedTuple):
    """One attribute, not read."""

    name: bytes
    kind: str
    """``text``, ``i8``, ``f8`` or ``other``."""
    shape: tuple[int, ...] | None
    n_bytes: int
    handle: Any
    type_handle: Any


class DatasetFacts(NamedTuple):
    """How a dataset is stored; type and shape are None where the storage is not allowed."""

    chunked: bool
    n_external: int
    filters: tuple[tuple[int, int, tuple[int, ...]], ...]
    chunk: tuple[int, ...]
    dtype: str | None
    shape: tuple[int, ...] | None
    max_shape: tuple[int, ...] | None


class ChunkFacts(NamedTuple):
    """One stored chunk."""

    position: tuple[int, ...]
    filter_mask: int
    offset: int
    size: int


def file_access() -> h5p.PropFAID:
    """Access properties: one format generation, no locks, close means close."""
    properties = h5p.create(h5p.FILE_ACCESS)
    properties.set_fclose_degree(h5f.CLOSE_STRONG)
    properties.set_libver_bounds(h5f.LIBVER_V110, h5f.LIBVER_V110)
    properties.set_file_locking(False, True)
    return properties


@contextmanager
def _reading(place: str) -> Iterator[None]:
    try:
        yield
    except MaskstatError:
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError) as error:
        raise CorruptArchiveError(
            "the HDF5 library cannot read it",
            code="corrupt-structure",
            place=place,
            consequence="the file is damaged",
        ) from error


class _Stream:
    """A source as the file object that the library reads its metadata from.

    So it looks at the very bytes that are read later, whatever happens to the file's name, and
    does not mind if the same file is open in this process already.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._position = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + (self._source.size if whence == os.SEEK_END else 0)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        self._source.read_into(self._position, view)
        self._position += len(view)
        return len(view)


class HdfFile:
    """An HDF5 file open for looking at its structure.

    Parameters
    ----------
    source
        The file's bytes, its superblock checked.
    """

    def __init__(self, source: Source) -> None:
        self.place = source.place
        access = file_access()
        access.set_fileobj_driver(h5fd.fileobj_driver, _Stream(source))
        with _reading(self.place):
            # The library takes files of one name for one file.
            name = b"maskstat-" + os.urandom(8).hex().encode()
            self._file = h5f.open(name, h5f.ACC_RDONLY, fapl=access)

    def close(self) -> None:
        """Close the file and everything opened from it."""
        if self._file.valid:
            self._file.close()

    @property
    def is_open(self) -> bool:
        """Whether `close` was not called yet."""
        return bool(self._file.valid)

    def root(self) -> tuple[Any, ObjectFacts]:
        """Return the root group and what it is."""
        with _reading(self.place):
            group = h5g.open(self._file, b"/")
            return group, _object_facts(h5o.get_info(group))

    def links(self, group: Any, place: str, limit: int) -> list[LinkFacts]:
        """Return a group's links in order of their names, one more than `limit` at most."""
        found: list[LinkFacts] = []

        def visit(name: bytes, info: Any) -> bool | None:
            found.append(LinkFacts(name, info.type == h5l.TYPE_HARD))
            return True if len(found) > limit else None

        with _reading(place):
            group.links.iterate(visit, info=True)
        return found

    def member(self, group: Any, name: bytes, place: str) -> ObjectFacts:
        """Say what a hard link leads to."""
        with _reading(place):
            return _object_facts(h5o.get_info(group, name))

    def open_group(self, group: Any, name: bytes, place: str) -> Any:
        """Open a group within a group."""
        with _reading(place):
            return h5g.open(group, name)

    def open_dataset(self, group: Any, name: bytes, place: str) -> tuple[Any, DatasetFacts]:
        """Open a dataset; its space is not looked at unless it is stored in this file."""
        with _reading(place):
            dataset = h5d.open(group, name)
            return dataset, _dataset_facts(dataset)

    def attributes(self, target: Any, number: int, place: str) -> list[AttributeFacts]:
        """Describe the first `number` attributes of an object without reading them."""
        with _reading(place):
            return [_attribute_facts(h5a.open(target, index=i)) for i in range(number)]

    def text(self, attribute: AttributeFacts, place: str) -> bytes:
        """Read a text attribute."""
        with _reading(place):
            value = np.empty((), f"S{attribute.n_bytes}")
            attribute.handle.read(value, mtype=attribute.type_handle)
            return bytes(value[()])

    def numbers(self, attribute: AttributeFacts, place: str) -> list[int] | list[float]:
        """Read an attribute of one or several numbers."""
        with _reading(place):
            value = np.empty(attribute.shape or (), f"<{attribute.kind}")
            attribute.handle.read(value, mtype=_TYPES[attribute.kind])
            numbers: list[int] | list[float] = value.reshape(-1).tolist()
            return numbers

    def chunks(self, dataset: Any, place: str, limit: int) -> list[ChunkFacts]:
        """Return a dataset's stored chunks, one more than `limit` at most."""
        found: list[ChunkFacts] = []

        def visit(info: Any) -> bool | None:
            found.append(
                ChunkFacts(info.chunk_offset, info.filter_mask, info.byte_offset, info.size)
            )
            return True if len(found) > limit else None

        with _reading(place):
            dataset.chunk_iter(visit)
        return found


def _object_facts(info: Any) -> ObjectFacts:
    kind = _KINDS.get(info.type, "other")
    members, attributes = info.meta_size.obj, info.meta_size.attr
    return ObjectFacts(
        kind,
        info.addr,
        info.rc,
        info.hdr.version,
        info.num_attrs,
        attributes.index_size + attributes.heap_size,
        members.index_size + members.heap_size,
    )


def _dtype(kind: Any) -> str | None:
    if kind.committed():
        return None
    name = _BY_SIZE.get((kind.get_class(), kind.get_size()))
    return name if name is not None and kind.equal(_TYPES[name]) else None


def _attribute_facts(attribute: Any) -> AttributeFacts:
    kind, space = attribute.get_type(), attribute.get_space()
    name = attribute.get_name()
    name = name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")
    shape = _shape(space)
    if kind.committed():
        found = "other"
    elif kind.get_class() == h5t.STRING:
        plain = (
            not kind.is_variable_str()
            and kind.get_cset() == h5t.CSET_ASCII
            and kind.get_strpad() == h5t.STR_NULLPAD
        )
        found = "text" if plain else "other"
    else:
        dtype = _dtype(kind)
        found = dtype if dtype in ("i8", "f8") else "other"
    return AttributeFacts(name, found, shape, kind.get_size(), attribute, kind)


def _dataset_facts(dataset: Any) -> DatasetFacts:
    creation = dataset.get_create_plist()
    chunked = creation.get_layout() == h5d.CHUNKED
    n_external = creation.get_external_count()
    if not chunked or n_external:
        # Asking a virtual dataset for its space opens the files it points to.
        return DatasetFacts(chunked, n_external, (), (), None, None, None)
    filters = tuple(
        (found[0], found[1], tuple(found[2]))
        for found in (creation.get_filter(i) for i in range(creation.get_nfilters()))
    )
    space = dataset.get_space()
    shape = _shape(space)
    max_shape = space.get_simple_extent_dims(True) if shape is not None else None
    return DatasetFacts(
        True, 0, filters, creation.get_chunk(), _dtype(dataset.get_type()), shape, max_shape
    )


def _shape(space: Any) -> tuple[int, ...] | None:
    """Return the extents of a scalar or simple space, None of a null space."""
    if space.get_simple_extent_type() == h5s.NULL:
        return None
    shape: tuple[int, ...] = space.get_simple_extent_dims()
    return shape
