"""Exhibits and claims of each paper, by groups of figures."""

from __future__ import annotations

from importlib import import_module

from maskstat.reproduce.claim import Claim
from maskstat.reproduce.exhibit import Exhibit

__all__ = ["claims_of", "exhibits_of"]

_HOMES = {
    "grosse2020": ("grosse_accuracy", "grosse_overlap", "grosse_function", "grosse_beyond"),
    "paganini2020": ("paganini_methods", "paganini_tickets", "paganini_counts"),
}


def exhibits_of(paper: str) -> list[Exhibit]:
    """Return a paper's exhibits in its order, and then what goes beyond it."""
    found: list[Exhibit] = []
    for home in _HOMES[paper]:
        found += import_module(f"maskstat.reproduce.exhibits.{home}").EXHIBITS
    return sorted(found, key=_order)


def claims_of(paper: str) -> list[Claim]:
    """Return a paper's claims, in the order in which they are reported."""
    found: list[Claim] = import_module(f"maskstat.reproduce.exhibits.{paper}_claims").CLAIMS
    return found


def _order(exhibit: Exhibit) -> tuple[int, str]:
    digits = "".join(c for c in exhibit.key.partition("-")[0] if c.isdigit())
    return (int(digits) if exhibit.key[:1].isdigit() else 99, exhibit.key)
