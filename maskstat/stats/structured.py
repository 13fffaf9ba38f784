"""Masks that were pruned by whole channels, and the chance overlap of two of them.

When channels are pruned, a channel's weights are kept or pruned together: they are one draw, not
hundreds, and a test that counts weights calls chance significant most of the time. Here the
exchangeable unit is the slice of the weight array along an axis (axis 0 an output unit, axis 1 an
input unit, later axes positions in the kernel).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma, log, prod, sqrt
from typing import TYPE_CHECKING, Literal

import numpy as np

from maskstat.errors import LayoutMismatchError
from maskstat.stats.hypergeometric import log_pmf

if TYPE_CHECKING:
    from numpy.typing import NDArray

    BoolArray = NDArray[np.bool_]

__all__ = [
    "AliveNull",
    "Structure",
    "alive_null",
    "detect_structure",
    "null_for",
]

Kind = Literal["empty", "dense", "structured", "partial", "unstructured"]

# Dead slices are taken as structure if chance would leave none in more than 999 of 1000 masks.
_CHANCE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Structure:
    """How one mask of one layer was cut.

    Parameters
    ----------
    kind
        ``structured``: whole slices only, along `axes`. ``partial``: more dead slices than chance
        leaves, and single weights pruned inside the others. ``unstructured``, ``empty``, ``dense``.
    axes
        Axes along which slices are missing; for ``structured`` these make up the whole mask.
    kept
        Weights kept.
    alive
        Per axis, a bool array: which slices keep anything.
    """

    kind: Kind
    axes: tuple[int, ...]
    kept: int
    alive: tuple[BoolArray, ...]

    @property
    def is_product(self) -> bool:
        """Whether the mask is exactly the weights where all its live slices meet."""
        return self.kept == prod(int(np.count_nonzero(units)) for units in self.alive)


@dataclass(frozen=True, slots=True, kw_only=True)
class AliveNull:
    """The overlap of two partially structured masks, given their live channels.

    Parameters
    ----------
    shared
        Weights that both masks keep.
    mean, variance
        Of the number of shared weights, given which input and output units are alive in each mask
        and how many weights each output unit keeps.
    note
        What this is and what it is not.
    """

    shared: int
    mean: float
    variance: float
    note: str

    @property
    def z(self) -> float | None:
        """Distance from chance in standard deviations; None if only one overlap is possible."""
        return (self.shared - self.mean) / sqrt(self.variance) if self.variance > 0 else None


def detect_structure(mask: BoolArray) -> Structure:
    """Find out whether a mask was pruned by whole slices.

    Parameters
    ----------
    mask
        Bool mask of one layer, any shape.

    Returns
    -------
    Structure
        What was found.

    Notes
    -----
    A mask consists of whole slices if it keeps as many weights as there are where its live slices
    meet. A single kept weight, or a layer with one axis longer than 1, shows no structure.

    Examples
    --------
    >>> import numpy as np
    >>> mask = np.zeros((4, 3, 3, 3), bool)
    >>> mask[[0, 2]] = True
    >>> found = detect_structure(mask)
    >>> found.kind, found.axes
    ('structured', (0,))
    """
    axes = range(mask.ndim)
    alive = tuple(_live_slices(mask, axis) for axis in axes)
    counts = [int(np.count_nonzero(units)) for units in alive]
    kept = int(np.count_nonzero(mask))
    missing = tuple(axis for axis in axes if counts[axis] < mask.shape[axis])
    kind: Kind
    if kept in (0, mask.size):
        kind = "empty" if kept == 0 else "dense"
    elif kept > 1 and kept == prod(counts) and sum(n > 1 for n in mask.shape) > 1:
        kind = "structured"
    else:
        missing = tuple(
            axis
            for axis in missing
            if _not_by_chance(mask, axis, mask.shape[axis] - counts[axis], kept)
        )
        kind = "partial" if missing else "unstructured"
    return Structure(kind=kind, axes=missing, kept=kept, alive=alive)


def _live_slices(mask: BoolArray, axis: int) -> BoolArray:
    """Say which slices along the axis keep anything."""
    others = tuple(k for k in range(mask.ndim) if k != axis)
    return np.asarray(mask.any(axis=others))


def _not_by_chance(mask: BoolArray, axis: int, dead: int, kept: int) -> bool:
    """Say whether a mask of this size would rarely leave so many slices along the axis empty.

    The bound on that chance is the expected number of ways to choose `dead` empty slices.
    """
    slices = mask.shape[axis]
    ways = lgamma(slices + 1) - lgamma(dead + 1) - lgamma(slices - dead + 1)
    all_empty = float(log_pmf(0, mask.size, kept, dead * (mask.size // slices)))
    return ways + all_empty < log(_CHANCE)


def null_for(a: Structure, b: Structure) -> Literal["layer", "channel", "alive"]:
    """Choose the chance model that suits two masks of one layer.

    Parameters
    ----------
    a, b
        What `detect_structure` found in each.

    Returns
    -------
    str
        ``channel`` if both consist of whole slices, ``alive`` if both lost channels and one of
        them single weights too, else ``layer``: for this, one uniform mask of the two is enough.

    Examples
    --------
    >>> import numpy as np
    >>> rows = detect_structure(np.array([[1, 1], [0, 0]], bool))
    >>> null_for(rows, rows)
    'channel'
    """
    cut = ("structured", "partial")
    if a.kind not in cut or b.kind not in cut:
        return "layer"
    return "channel" if a.kind == b.kind == "structured" else "alive"


def alive_null(mask_a: BoolArray, mask_b: BoolArray) -> AliveNull:
    """Compare two partially structured masks given the channels that are alive in each.

    Parameters
    ----------
    mask_a, mask_b
        Bool masks of one layer, at least two axes; axis 0 output units, axis 1 input units.

    Returns
    -------
    AliveNull
        Observed overlap, its mean and variance, and what they rest on.

    Raises
    ------
    LayoutMismatchError
        ``shape-mismatch``.

    Notes
    -----
    An output unit that keeps r1 weights in A keeps them anywhere among the K1 weights that read
    A's live input units; likewise r2 of K2 in B; K of these are common to both. Its overlap has
    factorial moments (K)_r (r1)_r (r2)_r / ((K1)_r (K2)_r), units are independent, and a unit that
    is dead in either mask adds nothing. Where every input unit is alive this is the ``row`` null.

    Examples
    --------
    >>> import numpy as np
    >>> a = np.array([[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0]], bool)
    >>> alive_null(a, a).mean
    2.5
    """
    if mask_a.shape != mask_b.shape:
        raise LayoutMismatchError(
            f"masks of shapes {mask_a.shape} and {mask_b.shape} cannot be compared",
            code="shape-mismatch",
        )
    rows = mask_a.shape[0]
    inputs_a, inputs_b = _live_slices(mask_a, 1), _live_slices(mask_b, 1)
    taps = prod(mask_a.shape[2:])
    K, K1, K2 = (
        float(taps * np.count_nonzero(units)) for units in (inputs_a & inputs_b, inputs_a, inputs_b)
    )
    r1, r2 = (
        np.count_nonzero(mask.reshape(rows, -1), axis=1).astype(np.float64)
        for mask in (mask_a, mask_b)
    )
    p, not_p = r1 / max(K1, 1.0), (K1 - r1) / max(K1, 1.0)
    q, not_q = r2 / max(K2, 1.0), (K2 - r2) / max(K2, 1.0)
    mean = K * p * q
    # The factorial moments' variance over the mean, in terms that do not cancel.
    near, far = (K - 1) / max(K1 - 1, 1.0), (K2 - K) / max(K2 - 1, 1.0)
    spread = p * not_q * far + not_p * (1 - q * near + not_q * near / max(K2 - 1, 1.0))
    return AliveNull(
        shared=int(np.count_nonzero(mask_a & mask_b)),
        mean=float(mean.sum()),
        variance=float((mean * spread).sum()),
        note=(
            "partially structured: given the channels alive in each mask and the weights that each "
            "output channel keeps; p by a normal law"
        ),
    )
