"""What structured sparsity asks of one layer: N:M groups, blocks, channels, counted by tiles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.bits import WORD_BITS, BoolArray, tiles, unpack, word_count
from maskstat.mask import Layer, Mask

__all__ = ["count_blocks", "count_channels", "count_groups"]

Counts: TypeAlias = dict[str, int]

TILE_WEIGHTS = 1 << 20
"""Weights unpacked at once: 1 MiB of booleans, and what is made of them, stay in cache."""

_LONG = 32
"""From here on, `reduceat` is faster than adding one strided slice after another (measured)."""


def count_groups(mask: Mask, layer: Layer, keep: int, size: int) -> Counts:
    """Count the groups of `size` consecutive inputs, and those that keep more than `keep`.

    Parameters
    ----------
    mask
        The mask.
    layer
        One of its layers, (out, in, ...); one of fewer dimensions is a single output.
    keep, size
        N and M; `size` at most 65,535.

    Returns
    -------
    dict of str to int
        ``groups``, ``short_groups`` (of fewer weights than M, at the end of the inputs),
        ``full_groups`` (exactly N kept) and ``violating_groups`` (more than N kept).
    """
    mask.check()
    outputs, inputs, taps = _view(layer)
    lines = outputs * taps
    if WORD_BITS % size == 0 and (outputs == 1 or inputs % size == 0) and taps == 1:
        full, violating = _groups_of_words(mask, layer, keep, size)
    else:
        full, violating = _groups_of_weights(mask, layer, keep, size)
    return {
        "groups": lines * -(-inputs // size),
        "short_groups": lines * (inputs % size > 0),
        "full_groups": full,
        "violating_groups": violating,
    }


def _groups_of_words(mask: Mask, layer: Layer, keep: int, size: int) -> tuple[int, int]:
    """Count where no group crosses a word: padding bits are groups, or parts, that keep nothing."""
    full = violating = 0
    width = max(size, 8)
    for start, stop in tiles(layer.n_words):
        words = mask.words(layer.word_offset + start, layer.word_offset + stop)
        units = np.ascontiguousarray(words).view(f"u{width // 8}")
        for shift in range(0, width, size):
            group = units if width == size else (units >> shift) & ((1 << size) - 1)
            kept = np.bitwise_count(group)
            full += int(np.count_nonzero(kept == keep))
            violating += int(np.count_nonzero(kept > keep))
    return full, violating


def _groups_of_weights(mask: Mask, layer: Layer, keep: int, size: int) -> tuple[int, int]:
    full = violating = 0
    outputs, inputs, taps = _view(layer)
    for _, _, piece in _pieces(mask, layer, (outputs, inputs * taps), columns=size * taps):
        ones = piece.reshape(len(piece), -1, taps).view(np.uint8)
        kept = _fold(np.add, ones if size < 256 else ones.astype(np.uint16), size, axis=1)
        full += int(np.count_nonzero(kept == keep))
        violating += int(np.count_nonzero(kept > keep))
    return full, violating


def count_blocks(mask: Mask, layer: Layer, rows: int, columns: int) -> Counts:
    """Count the blocks of a layer as a matrix (out, in times taps), and those of both kinds.

    Parameters
    ----------
    mask
        The mask.
    layer
        One of its layers; one of fewer than two dimensions is a single row.
    rows, columns
        Size of a block; those at the end of rows and columns may be smaller.

    Returns
    -------
    dict of str to int
        ``blocks``, ``short_blocks`` (smaller than asked), ``kept_blocks`` (whole),
        ``empty_blocks`` and ``violating_blocks`` (partly kept).
    """
    outputs, inputs, taps = _view(layer)
    height, width = outputs, inputs * taps
    whole = touched = 0
    for _, _, piece in _pieces(mask, layer, (height, width), rows=rows, columns=columns):
        of_rows = _fold(np.logical_and, piece, rows, axis=0)
        whole += int(np.count_nonzero(_fold(np.logical_and, of_rows, columns, axis=1)))
        of_rows = _fold(np.logical_or, piece, rows, axis=0)
        touched += int(np.count_nonzero(_fold(np.logical_or, of_rows, columns, axis=1)))
    blocks = -(-height // rows) * -(-width // columns)
    return {
        "blocks": blocks,
        "short_blocks": blocks - (height // rows) * (width // columns),
        "kept_blocks": whole,
        "empty_blocks": blocks - touched,
        "violating_blocks": touched - whole,
    }


def count_channels(mask: Mask, layer: Layer) -> Counts:
    """Count output and input channels, and those of which no weight is kept.

    Parameters
    ----------
    mask
        The mask.
    layer
        One of its layers, (out, in, ...); one of fewer dimensions has outputs and no inputs.

    Returns
    -------
    dict of str to int
        ``outputs``, ``empty_outputs``, ``inputs``, ``empty_inputs``.
    """
    outputs, inputs, taps = _view(layer)
    if len(layer.shape) < 2:
        kept = int(mask.kept[mask.layout.index(layer.name)])
        return _channels(layer.size, kept, 0, 0)
    live_outputs = np.zeros(outputs, np.bool_)
    live_columns = np.zeros(inputs * taps, np.bool_)
    for row, column, piece in _pieces(mask, layer, (outputs, inputs * taps)):
        live_outputs[row : row + piece.shape[0]] |= piece.any(axis=1)
        live_columns[column : column + piece.shape[1]] |= piece.any(axis=0)
    live_inputs = live_columns.reshape(inputs, taps).any(axis=1)
    return _channels(
        outputs, int(np.count_nonzero(live_outputs)), inputs, int(np.count_nonzero(live_inputs))
    )


def _channels(outputs: int, live_outputs: int, inputs: int, live_inputs: int) -> Counts:
    return {
        "outputs": outputs,
        "empty_outputs": outputs - live_outputs,
        "inputs": inputs,
        "empty_inputs": inputs - live_inputs,
    }


def _view(layer: Layer) -> tuple[int, int, int]:
    """Take a layer as outputs, inputs and taps of a kernel; a vector is one output."""
    if len(layer.shape) < 2:
        return 1, layer.size, 1
    outputs, inputs = layer.shape[:2]
    return outputs, inputs, layer.size // (outputs * inputs)


def _pieces(
    mask: Mask, layer: Layer, shape: tuple[int, int], *, rows: int = 1, columns: int = 1
) -> Iterator[tuple[int, int, BoolArray]]:
    """Unpack a layer as a matrix, in pieces that end at multiples of `rows` and `columns`.

    Each comes with its first row and column; whole rows where that many fit a tile.
    """
    height, width = shape
    rows = min(rows, height)
    step = TILE_WEIGHTS // width // rows * rows
    if step:
        for row in range(0, height, step):
            last = min(row + step, height)
            yield row, 0, _unpacked(mask, layer, row * width, last * width).reshape(-1, width)
        return
    span = max(TILE_WEIGHTS // rows // columns, 1) * columns
    for row in range(0, height, rows):
        for column in range(0, width, span):
            size = min(span, width - column)
            starts = (r * width + column for r in range(row, min(row + rows, height)))
            parts = [_unpacked(mask, layer, start, start + size) for start in starts]
            yield row, column, np.stack(parts)


def _unpacked(mask: Mask, layer: Layer, start: int, stop: int) -> BoolArray:
    """Unpack the weights `start` to `stop` of a layer."""
    first = start // WORD_BITS
    words = mask.words(layer.word_offset + first, layer.word_offset + word_count(stop))
    return unpack(words, stop - first * WORD_BITS)[start - first * WORD_BITS :]


def _fold(combine: np.ufunc, array: NDArray[Any], step: int, *, axis: int) -> NDArray[Any]:
    """Combine each `step` neighbours along an axis into one; the last ones may be fewer."""
    if step >= _LONG:
        starts = np.arange(0, array.shape[axis], step)
        folded: NDArray[Any] = combine.reduceat(array, starts, axis=axis, dtype=array.dtype)
        return folded
    lanes = np.moveaxis(array, axis, 0)
    result = lanes[::step].copy(order="K")
    for offset in range(1, min(step, len(lanes))):
        part = lanes[offset::step]
        combine(result[: len(part)], part, out=result[: len(part)])
    return np.moveaxis(result, 0, axis)
