"""``maskstat reproduce``."""

from __future__ import annotations

import click

from maskstat.cli.names import complete_papers
from maskstat.cli.options import (
    data_dir_option,
    device_option,
    download_option,
    format_option,
    quiet_option,
    scheduler_option,
)
from maskstat.cli.output import emit
from maskstat.cli.progress import watching
from maskstat.cli.report import note
from maskstat.reproduce import reproduce

__all__ = ["command"]

HIDDEN = ("figure", "says", "theirs", "control", "rule")
"""Columns that a terminal's table leaves out."""


@click.command("reproduce")
@click.argument("paper", metavar="PAPER", shell_complete=complete_papers)
@click.option(
    "--scale",
    default="small",
    show_default=True,
    metavar="small|full|test",
    help="small: real data, minutes; full: as printed; test: a check of the machinery.",
)
@click.option(
    "--figure",
    "figures",
    multiple=True,
    metavar="N",
    help="Only this figure, with the runs that it needs. Repeatable.  [default: all]",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Processes that share the runs.",
)
@scheduler_option
@data_dir_option
@download_option
@device_option
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="DIR",
    help="The folder of runs, figures, data and report.html. Running again resumes.",
)
@format_option
@quiet_option
def command(
    paper: str,
    scale: str,
    figures: tuple[str, ...],
    jobs: int,
    scheduler: str | None,
    data_dir: str | None,
    download: bool,
    device: str,
    output: str,
    format_: str | None,
) -> None:
    """Run a paper's sweeps, draw its figures, and set our numbers beside its own.

    PAPER is grosse2020 (How many winning tickets are there in one DNN?) or paganini2020
    (Bespoke vs. prêt-à-porter lottery tickets). Writes an archive a run into DIR/runs, each figure
    into DIR/figures as SVG and PNG, the numbers behind it into DIR/data as CSV, and all of it,
    with what the paper says, into DIR/report.html, one page that needs no network. Prints a row a
    finding: what we find, and whether it bears the paper's claim out.

    \b
    Example:
      maskstat reproduce grosse2020 --jobs 2 -o grosse/
      maskstat reproduce paganini2020 --jobs 2 --figure 6 --data-dir data/ -o paganini/
    """
    with watching(several=True, lines=False) as watch:
        report = reproduce(
            paper,
            scale=scale,
            output=output,
            jobs=jobs,
            scheduler=scheduler,
            data_dir=data_dir,
            download=download,
            device=device,
            figures=figures or None,
            watch=watch,
            tell=note,
        )
    emit(report.claims, format_=format_, hidden=HIDDEN)
