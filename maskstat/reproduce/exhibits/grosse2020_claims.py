"""Claims of Grosse & Backes (2020)."""

from __future__ import annotations

from maskstat.reproduce.claim import Claim

__all__ = ["CLAIMS"]

CLAIMS: list[Claim] = []
