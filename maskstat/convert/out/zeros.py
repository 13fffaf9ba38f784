"""A checkpoint with the mask put on it: 0 where pruned, every other bit as it was."""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from maskstat.archive.publish import Temporary, publication
from maskstat.convert.out.folder import folder_publication
from maskstat.convert.out.job import Job, match_layers
from maskstat.convert.out.torch_save import save
from maskstat.convert.probe import Probe
from maskstat.convert.safetensors_file import index_name, shard_names
from maskstat.convert.tensors import StoredTensor
from maskstat.convert.torch_file import load_objects, state_dict
from maskstat.convert.torch_nest import identity, integers
from maskstat.errors import InputError, UsageError, printable

if TYPE_CHECKING:
    import torch

__all__ = ["HAS_WEIGHTS", "write", "write_folder"]

HAS_WEIGHTS = True

_COPY_BYTES = 1 << 22


def write(job: Job, temporary: Temporary) -> tuple[str, tuple[str, ...]]:
    """Write the checkpoint again, in its own format.

    Raises
    ------
    UsageError
        No checkpoint is given.
    InputError
        It is neither torch's nor a safetensors file.
    """
    if job.checkpoint is None:
        raise UsageError(
            "zeros are put into a checkpoint, and none is given",
            code="no-checkpoint",
            place="--checkpoint",
            hint="--checkpoint model.safetensors",
        )
    probe = Probe(job.checkpoint)
    if probe.kind in ("torch-zip", "torch-legacy"):
        _write_torch(job, probe, temporary)
    elif probe.kind == "safetensors":
        _write_safetensors(job, probe, _layers(job, probe), temporary)
    else:
        raise InputError(
            f"it is {probe.what}",
            code="wrong-format",
            place=probe.place,
            consequence="zeros are put into torch files and safetensors, one file or sharded",
            hint="save its arrays as safetensors, and give that",
        )
    return "checkpoint", ()


def write_folder(job: Job, probe: Probe) -> tuple[str, tuple[str, ...]]:
    """Write a sharded checkpoint again, shard by shard, as a folder that is there whole or not.

    Raises
    ------
    OutputExistsError, StorageError
        As `maskstat.convert.out.folder.folder_publication` does.
    InputError
        A layer is not in it, has another shape or has no zero.
    """
    layers = _layers(job, probe)
    shards, index = shard_names(probe), index_name(probe)
    with folder_publication(job.place) as folder:
        for name in shards:
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with publication(path) as temporary:
                shard = Probe(os.path.join(probe.folder, name))
                _write_safetensors(job, shard, layers, temporary)
        if index:
            source = probe if probe.source is not None else probe.file(index)
            with publication(os.path.join(folder, index)) as temporary:
                _copy(source, temporary, 0, source.size)
    return "checkpoint", tuple(_about(job.place, probe, [*shards, *filter(None, [index])]))


def _about(place: str, probe: Probe, written: Sequence[str]) -> Iterator[str]:
    """Say what is in the folder, and what a loader may want that is not."""
    yield f"{place}: a folder of {', '.join(written[:5])}" + (", ..." if len(written) > 5 else "")
    own = {name.partition("/")[0] for name in written}
    left = sorted(set(os.listdir(probe.folder or ".")) - own)
    if left:
        yield f"not copied: {printable(', '.join(left[:5]))}" + (", ..." if len(left) > 5 else "")


def _layers(job: Job, probe: Probe) -> dict[str, str]:
    """Return which layer each tensor of a safetensors checkpoint is, where it is one."""
    found = match_layers(job.mask, probe.tensors, probe.place)
    return {key: layer for layer, key in found.items()}


def _write_torch(job: Job, probe: Probe, temporary: Temporary) -> None:
    """Change the tensors where they are; the file is mapped privately and stays as it is."""
    found, content = load_objects(probe)
    tensors, _ = state_dict(content)
    objects: dict[Hashable, torch.Tensor] = {
        identity(tensor): tensor for tensor in _all_tensors(found)
    }
    import torch

    for name, key in match_layers(job.mask, tensors, probe.place).items():
        pruned = torch.from_numpy(~job.mask.layer(name))
        with torch.no_grad():
            integers(objects[tensors[key].identity].detach()).masked_fill_(pruned, 0)
    save(found, temporary)


def _all_tensors(value: Any) -> Iterator[torch.Tensor]:
    """Give every tensor of a nest that `load_objects` has found to be of a bearable size."""
    import torch

    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (Mapping, list, tuple)):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _all_tensors(inner)


def _write_safetensors(
    job: Job, probe: Probe, layers: Mapping[str, str], temporary: Temporary
) -> None:
    """Copy the header as it is, then tensor by tensor."""
    assert probe.source is not None
    tensors: Mapping[str, StoredTensor] = probe.tensors
    start = 8 + int.from_bytes(probe.source.read(0, 8), "little")
    # The header was checked when the tensors were looked up.
    header = json.loads(probe.source.read(8, start - 8))
    header.pop("__metadata__", None)
    _copy(probe, temporary, 0, start)
    for key, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        lo, hi = entry["data_offsets"]
        if key not in layers:
            _copy(probe, temporary, start + lo, start + hi)
            continue
        kept, at = job.mask.layer(layers[key]).reshape(-1), 0
        for raw in tensors[key].pieces():
            temporary.write(np.where(kept[at : at + raw.size], raw, 0).astype(raw.dtype).tobytes())
            at += raw.size


def _copy(probe: Probe, temporary: Temporary, lo: int, hi: int) -> None:
    assert probe.source is not None
    for at in range(lo, hi, _COPY_BYTES):
        temporary.write(probe.source.read(at, min(_COPY_BYTES, hi - at)))
