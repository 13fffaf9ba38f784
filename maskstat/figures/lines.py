"""Lines: looks that can be told apart without colour, and axes of shares near 0 and 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from maskstat.errors import UsageError
from maskstat.figures.names import short_names
from maskstat.figures.places import N_COLOURS, places
from maskstat.figures.style import COLOURS, Axes

__all__ = ["COLOUR_ORDER", "Scale", "draw_band", "handle", "handles", "looks", "share_axis"]

Floats: TypeAlias = NDArray[np.float64]
Scale: TypeAlias = Literal["logit", "linear"]

COLOUR_ORDER = ("black", "blue", "vermilion", "green", "purple", "orange", "sky")
"""Names of the colours of lines, by place."""

_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)))

_MOST_LINES = N_COLOURS * len(_DASHES)


def looks(names: Sequence[str], methods: Iterable[str] = ()) -> dict[str, dict[str, Any]]:
    """Return colour, marker and dashes of every line; a pruning method has one colour everywhere.

    Parameters
    ----------
    names
        Of the lines, each once.
    methods
        Pruning methods of all runs that the figure is drawn from.

    Returns
    -------
    dict
        Name to what `matplotlib.lines.Line2D` takes, in the order of the names.

    Raises
    ------
    UsageError
        There are more lines than a reader could tell apart.

    Examples
    --------
    >>> found = looks(["seed 0", "seed 1"])
    >>> found["seed 1"]["color"], found["seed 1"]["marker"]
    ('#0072B2', 's')
    """
    if len(names) > _MOST_LINES:
        raise UsageError(
            f"{len(names)} lines in one figure",
            code="too-many-lines",
            consequence=f"a reader can tell {_MOST_LINES} apart at most",
            hint="choose runs with --select, or another grouping",
        )
    return {name: _look(place) for name, place in places(names, methods).items()}


def _look(place: int) -> dict[str, Any]:
    turn, colour = divmod(place, N_COLOURS)
    return {
        "color": COLOURS[COLOUR_ORDER[colour]],
        "marker": _MARKERS[(colour + turn) % len(_MARKERS)],
        "ls": _DASHES[turn % len(_DASHES)],
        "lw": 1.1,
        "ms": 2.6,
        "mew": 0,
    }


def handle(style: dict[str, Any]) -> Line2D:
    """Return what stands for a line in a legend."""
    return Line2D([], [], **style)


def handles(styles: Mapping[str, dict[str, Any]], *, width: int) -> dict[str, Artist]:
    """Return a legend's entries, their names shortened where that leaves them different.

    Examples
    --------
    >>> list(handles(looks(["l1", "data/mine.npz"]), width=20))
    ['l1', 'mine']
    """
    names = short_names(list(styles), width)
    return dict(zip(names, map(handle, styles.values()), strict=True))


def draw_band(
    axes: Axes, x: Floats, mean: Floats, low: Floats, high: Floats, style: dict[str, Any]
) -> None:
    """Draw a line with a light band around it; values that do not exist leave gaps."""
    axes.fill_between(x, low, high, color=style["color"], alpha=0.18, lw=0)
    axes.plot(x, mean, **style)


_SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4)
_LOGIT_TICKS = sorted({*_SHARES, 0.5, *(1 - share for share in _SHARES), 0.9995, 0.9998, 0.9999})


def share_axis(axes: Axes, which: Literal["x", "y"], values: Floats, scale: Scale) -> None:
    """Scale an axis of shares to its values, ticks in per cent.

    Parameters
    ----------
    axes
        What is drawn on.
    which
        The axis.
    values
        All shares that are drawn, 0 to 1. On a logit axis 0 and 1 have no place.
    scale
        ``logit``, which spreads both ends, or ``linear``.
    """
    axis = axes.xaxis if which == "x" else axes.yaxis
    set_scale, set_limits = (getattr(axes, f"set_{which}{what}") for what in ("scale", "lim"))
    if scale == "logit":
        set_scale("logit", nonpositive="clip")  # the end of a band
    else:
        set_scale("linear")
    known = values[np.isfinite(values)]
    if scale == "logit":
        known = known[(known > 0) & (known < 1)]
    if known.size:
        low, high = _limits(known, scale)
        set_limits(low, high)
        if scale == "logit":
            axis.set_major_locator(FixedLocator(_thinned(low, high, 9)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.6g}"))


def _logit(share: float) -> float:
    return float(np.log(share / (1 - share)))


def _limits(known: Floats, scale: Scale) -> tuple[float, float]:
    """Leave a little room on both sides."""
    low, high = float(known.min()), float(known.max())
    if scale == "linear":
        room = max(0.04 * (high - low), 0.01)
        return max(low - room, -0.02), min(high + room, 1.02)
    room = max(0.05 * (_logit(high) - _logit(low)), 0.1)
    first, last = (1 / (1 + np.exp(-v)) for v in (_logit(low) - room, _logit(high) + room))
    return float(first), float(last)


def _thinned(low: float, high: float, most: int) -> Sequence[float]:
    """Choose ticks that are as far apart as so many can be."""
    inside = [tick for tick in _LOGIT_TICKS if low <= tick <= high]
    least = (_logit(high) - _logit(low)) / most
    chosen: list[float] = []
    # Round shares first, so that 50 and 90 outrank 60 and 80.
    for tick in sorted(inside, key=_roundness):
        if all(abs(_logit(tick) - _logit(other)) >= least for other in chosen):
            chosen.append(tick)
    return sorted(chosen)


def _roundness(tick: float) -> tuple[int, float]:
    share = min(tick, 1 - tick)
    lead = f"{share:.0e}"[0]
    return ("15234".index(lead) if lead in "15234" else 5, share)
