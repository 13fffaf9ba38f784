"""Tickets: a mask and the initial weights that it is trained from, taken from a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from maskstat.bits import BoolArray
from maskstat.errors import InputError, NotFoundError, UsageError
from maskstat.mask import Mask
from maskstat.prune.models.model import Shape
from maskstat.prune.models.registry import build
from maskstat.prune.network import Network, State
from maskstat.prune.recipe import Recipe
from maskstat.prune.record import unpack_mask
from maskstat.prune.select import prune_lowest
from maskstat.prune.streams import Streams
from maskstat.prune.trace import output_layer
from maskstat.run import Run

__all__ = ["Kind", "Ticket"]

Kind: TypeAlias = Literal["bespoke", "consensus", "random"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ticket:
    """A mask of a run with its initial weights, read when they are asked for.

    Parameters
    ----------
    run, iteration
        Where it comes from.
    kind
        ``bespoke``, found by pruning on a task; ``consensus``; ``random``.
    digest
        SHA-256 over layers, mask and initial weights, hexadecimal: the same for the same ticket in
        another file.
    counts_digest
        That of the ticket whose layers' counts a random one has; else its own.
    drawn
        For a random ticket: the seed it is drawn from.
    """

    run: Run
    iteration: int
    kind: Kind
    digest: str
    counts_digest: str
    drawn: int | None = None

    @classmethod
    def of(cls, run: Run, iteration: int) -> Ticket:
        """Take a ticket from a run.

        Raises
        ------
        NotFoundError
            There is no such iteration, or its initial weights are neither stored nor can be drawn
            again.
        """
        mask = run.mask(iteration)
        sha = hashlib.sha256(
            json.dumps([run.layout.names, [x.shape for x in run.layout.layers]]).encode()
        )
        sha.update(mask.words().astype("<u8", copy=False).tobytes())
        sha.update(_initial(run).digest.encode())
        return cls(
            run=run,
            iteration=iteration,
            kind=_kind(run),
            digest=sha.hexdigest(),
            counts_digest=sha.hexdigest(),
        )

    def random(self, seed: int) -> Ticket:
        """Return the random ticket with as many weights in every layer, from the same start.

        It is drawn from the seed's ``prune`` stream, so those of one seed are inside each other
        where their counts are.
        """
        told = f"random\0{self.digest}\0{seed}"
        digest = hashlib.sha256(told.encode()).hexdigest()
        return replace(self, kind="random", digest=digest, drawn=seed)

    @property
    def label(self) -> str:
        """The address it was taken from."""
        return f"{self.run.label}@{self.iteration}"

    @property
    def mask(self) -> Mask:
        """The run's mask; of a random ticket, the one that its counts are from."""
        return self.run.mask(self.iteration)

    def kept(self) -> BoolArray:
        """Return the ticket's mask, bool (n_weights,)."""
        layout = self.run.layout
        if self.drawn is None:
            return unpack_mask(self.mask.words(), layout)
        streams = Streams(seed=self.drawn)
        return np.concatenate(
            [
                _random(streams, layer.name, layer.size, int(count))
                for layer, count in zip(layout.layers, self.mask.kept, strict=True)
            ]
        )

    def initial(self) -> State:
        """Return all values that it is trained from."""
        return _initial(self.run)

    @property
    def sourced_on(self) -> list[str]:
        """The tasks that it, or what its counts are from, was found on."""
        earlier = _part(self.run.provenance, "ticket").get("sourced_on")
        if isinstance(earlier, list):  # a ticket that was retrained
            return [str(name) for name in earlier]
        return [name for name in self.run.dataset.split("+") if name]

    @property
    def seed(self) -> int:
        """The seed of the run; of a consensus, what its parents have in common, or 0."""
        if self.run.seed is not None:
            return self.run.seed
        seeds = [parent.get("seed") for parent in _parents(self.run)]
        first = seeds[0] if seeds else 0
        return first if isinstance(first, int) and all(seed == first for seed in seeds) else 0

    @property
    def init_seed(self) -> str | None:
        """The seed of the initial weights, hexadecimal, where it is recorded."""
        own = _part(self.run.provenance, "seeds").get("init")
        seeds = [own] if own else [parent.get("init_seed") for parent in _parents(self.run)]
        known = {seed for seed in seeds if isinstance(seed, str)}
        return known.pop() if len(known) == 1 else None

    @property
    def parents(self) -> list[str]:
        """The digests of the runs that a consensus was made from."""
        digests = [parent.get("digest") for parent in _parents(self.run)]
        return [digest for digest in digests if isinstance(digest, str)]

    @property
    def recipe(self) -> Recipe | None:
        """How the run, or for a consensus its parents, was trained, where it is recorded."""
        return _recipe(self.run, "recipe") or _recipe(self.run, "settings")

    @property
    def shape(self) -> Shape | None:
        """Channels, height and width of the network's input, where they are recorded."""
        return _shape(self.run)

    @property
    def classes(self) -> int | None:
        """How many classes the network tells apart, where it is recorded."""
        recorded = _part(self.run.provenance, "dataset").get("classes")
        if isinstance(recorded, int):
            return recorded
        layout = self.run.layout
        shapes = {layer.name: layer.shape for layer in layout.layers}
        shapes |= {other.name: other.shape for other in layout.others}
        shape = shapes.get(output_layer(layout.graph), ())
        return shape[0] if shape else None

    def record(self) -> dict[str, Any]:
        """Return what identifies the run it comes from, JSON-ready."""
        run = self.run
        return {
            "path": run.label,
            "iterations": [self.iteration],
            "run": run.run_id,
            "digest": run.digest or None,
            "model": run.model,
            "dataset": run.dataset,
            "method": run.method,
            "seed": run.seed,
            "replicate": run.replicate,
            "init_seed": self.init_seed,
        }


