"""The exact zeros of a dense checkpoint: wanda, SparseGPT, llm-compressor, ``prune.remove``.

Read only when it is asked for: a zero may have other causes than pruning.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable

from maskstat.convert.found import Found, Level
from maskstat.convert.probe import Probe
from maskstat.convert.registry import ReadOptions
from maskstat.convert.tensors import StoredTensor
from maskstat.errors import InputError, printable

__all__ = ["is_prunable", "matches", "read"]

_UNPRUNED = re.compile(
    r"""
      (^|[._/])
      (   \w*embed\w* | wte | wpe | shared | relative_attention_bias | rotary\w* | inv_freq
        | lm_head | embed_out
        | \w*norm\w* | ln(_?\w+)? | bn\d* | batch_?norm\d*
      )
      ([._/]|$)
    | ^output\.weight$
    """,
    re.VERBOSE | re.IGNORECASE,
)


def matches(probe: Probe) -> bool:
    """Tell whether there is a tensor that could have been pruned."""
    return any(_is_default(tensor) for tensor in probe.tensors.values())


def is_prunable(name: str) -> bool:
    """Tell by its name that a tensor is no embedding, output head or normalization.

    Examples
    --------
    >>> is_prunable("model.layers.0.mlp.down_proj.weight"), is_prunable("lm_head.weight")
    (True, False)
    >>> is_prunable("encoder.layer.0.attention.output.dense.weight"), is_prunable("bn1.weight")
    (True, False)
    """
    return _UNPRUNED.search(name) is None


def read(probe: Probe, options: ReadOptions) -> Found:
    """Take every value that is not zero for kept.

    By default these are the tensors of floating-point numbers with two or more dimensions that
    are, by their names, no embedding, output head or normalization, and have no mask beside them.
    A negative zero is a zero, a NaN is kept.

    Raises
    ------
    InputError
        No tensor is chosen.
    """
    chosen: list[StoredTensor] = []
    unmatched: list[str] = []
    notes: list[str] = []
    owners: dict[Hashable, str] = {}
    masked = {name for name in probe.tensors if _is_masked(name, probe.tensors)}
    for name, tensor in probe.tensors.items():
        default = _is_default(tensor) and name not in masked
        if not options.chooses(name, default=default) or not _can(tensor):
            unmatched.append(name)
        elif tensor.identity is not None and tensor.identity in owners:
            unmatched.append(name)
            notes.append(f"'{name}' is tied to '{owners[tensor.identity]}' and counted once")
        else:
            owners.setdefault(tensor.identity, name)
            chosen.append(tensor)
    if not chosen:
        raise InputError(
            f"none of its {len(unmatched):,} tensors is chosen",
            code="no-masks",
            place=probe.place,
            consequence=_listed(probe),
            hint=_hint(probe, any_mask=bool(masked)),
        )
    return Found(
        format="zeros",
        levels=[Level(masks=[tensor.mask("nonzero") for tensor in chosen])],
        unmatched=tuple(unmatched),
        notes=tuple(notes),
        method="zeros",
    )


def _is_default(tensor: StoredTensor) -> bool:
    return len(tensor.shape) >= 2 and tensor.encoding.kind == "float" and is_prunable(tensor.name)


def _is_masked(name: str, names: Collection[str]) -> bool:
    """Tell whether it is a mask or has one beside it: its zeros are then not what was pruned."""
    base = name.removesuffix("_mask").removesuffix("_orig")
    return f"{base}_mask" in names and not {base, f"{base}_orig"}.isdisjoint(names)


def _can(tensor: StoredTensor) -> bool:
    """Tell whether zeros can be seen in a tensor at all."""
    return tensor.size > 0 and tensor.encoding.kind in ("float", "int", "bool")


def _hint(probe: Probe, *, any_mask: bool) -> str:
    if not probe.tensors:
        return "name the file that holds the weights"
    if any_mask or all(tensor.encoding.name == "BOOL" for tensor in probe.tensors.values()):
        return "leave out --from zeros: it holds masks"
    return "--include 'PATTERN'"


def _listed(probe: Probe) -> str:
    """Say what there is; a folder's tensors are its .npy files, or shards that have an index."""
    tensors = list(probe.tensors.values())
    if not tensors and probe.source is not None:
        return "it is empty"
    if not tensors:
        return "in a folder .npy files are read, or one .safetensors file, or several and an index"
    names = printable(", ".join(map(_described, tensors[:6])))
    return f"there are: {names}" + (", ..." if len(tensors) > 6 else "")


def _described(tensor: StoredTensor) -> str:
    return f"{tensor.name} {tensor.encoding.name}{list(tensor.shape)}"
