"""Hazards of datasets: where their values lie, types, filters, shapes, chunks, sizes."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t
from hazard import RUN, Field, alter, changed, default_image, edit, field, fields, put


def made(file: h5py.File, creation: Any, shape: tuple[int, ...] = (430,)) -> Any:
    """Make `votes` anew with other creation properties."""
    del file[RUN]["votes"]
    return h5d.create(file[RUN].id, b"votes", h5t.STD_U16LE, h5s.create_simple(shape), creation)


def chunked(chunk: int = 430, *, deflates: int = 0) -> Any:
    creation = h5p.create(h5p.DATASET_CREATE)
    creation.set_chunk((chunk,))
    for _ in range(deflates):
        creation.set_deflate(9)
    return creation


@edit("unsafe-storage", "contiguous")
def contiguous(file: h5py.File, canaries: Path) -> None:
    put(file[RUN], "kept", file[RUN]["kept"][...], chunks=None)


@edit("unsafe-storage", "compact")
def compact(file: h5py.File, canaries: Path) -> None:
    creation = h5p.create(h5p.DATASET_CREATE)
    creation.set_layout(h5d.COMPACT)
    made(file, creation)


@edit("unsafe-storage", "external-file")
def external(file: h5py.File, canaries: Path) -> None:
    creation = h5p.create(h5p.DATASET_CREATE)
    creation.set_external(bytes(canaries / "canary.bin"), 0, 860)
    made(file, creation)


@edit("unsafe-storage", "virtual-dataset")
def virtual(file: h5py.File, canaries: Path) -> None:
    del file[RUN]["votes"]
    layout = h5py.VirtualLayout((430,), "<u2")
    layout[:] = h5py.VirtualSource(str(canaries / "canary.h5"), "x", (430,))
    file[RUN].create_virtual_dataset("votes", layout)


@edit("unsafe-storage", "virtual-dataset-of-unlimited-extent")
def unlimited(file: h5py.File, canaries: Path) -> None:
    """Asking for its extents alone opens the other file."""
    del file[RUN]["votes"]
    layout = h5py.VirtualLayout((430,), "<u2", maxshape=(None,))
    source = h5py.VirtualSource(str(canaries / "canary.h5"), "x", (430,), maxshape=(None,))
    layout[: h5s.UNLIMITED] = source[: h5s.UNLIMITED]
    file[RUN].create_virtual_dataset("votes", layout)


TYPES = {
    "big-endian": ">u2", "wide": "<u4", "signed": "<i2", "half": "<f2", "text": "S2",
    "variable-length": h5py.string_dtype(), "enum": h5py.enum_dtype({"a": 1}, "<u2"),
    "compound": np.dtype([("a", "<u2")]), "opaque": "V2", "reference": h5py.ref_dtype,
    "region": h5py.regionref_dtype, "array": np.dtype(("<u2", (2,))),
    "numbers-in-a-heap": h5py.vlen_dtype("<u2"),
}  # fmt: skip
for _title, _dtype in TYPES.items():

    @edit("unsafe-type", f"type-{_title}")
    def dtype(file: h5py.File, canaries: Path, dtype: Any = _dtype) -> None:
        del file[RUN]["votes"]
        file[RUN].create_dataset("votes", (430,), dtype, chunks=(430,))


@edit("unsafe-type", "type-committed")
def committed(file: h5py.File, canaries: Path) -> None:
    file["later"] = np.dtype("<u2")
    del file[RUN]["votes"]
    file[RUN].create_dataset("votes", (430,), file["later"], chunks=(430,))
    del file["later"]


FILTERS: dict[str, dict[str, Any]] = {
    "lzf": {"compression": "lzf"}, "shuffle": {"shuffle": True}, "fletcher32": {"fletcher32": True},
    "scale-offset": {"scaleoffset": 4},
}  # fmt: skip
for _title, _options in FILTERS.items():

    @edit("unsafe-filter", f"filter-{_title}")
    def filtered(file: h5py.File, canaries: Path, options: Any = _options) -> None:
        put(file[RUN], "kept", file[RUN]["kept"][...], **options)


@edit("unsafe-filter", "deflate-twice")
def twice(file: h5py.File, canaries: Path) -> None:
    """271,695 bytes from one."""
    bomb = zlib.compress(zlib.compress(bytes(1 << 24), 9), 9)
    made(file, chunked(deflates=2)).write_direct_chunk((0,), bomb)


@edit("unsafe-filter", "filter-of-a-plugin")
def plugin(file: h5py.File, canaries: Path) -> None:
    """The HDF5 library would look for it in the folder of plugins."""
    creation = chunked()
    creation.set_filter(32_001, h5py.h5z.FLAG_OPTIONAL, (1, 2))
    made(file, creation)


@edit("unsafe-filter", "filter-mask-of-another-filter")
def other_mask(file: h5py.File, canaries: Path) -> None:
    made(file, chunked(deflates=1)).write_direct_chunk((0,), bytes(860), 2)


@alter("unsafe-filter", "edges-unfiltered-unsaid")
def edges(image: bytes) -> bytes:
    return changed(image, field("layout: flags"), 1)


@edit("unsafe-shape", "shape-bomb")
def shape_bomb(file: h5py.File, canaries: Path) -> None:
    made(file, chunked(1 << 16), (1 << 60,))


SHAPES = {"rank-5": (1, 1, 1, 1, 430), "another-length": (431,), "another-rank": (430, 1)}
for _title, _shape in SHAPES.items():

    @edit("unsafe-shape", f"shape-{_title}")
    def shape(file: h5py.File, canaries: Path, shape: tuple[int, ...] = _shape) -> None:
        put(file[RUN], "votes", np.zeros(shape, "u2"))


@edit("unsafe-shape", "shape-that-grows")
def growing(file: h5py.File, canaries: Path) -> None:
    put(file[RUN], "votes", np.zeros(430, "u2"), maxshape=(None,))


@edit("unsafe-shape", "text-of-many-megabytes")
def huge_text(file: h5py.File, canaries: Path) -> None:
    """One MB a chunk of spaces, 17 KB in all."""
    text = np.full(17 << 20, 32, "u1")
    put(file[RUN], "provenance", text, chunks=(1 << 20,), compression=9)


@edit("unsafe-chunk", "chunk-bomb")
def chunk_bomb(file: h5py.File, canaries: Path) -> None:
    del file[RUN]["series/train_loss"]
    file[RUN].create_dataset(
        "series/train_loss", data=np.zeros((5, 1 << 18)), chunks=(5, 1 << 18), compression=9
    )


@edit("unsafe-chunk", "chunks-without-number")
def tiny_chunks(file: h5py.File, canaries: Path) -> None:
    put(file[RUN], "series/train_loss", np.zeros((5, 40)), chunks=(1, 1))


@edit("unsafe-chunk", "chunks-out-of-order")
def out_of_order(file: h5py.File, canaries: Path) -> None:
    put(file[RUN], "effective", file[RUN]["effective"][...], chunks=(5, 3, 1))


@edit("unsafe-chunk", "ratio-beyond-deflate")
def ratio(file: h5py.File, canaries: Path) -> None:
    del file[RUN]["series/train_loss"]
    made = file[RUN].create_dataset(
        "series/train_loss", (5, 1 << 16), "<f8", chunks=(5, 1 << 16), compression=4
    )
    made.id.write_direct_chunk((0, 0), bytes(100))


@edit("unsafe-chunk", "filter-skipped-with-a-wrong-size")
def wrong_size(file: h5py.File, canaries: Path) -> None:
    made(file, chunked(deflates=1)).write_direct_chunk((0,), bytes(859), 1)


@edit("corrupt-chunk", "chunk-that-inflates-without-end", sealed=False)
def inflating(file: h5py.File, canaries: Path) -> None:
    bomb = zlib.compress(bytes(1 << 19), 9)
    assert len(bomb) < 860, "or it would be refused for its size"
    made(file, chunked(deflates=1)).write_direct_chunk((0,), bomb)


@edit("corrupt-chunk", "chunk-with-something-behind")
def behind(file: h5py.File, canaries: Path) -> None:
    made(file, chunked(deflates=1)).write_direct_chunk((0,), zlib.compress(bytes(860)) + b"more")


@edit("missing-chunk", "chunk-never-written")
def missing(file: h5py.File, canaries: Path) -> None:
    made(file, chunked(200))


def single_chunk(path: str) -> tuple[Field, int]:
    """Return the field that says where a dataset's one chunk is, and the address."""
    with h5py.File.in_memory(default_image()) as file:
        address = file[RUN][path].id.get_chunk_info(0).byte_offset
    image = default_image()
    at = image.index(struct.pack("<Q", address))
    block = next(f.block for f in fields(image) if f.at <= at < f.at + f.width)
    return Field(path, at, 8, block), address


