"""Profiles: how many weights each row and column of a layer keeps, and what that explains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskstat.bits import WORD_BITS, BoolArray, IntArray, unpack
from maskstat.layout import Layer
from maskstat.mask import Mask

__all__ = ["LARGEST_LAYER", "Profile", "profile_layer", "unit_moments"]

Floats = NDArray[np.float64]

LARGEST_LAYER = 1 << 27
"""Weights; larger layers are not unpacked for a diagnosis."""

_ROWS = 255
"""Rows that are added up in bytes before a byte overflows."""


class Profile(NamedTuple):
    """Kept weights by row and by column of one layer, for several masks.

    Parameters
    ----------
    rows : int64 (n_masks, n_rows)
        By output unit.
    columns : int64 (n_masks, n_columns)
        By input weight position.
    whole_channels : bool (n_masks,)
        Whether the mask is what whole output and input channels make, some of them gone.
    """

    rows: IntArray
    columns: IntArray
    whole_channels: BoolArray


def profile_layer(masks: Sequence[Mask], name: str) -> Profile | None:
    """Count one layer's kept weights by row and column.

    Parameters
    ----------
    masks
        Masks over one layout.
    name
        The layer.

    Returns
    -------
    Profile or None
        None for a layer of one dimension, or one too large to unpack for this.
    """
    layout = masks[0].layout
    layer = layout.layers[layout.index(name)]
    if len(layer.shape) < 2 or layer.size > LARGEST_LAYER:
        return None
    rows, columns, whole = [], [], []
    for mask in masks:
        by_row, by_column = _margins(mask, layer)
        rows.append(by_row)
        columns.append(by_column)
        outputs = np.count_nonzero(rows[-1])
        inputs = np.count_nonzero(columns[-1].reshape(layer.shape[1], -1).sum(axis=1))
        taps = layer.size // (layer.shape[0] * layer.shape[1])
        kept = int(rows[-1].sum())
        whole.append(0 < kept < layer.size and kept == outputs * inputs * taps)
    return Profile(rows=np.stack(rows), columns=np.stack(columns), whole_channels=np.array(whole))


def _margins(mask: Mask, layer: Layer) -> tuple[IntArray, IntArray]:
    """Count the kept weights of each row and column, a block of rows in the cache at a time."""
    n_rows = layer.shape[0]
    width = layer.size // n_rows
    n_words, odd = divmod(width, WORD_BITS)
    rows = np.zeros(n_rows, np.int64)
    columns = np.zeros(width, np.int64)
    mask.check()
    whole = mask.layer(layer.name).reshape(n_rows, width) if odd else None
    for start in range(0, n_rows, _ROWS):
        stop = min(start + _ROWS, n_rows)
        if whole is None:
            first = layer.word_offset
            words = mask.words(first + start * n_words, first + stop * n_words)
            counts = np.bitwise_count(words).reshape(stop - start, n_words)
            rows[start:stop] = counts.sum(axis=1, dtype=np.int64)
            block = unpack(words, words.size * WORD_BITS).reshape(stop - start, width)
        else:
            block = whole[start:stop]
            rows[start:stop] = [np.count_nonzero(row) for row in block]
        columns += np.add.reduce(block.view(np.uint8), axis=0, dtype=np.uint8)
    return rows, columns


def unit_moments(kept: IntArray, unit_size: int, a: IntArray, b: IntArray) -> tuple[Floats, Floats]:
    """Return mean and variance of the overlap when every unit's kept weights are fixed.

    Parameters
    ----------
    kept : int64 (n_masks, n_units)
        Kept weights of each row, or of each column.
    unit_size
        Weights a unit.
    a, b : int64 (n_pairs,)
        The masks of each pair.

    Returns
    -------
    tuple of float64 (n_pairs,)
        Exact: a sum over units of independent hypergeometrics.
    """
    x = kept.astype(np.float64)
    mean = np.einsum("pu,pu->p", x[a], x[b]) / unit_size
    free = x * (unit_size - x)
    denominator = float(unit_size) ** 2 * max(unit_size - 1, 1)
    return mean, np.einsum("pu,pu->p", free[a], free[b]) / denominator
