"""``maskstat plot tickets``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskstat.cli.figure import Found, figure_command
from maskstat.cli.options import select_option

if TYPE_CHECKING:
    from maskstat.figures.style import Figure

__all__ = ["command"]


@figure_command("tickets")
@select_option
def command(found: Found) -> Figure:
    """Test accuracy of tickets on tasks, from archives that maskstat retrain wrote.

    Bespoke tickets by the task they were found on, the consensus ticket, and random ones with as
    many weights in every layer: means over seeds with bars of one standard deviation, half up and
    half down (Paganini & Forde 2020, Figures 6 and 22; with --epochs 0 in retrain, Figure 21).

    \b
    Example:
      maskstat plot tickets retrained/*.h5 -o tickets.pdf
      maskstat plot tickets initial/*.h5 --select dataset=mnist -o initial.png
    """
    from maskstat.figures.tickets import tickets_on_tasks
    from maskstat.prune.retraining import tabulate

    return tickets_on_tasks(tabulate([run for run, _ in found], group_by="source"))
