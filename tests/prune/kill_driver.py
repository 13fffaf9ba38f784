"""Kill a pruning run again and again and let it finish: python kill_driver.py FOLDER TIMES SEED.

Torch is imported once and each run is a forked child, so that a kill costs a second, not four.
Prints a JSON object: digest and SHA-256 of the undisturbed run, and of every killed one with the
moment of the kill, how many rows were there then, and what was left in its folder at the end.
"""

import hashlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from maskstat.archive import open_archive
from maskstat.prune import Recipe, prune

RECIPE = Recipe(iterations=4, epochs=1, batch_size=64)


def start(path):
    """Fork a child that prunes."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            prune(RECIPE, output=path)
            status = 0
        finally:
            os._exit(status)
    return child


def finish(path):
    """Prune to the end in a child, and say what came out."""
    _, status = os.waitpid(start(path), 0)
    assert os.waitstatus_to_exitcode(status) == 0
    with open_archive(path) as archive:
        digest = archive.content_digest
    return {"digest": digest, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def killed(path, seconds):
    """Kill a run after some seconds, then let it finish."""
    child = start(path)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    rows = 0
    if path.exists():
        with open_archive(path) as archive:
            rows = next(iter(archive.runs.values())).n_iterations
    was_killed = os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    result = finish(path)
    left = sorted(entry.name for entry in path.parent.iterdir())
    return {"seconds": seconds, "killed": was_killed, "rows": rows, "left": left, **result}


def main(folder, times, seed):
    prune(Recipe(iterations=1, epochs=1))  # imports and warms up what the children share
    began = time.monotonic()
    reference = folder / "reference.h5"
    result = {"reference": finish(reference)}
    duration = time.monotonic() - began
    moments = random.Random(seed)
    runs = []
    for number in range(4 * times):  # some come too late and kill nothing
        if sum(run["killed"] for run in runs) == times:
            break
        path = folder / str(number) / "run.h5"
        path.parent.mkdir()
        runs.append(killed(path, moments.uniform(0, duration)))
    print(json.dumps({**result, "runs": runs}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
