"""Whatever runs are missing, every exhibit and every claim of the others is made."""

from dataclasses import replace

import pytest

from maskstat.reproduce.claim import Finding
from maskstat.reproduce.evidence import Evidence
from maskstat.reproduce.exhibit import Drawing
from maskstat.reproduce.exhibits import claims_of, exhibits_of


def without(evidence, is_there):
    """The same plan with fewer runs, and the tickets that can be made of these."""
    cells = tuple(
        cell if is_there(k, cell) else replace(cell, run=None, why="gone")
        for k, cell in enumerate(evidence.cells)
    )
    gone = {(cell.sweep.case, cell.recipe.seed) for cell in cells if cell.run is None}
    consensus = {
        case: {seed: ticket for seed, ticket in of_case.items() if (case, seed) not in gone}
        for case, of_case in evidence.consensus.items()
    }
    retrained = {case: runs if consensus[case] else [] for case, runs in evidence.retrained.items()}
    return Evidence(plan=evidence.plan, cells=cells, consensus=consensus, retrained=retrained)


# Which runs are left; all but the third once stopped a whole report.
LEFT = {
    "none": lambda k, cell: False,
    "one sibling less in one initialization": lambda k, cell: (
        (cell.recipe.seed, cell.recipe.replicate) not in {(0, 1), (0, 2)}
    ),
    "methods at different seeds": lambda k, cell: (
        cell.recipe.seed == ("l1" in cell.recipe.method)
        and (cell.sweep.role == "finetune") == ("l1" in cell.recipe.method)
    ),
    "tuned at other seeds": lambda k, cell: cell.recipe.seed == (cell.sweep.role == "finetune"),
}


@pytest.mark.parametrize("left", LEFT)
def test_what_is_missing_stops_nothing_else(report, left):
    evidence = without(report.evidence, LEFT[left])
    if not evidence.holes:
        pytest.skip("this paper's plan has no such runs")
    for exhibit in exhibits_of(report.plan.paper):
        assert all(isinstance(drawing, Drawing) for drawing in exhibit.build(evidence))
    for claim in claims_of(report.plan.paper):
        findings = list(claim.weigh(evidence))
        assert all(isinstance(finding, Finding) for finding in findings)
        if left == "none" and claim.key != "table-1":
            assert {finding.verdict for finding in findings} <= {"undecided"}


def test_a_retraining_that_failed_is_left_out(report):
    if report.plan.paper != "paganini2020":
        pytest.skip("no tickets")
    (own,) = [claim for claim in claims_of("paganini2020") if claim.key == "best-on-own-task"]
    before = list(own.weigh(report.evidence))
    failed = {
        case: [*runs, *(replace(run, status="failed", series={}) for run in runs)]
        for case, runs in report.evidence.retrained.items()
    }
    assert list(own.weigh(replace(report.evidence, retrained=failed))) == before
