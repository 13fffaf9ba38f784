"""Damage of every kind: refused, or the same content; nothing else, counted and printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def counted(script: str, *options: str) -> dict[str, dict[str, int]]:
    """Run a script that counts outcomes and check that there are only the allowed ones."""
    done = subprocess.run(
        [sys.executable, HERE / script, "--json", *options],
        capture_output=True, text=True, check=True, env=ENVIRONMENT,
    )  # fmt: skip
    found: dict[str, dict[str, int]] = json.loads(done.stdout)
    print(done.stdout)
    for kind, counts in found.items():
        assert set(counts) <= {"refused", "same content"}, (kind, counts, done.stderr)
    return found


def total(found: dict[str, dict[str, int]], outcome: str) -> int:
    return sum(counts.get(outcome, 0) for counts in found.values())


def test_damaged_bytes() -> None:
    found = counted("census.py")
    assert found["one bit of a byte flipped"]["refused"] > 1_000
    assert set(found["truncated"]) == {"refused"}
    assert set(found["truncated, the end restated"]) == {"refused"}
    assert total(found, "same content") > 100, "free space makes no difference"


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_every_byte_in_every_way(part: int) -> None:
    found = counted("census.py", "--all", "--every", "4", "--from", str(part))
    assert total(found, "refused") > 8_000


def test_metadata_changed_with_its_checksum_mended() -> None:
    found = counted("mutator.py", "--every", "53")
    assert total(found, "refused") > 500
    assert {"layout", "dataspace", "datatype", "filters", "link", "attribute", "BTHD", "FRHP",
            "FAHD", "FADB", "header", "continuation"} <= set(found)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_every_field_with_every_value(part: int) -> None:
    assert total(counted("mutator.py", "--every", "8", "--from", str(part)), "refused") > 5_000


@pytest.mark.slow
def test_several_fields_at_once() -> None:
    found = counted("mutator.py", "--every", "1000", "--examples", "3000")
    assert sum(found["several at once"].values()) >= 3_000


def test_the_judge_tells_what_must_not_be(image: bytes) -> None:
    """A file of other content, one that kills the reader, one that never ends."""
    code = (
        f"import sys; sys.path.insert(0, {str(HERE)!r})\n"
        "import os, signal, time, judge\n"
        "from conftest import default_image, make_run\n"
        "from maskstat import archive\n"
        "judge.SECONDS = 1\n"
        "real = judge.fingerprint\n"
        "def read(source):\n"
        "    if source == b'kill': os.kill(os.getpid(), signal.SIGSEGV)\n"
        "    if source == b'hang': time.sleep(9)\n"
        "    if source == b'bug': [][1]\n"
        "    if source == b'memory': bytes(1 << 31)\n"
        "    return real(source)\n"
        "judge.fingerprint = read\n"
        "other = archive.to_bytes([make_run(seed=1)])\n"
        "with judge.Judge(default_image()) as j:\n"
        "    for s in (other, b'kill', b'hang', b'bug', b'memory', b'x', default_image()):\n"
        "        print(j.verdict(s).outcome)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=ENVIRONMENT
    )
    assert done.stdout.splitlines() == [
        "other content", "killed by signal 11", "hang", "IndexError", "MemoryError",
        "not-an-archive", "same content",
    ]  # fmt: skip
