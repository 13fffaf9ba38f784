"""Do the final weights still rank as the initial ones? Layer by layer, beside a control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maskstat.errors import InputError
from maskstat.run import Run
from maskstat.selection import listed
from maskstat.stats._stored import WeightLayers
from maskstat.stats.combined_correlation import combine_layers
from maskstat.stats.comparands import Subject, each_alone
from maskstat.stats.spearman import Concordance, rank_correlation
from maskstat.table import Cell, Column, Table

__all__ = ["CORRELATE_COLUMNS", "NEAR_ZERO", "NO_CONTROL", "SELDOM", "correlate"]

CORRELATE_COLUMNS = {
    "run": Column("text", "where the run was read from"),
    "iteration": Column("integer", "pruning iteration whose mask and final weights these are"),
    "layer": Column("text", "layer, or 'total': the layers' correlations averaged"),
    "n": Column("integer", "weights that the mask keeps"),
    "rho": Column("number", "Spearman correlation of their initial and final values"),
    "low95": Column("number", "lower end of its 95 % interval"),
    "high95": Column("number", "upper end of its 95 % interval"),
    "log10_p": Column("number", "log10 of the two-sided p-value of rho"),
    "reason": Column("text", "why a value is missing: constant, n<3, n<4, perfect"),
    "magnitude_rho": Column("number", "the same correlation of their absolute values"),
    "magnitude_low95": Column("number", "lower end of its 95 % interval"),
    "magnitude_high95": Column("number", "upper end of its 95 % interval"),
    "signs_compared": Column("integer", "kept weights that are nonzero before and after"),
    "sign_agreement": Column("number", "share of them with the same sign before and after"),
    "expected_sign_agreement": Column("number", "that share by chance, from the shares of signs"),
    "whole_iteration": Column("integer", "last training of the whole layer: the control's"),
    "whole_n": Column("integer", "weights of the layer"),
    "whole_rho": Column("number", "control: rho over the whole layer, in that training"),
    "whole_low95": Column("number", "lower end of its 95 % interval"),
    "whole_high95": Column("number", "upper end of its 95 % interval"),
    "whole_magnitude_rho": Column("number", "control: magnitude_rho over the whole layer"),
    "whole_sign_agreement": Column("number", "control: sign_agreement over the whole layer"),
    "selected_rho": Column("number", "that same training, but only the weights kept here"),
    "selected_magnitude_rho": Column("number", "magnitude_rho of the same"),
    "note": Column("text", "whole-layer-not-stored, or in words"),
}

SELDOM = (
    "reason", "magnitude_low95", "magnitude_high95", "signs_compared", "whole_iteration",
    "whole_n", "whole_low95", "whole_high95", "whole_sign_agreement", "selected_magnitude_rho",
)  # fmt: skip
"""Columns that a terminal's table leaves out."""

NEAR_ZERO = 0.1
"""A total whose interval lies within this of 0 is no trace of the stated initial weights."""

NO_CONTROL = "whole-layer-not-stored"
"""Note of a row whose pruned weights are stored as zeros, and no earlier training either."""

_LOST = "rank correlation near 0: probably not started from the stored initial weights"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Control:
    """A training of the whole layer, and the weights kept later within it."""

    iteration: int | None
    whole: Concordance
    selected: Concordance


def correlate(
    *subjects: Subject, iteration: str | int = "last", layers: str | Sequence[str] = ()
) -> Table:
    """Correlate the ranks of initial and final weights, inside the mask and over whole layers.

    Parameters
    ----------
    *subjects
        Runs that store their initial and final weights, or such runs with an iteration.
    iteration
        ``last``, ``all``, a number or a range ``A-B``.
    layers
        Glob of the layers to look at, or several; none means all. The total is over these.

    Returns
    -------
    Table
        A row a run, iteration and layer, then the total.

    Raises
    ------
    InputError
        A mask without a run, or a weight that is not finite.
    NotFoundError
        The weights are not stored, or there is no such iteration or layer.

    Notes
    -----
    Grosse & Backes (2020), 3.2.3. Keeping large final weights alone changes the correlation of
    what is kept, so the same value over the whole layer stands beside it, from the last stored
    training in which nothing of the layer was held at zero: that of the dense network, iteration
    0, where pruned weights are stored as zeros. Totals average the layers, see `combine_layers`.

    Examples
    --------
    >>> import numpy as np
    >>> from maskstat.mask import Mask
    >>> from maskstat.run import Weights
    >>> start = np.array([[0.5, -0.1, 0.3, -0.4, 0.2]], np.float32)
    >>> end = np.array([[0.9, 0.1, 0.2, -0.6, 0.3], [0.8, 0, 0.3, -0.7, 0.4]], np.float32)
    >>> run = Run.from_masks(
    ...     "mine",
    ...     [Mask.from_arrays({"fc": [1, 0, 1, 1, 1]})],
    ...     weights={
    ...         "initial": Weights(values=start, iterations=(0,)),
    ...         "final": Weights(values=end, iterations=(0, 1)),
    ...     },
    ... )
    >>> row = correlate(run).rows()[0]
    >>> row["n"], row["rho"], row["whole_rho"], row["selected_rho"], row["whole_iteration"]
    (4, 0.8, 0.9, 0.8, 0)
    """
    chosen = each_alone(subjects, iteration=iteration)
    rows: list[dict[str, Cell]] = []
    for one in chosen:
        if one.run is None:
            raise InputError(
                "a mask alone has no weights",
                code="no-weights",
                place=one.label,
                consequence="there is nothing to correlate",
            )
        for mask in one.masks.values():
            assert mask.iteration is not None
            rows.extend(_rows(one.run, one.label, mask.iteration, layers))
    return Table(
        schema="maskstat.correlate/1",
        columns=CORRELATE_COLUMNS,
        data={name: [row[name] for row in rows] for name in CORRELATE_COLUMNS},
        inputs=[one.record() for one in chosen],
        parameters={"iteration": str(iteration), "layers": listed(layers), "near_zero": NEAR_ZERO},
    )


