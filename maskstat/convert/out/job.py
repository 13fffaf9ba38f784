"""What is to be written: a mask, and the weights that go with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskstat.convert.formats.masked_tensors import state
from maskstat.convert.names import strip_wrappers
from maskstat.convert.probe import Probe
from maskstat.convert.tensors import PIECE_BYTES, StoredTensor, encoding_of
from maskstat.errors import (
    InputError,
    LayoutMismatchError,
    NotFoundError,
    closest,
    printable,
)
from maskstat.mask import Mask
from maskstat.run import Run

__all__ = ["Dense", "Job", "match_layers"]

_ORIG = "_orig"
_KINDS = ("final", "rewind", "initial")


class Dense(NamedTuple):
    """Weights before the mask is put on them, and everything else of the network.

    Parameters
    ----------
    tensors
        By name, in order.
    keys
        Which of them each layer is.
    source
        ``checkpoint``, ``final``, ``rewind`` or ``initial``.
    notes
        What there is to know about them.
    """

    tensors: Mapping[str, StoredTensor]
    keys: Mapping[str, str]
    source: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Job:
    """One mask to be written.

    Parameters
    ----------
    run, mask
        The run and its iteration's mask.
    place
        The file, for errors.
    checkpoint
        A file with weights.
    """

    run: Run
    mask: Mask
    place: str
    checkpoint: str | None = None

    def sharded(self) -> Probe | None:
        """Return the checkpoint if it is a folder of safetensors, or the index of one."""
        probe = None if self.checkpoint is None else Probe(self.checkpoint)
        return probe if probe is not None and probe.kind == "sharded" else None

    def dense(self) -> Dense:
        """Return the weights to put the mask on.

        Raises
        ------
        NotFoundError
            There are none, or a layer is missing.
        LayoutMismatchError
            A layer has another shape.
        """
        if self.checkpoint is None:
            return self._from_run()
        probe = Probe(self.checkpoint)
        tensors, _ = state(probe)
        return Dense(tensors, match_layers(self.mask, tensors, probe.place), "checkpoint")

    def _from_run(self) -> Dense:
        run, layout = self.run, self.mask.layout
        iteration = self.mask.iteration or 0
        stored = run.weights
        kind = next(
            (
                k
                for k in _KINDS
                if k in stored and (k != "final" or iteration in stored[k].iterations)
            ),
            None,
        )
        if kind is None:
            raise NotFoundError(
                f"the run has no weights for iteration {iteration}",
                code="no-weights",
                place=run.label,
                consequence=f"stored are: {', '.join(stored) or 'none'}",
                hint="--checkpoint FILE, or prune with --save-weights all",
            )
        flat = run.weight(kind, iteration if kind == "final" else -1)
        tensors = {
            layer.name: _stored(
                layer.name, flat[layer.weight_offset :][: layer.size].reshape(layer.shape)
            )
            for layer in layout.layers
        }
        others = "final" if kind == "final" else "initial"
        known = others in run.others and (others == "initial" or iteration == run.n_iterations - 1)
        notes: tuple[str, ...] = ()
        if layout.others and known:
            values = np.asarray(run.others[others][:], np.float32)
            tensors |= {
                other.name: _stored(
                    other.name, values[other.offset :][: other.size].reshape(other.shape)
                )
                for other in layout.others
            }
        else:
            notes = ("it has no biases or other tensors: the run stores none for this iteration",)
        return Dense(tensors, {layer.name: layer.name for layer in layout.layers}, kind, notes)


def match_layers(mask: Mask, tensors: Mapping[str, StoredTensor], place: str) -> dict[str, str]:
    """Find every layer of a mask among a checkpoint's tensors, wrappers' prefixes aside.

    Raises
    ------
    NotFoundError
        One is not there.
    LayoutMismatchError
        One has another shape.
    InputError
        One could be several tensors, or is of a type that has no zero of its own.
    """
    short: dict[str, list[str]] = {}
    for key in tensors:
        short.setdefault(strip_wrappers(key.removesuffix(_ORIG)), []).append(key)
    keys: dict[str, str] = {}
    for layer in mask.layout.layers:
        found = [layer.name] if layer.name in tensors else short.get(strip_wrappers(layer.name), [])
        if not found:
            raise NotFoundError(
                f"there is no tensor '{printable(layer.name)}'",
                code="no-such-layer",
                place=place,
                consequence=closest(layer.name, tensors),
            )
        if len(found) > 1:
            raise InputError(
                f"'{printable(layer.name)}' could be {printable(' or '.join(found[:4]))}",
                code="ambiguous-layer",
                place=place,
            )
        shape, encoding = tensors[found[0]].shape, tensors[found[0]].encoding
        if encoding.kind in ("packed", "scale"):
            raise InputError(
                f"'{printable(found[0])}' has values of type {encoding.name}",
                code="unknown-dtype",
                place=place,
                consequence="a single one of them cannot be put to 0",
            )
        if shape != layer.shape:
            raise LayoutMismatchError(
                f"'{printable(found[0])}' has shape {shape}, the mask {layer.shape}",
                code="layout-mismatch",
                place=place,
                consequence="the mask cannot be put on it",
            )
        keys[layer.name] = found[0]
    return keys


def _stored(name: str, array: NDArray[np.float32]) -> StoredTensor:
    """Take an array as a tensor of a file."""
    encoding = encoding_of(array.dtype)
    assert encoding is not None
    flat = np.ascontiguousarray(array).reshape(-1).view(encoding.raw.newbyteorder("="))

    def pieces() -> Iterator[NDArray[Any]]:
        step = PIECE_BYTES // flat.itemsize
        for start in range(0, flat.size, step):
            yield flat[start : start + step]

    return StoredTensor(name=name, shape=array.shape, encoding=encoding, pieces=pieces)
