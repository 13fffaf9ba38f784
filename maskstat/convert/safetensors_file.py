"""safetensors files, one or a folder of them: every number checked, then read by position.

A file is eight bytes, a JSON header of that length, and the tensors without a gap between them.
What is looked for is only in the header; values are read from their place a piece at a time.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from maskstat.archive.source import FileSource, Source
from maskstat.convert.probe import INDEX
from maskstat.convert.refusals import damaged, unsafe
from maskstat.convert.tensors import ENCODINGS, Encoding, StoredTensor, read_pieces
from maskstat.convert.zip_file import check_name
from maskstat.errors import (
    CorruptArchiveError,
    InputError,
    NotFoundError,
    printable,
)

if TYPE_CHECKING:
    from maskstat.convert.probe import Probe

__all__ = ["index_name", "shard_names", "tensors"]

_HEADER_BYTES: Final = 1 << 25
"""The longest header that is read; the format allows 100 MB, which no model has."""
_TOKENS = 1_200_000
"""Brackets, commas and colons of 100,000 tensors."""
_NAME = 4_096
_RANK = 64
_SHARDS = 10_000


def tensors(probe: Probe) -> Mapping[str, StoredTensor]:
    """Return the tensors of a safetensors file, or of all files of a sharded checkpoint.

    Raises
    ------
    UnsafeArchiveError
        Tensors share bytes, or names lead out of the folder.
    CorruptArchiveError
        The file is not what its header says.
    """
    if probe.kind == "sharded":
        return _of_folder(probe)
    if probe.source is None:
        raise InputError("it is a folder", code="not-a-file", place=probe.place)
    return _of_file(probe.source, probe.place)


def index_name(probe: Probe) -> str:
    """Return the file that says which shard each tensor is in; none if a folder has one shard."""
    if probe.source is not None:
        return probe.name
    return INDEX if INDEX in os.listdir(probe.path) else ""


def shard_names(probe: Probe) -> list[str]:
    """Return the files of a sharded checkpoint, as paths inside its folder.

    Raises
    ------
    UnsafeArchiveError, CorruptArchiveError
        As `tensors` does.
    """
    if not index_name(probe):
        return [name for name in os.listdir(probe.path) if name.endswith(".safetensors")]
    return list(dict.fromkeys(_weight_map(probe).values()))


def _of_file(source: Source, place: str) -> dict[str, StoredTensor]:
    header, start = _header(source, place)
    header.pop("__metadata__", None)
    found: dict[str, StoredTensor] = {}
    spans: list[tuple[int, int, str]] = []
    for name, entry in header.items():
        encoding, shape, lo, hi = _entry(name, entry, place)
        spans.append((lo, hi, name))
        n_values = (hi - lo) * 8 // encoding.bits if encoding.kind != "packed" else hi - lo
        found[name] = StoredTensor(
            name=name,
            shape=shape,
            encoding=encoding,
            pieces=partial(read_pieces, source, start + lo, n_values, encoding.raw),
            place=place,
        )
    _check_spans(spans, source.size - start, place)
    return found


def _header(source: Source, place: str) -> tuple[dict[str, Any], int]:
    """Return a file's header and where the values begin."""
    if source.size < 8:
        raise _damaged("it ends in its header", place)
    length = int.from_bytes(source.read(0, 8), "little")
    if length > _HEADER_BYTES:
        raise unsafe(f"its header claims {length:,} bytes", "unsafe-header", place)
    if 8 + length > source.size:
        raise _damaged(f"its header of {length:,} bytes is longer than the file", place)
    return _json(source, 8, length, place), 8 + length


def _json(source: Source, offset: int, length: int, place: str) -> dict[str, Any]:
    """Read a JSON object in which no name comes twice."""
    raw = source.read(offset, length)
    if sum(raw.count(token) for token in (b"[", b"{", b",", b":")) > _TOKENS:
        raise unsafe("its JSON has too many entries", "unsafe-header", place)
    try:
        found = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise _damaged(f"its JSON cannot be read: {error}"[:200], place) from error
    if not isinstance(found, dict):
        raise _damaged("its JSON is no object", place)
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found


