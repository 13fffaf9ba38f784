"""The format's tables as Markdown, for its page: ``python -m maskstat.archive.tables PAGE``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from maskstat.archive import spec

__all__ = ["tables", "updated"]

_BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def tables() -> dict[str, str]:
    """Return every table of the format page by name.

    Examples
    --------
    >>> tables()["series"].splitlines()[0]
    '| series | unit | value |'
    """
    return {
        "root": _attributes(spec.ROOT_ATTRIBUTES),
        "run": _attributes(spec.RUN_ATTRIBUTES),
        "datasets": _table(
            ("dataset", "type", "shape", "", "holds"),
            (
                (
                    f"`{dataset.path}`",
                    dataset.dtype,
                    " or ".join(_shape(shape) for shape in dataset.shapes),
                    "MUST" if dataset.required else "MAY",
                    _with_attributes(dataset),
                )
                for dataset in spec.DATASETS
            ),
        ),
        "carried": _attributes(list(dict.fromkeys(a for d in spec.DATASETS for a in d.attributes))),
        "series": _table(
            ("series", "unit", "value"),
            ((f"`{series.name}`", series.unit, series.meaning) for series in spec.SERIES),
        ),
        "limits": _table(("what", "at most"), spec.LIMITS),
        "codes": _table(("code", "means"), ((f"`{k}`", v) for k, v in spec.CODES.items())),
    }


def updated(page: str) -> str:
    """Return a page with the tables between its markers made anew."""
    found = tables()
    return _BLOCK.sub(lambda block: f"{block[1]}{found[block[2]]}{block[3]}", page)


def _attributes(attributes: Sequence[spec.Attribute]) -> str:
    return _table(
        ("attribute", "type", "", "value"),
        ((f"`{a.name}`", a.kind, "MUST" if a.required else "MAY", a.meaning) for a in attributes),
    )


def _with_attributes(dataset: spec.Dataset) -> str:
    carried = ", ".join(f"`{a.name}`" for a in dataset.attributes)
    return f"{dataset.meaning}; attributes {carried}" if carried else dataset.meaning


def _shape(shape: Iterable[str | int]) -> str:
    inside = ", ".join(map(str, shape))
    return f"({inside},)" if "," not in inside else f"({inside})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    escaped = ([cell.replace("|", "\\|") for cell in row] for row in rows)
    lines = [head, ["---"] * len(head), *escaped]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main(paths: Sequence[str]) -> None:
    """Bring pages up to date in place."""
    for path in map(Path, paths):
        path.write_text(updated(path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
