"""What a report of a bug has to say about the machine: versions, extras, device, folders.

Libraries are imported in processes of their own: one that is broken may take its process with it.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import maskstat

__all__ = ["Finding", "examine", "shortened"]

_PATIENCE = 120.0
"""Seconds that a library may take to be imported; torch on a cold network disk is slow."""

_WITH_PASSWORDS = ("MASKSTAT_MIRROR", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
"""Variables whose values are not said."""
_FOR_DEVELOPERS = ("dev", "docs", "bench")
_TELL_TORCH = """
import json, torch
count = torch.cuda.device_count() if torch.cuda.is_available() else 0
print(json.dumps({
    "cuda": [torch.cuda.get_device_name(i) for i in range(count)],
    "built": torch.version.cuda or torch.version.hip or "",
    "mps": torch.backends.mps.is_available(),
    "threads": torch.get_num_threads(),
}))
"""
_TELL = {"h5py": "import h5py; print(h5py.version.hdf5_version)", "torch": _TELL_TORCH}
"""What is asked of a library besides being imported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing about this machine.

    Parameters
    ----------
    part
        What it belongs to: versions, extras, machine, device, data, folders, terminal,
        environment.
    item
        What it is.
    found
        What was found.
    ok
        Whether it will do; None where that is no question.
    advice
        What helps where it will not do.
    """

    part: str
    item: str
    found: str
    ok: bool | None = None
    advice: str = ""


def shortened(path: str | os.PathLike[str]) -> str:
    """Write a path without the user's name: the home folder is ``~``."""
    text, home = os.fspath(path), str(Path.home())
    if home != os.sep and (text == home or text.startswith(home + os.sep)):
        return "~" + text[len(home) :]
    return text


def examine() -> Iterator[Finding]:
    """Find everything, part by part."""
    packages = _packages()
    with ThreadPoolExecutor(2) as pool:
        asked = {  # the slowest first
            name: pool.submit(_ask, _TELL.get(name, f"import {name}"))
            for name in sorted({p.name for p in packages}, key=lambda name: name != "torch")
            if _installed(name)
        }
        told = {name: answer.result() for name, answer in asked.items()}
    yield from _versions()
    yield from (_judged(p, told.get(p.name)) for p in packages if not p.extra)
    hdf5, trouble = told.get("h5py", ("", "h5py is not installed"))
    yield Finding(part="versions", item="HDF5", found=hdf5 or trouble, ok=bool(hdf5))
    yield from (_judged(p, told.get(p.name)) for p in packages if p.extra)
    yield from _machine()
    yield from _devices(told.get("torch"))
    yield from _folders()
    yield from _environment()


def _ask(code: str) -> tuple[str, str]:
    """Run a line of Python in a process; return what it prints, or else what went wrong."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return "", f"no answer in {_PATIENCE:.0f} s"
    except OSError as error:
        return "", str(error)
    if done.returncode < 0:
        return "", f"killed by signal {-done.returncode}"
    if done.returncode:
        return "", (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
    return done.stdout.strip(), ""


class _Package(NamedTuple):
    """A package that maskstat, or an extra of it, needs."""

    name: str
    least: str
    extra: str


def _packages() -> list[_Package]:
    """Return what the installation's metadata name, what is only for developers left out."""
    try:
        lines = metadata.requires("maskstat") or []
    except metadata.PackageNotFoundError:
        return []
    found = []
    for line in lines:
        spec, _, marker = line.partition(";")
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)", marker)
        name = re.match(r"[\w.-]+", spec.strip())
        least = re.search(r">=\s*([\d.]+)", spec)
        if name and not (extra and extra[1] in _FOR_DEVELOPERS):
            found.append(_Package(name[0], least[1] if least else "", extra[1] if extra else ""))
    return found


