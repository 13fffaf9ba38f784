"""Which units of one layer feed which, as packed bits: forward, backward, and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from maskstat.graph.nodes import Node

    BoolArray = NDArray[np.bool_]

__all__ = ["DenseLink", "Link", "taps_with_data"]

_CHUNK_BYTES = 1 << 22


class Link:
    """A layer's connections between units, as packed bits, and how many kept weights each holds."""

    def __init__(self, mask: BoolArray, groups: int, taps: BoolArray | None) -> None:
        self.groups = groups
        self.outputs, self.inputs = mask.shape[0], mask.shape[1] * groups
        self._width = mask.shape[1]
        flat = mask.reshape(self.outputs, self._width, -1)
        several = flat.shape[2] > 1
        self._bits = np.zeros((self.outputs, -(-self._width // 64) * 8), np.uint8)
        self._counts = np.zeros(flat.shape[:2], np.int32) if several else None
        for rows in _row_chunks(self.outputs, flat[:1].size):
            part = flat[rows] if taps is None else flat[rows] & taps
            pairs = part.any(axis=2) if several else part[:, :, 0]
            self._bits[rows, : -(-self._width // 8)] = np.packbits(pairs, axis=1, bitorder="little")
            if self._counts is not None:
                self._counts[rows] = part.sum(axis=2, dtype=np.int32)

    def _words(self, units: BoolArray) -> NDArray[np.uint64]:
        """Pack input units as one row of words per group."""
        packed = np.zeros((self.groups, self._bits.shape[1]), np.uint8)
        bits = np.packbits(units.reshape(self.groups, -1), axis=1, bitorder="little")
        packed[:, : bits.shape[1]] = bits
        return packed.view(np.uint64)

    def _blocks(self, source: BoolArray) -> Iterator[tuple[slice, NDArray[np.uint64]]]:
        """Yield blocks of rows with the connections that start at live source units."""
        words, live = self._bits.view(np.uint64), self._words(source)
        per_group = self.outputs // self.groups
        for rows in _row_chunks(self.outputs, self._bits.shape[1]):
            group = np.arange(rows.start, rows.stop) // per_group
            yield rows, words[rows] & (live[0] if self.groups == 1 else live[group])

    def forward(self, source: BoolArray) -> BoolArray:
        """Return the targets of any live source unit."""
        reached = np.zeros(self.outputs, bool)
        for rows, words in self._blocks(source):
            reached[rows] = words.any(axis=1)
        return reached

    def backward(self, target: BoolArray) -> BoolArray:
        """Return the sources of any live target unit."""
        found = np.zeros((self.groups, self._bits.shape[1] // 8), np.uint64)
        per_group = self.outputs // self.groups
        words = self._bits.view(np.uint64)
        for group in range(self.groups):
            rows = slice(group * per_group, (group + 1) * per_group)
            found[group] = np.bitwise_or.reduce(words[rows][target[rows]], axis=0)
        bits = np.unpackbits(found.view(np.uint8), axis=1, count=self._width, bitorder="little")
        return bits.astype(bool).ravel()

    def count(self, source: BoolArray, target: BoolArray) -> int:
        """Count the kept weights between live source and live target units."""
        total = 0
        for rows, words in self._blocks(source):
            words = words[target[rows]]
            if self._counts is None:
                total += int(np.bitwise_count(words).sum(dtype=np.int64))
                continue
            pairs = np.unpackbits(
                words.view(np.uint8), axis=1, count=self._width, bitorder="little"
            )
            total += int((self._counts[rows][target[rows]] * pairs).sum(dtype=np.int64))
        return total


class DenseLink:
    """The link of a layer that no mask prunes."""

    def __init__(self, node: Node) -> None:
        self._groups, self._outputs, self._inputs = node.groups, node.units, node.in_units

    def forward(self, source: BoolArray) -> BoolArray:
        """Return the targets that a live source reaches."""
        live = source.reshape(self._groups, -1).any(axis=1)
        return np.repeat(live, self._outputs // self._groups)

    def backward(self, target: BoolArray) -> BoolArray:
        """Return the sources that reach a live target."""
        live = target.reshape(self._groups, -1).any(axis=1)
        return np.repeat(live, self._inputs // self._groups)


def _row_chunks(rows: int, row_bytes: int) -> Iterator[slice]:
    """Cut rows into slices of a few megabytes."""
    step = max(1, _CHUNK_BYTES // max(row_bytes, 1))
    for start in range(0, rows, step):
        yield slice(start, min(rows, start + step))


def taps_with_data(node: Node) -> BoolArray | None:
    """Find the kernel taps that meet more than padding somewhere on the map.

    Parameters
    ----------
    node
        A checked node of the graph.

    Returns
    -------
    ndarray of bool, shape (prod(kernel),), or None
        In C order; None where the map's size is not known.

    Notes
    -----
    A 3x3 kernel with padding 1 on a 1x1 map meets data with its centre tap only; on 32x32 images
    that is so for 63 % of the convolution weights of torchvision's ResNet18.
    """
    taps = np.ones(1, bool)
    if not node.kernel:
        return taps
    if node.in_map is None or node.map is None:
        return None
    for axis, size in enumerate(node.in_map):
        stride = node.stride[axis]
        offset = np.arange(node.kernel[axis]) * node.dilation[axis] - node.padding[axis]
        first = np.maximum(0, -(offset // stride))  # the first step at which the tap is on the map
        meets = (first < node.map[axis]) & (first * stride + offset < size)
        taps = (taps[:, None] & meets).ravel()
    return taps
