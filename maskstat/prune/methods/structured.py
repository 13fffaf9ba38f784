"""Methods that prune whole channels (Paganini & Forde 2020, section 3.1 and appendix H.2)."""

from __future__ import annotations

from math import inf, prod
from typing import ClassVar

import numpy as np

from maskstat.prune.criteria import FloatArray, Scores
from maskstat.prune.methods.method import Method, TrainedLayer

__all__ = [
    "L1Structured",
    "L2Structured",
    "LInfStructured",
    "LNegInfStructured",
    "RandomStructured",
    "channel_norms",
]


class L1Structured(Method):
    """The channels with the smallest sum of magnitudes go.

    Notes
    -----
    As in ``torch.nn.utils.prune.ln_structured``, a pruned weight counts as 0 in its channel.
    """

    unit = "channel"
    by_criterion = True
    order: ClassVar[float] = 1

    def scores(self, layer: TrainedLayer) -> Scores:
        """Score by the norm of what is kept of each channel."""

        def size(values: FloatArray) -> Scores:
            return channel_norms(np.where(layer.kept, values, np.float32(0)), layer.dim, self.order)

        return layer.worth(size)


class L2Structured(L1Structured):
    """The channels with the smallest Euclidean norm go."""

    order = 2


class LInfStructured(L1Structured):
    """The channels whose largest magnitude is smallest go."""

    order = inf


class LNegInfStructured(L1Structured):
    """The channels whose smallest magnitude is smallest go."""

    order = -inf


class RandomStructured(Method):
    """Any channels of each layer go."""

    unit = "channel"

    def scores(self, layer: TrainedLayer) -> Scores:
        """Score by chance."""
        return layer.uniform((layer.n_channels,))


def channel_norms(values: FloatArray, dim: int, order: float) -> Scores:
    """Measure every channel.

    Parameters
    ----------
    values : float32
        A layer's weights.
    dim
        The dimension along which its channels lie.
    order
        1 or 2, summed in float64; inf or -inf, the largest or smallest magnitude.

    Returns
    -------
    floating (values.shape[dim],)

    Examples
    --------
    >>> channel_norms(np.float32([[3, -4], [0, 1]]), 0, 2).tolist()
    [5.0, 1.0]
    """
    shape = values.shape
    folded = values.reshape(prod(shape[:dim]), shape[dim], prod(shape[dim + 1 :]))
    norms: Scores
    if order == 2:
        norms = np.sqrt(np.einsum("ijk,ijk->j", folded, folded, dtype=np.float64))
    elif order == 1:
        norms = np.abs(folded).sum(axis=(0, 2), dtype=np.float64)
    elif order == inf:
        norms = np.abs(folded).max(axis=(0, 2))
    else:
        norms = np.abs(folded).min(axis=(0, 2))
    return norms
