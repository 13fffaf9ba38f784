"""From a `Run` to what is written of it: attributes and datasets, every invariant checked."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maskstat.archive import canonical, spec
from maskstat.archive.guard_members import AttributeValue
from maskstat.archive.names import attribute_text, member_name
from maskstat.archive.payloads import ArrayPayload, BytesPayload, MaskPayload, Payload, bad_run
from maskstat.errors import printable
from maskstat.run import Run

__all__ = ["run_attributes", "run_payloads"]

_LARGEST = 1 << 63
_KINDS = ("initial", "rewind", "final")


def run_attributes(run: Run, layout_id: str) -> dict[str, AttributeValue]:
    """Return a run's attributes in the order of the format, all but its digest.

    Raises
    ------
    InputError
        One of them cannot be written.
    """
    if run.status not in spec.STATUSES:
        raise bad_run(f"its status is '{printable(run.status)}'", run.run_id)
    attributes: dict[str, AttributeValue] = {
        "layout": layout_id,
        "status": run.status,
        "n_iterations": run.n_iterations,
    }
    for name in ("recipe_digest", "model", "dataset", "method"):
        text = getattr(run, name)
        if not isinstance(text, str):
            raise bad_run(f"{name} {text!r} is no text", run.run_id)
        attributes[name] = attribute_text(text, place=run.run_id)
    for name in ("seed", "replicate"):
        value = getattr(run, name)
        if value is None:
            continue
        if not isinstance(value, int | np.integer) or not -_LARGEST <= value < _LARGEST:
            raise bad_run(f"{name} {value!r} is no whole number of 64 bits", run.run_id)
        attributes[name] = int(value)
    return attributes


def run_payloads(run: Run) -> dict[str, Payload]:
    """Return a run's datasets by path, but for mask digests and manifest, masks first.

    Raises
    ------
    InputError
        A part of the run does not fit the others.
    """
    parts = _Parts(run)
    parts.counts()
    parts.series()
    parts.outputs()
    parts.weights()
    parts.texts()
    return dict(sorted(parts.found.items(), key=lambda part: (part[0] != "masks", part[0])))


class _Parts:
    """Collects the datasets of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.found: dict[str, Payload] = {"masks": MaskPayload(run)}

    def counts(self) -> None:
        run = self._run
        kept = self._add("kept", run.kept, "<i8", "iu")
        if (kept[0] != run.layout.sizes).any():
            raise self._bad("its first mask is not the dense network")
        if run.effective is not None:
            effective = self._add("effective", run.effective, "<i8", "iu")
            if effective.shape != (*kept.shape, 2):
                raise self._bad(f"its effective counts have shape {effective.shape}")
            to_output, connected = effective[..., 0], effective[..., 1]
            if ((connected < 0) | (connected > to_output) | (to_output > kept)).any():
                raise self._bad("more weights are connected than kept")
        if run.votes is not None:
            self._shape("votes", run.votes.shape, (run.layout.size,))
            self.found["votes"] = ArrayPayload(run.votes, "u2", run.run_id)

    def series(self) -> None:
        self._members("series", self._run.series)
        for name, values in self._run.series.items():
            if not spec.SERIES_NAME.fullmatch(name):
                raise self._bad(f"'{printable(name)}' is no name for a series")
            array = self._add(f"series/{name}", values, "<f8", "iuf")
            if array.ndim not in (1, 2) or array.shape[0] != self._run.n_iterations:
                raise self._bad(f"series {name} has shape {array.shape}")

    def outputs(self) -> None:
        run = self._run
        self._members("outputs", run.outputs)
        for given, outputs in run.outputs.items():
            name = attribute_text(given, place=run.run_id)
            member = member_name(name)
            path = f"outputs/{member}"
            if path in self.found:
                raise self._bad(f"two data sets are written as '{member}'")
            shape = outputs.logits.shape
            if len(shape) != 3:
                raise self._bad(f"the outputs on {name} have shape {shape}")
            attributes = self._rows(path, shape, outputs.iterations) | {"name": name}
            self.found[path] = ArrayPayload(outputs.logits, "f4", run.run_id, attributes)
            if outputs.labels is not None:
                labels = self._add(f"labels/{member}", outputs.labels, "<i8", "iu", {"name": name})
                self._shape(f"labels/{member}", labels.shape, (shape[1],))

    def weights(self) -> None:
        run = self._run
        for kind, weights in run.weights.items():
            path = f"weights/{kind}"
            if kind not in _KINDS:
                raise self._bad(f"there are no weights of kind '{printable(kind)}'")
            shape = weights.values.shape
            self._shape(path, shape, (len(weights.iterations), run.layout.size))
            attributes = self._rows(path, shape, weights.iterations)
            self.found[path] = ArrayPayload(weights.values, "f4", run.run_id, attributes)
        for kind, values in run.others.items():
            path = f"others/{kind}"
            if kind not in _KINDS:
                raise self._bad(f"there are no others of kind '{printable(kind)}'")
            self._shape(path, values.shape, (run.layout.n_others,))
            if run.layout.n_others:
                self.found[path] = ArrayPayload(values, "f4", run.run_id)

    def texts(self) -> None:
        run = self._run
        provenance = canonical.encode(dict(run.provenance), place=run.run_id)
        clock = canonical.encode(dict(run.clock), place=run.run_id)
        self.found["provenance"] = BytesPayload(np.frombuffer(provenance, np.uint8))
        self.found["clock"] = BytesPayload(
            np.frombuffer(clock, np.uint8), {"sha256": sha256(clock).hexdigest()}
        )

    def _add(
        self,
        path: str,
        values: ArrayLike,
        dtype: str,
        kinds: str,
        attributes: dict[str, AttributeValue] | None = None,
    ) -> NDArray[Any]:
        """Take an array in memory that can be written as the given type without loss."""
        given = np.asarray(values)
        if given.dtype.kind not in kinds or not given.size or not given.ndim:
            raise self._bad(f"{path} is of type {given.dtype} and shape {given.shape}")
        array = np.ascontiguousarray(given, dtype)
        self.found[path] = BytesPayload(array, attributes or {})
        return array

    def _rows(
        self, path: str, shape: Sequence[int], iterations: Sequence[int]
    ) -> dict[str, AttributeValue]:
        """Check which iterations the rows of a dataset belong to."""
        rows = [int(i) for i in iterations]
        ascending = sorted(set(rows)) == rows and all(0 <= i < self._run.n_iterations for i in rows)
        if not ascending or len(rows) != shape[0] or not 1 <= len(rows) <= spec.STORED_ITERATIONS:
            raise self._bad(f"{path} has {shape[0]} rows for iterations {rows[:8]}")
        if min(shape) < 1:
            raise self._bad(f"{path} has shape {tuple(shape)}")
        return {"iterations": rows}

    def _members(self, group: str, found: Sized) -> None:
        if len(found) > spec.MEMBERS:
            raise self._bad(f"it has {len(found):,} {group} where at most {spec.MEMBERS} may be")

    def _shape(self, path: str, found: Sequence[int], wanted: tuple[int, ...]) -> None:
        if tuple(found) != wanted:
            raise self._bad(f"{path} has shape {tuple(found)} where {wanted} belongs")

    def _bad(self, fact: str) -> Exception:
        return bad_run(fact, self._run.run_id)
