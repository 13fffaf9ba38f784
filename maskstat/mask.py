"""Mask: which weights of a network are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maskstat.bits import (
    WORD_BITS,
    BoolArray,
    IntArray,
    WordArray,
    Words,
    WordSource,
    check_whole,
    layer_counts,
    pack,
    sliceable,
    tiles,
    unpack,
)
from maskstat.errors import InputError, printable
from maskstat.layout import Layer, Layout, Parameter
from maskstat.table import Cell, html_table

__all__ = ["Layer", "Layout", "Mask", "Parameter"]


class Mask:
    """Which weights of a network are kept: packed bits over a layout.

    Parameters
    ----------
    layout
        The layers.
    source
        The packed words, in memory or in a file; padding bits 0.
    label
        What to call the mask in results.
    iteration
        The pruning iteration it comes from, where there is one.
    kept : int64 (n_layers,), optional
        Kept weights a layer, where they are known without counting.
    run
        The run that it is an iteration of, where there is one: two masks of one run are nested,
        and are not tested against each other.

    Examples
    --------
    >>> mask = Mask.from_arrays({"fc": [[1, 0], [1, 1]]})
    >>> mask.n_kept, mask.density
    (3, 0.75)
    """

    def __init__(
        self,
        layout: Layout,
        source: WordSource,
        *,
        label: str = "",
        iteration: int | None = None,
        kept: IntArray | None = None,
        run: object = None,
    ) -> None:
        if source.n_words != layout.n_words:
            raise InputError(
                f"{source.n_words} words for a layout of {layout.n_words}",
                code="wrong-length",
                place=label,
            )
        self.layout = layout
        self.label = str(label)
        self.iteration = iteration
        self.run = run
        self._source = source
        self._kept = kept

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, ArrayLike], *, label: str = "") -> Mask:
        """Build a mask from one array of zeros and ones a layer.

        Parameters
        ----------
        arrays
            Layer name to an array or a torch tensor of bool, 0/1 integers or 0/1 floats, in
            network order.
        label
            What to call the mask in results.

        Returns
        -------
        Mask

        Raises
        ------
        InputError
            A value is neither 0 nor 1 or no array, or there are no layers.

        Examples
        --------
        >>> weights = {"fc1": np.array([0.5, 0.0, -0.2]), "fc2": np.array([0.0, 1.0])}
        >>> mask = Mask.from_arrays({name: values != 0 for name, values in weights.items()})
        >>> mask.kept.tolist()
        [2, 1]
        """
        if not isinstance(arrays, Mapping):
            raise InputError(
                f"the layers are of type {type(arrays).__name__}",
                code="not-binary",
                consequence="it takes a dict of layer names and arrays, as in {'fc1': array}",
            )
        bits = {name: _as_bool(name, array) for name, array in arrays.items()}
        layout = Layout.from_shapes({name: array.shape for name, array in bits.items()})
        return cls(layout, Words(np.concatenate([pack(b) for b in bits.values()])), label=label)

    @classmethod
    def dense(cls, layout: Layout) -> Mask:
        """Build the mask of the unpruned network."""
        rows = [_dense_words(layer, 0, layer.n_words) for layer in layout.layers]
        return cls(layout, Words(np.concatenate(rows)), kept=layout.sizes)

    @property
    def n_words(self) -> int:
        """Length in 64-bit words."""
        return self.layout.n_words

    @property
    def sliceable(self) -> bool:
        """Whether several threads may read it in any order."""
        return sliceable(self._source)

    def words(self, start: int = 0, stop: int | None = None) -> WordArray:
        """Return the packed words `start` to `stop`, uint64, not to be modified.

        A long mask in a file is checked while its words are read from first to last; whoever
        reads only some of them calls `check` before.
        """
        return self._source.words(start, self.n_words if stop is None else stop)

    def check(self) -> None:
        """Check a mask in a file against its digest, once; in memory there is nothing to check.

        Raises
        ------
        CorruptArchiveError
            It is not what was written.
        """
        check_whole(self._source)

    @property
    def kept(self) -> IntArray:
        """Kept weights a layer, int64 (n_layers,)."""
        if self._kept is None:
            self._kept = layer_counts(self._source, self.layout.edges)
        return self._kept

    @property
    def n_kept(self) -> int:
        """Kept weights in all."""
        return int(self.kept.sum())

    @property
    def density(self) -> float:
        """Kept share of the prunable weights."""
        return self.n_kept / self.layout.size

    @property
    def sparsity(self) -> float:
        """Pruned share of the prunable weights."""
        return 1 - self.density

    def layer(self, name: str) -> BoolArray:
        """Return one layer as booleans in its own shape.

        Raises
        ------
        NotFoundError
            No layer has this name.
        """
        layer = self.layout.layers[self.layout.index(name)]
        self.check()
        words = self.words(layer.word_offset, layer.word_offset + layer.n_words)
        return unpack(words, layer.size).reshape(layer.shape)

    def to_arrays(self) -> dict[str, BoolArray]:
        """Return every layer as booleans in its own shape."""
        return {name: self.layer(name) for name in self.layout.names}

    def restrict(self, names: Sequence[str]) -> Mask:
        """Return the mask of some layers, in the given order, read from where this one is.

        Parameters
        ----------
        names
            Names of layers of this mask.

        Returns
        -------
        Mask

        Examples
        --------
        >>> mask = Mask.from_arrays({"conv": [1, 0], "fc": [1, 1]})
        >>> mask.restrict(["fc"]).density
        1.0
        """
        if tuple(names) == self.layout.names:
            return self
        layers = [self.layout.layers[self.layout.index(name)] for name in names]
        return self.over(Layout.from_shapes({layer.name: layer.shape for layer in layers}))

    def over(self, layout: Layout) -> Mask:
        """Return this mask over another layout; layers that it does not have are dense.

        Parameters
        ----------
        layout
            Layers by name; those that this mask has, in the same shape.

        Returns
        -------
        Mask

        Examples
        --------
        >>> mask = Mask.from_arrays({"fc": [1, 0]})
        >>> mask.over(Layout.from_shapes({"conv": (3,), "fc": (2,)})).kept.tolist()
        [3, 1]
        """
        for layer in layout.layers:
            own = next((one for one in self.layout.layers if one.name == layer.name), layer)
            if own.shape != layer.shape:
                layout.require_same(self.layout, other_place=self.label)
        if not set(self.layout.names) <= set(layout.names):
            self.check()
        mine = {
            layer.name: (layer, kept)
            for layer, kept in zip(self.layout.layers, self.kept, strict=True)
        }
        parts = [(layer, mine.get(layer.name)) for layer in layout.layers]
        return Mask(
            layout,
            _Stitched(
                self._source,
                tuple((layer, own[0].word_offset if own else None) for layer, own in parts),
            ),
            label=self.label,
            iteration=self.iteration,
            kept=np.array([own[1] if own else layer.size for layer, own in parts], np.int64),
        )

    def _combine(self, other: Mask, op: Callable[[WordArray, WordArray], WordArray]) -> Mask:
        if not isinstance(other, Mask):
            return NotImplemented
        self.layout.require_same(other.layout, place=self.label, other_place=other.label)
        return Mask(self.layout, Words(op(self.words(), other.words())))

    def __and__(self, other: Mask) -> Mask:
        return self._combine(other, np.bitwise_and)

    def __or__(self, other: Mask) -> Mask:
        return self._combine(other, np.bitwise_or)

    def __xor__(self, other: Mask) -> Mask:
        return self._combine(other, np.bitwise_xor)

    def __sub__(self, other: Mask) -> Mask:
        return self._combine(other, lambda a, b: a & ~b)

    def __invert__(self) -> Mask:
        return Mask.dense(self.layout) - self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mask):
            return NotImplemented
        return self.layout == other.layout and all(
            np.array_equal(self.words(*tile), other.words(*tile)) for tile in tiles(self.n_words)
        )

    __hash__ = None  # type: ignore[assignment]

    def __le__(self, other: Mask) -> bool:
        """Tell whether every weight kept here is kept in `other`."""
        if not isinstance(other, Mask):
            return NotImplemented
        self.layout.require_same(other.layout, place=self.label, other_place=other.label)
        return not any(
            (self.words(*tile) & ~other.words(*tile)).any() for tile in tiles(self.n_words)
        )

    def rows(self) -> list[dict[str, Cell]]:
        """Return one dict a layer, and one for all together, as ``pandas.DataFrame`` takes them.

        Examples
        --------
        >>> Mask.from_arrays({"fc": [1, 0]}).rows()[-1]
        {'layer': 'total', 'shape': None, 'size': 2, 'kept': 1, 'density': 0.5}
        """
        layers = [
            (layer.name, "x".join(map(str, layer.shape)), layer.size, int(kept))
            for layer, kept in zip(self.layout.layers, self.kept, strict=True)
        ]
        return [
            {"layer": name, "shape": shape, "size": size, "kept": kept, "density": kept / size}
            for name, shape, size, kept in (
                *layers,
                ("total", None, self.layout.size, self.n_kept),
            )
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return what is kept of each layer, JSON-ready; the mask itself is in `to_arrays`."""
        return {"label": self.label, "iteration": self.iteration, "rows": self.rows()}

    def _repr_html_(self) -> str:
        """Show the layers in a notebook."""
        rows = self.rows()
        numeric = ("size", "kept", "density")
        title = repr(self).strip("<>")
        return html_table(list(rows[0]), rows, n_rows=len(rows), numeric=numeric, caption=title)

    def __repr__(self) -> str:
        name = f" '{printable(self.label)}'" if self.label else ""
        return (
            f"<Mask{name}: {self.n_kept:,} of {self.layout.size:,} weights kept "
            f"({100 * self.density:.3g} %) in {len(self.layout.layers)} layers>"
        )


