"""Long rows and arrays: read by range, checked all the same, never whole in memory."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat import archive
from maskstat.archive import encode, rows, spec
from maskstat.bits import Words, layer_counts, pair_counts
from maskstat.errors import CorruptArchiveError
from maskstat.mask import Layout, Mask
from maskstat.run import MaskRows, Run, Weights

LAYOUT = Layout.from_shapes({"a": (1000, 701), "b": (63,), "c": (64,), "d": (10, 33_333)})


def wide_run(n_iterations: int = 3, density: float = 0.5) -> Run:
    rng = np.random.default_rng(5)
    stack = [Mask.dense(LAYOUT).words()]
    while len(stack) < n_iterations:
        bits = rng.random((LAYOUT.n_words, 64)) < density
        stack.append(stack[-1] & np.packbits(bits, bitorder="little").view("<u8"))
    array = np.stack(stack)
    kept = np.stack([layer_counts(Words(row), LAYOUT.edges) for row in array])
    weights = rng.standard_normal((2, LAYOUT.size)).astype("f4")
    return Run(
        run_id="wide",
        layout=LAYOUT,
        masks=MaskRows(array),
        kept=kept,
        weights={"initial": Weights(values=weights, iterations=(0, 1))},
        votes=rng.integers(0, 3, LAYOUT.size).astype("u2"),
    )


@pytest.fixture(scope="module")
def wide() -> Run:
    return wide_run()


@pytest.fixture(scope="module")
def wide_image(wide: Run) -> bytes:
    """An archive in which a row of masks has several chunks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spec, "CHUNK_TARGET", 32 << 10)
        patch.setattr(spec, "CHUNK_MINIMUM", 16 << 10)
        image = archive.to_bytes([wide])
    with h5py.File(io.BytesIO(image)) as file:
        rows, length = file["runs/wide/masks"].chunks
        assert (rows, 8 * LAYOUT.n_words // length > 3) == (1, True)
    return image


@pytest.fixture
def streamed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Treat every row as long, read it chunk by chunk, and count the passes over rows."""
    monkeypatch.setattr(spec, "ROW_IN_MEMORY", 1000)
    monkeypatch.setattr(rows, "TILE_WORDS", 1)
    passes: list[int] = []
    real = rows.RowPass.result

    def counted(self: Any) -> Any:
        passes.append(1)
        return real(self)

    monkeypatch.setattr(rows.RowPass, "result", counted)
    return passes


def read_in_steps(run: Run, row: int, step: int) -> Any:
    masks = run.masks
    n = masks.n_words
    return np.concatenate([masks.words(row, i, min(i + step, n)) for i in range(0, n, step)])


@pytest.mark.parametrize("step", [1, 777, 4096, 20_000])
def test_in_sequence_one_pass_is_the_check(
    wide: Run, wide_image: bytes, streamed: list[int], step: int
) -> None:
    run = archive.open_archive(wide_image).runs["wide"]
    for row in range(3):
        if step > 1 or row == 1:
            assert np.array_equal(read_in_steps(run, row, step), wide.masks.words(row, 0, 99_999))
            assert np.array_equal(read_in_steps(run, row, 5000), wide.masks.words(row, 0, 99_999))
    assert len(streamed) == (3 if step > 1 else 1)


def test_out_of_order_a_pass_comes_first(wide: Run, wide_image: bytes, streamed: list[int]) -> None:
    run = archive.open_archive(wide_image).runs["wide"]
    assert np.array_equal(run.masks.words(1, 9000, 9100), wide.masks.words(1, 9000, 9100))
    assert len(streamed) == 1
    assert np.array_equal(run.mask(1).layer("c"), wide.mask(1).layer("c"))
    assert len(streamed) == 1


def test_a_range_read_twice_on_the_way(wide: Run, wide_image: bytes, streamed: list[int]) -> None:
    run = archive.open_archive(wide_image).runs["wide"]
    n = run.masks.n_words
    for start, stop in [(0, 100), (0, 100), (50, 200), (150, 180), (200, n), (0, 10)]:
        found = run.masks.words(2, start, stop)
        assert np.array_equal(found, wide.masks.words(2, start, stop))
    assert len(streamed) == 1


@pytest.mark.parametrize("in_memory", [1000, 1 << 25])
def test_empty_ranges_are_empty(
    wide: Run, wide_image: bytes, monkeypatch: pytest.MonkeyPatch, in_memory: int
) -> None:
    monkeypatch.setattr(spec, "ROW_IN_MEMORY", in_memory)
    masks = archive.open_archive(wide_image).runs["wide"].masks
    n = masks.n_words
    for start, stop in [(0, 0), (n, n), (0, 700), (700, 700), (300, 300), (700, n), (n, n)]:
        assert np.array_equal(masks.words(1, start, stop), wide.masks.words(1, start, stop))


def test_kernels_read_through_it(wide: Run, wide_image: bytes, streamed: list[int]) -> None:
    run = archive.open_archive(wide_image).runs["wide"]
    pairs = [(0, 1), (1, 2), (0, 2)]
    found = pair_counts([run.mask(t) for t in range(3)], pairs, LAYOUT.edges)
    wanted = pair_counts([wide.mask(t) for t in range(3)], pairs, LAYOUT.edges)
    assert np.array_equal(found, wanted)
    assert len(streamed) == 3


def damaged(image: bytes, tmp_path: Path, where: str) -> Path:
    """Flip one byte in the middle of a stored chunk."""
    path = tmp_path / "wide.h5"
    path.write_bytes(image)
    with h5py.File(path) as file:
        dataset = file["runs/wide"][where]
        info = dataset.id.get_chunk_info(dataset.id.get_num_chunks() - 1)
    found = bytearray(image)
    found[info.byte_offset + info.size // 2] ^= 4
    path.write_bytes(found)
    return path


def test_damage_fails_at_the_end_of_the_pass(
    wide_image: bytes, tmp_path: Path, streamed: list[int]
) -> None:
    run = archive.open_archive(damaged(wide_image, tmp_path, "masks")).runs["wide"]
    for _ in range(2):
        with pytest.raises(CorruptArchiveError) as caught:
            read_in_steps(run, 2, 1024)
        assert caught.value.code in ("corrupt-digest", "corrupt-chunk")
        with pytest.raises(CorruptArchiveError):
            run.masks.words(2, 5000, 5001)
    assert read_in_steps(run, 1, 1024).size == run.masks.n_words


@pytest.mark.parametrize("limit", [1000, 1 << 25])
@pytest.mark.parametrize("path", ["weights/initial", "votes"])
def test_arrays(
    wide: Run, wide_image: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    limit: int, path: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(spec, "ROW_IN_MEMORY", limit)

    def array_of(run: Run) -> Any:
        return run.votes if path == "votes" else run.weights["initial"].values

    found, wanted = array_of(archive.open_archive(wide_image).runs["wide"]), array_of(wide)
    keys: list[Any] = [
        0, -1, slice(1, 2), slice(None), slice(0, 0), slice(None, None, -1), ...,
        slice(0, 2, 2), np.array([0, 1]),
    ]  # fmt: skip
    if path != "votes":
        keys += [
            (0, slice(5, 900)), (1, slice(None, None, 7)), (-1, 3), (slice(0, 1), slice(3, 9)),
            (0, slice(9, 3)), (0, slice(9, 3, -1)), (slice(None), 4), (1, ...),
        ]  # fmt: skip
    for key in keys:
        assert np.array_equal(found[key], wanted[key]), key
    for key in (found.shape[0], -found.shape[0] - 1):
        with pytest.raises(IndexError):
            found[key]
    assert np.array_equal(np.asarray(found), wanted)
    assert found[0:1].flags.writeable
    assert (len(found), found.dtype) == (len(wanted), wanted.dtype)
    broken = array_of(archive.open_archive(damaged(wide_image, tmp_path, path)).runs["wide"])
    for key in (0, slice(0, 1)):
        with pytest.raises(CorruptArchiveError):
            broken[key]


def test_damage_behind_the_layers_that_are_used_is_found(
    wide_image: bytes, tmp_path: Path, streamed: list[int]
) -> None:
    """Of a long row the first layer alone is read: nobody comes to the end of the pass."""
    uses: list[Callable[[Mask], object]] = [
        lambda mask: mask.layer("a"),
        lambda mask: mask.restrict(["a"]).words(),
        lambda mask: mask.restrict(["d", "c", "b", "a"]).layer("a"),
        lambda mask: mask.check(),
    ]
    path = damaged(wide_image, tmp_path, "masks")
    for use in uses:
        run = archive.open_archive(path).runs["wide"]
        use(run.mask(1))
        for _ in range(2):
            with pytest.raises(CorruptArchiveError):
                use(run.mask(2))


@pytest.mark.parametrize("n_threads", [1, 2, 4])
def test_memory_is_bounded_while_a_long_row_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_threads: int
) -> None:
    """A mask of 16 MiB raw, streamed from a file, takes tiles: some, and one a thread."""
    monkeypatch.setattr(rows, "n_threads", lambda n_bytes, least: n_threads)
    layout = Layout.from_shapes({"a": (1 << 27,)})
    tile = np.random.default_rng(0).integers(0, 2**63, 1 << 16, dtype=np.uint64)
    words = np.tile(tile, (1 << 21) // tile.size)
    run = Run.from_masks("long", [Mask(layout, Words(words))])
    path = tmp_path / "long.h5"
    monkeypatch.setattr(spec, "IMAGE_BYTES", 0)
    archive.write(path, [run])
    monkeypatch.setattr(spec, "ROW_IN_MEMORY", 1 << 20)
    found = archive.open_archive(path).runs["long"]
    tracemalloc.start()
    counts = layer_counts(found.mask(1)._source, layout.edges)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert counts.tolist() == run.kept[1].tolist()
    assert peak < (5 + n_threads) << 20


def test_small_and_large_files_are_read_alike(
    wide_image: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "wide.h5"
    path.write_bytes(wide_image)
    digests = set()
    for limit in (0, 1 << 30):
        monkeypatch.setattr(spec, "SMALL_FILE", limit)
        with archive.open_archive(path) as found:
            digests.add(found.content_digest)
            run = found.runs["wide"]
        path.rename(tmp_path / "moved.h5")
        assert layer_counts(run.mask(), LAYOUT.edges).tolist() == run.kept[-1].tolist()
        assert np.asarray(run.votes).size == LAYOUT.size
        (tmp_path / "moved.h5").rename(path)
    assert len(digests) == 1


def test_a_file_cut_while_it_is_open(
    wide_image: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spec, "SMALL_FILE", 0)
    path = tmp_path / "wide.h5"
    path.write_bytes(wide_image)
    run = archive.open_archive(path).runs["wide"]
    with open(path, "r+b") as file:
        file.truncate(4096)
    with pytest.raises(CorruptArchiveError) as caught:
        run.mask(1).words()
    assert caught.value.code == "truncated"


@given(st.lists(st.integers(1, 200), min_size=1, max_size=6), st.integers(1, 5), st.data())
def test_short_rows_are_checked_together_as_one_by_one(
    sizes: list[int], n_rows: int, data: st.DataObject
) -> None:
    layout = Layout.from_shapes({f"fc{i}": (size,) for i, size in enumerate(sizes)})
    words = st.integers(0, 2**64 - 1)
    values = data.draw(
        st.lists(words, min_size=n_rows * layout.n_words, max_size=n_rows * layout.n_words)
    )
    stack = np.array(values, np.uint64).reshape(n_rows, layout.n_words)
    tails = rows.padding(layout)
    together = rows.check_rows(stack, layout, tails)
    for row, found in zip(stack, together, strict=True):
        one = rows.RowPass(layout, tails)
        for i in range(row.size):
            one.add(row[i : i + 1])
        alone = one.result()
        assert (found.digest, found.stray) == (alone.digest, alone.stray)
        assert found.kept.tolist() == alone.kept.tolist()


def test_a_damaged_short_row_does_not_harm_the_others_of_its_chunk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(encode, "encode_chunk", lambda data, limit: None)
    rng = np.random.default_rng(0)
    run = Run.from_masks("a", [Mask.from_arrays({"fc": rng.random(3000) < d}) for d in (0.6, 0.5)])
    image = bytearray(archive.to_bytes([run]))
    at = bytes(image).index(run.mask(1).words().tobytes())
    image[at + 20] ^= 1
    masks = archive.open_archive(bytes(image)).runs["a"].masks
    assert np.array_equal(masks.words(2, 0, 10), run.masks.words(2, 0, 10))
    for _ in range(2):
        with pytest.raises(CorruptArchiveError) as caught:
            masks.words(1, 0, 10)
        assert (caught.value.code, caught.value.place[-2:]) == ("corrupt-digest", "@1")
    assert np.array_equal(masks.words(0, 0, 10), run.masks.words(0, 0, 10))
