"""Reproduce: a paper from its shipped recipe to a report that sets our numbers beside its own."""

from __future__ import annotations

from maskstat.reproduce.plan import PAPERS, SCALES, Plan, read_plan
from maskstat.reproduce.run import Report, reproduce

__all__ = ["PAPERS", "SCALES", "Plan", "Report", "read_plan", "reproduce"]
