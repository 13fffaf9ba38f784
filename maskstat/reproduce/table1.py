"""Table 1 of Paganini & Forde (2020): parameters left in the real models, beside the printed ones."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from math import fsum, prod
from types import MappingProxyType

from maskstat.prune.models.sizes import parameter_shapes
from maskstat.reproduce.evidence import Evidence
from maskstat.run import Run
from maskstat.stats.schedule_counts import remaining_after
from maskstat.table import Column, Table

__all__ = ["PRINTED", "TABLE_1_COLUMNS", "left_in", "table_1"]

_STEPS = 20
_FRACTION = 0.2
_EXCLUDED = "*downsample*"
_SHAPES = MappingProxyType(
    {
        "lenet": (1, 28, 28),
        "alexnet": (3, 224, 224),
        "vgg11": (3, 224, 224),
        "resnet18": (3, 224, 224),
    }
)

PRINTED: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "lenet": (48, 38, 30, 24, 19, 15, 12, 10, 8.3, 6.7, 5.4, 4.3, 3.5, 2.9, 2.3, 1.9, 1.6, 1.3,
                  1.1, 0.9),
        "alexnet": (45_637, 36_512, 29_211, 23_371, 18_698, 14_960, 11_970, 9_578, 7_664, 6_133,
                    4_908, 3_928, 3_144, 2_517, 2_016, 1_614, 1_293, 1_036, 831, 666),
        "vgg11": (103_048, 82_440, 65_954, 52_765, 42_214, 33_774, 27_021, 21_619, 17_297, 13_840,
                  11_074, 8_861, 7_091, 5_675, 4_542, 3_636, 2_911, 2_331, 1_867, 1_495),
        "resnet18": (8_981, 7_221, 5_813, 4_687, 3_786, 3_065, 2_488, 2_027, 1_658, 1_362, 1_126,
                     937, 786, 665, 568, 491, 429, 379, 340, 308),
    }
)  # fmt: skip
"""Column s as printed, thousands of parameters after 1 to 20 prunings."""

TABLE_1_COLUMNS = {
    "prunings": Column("integer", "prunings done; the paper counts one less"),
    **{
        name: column
        for model in _SHAPES
        for name, column in {
            f"{model}_s": Column("number", f"{model}: thousands of parameters not pruned, exact"),
            f"{model}_printed": Column("number", f"{model}: the same as the paper prints it"),
        }.items()
    },
    "ours_s": Column("number", "our runs: prunable weights kept, mean"),
    "ours_s_eff": Column("number", "our runs: of them, those that reach the output, mean"),
    "ours_s_eff_both": Column("number", "our runs: those on a path from input to output, mean"),
}


def left_in(model: str) -> list[int]:
    """Count the parameters left in a model after 1 to 20 prunings of 20 %, layer by layer.

    Parameters
    ----------
    model
        ``lenet``, ``alexnet``, ``vgg11`` or ``resnet18``.

    Returns
    -------
    list of int
        Biases, normalization and the 1x1 convolutions of ResNet's shortcuts are never pruned, and
        counted.

    Examples
    --------
    >>> left_in("lenet")[:3]
    [48106, 38532, 30872]
    """
    pruned, rest = [], 0
    for name, shape in parameter_shapes(model, _SHAPES[model], 10).items():
        if len(shape) > 1 and not fnmatchcase(name, _EXCLUDED):
            pruned.append(prod(shape))
        else:
            rest += prod(shape)
    return [
        rest + sum(remaining_after(n, _FRACTION, steps) for n in pruned)
        for steps in range(1, _STEPS + 1)
    ]


def table_1(evidence: Evidence) -> Table:
    """Set the exact counts, the printed ones, and those measured on our runs in rows.

    Parameters
    ----------
    evidence
        With the runs of role ``sources``.

    Returns
    -------
    Table
        A row a number of prunings; of our runs, those of the case with most prunings.
    """
    exact = {model: left_in(model) for model in _SHAPES}
    runs = _longest(evidence)
    rows: list[dict[str, float | int | None]] = []
    for step in range(1, _STEPS + 1):
        row: dict[str, float | int | None] = {"prunings": step}
        for model, counts in exact.items():
            row[f"{model}_s"] = counts[step - 1] / 1000
            row[f"{model}_printed"] = float(PRINTED[model][step - 1])
        row |= dict(
            zip(("ours_s", "ours_s_eff", "ours_s_eff_both"), _measured(runs, step), strict=True)
        )
        rows.append(row)
    return Table(
        schema="maskstat.table-1/1",
        columns=TABLE_1_COLUMNS,
        data={name: [row[name] for row in rows] for name in TABLE_1_COLUMNS},
    )


def _longest(evidence: Evidence) -> list[Run]:
    """Return the runs of the case that is pruned most often."""
    found = [evidence.runs("sources", case) for case in evidence.cases]
    return max(found, key=lambda runs: max((run.n_iterations for run in runs), default=0))


def _measured(runs: list[Run], step: int) -> tuple[float | None, float | None, float | None]:
    there = [run for run in runs if run.n_iterations > step]
    known = [run.effective for run in there if run.effective is not None]
    if not there:
        return None, None, None
    kept = fsum(int(run.kept[step].sum()) for run in there) / len(there)
    if not known:
        return kept, None, None
    reaching, both = (
        fsum(int(effective[step, :, which].sum()) for effective in known) / len(known)
        for which in (0, 1)
    )
    return kept, reaching, both
