"""Selections in words: iterations, and runs by what is known of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Protocol, TypeVar

from maskstat.errors import NotFoundError, UsageError, closest

__all__ = ["RUN_KEYS", "Selectable", "listed", "parse_iterations", "select_runs"]

RUN_KEYS = ("run", "status", "model", "dataset", "method", "seed", "replicate")


class Selectable(Protocol):
    """A run, or what is known of one that is not there."""

    @property
    def run_id(self) -> str:
        """Its name."""
        ...

    @property
    def label(self) -> str:
        """Where it is."""
        ...


T = TypeVar("T", bound=Selectable)

_RANGE = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,19}))?")
"""Numbers as long as a seed of 64 bits may be."""


def listed(words: str | Sequence[str] | None) -> list[str]:
    """Return words as a list, whether there are several, one or none.

    Parameters
    ----------
    words
        One word, several, or None.

    Returns
    -------
    list of str

    Examples
    --------
    >>> listed("fc*"), listed(["conv1", "fc*"]), listed(None)
    (['fc*'], ['conv1', 'fc*'], [])
    """
    return [words] if isinstance(words, str) else list(words or ())


def parse_iterations(text: str, n_iterations: int, *, place: str = "") -> list[int]:
    """Turn ``N``, ``A-B``, ``all`` or ``last`` into iterations.

    Parameters
    ----------
    text
        The selection; ``all`` leaves out the dense iteration 0 unless it is the only one.
    n_iterations
        How many the run holds, the dense one included.
    place
        Named in errors.

    Returns
    -------
    list of int

    Raises
    ------
    UsageError
        The text is none of these.
    NotFoundError
        An iteration is not there.

    Examples
    --------
    >>> parse_iterations("1-3", 7), parse_iterations("last", 7)
    ([1, 2, 3], [6])
    """
    if text == "last":
        return [n_iterations - 1]
    if text == "all":
        return list(range(1, n_iterations)) or [0]
    match = _RANGE.fullmatch(text)
    if match is None:
        raise UsageError(
            f"'{text}' selects no iterations",
            code="bad-iteration",
            place="--iteration",
            consequence="it takes a number, a range A-B, 'all' or 'last'",
        )
    first, last = int(match[1]), int(match[2] or match[1])
    if not first <= last < n_iterations:
        raise NotFoundError(
            f"there is no iteration {last if first <= last else text}",
            code="no-such-iteration",
            place=place,
            consequence=f"the run holds iterations 0 to {n_iterations - 1}",
        )
    return list(range(first, last + 1))


def select_runs(runs: Iterable[T], text: str) -> list[T]:
    """Keep the runs that satisfy every ``key=value`` in `text`.

    Parameters
    ----------
    runs
        The runs to choose from.
    text
        Conditions separated by blanks, e.g. ``method=l1-* seed=0-5``: a glob for text, a number
        or a range for seed and replicate. The keys are those of `RUN_KEYS`.

    Returns
    -------
    list
        Of them.

    Raises
    ------
    UsageError
        A condition is not of this form, or names no key.
    NotFoundError
        No run satisfies them all.
    """
    conditions = [_parse_condition(word) for word in text.split()]
    candidates = list(runs)
    chosen = [run for run in candidates if all(_meets(run, *condition) for condition in conditions)]
    if not chosen:
        raise NotFoundError(
            f"no run matches '{text}'",
            code="no-such-run",
            place="--select",
            consequence=closest(text, [run.label for run in candidates]),
        )
    return chosen


def _parse_condition(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals or key not in RUN_KEYS:
        raise UsageError(
            f"'{word}' is no condition on runs",
            code="bad-selection",
            place="--select",
            consequence=closest(key, RUN_KEYS),
            hint="--select 'method=l1-* seed=0-5'",
        )
    return key, value


def _meets(run: Selectable, key: str, value: str) -> bool:
    actual = run.run_id if key == "run" else getattr(run, key)
    match = _RANGE.fullmatch(value)
    if isinstance(actual, int):
        return match is not None and int(match[1]) <= actual <= int(match[2] or match[1])
    return actual is not None and (actual == value or fnmatchcase(actual, value))
