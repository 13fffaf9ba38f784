"""Bytes by position, from a file or from memory, and the first 48 of them.

Everything an archive holds is read with `pread` on one descriptor that stays on the same file
whatever happens to its path. Nothing is mapped.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import weakref
from typing import TypeAlias

from maskstat.archive import spec
from maskstat.errors import (
    ArchiveError,
    CorruptArchiveError,
    MaskstatError,
    NotFoundError,
    StorageError,
)

__all__ = [
    "HDF5_SIGNATURE",
    "FileSource",
    "MemorySource",
    "Source",
    "check_superblock",
    "open_source",
    "reading_error",
]

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"

_SUPERBLOCK = struct.Struct("<8sBBBBQQQQI")
_UNDEFINED = 0xFFFF_FFFF_FFFF_FFFF


class MemorySource:
    """An archive held in memory.

    Parameters
    ----------
    data
        All of it.
    place
        What to call it in errors.
    """

    def __init__(self, data: bytes, place: str) -> None:
        self.data = data
        self.place = place
        self.size = self.stored = len(data)

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes or raise."""
        part = self.data[offset : offset + length]
        if len(part) != length:
            raise _truncated(self.place)
        return part

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` or raise."""
        buffer[:] = self.read(offset, len(buffer))


class FileSource:
    """A regular file, open for reading until the last user of this object is gone.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    NotFoundError, ArchiveError, StorageError
        There is no such file, it is no regular file, it cannot be read.
    """

    def __init__(self, path: str) -> None:
        self.place = path
        try:
            # Non-blocking, so that a pipe under this name is refused instead of waited for.
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (OSError, ValueError) as error:
            raise reading_error(error, path) from error
        self._fd = fd
        self.close = weakref.finalize(self, os.close, fd)
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            self.close()
            raise _not_a_file(path, folder=stat.S_ISDIR(status.st_mode))
        self.size = status.st_size
        self.stored = min(self.size, 512 * status.st_blocks)

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes or raise."""
        buffer = bytearray(length)
        self.read_into(offset, memoryview(buffer))
        return bytes(buffer)

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` or raise."""
        done = 0
        while done < len(buffer):
            try:
                n = os.preadv(self._fd, [buffer[done:]], offset + done)
            except OSError as error:
                raise reading_error(error, self.place) from error
            if n == 0:
                raise _truncated(self.place)
            done += n


Source: TypeAlias = FileSource | MemorySource
"""Where an archive's bytes come from: exactly what is asked for, or an error."""


def open_source(source: str | os.PathLike[str] | bytes, *, place: str = "") -> Source:
    """Open a path, or take the bytes themselves; a small file is read whole and closed."""
    if isinstance(source, bytes):
        return MemorySource(source, place or "-")
    file = FileSource(os.fspath(source))
    if file.size > spec.SMALL_FILE:
        return file
    try:
        return MemorySource(file.read(0, file.size), file.place)
    finally:
        file.close()


def check_superblock(source: Source) -> None:
    """Refuse what is not one whole HDF5 file of the only allowed kind.

    Raises
    ------
    ArchiveError
        It is something else.
    CorruptArchiveError
        It was one once, or claims to be.
    """
    place = source.place
    if source.size == 0:
        raise ArchiveError(
            "the file is empty", code="empty-file", place=place, consequence="it is no archive"
        )
    head = source.read(0, min(source.size, _SUPERBLOCK.size))
    if not head.startswith(HDF5_SIGNATURE):
        if len(head) < len(HDF5_SIGNATURE) and HDF5_SIGNATURE.startswith(head):
            raise _truncated(place)
        raise ArchiveError(
            "it does not begin like an HDF5 file",
            code="not-an-archive",
            place=place,
            consequence="it is no maskstat archive",
            hint=f"maskstat convert {place} -o masks.h5, if it holds masks all the same",
        )
    if len(head) < _SUPERBLOCK.size:
        raise _truncated(place)
    _, version, offsets, lengths, flags, base, extension, end, root, _ = _SUPERBLOCK.unpack(head)
    if version < 3:
        raise ArchiveError(
            f"it is an HDF5 file with superblock version {version}",
            code="not-an-archive",
            place=place,
            consequence="maskstat archives have version 3",
            hint=f"maskstat convert {place} -o masks.h5, if it holds masks all the same",
        )
    if (version, offsets, lengths, base, extension) != (3, 8, 8, 0, _UNDEFINED):
        raise CorruptArchiveError(
            "the superblock is not that of an archive",
            code="corrupt-superblock",
            place=place,
            consequence="version 3, 8-byte addresses, no user block and no extension are required",
        )
    if flags:
        raise CorruptArchiveError(
            "its writer did not close it",
            code="unclosed",
            place=place,
            consequence="what it holds is not whole",
        )
    if end > source.size:
        raise _truncated(place, f"it ends after {source.size:,} bytes and should have {end:,}")
    if end < source.size:
        raise CorruptArchiveError(
            f"{source.size - end:,} bytes follow its end",
            code="trailing-bytes",
            place=place,
            consequence="an archive ends where it says",
        )
    if not _SUPERBLOCK.size <= root < end:
        raise CorruptArchiveError(
            "its root lies outside the file",
            code="corrupt-superblock",
            place=place,
            consequence="the file is damaged",
        )


def reading_error(error: OSError | ValueError, place: str) -> MaskstatError:
    """Turn what the file system said while reading into an error of ours."""
    number = getattr(error, "errno", None)
    if number in (errno.ENOENT, errno.ENOTDIR) or isinstance(error, ValueError):
        return NotFoundError("there is no such file", code="no-such-file", place=place)
    if number == errno.EISDIR:
        return _not_a_file(place, folder=True)
    if number == errno.ENXIO:
        return _not_a_file(place, folder=False)
    reason = os.strerror(number) if number else str(error)
    code = "permission-denied" if number in (errno.EACCES, errno.EPERM) else "read-failed"
    hint = "ulimit -n 4096, or fewer files at once" if number == errno.EMFILE else ""
    return StorageError(f"it cannot be read: {reason}", code=code, place=place, hint=hint)


def _not_a_file(place: str, *, folder: bool) -> ArchiveError:
    what = "a folder" if folder else "no regular file"
    return ArchiveError(
        f"it is {what}", code="not-a-file", place=place, consequence="archives are single files"
    )


def _truncated(place: str, fact: str = "the file ends too early") -> CorruptArchiveError:
    return CorruptArchiveError(
        fact, code="truncated", place=place, consequence="a part of it is missing"
    )
