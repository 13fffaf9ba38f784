"""Exhibit: one of a paper's figures or tables, made again from our runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from maskstat.reproduce.evidence import Cell, Evidence
from maskstat.table import Table

if TYPE_CHECKING:
    from maskstat.figures.style import Figure

__all__ = ["Build", "Drawing", "Exhibit", "gaps"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A figure with the numbers behind it, or the numbers alone.

    Parameters
    ----------
    name
        Put behind the exhibit's name in file names; empty where there is one drawing only.
    caption
        What is seen, of which runs.
    table
        The numbers behind it.
    draw
        Makes the figure; None for a table that is shown as it is.
    shown
        Columns that are shown where there is no figure; empty means all.
    gaps
        Runs that would belong here and are missing.
    """

    name: str
    caption: str
    table: Table
    draw: Callable[[], Figure] | None = None
    shown: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()


Build: TypeAlias = Callable[[Evidence], Iterable[Drawing]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """What is made again.

    Parameters
    ----------
    key
        The paper's number, or a word for what goes beyond it; in file names.
    title
        What it shows.
    says
        What the paper says about it.
    roles
        Roles of the sweeps that it is made from; ``tickets``, consensus tickets; ``retrained``,
        all tickets retrained.
    build
        Makes it.
    also
        Other numbers of the paper's figures that show the same.
    """

    key: str
    title: str
    says: str
    roles: tuple[str, ...]
    build: Build = field(repr=False)
    also: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name in the paper."""
        match self.key.split("-"):
            case [number] if number[:1].isdigit():
                return f"Figure {number}"
            case [first, last] if first.isdigit():
                return f"Figures {first} to {last}"
            case [one, first, last] if one.isdigit():
                return f"Figures {one} and {first} to {last}"
        return self.key[:1].upper() + self.key[1:].replace("-", " ")

    @property
    def stem(self) -> str:
        """How its files' names begin."""
        return f"fig{self.key}" if self.key[:1].isdigit() else self.key


def gaps(cells: Sequence[Cell]) -> tuple[str, ...]:
    """Name the empty cells and say why they are."""
    return tuple(f"{cell.sweep.name}/{cell.name}: {cell.why}" for cell in cells if cell.run is None)
