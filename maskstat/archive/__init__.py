"""The file format: one HDF5 file with one or more runs, the only thing that is stored."""

from __future__ import annotations

from maskstat.archive.reader import Archive, is_archive, is_hdf5, open_archive
from maskstat.archive.verify import Finding, Verification, verify
from maskstat.archive.writer import to_bytes, write

__all__ = [
    "Archive",
    "Finding",
    "Verification",
    "is_archive",
    "is_hdf5",
    "open_archive",
    "to_bytes",
    "verify",
    "write",
]
