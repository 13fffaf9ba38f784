"""Every check, theme by theme."""

from __future__ import annotations

import bench_many
import bench_pair
import bench_prune
import bench_ranks
import bench_size
import bench_startup
import bench_sweep
import bench_tails
import bench_votes

__all__ = ["CHECKS"]

CHECKS = {
    check.name: check
    for theme in (
        bench_pair,
        bench_many,
        bench_votes,
        bench_tails,
        bench_ranks,
        bench_size,
        bench_sweep,
        bench_startup,
        bench_prune,
    )
    for check in theme.CHECKS
}
"""By name, in the order in which they run."""
