"""Make a file appear whole or not at all.

The bytes go into a temporary file in the target's folder, are forced to the disk, and get the
target's name in one step. Whatever kills the writer in between, the target is what it was. Its
temporary file is locked while the writer lives, so the next writer of the same target can tell and
remove what a dead one left. The last step is taken under a lock on the folder, by one writer at a
time: what a writer finds there is what it replaces.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from maskstat.errors import OutputExistsError, StorageError

__all__ = [
    "Temporary",
    "made_folder",
    "publication",
    "remove_stale",
    "storage_error",
    "sync_folder",
]

_PATIENCE = 10.0
"""Seconds to wait for the folder's lock; who holds it for longer is no writer of ours."""
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_REASONS = {
    errno.ENOENT: ("its folder is not there", "no-such-folder"),
    errno.ENOTDIR: ("its folder is not there", "no-such-folder"),
    errno.EACCES: ("its folder may not be written to", "permission-denied"),
    errno.EPERM: ("its folder may not be written to", "permission-denied"),
    errno.EROFS: ("its folder may not be written to", "permission-denied"),
    errno.ENOSPC: ("no space is left", "disk-full"),
    errno.EDQUOT: ("no space is left", "disk-full"),
}


class Temporary:
    """The temporary file of one publication.

    Parameters
    ----------
    path
        Where it is.
    descriptor
        Open for writing, and locked.
    """

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor

    def write(self, data: bytes) -> None:
        """Write all of `data` at the end."""
        view = memoryview(data)
        while view:
            view = view[os.write(self.descriptor, view) :]


@contextmanager
def publication(
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    replaces: Callable[[str], bool] | None = None,
) -> Iterator[Temporary]:
    """Give a temporary file that takes the name `path` when the block ends well.

    Parameters
    ----------
    path
        The target; a symbolic link is followed only where it may be replaced.
    overwrite
        Whether a file that is there may be replaced.
    replaces
        Tells of the file that is there in the end whether it, and only it, may be replaced. No
        other writer can put another there between the answer and the replacing.

    Raises
    ------
    OutputExistsError
        The target is there, and may not be replaced.
    StorageError
        The file system says no. The target is untouched.
    """
    place = os.fspath(path)
    if not os.path.basename(place):
        raise _not_a_file(place)
    may_replace = overwrite or replaces is not None
    target = os.path.realpath(place) if may_replace else os.path.abspath(place)
    folder, name = os.path.split(target)
    try:
        mode = _existing_mode(target, place, overwrite=may_replace)
        prefix = f".maskstat-{sha256(os.fsencode(name)).hexdigest()[:16]}-"
        remove_stale(folder, prefix, flags=os.O_RDWR, remove=os.unlink)
        temporary = _create(folder, prefix)
    except StorageError:
        raise
    except (OSError, ValueError) as error:
        raise storage_error(error, place) from error
    try:
        yield temporary
        if mode is not None:
            os.fchmod(temporary.descriptor, mode)
        os.fsync(temporary.descriptor)
        with _turn(folder):
            if replaces is not None:
                overwrite = os.path.lexists(target)
                if overwrite and not replaces(target):
                    raise _changed(place)
            if overwrite:
                os.replace(temporary.path, target)
            else:
                _link(temporary.path, target)
        sync_folder(folder)
    except StorageError:
        raise
    except FileExistsError as error:
        raise _exists(place) from error
    except OSError as error:
        raise storage_error(error, place) from error
    finally:
        with suppress(OSError):
            os.unlink(temporary.path)
        os.close(temporary.descriptor)


@contextmanager
def _turn(folder: str) -> Iterator[None]:
    """Take the last step alone among writers into a folder, where its file system has locks."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    except PermissionError:  # it can be written to, and not listed
        yield
        return
    try:
        until = time.monotonic() + _PATIENCE
        while not _locked(descriptor) and time.monotonic() < until:
            time.sleep(0.005)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Lock it; return False if another has it, True also where there are no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _existing_mode(target: str, place: str, *, overwrite: bool) -> int | None:
    """Return the permissions of the file to be replaced; refuse what may not be."""
    # The place, not the target: /dev/stdout leads to a pipe, which has no path.
    if os.path.exists(place) and not os.path.isfile(place):
        raise _not_a_file(place)
    try:
        status = os.lstat(target)
    except FileNotFoundError:
        return None
    if not overwrite:
        raise _exists(place)
    if not stat.S_ISREG(status.st_mode):
        raise _not_a_file(place)
    return stat.S_IMODE(status.st_mode)


def remove_stale(folder: str, prefix: str, *, flags: int, remove: Callable[[str], None]) -> None:
    """Remove temporary files, or folders, that nobody holds locked.

    Parameters
    ----------
    folder, prefix
        Where they are, and how the names of those of one target begin.
    flags
        Of `os.open`: ``O_RDWR`` for files, ``O_DIRECTORY`` for folders.
    remove
        Called with the path of each.
    """
    found: list[str] = []
    with suppress(PermissionError), os.scandir(folder) as entries:
        found = [entry.path for entry in entries if entry.name.startswith(prefix)]
    for path in found:
        with suppress(OSError):
            descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(path)
            finally:
                os.close(descriptor)


def _create(folder: str, prefix: str) -> Temporary:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    while True:
        path = os.path.join(folder, f"{prefix}{os.urandom(8).hex()}.tmp")
        descriptor = os.open(path, flags, 0o666)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Another writer may have taken it for stale before it was locked.
        if os.fstat(descriptor).st_nlink:
            return Temporary(path, descriptor)
        os.close(descriptor)


def _link(temporary: str, target: str) -> None:
    """Give the file its name, failing if the name is taken."""
    try:
        os.link(temporary, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A file system without hard links: nothing better than to look first.
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from error
        os.rename(temporary, target)


def sync_folder(folder: str) -> None:
    """Force the new name to the disk; where that cannot be done, the file is there all the same."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _exists(place: str) -> OutputExistsError:
    return OutputExistsError(
        "it exists already",
        code="output-exists",
        place=place,
        consequence="nothing was written",
        hint="another name, or --overwrite",
    )


def _not_a_file(place: str) -> StorageError:
    return StorageError(
        "it is a folder, a device or a pipe" if place else "the name is empty",
        code="not-a-file",
        place=place,
        consequence="nothing was written",
        hint="name a file",
    )


def _changed(place: str) -> OutputExistsError:
    return OutputExistsError(
        "another process has written it meanwhile",
        code="output-exists",
        place=place,
        consequence="it was left as it is",
        hint="wait until the other is done, or another name",
    )


def made_folder(path: Path) -> Path:
    """Make a folder for many outputs, and those above it.

    Raises
    ------
    StorageError
        The file system does not allow it, or something else has the name.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        there = next(p for p in (path, *path.parents) if os.path.lexists(p))
        raise StorageError(
            "it is no folder",
            code="not-a-folder",
            place=str(there),
            consequence="many files would be written into it; it was left as it is",
            hint="-o NAME/",
        ) from None
    except (OSError, ValueError) as error:
        raise storage_error(error, str(path)) from error
    return path


def storage_error(error: OSError | ValueError, place: str) -> StorageError:
    """Say in our words why the file system refused."""
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        fact, code = _REASONS.get(error.errno or 0, (reason, "write-failed"))
    else:
        fact, code = "no file can have this name", "write-failed"
    return StorageError(
        fact, code=code, place=place, consequence="nothing was written, nothing was lost"
    )