class _Stitched(NamedTuple):
    """Layers of a mask one behind the other, each with its place in the source or None: dense."""

    source: WordSource
    layers: tuple[tuple[Layer, int | None], ...]

    @property
    def n_words(self) -> int:
        return sum(layer.n_words for layer, _ in self.layers)

    @property
    def sliceable(self) -> bool:
        return sliceable(self.source)

    def check(self) -> None:
        check_whole(self.source)

    def words(self, start: int, stop: int) -> WordArray:
        parts = [np.empty(0, np.uint64)] if start >= stop else []
        for layer, place in self.layers:
            lo = max(start - layer.word_offset, 0)
            hi = min(stop - layer.word_offset, layer.n_words)
            if lo < hi and place is None:
                parts.append(_dense_words(layer, lo, hi))
            elif lo < hi and place is not None:
                parts.append(self.source.words(place + lo, place + hi))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _dense_words(layer: Layer, start: int, stop: int) -> WordArray:
    """Return words `start` to `stop`, one or more, of a layer that keeps every weight."""
    words = np.full(stop - start, np.iinfo(np.uint64).max, np.uint64)
    if stop == layer.n_words:
        words[-1] >>= np.uint64(-layer.size % WORD_BITS)
    return words


def _as_bool(name: str, values: ArrayLike) -> BoolArray:
    """Take 0/1 numbers as booleans, and nothing else."""
    try:
        array = _as_array(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"layer '{printable(name)}' cannot be taken as an array: {error}",
            code="not-binary",
            consequence="it is no mask",
        ) from error
    if array.dtype == np.bool_:
        return array
    bits: BoolArray = array == 1
    if array.dtype.kind not in "iuf" or not (bits | (array == 0)).all():
        raise InputError(
            f"layer '{printable(name)}' holds values other than 0 and 1",
            code="not-binary",
            consequence="it is no mask",
        )
    return bits


def _as_array(values: Any) -> NDArray[Any]:
    """Take an array, or a torch tensor of whatever device, layout and floating type."""
    try:
        return np.asarray(values)
    except (TypeError, RuntimeError):
        if not hasattr(values, "detach"):
            raise
        return np.asarray(values.detach().to_dense().cpu().float())
