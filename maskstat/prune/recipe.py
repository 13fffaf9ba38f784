"""Recipe: everything that decides a pruning run, and nothing else.

Two runs with the same recipe, on the same versions and kind of processor, are the same bit for
bit; the SHA-256 of the recipe says whether a file holds the run that was asked for.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from math import inf
from pathlib import Path
from typing import Any, Self

from maskstat.errors import UsageError, closest, printable
from maskstat.prune.recipe_files import read_toml
from maskstat.prune.settings import (
    Setting,
    bad_value,
    is_augment,
    is_input,
    is_levels,
    is_rewind,
    setting,
)
from maskstat.prune.streams import EPOCH_STREAMS, STREAMS, Streams

__all__ = ["SETTINGS", "Recipe", "key_of", "parsed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One pruning run: what is pruned, how it is trained, what is random, what is stored.

    In a TOML file and in `with_settings`, a setting's name has its section before it, as given in
    brackets below.

    Parameters
    ----------
    model, dataset
        What is trained, and on what.
    input : [data.input]
        Channels, height and width that images are brought to, e.g. ``1x28x28``; empty leaves it to
        the model.
    augment : [data.augment]
        ``flip``, ``crop``: what is done to training images at random.
    normalize : [data.normalize]
        Whether images are normalized by the training part's mean and standard deviation.
    validation : [data.validation]
        Share of the training images that is held out; with 0 none is, and what is measured on
        them stays empty.
    method : [prune.method]
        Pruning method.
    criterion : [prune.criterion]
        What magnitude methods rank by: ``large-final`` and others of Zhou et al. (2019).
    fraction : [prune.fraction]
        Share of the remaining weights that each iteration prunes, between 0 and 1.
    iterations : [prune.iterations]
        How often; the dense network is trained besides.
    levels : [prune.levels]
        Instead of both: the pruned share of the original weights after each iteration, increasing.
    dim : [prune.dim]
        The dimension along which structured methods see channels; 0 is the output.
    rewind : [prune.rewind]
        What the next iteration starts from: ``initial``, the initial values of everything;
        ``epoch:K``, their values after K epochs of the first training; ``none``, the trained ones;
        ``random``, newly drawn ones.
    exclude : [prune.exclude]
        Glob patterns of layers that are never pruned.
    keep_output : [prune.keep_output]
        Whether the last layer is never pruned.
    epochs, lr, batch_size, momentum, weight_decay : [train.epochs] and so on
        Stochastic gradient descent; its state starts fresh at every iteration.
    engine : [train.engine]
        ``loop``, one network at a time; ``ensemble``, several side by side, for chains of
        convolutions and linear layers; ``auto``, the ensemble where it can. Sweeps have ``auto``
        unless they say otherwise.
    seed : [random.seed]
        Fixes every draw.
    vary : [random.vary]
        Streams that differ between replicates: ``init``, ``split``, ``order``, ``augment``,
        ``dropout``, ``prune``.
    replicate : [random.replicate]
        Which of them this is.
    diverge_at : [random.diverge_at]
        Epochs of each training after which replicates part; before, the varying order,
        augmentation and dropout are still shared.
    save_weights : [save.weights]
        ``none``; ``initial``; ``last``, also the trained ones of the last iteration; ``all``, also
        those of every iteration.
    save_outputs : [save.outputs]
        Whether the logits on the test set are kept.

    Raises
    ------
    UsageError
        A value that cannot be used.

    Examples
    --------
    >>> Recipe(lr=0.05, vary=("order",), replicate=3).run_id
    'lenet-digits-global-unstructured-s0-r3'
    """

    model: str = setting("model", "lenet", "a name", bool)
    dataset: str = setting("dataset", "digits", "a name", bool)
    input: str = setting("data.input", "", "sizes as in 3x32x32", is_input)
    augment: tuple[str, ...] = setting("data.augment", (), "'flip', 'crop'", is_augment)
    normalize: bool = setting("data.normalize", True)
    validation: float = setting(
        "data.validation", 0.2, "a number from 0 to below 1", lambda x: 0 <= x < 1
    )
    method: str = setting("prune.method", "global-unstructured", "a name", bool)
    criterion: str = setting("prune.criterion", "large-final", "a name", bool)
    fraction: float = setting(
        "prune.fraction", 0.2, "a number between 0 and 1", lambda x: 0 < x < 1
    )
    iterations: int = setting(
        "prune.iterations", 15, "a number from 0 to 7,999", lambda n: 0 <= n < 8_000
    )
    levels: tuple[float, ...] = setting(
        "prune.levels", (), "increasing numbers between 0 and 1", is_levels, items=float
    )
    dim: int = setting("prune.dim", 0, "a number from 0 on", lambda n: n >= 0)
    rewind: str = setting(
        "prune.rewind", "initial", "'initial', 'epoch:K', 'none' or 'random'", is_rewind
    )
    exclude: tuple[str, ...] = setting("prune.exclude", ())
    keep_output: bool = setting("prune.keep_output", False)
    epochs: int = setting(
        "train.epochs", 15, "a number from 1 to 1,000,000", lambda n: 1 <= n <= 1_000_000
    )
    lr: float = setting("train.lr", 0.1, "a number above 0", lambda x: 0 < x < inf)
    batch_size: int = setting("train.batch_size", 32, "a number from 1 on", lambda n: n >= 1)
    momentum: float = setting(
        "train.momentum", 0.0, "a number from 0 to below 1", lambda x: 0 <= x < 1
    )
    weight_decay: float = setting(
        "train.weight_decay", 0.0, "a number from 0 on", lambda x: 0 <= x < inf
    )
    engine: str = setting(
        "train.engine",
        "loop",
        "'auto', 'loop' or 'ensemble'",
        lambda x: x in ("auto", "loop", "ensemble"),
    )
    seed: int = setting(
        "random.seed", 0, "a number from 0 to 2**63 - 1", lambda n: 0 <= n < 1 << 63
    )
    vary: tuple[str, ...] = setting("random.vary", ())
    replicate: int = setting(
        "random.replicate", 0, "a number from 0 on", lambda n: 0 <= n < 1 << 31
    )
    diverge_at: int = setting("random.diverge_at", 0, "a number of epochs", lambda n: n >= 0)
    save_weights: str = setting(
        "save.weights",
        "last",
        "'none', 'initial', 'last' or 'all'",
        lambda x: x in ("none", "initial", "last", "all"),
    )
    save_outputs: bool = setting("save.outputs", False)

    def __post_init__(self) -> None:
        for name, kind in SETTINGS.items():
            object.__setattr__(self, name, kind.checked(getattr(self, name)))
        for stream in self.vary:
            if stream not in STREAMS:
                raise UsageError(
                    f"there is no random stream '{printable(stream)}'",
                    code="unknown-stream",
                    place="random.vary",
                    consequence=closest(stream, STREAMS),
                )
        object.__setattr__(self, "vary", tuple(s for s in STREAMS if s in self.vary))
        if self.levels:
            object.__setattr__(self, "iterations", len(self.levels))
        self._check_replicates()
        if self.rewind_epoch is not None and self.rewind_epoch >= self.epochs:
            raise bad_value("prune.rewind", self.rewind, f"an epoch before {self.epochs}")

    def _check_replicates(self) -> None:
        """Raise if replicates would be the same, or never share what they are to share."""
        if self.replicate and not self.vary:
            raise UsageError(
                f"replicate {self.replicate} would be the same as replicate 0",
                code="nothing-varies",
                place="random.replicate",
                consequence="replicates differ in the streams that vary, and none does",
                hint="--vary order",
            )
        if self.diverge_at and not set(self.vary) & set(EPOCH_STREAMS):
            raise UsageError(
                "replicates have nothing in which they could part",
                code="nothing-varies",
                place="random.diverge_at",
                consequence=f"of {', '.join(EPOCH_STREAMS)} none varies",
                hint="--vary order",
            )
        if self.diverge_at > self.epochs:
            raise bad_value("random.diverge_at", self.diverge_at, f"at most {self.epochs} epochs")

    @classmethod
    def from_mapping(cls, tree: Mapping[str, Any], *, place: str = "") -> Self:
        """Build a recipe from nested tables, as TOML has them.

        Parameters
        ----------
        tree
            E.g. ``{"model": "lenet", "train": {"lr": 0.1}}``; what is missing has its default.
        place
            Named in errors.

        Raises
        ------
        UsageError
            A name that is not a setting's, one that is there twice, or a value that cannot be used.
        """
        given: dict[str, Any] = {}
        for key, value in _leaves(tree):
            name = _name_of(key, place)
            if name in given:
                raise UsageError(
                    f"'{key}' is there twice",
                    code="bad-setting",
                    place=place,
                    consequence="it is not known which counts",
                )
            given[name] = value
        return cls(**given)

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """Read a recipe file.

        Raises
        ------
        NotFoundError, InputError
            The file is not there, or is no TOML.
        UsageError
            As in `from_mapping`.
        """
        return cls.from_mapping(read_toml(path), place=str(path))

    def with_settings(self, settings: Iterable[str]) -> Self:
        """Change settings given as text, later ones winning.

        Parameters
        ----------
        settings
            Each ``name=value``, e.g. ``train.lr=0.1`` or ``random.vary=order,augment``.

        Raises
        ------
        UsageError
            Not of this form, a name that is not a setting's, or a value that cannot be used.

        Examples
        --------
        >>> Recipe().with_settings(["train.lr=0.01", "random.vary=order"]).lr
        0.01
        """
        return replace(self, **parsed(settings))

    def with_values(self, values: Mapping[str, Any]) -> Self:
        """Change settings by their dotted names.

        Raises
        ------
        UsageError
            A name that is not a setting's, or a value that cannot be used.
        """
        return replace(self, **{_name_of(key, "grid"): value for key, value in values.items()})

    def replace(self, **changes: Any) -> Self:
        """Change settings by their Python names.

        Raises
        ------
        UsageError
            A name that is not a setting's, or a value that cannot be used.
        """
        for name in changes:
            if name not in SETTINGS:
                raise _unknown(name, SETTINGS, "prune")
        return replace(self, **changes)

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting by its dotted name."""
        return {kind.key: getattr(self, name) for name, kind in SETTINGS.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return every setting in nested tables, JSON-ready, as `from_mapping` takes them."""
        tree: dict[str, Any] = {}
        for key, value in self.settings.items():
            section, _, leaf = key.rpartition(".")
            table = tree.setdefault(section, {}) if section else tree
            table[leaf] = list(value) if isinstance(value, tuple) else value
        return tree

    @property
    def canonical(self) -> str:
        """The recipe as canonical JSON: sorted keys, no spaces, ASCII."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @property
    def digest(self) -> str:
        """SHA-256 of `canonical`, hexadecimal."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    @property
    def streams(self) -> Streams:
        """The seeds that the recipe stands for."""
        return Streams(
            seed=self.seed, vary=self.vary, replicate=self.replicate, diverge_at=self.diverge_at
        )

    @property
    def rewind_epoch(self) -> int | None:
        """The epoch that is rewound to, where it is none of the ends."""
        return int(self.rewind[6:]) if self.rewind.startswith("epoch:") else None

    @property
    def run_id(self) -> str:
        """The run's name inside an archive."""
        suffix = f"-s{self.seed}" + (f"-r{self.replicate}" if self.vary else "")
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{self.model}-{self.dataset}-{self.method}")
        return stem.lstrip("._-")[: 64 - len(suffix)] + suffix


