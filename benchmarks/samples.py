"""Random masks, packed and as booleans: independent bits, the worst case for every format."""

from __future__ import annotations

import math

import numpy as np

from maskstat.bits import pack, tiles, unpack, word_count
from maskstat.layout import Layout

__all__ = ["ALEXNET", "LENET", "LENET_DIGITS", "booleans", "entropy", "layout_of", "packed"]

ALEXNET = {
    "features.0.weight": (64, 3, 11, 11),
    "features.3.weight": (192, 64, 5, 5),
    "features.6.weight": (384, 192, 3, 3),
    "features.8.weight": (256, 384, 3, 3),
    "features.10.weight": (256, 256, 3, 3),
    "classifier.1.weight": (4096, 9216),
    "classifier.4.weight": (4096, 4096),
    "classifier.6.weight": (10, 4096),
}
"""57 million weights: grosse2020's largest network."""

LENET = {
    "conv1.weight": (6, 1, 3, 3),
    "conv2.weight": (16, 6, 3, 3),
    "fc1.weight": (120, 400),
    "fc2.weight": (84, 120),
    "fc3.weight": (10, 84),
}
LENET_DIGITS = LENET | {"fc1.weight": (120, 64)}


def layout_of(n_bits: int, layers: int = 8) -> Layout:
    """Cut a number of weights into equal layers."""
    size = n_bits // layers
    return Layout.from_shapes({f"layer{i}.weight": (size,) for i in range(layers)})


def packed(layout: Layout, density: float, seed: int) -> np.ndarray:
    """Draw one mask, uint64 (n_words,), padding bits 0."""
    rng = np.random.default_rng(seed)
    parts = [_draw(rng, layer.size, density) for layer in layout.layers]
    return np.concatenate(parts)


def _draw(rng: np.random.Generator, size: int, density: float) -> np.ndarray:
    if density == 0.5:
        words = rng.integers(0, 1 << 64, word_count(size), np.uint64)
        if size % 64:
            words[-1] &= np.uint64((1 << size % 64) - 1)
        return words
    pieces = [
        pack(rng.random(min(stop * 64, size) - start * 64, np.float32) < density)
        for start, stop in tiles(word_count(size))
    ]
    return np.concatenate(pieces)


def booleans(layout: Layout, words: np.ndarray) -> np.ndarray:
    """Unpack every layer, bool (n_weights,)."""
    parts = (
        unpack(words[layer.word_offset : layer.word_offset + layer.n_words], layer.size)
        for layer in layout.layers
    )
    return np.concatenate(list(parts))


def entropy(size: int, density: float) -> float:
    """Shannon entropy of independent bits, in bytes."""
    p = density
    return -size * (p * math.log2(p) + (1 - p) * math.log2(1 - p)) / 8
