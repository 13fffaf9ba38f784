"""Time and peak memory against weights, masks, layers and runs: from archives, as users have them.

    python benchmarks/scale.py [--most-weights N] [--folder FOLDER] [--json FILE] [--draw FILE.svg]

Every point is a process of its own, which opens its archive, does the work and ends; the page
cache is warm. Seconds are those of the work, without imports; the peak is that of the whole
process. A JSON file that is there already is drawn, and nothing is measured. The last lines extend
the largest points, at their rates, to masks of 7e9 weights.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LARGE = {"weights": 7 * 10**9, "masks": 100}
TILE_WORDS = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One measurement: what is done, with how much."""

    curve: str
    work: str
    weights: int
    masks: int = 2
    layers: int = 16
    runs: int = 1

    @property
    def size(self) -> int:
        """What the curve runs over."""
        return int(getattr(self, self.curve))

    @property
    def megabytes(self) -> float:
        """All masks, packed."""
        return self.weights / 8e6 * self.masks * self.runs

    @property
    def archive(self) -> str:
        return f"{self.weights}-{self.masks}-{self.layers}-{self.runs}.h5"


def points(most_weights: int) -> Iterator[Point]:
    """Give the points of all curves, the larger ones later."""
    for exponent in range(5, int(math.log10(most_weights)) + 1):
        for work in ("write", "verify", "compare", "consensus"):
            yield Point(curve="weights", work=work, weights=10**exponent)
    for masks in (2, 4, 8, 16, 32, 64, 128):
        for work in ("all pairs", "consensus"):
            yield Point(curve="masks", work=work, weights=10**7, masks=masks)
    for layers in (1, 10, 100, 1_000, 10_000):
        for work in ("compare", "consensus"):
            yield Point(curve="layers", work=work, weights=10**7, layers=layers)
    for runs in (10, 30, 100, 300, 1_000):
        # A thousand runs have half a million pairs, six rows each.
        for work in ("list", "consensus", *(["all pairs"] if runs <= 300 else [])):
            yield Point(curve="runs", work=work, weights=61_470, layers=5, masks=21, runs=runs)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of masks."""

    rows: DrawnMasks
    row: int

    @property
    def n_words(self) -> int:
        return self.rows.n_words

    def words(self, start: int, stop: int) -> Any:
        return self.rows.words(self.row, start, stop)


class DrawnMasks:
    """The dense mask, then random ones that take no memory: a tile of 8 MiB, shifted by row."""

    def __init__(self, layout: Any, n_rows: int, seed: int) -> None:
        import numpy as np

        rng = np.random.default_rng(seed)
        self.n_words, self.n_rows = layout.n_words, n_rows
        words = rng.integers(0, 1 << 64, (3, min(TILE_WORDS, layout.n_words + n_rows)), np.uint64)
        self._tile = words[0] & words[1] & words[2]
        self._ends = layout.edges[1:] - 1
        used = layout.sizes % 64
        self._tails = np.array([(1 << int(n)) - 1 if n else (1 << 64) - 1 for n in used], np.uint64)

    def words(self, row: int, start: int, stop: int) -> Any:
        import numpy as np

        found = np.full(stop - start, ~np.uint64(0))
        if row:
            found = np.take(self._tile, np.arange(start + row, stop + row), mode="wrap")
        here = slice(*np.searchsorted(self._ends, [start, stop]))
        found[self._ends[here] - start] &= self._tails[here]
        return found


def drawn_run(point: Point, index: int) -> Any:
    """Make one run, its masks drawn as they are asked for."""
    import numpy as np

    from maskstat.bits import layer_counts
    from maskstat.layout import Layout
    from maskstat.run import Run

    each = point.weights // point.layers
    layout = Layout.from_shapes({f"layer{i}": (each,) for i in range(point.layers)})
    masks = DrawnMasks(layout, 1 + point.masks, seed=index)
    kept = np.stack([layer_counts(Row(masks, t), layout.edges) for t in range(masks.n_rows)])
    return Run(run_id=f"run-{index}", layout=layout, masks=masks, kept=kept)


def write(point: Point, path: str) -> float:
    """Write the archive; the masks are drawn before that."""
    import maskstat

    runs = [drawn_run(point, index) for index in range(point.runs)]
    began = time.perf_counter()
    maskstat.write(path, runs, overwrite=True)
    return time.perf_counter() - began


def worked(point: Point, path: str) -> float:
    """Do the work on the archive and return the seconds it took."""
    import maskstat
    from maskstat.archive import open_archive
    from maskstat.archive.verify import verify

    began = time.perf_counter()
    if point.work == "verify":
        assert all(found.ok or found.code == "not-nested" for found in verify(path).findings)
        return time.perf_counter() - began
    with open_archive(path) as archive:
        runs = list(archive.runs.values())
        if point.work == "list":
            assert sum(int(run.kept[-1].sum()) for run in runs) > 0
        elif point.runs > 1:
            run_work = maskstat.consensus if point.work == "consensus" else maskstat.compare
            run_work(*runs)
        else:
            masks = [runs[0].mask(1 + t) for t in range(point.masks)]
            (maskstat.consensus if point.work == "consensus" else maskstat.compare)(*masks)
    return time.perf_counter() - began


def measured(point: Point, folder: Path) -> dict[str, Any]:
    """Run one point as a process; return its seconds and its peak."""
    path = folder / point.archive
    if point.work != "write" and not path.exists():
        measured(Point(**asdict(point) | {"work": "write"}), folder)
    command = [sys.executable, __file__, "--step", json.dumps(asdict(point)), str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{point} failed")
    return asdict(point) | {"seconds": float(output), "peak_mb": usage.ru_maxrss / 1024}


def extended(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Extend the largest points to masks of 7e9 weights."""
    last = {(row["curve"], row["work"]): row for row in rows}
    weights, masks = LARGE["weights"], LARGE["masks"]
    for work, number in (("compare", 2), ("consensus", masks)):
        row = last["weights", work]
        rate = row["weights"] * row["masks"] / row["seconds"]
        took = weights * number / rate
        yield f"{work} {number}: {took:,.0f} s at {rate / 8e6:,.0f} MB of masks a second"
    row = last["masks", "all pairs"]
    rate = row["weights"] * math.comb(row["masks"], 2) / row["seconds"]
    took = weights * math.comb(masks, 2) / rate
    yield f"all pairs of {masks}: {took:,.0f} s at {rate / 1e9:,.1f}e9 pairs of bits a second"


