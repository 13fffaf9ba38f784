"""``torch.ao.pruning``: a sparsifier's own state, which has the masks but not the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from maskstat.convert.formats.masked_tensors import Pair, level_of
from maskstat.convert.found import Found
from maskstat.convert.probe import Probe
from maskstat.convert.registry import ReadOptions
from maskstat.convert.tensors import StoredTensor
from maskstat.convert.torch_file import load, stored
from maskstat.errors import InputError

__all__ = ["matches", "read"]


def matches(probe: Probe) -> bool:
    """Tell whether it holds a sparsifier's ``state`` and ``groups``."""
    return bool(_masks(load(probe)))


def read(probe: Probe, options: ReadOptions) -> Found:
    """Read the masks by the full names of their tensors.

    Raises
    ------
    InputError
        A mask holds something else than 0 and 1, or there is none.
    """
    content = load(probe)
    masks = _masks(content)
    if not masks:
        raise InputError(
            "it is no state of a torch.ao sparsifier",
            code="no-masks",
            place=probe.place,
            consequence="it has no 'groups', or no masks in its 'state'",
        )
    level, _ = level_of(
        [Pair(name, mask) for name, mask in masks.items()],
        {},
        options=options,
        place=probe.place,
    )
    taken = {f"state.{name}.mask" for name in masks}
    return Found(
        format="torch-ao",
        levels=(level,),
        unmatched=tuple(name for name, _ in stored(content) if name not in taken),
        method="torch.ao.pruning",
    )


def _masks(content: Mapping[str, Any]) -> dict[str, StoredTensor]:
    state = content.get("state")
    if not isinstance(state, Mapping) or not isinstance(content.get("groups"), list):
        return {}
    return {
        name: entry["mask"]
        for name, entry in state.items()
        if isinstance(entry, Mapping) and isinstance(entry.get("mask"), StoredTensor)
    }
