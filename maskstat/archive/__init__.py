"""The file format: one HDF5 file with one or more runs, the only thing that is stored.

Each public name loads its module when it is used: reading needs nothing of writing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maskstat.archive.reader import Archive, is_archive, is_hdf5, open_archive
    from maskstat.archive.verify import Finding, Verification
    from maskstat.archive.writer import to_bytes, write

__all__ = [
    "Archive",
    "Finding",
    "Verification",
    "is_archive",
    "is_hdf5",
    "open_archive",
    "to_bytes",
    "write",
]

_HOME = {
    "Archive": "reader",
    "Finding": "verify",
    "Verification": "verify",
    "is_archive": "reader",
    "is_hdf5": "reader",
    "open_archive": "reader",
    "to_bytes": "writer",
    "write": "writer",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'maskstat.archive' has no attribute '{name}'")
    return getattr(import_module(f"maskstat.archive.{_HOME[name]}"), name)
