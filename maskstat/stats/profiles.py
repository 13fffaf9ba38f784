"""Profiles: how many weights each row and column of a layer keeps, and what that explains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskstat.bits import BoolArray, IntArray
from maskstat.mask import Mask

__all__ = ["LARGEST_LAYER", "Profile", "profile_layer", "unit_moments"]

Floats = NDArray[np.float64]

LARGEST_LAYER = 1 << 27
"""Weights; larger layers are not unpacked for a diagnosis."""


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
        matrix = mask.layer(name).reshape(layer.shape[0], -1)
        rows.append(np.count_nonzero(matrix, axis=1))
        columns.append(np.count_nonzero(matrix, axis=0))
        outputs = np.count_nonzero(rows[-1])
        inputs = np.count_nonzero(columns[-1].reshape(layer.shape[1], -1).sum(axis=1))
        taps = layer.size // (layer.shape[0] * layer.shape[1])
        kept = int(rows[-1].sum())
        whole.append(0 < kept < layer.size and kept == outputs * inputs * taps)
    return Profile(rows=np.stack(rows), columns=np.stack(columns), whole_channels=np.array(whole))


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
