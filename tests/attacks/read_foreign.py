"""Build every hazard in a foreign format, read each in a child, and say what became of it.

python tests/attacks/read_foreign.py FOLDER [--json]

Each child may take 200 MB of addresses more than it began with. While it reads, the folder of
canaries is watched as in read_hazards.py, and code in a file would leave a file there.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import foreign_arrays  # noqa: F401
import foreign_folders  # noqa: F401
import foreign_hdf5  # noqa: F401
import foreign_torch  # noqa: F401
from foreign import HAZARDS, Hazard, npy, safetensors
from hazard import make_canaries
from judge import EXTRA_MEMORY, SECONDS, limit_memory
from read_hazards import Watch

from maskstat.convert.read import read_all
from maskstat.errors import MaskstatError


def more_canaries(folder: Path) -> None:
    """Good masks that a name or link might lead to."""
    entry = {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}
    (folder / "canary.safetensors").write_bytes(safetensors({"b": entry}, bytes(4)))
    (folder / "canary.npy").write_bytes(npy())
    main = folder / "replicate_1" / "level_0" / "main"
    main.mkdir(parents=True)
    (main / "mask.pth").write_bytes(b"")


def read_whole(path: str, format_name: str | None) -> str:
    """Read everything that a user can get of a file; return the error's code."""
    try:
        for run, _ in read_all([path], format=format_name):
            for iteration in range(run.n_iterations):
                run.mask(iteration).words()
            for weights in run.weights.values():
                weights.values[:]
    except MaskstatError as error:
        lines = str(error).splitlines()
        return error.code if all(line.isprintable() for line in lines) else f"prints {lines!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "read"


def verdict(path: Path, hazard: Hazard) -> tuple[str, float]:
    """Read a file in a child; return what it said, and its peak in MB."""
    theirs, ours = os.pipe()
    child = os.fork()
    if not child:
        limit_memory(EXTRA_MEMORY)
        signal.alarm(SECONDS)
        try:
            os.write(ours, read_whole(str(path), hazard.said).encode())
        finally:
            os._exit(0)
    os.close(ours)
    said = os.read(theirs, 1 << 16).decode()
    os.close(theirs)
    _, status, usage = os.wait4(child, 0)
    return said or f"killed by {-os.waitstatus_to_exitcode(status)}", usage.ru_maxrss / 1024


def children_seconds() -> float:
    """CPU time of the children that ended: a busy machine makes no hazard slow."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def judged(folder: Path, hazard: Hazard, watch: Watch) -> dict[str, Any]:
    path = folder / hazard.name
    began = time.monotonic()
    hazard.build(path, folder / "canaries")
    built = time.monotonic() - began
    before = sorted(folder.rglob("canaries/**/*"))
    watch.opened()
    began = children_seconds()
    outcome, megabytes = verdict(path, hazard)
    seconds = children_seconds() - began
    opened = watch.opened()
    changed = sorted(folder.rglob("canaries/**/*")) != before
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    return {
        "name": hazard.name,
        "code": hazard.code,
        "outcome": outcome,
        "torch": hazard.torch,
        "megabytes": round(megabytes, 1),
        "seconds": round(seconds, 2),
        "built": round(built, 2),
        "opened": opened,
        "changed": changed,
    }


def main(folder: Path) -> list[dict[str, Any]]:
    canaries = folder / "canaries"
    make_canaries(canaries)
    more_canaries(canaries)
    watch = Watch(canaries)
    (canaries / "canary.bin").read_bytes()
    assert watch.opened(), "the watch does not see what it should"
    hazards = sorted(HAZARDS.values(), key=lambda hazard: hazard.torch)
    found = []
    for hazard in hazards:
        if hazard.torch and "torch" not in sys.modules:
            import torch

            torch.set_num_threads(1)
        found.append(judged(folder, hazard, watch))
    return found


if __name__ == "__main__":
    results = main(Path(sys.argv[1]))
    if "--json" in sys.argv:
        print(json.dumps(results))
    else:
        right = sum(result["code"] == result["outcome"] for result in results)
        touched = sum(result["opened"] or result["changed"] for result in results)
        most = max(result["megabytes"] for result in results if not result["torch"])
        print(
            f"{len(results)} hazards, {right} refused with their code, {touched} canaries touched,"
        )
        print(f"at most {most} MB in a process that read one without torch")
