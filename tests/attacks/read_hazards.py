"""Build every hazard, read each in a child, and say what became of it.

python tests/attacks/read_hazards.py FOLDER [--json]

While a file is read, everything in the folder of canaries is watched by inotify: whoever opens a
canary, Python or a C library, is seen. HDF5 is told to look for plugins there too.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
from pathlib import Path

os.environ["HDF5_PLUGIN_PATH"] = str(Path(sys.argv[1]) / "canaries" / "plugins")

import hazards_content  # noqa: F401
import hazards_file  # noqa: F401
import hazards_objects  # noqa: F401
import hazards_storage  # noqa: F401
from hazard import HAZARDS, Judge, default_image, make_canaries

OPENED = 0x20 | 0x01  # IN_OPEN | IN_ACCESS


class Watch:
    """Sees what is opened or read below a folder, by whatever program."""

    def __init__(self, folder: Path) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK)
        for path in (folder, *folder.rglob("*")):
            if self._libc.inotify_add_watch(self._descriptor, bytes(path), OPENED) < 0:
                raise OSError(ctypes.get_errno(), "inotify_add_watch")

    def opened(self) -> bool:
        """Tell whether anything was, since the last call."""
        try:
            return bool(os.read(self._descriptor, 1 << 16))
        except BlockingIOError:
            return False


def main(folder: Path) -> list[dict[str, object]]:
    make_canaries(folder / "canaries")
    for hazard in HAZARDS.values():
        hazard.build(folder / f"{hazard.name}.h5", folder / "canaries")
    watch = Watch(folder / "canaries")
    (folder / "canaries" / "canary.bin").read_bytes()
    assert watch.opened(), "the watch does not see what it should"
    found: list[dict[str, object]] = []
    with Judge(default_image(), measure=True) as judge:
        for hazard in HAZARDS.values():
            began = time.monotonic()
            verdict = judge.verdict(str(folder / f"{hazard.name}.h5"))
            found.append(
                {
                    "name": hazard.name,
                    "code": hazard.code,
                    "outcome": verdict.outcome,
                    "refused": verdict.refused,
                    "megabytes": round(verdict.megabytes, 1),
                    "seconds": round(time.monotonic() - began, 2),
                    "opened": watch.opened(),
                }
            )
    return found


if __name__ == "__main__":
    results = main(Path(sys.argv[1]))
    if "--json" in sys.argv:
        print(json.dumps(results))
    else:
        most = max(result["megabytes"] for result in results)
        right = sum(result["code"] == result["outcome"] for result in results)
        opened = sum(bool(result["opened"]) for result in results)
        print(f"{len(results)} hazards, {right} refused with their code, {opened} canaries opened,")
        print(f"at most {most} MB in the process that read them")