def _kind(run: Run) -> Kind:
    """Tell how a run's mask came about."""
    earlier = _part(run.provenance, "ticket").get("kind")
    if earlier in ("bespoke", "consensus", "random"):  # a ticket that was retrained
        return earlier  # type: ignore[no-any-return]
    if run.provenance.get("kind") == "consensus":
        return "consensus"
    return "random" if run.method.startswith("random-") else "bespoke"


def _random(streams: Streams, name: str, size: int, count: int) -> BoolArray:
    """Draw which weights of a layer are kept, bool (size,)."""
    import torch

    generator = streams.generator("prune", part=name)
    scores = torch.rand(size, generator=generator, dtype=torch.float64, device="cpu").numpy()
    return prune_lowest(scores, np.ones(size, np.bool_), size - count)


def _initial(run: Run) -> State:
    """Return a run's initial values: those that are stored, else drawn again and checked."""
    whole = "initial" in run.others or not run.layout.n_others
    if "initial" not in run.weights or not whole:
        return _redrawn(run, "weights" if "initial" not in run.weights else "biases")
    others = (
        np.asarray(run.others["initial"][:], np.float32)
        if run.layout.n_others
        else np.zeros(0, np.float32)
    )
    return State(weights=run.weight("initial"), others=others)


def _redrawn(run: Run, missing: str) -> State:
    """Draw a run's initial values from its recipe's stream."""
    recipe, shape = _recipe(run, "recipe"), _shape(run)
    classes = _part(run.provenance, "dataset").get("classes")
    recorded = _part(run.provenance, "model").get("initial_digest")
    if recipe is None or shape is None or not isinstance(classes, int) or not recorded:
        raise NotFoundError(
            f"it holds no initial {missing}, and no recipe to draw them from again",
            code="no-initial-weights",
            place=run.label,
            consequence="a ticket is trained from its initial weights",
            hint="maskstat prune --save-weights initial, or a consensus of runs that store them "
            "and have one initialization",
        )
    if ":" in recipe.model:
        raise UsageError(
            f"it holds no initial {missing}, and its network is made by code of somebody's own",
            code="no-initial-weights",
            place=run.label,
            consequence="code that a file names is not run",
            hint="maskstat prune --save-weights initial",
        )
    module = build(recipe.model, shape, classes, generator=recipe.streams.generator("init"))
    names = run.layout.names
    left_out = [name for name in Network(module).layout.names if name not in names]
    state = Network(module, exclude=left_out).state()
    if state.digest != recorded:
        raise InputError(
            f"it holds no initial {missing}, and those drawn again are not those it began with",
            code="other-initial-weights",
            place=run.label,
            consequence="it was made by another version, or is not what it says",
            hint="maskstat prune --save-weights initial",
        )
    return state


def _recipe(run: Run, name: str) -> Recipe | None:
    """Read a recipe from provenance; None where there is none that this version knows."""
    tree = run.provenance.get(name)
    if not isinstance(tree, Mapping):
        return None
    known = dict(tree)
    train = _part(tree, "train")
    if train.get("epochs") == 0:  # evaluated at initialization
        known["train"] = {key: value for key, value in train.items() if key != "epochs"}
    try:
        return Recipe.from_mapping(known)
    except UsageError:
        return None


def _shape(run: Run) -> Shape | None:
    sizes = _part(run.provenance, "dataset").get("input")
    if not isinstance(sizes, list):
        inputs = [node for node in run.layout.graph if node.get("op") == "input"]
        area = inputs[0].get("map") if inputs else None
        sizes = [inputs[0].get("units"), *area] if isinstance(area, list) else []
    if len(sizes) != 3 or not all(isinstance(size, int) and size > 0 for size in sizes):
        return None
    channels, height, width = sizes
    return channels, height, width


def _parents(run: Run) -> list[Mapping[str, Any]]:
    parents = run.provenance.get("parents")
    return [p for p in parents if isinstance(p, Mapping)] if isinstance(parents, list) else []


def _part(tree: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a table of a document that anybody may have written."""
    found = tree.get(name)
    return found if isinstance(found, Mapping) else {}
