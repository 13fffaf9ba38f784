"""``maskstat plot tickets``."""

from __future__ import annotations

import click

from maskstat.cli.options import (
    overwrite_option,
    quiet_option,
    select_option,
    sources_argument,
)
from maskstat.cli.plot import figure_option, save_figure

__all__ = ["command"]


@click.command("tickets")
@sources_argument
@figure_option
@select_option
@overwrite_option
@quiet_option
def command(
    sources: tuple[str, ...],
    output: str,
    select: str | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Test accuracy of tickets on tasks, from archives that maskstat retrain wrote.

    Bespoke tickets by the task they were found on, the consensus ticket, and random ones with as
    many weights in every layer: means over seeds with bars of one standard deviation, half up and
    half down (Paganini & Forde 2020, Figures 6 and 22; with --epochs 0 in retrain, Figure 21).

    \b
    Example:
      maskstat plot tickets retrained/*.h5 -o tickets.pdf
      maskstat plot tickets initial/*.h5 --select dataset=mnist -o initial.png
    """
    from maskstat.cli.inputs import load
    from maskstat.figures.tickets import tickets_on_tasks
    from maskstat.prune.retraining import tabulate

    runs = [run for run, _ in load(sources, select)]
    figure = tickets_on_tasks(tabulate(runs, group_by="source"))
    save_figure(figure, output, overwrite=overwrite)
