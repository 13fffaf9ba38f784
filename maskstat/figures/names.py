"""Names: what runs have in common, tasks and replicates, in few words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from maskstat.errors import printable
from maskstat.figures.labels import clip

__all__ = ["among", "replicates", "short_names", "task_name"]

_FILE = re.compile(r"[^\s+,]+\.npz")


def task_name(name: str) -> str:
    """Shorten data sets that are files to what comes before their ending, wherever they stand.

    Examples
    --------
    >>> task_name("mnist"), task_name("data/rotated.npz"), task_name("/d/a.npz+mnist")
    ('mnist', 'rotated', 'a+mnist')
    >>> task_name("l1: data/a.npz and data/b.npz")
    'l1: a and b'
    """
    return printable(_FILE.sub(lambda found: PurePath(found[0]).stem, name))


def short_names(names: Sequence[str], width: int) -> list[str]:
    """Shorten names of tasks, methods or runs, or none of them if two would become one.

    Examples
    --------
    >>> short_names(["l1", "data/mine.npz", "one-long-name"], 9)
    ['l1', 'mine', 'one-…name']
    >>> short_names(["a/x.npz", "b/x.npz"], 9)
    ['a/x.npz', 'b/x.npz']
    """
    short = [clip(task_name(name), width) for name in names]
    return short if len(set(short)) == len(set(names)) else [printable(name) for name in names]


def among(inputs: Iterable[Mapping[str, Any]], *, without: str | None = None) -> str:
    """Say which network and task inputs share, ready to follow a title.

    Parameters
    ----------
    inputs
        Records of runs, with ``model`` and ``dataset``.
    without
        Keys, comma-separated, that the figure shows anyway.

    Examples
    --------
    >>> among([{"model": "lenet", "dataset": "mnist"}, {"model": "lenet", "dataset": "kmnist"}])
    ': lenet on 2 data sets'
    """
    shown = (without or "").split(",")
    words = []
    for key, one, many in (("model", "", "networks"), ("dataset", "on ", "data sets")):
        values = dict.fromkeys(str(record.get(key) or "") for record in inputs)
        if key in shown or not all(values):
            continue
        (*_, last) = values
        name = task_name(last) if len(values) == 1 else f"{len(values)} {many}"
        words.append(one + name)
    return f": {' '.join(words)}" if words else ""


def replicates(numbers: Sequence[int], thing: str) -> str:
    """Say over how many things means are taken.

    Examples
    --------
    >>> replicates([6, 6], "run"), replicates([5, 6], "run"), replicates([1], "run")
    ('6 runs', '5–6 runs', '1 run')
    """
    least, most = min(numbers), max(numbers)
    many = f"{least}" if least == most else f"{least}–{most}"
    return f"{many} {thing}{'' if most == 1 else 's'}"
