"""``maskstat plot significance``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskstat.cli.figure import Found, figure_command
from maskstat.cli.options import APART, group_by_option, pairs_option, selection_options

if TYPE_CHECKING:
    from maskstat.figures.style import Figure

__all__ = ["command"]


@figure_command("significance")
@selection_options(iteration="all")
@pairs_option
@group_by_option(APART)
def command(
    found: Found, *, iteration: str, layers: tuple[str, ...], pairs: str, group_by: str | None
) -> Figure:
    """Share of pairs whose overlap is significant at 5 % and at 1 %.

    A panel a layer, then the total, over pruning iterations, beside the exact share by chance,
    which is less than 5 % and 1 % in small layers (Grosse & Backes 2020, Figure 11). --group-by
    sets pairs within groups and across them apart.

    \b
    Example:
      maskstat plot significance runs/*.h5 -o significance.pdf
      maskstat plot significance runs/*.h5 --group-by init_seed --layer 'fc*' -o fc.png
    """
    from maskstat.figures.significance import fraction_significant
    from maskstat.stats.compare import compare
    from maskstat.stats.summary import summarize

    table = compare(*found, iteration=iteration, layers=layers, pairs=pairs)
    return fraction_significant(summarize(table, group_by=group_by))
