"""Table 1 of Paganini & Forde (2020): parameters left in models, beside the printed ones."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from math import prod
from types import MappingProxyType

from maskstat.prune.models.sizes import parameter_shapes
from maskstat.reproduce.evidence import Evidence
from maskstat.reproduce.plan import Case
from maskstat.stats.parameters_left import parameters_left
from maskstat.stats.schedule_counts import remaining_after
from maskstat.table import Cell, Column, Table

__all__ = ["PRINTED", "TABLE_1_COLUMNS", "left_in", "measured_case", "table_1"]

_STEPS = 20
_LENET_WEIGHTS = 59_838
_MEASURED = MappingProxyType(
    {"ours_s": "left", "ours_s_eff": "effective", "ours_s_eff_both": "effective_both"}
)
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

PRINTED_EFFECTIVE: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "lenet": (48, 38, 30, 24, 19, 15, 12, 10, 8.3, 6.6, 5.4, 4.3, 3.5, 2.8, 2.3, 1.9, 1.5, 1.2,
                  1.0, 0.8),
        "alexnet": (45_637, 36_512, 29_211, 23_371, 18_692, 14_945, 11_937, 9_505, 7_549, 5_959,
                    4_649, 3_607, 2_810, 2_199, 1_745, 1_401, 1_142, 950, 812, 663),
        "vgg11": (103_042, 82_430, 65_942, 52_718, 42_126, 33_610, 26_800, 21_357, 17_005, 13_549,
                  10_792, 8_608, 6_873, 5_492, 4_399, 3_523, 2_825, 2_260, 1_807, 1_443),
        "resnet18": (8_981, 7_221, 5_813, 4_687, 3_786, 3_065, 2_488, 2_027, 1_658, 1_362, 1_126,
                     937, 786, 665, 567, 490, 427, 377, 337, 303),
    }
)  # fmt: skip
"""Column s_eff as printed; by which method, on which task, the paper does not say."""

TABLE_1_COLUMNS = {
    "prunings": Column("integer", "prunings done; the paper counts one less"),
    **{
        name: column
        for model in _SHAPES
        for name, column in {
            f"{model}_s": Column("number", f"{model}: thousands of parameters not pruned, exact"),
            f"{model}_s_paper": Column("number", f"{model}: the same as the paper prints it"),
            f"{model}_s_eff_paper": Column("number", f"{model}: effective ones as printed"),
        }.items()
    },
    "ours_s": Column("number", "our runs: thousands of parameters not pruned, mean"),
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
        A row a number of prunings; of our runs, those of the case that `measured_case` names.
    """
    exact = {model: left_in(model) for model in _SHAPES}
    case = measured_case(evidence)
    runs = evidence.runs("sources", case) if case else []
    ours = {row["iteration"]: row for row in parameters_left(*runs)} if runs else {}
    rows: list[dict[str, Cell]] = []
    for step in range(1, _STEPS + 1):
        row: dict[str, Cell] = {"prunings": step}
        for model, counts in exact.items():
            row[f"{model}_s"] = counts[step - 1] / 1000
            row[f"{model}_s_paper"] = PRINTED[model][step - 1]
            row[f"{model}_s_eff_paper"] = PRINTED_EFFECTIVE[model][step - 1]
        measured = ours.get(step, {})
        for name, source in _MEASURED.items():
            value = measured.get(source)
            row[name] = None if value is None else float(value) / 1000
        rows.append(row)
    return Table(
        schema="maskstat.table-1/1",
        columns=TABLE_1_COLUMNS,
        data={name: [row[name] for row in rows] for name in TABLE_1_COLUMNS},
    )


def measured_case(evidence: Evidence) -> Case | None:
    """Return the case with the paper's own LeNet, else the first that was sourced."""
    there = [case for case in evidence.cases if evidence.runs("sources", case)]
    own = [
        case for case in there if evidence.runs("sources", case)[0].layout.size == _LENET_WEIGHTS
    ]
    return next(iter([*own, *there]), None)
