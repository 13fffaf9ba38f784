"""NNI's pruners: ``mask.pth`` by module, and models under their wrappers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from maskstat.convert.formats.masked_tensors import Pair, found_in, level_of, state
from maskstat.convert.found import Found
from maskstat.convert.probe import Probe
from maskstat.convert.registry import ReadOptions
from maskstat.convert.tensors import StoredTensor
from maskstat.convert.torch_file import load

__all__ = ["matches", "read"]

_MASK = "_mask"
_WRAPPER = "_nni_wrapper"
_ACTIVATIONS = ("_input_", "_output_")


def matches(probe: Probe) -> bool:
    """Tell whether it is a dict of modules' masks, or a state dict with NNI's wrappers."""
    return bool(_by_module(load(probe)) or _wrapped(probe))


def read(probe: Probe, options: ReadOptions) -> Found:
    """Read the masks; of wrapped models the masked weights too.

    Raises
    ------
    InputError
        A mask holds something else than 0 and 1.
    """
    masks = _by_module(load(probe))
    if not masks:
        pairs, used = _pairs(probe)
        return found_in("nni", probe, options, pairs, used=used, method="nni")
    activations = [name for name in masks if name.rpartition(".")[2].startswith(_ACTIVATIONS)]
    pairs = [Pair(name, mask) for name, mask in masks.items() if name not in activations]
    level, _ = level_of(pairs, {}, options=options, place=probe.place)
    return Found(format="nni", levels=(level,), unmatched=tuple(activations), method="nni")


def _by_module(content: Mapping[str, Any]) -> dict[str, StoredTensor]:
    """Return masks by full name if all of a dict is masks of modules, else nothing."""
    found: dict[str, StoredTensor] = {}
    for module, masks in content.items():
        if not isinstance(masks, Mapping) or not masks:
            return {}
        for name, mask in masks.items():
            known = name in ("weight", "bias") or name.startswith(_ACTIVATIONS)
            if not known or not (mask is None or isinstance(mask, StoredTensor)):
                return {}
            if isinstance(mask, StoredTensor):
                found[f"{module}.{name}"] = mask
    weights = [mask for name, mask in found.items() if name.endswith(".weight")]
    return found if weights and all(mask.looks_binary() for mask in weights) else {}


def _wrapped(probe: Probe) -> bool:
    return bool(_pairs(probe)[0])


def _pairs(probe: Probe) -> tuple[list[Pair], list[str]]:
    """Find ``X.module.W`` with ``X.W_mask``, and ``X._nni_wrapper.W`` with its ``_mask``."""
    tensors, _ = state(probe)
    pairs: list[Pair] = []
    used: list[str] = []
    for key in tensors:
        base = key.removesuffix(_MASK)
        module, _, leaf = base.rpartition(".")
        if base == key or leaf not in ("weight", "bias"):
            continue
        if module.rpartition(".")[2] == _WRAPPER:
            name = f"{module.rpartition('.')[0]}.{leaf}".removeprefix(".")
            weight = next((k for k in (base, f"{base}_orig", name) if k in tensors), "")
        else:
            name, weight = base, f"{module}.module.{leaf}"
            if weight not in tensors:
                continue
        pairs.append(Pair(name, tensors[key], tensors.get(weight)))
        used += [key, weight]
    return pairs, used
