"""Write, verify and compare an archive of 1e9 weights x 3 iterations beside the plain disk.

    python benchmarks/large_archive.py [--weights N] [--folder FOLDER]

Each step is a process of its own; its peak of memory has to stay under 600 MB. Prints a Markdown
table: seconds, MB of packed masks a second (decompressed: 375 MB for 1e9 weights x 3), seconds of
the CPU, peak. Files are dropped from the page cache before they are read. Ends with status 1 if the
bar is not met.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ITERATIONS = 3
LAYERS = 12
TILE = 1 << 20
BAR = 600
BLOCK = 1 << 20


class RepeatedMasks:
    """Random masks as large as wanted: row 0 dense, row 1 half, row 2 an eighth of the weights.

    A tile of 8 MiB is repeated, far beyond the window of deflate.
    """

    n_rows = ITERATIONS

    def __init__(self, layout):
        import numpy as np

        self.n_words = layout.n_words
        bits = np.random.default_rng(0).integers(0, 1 << 64, (3, TILE), np.uint64)
        self._tiles = np.stack([np.full(TILE, ~np.uint64(0)), bits[0], bits[0] & bits[1] & bits[2]])
        self._ends = layout.edges[1:] - 1
        used = layout.sizes % 64
        self._tails = [(1 << int(n)) - 1 if n else (1 << 64) - 1 for n in used]

    def words(self, row, start, stop):
        import numpy as np

        ends = [*range((start // TILE + 1) * TILE, stop, TILE), stop]
        starts = [start, *ends[:-1]]
        tile = self._tiles[row]
        found = np.concatenate(
            [tile[i % TILE : i % TILE + j - i] for i, j in zip(starts, ends, strict=True)]
        )
        for end, tail in zip(self._ends, self._tails, strict=True):
            if start <= end < stop:
                found[end - start] &= np.uint64(tail)
        return found


def make(path, n_weights):
    """Write the archive; prints the seconds of the writing alone."""
    import numpy as np

    import maskstat
    from maskstat.bits import layer_counts
    from maskstat.layout import Layout
    from maskstat.mask import Mask
    from maskstat.run import Run

    sizes = {f"layer{i}": (n_weights // LAYERS + (i < n_weights % LAYERS),) for i in range(LAYERS)}
    layout = Layout.from_shapes(sizes)
    masks = RepeatedMasks(layout)

    class Row:
        def __init__(self, row):
            self.row, self.n_words = row, layout.n_words

        def words(self, start, stop):
            return masks.words(self.row, start, stop)

    kept = np.stack([layer_counts(Row(t), layout.edges) for t in range(ITERATIONS)])
    run = Run(run_id="large", layout=layout, masks=masks, kept=kept)
    assert Mask(layout, Row(0)).n_kept == n_weights
    began = time.monotonic()
    maskstat.write(path, [run])
    print(time.monotonic() - began)


def verified(path):
    from maskstat.archive.verify import verify

    began = time.monotonic()
    assert verify(path).ok
    print(time.monotonic() - began)


def compared(path):
    import maskstat

    began = time.monotonic()
    run = maskstat.read(path)
    table = maskstat.compare(run.mask(1), run.mask(2))
    total = table.where(layer="total")[0]
    assert total["shared"] == total["kept_b"], "the masks are nested"
    print(time.monotonic() - began)


def plain_write(path, n_bytes):
    """Write as many random bytes with nothing in between."""
    block = os.urandom(BLOCK)
    began = time.monotonic()
    with open(path, "wb", buffering=0) as file:
        for start in range(0, n_bytes, BLOCK):
            file.write(block[: min(BLOCK, n_bytes - start)])
        os.fsync(file.fileno())
    print(time.monotonic() - began)


def plain_read(path):
    began = time.monotonic()
    with open(path, "rb", buffering=0) as file:
        while file.read(BLOCK):
            pass
    print(time.monotonic() - began)


def forget(path):
    """Drop a file from the page cache."""
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measured(*step):
    """Run one step as a process; return its seconds, those of its CPU, and its peak in MB."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--step", *map(str, step)], stdout=subprocess.PIPE, text=True
    )
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{step[0]} failed")
    seconds = usage.ru_utime + usage.ru_stime
    return float(output.split()[-1]), seconds, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=int, default=10**9)
    parser.add_argument("--folder", default=None)
    parser.add_argument("--step", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        name, path, *rest = options.step
        steps = {"write": make, "verify": verified, "compare": compared,
                 "plain write": plain_write, "plain read": plain_read}  # fmt: skip
        steps[name](path, *map(int, rest))
        return 0
    n = options.weights
    content = ITERATIONS * n / 8e6
    worst = 0.0
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path, plain = Path(folder) / "large.h5", Path(folder) / "plain"
        print("| step | seconds | MB of masks a second | CPU seconds, start and all | peak MB |")
        print("|---|---|---|---|---|")
        for name, where, *rest, rows in (
            ("write", path, n, ITERATIONS),
            ("plain write", plain, None, ITERATIONS),
            ("verify", path, ITERATIONS),
            ("compare", path, ITERATIONS - 1),
            ("plain read", plain, ITERATIONS),
        ):
            rest = [path.stat().st_size] if rest == [None] else rest
            if where.exists():
                forget(where)
            seconds, cpu, peak = measured(name, where, *rest)
            worst = worst if name.startswith("plain") else max(worst, peak)
            rate = content * rows / ITERATIONS / seconds
            print(f"| {name} | {seconds:.2f} | {rate:,.0f} | {cpu:.2f} | {peak:,.0f} |", flush=True)
        size = path.stat().st_size / 1e6
    print(f"\nThe archive takes {size:,.0f} MB, its masks {content:,.0f} MB unpacked.")
    return int(worst > BAR)


if __name__ == "__main__":
    sys.exit(main())
