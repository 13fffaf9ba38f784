"""What runs differ in: the settings that name a run, and groups of runs by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from maskstat.errors import UsageError, closest
from maskstat.run import Run
from maskstat.table import Cell

__all__ = ["RUN_KEYS", "group_name", "key_of", "keys_from", "what_differs"]

RUN_KEYS = ("model", "dataset", "method", "rewind", "seed", "replicate", "init_seed")
"""Keys that runs are told apart by."""


def key_of(run: Run, key: str) -> Cell:
    """Return one of a run's `RUN_KEYS`, None where it is not known.

    Parameters
    ----------
    run
        The run.
    key
        A field of the run; ``rewind``, from its recipe; or ``init_seed``, the seed of its initial
        weights.

    Returns
    -------
    str, int or None

    Examples
    --------
    >>> from maskstat.mask import Mask
    >>> run = Run.from_masks("mine", [Mask.from_arrays({"fc": [1, 0]})], method="l1", seed=3)
    >>> key_of(run, "method"), key_of(run, "seed"), key_of(run, "rewind")
    ('l1', 3, None)
    """
    if key == "rewind":
        value = _inside(run.provenance, "recipe", "prune", "rewind")
    elif key == "init_seed":
        value = _inside(run.provenance, "seeds", "init")
    else:
        value = getattr(run, key)
    if value in (None, "") or not isinstance(value, str | int):
        return None
    return value


def keys_from(text: str) -> tuple[str, ...]:
    """Take ``method,dataset`` apart.

    Raises
    ------
    UsageError
        One of them is none of `RUN_KEYS`.

    Examples
    --------
    >>> keys_from("method, dataset")
    ('method', 'dataset')
    """
    keys = tuple(word.strip() for word in text.split(","))
    for key in keys:
        if key not in RUN_KEYS:
            raise UsageError(
                f"runs are not grouped by '{key}'",
                code="unknown-group",
                place="--group-by",
                consequence=closest(key, RUN_KEYS),
            )
    return keys


def group_name(run: Run, keys: Sequence[str]) -> str:
    """Name the group that a run is in.

    Raises
    ------
    UsageError
        The run does not have one of the keys.

    Examples
    --------
    >>> from maskstat.mask import Mask
    >>> run = Run.from_masks("mine", [Mask.from_arrays({"fc": [1, 0]})], method="l1", seed=3)
    >>> group_name(run, ["method", "seed"])
    'l1, seed 3'
    """
    parts = []
    for key in keys:
        value = key_of(run, key)
        if value is None:
            raise UsageError(
                f"its {key} is not known",
                code="unknown-group",
                place=run.label,
                consequence=f"it cannot be grouped by {key}",
            )
        parts.append(_worded(key, value))
    return ", ".join(parts)


def _worded(key: str, value: Cell) -> str:
    if key == "rewind":
        return {"none": "finetuned", "initial": "rewound"}.get(str(value), f"rewound {value}")
    if key in ("seed", "replicate", "init_seed"):
        return f"{key.replace('_', ' ')} {value}"
    return str(value)


def what_differs(runs: Sequence[Run]) -> str:
    """Say in which keys runs differ, comma-separated; the initial seed goes without saying.

    Examples
    --------
    >>> from maskstat.mask import Mask
    >>> mask = Mask.from_arrays({"fc": [1, 0]})
    >>> what_differs([Run.from_masks("r", [mask], method="l1", seed=s) for s in (0, 1)])
    'seed'
    """
    told = [key for key in RUN_KEYS if key != "init_seed"]
    return ", ".join(key for key in told if len({key_of(run, key) for run in runs}) > 1)


def _inside(tree: Mapping[str, Any], *names: str) -> Any:
    """Look something up in nested tables that came from a file."""
    found: Any = tree
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
