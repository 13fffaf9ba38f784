"""Record: the rows of a run that is going on, and the `Run` they make at any moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskstat.bits import BoolArray, IntArray, WordArray, Words, layer_counts, pack, unpack
from maskstat.errors import OutputExistsError
from maskstat.layout import Layout
from maskstat.prune.engines.engine import Trained
from maskstat.prune.network import State
from maskstat.prune.recipe import Recipe
from maskstat.run import MaskRows, Outputs, Run, Status, Weights

__all__ = ["Record", "pack_mask", "unpack_mask"]

_SERIES = (
    "train_loss",
    "validation_loss",
    "validation_accuracy",
    "test_accuracy",
    "test_loss",
)


class Record:
    """What a run has come to so far.

    Parameters
    ----------
    recipe, layout
        The run's.
    initial
        All values before the first training.
    labels : int64 (n_examples,)
        True classes of the test set.
    provenance
        Where the run comes from.
    """

    def __init__(
        self,
        *,
        recipe: Recipe,
        layout: Layout,
        initial: State,
        labels: IntArray,
        provenance: Mapping[str, Any],
    ) -> None:
        self.recipe = recipe
        self.layout = layout
        self.initial = initial
        self.labels = labels
        self.provenance = provenance
        self.state = initial
        self.rewind: State | None = None
        self._words: list[WordArray] = []
        self._weights: dict[int, NDArray[np.float32]] = {}
        self._series: dict[str, list[Any]] = {name: [] for name in _SERIES}
        self._logits: list[NDArray[np.float32]] = []
        self._effective: list[IntArray | None] = []

    def __len__(self) -> int:
        """Return the number of iterations recorded."""
        return len(self._words)

    @property
    def kept(self) -> BoolArray:
        """The last mask, bool (n_weights,)."""
        return unpack_mask(self._words[-1], self.layout)

    def add(self, kept: BoolArray, trained: Trained, *, effective: IntArray | None) -> None:
        """Add the next iteration.

        Parameters
        ----------
        kept : bool (n_weights,)
            Its mask.
        trained
            What the network trained under it reached.
        effective : int64 (n_layers, 2), optional
            Kept weights connected to the output; to input and output.
        """
        if self.recipe.save_weights != "all":
            self._weights.clear()
        self._weights[len(self)] = trained.state.weights
        self._words.append(pack_mask(kept, self.layout))
        self._effective.append(effective)
        self.state = trained.state
        self.rewind = trained.snapshot or self.rewind
        for name in _SERIES:
            self._series[name].append(getattr(trained, name))
        if self.recipe.save_outputs:
            self._logits.append(trained.logits)

    def restore(self, run: Run) -> None:
        """Take over all iterations of a stored run that was made by the same recipe.

        Raises
        ------
        OutputExistsError
            Something that the next iteration is made from is not stored.
        """
        missing = self._missing(run)
        if missing:
            raise OutputExistsError(
                f"it is there and cannot be continued: it holds no {missing}",
                code="output-exists",
                place=run.place,
                consequence="nothing was changed",
                hint="another --output, or --overwrite to replace it",
            )
        last = run.n_iterations - 1
        final = run.weights["final"]
        self._words = [
            run.masks.words(row, 0, self.layout.n_words).copy() for row in range(last + 1)
        ]
        self._weights = {t: run.weight("final", t) for t in final.iterations}
        self._series = {name: list(run.series[name]) for name in _SERIES}
        if self.recipe.save_outputs:
            stored = run.outputs[self.recipe.dataset].logits
            self._logits = [np.asarray(stored[row], np.float32) for row in range(last + 1)]
        self._effective = [None] * (last + 1) if run.effective is None else list(run.effective)
        self.state = State(weights=self._weights[last], others=self._others(run, "final"))
        if "rewind" in run.weights:
            self.rewind = State(weights=run.weight("rewind"), others=self._others(run, "rewind"))

    def _others(self, run: Run, kind: str) -> NDArray[np.float32]:
        """Return what is stored of the tensors that are never pruned."""
        if not self.layout.n_others:
            return self.initial.others
        return np.asarray(run.others[kind][:], np.float32)

    def _missing(self, run: Run) -> str:
        """Name the first thing that a stored run needs to be continued and lacks."""
        iterations = tuple(range(run.n_iterations))
        final, outputs = run.weights.get("final"), run.outputs.get(self.recipe.dataset)
        needed = iterations if self.recipe.save_weights == "all" else iterations[-1:]
        lacking = {
            "final weights": final is None or not set(needed) <= set(final.iterations),
            "final values of the tensors that are never pruned": (
                self.layout.n_others > 0 and "final" not in run.others
            ),
            "weights that are rewound to": self.recipe.rewind_epoch is not None
            and (
                "rewind" not in run.weights or (self.layout.n_others and "rewind" not in run.others)
            ),
            "outputs": self.recipe.save_outputs
            and (outputs is None or outputs.iterations != iterations),
            **{
                f"series {name}": name not in run.series or len(run.series[name]) != len(iterations)
                for name in _SERIES
            },
        }
        return next((name for name, lacks in lacking.items() if lacks), "")

    def run(
        self, status: Status, *, clock: Mapping[str, Any], failure: Mapping[str, Any] | None = None
    ) -> Run:
        """Return the run as it stands.

        A run that is not complete holds the trained weights whatever the recipe saves: they are
        what the next mask is made from.
        """
        recipe, layout = self.recipe, self.layout
        rows = np.stack(self._words or [pack_mask(np.ones(layout.size, np.bool_), layout)])
        kept = np.stack([layer_counts(Words(row), layout.edges) for row in rows])
        weights, others = self._stored(resumable=status != "complete")
        provenance = {**self.provenance, **({"failure": dict(failure)} if failure else {})}
        provenance["warnings"] = [*provenance["warnings"], *_emptied(layout, kept)]
        return Run(
            run_id=recipe.run_id,
            layout=layout,
            masks=MaskRows(rows),
            kept=kept,
            effective=self._effective_counts(),
            status=status,
            model=recipe.model,
            dataset=recipe.dataset,
            method=recipe.method,
            seed=recipe.seed,
            replicate=recipe.replicate if recipe.vary else None,
            recipe_digest=recipe.digest,
            series={name: np.array(values) for name, values in self._series.items() if values},
            outputs=self._outputs(),
            weights=weights,
            others=others,
            provenance=provenance,
            clock=clock,
        )

    def _stored(
        self, *, resumable: bool
    ) -> tuple[dict[str, Weights], dict[str, NDArray[np.float32]]]:
        """Gather the weights that are to be stored, and everything beside them."""
        save = self.recipe.save_weights
        weights: dict[str, Weights] = {}
        others: dict[str, NDArray[np.float32]] = {}
        if save != "none":
            weights["initial"] = Weights(values=self.initial.weights[None], iterations=(0,))
            others["initial"] = self.initial.others
        if self.rewind is not None and (resumable or save != "none"):
            weights["rewind"] = Weights(values=self.rewind.weights[None], iterations=(0,))
            others["rewind"] = self.rewind.others
        if self._weights and (resumable or save in ("last", "all")):
            weights["final"] = Weights(
                values=np.stack(list(self._weights.values())), iterations=tuple(self._weights)
            )
            others["final"] = self.state.others
        return weights, {kind: values for kind, values in others.items() if values.size}

    def _effective_counts(self) -> IntArray | None:
        """Return the counts of all iterations, where the network's graph is known."""
        counts = [row for row in self._effective if row is not None]
        return np.stack(counts) if counts and len(counts) == len(self) else None

    def _outputs(self) -> dict[str, Outputs]:
        if not self._logits:
            return {}
        iterations = tuple(range(len(self._logits)))
        logits = np.stack(self._logits)
        return {
            self.recipe.dataset: Outputs(logits=logits, iterations=iterations, labels=self.labels)
        }


def _emptied(layout: Layout, kept: IntArray) -> list[str]:
    """Say from which iteration on layers have no weight left."""
    firsts = {
        layer.name: int(np.flatnonzero(counts == 0)[0])
        for layer, counts in zip(layout.layers, kept.T, strict=True)
        if not counts.all()
    }
    return [
        f"layer '{name}' has no weight left from iteration {first} on"
        for name, first in firsts.items()
    ]


def pack_mask(kept: BoolArray, layout: Layout) -> WordArray:
    """Pack a mask, bool (n_weights,), each layer from a word boundary on."""
    return np.concatenate(
        [pack(kept[x.weight_offset : x.weight_offset + x.size]) for x in layout.layers]
    )


def unpack_mask(words: WordArray, layout: Layout) -> BoolArray:
    """Unpack a mask to bool (n_weights,)."""
    return np.concatenate(
        [unpack(words[x.word_offset : x.word_offset + x.n_words], x.size) for x in layout.layers]
    )
