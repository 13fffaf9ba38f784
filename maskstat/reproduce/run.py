"""Run: sweeps, tickets, exhibits, claims and report of a paper, one after the other."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from maskstat.archive.publish import made_folder
from maskstat.errors import MaskstatError, UsageError, closest
from maskstat.prune.cluster import run_on_cluster
from maskstat.prune.progress import Silent
from maskstat.prune.sweep import Job, Outcome, Watch
from maskstat.prune.workers import run_sweep
from maskstat.reproduce.claim import tabulate_claims
from maskstat.reproduce.evidence import Evidence, gather
from maskstat.reproduce.exhibit import Exhibit
from maskstat.reproduce.exhibits import claims_of, exhibits_of
from maskstat.reproduce.files import claim_folder, csv_bytes, figure_bytes, publish
from maskstat.reproduce.page import Made, Section, page
from maskstat.reproduce.plan import Plan, read_plan
from maskstat.reproduce.tickets import consensus_tickets, retrain_all, shares, stored
from maskstat.run import Run
from maskstat.table import Table

__all__ = ["Report", "Tell", "reproduce"]

Tell: TypeAlias = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of a reproduction.

    Parameters
    ----------
    path
        The report.
    plan
        What was to be run.
    evidence
        What was run.
    claims
        Each claim with our numbers, its control and a verdict.
    sections
        The exhibits, with the files they were written to.
    """

    path: Path
    plan: Plan
    evidence: Evidence
    claims: Table
    sections: Sequence[Section]


def reproduce(
    paper: str,
    *,
    scale: str = "small",
    output: str | os.PathLike[str],
    jobs: int = 1,
    scheduler: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    download: bool = False,
    device: str = "cpu",
    figures: Iterable[str] | None = None,
    watch: Watch | None = None,
    tell: Tell = lambda _: None,
) -> Report:
    """Run a paper's sweeps, make its figures, and set our numbers beside its own.

    Parameters
    ----------
    paper
        ``grosse2020`` or ``paganini2020``.
    scale
        ``full``, as printed; ``small``, real data, minutes on two cores; ``test``, seconds.
    output
        The folder of everything: archives in ``runs/``, figures, the CSV behind each, and
        ``report.html``. What is there is not run again, what was begun is continued.
    jobs
        Processes that share the runs; what a run comes to does not depend on it.
    scheduler
        Address of a Dask scheduler whose workers run the sweeps instead, into the same folder.
    data_dir, download, device
        As `maskstat.prune` takes them.
    figures
        Only these of the paper's figures, by their numbers, and only the runs that they need.
    watch
        Makes what is told about each run; by default nobody is told.
    tell
        Told a line about each step.

    Returns
    -------
    Report

    Raises
    ------
    UsageError
        There is no such paper, scale or figure.
    OutputExistsError
        The folder holds another paper or scale.
    StorageError
        The file system does not allow it.

    Notes
    -----
    A run that fails is a missing cell in every exhibit that it would have been in, and does not
    stop the others.
    """
    began = time.perf_counter()
    figures = None if figures is None else list(figures)
    plan = read_plan(paper, scale=scale, data_dir=data_dir)
    chosen = _chosen(paper, figures)
    if figures is not None:
        plan = plan.only(role for exhibit in chosen for role in exhibit.roles)
    folder = Path(output)
    claim_folder(folder, paper=paper, scale=scale)
    surroundings: dict[str, object] = {
        "data_dir": None if data_dir is None else os.fspath(data_dir),
        "download": download,
        "device": device,
    }
    run = partial(run_on_cluster, scheduler=scheduler) if scheduler else run_sweep
    outcomes = partial(
        run,
        workers=jobs,
        overwrite=False,
        surroundings=surroundings,
        watch=watch or (lambda _: Silent()),
    )
    failures = _sweep(plan, folder / "runs", outcomes, tell)
    evidence = gather(plan, folder / "runs", failures=failures)
    retrains = any("retrained" in exhibit.roles for exhibit in chosen)
    evidence, notes = _tickets(evidence, folder, jobs if retrains else 0, surroundings, tell)
    sections = [_exhibit(exhibit, evidence, folder, tell) for exhibit in chosen]
    roles = {sweep.role for sweep in plan.sweeps} | ({"tickets"} if plan.tickets else set())
    roles |= {"retrained"} if plan.tickets and retrains else set()
    weighed = [
        (claim, finding)
        for claim in claims_of(paper)
        if roles.issuperset(claim.roles)
        for finding in claim.weigh(evidence)
    ]
    claims = tabulate_claims(weighed)
    publish(folder / "data" / "claims.csv", csv_bytes(claims))
    seconds = time.perf_counter() - began
    report = page(evidence, sections, claims, notes=notes, seconds=seconds, figures=figures)
    path = folder / "report.html"
    publish(path, report.encode())
    tell(f"report -> {path}")
    return Report(path=path, plan=plan, evidence=evidence, claims=claims, sections=sections)