def _rows(
    run: Run, label: str, iteration: int, patterns: str | Sequence[str]
) -> list[dict[str, Cell]]:
    """One row a layer, then the total."""
    initial = WeightLayers(run, "initial")
    final = WeightLayers(run, "final", iteration)
    names = [
        run.layout.names[index]
        for index in (run.layout.select(patterns) if patterns else range(len(run.layout.layers)))
    ]
    found = [_located(run, iteration, name, initial, final) for name in names]
    kept = _combined([kept for kept, _ in found])
    controls = [control for _, control in found if control is not None]
    total = _combined_controls(controls) if len(controls) == len(found) else None
    where: dict[str, Cell] = {"run": label, "iteration": iteration}
    return [
        *(
            where | {"layer": name} | _cells(inside, control)
            for name, (inside, control) in zip(names, found, strict=True)
        ),
        where | {"layer": "total"} | _cells(kept, total) | _doubt(kept, total),
    ]


def _located(
    run: Run, iteration: int, name: str, initial: WeightLayers, final: WeightLayers
) -> tuple[Concordance, _Control | None]:
    """Correlate one layer; values that have no rank are an error that names it."""
    try:
        return _layer(run, iteration, name, initial, final)
    except InputError as error:
        error.place = error.place or f"{run.label}@{iteration}, layer {name}"
        raise


def _layer(
    run: Run, iteration: int, name: str, initial: WeightLayers, final: WeightLayers
) -> tuple[Concordance, _Control | None]:
    start, end = initial[name].ravel(), final[name].ravel()
    kept = run.mask(iteration).layer(name).ravel()
    if kept.all() or end[~kept].any():
        found = rank_correlation(start, end, kept)
        return found.kept, _Control(iteration=iteration, whole=found.layer, selected=found.kept)
    # Pruned weights are stored as zeros: ranking them as well would rank the mask.
    everything = np.ones(np.count_nonzero(kept), np.bool_)
    inside = rank_correlation(start[kept], end[kept], everything).kept
    earlier = _trained_whole(run, iteration, name)
    if earlier is None:
        return inside, None
    before = rank_correlation(start, WeightLayers(run, "final", earlier)[name].ravel(), kept)
    return inside, _Control(iteration=earlier, whole=before.layer, selected=before.kept)


def _trained_whole(run: Run, iteration: int, name: str) -> int | None:
    """Find the last stored training before an iteration in which the layer was dense."""
    index = run.layout.index(name)
    dense = run.kept[:, index] == run.layout.layers[index].size
    stored = [t for t in run.weights["final"].iterations if t < iteration and dense[t]]
    return max(stored, default=None)


def _combined(layers: Sequence[Concordance]) -> Concordance:
    """Average layers; signs are counted layer by layer, chance levels included."""
    compared = sum(layer.signs_compared for layer in layers)
    agreeing = sum(layer.signs_agreeing for layer in layers)
    by_chance = sum(
        layer.signs_compared * layer.expected_sign_agreement
        for layer in layers
        if layer.expected_sign_agreement is not None
    )
    return Concordance(
        signed=combine_layers([layer.signed for layer in layers]),
        magnitude=combine_layers([layer.magnitude for layer in layers]),
        signs_compared=compared,
        signs_agreeing=agreeing,
        sign_agreement=agreeing / compared if compared else None,
        expected_sign_agreement=by_chance / compared if compared else None,
    )


def _combined_controls(controls: Sequence[_Control]) -> _Control:
    iterations = {control.iteration for control in controls}
    return _Control(
        iteration=iterations.pop() if len(iterations) == 1 else None,
        whole=_combined([control.whole for control in controls]),
        selected=_combined([control.selected for control in controls]),
    )


def _cells(kept: Concordance, control: _Control | None) -> dict[str, Cell]:
    whole = control.whole if control else None
    selected = control.selected if control else None
    return {
        "n": kept.signed.n,
        "rho": kept.signed.rho,
        "low95": kept.signed.low95,
        "high95": kept.signed.high95,
        "log10_p": kept.signed.log10_p,
        "reason": kept.signed.reason,
        "magnitude_rho": kept.magnitude.rho,
        "magnitude_low95": kept.magnitude.low95,
        "magnitude_high95": kept.magnitude.high95,
        "signs_compared": kept.signs_compared,
        "sign_agreement": kept.sign_agreement,
        "expected_sign_agreement": kept.expected_sign_agreement,
        "whole_iteration": control.iteration if control else None,
        "whole_n": whole.signed.n if whole else None,
        "whole_rho": whole.signed.rho if whole else None,
        "whole_low95": whole.signed.low95 if whole else None,
        "whole_high95": whole.signed.high95 if whole else None,
        "whole_magnitude_rho": whole.magnitude.rho if whole else None,
        "whole_sign_agreement": whole.sign_agreement if whole else None,
        "selected_rho": selected.signed.rho if selected else None,
        "selected_magnitude_rho": selected.magnitude.rho if selected else None,
        "note": None if control else NO_CONTROL,
    }


def _doubt(kept: Concordance, control: _Control | None) -> dict[str, Cell]:
    """Say so if the final weights bear no trace of the initial ones."""
    tested = (control.whole if control else kept).signed
    if tested.low95 is None or tested.high95 is None:
        return {}
    return {"note": _LOST} if max(-tested.low95, tested.high95) < NEAR_ZERO else {}
