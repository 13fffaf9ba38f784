"""Pairs of masks: which ones are compared, and the counts that every statistic starts from."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from maskstat.bits import IntArray, pair_counts
from maskstat.errors import LayoutMismatchError, NotFoundError, UsageError
from maskstat.layout import Layout
from maskstat.mask import Mask
from maskstat.run import Run
from maskstat.selection import parse_iterations

__all__ = [
    "Comparand",
    "Missing",
    "PairCounts",
    "Subject",
    "comparands",
    "count_pairs",
    "parse_pairs",
]

Subject: TypeAlias = Run | Mask | tuple[Run, int | None]
"""What can be compared: a run, a mask, or a run with the iteration to take."""

Missing: TypeAlias = Literal["error", "skip", "dense"]


class Comparand(NamedTuple):
    """One input with the masks chosen from it.

    Parameters
    ----------
    label
        What to call it in results.
    masks
        Iteration to mask; a mask without an iteration has the key None.
    run
        The run it comes from, if any.
    fixed
        Whether the iteration was named, so that it is compared with any other.
    """

    label: str
    masks: Mapping[int | None, Mask]
    run: Run | None = None
    fixed: bool = False

    @property
    def layout(self) -> Layout:
        """The layers."""
        return next(iter(self.masks.values())).layout

    def record(self) -> dict[str, Any]:
        """Return what identifies it, JSON-ready."""
        identity: dict[str, Any] = {
            "path": self.label,
            "iterations": [i for i in self.masks if i is not None],
        }
        if self.run is not None:
            run = self.run
            identity |= {
                "run": run.run_id,
                "digest": run.digest or None,
                "model": run.model,
                "dataset": run.dataset,
                "method": run.method,
                "seed": run.seed,
                "replicate": run.replicate,
                "init_seed": run.provenance.get("seeds", {}).get("init"),
            }
        return identity


def comparands(
    subjects: Sequence[Subject],
    *,
    iteration: str | int = "last",
    layers: str | Sequence[str] = (),
    missing: Missing = "error",
) -> list[Comparand]:
    """Choose the masks of each subject, all over the same layers in the same order.

    Parameters
    ----------
    subjects
        Runs, masks, or runs with an iteration.
    iteration
        ``last``, ``all``, a number or a range ``A-B``; an iteration that comes with a run
        outranks it.
    layers
        Glob of the layers to look at, or several; none means all.
    missing
        What to do with a layer that not all inputs have: ``error``; ``skip`` it; take it as
        ``dense`` where it is missing, which changes totals.

    Returns
    -------
    list of Comparand

    Raises
    ------
    LayoutMismatchError
        The layers differ.
    NotFoundError
        A run has no such iteration, or no layer has such a name.
    UsageError
        There are no subjects, or one is something else.
    """
    if not subjects:
        raise UsageError(
            "no mask is given",
            code="too-few-masks",
            consequence="there is nothing to look at",
        )
    chosen = _with_own_labels([_choose(subject, str(iteration)) for subject in subjects])
    layout = _common_layout(chosen, missing)
    names = [layout.names[index] for index in layout.select(layers)] if layers else layout.names
    return [_over(one, chosen[0], layout, names) for one in chosen]


def _with_own_labels(chosen: Sequence[Comparand]) -> list[Comparand]:
    """Tell inputs apart by a number where label and iteration do not."""
    named = [one._replace(label=one.label or "mask") for one in chosen]
    meant = Counter((one.label, iteration) for one in named for iteration in one.masks)
    unclear = {label for (label, _), times in meant.items() if times > 1}
    seen: Counter[str] = Counter()
    result: list[Comparand] = []
    for one in named:
        seen[one.label] += 1
        label = f"{one.label}#{seen[one.label]}" if one.label in unclear else one.label
        result.append(one._replace(label=label))
    return result


def _common_layout(chosen: Sequence[Comparand], missing: Missing) -> Layout:
    """Return the layers to compare: the first input's, those all have alike, or those any has."""
    if missing == "error":
        return chosen[0].layout
    shapes: dict[str, tuple[int, ...]] = {}
    for one in chosen:
        shapes = {layer.name: layer.shape for layer in one.layout.layers} | shapes
    alike = set.intersection(*({(x.name, x.shape) for x in one.layout.layers} for one in chosen))
    ordered = dict.fromkeys(name for one in chosen for name in one.layout.names)
    names = [name for name in ordered if missing == "dense" or (name, shapes[name]) in alike]
    if not names:
        raise LayoutMismatchError(
            "no layer is in all inputs in one shape",
            code="layout-mismatch",
            place=chosen[-1].label,
            consequence="there is nothing to compare",
        )
    return Layout.from_shapes({name: shapes[name] for name in names})


