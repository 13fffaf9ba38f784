"""Recipe: everything that decides a pruning run, and nothing else.

Two runs with the same recipe, on the same versions and kind of processor, are the same bit for
bit; the SHA-256 of the recipe says whether a file holds the run that was asked for.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from maskstat.errors import InputError, NotFoundError, UsageError, closest, printable
from maskstat.prune.streams import STREAMS, Streams

__all__ = ["Recipe"]


def _key(dotted: str, default: Any) -> Any:
    """Declare a field with its dotted name in recipe files."""
    return field(default=default, metadata={"key": dotted})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One pruning run: what is pruned, how it is trained, what is random, what is stored.

    In a TOML file and in `with_settings`, a setting's name has its section before it, as given in
    brackets below.

    Parameters
    ----------
    model, dataset
        What is trained, and on what.
    method : [prune.method]
        Pruning method.
    fraction : [prune.fraction]
        Share of the remaining weights that each iteration prunes, between 0 and 1.
    iterations : [prune.iterations]
        How often; the dense network is trained besides.
    rewind : [prune.rewind]
        What the next iteration starts from: ``initial``, the initial values of everything, or
        ``none``, the trained ones.
    exclude : [prune.exclude]
        Glob patterns of layers that are never pruned.
    epochs, lr, batch_size, momentum, weight_decay : [train.epochs] and so on
        Stochastic gradient descent; its state starts fresh at every iteration.
    seed : [random.seed]
        Fixes every draw.
    vary : [random.vary]
        Streams that differ between replicates: ``init``, ``split``, ``order``, ``augment``,
        ``dropout``, ``prune``.
    replicate : [random.replicate]
        Which of them this is.
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

    model: str = _key("model", "lenet")
    dataset: str = _key("dataset", "digits")
    method: str = _key("prune.method", "global-unstructured")
    fraction: float = _key("prune.fraction", 0.2)
    iterations: int = _key("prune.iterations", 15)
    rewind: str = _key("prune.rewind", "initial")
    exclude: tuple[str, ...] = _key("prune.exclude", ())
    epochs: int = _key("train.epochs", 15)
    lr: float = _key("train.lr", 0.1)
    batch_size: int = _key("train.batch_size", 32)
    momentum: float = _key("train.momentum", 0.0)
    weight_decay: float = _key("train.weight_decay", 0.0)
    seed: int = _key("random.seed", 0)
    vary: tuple[str, ...] = _key("random.vary", ())
    replicate: int = _key("random.replicate", 0)
    save_weights: str = _key("save.weights", "last")
    save_outputs: bool = _key("save.outputs", False)

    def __post_init__(self) -> None:
        for name, key in _KEYS.items():
            value = _typed(key, getattr(self, name), _KINDS[key])
            object.__setattr__(self, name, value)
            allowed = _ALLOWED.get(name)
            if allowed is not None and not allowed[0](value):
                raise _bad(key, value, allowed[1])
        for stream in self.vary:
            if stream not in STREAMS:
                raise UsageError(
                    f"there is no random stream '{printable(stream)}'",
                    code="unknown-stream",
                    place="random.vary",
                    consequence=closest(stream, STREAMS),
                )
        object.__setattr__(self, "vary", tuple(s for s in STREAMS if s in self.vary))
        if self.replicate and not self.vary:
            raise UsageError(
                f"replicate {self.replicate} would be the same as replicate 0",
                code="nothing-varies",
                place="random.replicate",
                consequence="replicates differ in the streams that vary, and none does",
                hint="--vary order",
            )

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
            A name that is not a setting's, or a value that cannot be used.
        """
        return cls(**{_name_of(key, place): value for key, value in _leaves(tree)})

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
        try:
            tree = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise NotFoundError(
                "there is no such file", code="no-such-file", place=str(path)
            ) from None
        except OSError as error:
            raise InputError(
                f"cannot be read: {error.strerror}", code="unreadable", place=str(path)
            ) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"is no TOML: {error}", code="bad-recipe", place=str(path)) from error
        return cls.from_mapping(tree, place=str(path))

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
        changes: dict[str, Any] = {}
        for setting in settings:
            key, separator, text = setting.partition("=")
            if not separator:
                raise UsageError(
                    f"'{printable(setting)}' is not NAME=VALUE",
                    code="bad-setting",
                    place="--set",
                    hint="--set train.lr=0.1",
                )
            key = key.strip()
            name = _name_of(key, "--set")
            changes[name] = _parsed(key, text.strip(), _KINDS[key])
        return replace(self, **changes)

    def replace(self, **changes: Any) -> Self:
        """Change settings by their Python names.

        Raises
        ------
        UsageError
            A name that is not a setting's, or a value that cannot be used.
        """
        for name in changes:
            if name not in _KEYS:
                raise _unknown(name, _KEYS, "prune")
        return replace(self, **changes)

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting by its dotted name."""
        return {key: getattr(self, name) for name, key in _KEYS.items()}

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
        return Streams(seed=self.seed, vary=self.vary, replicate=self.replicate)

    @property
    def run_id(self) -> str:
        """The run's name inside an archive."""
        suffix = f"-s{self.seed}" + (f"-r{self.replicate}" if self.vary else "")
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{self.model}-{self.dataset}-{self.method}")
        return stem.lstrip("._-")[: 64 - len(suffix)] + suffix


_KEYS: dict[str, str] = {f.name: f.metadata["key"] for f in fields(Recipe)}
_NAMES: dict[str, str] = {key: name for name, key in _KEYS.items()}
_KINDS: dict[str, type] = {f.metadata["key"]: type(f.default) for f in fields(Recipe)}

_ALLOWED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "model": (bool, "a name"),
    "dataset": (bool, "a name"),
    "fraction": (lambda x: 0 < x < 1, "a number between 0 and 1"),
    "iterations": (lambda n: 0 <= n < 8_000, "a number from 0 to 7,999"),
    "rewind": (lambda x: x in ("initial", "none"), "'initial' or 'none'"),
    "epochs": (lambda n: 1 <= n <= 1_000_000, "a number from 1 on"),
    "lr": (lambda x: 0 < x < math.inf, "a number above 0"),
    "batch_size": (lambda n: n >= 1, "a number from 1 on"),
    "momentum": (lambda x: 0 <= x < 1, "a number from 0 to below 1"),
    "weight_decay": (lambda x: 0 <= x < math.inf, "a number from 0 on"),
    "seed": (lambda n: 0 <= n < 1 << 63, "a number from 0 to 2**63 - 1"),
    "replicate": (lambda n: 0 <= n < 1 << 31, "a number from 0 on"),
    "save_weights": (
        lambda x: x in ("none", "initial", "last", "all"),
        "'none', 'initial', 'last' or 'all'",
    ),
}

_KIND_NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    tuple: "a list of names",
}


def _bad(key: str, value: object, expected: str) -> UsageError:
    return UsageError(
        f"it is {printable(repr(value))}",
        code="bad-value",
        place=key,
        consequence=f"it takes {expected}",
    )


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


def _typed(key: str, value: object, kind: type) -> object:
    """Check a value's type; whole numbers are numbers, lists of text are tuples."""
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is tuple and isinstance(value, (list, tuple)):
        if all(isinstance(item, str) for item in value):
            return tuple(value)
    elif isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise _bad(key, value, _KIND_NAMES[kind])


def _parsed(key: str, text: str, kind: type) -> object:
    """Read a value from text."""
    try:
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        if kind is tuple:
            return tuple(item.strip() for item in text.split(",") if item.strip())
        return kind(text)
    except (KeyError, ValueError):
        raise _bad(key, text, _KIND_NAMES[kind]) from None