@alter("unsafe-overlap", "chunks-that-share-bytes")
def overlap(image: bytes) -> bytes:
    return changed(image, single_chunk("votes")[0], single_chunk("weights/initial")[1] + 4)


@alter("unsafe-overlap", "chunk-over-metadata")
def over_metadata(image: bytes) -> bytes:
    return changed(image, single_chunk("votes")[0], 48)


@alter("unsafe-overlap", "chunk-outside-the-file")
def outside(image: bytes) -> bytes:
    return changed(image, single_chunk("votes")[0], len(image) - 100)


@edit("unsafe-budget", "table-bomb")
def table_bomb(file: h5py.File, canaries: Path) -> None:
    del file[RUN]["series/train_loss"]
    file[RUN].create_dataset(
        "series/train_loss", data=np.zeros((5, 1 << 21)), chunks=(1, 1 << 19), compression=9
    )


@edit("unsafe-budget", "file-of-holes")
def holes(file: h5py.File, canaries: Path) -> None:
    """Ten gigabytes that take no room on the disk: the budget goes by what does."""
    del file[RUN]["series/train_loss"]
    creation = h5p.create(h5p.DATASET_CREATE)
    creation.set_chunk((1, 1 << 19))
    creation.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    creation.set_fill_time(h5d.FILL_TIME_NEVER)
    space = h5s.create_simple((5, 1 << 28))
    h5d.create(file[RUN]["series"].id, b"train_loss", h5t.IEEE_F64LE, space, creation)


@edit("unsafe-budget", "dataset-that-no-file-of-this-size-holds")
def endless(file: h5py.File, canaries: Path) -> None:
    for name in ("votes", "weights/initial", "weights/final"):
        del file[RUN][name]
    made = file[RUN].create_dataset(
        "weights/final", (1, 1 << 40), "<f4", chunks=(1, 1 << 20), fillvalue=None
    )
    made.attrs["iterations"] = np.array([4])
    made.id.write_direct_chunk((0, 0), bytes(1 << 22))