def _installed(package: str) -> str:
    """Return the version of a package; empty where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _numbers(version: str) -> list[int]:
    """Take a version apart; 2.0 is 2, and what follows the numbers counts for nothing."""
    numbers = [int(number) for number in re.findall(r"\d+", re.split(r"[^\d.]", version)[0])]
    while numbers and not numbers[-1]:
        numbers.pop()
    return numbers


def _judged(package: _Package, told: tuple[str, str] | None) -> Finding:
    """Say which version of a package is there, and whether it will do."""
    version, extra = _installed(package.name), package.extra
    trouble = "" if told is None else told[1]
    ok: bool | None = True
    if not version:
        found, ok = "not installed", None if extra else False
    elif _numbers(version) < _numbers(package.least):
        found, ok = f"{version}, older than {package.least}", False
    elif trouble:
        found, ok = f"{version}, cannot be imported: {trouble}", False
    else:
        found = version
    helps = f"pip install 'maskstat[{extra}]'" if extra else "pip install --upgrade maskstat"
    return Finding(
        part="extras" if extra else "versions",
        item=f"{package.name} [{extra}]" if extra else package.name,
        found=found,
        ok=ok,
        advice="" if ok else helps,
    )


def _versions() -> Iterator[Finding]:
    where = shortened(Path(maskstat.__file__).parent)
    python = f"{platform.python_version()} ({platform.python_implementation()})"
    yield Finding(part="versions", item="maskstat", found=f"{maskstat.__version__} in {where}")
    recorded = _installed("maskstat")
    if recorded != maskstat.__version__:
        yield Finding(
            part="versions",
            item="installation",
            found=f"recorded as {recorded}" if recorded else "not recorded",
            ok=False,
            advice="pip install --force-reinstall --no-deps maskstat",
        )
    yield Finding(part="versions", item="python", found=f"{python} {shortened(sys.executable)}")
    yield Finding(part="versions", item="system", found=platform.platform())


def _machine() -> Iterator[Finding]:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = _first_line("/sys/fs/cgroup/cpu.max").split()
    share = ""
    if len(quota) == 2 and quota[0].isdigit():
        share = f", {int(quota[0]) / int(quota[1]):.3g} by its control group"
    yield Finding(
        part="machine", item="cores", found=f"{allowed} allowed of {os.cpu_count()}{share}"
    )
    memory = dict(re.findall(r"^(\w+):\s+(\d+) kB", _text("/proc/meminfo"), re.MULTILINE))
    if {"MemTotal", "MemAvailable"} <= memory.keys():
        total, free = (int(memory[name]) * 1024 for name in ("MemTotal", "MemAvailable"))
        limit = _first_line("/sys/fs/cgroup/memory.max")
        cap = f", limited to {_size(int(limit))}" if limit.isdigit() else ""
        yield Finding(
            part="machine", item="memory", found=f"{_size(free)} free of {_size(total)}{cap}"
        )


def _devices(told: tuple[str, str] | None) -> Iterator[Finding]:
    yield Finding(part="device", item="cpu", found=platform.processor() or platform.machine())
    if told is None or told[1]:  # said among the extras
        return
    torch = json.loads(told[0])
    for index, name in enumerate(torch["cuda"]):
        yield Finding(part="device", item=f"cuda:{index}", found=name, ok=True)
    if not torch["cuda"]:
        built = f"torch is built for {torch['built']}" if torch["built"] else "torch without CUDA"
        yield Finding(part="device", item="cuda", found=f"none; {built}")
    if torch["mps"]:
        yield Finding(part="device", item="mps", found="available", ok=True)
    yield Finding(part="device", item="torch threads", found=str(torch["threads"]))


def _folders() -> Iterator[Finding]:
    from maskstat.prune.data.places import default_data_dir
    from maskstat.prune.data.present import WAYS, present

    home = default_data_dir()
    yield _folder("data", "folder", home, "--data-dir, or MASKSTAT_DATA")
    words = {"whole": "here", "part": "only some files are here", "none": "not here"}
    for name in WAYS:
        state = present(name)
        advice = "" if state == "whole" else "--download"
        yield Finding(part="data", item=name, found=words[state], advice=advice)
    yield _folder("folders", "temporary", Path(tempfile.gettempdir()), "TMPDIR")
    yield _folder("folders", "current", Path.cwd(), "another folder, or --output")


def _folder(part: str, item: str, path: Path, advice: str) -> Finding:
    """Say whether files can be written in a folder, or where it would be made."""
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    state = "" if there == path else ", not there yet"
    try:
        with tempfile.TemporaryFile(dir=there):
            free = _size(shutil.disk_usage(there).free)
    except OSError as error:
        found = f"{shortened(path)}{state}: cannot be written to: {error.strerror}"
        return Finding(part=part, item=item, found=found, ok=False, advice=advice)
    return Finding(part=part, item=item, found=f"{shortened(path)}{state}, {free} free", ok=True)


def _environment() -> Iterator[Finding]:
    for name, stream in (("stdout", sys.stdout), ("stderr", sys.stderr)):
        kind = "a terminal" if stream.isatty() else "no terminal"
        yield Finding(part="terminal", item=name, found=f"{kind}, {stream.encoding}")
    columns, lines = shutil.get_terminal_size()
    yield Finding(part="terminal", item="size", found=f"{columns} columns, {lines} lines")
    for variable in ("TERM", "NO_COLOR", "LANG", "LC_ALL"):
        if value := os.environ.get(variable):
            yield Finding(part="terminal", item=variable, found=value)
    plain = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "HDF5_USE_FILE_LOCKING")
    for variable in plain:
        if value := os.environ.get(variable):
            yield Finding(part="environment", item=variable, found=value)
    settings = sorted(name for name in os.environ if name.startswith("MASKSTAT_"))
    for variable in ("XDG_CACHE_HOME", "TMPDIR", *settings):
        if (value := os.environ.get(variable)) and variable not in _WITH_PASSWORDS:
            yield Finding(part="environment", item=variable, found=shortened(value))
    for variable in _WITH_PASSWORDS:
        if os.environ.get(variable):
            yield Finding(part="environment", item=variable, found="set")


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _first_line(path: str) -> str:
    return _text(path).partition("\n")[0].strip()


def _size(n: float) -> str:
    return f"{n / 2**30:.1f} GiB"
