"""Run: one pruning run, a mask per iteration and what was measured beside them."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.bits import IntArray, WordArray, Words, layer_counts
from maskstat.errors import InputError, NotFoundError, UsageError, printable
from maskstat.mask import Layout, Mask
from maskstat.table import Cell, html_table, plain

__all__ = [
    "RUN_ID_PATTERN",
    "ArraySource",
    "MaskRows",
    "MaskSource",
    "Outputs",
    "Run",
    "Status",
    "Weights",
]

Status: TypeAlias = Literal["complete", "partial", "failed"]

RUN_ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class MaskSource(Protocol):
    """The packed masks of a run, row t for iteration t, in memory or in a file."""

    @property
    def n_rows(self) -> int:
        """Number of iterations."""
        ...

    @property
    def n_words(self) -> int:
        """Length of a row in 64-bit words."""
        ...

    def words(self, row: int, start: int, stop: int) -> WordArray:
        """Return words `start` to `stop` of one row, which the caller does not modify."""
        ...


class ArraySource(Protocol):
    """An array that may lie in a file; indexing its first axis reads only what is asked."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        ...

    def __getitem__(self, key: Any, /) -> NDArray[Any]:
        """Read a part."""
        ...


class MaskRows:
    """Packed masks held in memory.

    Parameters
    ----------
    array : uint64 (n_iterations, n_words)
    """

    __slots__ = ("_array",)

    sliceable = True

    def __init__(self, array: WordArray) -> None:
        self._array = array

    @property
    def n_rows(self) -> int:
        """Number of iterations."""
        return int(self._array.shape[0])

    @property
    def n_words(self) -> int:
        """Length of a row in 64-bit words."""
        return int(self._array.shape[1])

    def words(self, row: int, start: int, stop: int) -> WordArray:
        """Return a view of words `start` to `stop` of one row."""
        return self._array[row, start:stop]


class _Row(NamedTuple):
    """One row of a `MaskSource` as a `WordSource`."""

    rows: MaskSource
    row: int

    @property
    def n_words(self) -> int:
        return self.rows.n_words

    @property
    def sliceable(self) -> bool:
        return bool(getattr(self.rows, "sliceable", False))

    def words(self, start: int, stop: int) -> WordArray:
        return self.rows.words(self.row, start, stop)

    def check(self) -> None:
        check = getattr(self.rows, "check", None)
        if check is not None:
            check(self.row)


class Weights(NamedTuple):
    """Stored prunable weights.

    Parameters
    ----------
    values : float32 (n_stored, n_weights)
        In layout order, C order; one row for each of `iterations`.
    iterations
        The iterations the rows belong to.
    """

    values: ArraySource
    iterations: tuple[int, ...]


