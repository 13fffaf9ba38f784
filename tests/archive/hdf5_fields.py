"""The fields of HDF5 metadata: where they lie, and how to change one with its checksum mended.

After the HDF5 File Format Specification, version 3.0: what occurs in files with superblock
version 3. Every byte of every block belongs to a field, those without a name by their offset, free
space apart.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

MASK = 0xFFFFFFFF
LONGEST = 8192

Plan = tuple[tuple[str, int], ...]
"""Names and widths of fields, one after another."""

SUPERBLOCK: Plan = (
    ("signature", 8), ("version", 1), ("offset size", 1), ("length size", 1), ("flags", 1),
    ("base", 8), ("extension", 8), ("end", 8), ("root", 8),
)  # fmt: skip
BLOCKS: dict[bytes, Plan] = {
    b"FRHP": (
        ("version", 1), ("id length", 2), ("filter length", 2), ("flags", 1), ("largest", 4),
        ("next huge", 8), ("huge tree", 8), ("free", 8), ("free space", 8), ("managed", 8),
        ("allocated", 8), ("iterator", 8), ("objects", 8), ("huge size", 8), ("huge", 8),
        ("tiny size", 8), ("tiny", 8), ("width", 2), ("start", 8), ("direct", 8), ("bits", 2),
        ("start rows", 2), ("root", 8), ("rows", 2),
    ),
    b"FHDB": (("version", 1), ("header", 8)),
    b"BTHD": (
        ("version", 1), ("type", 1), ("node size", 4), ("record size", 2), ("depth", 2),
        ("split", 1), ("merge", 1), ("root", 8), ("root records", 2), ("records", 8),
    ),
    b"BTLF": (("version", 1), ("type", 1)),
    b"BTIN": (("version", 1), ("type", 1)),
    b"FAHD": (("version", 1), ("client", 1), ("entry", 1), ("page", 1), ("n", 8), ("data", 8)),
    b"FADB": (("version", 1), ("client", 1), ("header", 8)),
    b"FSHD": (("version", 1), ("client", 1), ("total", 8), ("sections", 8), ("serial", 8)),
    b"FSSE": (("version", 1), ("header", 8)),
}  # fmt: skip
MESSAGES: dict[int, tuple[str, Plan]] = {
    0x00: ("nil", ()),
    0x01: ("dataspace", (("version", 1), ("rank", 1), ("flags", 1), ("type", 1))),
    0x02: ("link info", (("version", 1), ("flags", 1), ("heap", 8), ("names", 8))),
    0x03: (
        "datatype",
        (("class", 1), ("bits 0", 1), ("bits 1", 1), ("bits 2", 1), ("size", 4), ("offset", 2),
         ("precision", 2)),
    ),
    0x05: ("fill value", (("version", 1), ("flags", 1), ("size", 4))),
    0x06: ("link", (("version", 1), ("flags", 1), ("type or length", 1))),
    0x08: (
        "layout",
        (("version", 1), ("class", 1), ("flags", 1), ("rank", 1), ("width", 1)),
    ),
    0x0A: ("group info", (("version", 1), ("flags", 1))),
    0x0B: (
        "filters",
        (("version", 1), ("number", 1), ("filter", 2), ("flags", 2), ("values", 2), ("level", 4)),
    ),
    0x0C: (
        "attribute",
        (("version", 1), ("flags", 1), ("name size", 2), ("type size", 2), ("space size", 2),
         ("charset", 1)),
    ),
    0x10: ("continuation", (("address", 8), ("length", 8))),
    0x15: ("attribute info", (("version", 1), ("flags", 1), ("heap", 8), ("names", 8))),
    0x16: ("references", (("version", 1), ("count", 4))),
}  # fmt: skip


class Block(NamedTuple):
    """A part of a file with a checksum of its own."""

    kind: str
    start: int
    stop: int
    checksum: int
    """Where it lies: at the end, or inside, where it counts as zero."""


class Field(NamedTuple):
    """Some bytes that mean one thing."""

    name: str
    at: int
    width: int
    block: Block


def lookup3(data: bytes) -> int:
    """Bob Jenkins' hashlittle, the checksum of HDF5 metadata."""

    def rotate(x: int, k: int) -> int:
        return (x << k | x >> (32 - k)) & MASK

    a = b = c = (0xDEADBEEF + len(data)) & MASK
    body = max(0, (len(data) - 1) // 12 * 12)
    for x, y, z in struct.iter_unpack("<III", data[:body]):
        a, b, c = a + x, b + y, c + z
        for k1, k2, k3 in ((4, 6, 8), (16, 19, 4)):
            a = (a - c) & MASK ^ rotate(c & MASK, k1)
            c = (c + b) & MASK
            b = (b - a) & MASK ^ rotate(a, k2)
            a = (a + c) & MASK
            c = (c - b) & MASK ^ rotate(b, k3)
            b = (b + a) & MASK
    x, y, z = struct.unpack("<III", data[body:].ljust(12, b"\0"))
    a, b, c = (a + x) & MASK, (b + y) & MASK, (c + z) & MASK
    c = ((c ^ b) - rotate(b, 14)) & MASK
    a = ((a ^ c) - rotate(c, 11)) & MASK
    b = ((b ^ a) - rotate(a, 25)) & MASK
    c = ((c ^ b) - rotate(b, 16)) & MASK
    a = ((a ^ c) - rotate(c, 4)) & MASK
    b = ((b ^ a) - rotate(a, 14)) & MASK
    return ((c ^ b) - rotate(b, 24)) & MASK


def mended(image: bytes | bytearray, block: Block) -> bytes:
    """Return a file with one block's checksum made to fit."""
    found = bytearray(image)
    struct.pack_into("<I", found, block.checksum, _sum(found, block))
    return bytes(found)


def changed(image: bytes, field: Field, value: int) -> bytes:
    """Return a file with one field changed and its block's checksum made to fit."""
    found = bytearray(image)
    found[field.at : field.at + field.width] = value.to_bytes(field.width, "little")
    return mended(found, field.block)


@lru_cache(maxsize=8)
def blocks(image: bytes) -> tuple[Block, ...]:
    """Find every block of an intact file."""
    found = [Block("superblock", 0, 48, 44)]
    for match in re.finditer(b"|".join([b"OHDR", b"OCHK", *BLOCKS]), image):
        block = _block(image, match[0], match.start())
        if block is not None:
            found.append(block)
    return tuple(found)


@lru_cache(maxsize=8)
def fields(image: bytes) -> tuple[Field, ...]:
    """List every field of every block of an intact file, the checksums left out."""
    found: list[Field] = []
    tracked = False
    for block in blocks(image):
        if block.kind == "superblock":
            found += _planned(block, "superblock", 0, 44, SUPERBLOCK)
        elif block.kind in ("OHDR", "OCHK"):
            if block.kind == "OHDR":
                tracked = bool(image[block.start + 5] & 4)
            found += _header_fields(image, block, tracked=tracked)
        else:
            plan = BLOCKS[block.kind.encode()]
            start, stop = block.start + 4, block.stop
            found += _planned(block, block.kind, start, stop, plan)
    return tuple(f for f in found if not _overlaps_checksum(f))


def _overlaps_checksum(field: Field) -> bool:
    return field.at < field.block.checksum + 4 and field.block.checksum < field.at + field.width


def _header_fields(image: bytes, block: Block, *, tracked: bool) -> Iterator[Field]:
    at = block.start + 4
    if block.kind == "OHDR":
        first = _first_message(image, block.start)
        yield from _planned(block, "header", at, first, (("version", 1), ("flags", 1)))
        at = first
    prefix = 6 if tracked else 4
    while at + prefix <= block.checksum:
        kind, size = image[at], int.from_bytes(image[at + 1 : at + 3], "little")
        name, plan = MESSAGES.get(kind, (f"message {kind:#x}", ()))
        outer: Plan = (("type", 1), ("size", 2), ("flags", 1), ("order", prefix - 4))
        yield from _planned(block, f"{name} message", at, at + prefix, outer)
        start, stop = at + prefix, min(at + prefix + size, block.checksum)
        if kind:  # a nil message is free space
            yield from _planned(block, name, start, stop, plan)
        at = stop


def _planned(block: Block, owner: str, start: int, stop: int, plan: Plan) -> Iterator[Field]:
    """Yield the planned fields, and what follows them in words and single bytes."""
    at = start
    for name, width in plan:
        if width and at + width <= stop:
            yield Field(f"{owner}: {name}", at, width, block)
            at += width
    while at < stop:
        width = next(w for w in (8, 4, 2, 1) if at + w <= stop)
        yield Field(f"{owner}: +{at - start}", at, width, block)
        yield from (Field(f"{owner}: +{i - start}", i, 1, block) for i in range(at, at + width))
        at += width


def _first_message(image: bytes, start: int) -> int:
    flags = image[start + 5]
    at = start + 6 + (16 if flags & 32 else 0) + (4 if flags & 16 else 0)
    return at + (1 << (flags & 3))


def _block(image: bytes, signature: bytes, start: int) -> Block | None:
    kind = signature.decode()
    if kind == "OHDR":
        first = _first_message(image, start)
        width = 1 << (image[start + 5] & 3)
        end = first + int.from_bytes(image[first - width : first], "little")
        return Block(kind, start, end + 4, end)
    if kind == "FHDB":
        for size in (1 << k for k in range(8, 14)):
            for checksum in range(start + 13, start + 24):
                block = Block(kind, start, start + size, checksum)
                if _sum(image, block) == _stated(image, block):
                    return block
        return None
    for end in range(start + 8, min(start + LONGEST, len(image) - 3)):
        block = Block(kind, start, end + 4, end)
        if _sum(image, block) == _stated(image, block):
            return block
    return None


def _stated(image: bytes, block: Block) -> int:
    return int.from_bytes(image[block.checksum : block.checksum + 4], "little")


def _sum(image: bytes | bytearray, block: Block) -> int:
    at = block.checksum
    if at + 4 == block.stop:
        return lookup3(bytes(image[block.start : at]))
    return lookup3(bytes(image[block.start : at]) + bytes(4) + bytes(image[at + 4 : block.stop]))
