"""Iterative magnitude pruning: train, test, record, prune, rewind, and again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TypeAlias

from maskstat.errors import MaskstatError
from maskstat.prune.engines.engine import Engine, Replica
from maskstat.prune.trial import Trial

__all__ = ["iterate"]

_Round: TypeAlias = list[tuple[Trial, Replica]]


def iterate(trials: Sequence[Trial], engine: Engine) -> None:
    """Bring runs of one architecture to their ends, side by side.

    Parameters
    ----------
    trials
        The runs; those that fail say so in their `failure`, and the others go on.
    engine
        Trains them. It gives each the bits that it would have alone.
    """
    for trial in trials:
        recipe = trial.recipe
        trial.progress.start(
            run_id=recipe.run_id,
            iterations=recipe.iterations + 1,
            epochs=recipe.epochs,
            done=trial.iteration,
        )
    estimated = False
    while waiting := [trial for trial in trials if not trial.done]:
        settings = min(waiting, key=lambda trial: trial.iteration).settings
        begun = [(trial, trial.begin()) for trial in waiting if trial.settings == settings]
        turn = [(trial, replica) for trial, replica in begun if replica is not None]
        try:
            if turn and not estimated:
                _estimate(turn, engine)
                estimated = True
            if turn:
                _train(turn, engine)
        except MaskstatError as error:  # the engine can't train them at all
            for trial, _ in turn:
                trial.failure = error


def _train(turn: _Round, engine: Engine) -> None:
    """Train the next iteration of each trial."""

    def on_epoch(place: int, epoch: int, train_loss: float, validation_loss: float) -> None:
        trial = turn[place][0]
        trial.progress.epoch(
            iteration=trial.iteration,
            epoch=epoch,
            train_loss=train_loss,
            validation_loss=validation_loss,
        )

    began = time.perf_counter()
    results = engine.train(
        [replica for _, replica in turn], settings=turn[0][0].settings, on_epoch=on_epoch
    )
    seconds = (time.perf_counter() - began) / len(turn)
    for (trial, _), result in zip(turn, results, strict=True):
        trial.finish(result, seconds=seconds)


def _estimate(turn: _Round, engine: Engine) -> None:
    """Tell how long all of it will take, from a few steps."""
    trials = [trial for trial, _ in turn]
    seconds = engine.seconds_per_epoch(
        [replica for _, replica in turn], settings=trials[0].settings
    )
    for trial in trials:
        recipe, left = trial.recipe, trial.recipe.iterations + 1 - trial.iteration
        trial.progress.estimate(seconds=seconds * recipe.epochs * left)
