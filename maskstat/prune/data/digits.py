"""The handwritten digits that come with this package (see datasets/digits.txt)."""

from __future__ import annotations

import io
from importlib.resources import files

import numpy as np

from maskstat.prune.data.dataset import Dataset

__all__ = ["digits"]


def digits() -> Dataset:
    """Load them: 1,797 grey images of 8x8, a fixed stratified fifth for testing."""
    raw = files("maskstat.prune").joinpath("datasets", "digits.npz").read_bytes()
    with np.load(io.BytesIO(raw), allow_pickle=False) as stored:
        images, labels, test = stored["images"][:, None], stored["labels"], stored["test"]
    labels = labels.astype(np.int64)
    return Dataset(
        name="digits",
        images=images[~test],
        labels=labels[~test],
        test_images=images[test],
        test_labels=labels[test],
        classes=10,
    )
