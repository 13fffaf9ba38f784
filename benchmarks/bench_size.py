"""How large a stored mask is, in multiples of the entropy of its bits."""

from __future__ import annotations

import tempfile
from functools import cache, partial
from pathlib import Path

import numpy as np
from harness import Bar, Check, Contender
from samples import ALEXNET, booleans, entropy, packed

from maskstat.archive import open_archive, write
from maskstat.bits import unpack
from maskstat.layout import Layout
from maskstat.mask import Mask, Words
from maskstat.run import Run

SMALL = {"conv.weight": (384, 192, 3, 3), "fc.weight": (1024, 4096)}


class Stored:
    """One mask and how to hold a file against it."""

    def __init__(self, shapes, density):
        self.layout = Layout.from_shapes(shapes)
        self.words = packed(self.layout, density, 0)
        self.density = density

    @cache  # noqa: B019 one mask a check
    def bools(self):
        flat = booleans(self.layout, self.words)
        ends = np.cumsum(self.layout.sizes)
        return {
            layer.name: flat[end - layer.size : end]
            for layer, end in zip(self.layout.layers, ends, strict=True)
        }

    def size(self, save, load):
        """A work that stores the mask, reads it again, and returns the file's size."""

        def work():
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "mask"
                save(path)
                found = load(path)
                for name, bits in self.bools().items():
                    np.testing.assert_array_equal(np.asarray(found[name], bool), bits)
                return path.stat().st_size

        return work


def ours(mask):
    """The whole archive: the dense network, the mask, and all that stands beside them."""

    def save(path):
        write(path, [Run.from_masks("run", [Mask(mask.layout, Words(mask.words))])])

    def load(path):
        with open_archive(path) as archive:
            read = archive.runs["run"].mask(1)
            return {
                layer.name: unpack(
                    read.words(layer.word_offset, layer.word_offset + layer.n_words), layer.size
                )
                for layer in mask.layout.layers
            }

    return mask.size(save, load)


def torch_save(mask, kind):
    """A state dict of masks: float32 as torch.nn.utils.prune keeps them, or bool."""
    import torch

    def save(path):
        tensors = {n: torch.from_numpy(b.astype(kind)) for n, b in mask.bools().items()}
        torch.save(tensors, path)

    return mask.size(save, lambda path: torch.load(path, weights_only=True))


def npz(mask):
    def save(path):
        with path.open("wb") as file:
            np.savez_compressed(file, **mask.bools())

    return mask.size(save, np.load)


def safetensors(mask):
    from safetensors.numpy import load_file, save_file

    def save(path):
        save_file({name: bits.astype(np.uint8) for name, bits in mask.bools().items()}, path)

    return mask.size(save, load_file)


def h5py_bool(mask):
    import h5py

    def save(path):
        with h5py.File(path, "w") as file:
            for name, bits in mask.bools().items():
                file.create_dataset(name, data=bits, compression="gzip", compression_opts=4)

    def load(path):
        with h5py.File(path) as file:
            return {name: file[name][:] for name in mask.bools()}

    return mask.size(save, load)


def bound(mask):
    size = sum(entropy(layer.size, mask.density) for layer in mask.layout.layers)
    return lambda: size


def sizes(density):
    def make(quick):
        mask = Stored(SMALL if quick else ALEXNET, density)
        contenders = {
            "maskstat archive": ours,
            "entropy": bound,
            "h5py bool, gzip": h5py_bool,
            "npz, compressed bool": npz,
            "safetensors uint8": safetensors,
            "torch.save bool": partial(torch_save, kind=np.bool_),
            "torch.save float32": partial(torch_save, kind=np.float32),
        }
        made = [
            Contender(name=n, setup=partial(f, mask), answers=False) for n, f in contenders.items()
        ]
        return made, None

    return make


CHECKS = [
    Check(
        name=f"size-{density:g}",
        work=f"file of an AlexNet mask, {density:.0%} kept (quick: 4.9e6 weights)",
        contenders=sizes(density),
        bars=[Bar(ours="maskstat archive", peer="entropy", at_most=most)],
        unit="bytes",
    )
    for density, most in ((0.2, 1.04), (0.05, 1.08), (0.01, 1.55))
]