def _choose(subject: Subject, iteration: str) -> Comparand:
    if isinstance(subject, Mask):
        return Comparand(subject.label, {subject.iteration: subject}, fixed=True)
    run, fixed = subject if isinstance(subject, tuple) and len(subject) == 2 else (subject, None)
    if not isinstance(run, Run) or not isinstance(fixed, int | None):
        raise _no_subject(subject)
    if fixed is not None:
        return Comparand(run.label, {fixed: run.mask(fixed)}, run, fixed=True)
    iterations = parse_iterations(iteration, run.n_iterations, place=run.label)
    # "last" and a single number name one mask of each run, whatever its number.
    masks: dict[int | None, Mask] = {i: run.mask(i) for i in iterations}
    return Comparand(run.label, masks, run, fixed=len(iterations) == 1)


def _no_subject(value: object) -> UsageError:
    """Say what was given instead of a run or mask, and how to come by one."""
    hint = "maskstat.read(path) reads a run, maskstat.Mask.from_arrays({layer: array}) makes a mask"
    if isinstance(value, str | os.PathLike):
        hint = f"maskstat.read({os.fspath(value)!r})"
    elif isinstance(value, list | tuple):
        hint = "give them one by one, as in maskstat.compare(*runs)"
    return UsageError(
        f"an input is of type {type(value).__name__}",
        code="not-a-run",
        consequence="it takes runs, masks, or a run with an iteration, (run, 3)",
        hint=hint,
    )


def _over(one: Comparand, first: Comparand, layout: Layout, names: Sequence[str]) -> Comparand:
    """Bring one comparand to the common layers; another order is no difference."""
    masks = one.masks
    own = {layer.name: layer.shape for layer in one.layout.layers}
    wanted = {layer.name: layer.shape for layer in layout.layers}
    same_shapes = all(wanted[name] == own.get(name, wanted[name]) for name in wanted)
    explicit = layout is not first.layout or set(own) == set(wanted)
    if one.layout != layout and same_shapes and explicit:
        masks = {i: mask.over(layout) for i, mask in masks.items()}
        one = Comparand(one.label, masks, one.run, one.fixed)
    layout.require_same(one.layout, place=first.label, other_place=one.label)
    masks = {i: mask.restrict(names) for i, mask in masks.items()}
    return Comparand(one.label, masks, one.run, one.fixed)


_PAIR = re.compile(r"([0-9]{1,9}):([0-9]{1,9})")


def parse_pairs(text: str, n: int) -> list[tuple[int, int]]:
    """Turn ``all``, ``first`` or ``1:2,1:3`` into index pairs.

    Parameters
    ----------
    text
        ``all`` pairs, the ``first`` input with each other one, or pairs of positions from 1.
    n
        How many inputs there are.

    Returns
    -------
    list of (int, int)
        Positions from 0.

    Raises
    ------
    UsageError
        ``bad-pairs``: the text is none of these, or names a pair twice.
    NotFoundError
        ``no-such-input``: a position is not there.

    Examples
    --------
    >>> parse_pairs("first", 3), parse_pairs("2:3", 3)
    ([(0, 1), (0, 2)], [(1, 2)])
    """
    if text == "all":
        return list(combinations(range(n), 2))
    if text == "first":
        return [(0, second) for second in range(1, n)]
    pairs: list[tuple[int, int]] = []
    seen: set[frozenset[int]] = set()
    for word in text.split(","):
        match = _PAIR.fullmatch(word.strip())
        if match is None:
            raise UsageError(
                f"'{word}' is no pair",
                code="bad-pairs",
                place="--pairs",
                consequence="it takes 'all', 'first', or pairs of positions such as 1:2,1:3",
            )
        a, b = int(match[1]), int(match[2])
        if not (1 <= a <= n and 1 <= b <= n) or a == b:
            raise NotFoundError(
                f"there is no pair {word}",
                code="no-such-input",
                place="--pairs",
                consequence=f"the inputs are 1 to {n}",
            )
        if {a, b} in seen:
            raise UsageError(
                f"the pair {word} is given twice",
                code="bad-pairs",
                place="--pairs",
                consequence="it would count as two pairs in every mean and share",
                hint="each pair once, in one order",
            )
        seen.add(frozenset((a, b)))
        pairs.append((a - 1, b - 1))
    return pairs


