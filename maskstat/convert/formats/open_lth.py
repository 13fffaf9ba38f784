"""open_lth: ``mask.pth``, ``checkpoint.pth``, and the folders of a lottery experiment."""

from __future__ import annotations

from maskstat.convert.formats import open_lth_folder
from maskstat.convert.formats.masked_tensors import Pair, found_in, level_of, state
from maskstat.convert.found import Found
from maskstat.convert.probe import Probe
from maskstat.convert.registry import ReadOptions

__all__ = ["matches", "read"]

_PREFIX = "mask_"
_DOT = "___"


def matches(probe: Probe) -> bool:
    """Tell whether it is one of open_lth's folders, checkpoints or ``mask.pth``."""
    if probe.kind == "folder":
        return open_lth_folder.matches(probe)
    return bool(_buffers(probe)) or _is_mask_file(probe)


def read(probe: Probe, options: ReadOptions) -> Found:
    """Read masks; of folders and checkpoints the weights, of folders the accuracies.

    Raises
    ------
    InputError
        A mask holds something else than 0 and 1, or a folder contradicts itself.
    """
    if probe.kind == "folder":
        return open_lth_folder.read(probe, options)
    tensors, _ = state(probe)
    buffers = _buffers(probe)
    if buffers:
        pairs = [
            Pair(weight or name, tensors[key], tensors.get(weight))
            for key, (name, weight) in buffers.items()
        ]
        used = [*buffers, *(pair.name for pair in pairs)]
        return found_in("open-lth", probe, options, pairs, used=used, method="open_lth")
    level, _ = level_of(
        [Pair(name, mask) for name, mask in tensors.items()], {}, options=options, place=probe.place
    )
    return Found(format="open-lth", levels=(level,), method="open_lth")


def _buffers(probe: Probe) -> dict[str, tuple[str, str]]:
    """Find masks among a pruned model's buffers: whose they are, and where that tensor is."""
    tensors, _ = state(probe)
    found: dict[str, tuple[str, str]] = {}
    for key in tensors:
        prefix, _, leaf = key.rpartition(".")
        if leaf.startswith(_PREFIX):
            name = leaf.removeprefix(_PREFIX).replace(_DOT, ".")
            front = f"{prefix}." if prefix else ""
            places = (f"{front}model.{name}", f"{front}{name}")
            weight = next((place for place in places if place in tensors), "")
            if weight or _DOT in leaf:
                found[key] = (name, weight)
    return found


def _is_mask_file(probe: Probe) -> bool:
    """Tell whether all there is are 32-bit zeros and ones, as open_lth alone stores masks."""
    tensors, _ = state(probe)
    is_torch = probe.kind in ("torch-zip", "torch-legacy")
    return (
        is_torch
        and bool(tensors)
        and all(
            tensor.encoding.name == "I32" and len(tensor.shape) > 1 and tensor.looks_binary()
            for tensor in tensors.values()
        )
    )
