"""Distiller's checkpoints: ``compression_sched.masks_dict``, with None for what has no mask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from maskstat.convert.formats.masked_tensors import Pair, found_in, state
from maskstat.convert.found import Found
from maskstat.convert.probe import Probe
from maskstat.convert.registry import ReadOptions
from maskstat.convert.tensors import StoredTensor
from maskstat.convert.torch_file import load
from maskstat.errors import InputError

__all__ = ["matches", "read"]

_SCHEDULER = "compression_sched"


def matches(probe: Probe) -> bool:
    """Tell whether it holds a scheduler's masks."""
    return bool(_masks(load(probe)))


def read(probe: Probe, options: ReadOptions) -> Found:
    """Read the masks, and the masked weights of the checkpoint's state dict.

    Raises
    ------
    InputError
        A mask holds something else than 0 and 1, or there is none.
    """
    masks = _masks(load(probe))
    if not masks:
        raise InputError(
            "it has no masks in 'compression_sched'", code="no-masks", place=probe.place
        )
    tensors, _ = state(probe)
    pairs = [Pair(name, mask, tensors.get(name)) for name, mask in masks.items()]
    used = [*masks, _SCHEDULER, *(key for key in tensors if key.startswith(f"{_SCHEDULER}."))]
    return found_in("distiller", probe, options, pairs, used=used, method="distiller")


def _masks(content: Mapping[str, Any]) -> dict[str, StoredTensor]:
    scheduler = content.get(_SCHEDULER)
    masks = scheduler.get("masks_dict") if isinstance(scheduler, Mapping) else None
    if not isinstance(masks, Mapping):
        return {}
    return {name: mask for name, mask in masks.items() if isinstance(mask, StoredTensor)}
