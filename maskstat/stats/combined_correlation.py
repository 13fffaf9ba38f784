"""One rank correlation out of several layers', without ranking across layers."""

from __future__ import annotations

from math import atanh, fsum, sqrt, tanh
from typing import TYPE_CHECKING

from maskstat.stats.spearman import NORMAL_975, SpearmanResult, correlation_log10_p

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["combine_layers"]


def combine_layers(layers: Sequence[SpearmanResult]) -> SpearmanResult:
    """Average the rank correlations of layers, each ranked by itself.

    Parameters
    ----------
    layers
        One result a layer. Layers of fewer than four weights, or without two different values,
        are left out of the average.

    Returns
    -------
    SpearmanResult
        `n` counts the weights of all layers.

    Notes
    -----
    rho = sum (n_l - 1) rho_l / sum (n_l - 1). If the two orders have nothing to do with each
    other, the variance of rho_l is exactly 1/(n_l - 1), whatever the ties, and that of rho is
    1 / sum (n_l - 1): that of one layer of 1 + sum (n_l - 1) weights, whose p is given. Interval:
    by Fisher's z, from the layers' variances (1 - rho_l^2)^2 (1 + rho_l^2/2)/(n_l - 3) (Bonett
    and Wright 2000). Ranks across layers would tell layers of small weights from layers of large
    ones, before and after training: two networks that share no more than that would correlate.

    Examples
    --------
    >>> from maskstat.stats.spearman import spearman
    >>> up, down = spearman([1, 2, 3, 4, 5], [1, 2, 3, 5, 4]), spearman([1, 2, 3, 4], [4, 3, 1, 2])
    >>> up.rho, down.rho, round(combine_layers([up, down]).rho, 12)
    (0.9, -0.8, 0.171428571429)
    """
    n = sum(layer.n for layer in layers)
    used = [(layer.n, layer.rho) for layer in layers if layer.n > 3 and layer.rho is not None]
    if not used:
        constant = any(layer.reason == "constant" for layer in layers)
        return SpearmanResult(
            n=n,
            rho=None,
            low95=None,
            high95=None,
            log10_p=None,
            reason="constant" if constant else "n<4",
        )
    weight = sum(size - 1 for size, _ in used)
    rho = fsum((size - 1) * value for size, value in used) / weight
    if abs(rho) == 1.0:
        return SpearmanResult(n=n, rho=rho, low95=None, high95=None, log10_p=None, reason="perfect")
    variance = fsum(
        ((size - 1) / weight * (1 - value * value)) ** 2 * (1 + value * value / 2) / (size - 3)
        for size, value in used
    )
    reach = NORMAL_975 * sqrt(variance) / (1 - rho * rho)
    return SpearmanResult(
        n=n,
        rho=rho,
        low95=tanh(atanh(rho) - reach),
        high95=tanh(atanh(rho) + reach),
        log10_p=correlation_log10_p(rho, weight + 1),
        reason=None,
    )
