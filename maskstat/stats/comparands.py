"""What is compared: runs and masks as inputs of a statistic, each with the masks chosen from it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from maskstat.errors import LayoutMismatchError, UsageError, closest
from maskstat.layout import Layout
from maskstat.mask import Mask
from maskstat.run import Run
from maskstat.selection import parse_iterations

__all__ = ["Comparand", "Missing", "Subject", "comparands", "each_alone"]

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
        There are no subjects, or one is something else; or missing layers cannot be treated so.
    """
    if missing not in get_args(Missing):
        raise UsageError(
            f"missing layers cannot be treated as {missing!r}",
            code="bad-missing",
            consequence=closest(str(missing), get_args(Missing)),
        )
    chosen = each_alone(subjects, iteration=iteration)
    layout = _common_layout(chosen, missing)
    names = [layout.names[index] for index in layout.select(layers)] if layers else layout.names
    return [_over(one, chosen[0], layout, names) for one in chosen]


def each_alone(subjects: Sequence[Subject], *, iteration: str | int = "last") -> list[Comparand]:
    """Choose the masks of each subject; their networks may differ.

    Parameters
    ----------
    subjects, iteration
        As for `comparands`.

    Returns
    -------
    list of Comparand

    Raises
    ------
    NotFoundError
        A run has no such iteration.
    UsageError
        There are no subjects, or one is something else.
    """
    if not subjects:
        raise UsageError(
            "no mask is given",
            code="too-few-masks",
            consequence="there is nothing to look at",
        )
    return _with_own_labels([_choose(subject, str(iteration)) for subject in subjects])


def _with_own_labels(chosen: Sequence[Comparand]) -> list[Comparand]:
    """Tell inputs apart by a number where label and iteration do not."""
    named = [one._replace(label=one.label or "mask") for one in chosen]
    meant = Counter((one.label, iteration) for one in named for iteration in one.masks)
    unclear = {label for (label, _), times in meant.items() if times > 1}
    taken = {one.label for one in named}
    result: list[Comparand] = []
    for one in named:
        label = one.label
        if label in unclear:
            numbered = (f"{label}#{number}" for number in count(1))
            label = next(name for name in numbered if name not in taken)
            taken.add(label)
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
        origin = subject.run if isinstance(subject.run, Run) else None
        return Comparand(subject.label, {subject.iteration: subject}, origin, fixed=True)
    run, fixed = subject if isinstance(subject, tuple) and len(subject) == 2 else (subject, None)
    if not isinstance(run, Run) or not (fixed is None or hasattr(fixed, "__index__")):
        raise _no_subject(subject)
    if fixed is not None:
        mask = run.mask(fixed)
        return Comparand(run.label, {mask.iteration: mask}, run, fixed=True)
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
