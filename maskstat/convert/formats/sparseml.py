"""SparseML's pruning manager: ``<tensor>.sparsity_mask`` somewhere in its state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from maskstat.convert.formats.masked_tensors import Pair, level_of
from maskstat.convert.found import Found
from maskstat.convert.probe import Probe
from maskstat.convert.registry import ReadOptions
from maskstat.convert.tensors import StoredTensor
from maskstat.convert.torch_file import load, stored

__all__ = ["matches", "read"]

_MASK = ".sparsity_mask"


def matches(probe: Probe) -> bool:
    """Tell whether it has a mask of the manager's."""
    return any(True for _ in _masks(load(probe)))


def read(probe: Probe, options: ReadOptions) -> Found:
    """Read the masks by the names of their tensors.

    Raises
    ------
    InputError
        A mask holds something else than 0 and 1.
    """
    content = load(probe)
    pairs = [Pair(name, mask) for name, mask in _masks(content)]
    level, _ = level_of(pairs, {}, options=options, place=probe.place)
    return Found(
        format="sparseml",
        levels=(level,),
        unmatched=tuple(name for name, _ in stored(content) if not name.endswith(_MASK)),
        method="sparseml",
    )


def _masks(content: Mapping[str, Any]) -> Iterator[tuple[str, StoredTensor]]:
    for key, value in content.items():
        if isinstance(value, StoredTensor) and key.endswith(_MASK):
            yield key.removesuffix(_MASK), value
        elif isinstance(value, Mapping):
            yield from _masks(value)
