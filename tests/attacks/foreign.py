"""What a hazard in somebody else's format is, and the small files that hazards are built of."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

__all__ = [
    "HAZARDS", "Code", "Hazard", "central", "hazard", "npy", "npy_header", "safetensors", "tensor",
    "torch_zip", "write", "zip_end", "zipped",
]  # fmt: skip

Build = Callable[[Path, Path], None]


class Hazard(NamedTuple):
    """What is wrong with a file or folder, and the code of the error that must say so."""

    name: str
    code: str
    build: Build
    """Takes the path to build at, and a folder with canaries that nothing may touch."""
    said: str | None
    """The format that the user says it has."""
    torch: bool
    """Whether torch is imported to read it."""


HAZARDS: dict[str, Hazard] = {}


def hazard(
    code: str, name: str, *, said: str | None = None, torch: bool = False
) -> Callable[[Build], Build]:
    """Register what is built at the path."""

    def register(build: Build) -> Build:
        assert name not in HAZARDS, name
        HAZARDS[name] = Hazard(name, code, build, said, torch)
        return build

    return register


def write(code: str, name: str, **options: Any) -> Any:
    """Register a function that gives a file's bytes; it takes the folder of canaries."""

    def register(content: Callable[[Path], bytes]) -> Callable[[Path], bytes]:
        def build(path: Path, canaries: Path) -> None:
            path.write_bytes(content(canaries))

        hazard(code, name, **options)(build)
        return content

    return register


class Code:
    """Unpickled, it makes a file in the folder of canaries."""

    def __init__(self, canaries: Path) -> None:
        self.canaries = canaries

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.canaries}/code-was-run",)

    def pickle(self, protocol: int = 2) -> bytes:
        return pickle.dumps({"fc.weight": self}, protocol)


def npy_header(shape: str, descr: str = "'|u1'", *, fortran: bool = False) -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def npy(n: int = 8) -> bytes:
    return npy_header(f"({n},)") + b"\1" * n


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return stream.getvalue()


def central(content: bytes, name: str) -> int:
    """Return where the directory's entry of a member begins."""
    at = content.index(b"PK\x01\x02")
    while content[at + 46 : at + 46 + len(name)] != name.encode():
        at = content.index(b"PK\x01\x02", at + 4)
    return at


def zip_end(n_entries: int, length: int, offset: int) -> bytes:
    """The end of a zip file with a directory of some length at some place, in its wide form."""
    wide = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, *[n_entries] * 2, length,
                       offset)  # fmt: skip
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, offset + length, 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, *[0xFFFF] * 2, *[0xFFFF_FFFF] * 2, 0)
    return wide + locator + end


def safetensors(header: dict[str, Any] | bytes, values: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + values


def torch_zip(data: bytes, parts: dict[str, bytes] | None = None, **options: Any) -> bytes:
    """The parts that torch.save writes, with any pickle."""
    members = {"x/data.pkl": data, "x/version": b"3\n", "x/byteorder": b"little", **(parts or {})}
    return zipped(members, options.get("method", zipfile.ZIP_STORED))


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def _int(number: int) -> bytes:
    octets = number.to_bytes(9, "little", signed=True)
    return b"\x8a" + bytes([len(octets)]) + octets


def tensor(
    shape: tuple[int, ...], strides: tuple[int, ...], n_stored: int, *, name: str = "fc.weight"
) -> bytes:
    """Pickle a dict with one tensor of float32, by hand."""
    storage = _text("storage") + b"ctorch\nFloatStorage\n" + _text("0") + _text("cpu")
    storage = b"(" + storage + _int(n_stored) + b"tQ"
    sizes = b"(" + b"".join(map(_int, shape)) + b"t"
    steps = b"(" + b"".join(map(_int, strides)) + b"t"
    hooks = b"ccollections\nOrderedDict\n)R"
    made = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + _int(0) + sizes + steps
    return b"\x80\x02}" + _text(name) + made + b"\x89" + hooks + b"tRs."
