"""Training: one ticket on one task with one seed, and the `Run` that it comes to."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskstat.bits import Words, layer_counts
from maskstat.errors import TrainingError
from maskstat.prune.data.dataset import Dataset
from maskstat.prune.data.parts import Split
from maskstat.prune.engines.engine import Draws, Replica, Settings, Trained
from maskstat.prune.network import Network, State
from maskstat.prune.provenance import Clock, provenance
from maskstat.prune.recipe import Recipe
from maskstat.prune.record import pack_mask
from maskstat.prune.tickets import Ticket
from maskstat.run import MaskRows, Outputs, Run, Weights

__all__ = ["Training", "record"]

_SERIES = ("validation_accuracy", "test_accuracy", "test_loss")
_LOSSES = ("train_loss", "validation_loss")
_NAME = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Training:
    """One ticket, one task, one seed.

    Parameters
    ----------
    ticket
        What is trained.
    recipe
        How: of a recipe, the model, the data, the training, the seed and what is saved.
    epochs
        How long; 0 evaluates the ticket at initialization.
    """

    ticket: Ticket
    recipe: Recipe
    epochs: int

    @property
    def settings(self) -> dict[str, Any]:
        """Everything but the ticket that decides the result, JSON-ready, named as in recipes."""
        tree = self.recipe.to_dict()
        return {
            "model": tree["model"],
            "dataset": tree["dataset"],
            "data": tree["data"],
            "train": {**tree["train"], "epochs": self.epochs},
            "random": {"seed": tree["random"]["seed"]},
            "save": tree["save"],
        }

    @property
    def digest(self) -> str:
        """SHA-256 over ticket and settings, hexadecimal: two of one digest come to the same."""
        told = {
            "kind": "retrain",
            "ticket": self.ticket.digest,
            "ticket_kind": self.ticket.kind,
            "settings": self.settings,
        }
        text = json.dumps(told, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def run_id(self) -> str:
        """The run's name: whose ticket, the beginning of its digest, kind, task and seed."""
        ticket, recipe = self.ticket, self.recipe
        kind = "-random" if ticket.drawn is not None else ""
        task = re.sub(r"[^A-Za-z0-9._-]+", "-", recipe.dataset)[-20:]
        suffix = f"-{ticket.counts_digest[:8]}{kind}-on-{task}-s{recipe.seed}"
        return ticket.run.run_id[: _NAME - len(suffix)].rstrip("-._") + suffix

    @property
    def alike(self) -> tuple[str, object, object]:
        """What trainings that go on side by side have in common."""
        settings = {k: v for k, v in self.settings.items() if k not in ("random", "save")}
        layout = self.ticket.run.layout
        return json.dumps(settings, sort_keys=True), layout.layers, layout.others

    @property
    def network(self) -> tuple[object, ...]:
        """What decides the network and the engine that trains it."""
        recipe, layout = self.recipe, self.ticket.run.layout
        return recipe.model, recipe.input, recipe.engine, layout.layers, layout.others

    @property
    def descent(self) -> Settings:
        """How the weights are trained."""
        recipe = self.recipe
        return Settings(
            epochs=self.epochs,
            lr=recipe.lr,
            batch_size=recipe.batch_size,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
        )

    def replica(self, split: Split) -> Replica:
        """Make the network ready; every ticket of a seed sees the same data in the same order."""
        return Replica(
            start=self.ticket.initial(),
            kept=self.ticket.kept(),
            split=split,
            draws=Draws(streams=self.recipe.streams, iteration=0),
        )


