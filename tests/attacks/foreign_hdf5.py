"""Hazards in other people's HDF5 files."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from foreign import hazard

Edit = Callable[[h5py.File, Path], None]


def hdf5(code: str, name: str) -> Callable[[Edit], Edit]:
    """Register a file with a good mask `a` and something else."""

    def register(edit: Edit) -> Edit:
        def build(path: Path, canaries: Path) -> None:
            with h5py.File(path, "w") as file:
                file["a"] = np.eye(4, dtype=np.uint8)
                edit(file, canaries)

        hazard(code, name)(build)
        return edit

    return register


@hdf5("unsafe-link", "link-into-another-file")
def external_link(file: h5py.File, canaries: Path) -> None:
    file["m"] = h5py.ExternalLink(str(canaries / "canary.h5"), "/x")


@hdf5("unsafe-link", "soft-link")
def soft_link(file: h5py.File, canaries: Path) -> None:
    file["m"] = h5py.SoftLink("/a")


@hdf5("unsafe-alias", "group-in-itself")
def alias(file: h5py.File, canaries: Path) -> None:
    group = file.create_group("g")
    group["again"] = group


@hdf5("unsafe-storage", "virtual-dataset")
def virtual(file: h5py.File, canaries: Path) -> None:
    layout = h5py.VirtualLayout((4,), "<u2")
    layout[:] = h5py.VirtualSource(canaries / "canary.h5", "x", (4,))
    file.create_virtual_dataset("m", layout)


@hdf5("unsafe-storage", "values-in-another-file")
def external(file: h5py.File, canaries: Path) -> None:
    file.create_dataset("m", (8,), "u1", external=[(str(canaries / "canary.bin"), 0, 8)])


@hdf5("unsafe-filter", "filter-from-a-library")
def plugin(file: h5py.File, canaries: Path) -> None:
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk((4,))
    creation.set_filter(32_001, h5py.h5z.FLAG_OPTIONAL, (1,))
    space = h5py.h5s.create_simple((4,))
    h5py.h5d.create(file.id, b"m", h5py.h5t.STD_U8LE, space, creation)


@hdf5("unsafe-filter", "filter-that-is-not-read")
def lzf(file: h5py.File, canaries: Path) -> None:
    file.create_dataset("m", data=np.ones(30, np.uint8), compression="lzf")


@hdf5("unsafe-shape", "shape-of-terabytes")
def shape(file: h5py.File, canaries: Path) -> None:
    file.create_dataset("m", (1 << 40,), "f4", chunks=(1 << 20,))


@hdf5("unsafe-chunk", "chunk-of-128-MB")
def chunk(file: h5py.File, canaries: Path) -> None:
    deflated(file, (1 << 27,), (1 << 27,))


@hdf5("unsafe-chunk", "row-of-chunks-of-256-MB")
def slab(file: h5py.File, canaries: Path) -> None:
    """Sixteen chunks side by side: 256 kB that become 256 MB before a row of weights is whole."""
    deflated(file, (4096, 65_536), (4096, 4096))


def deflated(
    file: h5py.File, shape: tuple[int, ...], chunk: tuple[int, ...], *, name: str = "m"
) -> None:
    dataset = file.create_dataset(name, shape, "u1", chunks=chunk, compression="gzip")
    packer, n_left, packed = zlib.compressobj(6), int(np.prod(chunk)), b""
    while n_left:
        step = min(n_left, 1 << 24)
        packed, n_left = packed + packer.compress(bytes(step)), n_left - step
    packed += packer.flush()
    for corner in np.ndindex(*(n // k for n, k in zip(shape, chunk, strict=True))):
        dataset.id.write_direct_chunk(tuple(np.multiply(corner, chunk)), packed)


@hdf5("corrupt-chunk", "chunk-with-more-than-it-says")
def longer(file: h5py.File, canaries: Path) -> None:
    dataset = file.create_dataset("m", (50_000,), "u1", chunks=(50_000,), compression="gzip")
    dataset.id.write_direct_chunk((0,), zlib.compress(bytes(40_000_000), 9)[:50_000])


@hdf5("missing-chunk", "values-never-written")
def never(file: h5py.File, canaries: Path) -> None:
    file.create_dataset("m", (1 << 20,), "u1", chunks=(1 << 10,))


@hdf5("corrupt-structure", "shapes-of-other-values")
def uber(file: h5py.File, canaries: Path) -> None:
    file["mask_values"] = np.ones(10, np.uint8)
    file.attrs["var_shapes"] = np.bytes_("(1000000, 1000000);(7,)")


@hdf5("unsafe-ratio", "flat-mask-that-is-a-bomb")
def uber_bomb(file: h5py.File, canaries: Path) -> None:
    deflated(file, (1 << 27,), (1 << 23,), name="mask_values")
    file.attrs["var_shapes"] = np.bytes_(f"({1 << 17}, {1 << 10})")


@hdf5("too-large", "keras-mask-that-is-a-bomb")
def keras_bomb(file: h5py.File, canaries: Path) -> None:
    deflated(file, (1 << 15, 1 << 13), (1 << 9, 1 << 13), name="prune_low_magnitude_fc/mask")


@hdf5("corrupt-structure", "shapes-that-are-code")
def uber_code(file: h5py.File, canaries: Path) -> None:
    file["mask_values"] = np.ones(10, np.uint8)
    file.attrs["var_shapes"] = np.bytes_(f"open('{canaries}/code-was-run', 'w')")


@hazard("corrupt-structure", "hdf5-of-noise")
def noise(path: Path, canaries: Path) -> None:
    with h5py.File(path, "w") as file:
        file["a"] = np.eye(4)
    content = bytearray(path.read_bytes())
    content[96:400] = np.random.default_rng(0).bytes(304)
    path.write_bytes(content)
