"""Download published files: checked, resumed where they broke off, from the next host if need be.

Written on the standard library: pooch, the usual choice, begins anew after every break, and what
it does besides, comparing a checksum and renaming, takes a few lines.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import http.client
import os
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

import maskstat
from maskstat.errors import StorageError, printable
from maskstat.prune.data.sources import Source

__all__ = ["Progress", "download", "mirrors"]

Progress: TypeAlias = Callable[[str, int, int | None], None]
"""Called with a URL, the bytes there so far, and how many there will be, if that is known."""

_TRIES = 4
"""Times that one host is asked; each goes on where the last broke off."""
_PAUSE = 1.0
"""Seconds before the second try; twice as many before each further one."""
_TIMEOUT = 30.0
"""Seconds without a byte that count as a break."""
_WINDOW = 30.0
"""Seconds over which a host's pace is taken."""
_SLOWEST = 4096
"""Bytes a second; at a slower pace the next host is asked."""
_LASTING = (socket.gaierror, ConnectionRefusedError, ssl.SSLCertVerificationError, ValueError)
"""What asking again does not help against."""
_CHUNK = 1 << 18
_LARGEST = 1 << 30
"""Bytes; EMNIST, the largest, has 562 million."""


def mirrors(name: str, source: Source) -> tuple[str, ...]:
    """Return the URLs of a file: below each of ``MASKSTAT_MIRROR``, or where it is published.

    Parameters
    ----------
    name
        The data set: the folder in which a mirror holds it.
    source
        The file.
    """
    named = os.environ.get("MASKSTAT_MIRROR", "").split()
    folders = [f"{base.rstrip('/')}/{name}/" for base in named] or source.folders
    return tuple(f"{folder}{source.file}" for folder in folders)


def download(
    source: Source,
    folder: Path,
    *,
    urls: Sequence[str],
    progress: Progress | None = None,
    pause: float = _PAUSE,
    timeout: float = _TIMEOUT,
    window: float = _WINDOW,
) -> Path:
    """Download a file unless it is there.

    Parameters
    ----------
    source
        The file and its checksum.
    folder
        Where it goes; made if need be. An interrupted download leaves ``FILE.partial`` in it,
        which the next one continues.
    urls
        Where it is to be had, the best first.
    progress
        Told how far it is, at the beginning and the end of each try too.
    pause
        Seconds before the second try of a host; twice as many before each further one.
    timeout
        Seconds without a byte after which a host counts as silent.
    window
        Seconds over which a host's pace is taken; one that trickles is left for the next.

    Returns
    -------
    Path

    Raises
    ------
    StorageError
        No host gives the file, or the folder cannot be written to.
    """
    target = folder / source.file
    unfinished = folder / f"{source.file}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _held(unfinished) as partial:
            if target.exists():  # another process was at it
                unfinished.unlink()
            else:
                _fill(partial, source, urls, progress, _Waits(pause, timeout, window))
                os.fsync(partial.fileno())
                unfinished.replace(target)
    except _HostsFailedError as failed:
        raise StorageError(
            "; ".join(failed.reasons),
            code="download-failed",
            place=source.file,
            consequence="it is not here",
            hint=f"later again, or without internet: carry {source.file} from another machine "
            f"into {folder}",
        ) from None
    except OSError as error:
        raise StorageError(
            error.strerror or str(error),
            code="write-failed",
            place=str(folder),
            consequence=f"{source.file} is not here; what has come of it is kept",
            hint="--data-dir with a folder that has room and may be written to",
        ) from error
    return target


@dataclass(frozen=True, slots=True)
class _Waits:
    """How long hosts are waited for, in seconds; see `download`."""

    pause: float
    timeout: float
    window: float


