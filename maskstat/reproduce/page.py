"""Page: the report as one self-contained HTML file that asks no network for anything."""

from __future__ import annotations

import platform
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from math import fsum
from typing import Any

from maskstat.reproduce.evidence import Evidence
from maskstat.reproduce.exhibit import Drawing, Exhibit
from maskstat.table import Cell, Table

__all__ = ["Made", "Section", "page"]

_LARGEST_SVG = 1_500_000
_MOST_ROWS = 60
_MARKS = {"borne out": "✓", "not borne out": "✗", "undecided": "?"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A drawing with its files.

    Parameters
    ----------
    stem
        How the files' names begin.
    drawing
        What was drawn.
    images
        File name ending to content; empty where there is no figure.
    why
        Why there is none, where there should be one.
    """

    stem: str
    drawing: Drawing
    images: Mapping[str, bytes]
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """An exhibit with everything made for it."""

    exhibit: Exhibit
    made: tuple[Made, ...]


def page(
    evidence: Evidence,
    sections: Sequence[Section],
    claims: Table,
    *,
    notes: Sequence[str],
    seconds: float,
    figures: Iterable[str] | None,
) -> str:
    """Write the report.

    Parameters
    ----------
    evidence
        What was run.
    sections
        The exhibits.
    claims
        What the paper says beside what we find.
    notes
        Whatever else is missing.
    seconds
        How long this command took.
    figures
        The figures that were asked for, if not all were.

    Returns
    -------
    str
        HTML.
    """
    plan = evidence.plan
    style = files("maskstat.reproduce").joinpath("report.css").read_text("utf-8")
    missing = _missing(evidence, notes)
    body = [
        f"<h1>{escape(plan.title)}</h1>",
        f"<p class=citation>{escape(plan.citation)}</p>",
        f"<p>Reproduced by maskstat at scale <b>{plan.scale}</b>. {escape(plan.about)}</p>",
        _contents(sections),
        "<h2 id=claims>What the paper says, and what our runs say</h2>",
        _claims(claims),
        "<h2 id=missing>What is missing</h2>",
        missing,
        "<h2 id=figures>Figures and tables</h2>",
        *[_section(section) for section in sections],
        "<h2 id=again>How to run it again</h2>",
        _again(evidence, figures),
        _unstated(plan.unstated),
        "<h2 id=runs>Runs, versions, machine, times</h2>",
        _runs(evidence),
        _machine(evidence, seconds),
    ]
    return (
        "<!doctype html>\n<html lang=en>\n<head><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width, initial-scale=1">'
        '<link rel=icon href="data:,">'
        f"<title>maskstat: {escape(plan.paper)}, {plan.scale}</title>"
        f"<style>{style}</style></head>\n<body><main>\n"
        + "\n".join(body)
        + "\n</main></body></html>\n"
    )


def _contents(sections: Sequence[Section]) -> str:
    links = [
        f'<a href="#{escape(section.exhibit.stem)}">{escape(section.exhibit.name)}</a>'
        for section in sections
    ]
    rest = (
        '<a href="#claims">Claims</a>, <a href="#missing">what is missing</a>, '
        '<a href="#again">how to run it again</a>, <a href="#runs">runs and times</a>'
    )
    return f"<nav>{rest}<br>{', '.join(links)}</nav>"


def _claims(claims: Table) -> str:
    """Say each claim once, with a line a case."""
    if not len(claims):
        return "<p>None of the paper’s claims rests on the runs of this report alone.</p>"
    counts = Counter(str(verdict) for verdict in claims.column("verdict"))
    said = ", ".join(f"{n} {verdict}" for verdict, n in counts.items())
    parts = [
        f"<p>{len(claims)} findings: {said}. Every verdict is computed from the runs by the rule "
        "that stands with it.</p>"
    ]
    groups: dict[Cell, list[dict[str, Cell]]] = {}
    for row in claims:
        groups.setdefault(row["claim"], []).append(row)
    for rows in groups.values():
        first = {name: escape(str(value)) for name, value in rows[0].items()}
        lines = "".join(map(_finding, rows))
        parts.append(
            f"<section class=claim><h3>{first['says']}</h3>"
            f"<p><b>Theirs</b> ({first['figure']}): {first['theirs']}</p>"
            "<table><thead><tr><th>case</th><th>ours</th><th>control</th><th>verdict</th></tr>"
            f"</thead><tbody>{lines}</tbody></table>"
            f"<p class=rule>Borne out if {first['rule']}.</p></section>"
        )
    return "\n".join(parts)


def _finding(row: Mapping[str, Cell]) -> str:
    cells = "".join(f"<td>{escape(str(row[name]))}</td>" for name in ("case", "ours", "control"))
    verdict = str(row["verdict"])
    mark = f'<td class="{verdict.replace(" ", "-")}">{_MARKS[verdict]} {verdict}</td>'
    return f"<tr>{cells}{mark}</tr>"


def _missing(evidence: Evidence, notes: Sequence[str]) -> str:
    lines = [f"{cell.sweep.name}/{cell.name}: {cell.why}" for cell in evidence.holes]
    lines += [
        f"{name}: left out, because {' and '.join(needs)} cannot be found in the data folder"
        for name, needs in evidence.plan.left_out.items()
    ]
    lines += notes
    if not lines:
        return f"<p>Nothing: all {len(evidence.cells)} runs are there.</p>"
    listed = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return (
        f"<p>{len(evidence.holes)} of {len(evidence.cells)} runs.</p>"
        f"<ul class=missing>{listed}</ul>"
    )


def _section(section: Section) -> str:
    exhibit = section.exhibit
    parts = [
        f'<section class=exhibit id="{escape(exhibit.stem)}">'
        f"<h3>{escape(exhibit.name)}: {escape(exhibit.title)}</h3>"
        f"<p class=says><b>The paper</b>: {escape(exhibit.says)}</p>"
    ]
    if not section.made:
        parts.append("<p class=none>Nothing to show: its runs are missing.</p>")
    for made in section.made:
        parts.append(_made(made))
    return "".join([*parts, "</section>"])


def _made(made: Made) -> str:
    drawing = made.drawing
    parts = ["<figure>"]
    if made.images:
        parts.append(_image(made))
    elif drawing.draw is not None:
        parts.append(f"<p class=none>Not drawn: {escape(made.why)}</p>")
    else:
        parts.append(_table(drawing.table, drawing.shown))
    links = "".join(
        f' <a href="figures/{made.stem}.{ending}">{ending}</a>' for ending in made.images
    )
    links += f' <a href="data/{made.stem}.csv">csv</a>'
    parts.append(f"<figcaption>{escape(drawing.caption)}{links}</figcaption></figure>")
    if drawing.gaps:
        gaps = "".join(f"<li>{escape(gap)}</li>" for gap in drawing.gaps)
        parts.append(f"<p>Missing here:</p><ul class=missing>{gaps}</ul>")
    return "".join(parts)


def _image(made: Made) -> str:
    small = len(made.images["svg"]) <= _LARGEST_SVG
    kind, ending = ("svg+xml", "svg") if small else ("png", "png")
    data = b64encode(made.images[ending]).decode()
    alt = escape(made.drawing.caption)
    return f'<img alt="{alt}" src="data:image/{kind};base64,{data}">'


def _table(table: Table, shown: Sequence[str]) -> str:
    names = list(shown) or list(table.data)
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    rows = table.rows()
    body = "".join(
        "<tr>" + "".join(_cell(row[name]) for name in names) + "</tr>" for row in rows[:_MOST_ROWS]
    )
    more = (
        f"<p>{len(rows) - _MOST_ROWS} more rows in the CSV.</p>" if len(rows) > _MOST_ROWS else ""
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _cell(value: Cell) -> str:
    if value is None:
        return "<td class=none>missing</td>"
    if isinstance(value, bool):
        return f"<td>{'yes' if value else 'no'}</td>"
    if isinstance(value, int):
        return f"<td class=number>{value:,}</td>"
    if isinstance(value, float) and abs(value) >= 1000:
        return f"<td class=number>{value:,.1f}</td>"
    if isinstance(value, float):
        return f"<td class=number>{value:.4g}</td>"
    return f"<td>{escape(value)}</td>"


def _again(evidence: Evidence, figures: Iterable[str] | None) -> str:
    plan = evidence.plan
    only = "".join(f" --figure {escape(key)}" for key in figures or ())
    return (
        f"<pre>maskstat reproduce {plan.paper} --scale {plan.scale}{only} --jobs 2 -o out</pre>"
        "<p>Runs that are there are not run again, and runs that were begun are continued. The "
        "same recipe gives the same masks, bit for bit, on the same kind of machine; "
        "<code>maskstat list out/runs/*/*.h5</code> lists the archives, <code>maskstat "
        "verify</code> checks them.</p>"
    )


def _unstated(unstated: Sequence[str]) -> str:
    if not unstated:
        return ""
    listed = "".join(f"<li>{escape(line)}</li>" for line in unstated)
    return f"<p>What the paper does not state, and what stands in its place:</p><ul>{listed}</ul>"


def _runs(evidence: Evidence) -> str:
    """List the sweeps with how many of their runs are there and how long they took."""
    lines = []
    for sweep in evidence.plan.sweeps:
        cells = [cell for cell in evidence.cells if cell.sweep is sweep]
        runs = [cell.run for cell in cells if cell.run is not None]
        seconds = fsum(_seconds(run.clock) for run in runs)
        recipe = sweep.grid.base
        lines.append(
            f"<tr><td>{escape(sweep.name)}</td><td>{escape(sweep.role)}</td>"
            f"<td>{escape(recipe.model)}</td>"
            f"<td class=number>{len(runs)} of {len(cells)}</td>"
            f"<td class=number>{recipe.iterations}</td><td class=number>{recipe.epochs}</td>"
            f"<td class=number>{seconds:.0f}</td></tr>"
        )
    heads = ("sweep", "role", "network", "runs", "prunings", "epochs", "seconds of training")
    head = "".join(f"<th>{name}</th>" for name in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _seconds(clock: Mapping[str, Any]) -> float:
    """Return how long a run trained; runs that trained side by side share the time."""
    found = clock.get("seconds", ())
    return fsum(found) if isinstance(found, (list, tuple)) else float(found or 0)


def _machine(evidence: Evidence, seconds: float) -> str:
    """Name the versions and machines that the runs record, and this one."""
    records: Counter[tuple[tuple[str, str], ...]] = Counter()
    for cell in evidence.cells:
        if cell.run is not None:
            environment = cell.run.provenance.get("environment", {})
            records[tuple((str(k), str(v)) for k, v in environment.items())] += 1
    listed = "".join(
        f"<li>{n} runs: {escape(', '.join(f'{key} {value}' for key, value in record))}</li>"
        for record, n in records.most_common()
    )
    here = f"{platform.system()} {platform.release()}, {platform.machine()}, {platform.node()}"
    return (
        f"<ul>{listed}</ul><p>This report was made on {escape(here)}; the command took "
        f"{seconds:.0f} s, what was there already not counted.</p>"
    )