SETTINGS: dict[str, Setting] = {f.name: Setting.of(f) for f in fields(Recipe)}
"""Every setting by its Python name."""

_NAMES: dict[str, str] = {kind.key: name for name, kind in SETTINGS.items()}


def parsed(settings: Iterable[str], *, place: str = "--set") -> dict[str, Any]:
    """Read settings given as ``name=value``; the result is what `Recipe.replace` takes.

    Raises
    ------
    UsageError
        Not of this form, a name that is not a setting's, or a value that cannot be used.
    """
    changes: dict[str, Any] = {}
    for given in settings:
        key, separator, text = given.partition("=")
        if not separator:
            raise UsageError(
                f"'{printable(given)}' is not NAME=VALUE",
                code="bad-setting",
                place=place,
                hint="--set train.lr=0.1",
            )
        name = _name_of(key.strip(), place)
        changes[name] = SETTINGS[name].checked(SETTINGS[name].parsed(text.strip()))
    return changes


def key_of(name: str) -> str:
    """Return the dotted name of a setting."""
    return SETTINGS[name].key


def _unknown(name: str, known: Iterable[str], place: str) -> UsageError:
    names = list(known)
    tail = [known_name for known_name in names if known_name.endswith(f".{name}")]
    near = f"did you mean '{tail[0]}'?" if tail else closest(name, names, limit=len(names))
    return UsageError(
        f"there is no setting '{printable(name)}'",
        code="unknown-setting",
        place=place,
        consequence=near,
    )


def _name_of(key: str, place: str) -> str:
    """Return the Python name of a dotted one."""
    if key not in _NAMES:
        raise _unknown(key, _NAMES, place)
    return _NAMES[key]


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Flatten nested tables to dotted names."""
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and any(k.startswith(f"{key}.") for k in _NAMES):
            yield from _leaves(value, f"{key}.")
        else:
            yield key, value
