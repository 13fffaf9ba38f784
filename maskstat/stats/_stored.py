"""Layers of masks and of stored weights by name, one of them in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.errors import InputError

if TYPE_CHECKING:
    from maskstat.mask import Mask
    from maskstat.run import Run

__all__ = ["MaskLayers", "WeightLayers"]

Array: TypeAlias = NDArray[Any]


class MaskLayers(Mapping[str, NDArray[np.bool_]]):
    """The layers of a mask as booleans in their own shapes.

    Parameters
    ----------
    mask
        Any mask. Its last layer that was asked for stays unpacked.
    """

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._last: tuple[str, NDArray[np.bool_]] | None = None

    def __getitem__(self, name: str) -> NDArray[np.bool_]:
        """Unpack one layer."""
        if name not in self._mask.layout.names:
            raise KeyError(name)
        if self._last is None or self._last[0] != name:
            self._last = name, self._mask.layer(name)
        return self._last[1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._mask.layout.names)

    def __len__(self) -> int:
        """Return the number of layers."""
        return len(self._mask.layout.layers)


class WeightLayers(Mapping[str, NDArray[np.float32]]):
    """The layers of a run's stored weights in their own shapes, read when they are asked for.

    Parameters
    ----------
    run
        The run.
    kind
        ``initial``, ``rewind`` or ``final``.
    iteration
        The iteration whose weights are wanted; -1 is the last stored.
    names
        Layers, in the order that is wanted; None means all in the run's order.

    Raises
    ------
    NotFoundError
        These weights are not stored.
    InputError
        They are not as many as the layers have.
    """

    def __init__(
        self, run: Run, kind: str, iteration: int = -1, *, names: Sequence[str] | None = None
    ) -> None:
        stored = run.weights.get(kind)
        if stored is None or (iteration >= 0 and iteration not in stored.iterations):
            run.weight(kind, iteration)  # its error says what is stored
        assert stored is not None
        expected = (len(stored.iterations), run.layout.size)
        if tuple(stored.values.shape) != expected:
            raise InputError(
                f"its {kind} weights have shape {tuple(stored.values.shape)} where {expected} "
                "belongs",
                code="bad-run",
                place=run.label,
                consequence="they do not fit the layers",
                hint="a row an iteration, of the weights of all layers one after another",
            )
        self._values = stored.values
        self._row = stored.iterations.index(iteration) if iteration >= 0 else -1
        self._layout = run.layout
        self._names = run.layout.names if names is None else tuple(names)

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        """Read one layer."""
        if name not in self._names:
            raise KeyError(name)
        layer = self._layout.layers[self._layout.index(name)]
        place = slice(layer.weight_offset, layer.weight_offset + layer.size)
        return np.asarray(self._values[self._row, place], np.float32).reshape(layer.shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        """Return the number of layers."""
        return len(self._names)
