"""Labels: names short enough for a figure, and numbers short enough for an axis."""

from __future__ import annotations

import re
from collections.abc import Sequence

from maskstat.errors import printable

__all__ = ["clip", "count", "percent", "percent_range", "short_inputs", "short_layers"]

_STEP = re.compile(r"(?<=/)|(?<=::)")


def clip(text: str, width: int) -> str:
    """Leave out the middle of a text that is too long.

    Examples
    --------
    >>> clip("lenet-global-magnitude-seed0", 16)
    'lenet-gl…e-seed0'
    """
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}…{text[-tail:]}"


def short_inputs(names: Sequence[str]) -> list[str]:
    """Shorten addresses by the folders, run names and extension that all of them share.

    Run names go altogether where the files alone tell the inputs apart.

    Parameters
    ----------
    names
        Addresses of inputs, such as ``runs/a.h5::lenet``.

    Returns
    -------
    list of str
        In the same order; two names that differ still do.

    Examples
    --------
    >>> short_inputs(["runs/a.h5::lenet-0", "runs/b.h5::lenet-1"])
    ['a', 'b']
    >>> short_inputs(["a/run.h5::lenet", "b/run.h5::lenet"])
    ['a', 'b']
    >>> short_inputs(["sweep.h5::l1-0", "sweep.h5::l1-1"])
    ['l1-0', 'l1-1']
    """
    files = [name.partition("::")[0] for name in names]
    if len(set(files)) == len(names):
        names = files
    steps = [_STEP.split(printable(name)) for name in names]
    lead = _shared(steps)
    steps = [parts[lead:] for parts in steps]
    trail = _shared([parts[::-1] for parts in steps])
    short = ["".join(parts[: len(parts) - trail]).removesuffix("::") for parts in steps]
    short = [text.removesuffix("/") for text in short]
    stems = [text.rpartition(".") for text in short]
    if len({extension for _, _, extension in stems}) == 1 and all(stem for stem, _, _ in stems):
        short = [stem for stem, _, _ in stems]
    return short if len(set(short)) == len(set(names)) else [printable(name) for name in names]


def short_layers(names: Sequence[str], width: int = 25) -> list[str]:
    """Shorten layer names by the ending that all of them share; a lone one by ``.weight``.

    Examples
    --------
    >>> short_layers(["features.0.weight", "classifier.weight", "total"])
    ['features.0', 'classifier', 'total']
    """
    parts = [printable(name).split(".") for name in names if name != "total"]
    if len(parts) == 1:
        common = int(len(parts[0]) > 1 and parts[0][-1] == "weight")
    else:
        common = _shared([words[::-1] for words in parts])
    short = iter([".".join(words[: len(words) - common]) for words in parts])
    return [clip("total" if name == "total" else next(short), width) for name in names]


def _shared(sequences: Sequence[Sequence[str]]) -> int:
    """Count the first words that all sequences share, the last word of each left out."""
    shared = 0
    for words in zip(*(sequence[:-1] for sequence in sequences), strict=False):
        if len(set(words)) > 1:
            break
        shared += 1
    return shared


def percent(share: float) -> str:
    """Write a share in per cent, two or three digits, without the sign.

    Examples
    --------
    >>> percent(1), percent(0.512), percent(0.0115292)
    ('100', '51.2', '1.2')
    """
    value = 100 * share
    return f"{value:.3g}" if value >= 9.95 else f"{value:.2g}"


def percent_range(shares: Sequence[float]) -> str:
    """Write shares in per cent: one number if they look the same, else the least and the most.

    Examples
    --------
    >>> percent_range([0.2, 0.2001]), percent_range([0.1, 0.3]), percent_range([0.004, 0.999])
    ('20', '10–30', '0.4–100')
    """
    ends = [100 * min(shares), 100 * max(shares)]
    least, most = (f"{end:.0f}" if end >= 9.5 else f"{end:.2g}" for end in ends)
    return percent(sum(shares) / len(shares)) if least == most else f"{least}–{most}"


def count(n: int, thing: str) -> str:
    """Write a number of things.

    Examples
    --------
    >>> count(1, "pair"), count(48000, "weight")
    ('1 pair', '48,000 weights')
    """
    return f"{n:,} {thing}{'' if n == 1 else 's'}"