class PairCounts(NamedTuple):
    """Counts of pairs of masks, layer by layer; P pairs, L layers.

    Parameters
    ----------
    layout
        The layers.
    comparands
        The inputs.
    a, b
        For each pair the positions of its inputs.
    iteration_a, iteration_b
        For each pair the iterations of its masks.
    sizes : int64 (L,)
        Weights a layer.
    kept_a, kept_b, shared : int64 (P, L)
        Weights kept by the first, the second, both.
    masks
        Every mask that any pair uses.
    mask_a, mask_b : int64 (P,)
        For each pair the positions of its masks in `masks`.
    """

    layout: Layout
    comparands: Sequence[Comparand]
    a: list[int]
    b: list[int]
    iteration_a: list[int | None]
    iteration_b: list[int | None]
    sizes: IntArray
    kept_a: IntArray
    kept_b: IntArray
    shared: IntArray
    masks: Sequence[Mask]
    mask_a: IntArray
    mask_b: IntArray

    @property
    def union(self) -> IntArray:
        """Weights kept by either, int64 (P, L)."""
        return self.kept_a + self.kept_b - self.shared

    def same_run(self, pair: int) -> bool:
        """Tell whether a pair is two iterations of one run, the one inside the other."""
        runs = [self.comparands[side[pair]].run for side in (self.a, self.b)]
        first, second = runs
        if first is None or second is None:
            return False
        return first is second or bool(first.digest and first.digest == second.digest)


def count_pairs(
    inputs: Sequence[Comparand],
    pairs: Sequence[tuple[int, int]],
    *,
    limit_memory: int | None = None,
    threads: int | None = None,
) -> PairCounts:
    """Count what the masks of each pair of inputs share.

    Parameters
    ----------
    inputs
        From `comparands`.
    pairs
        Positions in `inputs`. Two inputs are compared at every iteration that both have; inputs
        with one mask each are compared whatever their iterations.
    limit_memory
        Most bytes of buffers; where not all masks fit at once, they are read again.
    threads
        How many count at once; see `maskstat.bits.pair_counts`.

    Returns
    -------
    PairCounts

    Raises
    ------
    UsageError
        The limit is too small.
    """
    masks = [(i, t, mask) for i, one in enumerate(inputs) for t, mask in one.masks.items()]
    masks.sort(key=lambda entry: _order(entry[1]))  # masks that meet become neighbours
    index = {(i, t): position for position, (i, t, _) in enumerate(masks)}
    met: list[tuple[int, int | None, int, int | None]] = []
    for a, b in pairs:
        met.extend((a, ta, b, tb) for ta, tb in _matching(inputs[a], inputs[b]))
    met.sort(key=lambda entry: _order(entry[1]))
    wanted = [(index[a, ta], index[b, tb]) for a, ta, b, tb in met]
    mask_a, mask_b = np.array(wanted, np.int64).reshape(-1, 2).T
    layout = inputs[0].layout
    kept = np.stack([mask.kept for _, _, mask in masks])
    return PairCounts(
        layout=layout,
        comparands=inputs,
        a=[entry[0] for entry in met],
        iteration_a=[entry[1] for entry in met],
        b=[entry[2] for entry in met],
        iteration_b=[entry[3] for entry in met],
        sizes=layout.sizes,
        kept_a=kept[mask_a],
        kept_b=kept[mask_b],
        shared=pair_counts(
            [mask for _, _, mask in masks],
            wanted,
            layout.edges,
            limit=limit_memory,
            threads=threads,
        ),
        masks=[mask for _, _, mask in masks],
        mask_a=mask_a,
        mask_b=mask_b,
    )


def _order(iteration: int | None) -> int:
    return -1 if iteration is None else iteration


def _matching(a: Comparand, b: Comparand) -> list[tuple[int | None, int | None]]:
    """Pair the iterations of two inputs."""
    if a.fixed or b.fixed:
        return [(ta, tb) for ta in a.masks for tb in b.masks]
    return [(t, t) for t in a.masks if t in b.masks]