class Outputs(NamedTuple):
    """Stored logits on a fixed evaluation set.

    Parameters
    ----------
    logits : float32 (n_stored, n_examples, n_classes)
    iterations
        The iterations the rows belong to.
    labels : int64 (n_examples,), optional
        The true classes.
    """

    logits: ArraySource
    iterations: tuple[int, ...]
    labels: IntArray | None = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Run:
    """One pruning run. Iteration t means "after t prunings"; iteration 0 is dense.

    Parameters
    ----------
    run_id
        Name inside an archive: letters, digits, ``.``, ``_``, ``-``; at most 64.
    layout
        The layers.
    masks
        One packed mask an iteration.
    kept : int64 (n_iterations, n_layers)
        Kept weights a layer.
    status
        ``complete``, ``partial`` (still running or interrupted) or ``failed``.
    model, dataset, method
        What was pruned, on what, how; empty where it is not known.
    seed, replicate
        The base seed, and which repetition under it where randomness is not fixed.
    recipe_digest
        SHA-256 of the resolved recipe, hexadecimal; empty for masks from elsewhere.
    effective : int64 (n_iterations, n_layers, 2), optional
        Kept weights connected to the output; connected to input and output.
    series
        Measured values by name, float64 (n_iterations,) or (n_iterations, n_epochs).
    outputs
        Logits by data set.
    weights
        ``initial``, ``rewind``, ``final``.
    others
        ``initial``, ``rewind``, ``final``: float32 (n_others,), the tensors that are never pruned.
    votes : uint16 (n_weights,), optional
        For consensus tickets: in how many of the inputs each weight is kept.
    provenance
        Where it all came from: recipe, seeds, versions, parents. JSON-ready. Runs are grouped by
        ``init_seed``, which is ``provenance["seeds"]["init"]``.
    clock
        When it ran and how long it took; not part of the digest. JSON-ready.
    digest
        ``sha256:...`` over the content; empty until the run is written.
    place
        Where it was read from; empty in memory.
    """

    run_id: str
    layout: Layout
    masks: MaskSource
    kept: IntArray
    status: Status = "complete"
    model: str = ""
    dataset: str = ""
    method: str = ""
    seed: int | None = None
    replicate: int | None = None
    recipe_digest: str = ""
    effective: IntArray | None = None
    series: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    outputs: Mapping[str, Outputs] = field(default_factory=dict)
    weights: Mapping[str, Weights] = field(default_factory=dict)
    others: Mapping[str, ArraySource] = field(default_factory=dict)
    votes: ArraySource | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    clock: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""
    place: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.run_id, str) or not RUN_ID_PATTERN.fullmatch(self.run_id):
            raise InputError(
                f"{self.run_id!r} is no run name",
                code="bad-run-id",
                place=self.place,
                consequence="letters, digits, '.', '_' and '-', at most 64, are allowed",
            )
        expected = (self.masks.n_rows, len(self.layout.layers))
        if self.masks.n_rows < 1 or self.masks.n_words != self.layout.n_words:
            raise InputError(
                f"{self.masks.n_rows} masks of {self.masks.n_words} words for a layout of "
                f"{self.layout.n_words} words",
                code="bad-run",
                place=self.label,
            )
        if self.kept.shape != expected:
            raise InputError(
                f"kept counts have shape {self.kept.shape}, the masks {expected}",
                code="bad-run",
                place=self.label,
            )

    @classmethod
    def from_masks(cls, run_id: str, masks: Mask | Iterable[Mask], **fields: Any) -> Run:
        """Build a run from masks over one layout, the dense network put first.

        Parameters
        ----------
        run_id
            Name inside an archive.
        masks
            The masks of iterations 1, 2, ... in memory; one alone is iteration 1.
        **fields
            Any other field of a run.

        Returns
        -------
        Run

        Examples
        --------
        >>> run = Run.from_masks("mine", [Mask.from_arrays({"fc": [1, 0, 1]})])
        >>> run.n_iterations, run.mask(1).n_kept
        (2, 2)
        """
        masks = [masks] if isinstance(masks, Mask) else list(masks)
        if not masks:
            raise InputError("there are no masks", code="no-masks", place=run_id)
        for mask in masks:
            if not isinstance(mask, Mask):
                raise InputError(
                    f"a {type(mask).__name__} is no mask",
                    code="not-a-mask",
                    place=str(run_id),
                    hint="Mask.from_arrays({'fc1': array}) makes one",
                )
            masks[0].layout.require_same(mask.layout, place=masks[0].label, other_place=mask.label)
        layout = masks[0].layout
        rows = np.stack([Mask.dense(layout).words(), *(mask.words() for mask in masks)])
        kept = np.stack([layer_counts(Words(row), layout.edges) for row in rows])
        return cls(run_id=run_id, layout=layout, masks=MaskRows(rows), kept=kept, **fields)

    @property
    def n_iterations(self) -> int:
        """Number of stored iterations, the dense one included."""
        return self.masks.n_rows

    @property
    def label(self) -> str:
        """What to call the run in results: where it was read from, else its name."""
        return self.place or self.run_id

    def mask(self, iteration: int = -1) -> Mask:
        """Return the mask of one iteration; -1 is the last.

        Raises
        ------
        NotFoundError, UsageError
            The run has no such iteration; it is no whole number.
        """
        try:
            iteration = operator.index(iteration)
        except TypeError as error:
            raise UsageError(
                f"iteration {iteration!r} is no whole number",
                code="bad-iteration",
                place=self.label,
            ) from error
        row = iteration + self.n_iterations if iteration < 0 else iteration
        if not 0 <= row < self.n_iterations:
            raise NotFoundError(
                f"there is no iteration {iteration}",
                code="no-such-iteration",
                place=self.label,
                consequence=f"the run holds iterations 0 to {self.n_iterations - 1}",
            )
        source = _Row(self.masks, row)
        kept = self.kept[row]
        return Mask(self.layout, source, label=self.label, iteration=row, kept=kept, run=self)

    def density(self, iteration: int = -1) -> float:
        """Return the kept share of the prunable weights at one iteration."""
        return self.mask(iteration).density

    def weight(self, kind: str, iteration: int = -1) -> NDArray[np.float32]:
        """Return stored weights, float32 (n_weights,).

        Parameters
        ----------
        kind
            ``initial``, ``rewind`` or ``final``.
        iteration
            The iteration whose weights are wanted; -1 is the last stored, -2 the one before it.

        Raises
        ------
        NotFoundError
            These weights are not stored.
        """
        stored = self.weights.get(kind)
        iterations = stored.iterations if stored is not None else ()
        if stored is not None and iteration in iterations:
            return np.asarray(stored.values[iterations.index(iteration)], np.float32)
        if stored is not None and -len(iterations) <= iteration < 0:
            return np.asarray(stored.values[iteration + len(iterations)], np.float32)
        raise NotFoundError(
            f"no {printable(kind)} weights are stored"
            + (f" at {iteration}" if iteration != -1 else ""),
            code="no-weights",
            place=self.label,
            consequence=f"stored for iterations {list(iterations)}"
            if stored is not None
            else f"stored are: {', '.join(self.weights) or 'none'}",
            hint="maskstat prune --save-weights all",
        )

    def rows(self) -> list[dict[str, Cell]]:
        """Return one dict an iteration, as ``pandas.DataFrame`` takes them.

        What is kept, and what was measured once an iteration; of what was measured every epoch,
        see `series`.

        Examples
        --------
        >>> run = Run.from_masks("mine", [Mask.from_arrays({"fc": [1, 0, 1, 1]})])
        >>> run.rows()[1]
        {'iteration': 1, 'size': 4, 'kept': 3, 'density': 0.75}
        """
        size = self.layout.size
        measured = {name: values for name, values in self.series.items() if np.ndim(values) == 1}
        return [
            {
                "iteration": t,
                "size": size,
                "kept": kept,
                "density": kept / size,
                **{
                    name: plain(values[t]) if t < len(values) else None
                    for name, values in measured.items()
                },
            }
            for t, kept in enumerate(self.kept.sum(axis=1).tolist())
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return what the run is and its `rows`, JSON-ready."""
        names = ("run_id", "status", "model", "dataset", "method", "seed", "replicate")
        told = {name: getattr(self, name) for name in (*names, "recipe_digest", "digest", "place")}
        return {**told, "rows": self.rows()}

    def _repr_html_(self) -> str:
        """Show the iterations in a notebook."""
        rows = self.rows()
        title = repr(self).strip("<>")
        return html_table(list(rows[0]), rows, n_rows=len(rows), numeric=rows[0], caption=title)

    def __repr__(self) -> str:
        return (
            f"<Run '{self.run_id}': {self.n_iterations} iterations, "
            f"{self.layout.size:,} weights in {len(self.layout.layers)} layers, "
            f"{100 * self.density():.3g} % kept, {self.status}>"
        )
