"""``maskstat plot shared``."""

from __future__ import annotations

import click

from maskstat.cli.options import (
    group_by_option,
    iteration_option,
    layer_option,
    overwrite_option,
    quiet_option,
    select_option,
    sources_argument,
)
from maskstat.cli.plot import figure_option, save_figure

__all__ = ["command"]


@click.command("shared", context_settings={"default_map": {"iteration": "all"}})
@sources_argument
@figure_option
@iteration_option
@layer_option
@select_option
@group_by_option
@overwrite_option
@quiet_option
def command(
    sources: tuple[str, ...],
    output: str,
    iteration: str,
    layers: tuple[str, ...],
    select: str | None,
    group_by: str | None,
    overwrite: bool,
    quiet: bool,
) -> None:
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
    from maskstat.cli.inputs import load
    from maskstat.figures.shared import shared_over_iterations
    from maskstat.stats.shared_kept import shared_and_never

    found = load(sources, select)
    table = shared_and_never(*found, group_by=group_by, iteration=iteration, layers=layers)
    save_figure(shared_over_iterations(table), output, overwrite=overwrite)
