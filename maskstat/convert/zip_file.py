"""Zip files, looked at before anything in them is decompressed, and read as bounded streams."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from maskstat.convert.refusals import damaged, unsafe
from maskstat.errors import InputError

if TYPE_CHECKING:
    from maskstat.convert.probe import Probe

__all__ = ["check_directory", "check_name", "entries", "open_entry"]

_ENTRIES = 200_000
_DIRECTORY = 1 << 23
_END, _LOCATOR, _END_64 = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"
_END_BYTES, _LOCATOR_BYTES, _END_64_BYTES = 22, 20, 56
_COMMENT = 0xFFFF
_RATIO = 1_100
"""Deflate cannot make more of a byte than 1,032."""
_LOCAL_HEADER = 30
_ENCRYPTED = 0x1
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)
"""What zipfile raises on bytes that are no zip file, or one of a kind that it does not know."""


def entries(probe: Probe) -> Sequence[zipfile.ZipInfo]:
    """Return the files in a zip file, every one of them checked by what the directory says.

    Raises
    ------
    CorruptArchiveError
        The directory cannot be read.
    UnsafeArchiveError
        Names come twice or lead out of the folder, parts overlap, are encrypted, or would be
        larger than any compression makes them.
    """
    with probe.stream() as stream:
        check_directory(stream, probe.place)
    with _reading(probe.place):
        file = _opened(probe)
    found, end = file.infolist(), file.start_dir
    if len(found) > _ENTRIES:
        raise unsafe(f"it holds {len(found):,} files", "unsafe-zip", probe.place)
    names: set[str] = set()
    for entry in found:
        check_name(entry.filename, probe.place)
        if entry.filename in names:
            raise unsafe(f"'{entry.filename}' is in it twice", "unsafe-zip", probe.place)
        names.add(entry.filename)
        _check_entry(entry, probe.place)
    for entry in sorted(found, key=lambda entry: -entry.header_offset):
        if entry.header_offset + _LOCAL_HEADER + entry.compress_size > end:
            raise unsafe("two of its files share bytes", "unsafe-overlap", probe.place)
        end = entry.header_offset
    if end < 0:
        raise damaged("one of its files begins before it does", "corrupt-zip", probe.place)
    return found


def check_name(name: str, place: str) -> None:
    """Refuse a name that leads out of the folder it is in.

    Raises
    ------
    UnsafeArchiveError
    """
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or parts[0].endswith(":") or "\0" in name:
        raise unsafe(f"the name '{name}' leads elsewhere", "unsafe-name", place)


def check_directory(file: IO[bytes], place: str) -> None:
    """Refuse a directory that would fill the memory once it is taken apart.

    Raises
    ------
    UnsafeArchiveError
    """
    size = file.seek(0, io.SEEK_END)
    longest = _END_BYTES + _COMMENT + _LOCATOR_BYTES + _END_64_BYTES
    file.seek(max(0, size - longest))
    tail = file.read()
    file.seek(0)
    for at in (len(tail) - _END_BYTES, tail.rfind(_END)):
        if at < 0 or tail[at : at + 4] != _END or len(tail) < at + _END_BYTES:
            continue
        (length,) = struct.unpack_from("<L", tail, at + 12)
        wide = at - _LOCATOR_BYTES - _END_64_BYTES
        if wide >= 0 and tail[wide : wide + 4] == _END_64 and tail[at - 20 : at - 16] == _LOCATOR:
            (length,) = struct.unpack_from("<Q", tail, wide + 40)
        if length > _DIRECTORY:
            raise unsafe(f"its directory has {length:,} bytes", "unsafe-zip", place)


@contextmanager
def open_entry(probe: Probe, entry: zipfile.ZipInfo) -> Iterator[BinaryIO]:
    """Open one file in a zip file; it gives at most the bytes that were declared.

    Raises
    ------
    CorruptArchiveError
        What is there is not what was declared.
    """
    with _reading(probe.place), _opened(probe).open(entry) as stream:
        yield cast(BinaryIO, stream)


def _opened(probe: Probe) -> zipfile.ZipFile:
    return probe.once("zip file", lambda: zipfile.ZipFile(probe.stream()))


@contextmanager
def _reading(place: str) -> Iterator[None]:
    """Turn what goes wrong in reading a zip file into an error of ours."""
    try:
        yield
    except InputError:
        raise
    except (*_DAMAGE, UnicodeDecodeError) as error:
        raise damaged(f"it cannot be unzipped: {error}", "corrupt-zip", place) from error


def _check_entry(entry: zipfile.ZipInfo, place: str) -> None:
    name = entry.filename
    if entry.flag_bits & _ENCRYPTED:
        raise unsafe(f"'{name}' is encrypted", "unsafe-zip", place)
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise unsafe(f"'{name}' is not compressed by deflate", "unsafe-zip", place)
    stored = entry.compress_type == zipfile.ZIP_STORED
    most = entry.compress_size if stored else _RATIO * entry.compress_size
    if entry.file_size > most:
        raise unsafe(
            f"'{name}' is {entry.compress_size:,} bytes and would become {entry.file_size:,}",
            "unsafe-ratio",
            place,
        )
