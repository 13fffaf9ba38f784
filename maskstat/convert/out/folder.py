"""Make a folder of files appear whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256

from maskstat.archive.publish import remove_stale, storage_error, sync_folder
from maskstat.errors import OutputExistsError, StorageError

__all__ = ["folder_publication"]

_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


@contextmanager
def folder_publication(path: str | os.PathLike[str]) -> Iterator[str]:
    """Give a temporary folder that takes the name `path` when the block ends well.

    Parameters
    ----------
    path
        The target; it may be there if it is an empty folder. Anything else is never replaced,
        since that could not be done in one step.

    Raises
    ------
    OutputExistsError
        The target is there.
    StorageError
        The file system says no. The target is untouched.
    """
    place = os.fspath(path)
    target = os.path.abspath(place)
    parent, name = os.path.split(target)
    if os.path.lexists(target) and not _is_empty_folder(target):
        raise _exists(place)
    if not os.path.isdir(parent):
        raise StorageError(
            "its folder is not there",
            code="no-such-folder",
            place=place,
            consequence="nothing was written",
        )
    prefix = f".maskstat-folder-{sha256(os.fsencode(name)).hexdigest()[:16]}-"
    try:
        remove_stale(parent, prefix, flags=os.O_DIRECTORY, remove=shutil.rmtree)
        temporary, lock = _create(parent, prefix)
    except OSError as error:
        raise storage_error(error, place) from error
    inner = os.path.join(temporary, "folder")  # whoever writes into it locks it
    try:
        try:
            os.mkdir(inner)
        except OSError as error:
            raise storage_error(error, place) from error
        yield inner
        try:
            os.rename(inner, target)
            sync_folder(parent)
        except OSError as error:
            raise (
                _exists(place) if error.errno in _TAKEN else storage_error(error, place)
            ) from error
    except StorageError as error:
        if error.place.startswith(inner):
            error.place = place
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        os.close(lock)


def _is_empty_folder(target: str) -> bool:
    with suppress(OSError):
        return not os.path.islink(target) and not os.listdir(target)
    return False


def _create(parent: str, prefix: str) -> tuple[str, int]:
    """Return a new folder and a descriptor that keeps it locked while its writer lives."""
    while True:
        path = os.path.join(parent, f"{prefix}{os.urandom(8).hex()}.tmp")
        os.mkdir(path)
        with suppress(FileNotFoundError):  # another writer may have taken it for stale
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                return path, descriptor
            os.close(descriptor)


def _exists(place: str) -> OutputExistsError:
    return OutputExistsError(
        "it exists already",
        code="output-exists",
        place=place,
        consequence="nothing was written: a folder is never replaced",
        hint="another name",
    )
