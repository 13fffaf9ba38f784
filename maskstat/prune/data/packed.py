"""Files as they lie on disk, gzipped or in an archive, read no further than they may go."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from maskstat.errors import MaskstatError, StorageError, printable
from maskstat.prune.data.checks import lie

__all__ = ["LARGEST", "contents", "md5_of", "tar_members", "unpacked", "zip_member"]

LARGEST = 1 << 31
"""Bytes; more in one file is no data set that this program knows."""

_HEAD = 64
_CHUNK = 1 << 20
_ENCRYPTED = 0x1
_GZIP_MAGIC = b"\x1f\x8b"


@contextmanager
def _readable(place: str) -> Iterator[None]:
    """Turn what readers raise on damaged files into errors that say where."""
    try:
        yield
    except (MaskstatError, MemoryError):
        raise
    except EOFError:
        raise lie("it ends before its content does", place=place) from None
    except NotImplementedError as error:
        raise lie(f"it is packed in a way that is not read: {error}", place=place) from None
    except Exception as error:  # unpacking raises many kinds on damaged files
        if isinstance(error, OSError) and error.strerror:
            raise StorageError(error.strerror, code="unreadable", place=place) from error
        raise lie(f"it is damaged: {printable(str(error))}", place=place) from None


def md5_of(path: Path) -> str:
    """Return the MD5 of a file, hexadecimal: what its publisher states, not a protection."""
    with _readable(str(path)), path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def unpacked(raw: IO[bytes], *, place: str, size: Callable[[bytes], int]) -> bytes:
    """Read a file, gzipped or not, and no further than the size it declares.

    Parameters
    ----------
    raw
        Open at its beginning; can seek.
    place
        What it is called in errors.
    size
        Given its first bytes, returns how many bytes it may hold.

    Raises
    ------
    InputError
        It is damaged, or holds more.
    """
    with _readable(place):
        packed = raw.read(2) == _GZIP_MAGIC
        raw.seek(0)
        stream = gzip.GzipFile(fileobj=raw) if packed else raw
        head = stream.read(_HEAD)
        allowed = size(head)
        if allowed > LARGEST:
            raise lie(f"it declares {allowed:,} bytes, {LARGEST:,} at most are read", place=place)
        data = head + stream.read(max(allowed + 1 - len(head), 0))
    if len(data) > allowed:
        raise lie(f"it holds more than the {allowed:,} bytes that fit it", place=place)
    return data


def contents(path: Path, *, size: Callable[[bytes], int]) -> bytes:
    """Read a file, gzipped or not, as `unpacked` does."""
    with _readable(str(path)), path.open("rb") as file:
        return unpacked(file, place=str(path), size=size)


def tar_members(path: Path, *, wanted: tuple[str, ...], limit: int) -> dict[str, tuple[str, bytes]]:
    """Read some files of a gzipped tar archive, by the last part of their names.

    Returns
    -------
    dict
        Name to place and content, of those that are there. Nothing is written to disk.

    Raises
    ------
    InputError
        The archive is damaged, or a file is larger than `limit`.
    """
    found: dict[str, tuple[str, bytes]] = {}
    with _readable(str(path)), path.open("rb") as file, gzip.GzipFile(fileobj=file) as stream:
        bounded = _Bounded(stream, place=str(path))
        with tarfile.open(fileobj=bounded, mode="r|") as archive:
            for member in archive:
                name = Path(member.name).name
                if name not in wanted or name in found or not member.isfile():
                    continue
                place = f"{path}::{member.name}"
                if member.size > limit:
                    raise lie(f"it declares {member.size:,} bytes, not {limit:,}", place=place)
                content = archive.extractfile(member)
                found[name] = (place, content.read() if content else b"")
        while bounded.read(_CHUNK):
            pass  # to the end, where the checksum is
    return found


class _Bounded(io.RawIOBase):
    """A stream that ends in an error when more than `LARGEST` bytes come out of it."""

    def __init__(self, stream: gzip.GzipFile, *, place: str) -> None:
        self._stream, self._place, self._left = stream, place, LARGEST

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise lie(f"more than {LARGEST:,} bytes come out of it", place=self._place)
        return data


def zip_member(path: Path, name: str, *, size: Callable[[bytes], int]) -> bytes | None:
    """Read one file of a zip archive, by the last part of its name, unpacked if it is gzipped.

    Returns
    -------
    bytes or None
        None where it is not there.

    Raises
    ------
    InputError
        The archive is damaged, or the file holds more than it may.
    """
    with _readable(str(path)), zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if Path(info.filename).name in (name, f"{name}.gz") and not info.is_dir():
                place = f"{path}::{info.filename}"
                if info.flag_bits & _ENCRYPTED:
                    raise lie("it is encrypted", place=place)
                with _readable(place), archive.open(info) as member:
                    return unpacked(member, place=place, size=size)
    return None
