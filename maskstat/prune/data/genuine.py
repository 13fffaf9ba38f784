"""Whether a file is the published one, and what to say where it is not."""

from __future__ import annotations

import hashlib
from pathlib import Path

from maskstat.errors import InputError
from maskstat.prune.data.packed import md5_of
from maskstat.prune.data.sources import CONTENT_SHA256, MEMBER_MD5, SOURCES, set_of

__all__ = ["difference"]


def difference(name: str, path: Path, content: bytes = b"") -> str | None:
    """Compare a file with the published one, by its own MD5 or by the SHA-256 of its content.

    Parameters
    ----------
    name
        The data set it is read for.
    path
        The file.
    content
        What is inside, unpacked.

    Returns
    -------
    str or None
        How it differs, or that it cannot be told; None where it is the published file. Without
        folders, so that the same files give the same note everywhere.

    Raises
    ------
    InputError
        It is the published file of another data set.
    """
    md5 = md5_of(path)
    whose = set_of(md5)
    if whose == name:
        return None
    if whose:
        raise InputError(
            f"it is a file of {whose}",
            code="other-dataset",
            place=str(path),
            consequence=f"{name} is not read from it",
            hint=f"--dataset {whose}, or another --data-dir",
        )
    bare = path.name.removesuffix(".gz")
    if expected := CONTENT_SHA256.get(name, {}).get(bare):
        return _unequal(path, "content's SHA-256", _sha256(content), expected)
    published = {source.file: source.md5 for source in SOURCES[name]}
    published.update(MEMBER_MD5.get(name, {}))
    if expected := published.get(path.name):
        return _unequal(path, "MD5", md5, expected)
    return (
        f"{path.name}: cannot be compared with the published {name}: no checksum is published "
        f"for a file of this name; its MD5 is {md5}"
    )


def _unequal(path: Path, kind: str, found: str, expected: str) -> str | None:
    if found == expected:
        return None
    return f"{path.name}: not the published file: its {kind} is {found}, published {expected}"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
