"""``maskstat plot shared``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskstat.cli.figure import Found, figure_command
from maskstat.cli.options import group_by_option, selection_options

if TYPE_CHECKING:
    from maskstat.figures.style import Figure

__all__ = ["command"]


@figure_command("shared")
@selection_options(iteration="all")
@group_by_option("Take as a group the runs with the same")
def command(
    found: Found, *, iteration: str, layers: tuple[str, ...], group_by: str | None
) -> Figure:
    """Weights that all masks of a group keep, and that none keeps.

    A panel a layer, then the total, over pruning iterations: kept by all in per cent of the mask,
    kept by none in per cent of what disjoint masks could cover, mean and standard deviation over
    groups, beside the exact expectation and the paper's own baseline (Grosse & Backes 2020,
    Figure 4). Runs with the same value of --group-by are a group; without it all runs are one.

    \b
    Example:
      maskstat plot shared runs/*.h5 --group-by init_seed -o shared.pdf
      maskstat plot shared runs/*.h5 --select seed=0 --layer 'conv*' -o shared.png
    """
    from maskstat.figures.shared import shared_over_iterations
    from maskstat.stats.shared_kept import shared_and_never

    table = shared_and_never(*found, group_by=group_by, iteration=iteration, layers=layers)
    return shared_over_iterations(table)
