"""HDF5 with a dataset of zeros and ones a layer, named by its path."""

from __future__ import annotations

from maskstat.convert.formats.generic import level_of
from maskstat.convert.found import Found, Level
from maskstat.convert.hdf5_file import tree
from maskstat.convert.probe import Probe
from maskstat.convert.registry import ReadOptions

__all__ = ["matches", "read"]


def matches(probe: Probe) -> bool:
    """Tell whether all arrays of numbers begin with zeros and ones."""
    tensors = tree(probe).tensors.values()
    return any(t.shape for t in tensors) and all(t.looks_binary() for t in tensors)


def read(probe: Probe, options: ReadOptions) -> Found:
    """Take every array with a dimension for a mask.

    Raises
    ------
    InputError
        A value is neither 0 nor 1, or none is chosen.
    """
    found = tree(probe)
    level, unmatched = level_of(list(found.tensors.values()), options, probe.place)
    return Found(
        format="hdf5", levels=[Level(masks=level.masks)], unmatched=(*unmatched, *found.unread)
    )
