"""Which machine, which versions, when, and how busy."""

from __future__ import annotations

import datetime
import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["facts"]

PACKAGES = (
    "maskstat", "numpy", "scipy", "h5py", "click", "torch", "scikit-learn", "bitarray", "simsimd",
    "safetensors", "pillow",
)  # fmt: skip
WIDE = ("avx2", "avx512f", "avx512_vpopcntdq", "asimd", "sve")
"""What a population count gains from."""


def facts():
    """Return everything that a number has to be read with, JSON-ready."""
    described = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    flags = {*_field(described, "flags").split(), *_field(described, "Features").split()}
    cores = len(os.sched_getaffinity(0))
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "load": [round(load, 2) for load in os.getloadavg()],
        "cpu": _field(described, "model name") or platform.processor(),
        "cpu_model": "/".join(_field(described, name) for name in ("cpu family", "model")),
        "simd": [flag for flag in WIDE if flag in flags],
        "cores": cores,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "os": platform.platform(),
        "python": platform.python_version(),
        "compiler": _compiler(),
        "commit": _commit(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _field(described, name):
    found = re.search(rf"^{name}\s*:\s*(.*)$", described, re.M)
    return found[1].strip() if found else ""


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _first_line(*command):
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=Path(__file__).parent, check=False
    )
    return done.stdout.partition("\n")[0].strip() if done.returncode == 0 else ""


def _compiler():
    return _first_line("cc", "--version") or "none"


def _commit():
    commit = _first_line("git", "rev-parse", "--short", "HEAD")
    changed = _first_line("git", "status", "--porcelain", "--", "../maskstat")
    return commit + (" with changes" if commit and changed else "")
