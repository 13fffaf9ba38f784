"""Kill writers at random moments: python crash_driver.py FOLDER TIMES SEED KILL|TERM [--json]

Each writer is a forked child; half of them replace an archive, half go through a temporary file
that HDF5 writes to. Says what was at the target after each kill, and what was left in the folder
after the next writer.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from conftest import make_run

from maskstat import archive
from maskstat.archive import spec
from maskstat.archive.writer import recheck
from maskstat.cli.app import EXIT_TERMINATED, Terminated, _terminate
from maskstat.mask import Mask
from maskstat.run import Run


def large_run(seed: int) -> Run:
    """A run that takes a moment to write."""
    rng = np.random.default_rng(seed)
    arrays = [{"fc.weight": rng.random((1000, 2000)) < density} for density in (0.5, 0.1)]
    return Run.from_masks("large", [Mask.from_arrays(a) for a in arrays])


def write(path: Path, run: Run, *, streamed: bool) -> None:
    usual = spec.IMAGE_BYTES
    spec.IMAGE_BYTES = 0 if streamed else usual  # type: ignore[misc]
    try:
        archive.write(path, [run], overwrite=True)
    finally:
        spec.IMAGE_BYTES = usual  # type: ignore[misc]


def start(path: Path, run: Run, *, streamed: bool) -> int:
    """Fork a child that writes, and ends on SIGTERM as the command line does."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.signal(signal.SIGTERM, _terminate)
            write(path, run, streamed=streamed)
            status = 0
        except Terminated:
            status = EXIT_TERMINATED
        finally:
            os._exit(status)
    return child


def killed(
    path: Path, old: bytes, new: Run, seconds: float, sent: int, *, streamed: bool
) -> dict[str, object]:
    """Kill one writer, see what is there, and let the next writer do it."""
    path.parent.mkdir()
    if old:
        path.write_bytes(old)
    child = start(path, new, streamed=streamed)
    time.sleep(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, sent)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    found = "absent"
    if path.exists() and path.read_bytes() == old:
        found = "old"
    elif path.exists():
        with archive.open_archive(path) as opened:
            recheck(opened)
            found = "new" if opened.runs["large"].mask() == new.mask() else "something else"
    left = sorted(entry.name for entry in path.parent.iterdir())
    write(path, new, streamed=streamed)
    finally_left = sorted(entry.name for entry in path.parent.iterdir())
    return {
        "landed": code < 0 or code == 128 + sent,
        "code": code,
        "target": found,
        "replaced": bool(old),
        "temporary": any(name != path.name for name in left),
        "left": finally_left,
    }


def main(folder: Path, times: int, seed: int, sent: int) -> list[dict[str, object]]:
    new = large_run(1)
    old = archive.to_bytes([large_run(0)])
    archive.to_bytes([make_run()])  # imports what the children share
    durations = {}
    for streamed in (False, True):
        began = time.monotonic()
        os.waitpid(start(folder / f"warm-{streamed}.h5", new, streamed=streamed), 0)
        durations[streamed] = time.monotonic() - began
    moments = random.Random(seed)
    found: list[dict[str, object]] = []
    for number in range(6 * times):  # some come too late and kill nothing
        if sum(bool(one["landed"]) for one in found) == times:
            break
        streamed = number % 4 >= 2
        seconds = moments.uniform(0, 1.05 * durations[streamed])
        path = folder / f"{number}" / "run.h5"
        found.append(
            killed(path, old if number % 2 else b"", new, seconds, sent, streamed=streamed)
        )
    return found


if __name__ == "__main__":
    sent = {"KILL": signal.SIGKILL, "TERM": signal.SIGTERM}[sys.argv[4]]
    results = main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sent)
    if "--json" in sys.argv:
        print(json.dumps(results))
    else:
        landed = [one for one in results if one["landed"]]
        states = Counter(str(one["target"]) for one in landed)
        temporaries = sum(bool(one["temporary"]) for one in landed)
        after = sum(one["left"] != ["run.h5"] for one in results)
        print(f"{len(landed)} writers killed by SIG{sys.argv[4]}: target {dict(states)};")
        print(f"{temporaries} left a temporary file, {after} after the next writer")
