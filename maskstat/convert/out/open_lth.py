"""open_lth's ``mask.pth``: one int32 tensor of zeros and ones a layer."""

from __future__ import annotations

import numpy as np

from maskstat.archive.publish import Temporary
from maskstat.convert.out.job import Job
from maskstat.convert.out.torch_save import save
from maskstat.convert.torch_file import require_torch

__all__ = ["HAS_WEIGHTS", "write"]

HAS_WEIGHTS = False


def write(job: Job, temporary: Temporary) -> tuple[str, tuple[str, ...]]:
    """Write a dict from names to masks.

    Raises
    ------
    MissingExtraError
        torch is not installed.
    """
    require_torch()
    import torch

    masks = {
        layer.name: torch.from_numpy(job.mask.layer(layer.name).astype(np.int32))
        for layer in job.mask.layout.layers
    }
    save(masks, temporary)
    return "", ()
