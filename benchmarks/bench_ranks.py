"""Spearman's rank correlation of two vectors of weights."""

from __future__ import annotations

from functools import partial

import numpy as np
from harness import Bar, Check, Contender

from maskstat.stats.spearman import spearman


def ours(x, y):
    return lambda: spearman(x, y).rho


def scipy_spearman(x, y):
    from scipy.stats import spearmanr

    return lambda: spearmanr(x, y).statistic


def torch_argsort(x, y):
    """Ranks by sorting twice, as it is often written; right only without ties."""
    import torch

    torch.set_num_threads(1)
    a, b = torch.from_numpy(x), torch.from_numpy(y)

    def work():
        ranks = [v.argsort().argsort().double() for v in (a, b)]
        return float(torch.corrcoef(torch.stack(ranks))[0, 1])

    return work


def ranks(quick):
    rng = np.random.default_rng(0)
    x = rng.normal(size=10**6 if quick else 10**7).astype(np.float32)
    y = (0.3 * x + rng.normal(size=x.size)).astype(np.float32)
    made = [
        Contender(name="maskstat", setup=partial(ours, x, y)),
        Contender(name="scipy spearmanr", setup=partial(scipy_spearman, x, y)),
        Contender(name="torch, argsort twice", setup=partial(torch_argsort, x, y), rtol=1e-4),
    ]
    from scipy.stats import spearmanr

    return made, spearmanr(x, y).statistic


CHECKS = [
    Check(
        name="spearman",
        work="Spearman's rho of two vectors of 1e7 float32 (quick: 1e6)",
        contenders=ranks,
        bars=[Bar(ours="maskstat", peer="scipy spearmanr", at_least=1.7)],
        rtol=1e-11,
    )
]
