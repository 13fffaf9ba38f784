"""Style: how every figure looks, and bytes that depend on nothing but the figure."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import IO, Any, Literal, ParamSpec, TypeAlias

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "Axes",
    "Drawing",
    "Figure",
    "Format",
    "new_figure",
    "save",
    "style",
    "styled",
]

Format: TypeAlias = Literal["png", "svg", "pdf"]

P = ParamSpec("P")

_SCREEN_DPI = 144
_TITLE_WIDTH = 0.97  # of the page

COLOURS = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "purple": "#CC79A7",
    "grey": "#595959",
    "pale": "#ECECEC",
}
"""Okabe and Ito's palette, told apart with any colour vision, and two greys."""

_STYLE: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so every machine has the same
    "font.size": 7.5,
    "figure.titlesize": 9,
    "figure.labelsize": 8,
    "axes.titlesize": 7.5,
    "axes.labelsize": 8,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "ytick.minor.size": 0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.5,
    "text.parse_math": False,  # a '$' in a layer's name is a '$'
    "text.hinting": "none",  # the same widths at every resolution
    "savefig.dpi": 300,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "maskstat",
}

# None leaves out what would change from run to run, or from version to version.
_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


@contextmanager
def style() -> Iterator[None]:
    """Set the style for a while; the user's own settings neither matter nor change.

    Examples
    --------
    >>> with style():
    ...     matplotlib.rcParams["svg.hashsalt"]
    'maskstat'
    """
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Make a function draw in the style, down to what matplotlib puts off until it is shown."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with style():
            figure = draw(*args, **kwargs)
            figure.draw_without_rendering()
            _shrink_title(figure)
        return figure

    return drawn


def _shrink_title(figure: Figure) -> None:
    """Bring a title with a long name in it onto the page."""
    title = next((text for text in figure.texts if text.get_text() == figure.get_suptitle()), None)
    if title is not None:
        share = title.get_window_extent().width / (_TITLE_WIDTH * figure.bbox.width)
        title.set_fontsize(float(title.get_fontsize()) / max(share, 1))


class Drawing(Figure):
    """A figure that notebooks show by themselves, without pyplot and its open windows."""

    def _repr_png_(self) -> bytes:
        """Draw what a notebook shows."""
        stream = io.BytesIO()
        with style():
            self.savefig(stream, format="png", dpi=_SCREEN_DPI, metadata=_METADATA["png"])
        return stream.getvalue()


def new_figure(width: float, height: float) -> Drawing:
    """Return an empty figure that belongs to no window.

    Parameters
    ----------
    width, height
        In inches; 3.4 is one column of a paper, 7 two.

    Returns
    -------
    Drawing
    """
    figure = Drawing(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, stream: IO[bytes], *, format_: Format) -> None:
    """Write a figure; the same figure gives the same bytes, today and tomorrow.

    Parameters
    ----------
    figure
        The figure.
    stream
        Where the bytes go.
    format_
        ``png`` (300 dots an inch), ``svg`` or ``pdf``.

    Examples
    --------
    >>> import io
    >>> stream = io.BytesIO()
    >>> save(new_figure(1, 1), stream, format_="png")
    >>> stream.getvalue()[1:4]
    b'PNG'
    """
    with style():
        figure.savefig(stream, format=format_, metadata=_METADATA[format_])
