"""A state dict that loads into a model under ``torch.nn.utils.prune``."""

from __future__ import annotations

from maskstat.archive.publish import Temporary
from maskstat.convert.out.job import Job
from maskstat.convert.out.torch_save import as_torch, save
from maskstat.convert.torch_file import require_torch

__all__ = ["HAS_WEIGHTS", "write"]

HAS_WEIGHTS = True

_ORIG = "_orig"
_MASK = "_mask"


def write(job: Job, temporary: Temporary) -> tuple[str, tuple[str, ...]]:
    """Write ``X_orig`` and ``X_mask``, of one type, for every layer X; the rest as it is.

    Raises
    ------
    NotFoundError
        There are no weights.
    MissingExtraError
        torch is not installed.
    """
    require_torch()
    import torch

    dense = job.dense()
    layers = {key: layer for layer, key in dense.keys.items()}
    old_masks = {key.removesuffix(_ORIG) + _MASK for key in layers}
    content: dict[str, torch.Tensor] = {}
    for key, tensor in dense.tensors.items():
        if key in layers:
            name = key.removesuffix(_ORIG)
            weight = as_torch(tensor)
            kept = torch.from_numpy(job.mask.layer(layers[key]))
            content[name + _ORIG] = weight
            content[name + _MASK] = kept.to(weight.dtype)
        elif key not in old_masks:
            content[key] = as_torch(tensor)
    save(content, temporary)
    return dense.source, dense.notes
