"""NumPy's ``.npz``: one array of booleans a layer, stored as it is."""

from __future__ import annotations

import os
import zipfile

import numpy as np

from maskstat.archive.publish import Temporary
from maskstat.convert.out.job import Job
from maskstat.convert.zip_file import check_name

__all__ = ["HAS_WEIGHTS", "write"]

HAS_WEIGHTS = False


def write(job: Job, temporary: Temporary) -> tuple[str, tuple[str, ...]]:
    """Write one array a layer; equal masks make equal bytes.

    Raises
    ------
    UnsafeArchiveError
        A layer's name would lead out of a folder.
    """
    with (
        os.fdopen(os.dup(temporary.descriptor), "wb") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
    ):
        for layer in job.mask.layout.layers:
            check_name(layer.name, job.place)
            # Without a time of its own an entry is from 1980.
            entry = zipfile.ZipInfo(f"{layer.name}.npy")
            with archive.open(entry, "w", force_zip64=True) as part:
                np.lib.format.write_array(part, job.mask.layer(layer.name), allow_pickle=False)
    return "", ()
