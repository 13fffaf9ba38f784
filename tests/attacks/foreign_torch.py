"""Hazards in files that look like torch's."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

from foreign import Code, hazard, tensor, torch_zip, write, zip_end

MAGIC = 0x1950A86A20F9469CFC6C


def legacy(content: bytes) -> bytes:
    """What torch wrote before 1.6, with any content."""
    head = [pickle.dumps(part, 2) for part in (MAGIC, 1001, {"little_endian": True})]
    return b"".join([*head, content, pickle.dumps([], 2)])


@write("pickle-code", "torch-that-runs-code")
def code(canaries: Path) -> bytes:
    return torch_zip(Code(canaries).pickle())


@write("pickle-code", "torch-that-runs-code-by-name-from-the-stack")
def stack_global(canaries: Path) -> bytes:
    return torch_zip(Code(canaries).pickle(4))


@write("pickle-code", "torch-that-runs-code-by-an-old-opcode")
def inst(canaries: Path) -> bytes:
    command = f"touch {canaries}/code-was-run".encode()
    return torch_zip(b"(V" + command + b"\nios\nsystem\n.")


@write("pickle-code", "torch-with-an-extension")
def extension(canaries: Path) -> bytes:
    return torch_zip(b"\x80\x02\x82\x01)R.")


@write("pickle-code", "torch-that-takes-a-name-by-getattr")
def getattr_(canaries: Path) -> bytes:
    return torch_zip(b"\x80\x02c__builtin__\ngetattr\n(ctorch\nload\nX\x01\0\0\0atR.")


@write("pickle-code", "torch-that-fills-memory-by-a-constructor")
def bytearray_(canaries: Path) -> bytes:
    return torch_zip(b"\x80\x02c__builtin__\nbytearray\n\x8a\x05\0\0\0\0\x40\x85R.")


@write("pickle-code", "old-torch-that-runs-code")
def old_code(canaries: Path) -> bytes:
    return legacy(Code(canaries).pickle())


@write("pickle-code", "torchscript")
def script(canaries: Path) -> bytes:
    command = f"import os; os.system('touch {canaries}/code-was-run')".encode()
    return torch_zip(pickle.dumps({}, 2), {"x/code/net.py": command, "x/constants.pkl": b"N."})


@write("unsafe-pickle", "plain-pickle")
def plain(canaries: Path) -> bytes:
    return Code(canaries).pickle(4)


@write("not-an-archive", "plain-pickle-of-the-first-protocol")
def plain_first(canaries: Path) -> bytes:
    return Code(canaries).pickle(0)


@write("pickle-code", "plain-pickle-said-to-be-torch", said="torch-prune")
def said_to_be(canaries: Path) -> bytes:
    return torch_zip(Code(canaries).pickle(3))


@write("zip-bomb", "torch-with-deflated-parts")
def deflated(canaries: Path) -> bytes:
    data = tensor((5_000_000,), (1,), 5_000_000)
    return torch_zip(data, {"x/data/0": bytes(20_000_000)}, method=zipfile.ZIP_DEFLATED)


@write("unsafe-zip", "torch-of-a-million-names")
def many_names(canaries: Path) -> bytes:
    parts = torch_zip(b"\x80\x02}.")
    at = parts.index(b"PK\x01\x02")
    directory = parts[at : parts.index(b"PK\x05\x06")] + bytes(20_000_000)
    return parts[:at] + directory + zip_end(1_000_000, len(directory), at)


@write("unsafe-zip", "torch-with-two-pickles-of-one-name")
def two_pickles(canaries: Path) -> bytes:
    content = torch_zip(b"\x80\x02}.", {"x/tada.pkl": Code(canaries).pickle()})
    return content.replace(b"tada", b"data")


@write("unsafe-name", "torch-with-a-part-that-leads-out")
def part_name(canaries: Path) -> bytes:
    return torch_zip(b"\x80\x02}.", {"../canaries/canary": b""})


@write("too-deep", "torch-of-two-million-nothings")
def nothings(canaries: Path) -> bytes:
    return torch_zip(b"\x80\x02}X\x01\0\0\0a](" + b"N" * 2_000_000 + b"es.")


@write("too-deep", "torch-key-that-takes-for-ever")
def key(canaries: Path) -> bytes:
    """A tuple of one tuple twice, sixty times over, as a key: 2**60 steps to hash it."""
    nest = b"".join(b"h" + bytes([i]) * 1 + b"h" + bytes([i]) + b"\x86q" + bytes([i + 1])
                    for i in range(60))  # fmt: skip
    return torch_zip(b"\x80\x02})q\0" + nest + b"K\x01s.")


@write("corrupt-torch", "torch-pickle-that-ends-early")
def cut(canaries: Path) -> bytes:
    return torch_zip(tensor((2, 2), (2, 1), 4)[:-40], {"x/data/0": bytes(16)})


@write("corrupt-torch", "torch-pickle-that-takes-from-nothing")
def underflow(canaries: Path) -> bytes:
    return torch_zip(b"\x80\x02\x86\x86h\x07s.")


@write("too-deep", "torch-nest-of-lists", torch=True)
def lists(canaries: Path) -> bytes:
    value: list[object] = []
    for _ in range(60):
        value = [value] * 10
    return torch_zip(pickle.dumps({"a": value}, 2))


@write("tensor-bomb", "torch-tensor-of-one-number", torch=True)
def expanded(canaries: Path) -> bytes:
    return torch_zip(tensor((1 << 20, 1 << 20), (0, 0), 1), {"x/data/0": bytes(4)})


@write("corrupt-torch", "torch-tensor-beyond-its-storage", torch=True)
def outside(canaries: Path) -> bytes:
    return torch_zip(tensor((1 << 30,), (1,), 1 << 30), {"x/data/0": bytes(4)})


@write("corrupt-torch", "torch-without-its-storage", torch=True)
def missing(canaries: Path) -> bytes:
    return torch_zip(tensor((2, 2), (2, 1), 4))


@write("not-a-state-dict", "torch-that-holds-no-dict", torch=True)
def no_dict(canaries: Path) -> bytes:
    return torch_zip(pickle.dumps([1, 2], 2))


@hazard("corrupt-torch", "old-torch-with-a-line-of-gigabytes")
def endless_line(path: Path, canaries: Path) -> None:
    """A hole in the file costs whoever sends it nothing."""
    path.write_bytes(pickle.dumps(MAGIC, 2) + b"\x80\x02c")
    os.truncate(path, 1 << 32)


@hazard("corrupt-torch", "old-torch-with-a-text-of-gigabytes")
def endless_text(path: Path, canaries: Path) -> None:
    path.write_bytes(pickle.dumps(MAGIC, 2) + b"\x80\x02\x8d" + (1 << 31).to_bytes(8, "little"))
    os.truncate(path, 1 << 32)
