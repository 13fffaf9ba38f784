"""HDF5 files of others: arrays of numbers, found by the library and read without it.

The library looks at the file in a process of its own, which may crash without harm, and says where
values lie. They are read from there: no link is followed, no filter is run but deflate and
shuffle, which are ours, and nothing outside the file is opened.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskstat.archive.source import Source
from maskstat.convert.hdf5_chunks import ChunkedPieces
from maskstat.convert.refusals import damaged, unsafe
from maskstat.convert.tensors import StoredTensor, encoding_of, read_pieces
from maskstat.errors import InputError

if TYPE_CHECKING:
    from maskstat.convert.probe import Probe

__all__ = ["HdfTree", "tensors", "tree"]

_CHILD = Path(__file__).with_name("hdf5_child.py")
_SECONDS = 120
_RANK = 32
_RATIO = 1_100


class HdfTree(NamedTuple):
    """What is in a file.

    Parameters
    ----------
    tensors
        Arrays of numbers by path, without the slash in front.
    texts
        The root's attributes that are plain text.
    unread
        Paths of everything else.
    """

    tensors: dict[str, StoredTensor]
    texts: dict[str, str]
    unread: tuple[str, ...]


def tensors(probe: Probe) -> Mapping[str, StoredTensor]:
    """Return the arrays of numbers in an HDF5 file.

    Raises
    ------
    UnsafeArchiveError, CorruptArchiveError
        The file is refused or damaged.
    """
    return tree(probe).tensors


def tree(probe: Probe) -> HdfTree:
    """Look through an HDF5 file, once.

    Raises
    ------
    UnsafeArchiveError
        It has links to elsewhere, one object under two names, data outside the file, filters other
        than deflate and shuffle, or claims more than can be in it.
    CorruptArchiveError
        The library cannot read its structure.
    """
    if probe.source is None:
        raise InputError("it is a folder", code="not-a-file", place=probe.place)
    source = probe.source
    return probe.once("hdf5", lambda: _tree(source, probe.path, probe.place))


def _tree(source: Source, path: str, place: str) -> HdfTree:
    answer = _ask(source, path, place)
    if "refused" in answer:
        fact, code, where = answer["refused"]
        make = damaged if code.startswith("corrupt") else unsafe
        raise make(fact, code, f"{place}: /{where}" if where else place)
    spans: list[tuple[int, int, str]] = []
    found = {
        entry["path"]: _tensor(source, entry, f"{place}: /{entry['path']}", spans)
        for entry in answer["datasets"]
    }
    _check_spans(spans, source.size)
    texts = {_text(name): _text(text).rstrip("\0") for name, text in answer["texts"].items()}
    return HdfTree(found, texts, tuple(answer["unread"]))


def _text(found: str) -> str:
    """Return text whose bytes came as one letter each: UTF-8, or else that very text."""
    try:
        return found.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return found


def _ask(source: Source, path: str, place: str) -> dict[str, Any]:
    """Have the library look at the file, in another process."""
    # Two colons forbid filters from other libraries; a file that cannot be opened is tried with
    # every library in the path all the same.
    plugins = {"HDF5_PLUGIN_PRELOAD": "::", "HDF5_PLUGIN_PATH": os.devnull}
    environment = {**os.environ, **plugins, "OPENBLAS_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
    with _as_file(source, path) as name:
        try:
            done = subprocess.run(
                [sys.executable, "-P", str(_CHILD), name],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=environment,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise unsafe("the HDF5 library does not come to an end", "unsafe-budget", place) from (
                error
            )
    try:
        answer = json.loads(done.stdout)
    except ValueError as error:
        raise damaged("the HDF5 library crashes on it", "corrupt-structure", place) from error
    return dict(answer)


@contextmanager
def _as_file(source: Source, path: str) -> Iterator[str]:
    """Give the file a name if it came through a pipe."""
    if path:
        yield os.path.abspath(path)
        return
    with tempfile.NamedTemporaryFile(prefix="maskstat-", suffix=".h5") as file:
        file.write(source.read(0, source.size))
        file.flush()
        yield file.name


def _tensor(
    source: Source, entry: dict[str, Any], place: str, spans: list[tuple[int, int, str]]
) -> StoredTensor:
    dtype, shape = np.dtype(entry["dtype"]), tuple(entry["shape"])
    encoding = encoding_of(dtype)
    if encoding is None:
        raise InputError(f"its values are of type {dtype}", code="unknown-dtype", place=place)
    n_bytes = math.prod(shape) * dtype.itemsize
    if len(shape) > _RANK or n_bytes > _RATIO * source.size:
        raise unsafe(f"its shape is {shape}", "unsafe-shape", place)
    raw = np.dtype(f"{'>' if dtype.byteorder == '>' else '<'}u{dtype.itemsize}")
    pieces: Any
    stored: int | None = None
    if not n_bytes:
        pieces = tuple
    elif "data" in entry:
        pieces = partial(_values, np.frombuffer(bytes.fromhex(entry["data"]), raw))
    elif "offset" in entry:
        if entry["offset"] is None:
            raise damaged("its values were never written", "missing-chunk", place)
        spans.append((entry["offset"], entry["offset"] + n_bytes, place))
        pieces = partial(read_pieces, source, entry["offset"], n_bytes // raw.itemsize, raw)
    else:
        pieces = ChunkedPieces(source, shape, raw, entry, place)
        spans += [(at, at + size, place) for at, size in pieces.extents]
        stored = sum(size for _, size in pieces.extents)
    return StoredTensor(
        name=entry["path"],
        shape=shape,
        encoding=encoding,
        pieces=pieces,
        place=place,
        stored=stored,
    )


def _values(values: NDArray[Any]) -> Sequence[NDArray[Any]]:
    return [values]


def _check_spans(spans: list[tuple[int, int, str]], size: int) -> None:
    """Refuse values that share bytes or lie outside the file."""
    at = 0
    for start, stop, place in sorted(spans):
        if start < at or stop > size:
            raise unsafe("its values share bytes or lie outside the file", "unsafe-overlap", place)
        at = stop
