"""Probe: what a file or folder is, told by its content alone.

Nothing is unpickled, decompressed or followed to find out. A suffix is never looked at, except for
which files of a folder belong together.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Hashable, Mapping
from functools import cached_property
from importlib import import_module
from typing import Any, BinaryIO, Literal, TypeAlias, TypeVar, cast

from maskstat.archive.source import (
    HDF5_SIGNATURE,
    FileSource,
    MemorySource,
    Source,
    reading_error,
)
from maskstat.convert.tensors import StoredTensor
from maskstat.errors import InputError

__all__ = ["INDEX", "Kind", "Probe"]

Kind: TypeAlias = Literal[
    "hdf5", "npy", "npz", "zip", "torch-zip", "torch-legacy", "pickle",
    "safetensors", "sharded", "folder", "empty", "unknown",
]  # fmt: skip
"""``sharded``: a folder of safetensors, or the index of one. ``pickle``: one that is not torch's.
``zip``: one with neither torch's ``data.pkl`` nor arrays. Only ``folder`` and ``sharded`` can have
no `Probe.source`."""

_WHAT: Mapping[Kind, str] = {
    "hdf5": "an HDF5 file",
    "npy": "a NumPy array",
    "npz": "a NumPy .npz file",
    "zip": "a zip file",
    "torch-zip": "a torch file",
    "torch-legacy": "a torch file of before 1.6",
    "pickle": "a Python pickle",
    "safetensors": "a safetensors file",
    "sharded": "a folder of safetensors",
    "folder": "a folder",
    "empty": "an empty file",
    "unknown": "of no known kind",
}

_TORCH_LEGACY = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
"""The magic number 0x1950a86a20f9469cfc6c as pickle writes it."""
INDEX = "model.safetensors.index.json"
"""What a sharded checkpoint's index is called."""

_FILES = 200_000
_DEPTH = 12

T = TypeVar("T")


