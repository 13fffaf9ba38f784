"""Claim: what a paper says, beside what our runs say and beside an honest control."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from maskstat.reproduce.evidence import Evidence
from maskstat.reproduce.plan import Case
from maskstat.table import Column, Table

__all__ = ["CLAIM_COLUMNS", "Claim", "Finding", "Verdict", "tabulate_claims", "too_few_runs"]

Verdict: TypeAlias = Literal["borne out", "not borne out", "undecided"]

CLAIM_COLUMNS = {
    "claim": Column("text", "name of the claim"),
    "figure": Column("text", "figures of the paper that it rests on"),
    "says": Column("text", "what the paper says"),
    "theirs": Column("text", "the paper's numbers"),
    "case": Column("text", "our network and task"),
    "ours": Column("text", "our numbers"),
    "control": Column("text", "what the numbers are held against"),
    "rule": Column("text", "when the claim counts as borne out"),
    "verdict": Column("text", "borne out, not borne out, or undecided for want of runs"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What our runs of one case say about a claim.

    Parameters
    ----------
    case
        Network and task.
    ours
        Our numbers.
    control
        What they are held against.
    holds
        Whether the claim's rule is met; None where there are too few runs.
    """

    case: str
    ours: str
    control: str
    holds: bool | None

    @property
    def verdict(self) -> Verdict:
        """The same in words."""
        if self.holds is None:
            return "undecided"
        return "borne out" if self.holds else "not borne out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim and how it is judged.

    Parameters
    ----------
    key
        Its name.
    figure
        The paper's figures that it rests on.
    says
        What the paper says.
    theirs
        The paper's numbers.
    rule
        When it counts as borne out.
    roles
        Roles of the sweeps that are needed; ``tickets``, consensus tickets; ``retrained``,
        all tickets retrained.
    weigh
        Judges it, case by case, by nothing but the runs.
    """

    key: str
    figure: str
    says: str
    theirs: str
    rule: str
    roles: tuple[str, ...]
    weigh: Callable[[Evidence], Iterable[Finding]] = field(repr=False)


def too_few_runs(case: Case) -> Finding:
    """Leave a claim undecided in a case whose runs are missing."""
    return Finding(case=case.title, ours="too few runs", control="", holds=None)


def tabulate_claims(weighed: Iterable[tuple[Claim, Finding]]) -> Table:
    """Set claims and findings in rows.

    Parameters
    ----------
    weighed
        Each finding with its claim.

    Returns
    -------
    Table
    """
    rows = [
        {
            "claim": claim.key,
            "figure": claim.figure,
            "says": claim.says,
            "theirs": claim.theirs,
            "case": finding.case,
            "ours": finding.ours,
            "control": finding.control,
            "rule": claim.rule,
            "verdict": finding.verdict,
        }
        for claim, finding in weighed
    ]
    return Table(
        schema="maskstat.reproduce/1",
        columns=CLAIM_COLUMNS,
        data={name: [row[name] for row in rows] for name in CLAIM_COLUMNS},
    )
