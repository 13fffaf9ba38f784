"""Structured sparsity: whether a mask follows N:M or a block pattern, and its empty channels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from maskstat.errors import UsageError, printable
from maskstat.mask import Layer, Mask
from maskstat.selection import listed
from maskstat.stats.comparands import Subject, each_alone
from maskstat.stats.pattern_counts import count_blocks, count_channels, count_groups
from maskstat.table import Cell, Column, Table

__all__ = ["PATTERN_COLUMNS", "Pattern", "parse_pattern", "pattern"]

Kind: TypeAlias = Literal["groups", "blocks", "channels"]

LARGEST = 1024
"""Longest side of a group or a block; what hardware asks for ends far below."""

_COMMON = {
    "run": Column("text", "where the mask was read from"),
    "iteration": Column("integer", "pruning iteration"),
    "layer": Column("text", "layer, or 'total' for all of them"),
    "pattern": Column("text", "N:M, RxC or channels"),
    "size": Column("integer", "prunable weights"),
    "kept": Column("integer", "weights that the mask keeps"),
}

_OF_KIND: dict[Kind, dict[str, Column]] = {
    "groups": {
        "groups": Column("integer", "groups of M consecutive inputs of one output and tap"),
        "short_groups": Column("integer", "of them, at the end of the inputs with fewer than M"),
        "full_groups": Column("integer", "groups that keep exactly N"),
        "violating_groups": Column("integer", "groups that keep more than N"),
    },
    "blocks": {
        "blocks": Column("integer", "R x C blocks of the matrix (out, in times taps)"),
        "short_blocks": Column("integer", "of them, at the end of rows or columns and smaller"),
        "kept_blocks": Column("integer", "blocks kept whole"),
        "empty_blocks": Column("integer", "blocks of which nothing is kept"),
        "violating_blocks": Column("integer", "blocks of which a part is kept"),
    },
    "channels": {
        "outputs": Column("integer", "output channels or units"),
        "empty_outputs": Column("integer", "of them, those with no weight kept"),
        "inputs": Column("integer", "input channels or units of the layer"),
        "empty_inputs": Column("integer", "of them, those with no weight kept"),
    },
}

_VERDICT = {
    "share": Column("number", "violating groups or blocks / all of them"),
    "conforms": Column("flag", "no group or block violates the pattern"),
}

PATTERN_COLUMNS = {
    **_COMMON,
    **_OF_KIND["groups"],
    **_OF_KIND["blocks"],
    **_VERDICT,
    **_OF_KIND["channels"],
}
"""Every column; a table has those that its pattern asks for."""

_FORM = re.compile(r"([0-9]{1,4})([:x])([0-9]{1,4})")


class Pattern(NamedTuple):
    """What a mask is held against.

    Parameters
    ----------
    kind
        ``groups`` (N:M), ``blocks`` (RxC) or ``channels``.
    first, second
        N and M, or R and C; 0 for channels.
    """

    kind: Kind
    first: int = 0
    second: int = 0

    def __str__(self) -> str:
        """Return it as a user writes it."""
        if self.kind == "channels":
            return self.kind
        return f"{self.first}{':' if self.kind == 'groups' else 'x'}{self.second}"


def parse_pattern(text: str) -> Pattern:
    """Take a pattern apart.

    Parameters
    ----------
    text
        ``N:M``, ``RxC`` or ``channels``.

    Returns
    -------
    Pattern

    Raises
    ------
    UsageError
        ``bad-pattern``: it is none of these.

    Examples
    --------
    >>> parse_pattern("2:4")
    Pattern(kind='groups', first=2, second=4)
    """
    if text == "channels":
        return Pattern("channels")
    match = _FORM.fullmatch(str(text))
    if match:
        first, second = int(match[1]), int(match[3])
        if match[2] == ":" and 1 <= first <= second <= LARGEST:
            return Pattern("groups", first, second)
        if match[2] == "x" and min(first, second) >= 1 and max(first, second) <= LARGEST:
            return Pattern("blocks", first, second)
    raise UsageError(
        f"'{printable(str(text))}' is no pattern",
        code="bad-pattern",
        place="--pattern",
        consequence=f"it takes N:M with 1 <= N <= M <= {LARGEST}, RxC with sides from 1 to "
        f"{LARGEST}, or 'channels'",
        hint="--pattern 2:4",
    )


def pattern(
    *subjects: Subject,
    pattern: str = "2:4",
    iteration: str | int = "last",
    layers: str | Sequence[str] = (),
) -> Table:
    """Hold masks against a pattern of structured sparsity.

    Parameters
    ----------
    *subjects
        Runs, masks, or runs with an iteration. Their networks may differ.
    pattern
        ``N:M``: of every M consecutive inputs of one output (and one position in the kernel), at
        most N are kept; a group at the end of the inputs is short, as if filled up with pruned
        weights. ``RxC``: blocks of the matrix (out, in times taps) are kept whole or not at all;
        blocks at its end are smaller. ``channels``: which outputs and inputs keep no weight.
    iteration
        ``last``, ``all``, a number or a range ``A-B``.
    layers
        Glob of the layers to look at, or several; none means all. The total is over these.

    Returns
    -------
    Table
        A row a mask and layer, then the total.

    Raises
    ------
    UsageError
        ``bad-pattern``: the text is no pattern.
    NotFoundError
        There is no such iteration or layer.

    Notes
    -----
    N counts what is kept, as in NVIDIA's 2:4. Layers are (out, in, ...), a vector is one output;
    its entries are the outputs where channels are counted.

    Examples
    --------
    >>> mask = Mask.from_arrays({"fc": [[1, 0, 1, 0, 1], [1, 1, 1, 0, 0]]})
    >>> for row in pattern(mask, pattern="2:4"):
    ...     print(row["layer"], row["groups"], row["short_groups"], row["violating_groups"])
    fc 4 2 1
    total 4 2 1
    """
    asked = parse_pattern(pattern)
    chosen = each_alone(subjects, iteration=iteration)
    rows: list[dict[str, Cell]] = []
    for one in chosen:
        indices = one.layout.select(layers) if layers else range(len(one.layout.layers))
        for t, mask in one.masks.items():
            where: dict[str, Cell] = {"run": one.label, "iteration": t, "pattern": str(asked)}
            rows.extend(where | row for row in _rows(mask, indices, asked))
    columns = [*_COMMON, *_OF_KIND[asked.kind], *(() if asked.kind == "channels" else _VERDICT)]
    return Table(
        schema="maskstat.pattern/1",
        columns=PATTERN_COLUMNS,
        data={name: [row[name] for row in rows] for name in columns},
        inputs=[one.record() for one in chosen],
        parameters={
            "pattern": str(asked),
            "iteration": str(iteration),
            "layers": listed(layers),
        },
    )


def _rows(mask: Mask, indices: Sequence[int], asked: Pattern) -> list[dict[str, Cell]]:
    """One row a chosen layer, then the total."""
    counted: list[tuple[str, dict[str, int]]] = []
    for index in indices:
        layer = mask.layout.layers[index]
        row = {"size": layer.size, "kept": int(mask.kept[index]), **_counts(mask, layer, asked)}
        counted.append((layer.name, row))
    total = {key: sum(row[key] for _, row in counted) for key in counted[0][1]}
    return [
        {"layer": name, **row, **_verdict(row, asked.kind)}
        for name, row in [*counted, ("total", total)]
    ]


def _counts(mask: Mask, layer: Layer, asked: Pattern) -> dict[str, int]:
    if asked.kind == "groups":
        return count_groups(mask, layer, asked.first, asked.second)
    if asked.kind == "blocks":
        return count_blocks(mask, layer, asked.first, asked.second)
    return count_channels(mask, layer)


def _verdict(row: dict[str, int], kind: Kind) -> dict[str, Cell]:
    if kind == "channels":
        return {}
    violating = row[f"violating_{kind}"]
    return {"share": violating / row[kind], "conforms": not violating}
