"""Where a run comes from: its recipe, seeds, versions, processor, data and first weights."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

import maskstat
from maskstat.errors import UsageError
from maskstat.prune.data.dataset import Dataset
from maskstat.prune.data.parts import Split
from maskstat.prune.data.registry import DATASETS
from maskstat.prune.imports import is_path, origin_of
from maskstat.prune.methods import method_origin
from maskstat.prune.network import Network, State
from maskstat.prune.recipe import Recipe
from maskstat.prune.session import THREADS
from maskstat.prune.streams import STREAMS

__all__ = ["Clock", "environment", "provenance"]


def environment(*, engine: str, device: str) -> dict[str, Any]:
    """Return what changes a run's bits although no recipe names it, JSON-ready."""
    return {
        "device": device,
        "engine": engine,
        "threads": THREADS,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "machine": platform.machine(),
        "maskstat": maskstat.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
    }


def provenance(
    recipe: Recipe,
    *,
    dataset: Dataset,
    split: Split,
    network: Network,
    initial: State,
    engine: str,
    device: str,
    warnings: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Gather where a run comes from, without times.

    Returns
    -------
    dict
        JSON-ready. Seeds are hexadecimal, those of iteration 0; the streams that are drawn from at
        every iteration derive theirs in the same way.
    """
    streams = recipe.streams
    return {
        "recipe": recipe.to_dict(),
        "recipe_digest": recipe.digest,
        "seeds": {stream: f"{streams.seed_of(stream):016x}" for stream in STREAMS},
        "environment": environment(engine=engine, device=device),
        "dataset": {
            "name": dataset.name,
            "digest": dataset.digest,
            "classes": dataset.classes,
            "shape": list(dataset.shape),
            "train": len(split.train),
            "validation": len(split.validation),
            "test": len(split.test),
            "input": list(split.preprocessing.shape),
            "mean": list(split.preprocessing.mean),
            "std": list(split.preprocessing.std),
            "notes": list(dataset.notes),
            **_code(recipe.dataset),
        },
        "method": method_origin(recipe.method),
        "model": {
            "name": recipe.model,
            "weights": network.layout.size,
            "others": network.layout.n_others,
            "unpruned": list(network.unpruned),
            "initial_digest": initial.digest,
            **_code(recipe.model),
        },
        "warnings": list(warnings),
    }


def _code(name: str) -> dict[str, Any]:
    """Say which code of anybody's made a model or a data set."""
    return {"code": origin_of(name)} if is_path(name) and name not in DATASETS else {}


@dataclass(slots=True)
class Clock:
    """When a run goes on and how long its iterations take; still under ``SOURCE_DATE_EPOCH``.

    Parameters
    ----------
    started
        When the run began, ISO 8601 in UTC.
    seconds
        How long each iteration took.
    fixed
        Seconds since 1970 that stand for every time, or None.
    """

    started: str
    seconds: list[float]
    fixed: int | None

    @classmethod
    def start(cls) -> Clock:
        """Begin now.

        Raises
        ------
        UsageError
            ``SOURCE_DATE_EPOCH`` is no number of seconds.
        """
        text = os.environ.get("SOURCE_DATE_EPOCH", "")
        if text and not (text.isascii() and text.isdigit() and len(text) < 12):
            raise UsageError(
                f"it is {text!r}",
                code="bad-value",
                place="SOURCE_DATE_EPOCH",
                consequence="it takes seconds since 1970",
            )
        fixed = int(text) if text else None
        return cls(started=_iso(fixed), seconds=[], fixed=fixed)

    @classmethod
    def resume(cls, clock: Mapping[str, Any]) -> Clock:
        """Go on from the times of a stored run."""
        fresh = cls.start()
        fresh.started = str(clock.get("started", fresh.started))
        seconds = clock.get("seconds")
        if isinstance(seconds, list):
            fresh.seconds = [float(x) for x in seconds if isinstance(x, (int, float))]
        return fresh

    def add(self, seconds: float) -> None:
        """Note how long an iteration took."""
        self.seconds.append(seconds if self.fixed is None else 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Return the times up to now, JSON-ready."""
        return {"started": self.started, "ended": _iso(self.fixed), "seconds": list(self.seconds)}


def _iso(fixed: int | None) -> str:
    moment = datetime.now(UTC) if fixed is None else datetime.fromtimestamp(fixed, UTC)
    return moment.isoformat(timespec="seconds")
