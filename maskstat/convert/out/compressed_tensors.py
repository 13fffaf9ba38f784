"""compressed-tensors' ``sparse-bitmask``: the kept weights, a bit for every weight, row offsets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from maskstat.archive.publish import Temporary
from maskstat.bits import BoolArray
from maskstat.convert.out.job import Job
from maskstat.convert.out.safetensors import Entry, write_entries
from maskstat.convert.tensors import StoredTensor
from maskstat.errors import InputError, printable

__all__ = ["HAS_WEIGHTS", "write"]

HAS_WEIGHTS = True

_WEIGHT = ".weight"
_CONFIG = 'config.json needs "sparsity_config": {"format": "sparse-bitmask"} for it to be loaded'


def write(job: Job, temporary: Temporary) -> tuple[str, tuple[str, ...]]:
    """Write the kept weights of every layer, and all other tensors as they are.

    Raises
    ------
    NotFoundError
        There are no weights.
    InputError
        A layer's name does not end with ``.weight``, as the format's do, or it has no dimension.
    """
    dense = job.dense()
    layers = {key: layer for layer, key in dense.keys.items()}
    entries: list[Entry] = []
    for key, tensor in dense.tensors.items():
        if key not in layers:
            pieces = (raw.tobytes() for raw in tensor.pieces())
            entries.append(Entry(key, tensor.encoding.name, tensor.shape, pieces))
        elif not tensor.shape:
            raise InputError(
                f"the layer '{printable(key)}' is a single number",
                code="empty-layer",
                place=job.place,
                consequence="compressed-tensors has rows of bits",
                hint=f"--exclude '{printable(key)}' where the mask is read",
            )
        elif key.endswith(_WEIGHT):
            entries += _compressed(job, layers[key], key.removesuffix(_WEIGHT), tensor)
        else:
            raise InputError(
                f"the layer '{printable(key)}' is not named '*{_WEIGHT}'",
                code="bad-name",
                place=job.place,
                consequence="compressed-tensors would give it another name",
            )
    write_entries(temporary, entries, job.place)
    return dense.source, (*dense.notes, _CONFIG)


def _compressed(job: Job, layer: str, prefix: str, tensor: StoredTensor) -> Iterator[Entry]:
    """Give the four tensors that a layer becomes; its bits are unpacked when they are written."""
    shape = tensor.shape
    n_kept = int(job.mask.kept[job.mask.layout.index(layer)])
    row_bytes = -(-shape[-1] // 8)

    def bits() -> BoolArray:
        return job.mask.layer(layer)

    def offsets() -> Iterator[bytes]:
        counts = bits().sum(axis=-1, dtype=np.int64)
        yield (np.cumsum(counts, axis=0).reshape(counts.shape) - counts).astype("<i8").tobytes()

    def bitmask() -> Iterator[bytes]:
        yield np.packbits(bits(), axis=-1, bitorder="little").tobytes()

    def values() -> Iterator[bytes]:
        kept, at = bits().reshape(-1), 0
        for raw in tensor.pieces():
            yield raw[kept[at : at + raw.size]].tobytes()
            at += raw.size

    yield Entry(f"{prefix}.shape", "I64", (len(shape),), [np.array(shape, "<i8").tobytes()])
    yield Entry(f"{prefix}.compressed", tensor.encoding.name, (n_kept,), values())
    yield Entry(f"{prefix}.bitmask", "U8", (*shape[:-1], row_bytes), bitmask())
    yield Entry(f"{prefix}.row_offsets", "I64", shape[:-1], offsets())
