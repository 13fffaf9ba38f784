"""Chance overlap: hypergeometric tails, k masks at once, and whole comparisons."""

from __future__ import annotations

from functools import partial

import numpy as np
from harness import Bar, Check, Contender
from samples import LENET

from maskstat.mask import Mask
from maskstat.run import Run
from maskstat.stats.compare import compare
from maskstat.stats.hypergeometric import log_tails
from maskstat.stats.multiway import shared_by_all_log_tails

TESTS, N = 10_000, 100_000_000
FEW = 20
"""What scipy is given of them; its time is scaled."""


class Overlaps:
    """Overlaps within a few standard deviations of chance."""

    def __init__(self, kept):
        rng = np.random.default_rng(0)
        self.a, self.b = np.broadcast_arrays(*kept(rng), np.zeros(TESTS, np.int64))[:2]
        mean = self.a / N * self.b
        sd = np.sqrt(mean * ((N - self.a) / N) * ((N - self.b) / N))
        self.x = np.rint(mean + rng.normal(0, 3, TESTS) * sd).astype(np.int64)


def ours(overlaps):
    """Both tails of all; the upper ones of a few are what scipy can be asked."""

    def work():
        _, above = log_tails(overlaps.x, N, overlaps.a, overlaps.b)
        return np.exp(above[:FEW])

    return work


def scipy_sf(overlaps):
    from scipy.stats import hypergeom

    x, a, b = (v[:FEW] for v in (overlaps.x, overlaps.a, overlaps.b))
    return lambda: hypergeom.sf(x - 1, N, a, b)


def tails(kept):
    def make(quick):
        overlaps = Overlaps(kept)
        made = [
            Contender(name="maskstat, both tails", setup=partial(ours, overlaps)),
            Contender(
                name="scipy.stats, upper tail",
                setup=partial(scipy_sf, overlaps),
                part=FEW / TESTS,
            ),
        ]
        from scipy.stats import hypergeom

        few = slice(0, FEW)
        return made, hypergeom.sf(overlaps.x[few] - 1, N, overlaps.a[few], overlaps.b[few])

    return make


def k_way(quick):
    """One test of k masks, each half dense, at N = 1e10, 5 standard deviations above chance."""

    def test(k):
        mean = 10**10 * 0.5**k
        arguments = (round(mean + 5 * mean**0.5), 10**10, [5 * 10**9] * k)
        return lambda: shared_by_all_log_tails(*arguments)

    made = [
        Contender(name=f"maskstat, {k} masks", setup=partial(test, k), answers=False)
        for k in (5, 10, 30)
    ]
    return made, None


def whole(quick):
    """30 LeNet runs, all 435 pairs, 6 iterations, all layers, intervals and corrections."""
    n_runs = 10 if quick else 30
    rng = np.random.default_rng(0)
    runs = []
    for index in range(n_runs):
        ranks = {name: rng.random(shape) for name, shape in LENET.items()}
        masks = [
            Mask.from_arrays({name: r < density for name, r in ranks.items()})
            for density in (0.5, 0.4, 0.2, 0.1, 0.05, 0.02)
        ]
        runs.append(Run.from_masks(f"run{index}", masks))
    made = [
        Contender(
            name="maskstat.compare", setup=lambda: lambda: len(compare(*runs, iteration="all"))
        )
    ]
    return made, n_runs * (n_runs - 1) // 2 * 6 * 6


def spread(rng):
    return rng.integers(10**6, N // 2, (2, TESTS))


def half(rng):
    return N // 2, N // 2


UNEXPLAINED = (
    "Why is not established. The notes behind the bar give 45 ms for one sf at the mean and "
    "N = 1e8 with SciPy 1.17, and elsewhere 5 to 600 us; here the same version takes 50 to 120 us "
    "a test in one call. Ours takes about 2.5 us for both tails."
)

CHECKS = [
    Check(
        name=name,
        work=f"10,000 hypergeometric tests at N = 1e8, {kept}",
        contenders=tails(draw),
        bars=[
            Bar(
                ours="maskstat, both tails",
                peer="scipy.stats, upper tail",
                at_least=50,
                reached=reached,
                reason=UNEXPLAINED,
            )
        ],
        rtol=1e-5,
    )
    for name, kept, draw, reached in (
        ("tails", "kept 1 % to 50 %", spread, 20),
        ("tails-half", "kept 50 %", half, 45),
    )
] + [
    Check(name="k-way", work="one test of what k masks share, N = 1e10", contenders=k_way),
    Check(
        name="compare",
        work="compare: 435 pairs x 6 iterations x (5 layers + total) of LeNets (quick: 45 pairs)",
        contenders=whole,
    ),
]
