"""Change what HDF5 says about an archive, mend the checksum, and see that the guard holds.

python tests/archive/mutator.py [--all | --every N [--from K]] [--examples N]

One field of the metadata at a time gets values that hurt: sizes, shapes, chunks, filters, links,
addresses, types, fill values, attributes. --examples lets hypothesis change several at once. Prints
a Markdown table of what became of the files, by kind of structure.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator

from conftest import make_run
from hdf5_fields import Field, blocks, changed, fields
from judge import Judge, table

from maskstat import archive
from maskstat.archive import spec


def sample() -> bytes:
    """An archive of every structure: many members, continued headers, chunks with an index."""
    usual = spec.CHUNK_TARGET, spec.SHORT_ROW
    spec.CHUNK_TARGET, spec.SHORT_ROW = 1024, 0  # type: ignore[misc]
    try:
        image = archive.to_bytes([make_run()])
    finally:
        spec.CHUNK_TARGET, spec.SHORT_ROW = usual  # type: ignore[misc]
    kinds = {block.kind for block in blocks(image)}
    assert kinds >= {"superblock", "OHDR", "OCHK", "FRHP", "FHDB", "BTHD", "BTLF", "FAHD", "FADB"}
    return image


def values(image: bytes, field: Field, addresses: list[int]) -> list[int]:
    """Return values that a field may be hurt by, its own left out."""
    now = int.from_bytes(image[field.at : field.at + field.width], "little")
    top = 1 << (8 * field.width)
    found = [0, 1, 2, now - 1, now + 1, now ^ (top >> 1), 2 * now, 3 * now, top - 1, top - 2]
    if field.width == 1:
        found += [now ^ (1 << k) for k in range(8)]
    if field.width >= 4:
        found += [1 << 20, (1 << 31) - 1, len(image), len(image) - 8]
    if field.width == 8:
        found += [1 << 40, 1 << 62, *addresses]
    return sorted({value % top for value in found} - {now})


def mutations(image: bytes) -> Iterator[tuple[Field, int]]:
    """Give every field with each of its values."""
    starts = sorted({block.start for block in blocks(image)})
    addresses = [0, 48, starts[len(starts) // 2], starts[-1]]
    for field in fields(image):
        for value in values(image, field, addresses):
            yield field, value


def single(image: bytes, every: int, start: int) -> dict[str, Counter[str]]:
    """Change one field at a time, one of so many changes, and count by structure."""
    counts: dict[str, Counter[str]] = {}
    with Judge(image) as judge:
        for field, value in list(mutations(image))[start::every]:
            verdict = judge.verdict(changed(image, field, value))
            outcome = "refused" if verdict.refused else verdict.outcome
            owner = field.name.partition(":")[0].removesuffix(" message")
            counts.setdefault(owner, Counter())[outcome] += 1
            if not verdict.allowed:
                print(f"{field.name} at {field.at} = {value:#x}: {outcome}", file=sys.stderr)
    return dict(sorted(counts.items()))


def several(image: bytes, examples: int) -> dict[str, Counter[str]]:
    """Let hypothesis change one to four fields at once."""
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    counts: Counter[str] = Counter()
    edits = st.lists(
        st.tuples(st.sampled_from(fields(image)), st.integers(0, (1 << 64) - 1)),
        min_size=1,
        max_size=4,
    )

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(edits)
    def check(edits: list[tuple[Field, int]]) -> None:
        found = image
        for field, value in edits:
            found = changed(found, field, value % (1 << (8 * field.width)))
        verdict = judge.verdict(found)
        counts["refused" if verdict.refused else verdict.outcome] += 1
        assert verdict.allowed, verdict

    with Judge(image) as judge:
        check()
    return {"several at once": counts}


def number(option: str, default: int) -> int:
    """Return the number that follows an option."""
    return int(sys.argv[sys.argv.index(option) + 1]) if option in sys.argv else default


if __name__ == "__main__":
    whole = sample()
    every = 1 if "--all" in sys.argv else number("--every", 53)
    found = single(whole, every, number("--from", 0))
    if examples := number("--examples", 0):
        found |= several(whole, examples)
    print(json.dumps(found) if "--json" in sys.argv else table("structure", found))
    sys.stdout.flush()
    os._exit(0)
