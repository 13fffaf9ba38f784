"""Run as a script: say as JSON what is in an HDF5 file, by the HDF5 library.

That library can be made to crash by a file, so it looks at other people's files in a process of
its own. Here is nothing but the question; what is to be thought of the answer is for `hdf5_file`.
No values are read but the few that lie in an object's header. Imports nothing of ours.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

import numpy as np
from h5py import h5a, h5d, h5f, h5g, h5l, h5o, h5p, h5s, h5t

__all__ = ["main"]

_OBJECTS = 50_000
_DEPTH = 32
_CHUNKS = 400_000
_ATTRIBUTES = 64
_TEXT = 1 << 16
_MEMORY = 2 << 30
_SECONDS = 60


class _RefusedError(Exception):
    """What is wrong, its code and where."""


def main(path: str) -> None:
    """Print the answer for one file."""
    for what, most in ((resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_CPU, _SECONDS)):
        _, hard = resource.getrlimit(what)
        # A limit that is there already can only be lowered.
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer: dict[str, Any] = {"texts": {}, "datasets": [], "unread": [], "n_chunks": 0}
    try:
        access = h5p.create(h5p.FILE_ACCESS)
        access.set_fclose_degree(h5f.CLOSE_STRONG)
        access.set_file_locking(False, True)
        file = h5f.open(path.encode("utf-8", "surrogateescape"), h5f.ACC_RDONLY, fapl=access)
        root = h5g.open(file, b"/")
        answer["texts"] = _texts(root)
        _group(root, "", answer, {h5o.get_info(root).addr})
    except _RefusedError as error:
        answer = {"refused": list(error.args)}
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError, MemoryError):
        answer = {"refused": ["the HDF5 library cannot read it", "corrupt-structure", ""]}
    sys.stdout.write(json.dumps(answer))


def _texts(root: Any) -> dict[str, str]:
    """Return the root's attributes that are short text of a fixed length."""
    found: dict[str, str] = {}
    for index in range(min(h5a.get_num_attrs(root), _ATTRIBUTES)):
        attribute = h5a.open(root, index=index)
        kind, space = attribute.get_type(), attribute.get_space()
        if (
            kind.get_class() == h5t.STRING
            and not kind.is_variable_str()
            and kind.get_size() <= _TEXT
            and space.get_simple_extent_type() == h5s.SCALAR
        ):
            value = np.empty((), f"S{kind.get_size()}")
            attribute.read(value, mtype=kind)
            found[attribute.name.decode("latin-1")] = value.tobytes().decode("latin-1")
    return found


def _group(group: Any, prefix: str, answer: dict[str, Any], seen: set[int]) -> None:
    links: list[tuple[bytes, bool]] = []

    def visit(name: bytes, info: Any) -> bool | None:
        links.append((name, info.type == h5l.TYPE_HARD))
        return True if len(links) > _OBJECTS else None

    group.links.iterate(visit, info=True)
    if len(links) + len(seen) > _OBJECTS or prefix.count("/") > _DEPTH:
        raise _RefusedError("it holds too many objects", "unsafe-object", prefix)
    for name, hard in links:
        path = prefix + name.decode("utf-8", "backslashreplace")
        if not hard:
            raise _RefusedError("it is a link to somewhere else", "unsafe-link", path)
        info = h5o.get_info(group, name)
        if info.addr in seen:
            raise _RefusedError("it has more than one name", "unsafe-alias", path)
        seen.add(info.addr)
        if info.type == h5o.TYPE_GROUP:
            _group(h5g.open(group, name), f"{path}/", answer, seen)
        elif info.type == h5o.TYPE_DATASET:
            _dataset(h5d.open(group, name), path, answer)
        else:
            answer["unread"].append(path)


def _dataset(dataset: Any, path: str, answer: dict[str, Any]) -> None:
    creation = dataset.get_create_plist()
    layout = creation.get_layout()
    if creation.get_external_count() or layout == h5d.VIRTUAL:
        # Asking a virtual dataset for its space would open the files it points to.
        raise _RefusedError("its data are not stored in this file", "unsafe-storage", path)
    dtype, space = _dtype(dataset.get_type()), dataset.get_space()
    if dtype is None or space.get_simple_extent_type() == h5s.NULL:
        answer["unread"].append(path)
        return
    shape = space.get_simple_extent_dims()
    entry: dict[str, Any] = {"path": path, "dtype": dtype, "shape": shape}
    if layout == h5d.COMPACT:
        # Such values are in the header, which has at most 64 KiB.
        if dataset.get_storage_size() > _TEXT:
            raise _RefusedError("its values are too large", "unsafe-storage", path)
        values = np.empty(shape, dtype)
        dataset.read(h5s.ALL, h5s.ALL, values)
        entry["data"] = values.tobytes().hex()
    elif layout == h5d.CONTIGUOUS:
        entry["offset"] = dataset.get_offset()
    else:
        filters = [creation.get_filter(i)[0] for i in range(creation.get_nfilters())]
        entry |= {"chunk": creation.get_chunk(), "filters": filters}
        entry["chunks"] = _chunks(dataset, path, _CHUNKS - answer["n_chunks"])
        answer["n_chunks"] += len(entry["chunks"])
    answer["datasets"].append(entry)


def _chunks(dataset: Any, path: str, most: int) -> list[Any]:
    found: list[Any] = []

    def visit(info: Any) -> bool | None:
        found.append([info.chunk_offset, info.filter_mask, info.byte_offset, info.size])
        return True if len(found) > most else None

    if dataset.get_storage_size():
        dataset.chunk_iter(visit)
    if len(found) > most:
        raise _RefusedError("it has too many chunks", "unsafe-chunk", path)
    return found


def _dtype(kind: Any) -> str | None:
    """Return the NumPy type of plain numbers and of h5py's booleans, None for all else."""
    if kind.get_size() > 8:
        return None
    if kind.get_class() == h5t.ENUM:
        return "|b1" if kind.dtype == np.bool_ else None
    if kind.get_class() not in (h5t.INTEGER, h5t.FLOAT):
        return None
    try:
        dtype = np.dtype(kind.dtype)
    except (TypeError, ValueError):
        return None
    return dtype.str if kind.equal(h5t.py_create(dtype)) else None


if __name__ == "__main__":
    main(sys.argv[1])
