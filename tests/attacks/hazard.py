"""What a hazard is, and three ways to build one: change an archive, its bytes, or the path."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "archive"))

from conftest import default_image, put, seal
from hdf5_fields import Field, blocks, changed, fields, lookup3, mended
from judge import Judge

__all__ = [
    "HAZARDS",
    "RUN",
    "Field",
    "Hazard",
    "Judge",
    "alter",
    "blocks",
    "changed",
    "default_image",
    "edit",
    "field",
    "fields",
    "lookup3",
    "make_canaries",
    "mended",
    "place",
    "put",
    "with_field",
]

RUN = "runs/lenet-0"
SECRET = b"the secret of the canary"

Build = Callable[[Path, Path], None]
Edit = Callable[[h5py.File, Path], None]


class Hazard(NamedTuple):
    """What is wrong with a file, and the code of the error that must say so."""

    name: str
    code: str
    build: Build
    """Takes the path to build at, and a folder with canaries that nothing may open."""


HAZARDS: dict[str, Hazard] = {}


def place(code: str, name: str) -> Callable[[Build], Build]:
    """Register what is built at the path."""

    def register(build: Build) -> Build:
        assert name not in HAZARDS, name
        HAZARDS[name] = Hazard(name, code, build)
        return build

    return register


def edit(code: str, name: str, *, sealed: bool = False, libver: Any = ("v110", "v110")) -> Any:
    """Register a change made to an archive through h5py, with new digests if `sealed`."""

    def register(change: Edit) -> Edit:
        def build(path: Path, canaries: Path) -> None:
            path.write_bytes(default_image())
            with h5py.File(path, "r+", libver=libver) as file:
                change(file, canaries)
                if sealed:
                    seal(file)

        place(code, name)(build)
        return change

    return register


def alter(code: str, name: str) -> Any:
    """Register a change of an archive's bytes."""

    def register(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
        place(code, name)(lambda path, canaries: _write(path, change(default_image())))
        return change

    return register


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def field(name: str, *, behind: bytes = b"") -> Field:
    """Find a metadata field of the untouched archive, the first one behind some text."""
    start = default_image().index(behind) if behind else 0
    return next(f for f in fields(default_image()) if f.name == name and f.at >= start)


def with_field(name: str, value: int, *, behind: bytes = b"") -> bytes:
    """Return the untouched archive with one field changed and its checksum mended."""
    return changed(default_image(), field(name, behind=behind), value)


def make_canaries(folder: Path) -> None:
    """Fill a folder with what hostile files point at."""
    (folder / "plugins").mkdir(parents=True)
    (folder / "canary.bin").write_bytes(SECRET * 100)
    with h5py.File(folder / "canary.h5", "w") as file:
        file["x"] = np.frombuffer((SECRET * 100)[:860], "<u2")
        file.create_group("group")