@contextmanager
def _held(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that no other process has, after waiting for one that does."""
    while True:
        with path.open("ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_at(file, path):
                continue
            try:
                yield file
            except _HostsFailedError:
                if not file.seek(0, os.SEEK_END):
                    path.unlink()
                raise
            return


def _is_at(file: IO[bytes], path: Path) -> bool:
    """Tell whether a file still has its name: another process may have taken it away."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


class _HostsFailedError(Exception):
    """No host gave the file."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__()
        self.reasons = reasons


class _BrokenError(Exception):
    """A try failed; what has come is good."""


class _HopelessError(Exception):
    """A host will not give the file."""


def _fill(
    partial: IO[bytes],
    source: Source,
    urls: Sequence[str],
    progress: Progress | None,
    waits: _Waits,
) -> None:
    """Ask one host after the other until the whole, right file is there."""
    reasons = []
    for url, login in map(_without_login, urls):
        reason = ""
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(waits.pause * 2 ** (attempt - 1))
            there = partial.seek(0, os.SEEK_END)
            try:
                length_known = _append(partial, url, login, there, progress, waits)
            except _BrokenError as error:
                reason = str(error)
                continue
            except _HopelessError as error:
                reason = str(error)
                break
            found = _md5(partial)
            if found == source.md5:
                return
            partial.truncate(0)
            reason = f"what it gives has the MD5 {found}, published is {source.md5}"
            # What was continued may have been of another file, and an end that nobody announced a
            # break.
            if not there and length_known:
                break
        reasons.append(f"{url}: {reason}")
    raise _HostsFailedError(reasons)


def _append(
    partial: IO[bytes],
    url: str,
    login: str,
    there: int,
    progress: Progress | None,
    waits: _Waits,
) -> bool:
    """Take what is missing from one host; tell whether it said how much that is."""
    headers = {"User-Agent": f"maskstat/{maskstat.__version__}", "Accept-Encoding": "identity"}
    if there:
        headers["Range"] = f"bytes={there}-"
    try:
        request = urllib.request.Request(url, headers=headers)
        if login:
            request.add_unredirected_header("Authorization", login)
        # An opener of its own knows the proxies of now; urlopen's keeps those of its first use.
        response = urllib.request.build_opener().open(request, timeout=waits.timeout)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:  # nothing after what is there: it is whole, or of another file
                return True
            passing = error.code in (408, 425, 429) or error.code >= 500
            kind = _BrokenError if passing else _HopelessError
            raise kind(f"HTTP {error.code} {printable(error.reason)}{_by_proxy(url)}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = getattr(error, "reason", error)
        kind = _HopelessError if isinstance(cause, _LASTING) else _BrokenError
        raise kind(f"{_words(cause)}{_by_proxy(url)}") from None
    with response:
        if response.headers.get_content_type() == "text/html":  # of a proxy or a hotel, say
            raise _HopelessError(f"it gives a web page, not the file{_by_proxy(url)}")
        if there and not _continues(response, there):
            there = 0
            partial.truncate(0)
        return _copy(response, partial, there, url, progress, waits.window)


def _without_login(url: str) -> tuple[str, str]:
    """Take name and password out of a URL, which may be shown then; return what is sent instead."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return url, ""
    login, _, host = parts.netloc.rpartition("@")
    if not login or parts.scheme not in ("http", "https"):
        return url, ""
    token = base64.b64encode(urllib.parse.unquote(login).encode()).decode()
    return parts._replace(netloc=host).geturl(), f"Basic {token}"


def _by_proxy(url: str) -> str:
    """Name the variable that sends a request to a proxy; its value may hold a password."""
    try:
        scheme, host = urllib.parse.urlsplit(url)[:2]
    except ValueError:  # it is no URL, and nobody was asked
        return ""
    if scheme not in urllib.request.getproxies() or urllib.request.proxy_bypass(host):
        return ""
    return f" (by the proxy of {scheme}_proxy)"


def _words(error: object) -> str:
    """Say what went wrong on the way."""
    return printable(getattr(error, "strerror", None) or str(error)) or type(error).__name__


def _continues(response: http.client.HTTPResponse, there: int) -> bool:
    """Tell whether a host sends only what is missing."""
    return response.status == 206 and (response.headers.get("Content-Range") or "").startswith(
        f"bytes {there}-"
    )


def _total(response: http.client.HTTPResponse, there: int) -> int | None:
    """Return how long the file will be, if the host says so."""
    length = response.headers.get("Content-Length", "")
    return there + int(length) if length.isascii() and length.isdigit() else None


def _copy(
    response: http.client.HTTPResponse,
    partial: IO[bytes],
    there: int,
    url: str,
    progress: Progress | None,
    window: float,
) -> bool:
    """Write what comes, and tell how far it is; return whether it was known how far it goes."""
    total = _total(response, there)
    if (total or 0) > _LARGEST:
        raise _HopelessError(f"it offers {total:,} bytes")
    told = progress or _quiet
    told(url, there, total)
    began, before = time.monotonic(), there
    while chunk := _received(response):
        there += len(chunk)
        if there > _LARGEST:
            partial.truncate(0)
            raise _HopelessError(f"it sends more than {_LARGEST:,} bytes")
        partial.write(chunk)
        told(url, there, total)
        seconds = time.monotonic() - began
        if seconds >= window and there != total:
            if there - before < _SLOWEST * seconds:
                raise _HopelessError(f"it sent {there - before:,} bytes in {seconds:.0f} seconds")
            began, before = time.monotonic(), there
    partial.flush()
    if total is not None and there < total:
        raise _BrokenError(f"it broke off after {there:,} of {total:,} bytes")
    return total is not None


def _quiet(url: str, there: int, total: int | None) -> None:
    """Tell nobody."""


def _received(response: http.client.HTTPResponse) -> bytes:
    """Return what has come next; nothing at the end."""
    try:
        return response.read1(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(_words(error)) from None


def _md5(partial: IO[bytes]) -> str:
    partial.seek(0)
    md5 = hashlib.md5(usedforsecurity=False)
    while chunk := partial.read(_CHUNK):
        md5.update(chunk)
    return md5.hexdigest()
