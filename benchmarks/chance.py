"""Statistics against scipy.stats, and whole comparisons: python benchmarks/chance.py.

Every result is checked before it is timed. Prints medians and ratios of one run, one thread.
"""

import functools
import statistics
import time

import numpy as np
from scipy import stats as scipy_stats

from maskstat.mask import Mask
from maskstat.run import Run
from maskstat.stats.compare import compare
from maskstat.stats.hypergeometric import log_tails
from maskstat.stats.multiway import shared_by_all_log_tails
from maskstat.stats.spearman import spearman

LENET = {
    "conv1.weight": (6, 1, 3, 3),
    "conv2.weight": (16, 6, 3, 3),
    "fc1.weight": (120, 400),
    "fc2.weight": (84, 120),
    "fc3.weight": (10, 84),
}


def seconds(function, repeats=5):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def pair_tests():
    """10,000 hypergeometric tests, both tails, at N = 1e8, against scipy's upper tail alone."""
    rng = np.random.default_rng(0)
    n, N = 10_000, 100_000_000
    kept = {"kept 1 % to 50 %": rng.integers(10**6, N // 2, (2, n)), "kept 50 %": (N // 2, N // 2)}
    for name, sizes in kept.items():
        a, b = np.broadcast_arrays(*sizes, np.zeros(n, np.int64))[:2]
        sd = np.sqrt(a / N * b * ((N - a) / N) * ((N - b) / N))
        x = np.rint(a / N * b + rng.normal(0, 3, n) * sd).astype(np.int64)
        _, above = log_tails(x, N, a, b)
        few = slice(0, 20)
        sample = functools.partial(scipy_stats.hypergeom.sf, x[few] - 1, N, a[few], b[few])
        np.testing.assert_allclose(np.exp(above[few]), sample(), rtol=1e-5)
        ours = seconds(functools.partial(log_tails, x, N, a, b))
        theirs = seconds(sample, repeats=3) * n / 20
        print(
            f"10,000 pair tests, N = 1e8, {name}: {ours:.3f} s; scipy.stats {theirs:.2f} s (of 20)"
        )
        print(f"  ratio {theirs / ours:.0f}")


def k_way():
    """One k-way test at N = 1e10."""
    N = 10**10
    for k in (5, 10, 30):
        mean = N * 0.5**k
        arguments = (round(mean + 5 * mean**0.5), N, [N // 2] * k)
        took = seconds(functools.partial(shared_by_all_log_tails, *arguments))
        print(f"shared by all {k} masks, N = 1e10: {took:.3f} s")


def sweep():
    """30 LeNet runs, all 435 pairs, 6 iterations, all layers, intervals and corrections."""
    rng = np.random.default_rng(0)
    runs = []
    for index in range(30):
        ranks = {name: rng.random(shape) for name, shape in LENET.items()}
        masks = [
            Mask.from_arrays({name: r < density for name, r in ranks.items()})
            for density in (0.5, 0.4, 0.2, 0.1, 0.05, 0.02)
        ]
        runs.append(Run.from_masks(f"run{index}", masks))
    assert len(compare(*runs, iteration="all")) == 435 * 6 * 6
    took = seconds(lambda: compare(*runs, iteration="all"), 3)
    print(f"435 pairs x 6 iterations x (5 layers + total): {took:.2f} s")


def ranks():
    """Spearman of 1e7 float32 weights against scipy.stats.spearmanr."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=10_000_000).astype(np.float32)
    y = (0.3 * x + rng.normal(size=x.size)).astype(np.float32)
    assert abs(spearman(x, y).rho - scipy_stats.spearmanr(x, y).statistic) < 1e-12
    ours = seconds(lambda: spearman(x, y), 3)
    theirs = seconds(lambda: scipy_stats.spearmanr(x, y), 1)
    print(f"Spearman, 1e7 float32: {ours:.2f} s; scipy.stats {theirs:.2f} s")
    print(f"  ratio {theirs / ours:.1f}")


if __name__ == "__main__":
    pair_tests()
    k_way()
    sweep()
    ranks()