def draw(rows: list[dict[str, Any]], path: str) -> None:
    """Draw seconds above, peak memory below, a column a curve."""
    from matplotlib.figure import Figure

    from maskstat.figures.style import COLOURS

    colours = dict(zip(sorted({row["work"] for row in rows}), COLOURS.values(), strict=False))
    curves = list(dict.fromkeys(row["curve"] for row in rows))
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    axes = figure.subplots(2, len(curves), sharex="col", sharey="row")
    for column, curve in enumerate(curves):
        ours = [row for row in rows if row["curve"] == curve]
        for work in dict.fromkeys(row["work"] for row in ours):
            found = [row for row in ours if row["work"] == work]
            sizes = [row[curve] for row in found]
            style = {"marker": "o", "ms": 3, "lw": 1.2, "color": colours[work], "label": work}
            axes[0, column].loglog(sizes, [row["seconds"] for row in found], **style)
            axes[1, column].loglog(sizes, [row["peak_mb"] for row in found], **style)
        axes[1, column].set_xlabel(curve)
        axes[0, column].legend(frameon=False, fontsize=8)
    axes[0, 0].set_ylabel("seconds")
    axes[1, 0].set_ylabel("peak memory (MB)")
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most-weights", type=float, default=1e9)
    parser.add_argument("--folder")
    parser.add_argument("--json")
    parser.add_argument("--draw")
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        point, path = Point(**json.loads(options.step[0])), options.step[1]
        print(write(point, path) if point.work == "write" else worked(point, path))
        return
    if options.json and os.path.exists(options.json):
        rows = json.loads(Path(options.json).read_text())
    else:
        rows = []
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            for point in points(int(options.most_weights)):
                rows.append(measured(point, Path(folder)))
                if options.json:
                    Path(options.json).write_text(json.dumps(rows, indent=1) + "\n")
                print(
                    f"{point.curve} {point.size:,}: {point.work} {rows[-1]['seconds']:.3f} s, "
                    f"{rows[-1]['peak_mb']:,.0f} MB, masks {point.megabytes:,.1f} MB",
                    flush=True,
                )
    print(*extended(rows), sep="\n")
    if options.draw:
        draw(rows, options.draw)


if __name__ == "__main__":
    main()
