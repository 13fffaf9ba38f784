"""``maskstat plot significance``."""

from __future__ import annotations

import click

from maskstat.cli.options import (
    group_by_option,
    iteration_option,
    layer_option,
    overwrite_option,
    pairs_option,
    quiet_option,
    select_option,
    sources_argument,
)
from maskstat.cli.plot import figure_option, save_figure

__all__ = ["command"]


@click.command("significance", context_settings={"default_map": {"iteration": "all"}})
@sources_argument
@figure_option
@iteration_option
@layer_option
@select_option
@pairs_option
@group_by_option
@overwrite_option
@quiet_option
def command(
    sources: tuple[str, ...],
    output: str,
    iteration: str,
    layers: tuple[str, ...],
    select: str | None,
    pairs: str,
    group_by: str | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Share of pairs whose overlap is significant at 5 % and at 1 %.

    A panel a layer, then the total, over pruning iterations, beside the exact share by chance,
    which is less than 5 % and 1 % in small layers (Grosse & Backes 2020, Figure 11). --group-by
    sets pairs within groups and across them apart.

    \b
    Example:
      maskstat plot significance runs/*.h5 -o significance.pdf
      maskstat plot significance runs/*.h5 --group-by init_seed --layer 'fc*' -o fc.png
    """
    from maskstat.cli.inputs import load
    from maskstat.figures.significance import fraction_significant
    from maskstat.stats.compare import compare
    from maskstat.stats.summary import summarize

    table = compare(*load(sources, select), iteration=iteration, layers=layers, pairs=pairs)
    figure = fraction_significant(summarize(table, group_by=group_by))
    save_figure(figure, output, overwrite=overwrite)
