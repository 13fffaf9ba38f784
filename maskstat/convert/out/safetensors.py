"""safetensors: one tensor of zeros and ones a layer, and what writes such files."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from maskstat.archive.publish import Temporary
from maskstat.convert.out.job import Job
from maskstat.convert.tensors import ENCODINGS
from maskstat.errors import InputError, printable

__all__ = ["HAS_WEIGHTS", "Entry", "write", "write_entries"]

HAS_WEIGHTS = False


class Entry(NamedTuple):
    """One tensor to be written.

    Parameters
    ----------
    name, encoding, shape
        As the header says them; `encoding` by its name in safetensors.
    pieces
        Its bytes, little-endian, in C order.
    """

    name: str
    encoding: str
    shape: tuple[int, ...]
    pieces: Iterable[bytes]

    @property
    def n_bytes(self) -> int:
        """Size of its values."""
        return math.prod(self.shape) * ENCODINGS[self.encoding].bits // 8


def write(job: Job, temporary: Temporary) -> tuple[str, tuple[str, ...]]:
    """Write one uint8 tensor a layer; equal masks make equal bytes."""
    entries = [
        Entry(layer.name, "U8", layer.shape, _octets(job, layer.name))
        for layer in job.mask.layout.layers
    ]
    write_entries(temporary, entries, job.place)
    return "", ()


def write_entries(
    temporary: Temporary,
    entries: Sequence[Entry],
    place: str,
) -> None:
    """Write a header and tensors, the widest numbers first so that all are aligned.

    Raises
    ------
    InputError
        Two of them have one name, or one the name of the header's own entry.
    """
    ordered = sorted(entries, key=lambda entry: -ENCODINGS[entry.encoding].bits)
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for entry in ordered:
        if entry.name in header:
            raise InputError(
                f"there cannot be a tensor '{printable(entry.name)}'",
                code="bad-name",
                place=place,
                consequence="another entry of the file has that name",
                hint="--to npz",
            )
        header[entry.name] = {
            "dtype": entry.encoding,
            "shape": list(entry.shape),
            "data_offsets": [at, at + entry.n_bytes],
        }
        at += entry.n_bytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    temporary.write(len(text).to_bytes(8, "little") + text)
    for entry in ordered:
        for piece in entry.pieces:
            temporary.write(piece)


def _octets(job: Job, name: str) -> Iterable[bytes]:
    yield job.mask.layer(name).view(np.uint8).tobytes()
