"""Damage an archive in every way that disks and cables do, and count what becomes of it.

python tests/archive/census.py [--all] [--every N [--from K]]

Prints a Markdown table: how many files were damaged in each way, refused, and read as they were.
With --all every byte of both samples is flipped, in two ways, else every third of the small one;
with --every N only one of N such files is made, from the K-th on.
"""

from __future__ import annotations

import json
import struct
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from conftest import make_run
from hdf5_fields import lookup3
from judge import Judge, table

from maskstat import archive

BLOCK = 512


def flipped(image: bytes, every: int, *, mask: int | None = None) -> Iterator[bytes]:
    """One byte changed at a time: one bit of it, or those of `mask`."""
    for at in range(0, len(image), every):
        damaged = bytearray(image)
        damaged[at] ^= 1 << at % 8 if mask is None else mask
        yield bytes(damaged)


def truncated(image: bytes, every: int) -> Iterator[bytes]:
    """Cut at every length."""
    yield from (image[:length] for length in range(0, len(image), every))


def restated(image: bytes, every: int) -> Iterator[bytes]:
    """Cut, and the end that the file states moved to the cut."""
    for length in range(48, len(image), every):
        head = image[:28] + struct.pack("<Q", length) + image[36:44]
        yield head + struct.pack("<I", lookup3(head)) + image[48:length]


def overwritten(image: bytes, value: int) -> Iterator[bytes]:
    """One block lost at a time."""
    for start in range(0, len(image), BLOCK):
        stop = min(start + BLOCK, len(image))
        yield image[:start] + bytes([value]) * (stop - start) + image[stop:]


def swapped(image: bytes) -> Iterator[bytes]:
    """Two whole blocks changed for each other at a time."""
    starts = range(0, len(image) // BLOCK * BLOCK, BLOCK)
    for one in starts:
        for other in starts:
            if one < other:
                first, second = image[one : one + BLOCK], image[other : other + BLOCK]
                between = image[one + BLOCK : other]
                yield image[:one] + second + between + first + image[other + BLOCK :]


def census(*, everything: bool, every: int = 1, start: int = 0) -> dict[str, Counter[str]]:
    """Count outcomes by kind of damage, one of `every` files from `start` on."""
    small = archive.to_bytes([make_run(full=False)])
    full = archive.to_bytes([make_run()])
    step = 1 if everything else 3
    kinds = {
        "one bit of a byte flipped": (small, flipped(small, step)),
        "truncated": (small, truncated(small, 1)),
        "truncated, the end restated": (small, restated(small, 1 if everything else 7)),
        f"{BLOCK} bytes set to 0x00": (full, overwritten(full, 0x00)),
        f"{BLOCK} bytes set to 0xFF": (full, overwritten(full, 0xFF)),
        f"two blocks of {BLOCK} bytes swapped": (small, swapped(small)),
    }
    if everything:
        kinds |= {
            "a byte inverted": (small, flipped(small, 1, mask=0xFF)),
            "one bit of a byte flipped, every optional part": (full, flipped(full, 1)),
            "a byte inverted, every optional part": (full, flipped(full, 1, mask=0xFF)),
            f"two blocks of {BLOCK} bytes swapped, every optional part": (full, swapped(full)),
        }
    counts = {}
    for kind, (whole, damaged) in kinds.items():
        with Judge(whole) as judge:
            counts[kind] = judge.tally(islice(damaged, start, None, every))
    return counts


def number(option: str, default: int) -> int:
    """Return the number that follows an option."""
    return int(sys.argv[sys.argv.index(option) + 1]) if option in sys.argv else default


if __name__ == "__main__":
    found = census(
        everything="--all" in sys.argv, every=number("--every", 1), start=number("--from", 0)
    )
    print(json.dumps(found) if "--json" in sys.argv else table("damage", found))