def _chosen(paper: str, figures: Iterable[str] | None) -> list[Exhibit]:
    """Return the exhibits of a paper, or those that were asked for."""
    exhibits = exhibits_of(paper)
    if figures is None:
        return list(exhibits)
    known = {name: one for one in exhibits for name in (one.key, *one.also)}
    wanted = list(figures)
    for key in wanted:
        if key not in known:
            raise UsageError(
                f"there is no figure '{key}' of {paper}",
                code="unknown-figure",
                place="--figure",
                consequence=closest(key, known, limit=len(known)),
            )
    keys = {known[key].key for key in wanted}
    return [exhibit for exhibit in exhibits if exhibit.key in keys]


def _sweep(
    plan: Plan, folder: Path, run: Callable[[Sequence[Job]], Iterable[Outcome]], tell: Tell
) -> dict[str, str]:
    """Run what is not there, and return why runs failed."""
    for sweep in plan.sweeps:
        made_folder(folder / sweep.name)
    for name, needs in plan.left_out.items():
        tell(f"{name}: left out, {' and '.join(needs)} cannot be found (--data-dir)")
    total = {sweep.name: len(sweep.grid.recipes) for sweep in plan.sweeps}
    done = dict.fromkeys(total, 0)
    failures: dict[str, str] = {}
    for outcome in run(plan.jobs(folder)):
        name = outcome.name.partition("/")[0]
        done[name] += 1
        if outcome.error is not None:
            failures[outcome.name] = outcome.error.fact
            tell(f"{outcome.name}: {outcome.error.headline}")
        if done[name] == total[name]:
            tell(f"{name}: {total[name]} runs")
    return failures


def _tickets(
    evidence: Evidence, folder: Path, jobs: int, surroundings: Mapping[str, object], tell: Tell
) -> tuple[Evidence, list[str]]:
    """Make consensus tickets, retrain all tickets unless `jobs` is 0, and add both."""
    made: dict[str, dict[int, Run]] = {}
    retrained: dict[str, list[Run]] = {}
    notes: list[str] = []
    for tickets in evidence.plan.tickets:
        target = made_folder(folder / "tickets")
        made[tickets.case], missing = consensus_tickets(evidence, tickets, target)
        notes += [f"consensus of {tickets.case}, {why}" for why in missing]
        if not jobs:
            continue
        work = shares(evidence, tickets, made[tickets.case], folder / "runs", surroundings)
        folders = []
        for name, place, why in retrain_all(work, jobs=jobs):
            folders.append(place)
            if why:
                notes.append(f"retraining of {name}: {why}")
                tell(notes[-1])
        retrained[tickets.case] = stored(folders)
        tell(f"tickets of {tickets.case}: {len(retrained[tickets.case])} retrainings")
    return (
        Evidence(plan=evidence.plan, cells=evidence.cells, consensus=made, retrained=retrained),
        notes,
    )


def _exhibit(exhibit: Exhibit, evidence: Evidence, folder: Path, tell: Tell) -> Section:
    """Make an exhibit and write its files."""
    figures, data = made_folder(folder / "figures"), made_folder(folder / "data")
    made: list[Made] = []
    for drawing in exhibit.build(evidence):
        stem = f"{exhibit.stem}-{drawing.name}" if drawing.name else exhibit.stem
        publish(data / f"{stem}.csv", csv_bytes(drawing.table))
        images: dict[str, bytes] = {}
        why = ""
        if drawing.draw is not None:
            try:
                figure = drawing.draw()
            except MaskstatError as error:
                why = error.headline
                tell(f"{stem}: {why}")
            else:
                images = {"svg": figure_bytes(figure, "svg"), "png": figure_bytes(figure, "png")}
                for ending, content in images.items():
                    publish(figures / f"{stem}.{ending}", content)
        made.append(Made(stem=stem, drawing=drawing, images=images, why=why))
    return Section(exhibit=exhibit, made=tuple(made))
