"""Several threads give what one gives: the same results, bytes and findings."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from maskstat import Mask, Run
from maskstat.archive import ahead, builder, rows, spec, writer
from maskstat.archive.reader import open_archive
from maskstat.archive.verify import verify
from maskstat.bits import tiles
from maskstat.errors import CorruptArchiveError

THREADS = 3


def test_results_come_in_order_and_no_more_is_taken_than_said() -> None:
    taken = handed = ahead_most = 0

    def items() -> Iterator[int]:
        nonlocal taken, ahead_most
        for i in range(40):
            taken += 1
            ahead_most = max(ahead_most, taken - handed)
            yield i

    def work(i: int) -> int:
        time.sleep(0.002 * (i % 3))
        return -i

    for i, (item, result) in enumerate(ahead.in_order(work, items(), threads=THREADS)):
        assert (item, result) == (i, -i)
        handed += 1
    assert handed == 40
    assert ahead_most <= THREADS + 1


def test_an_error_comes_in_its_turn_and_ends_the_threads() -> None:
    def work(i: int) -> int:
        return 1 // (3 - i)

    before = threading.active_count()
    results = ahead.in_order(work, range(100), threads=THREADS)
    assert [next(results)[1] for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert threading.active_count() == before


def set_threads(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    for module in (builder, rows):
        monkeypatch.setattr(module, "n_threads", lambda n_bytes, least: n)


def pruned(densities: tuple[float, ...], size: int = 9_000_000) -> Run:
    rng = np.random.default_rng(5)
    draws = rng.random(size)
    masks = [Mask.from_arrays({"fc": draws < density}) for density in densities]
    return Run.from_masks("a", masks)


@pytest.mark.parametrize(
    "densities",
    [(0.2, 0.04), (0.5, 0.4), (0.6, 0.02)],
    ids=["compressed", "raw", "raw then compressed"],
)
def test_the_bytes_are_those_of_one_thread(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, densities: tuple[float, ...]
) -> None:
    run = pruned(densities)
    set_threads(monkeypatch, 1)
    alone = writer.to_bytes([run])
    set_threads(monkeypatch, THREADS)
    assert writer.to_bytes([run]) == alone
    assert verify(alone).ok
    path = tmp_path / "a.h5"
    path.write_bytes(alone)
    with open_archive(path) as archive:
        assert writer.recheck(archive) == archive.stated_digest


def test_damage_is_found_at_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    set_threads(monkeypatch, 1)
    data = bytearray(writer.to_bytes([pruned((0.2, 0.04))]))
    rng = np.random.default_rng(1)
    for at in rng.integers(len(data) // 8, len(data) * 7 // 8, 3):
        data[at] ^= 1
    alone = verify(bytes(data)).findings
    assert sum(not finding.ok for finding in alone) >= 1
    set_threads(monkeypatch, THREADS)
    assert verify(bytes(data)).findings == alone


@pytest.mark.parametrize("in_memory", [1000, 1 << 25], ids=["long rows", "short rows"])
@pytest.mark.parametrize("n_rows", [2, 6])
def test_rows_read_side_by_side_are_those_written(
    monkeypatch: pytest.MonkeyPatch, n_rows: int, in_memory: int
) -> None:
    run = pruned(tuple(0.3 / (1 + t) for t in range(n_rows)), size=20_000_000)
    image = writer.to_bytes([run])
    set_threads(monkeypatch, THREADS)
    monkeypatch.setattr(spec, "ROW_IN_MEMORY", in_memory)
    with open_archive(image) as archive:
        masks = archive.runs["a"].masks
        for start, stop in tiles(masks.n_words, 40_000):
            for row in range(masks.n_rows):
                found = masks.words(row, start, stop)
                assert np.array_equal(found, run.masks.words(row, start, stop))


def test_a_long_row_left_halfway_can_be_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    run = pruned((0.2,), size=20_000_000)
    image = writer.to_bytes([run])
    set_threads(monkeypatch, THREADS)
    monkeypatch.setattr(spec, "ROW_IN_MEMORY", 1000)
    with open_archive(image) as archive:
        masks = archive.runs["a"].masks
        for start, stop in [(0, 60_000), (30_000, 90_000), (0, 10), (90_000, masks.n_words)] * 2:
            assert np.array_equal(masks.words(1, start, stop), run.masks.words(1, start, stop))


def test_damage_behind_what_was_read_ahead_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(writer.to_bytes([pruned((0.5,), size=20_000_000)]))
    data[len(data) - 500_000] ^= 1
    set_threads(monkeypatch, THREADS)
    monkeypatch.setattr(spec, "ROW_IN_MEMORY", 1000)
    with open_archive(bytes(data)) as archive:
        masks = archive.runs["a"].masks
        masks.words(1, 0, 100)
        for _ in range(2):
            with pytest.raises(CorruptArchiveError) as caught:
                masks.words(1, 100, masks.n_words)
            assert caught.value.code == "corrupt-digest"
