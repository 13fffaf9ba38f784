"""Trial: a run that is going on, one training after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from maskstat.bits import BoolArray, IntArray
from maskstat.errors import MaskstatError, OutputExistsError, TrainingError, printable
from maskstat.graph.connectivity import connectivity
from maskstat.prune.data.parts import Split
from maskstat.prune.engines.engine import Draws, Replica, Settings, Trained
from maskstat.prune.network import State
from maskstat.prune.progress import Progress
from maskstat.prune.provenance import Clock
from maskstat.prune.pruning import Pruning
from maskstat.prune.recipe import Recipe
from maskstat.prune.record import Record
from maskstat.run import Run, Status

__all__ = ["Publish", "Trial"]

Publish: TypeAlias = Callable[[Run], None]
"""Called with the whole run after every iteration."""


class Trial:
    """A recipe's run: says what is trained next, and takes in what came of it.

    Row t holds the mask after t prunings and what the network trained under it reached; row 0 is
    dense. Every draw is made from (recipe, t), so where a run was interrupted leaves no trace.

    Parameters
    ----------
    record
        What there is of it.
    split
        The data.
    pruning
        Makes the next mask.
    redraw
        Draws all values anew for an iteration.
    publish
        Called with the whole run, partial or complete, after every iteration, and with what is
        whole when training fails.
    progress
        Told what happens.
    """

    def __init__(
        self,
        record: Record,
        *,
        split: Split,
        pruning: Pruning,
        redraw: Callable[[int], State],
        publish: Publish,
        progress: Progress,
    ) -> None:
        self.recipe: Recipe = record.recipe
        self.progress = progress
        self.failure: MaskstatError | None = None
        self._record, self._split, self._pruning = record, split, pruning
        self._redraw, self._publish = redraw, publish
        self._clock = Clock.start()
        self._kept = np.ones(record.layout.size, np.bool_)

    @property
    def iteration(self) -> int:
        """The iteration that is trained next."""
        return len(self._record)

    @property
    def done(self) -> bool:
        """Whether all iterations are there, or training has failed."""
        return self.failure is not None or self.iteration > self.recipe.iterations

    @property
    def settings(self) -> Settings:
        """How the next iteration is trained."""
        recipe, rewound = self.recipe, self.recipe.rewind_epoch or 0
        return Settings(
            epochs=recipe.epochs,
            first_epoch=rewound if self.iteration else 0,
            lr=recipe.lr,
            batch_size=recipe.batch_size,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            snapshot=rewound if rewound and not self.iteration else None,
        )

    def resume(self, earlier: Run) -> None:
        """Take over an earlier run, if this program on this machine would have made it.

        Raises
        ------
        OutputExistsError
            It was made with other versions, or lacks what its next iteration is made from.
        """
        for part in ("environment", "dataset", "model", "method"):
            stored, here = earlier.provenance.get(part), self._record.provenance[part]
            there = stored if isinstance(stored, Mapping) else {}
            for name in here:
                if there.get(name) != here[name]:
                    change = (
                        f"the code of '{here[name]['import']}' has changed"
                        if name == "code"
                        else f"{name} was {printable(str(there.get(name)))} and is {here[name]}"
                    )
                    raise OutputExistsError(
                        f"the run was begun with another {part}: {change}",
                        code="other-environment",
                        place=earlier.place,
                        consequence="its second half would not fit its first",
                        hint="another --output, or --overwrite to begin again",
                    )
        if earlier.series or earlier.n_iterations > 1:  # else the first training failed
            self._record.restore(earlier)
        self._clock = Clock.resume(earlier.clock)

    def begin(self) -> Replica | None:
        """Prune, and say what is trained next; None, and a `failure`, if that cannot be done."""
        try:
            return self._begin()
        except MaskstatError as error:
            self.failure = error
            return None

    def _begin(self) -> Replica:
        record, iteration = self._record, self.iteration
        if iteration:
            self._kept = self._pruning.next_mask(
                final=record.state.weights,
                start=self._drawn(iteration - 1).weights,
                kept=record.kept,
                iteration=iteration,
                streams=self.recipe.streams,
            )
        return Replica(
            start=self._start(iteration),
            kept=self._kept,
            split=self._split,
            draws=Draws(streams=self.recipe.streams, iteration=iteration),
        )

    def _drawn(self, iteration: int) -> State:
        """Return the random values that an iteration goes back to."""
        redrawn = self.recipe.rewind == "random" and iteration > 0
        return self._redraw(iteration) if redrawn else self._record.initial

    def _start(self, iteration: int) -> State:
        """Return the values from which an iteration is trained."""
        record = self._record
        if iteration and self.recipe.rewind == "none":
            return record.state
        if iteration and self.recipe.rewind_epoch is not None:
            assert record.rewind is not None  # recorded by the first training, or restored
            return record.rewind
        return self._drawn(iteration)

    def finish(self, trained: Trained | TrainingError, *, seconds: float) -> None:
        """Record what the training came to, and publish; say in `failure` what went wrong.

        Parameters
        ----------
        trained
            Its result, or why there is none.
        seconds
            How long it took.
        """
        try:
            if isinstance(trained, TrainingError):
                self._fail(trained)
            else:
                self._add(trained, seconds)
        except MaskstatError as error:
            self.failure = error

    def _add(self, trained: Trained, seconds: float) -> None:
        """Record an iteration, publish it and tell of it."""
        iteration = self.iteration
        self._record.add(self._kept, trained, effective=self._effective())
        self._clock.add(seconds)
        run = self.run()
        self._publish(run)
        for name in self._pruning.emptied(self._kept):
            self.progress.note(f"{self.recipe.run_id}@{iteration}: layer {name} has no weight left")
        self.progress.iteration(
            iteration=iteration,
            kept=int(run.kept[-1].sum()),
            size=run.layout.size,
            validation_accuracy=trained.validation_accuracy,
            test_accuracy=trained.test_accuracy,
            seconds=seconds,
        )

    def run(self) -> Run:
        """Return the run as it stands."""
        status: Status = "complete" if self.iteration > self.recipe.iterations else "partial"
        return self._record.run(status, clock=self._clock.to_dict())

    def _effective(self) -> IntArray | None:
        """Count the effective weights of each layer, where the network's graph is known."""
        layout = self._record.layout
        if not layout.graph:
            return None
        masks: dict[str, BoolArray] = {
            layer.name: self._kept[layer.weight_offset : layer.weight_offset + layer.size].reshape(
                layer.shape
            )
            for layer in layout.layers
        }
        counted = connectivity(layout.graph, masks).layers
        return np.array([(x.effective_output, x.effective_both) for x in counted], np.int64)

    def _fail(self, error: TrainingError) -> None:
        """Publish the iterations that are whole, and say in the error what became of the run."""
        record, iteration = self._record, self.iteration
        reason = {"code": error.code, "iteration": iteration, "message": error.fact}
        self._publish(record.run("failed", clock=self._clock.to_dict(), failure=reason))
        error.place = f"{self.recipe.run_id}@{iteration}"
        whole = f"iterations 0 to {iteration - 1}" if iteration else "nothing but the dense mask"
        error.consequence = f"the run has failed and holds {whole}"
        raise error