def _entry(name: str, entry: object, place: str) -> tuple[Encoding, tuple[int, ...], int, int]:
    """Check what a header says about one tensor."""
    if len(name) > _NAME:
        raise unsafe(f"a name in it has {len(name):,} letters", "unsafe-header", place)
    shown = printable(name)
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _damaged(f"its entry for '{shown}' is not one of a tensor", place)
    shape, offsets = entry["shape"], entry["data_offsets"]
    if (
        not _are_counts(shape)
        or not _are_counts(offsets)
        or len(shape) > _RANK
        or len(offsets) != 2
        or not offsets[0] <= offsets[1]
    ):
        raise _damaged(f"'{shown}' has an impossible shape or place", place)
    encoding = ENCODINGS.get(entry["dtype"]) if isinstance(entry["dtype"], str) else None
    if encoding is None:
        raise InputError(
            f"'{shown}' is of type {printable(str(entry['dtype']))[:60]}",
            code="unknown-dtype",
            place=place,
            consequence="how large it is cannot be known",
        )
    if math.prod(shape) * encoding.bits != 8 * (offsets[1] - offsets[0]):
        raise _damaged(f"the size of '{shown}' is not that of its shape", place)
    return encoding, tuple(shape), offsets[0], offsets[1]


def _are_counts(values: object) -> bool:
    return isinstance(values, list) and all(type(n) is int and 0 <= n < 1 << 63 for n in values)


def _check_spans(spans: list[tuple[int, int, str]], size: int, place: str) -> None:
    """Refuse tensors that overlap, leave a gap, or do not end where the file ends."""
    at = 0
    for lo, hi, name in sorted(spans):
        if lo < at:
            raise unsafe(
                f"'{printable(name)}' shares bytes with another tensor", "unsafe-overlap", place
            )
        if lo > at:
            raise _damaged(f"{lo - at:,} bytes before '{printable(name)}' belong to nothing", place)
        at = hi
    if at > size:
        raise _damaged(f"{at - size:,} bytes of it are missing", place)
    if at < size:
        raise _damaged(f"{size - at:,} bytes follow its end", place)


def _of_folder(probe: Probe) -> dict[str, StoredTensor]:
    """Return the tensors of a checkpoint's folder, file by file."""
    if not index_name(probe):
        (only,) = shard_names(probe)
        path = os.path.join(probe.path, only)
        return _of_file(FileSource(path), path)
    place = _index_place(probe)
    weights = _weight_map(probe)
    found: dict[str, StoredTensor] = {}
    for shard in dict.fromkeys(weights.values()):
        path = os.path.join(probe.folder, shard)
        if not os.path.exists(path):
            raise NotFoundError(
                f"there is no '{printable(shard)}' beside it",
                code="missing-shard",
                place=place,
                consequence="a part of the checkpoint is missing",
            )
        for name, tensor in _of_file(FileSource(path), path).items():
            if weights.get(name) != shard:
                raise _damaged(f"'{printable(name)}' is in {printable(shard)} unasked", place)
            found[name] = tensor
    for name, shard in weights.items():
        if name not in found:
            raise _damaged(f"'{printable(name)}' is not in {printable(shard)}", place)
    return {name: found[name] for name in weights}


def _index_place(probe: Probe) -> str:
    return probe.place if probe.source else os.path.join(probe.path, INDEX)


def _weight_map(probe: Probe) -> dict[str, str]:
    """Read which file each tensor is in, all of them in this folder."""
    place = _index_place(probe)
    index = probe.source or FileSource(place)
    if index.size > _HEADER_BYTES:
        raise unsafe(f"it has {index.size:,} bytes", "unsafe-header", place)
    found = _json(index, 0, index.size, place).get("weight_map")
    if not isinstance(found, dict) or not all(isinstance(shard, str) for shard in found.values()):
        raise _damaged("it has no 'weight_map' from names to files", place)
    shards = set(found.values())
    for shard in shards:
        check_name(shard, place)
    if len(shards) > _SHARDS:
        raise unsafe(f"it names {len(shards):,} files", "unsafe-header", place)
    return found


def _damaged(fact: str, place: str) -> CorruptArchiveError:
    return damaged(fact, "corrupt-safetensors", place)