class Probe:
    """A file or folder looked at by its content.

    Parameters
    ----------
    source
        A path, or all of a file's bytes.
    place
        What to call it in errors; the path if left out.

    Attributes
    ----------
    path
        The file or folder; empty for bytes.
    place
        What to call it in errors.
    source
        The file's bytes by position; None for a folder.
    kind
        What it is.

    Raises
    ------
    NotFoundError, ArchiveError, StorageError
        There is no such file, it is no regular one, it cannot be read.

    Examples
    --------
    >>> Probe(b"").kind
    'empty'
    """

    def __init__(self, source: str | os.PathLike[str] | bytes, *, place: str = "") -> None:
        self.path = "" if isinstance(source, bytes) else os.fspath(source)
        self.place = place or self.path or "-"
        self._cache: dict[Hashable, Any] = {}
        self.source: Source | None
        if isinstance(source, bytes):
            self.source = MemorySource(source, self.place)
        elif os.path.isdir(self.path):
            self.source = None
        else:
            self.source = FileSource(self.path)
        self.kind: Kind = self._kind()

    @property
    def what(self) -> str:
        """What it is, in words."""
        return _WHAT[self.kind]

    @property
    def name(self) -> str:
        """The last part of the path; for the contents of a folder ``.``, that folder's."""
        return os.path.basename(os.path.abspath(self.path)) if self.path else "stdin"

    @property
    def size(self) -> int:
        """Size in bytes; 0 for a folder."""
        return 0 if self.source is None else self.source.size

    @property
    def folder(self) -> str:
        """The folder itself, or the one the file is in."""
        return self.path if self.source is None else os.path.dirname(self.path)

    def head(self, length: int = 64) -> bytes:
        """Return the first bytes, fewer if there are no more."""
        return b"" if self.source is None else self.source.read(0, min(length, self.size))

    def stream(self) -> BinaryIO:
        """Open the file's bytes as a stream: the very file that was looked at."""
        if self.source is None:
            raise InputError("it is a folder", code="not-a-file", place=self.place)
        return cast(BinaryIO, io.BufferedReader(_Stream(self.source), 1 << 16))

    def once(self, key: Hashable, load: Callable[[], T]) -> T:
        """Return what `load` gives, called once a key: what matching loads, reading has."""
        if key not in self._cache:
            self._cache[key] = load()
        return cast(T, self._cache[key])

    @cached_property
    def files(self) -> tuple[str, ...]:
        """The files in a folder as sorted relative paths with ``/``; empty for a file."""
        return self._walked[0]

    @property
    def not_entered(self) -> tuple[str, ...]:
        """The folders in it whose files are not looked for: links, and those that lie too deep."""
        return self._walked[1]

    @cached_property
    def _walked(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if self.source is not None:
            return (), ()
        files, left = _walk(self.path, self.place)
        return tuple(sorted(files)), tuple(sorted(left))

    def file(self, relative: str) -> Probe:
        """Look at one of `files`; the same object each time."""
        return self.once(("file", relative), lambda: Probe(os.path.join(self.path, relative)))

    @cached_property
    def tensors(self) -> Mapping[str, StoredTensor]:
        """The tensors by name, none of them read; in a folder, those of its .npy files.

        A torch file's are those of its state dict, which `maskstat.convert.torch_file.tensors`
        gives.

        Raises
        ------
        InputError
            There are none in such a file, or it is damaged or unsafe.
        """
        home = {
            "safetensors": "safetensors_file",
            "sharded": "safetensors_file",
            "npy": "numpy_file",
            "npz": "numpy_file",
            "folder": "numpy_file",
            "hdf5": "hdf5_file",
            "torch-zip": "torch_file",
            "torch-legacy": "torch_file",
        }.get(self.kind)
        if home is None:
            raise InputError(f"it is {self.what}", code="no-tensors", place=self.place)
        module = import_module(f"maskstat.convert.{home}")
        return cast("Mapping[str, StoredTensor]", module.tensors(self))

    def _kind(self) -> Kind:
        if self.source is None:
            return "sharded" if _is_sharded(self.path) else "folder"
        head = self.head()
        if not head:
            return "empty"
        if head.startswith(HDF5_SIGNATURE):
            return "hdf5"
        if head.startswith(b"\x93NUMPY"):
            return "npy"
        if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            return self._kind_of_zip()
        # Before pickles: a header of 640, 896, 1152 or 1408 bytes begins as a pickle does.
        if head[4:8] == bytes(4) and _is_safetensors(head):
            return "safetensors"
        if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
            legacy = head[2:14] == _TORCH_LEGACY or head[11:23] == _TORCH_LEGACY
            return "torch-legacy" if legacy else "pickle"
        if _is_safetensors(head):
            return "safetensors"
        if head.lstrip()[:1] == b"{" and b'"weight_map"' in self.head(1 << 22):
            return "sharded"
        return "unknown"

    def _kind_of_zip(self) -> Kind:
        from maskstat.convert.zip_file import entries

        names = [entry.filename for entry in self.once("zip", lambda: entries(self))]
        if any(name == "data.pkl" or name.endswith("/data.pkl") for name in names):
            return "torch-zip"
        return "npz" if any(name.endswith(".npy") for name in names) else "zip"

    def __repr__(self) -> str:
        return f"<Probe '{self.place}': {self.what}>"


class _Stream(io.RawIOBase):
    """A source as a file object."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._source.size}
        if base[whence] + offset < 0:
            raise OSError(errno.EINVAL, "before the beginning of the source")
        self._position = base[whence] + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        n = max(0, min(len(view), self._source.size - self._position))
        self._source.read_into(self._position, view[:n])
        self._position += n
        return n


def _is_safetensors(head: bytes) -> bool:
    """Tell whether a file begins with a length and a JSON object, not with eight letters."""
    text = all(32 <= octet < 127 for octet in head[:8])
    return head[8:9] == b"{" and head[9:10] in (b'"', b"}", b" ", b"\n") and not text


def _is_sharded(folder: str) -> bool:
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise reading_error(error, folder) from error
    return INDEX in names or sum(name.endswith(".safetensors") for name in names) == 1


def _walk(folder: str, place: str) -> tuple[list[str], list[str]]:
    """Return the files in a folder, and the folders that are not entered, with ``/`` at the end."""
    found: list[str] = []
    left: list[str] = []
    for here, folders, files in os.walk(folder):
        relative = os.path.relpath(here, folder)
        parts = [] if relative == "." else relative.split(os.sep)
        found += ["/".join([*parts, name]) for name in files]
        deep = len(parts) >= _DEPTH
        out = [name for name in folders if deep or os.path.islink(os.path.join(here, name))]
        left += ["/".join([*parts, name, ""]) for name in out]
        if deep:
            folders.clear()
        if len(found) + len(left) > _FILES:
            raise InputError(
                f"there are more than {_FILES:,} files in it",
                code="too-many-files",
                place=place,
                hint="name the folder that holds the masks",
            )
    return found, left