def record(
    training: Training,
    replica: Replica,
    trained: Trained | TrainingError,
    *,
    network: Network,
    dataset: Dataset,
    engine: str,
    device: str,
    seconds: float,
) -> Run:
    """Return what a training came to as a run: the dense mask, then the ticket.

    Parameters
    ----------
    training, replica
        What was trained.
    trained
        Its result, or why there is none.
    network, dataset, engine, device
        What it was trained with.
    seconds
        How long it took.
    """
    recipe, layout = training.recipe, network.layout
    clock = Clock.start()
    clock.add(seconds)
    dense = np.ones(layout.size, np.bool_)
    rows = np.stack([pack_mask(mask, layout) for mask in (dense, replica.kept)])
    failed = isinstance(trained, TrainingError)
    weights, others = _stored(replica.start, trained, recipe.save_weights)
    origin = _provenance(
        training, replica, network=network, dataset=dataset, engine=engine, device=device
    )
    if isinstance(trained, TrainingError):
        origin["failure"] = {"code": trained.code, "message": trained.fact, "try": trained.hint}
    return Run(
        run_id=training.run_id,
        layout=layout,
        masks=MaskRows(rows),
        kept=np.stack([layer_counts(Words(row), layout.edges) for row in rows]),
        status="failed" if failed else "complete",
        model=recipe.model,
        dataset=recipe.dataset,
        method="retrain",
        seed=recipe.seed,
        recipe_digest=training.digest,
        series={} if isinstance(trained, TrainingError) else _series(trained),
        outputs=_outputs(trained, recipe, dataset),
        weights=weights,
        others=others,
        provenance=origin,
        clock=clock.to_dict(),
    )


def _series(trained: Trained) -> dict[str, NDArray[np.float64]]:
    """Put what was measured below a row for the dense network, which was not trained."""
    series = {name: np.array([np.nan, getattr(trained, name)]) for name in _SERIES}
    for name in _LOSSES:
        losses = np.asarray(getattr(trained, name), np.float64)
        if losses.size:
            series[name] = np.stack([np.full_like(losses, np.nan), losses])
    return series


def _outputs(
    trained: Trained | TrainingError, recipe: Recipe, dataset: Dataset
) -> dict[str, Outputs]:
    if isinstance(trained, TrainingError) or not recipe.save_outputs:
        return {}
    stored = Outputs(logits=trained.logits[None], iterations=(1,), labels=dataset.test_labels)
    return {recipe.dataset: stored}


def _stored(
    start: State, trained: Trained | TrainingError, save: str
) -> tuple[dict[str, Weights], dict[str, NDArray[np.float32]]]:
    """Gather the weights that are to be stored, and everything beside them."""
    weights: dict[str, Weights] = {}
    others: dict[str, NDArray[np.float32]] = {}
    if save != "none":
        weights["initial"] = Weights(values=start.weights[None], iterations=(0,))
        others["initial"] = start.others
    if save in ("last", "all") and not isinstance(trained, TrainingError):
        weights["final"] = Weights(values=trained.state.weights[None], iterations=(1,))
        others["final"] = trained.state.others
    return weights, {kind: values for kind, values in others.items() if values.size}


def _provenance(
    training: Training,
    replica: Replica,
    *,
    network: Network,
    dataset: Dataset,
    engine: str,
    device: str,
) -> dict[str, Any]:
    """Say where the run comes from: the ticket and its run, the settings, the machine."""
    ticket = training.ticket
    found = provenance(
        training.recipe.replace(
            method=Recipe().method
        ),  # nothing is pruned, nor anybody's code run
        dataset=dataset,
        split=replica.split,
        network=network,
        initial=replica.start,
        engine=engine,
        device=device,
        warnings=dataset.notes,
    )
    del found["recipe"], found["method"]
    seeds = {stream: seed for stream, seed in found["seeds"].items() if stream != "init"}
    if ticket.init_seed is not None:
        seeds["init"] = ticket.init_seed
    return {
        **found,
        "kind": "retrain",
        "ticket": {
            "kind": ticket.kind,
            "digest": ticket.digest,
            "sourced_on": ticket.sourced_on,
            "kept": int(np.count_nonzero(replica.kept)),
            "drawn_from_seed": ticket.drawn,
        },
        "parents": [ticket.record()],
        "settings": training.settings,
        "recipe_digest": training.digest,
        "seeds": seeds,
    }
