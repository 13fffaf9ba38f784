"""Every hazard of an archive is refused with its code, touches nothing else, and costs little."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from maskstat.archive import spec

DRIVER = Path(__file__).parent / "read_hazards.py"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

NOT_OF_A_FILE = {
    "no-such-file", "closed-archive", "no-such-run", "bad-run", "duplicate-run", "output-exists",
    "not-a-folder", "not-a-run", "no-such-folder", "permission-denied", "disk-full", "write-failed",
}  # fmt: skip
"""Codes that say something about what was asked for, or where to write."""


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("hazards")
    done = subprocess.run(
        [sys.executable, DRIVER, folder, "--json"],
        capture_output=True, text=True, check=True, env=ENVIRONMENT,
    )  # fmt: skip
    found: list[dict[str, Any]] = json.loads(done.stdout)
    print(f"{len(found)} hazards, at most {max(f['megabytes'] for f in found)} MB")
    return found


def test_each_is_refused_with_its_code(read: list[dict[str, Any]]) -> None:
    assert [f for f in read if f["outcome"] != f["code"] or not f["refused"]] == []


def test_no_canary_is_opened(read: list[dict[str, Any]]) -> None:
    """Not by maskstat and not by a C library: the folder is watched by inotify."""
    assert [f["name"] for f in read if f["opened"]] == []


def test_memory_and_time_are_bounded(read: list[dict[str, Any]]) -> None:
    assert [f for f in read if f["megabytes"] > 200 or f["seconds"] > 5] == []
    assert max(f["megabytes"] for f in read) > 20, "nothing was measured"


def test_every_code_that_a_file_can_cause_has_a_hazard(read: list[dict[str, Any]]) -> None:
    assert {f["code"] for f in read} == set(spec.CODES) - NOT_OF_A_FILE


def test_the_library_alone_would_open_the_canaries(tmp_path: Path) -> None:
    """What the watch is for: h5py follows an external link, and the watch sees it."""
    code = (
        f"import sys; sys.argv = ['', {str(tmp_path)!r}]\n"
        f"sys.path.insert(0, {str(DRIVER.parent)!r})\n"
        "from pathlib import Path\n"
        "import h5py, read_hazards as r\n"
        "folder = Path(sys.argv[1])\n"
        "r.make_canaries(folder / 'canaries')\n"
        "path = folder / 'x.h5'\n"
        "r.HAZARDS['external-link-to-a-dataset'].build(path, folder / 'canaries')\n"
        "watch = r.Watch(folder / 'canaries')\n"
        "h5py.File(path)['runs/lenet-0/votes'][0]\n"
        "print(watch.opened())\n"
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=ENVIRONMENT
    )
    assert done.stdout == "True\n"
