"""How many weights a pruning schedule leaves, from sizes alone."""

from __future__ import annotations

from maskstat.errors import UsageError

__all__ = ["remaining_after"]


def remaining_after(n: int, fraction: float, steps: int) -> int:
    """Count the weights of a layer that are left after several prunings.

    Parameters
    ----------
    n
        Weights at the start.
    fraction
        Share of what remains that each step prunes, 0 to 1.
    steps
        Number of prunings.

    Returns
    -------
    int
        Weights left.

    Raises
    ------
    UsageError
        ``bad-schedule``: a negative number, or a fraction outside 0 to 1.

    Notes
    -----
    Each step prunes round-half-even(fraction x remaining), the rule of torch.nn.utils.prune. Layer
    by layer and with everything that is not pruned added, this gives all 80 values of column s in
    Table 1 of Paganini & Forde (2020).

    Examples
    --------
    >>> [remaining_after(54, 0.2, steps) for steps in range(4)]
    [54, 43, 34, 27]
    """
    if n < 0 or steps < 0 or not 0 <= fraction <= 1:
        raise UsageError(
            f"{steps} prunings of {fraction} of {n} weights make no schedule",
            code="bad-schedule",
            hint="counts from 0 up, a fraction from 0 to 1",
        )
    for _ in range(steps):
        n -= round(fraction * n)
    return n
