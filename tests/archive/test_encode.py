"""Chunks: their shapes, what is stored raw, how near to the entropy the rest comes."""

from __future__ import annotations

import math
import zlib

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat import archive
from maskstat.archive import spec
from maskstat.archive.encode import Encoder, encode_chunk, share_limit
from maskstat.archive.pieces import Pieces, array_chunk, mask_chunk
from maskstat.bits import Words
from maskstat.mask import Layout, Mask
from maskstat.run import Run


def random_bits(n: int, density: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(n) < density


@pytest.mark.parametrize(("density", "bar"), [(0.2, 1.04), (0.05, 1.08), (0.01, 1.55)])
def test_size_over_entropy(density: float, bar: float) -> None:
    """All of a file with one mask of 16 million weights, over the entropy of its bits."""
    n = 1 << 24
    words = np.packbits(random_bits(n, density), bitorder="little").view("<u8")
    layout = Layout.from_shapes({"a": (n,)})
    image = archive.to_bytes([Run.from_masks("m", [Mask(layout, Words(words))])])
    entropy = -density * math.log2(density) - (1 - density) * math.log2(1 - density)
    assert len(image) / (n * entropy / 8) <= bar


@pytest.mark.parametrize("density", [0.0, 0.001, 0.02, 0.1, 0.25, 0.9, 0.999, 1.0])
def test_compressed_chunks_inflate_to_themselves(density: float) -> None:
    data = np.packbits(random_bits(1 << 20, density)).tobytes()
    packed = encode_chunk(data)
    assert packed is not None
    assert zlib.decompress(packed) == data
    assert len(packed) <= 0.9 * len(data)


def test_what_gains_nothing_stays_raw() -> None:
    floats = np.random.default_rng(0).standard_normal(1 << 16).astype("f4")
    for data in (np.packbits(random_bits(1 << 20, 0.4)).tobytes(), floats.tobytes(), b"\0" * 100):
        assert encode_chunk(data) is None


def test_structured_masks_take_matches() -> None:
    """Whole channels pruned at density one half: far below what codes for single bytes reach."""
    bits = np.repeat(random_bits(1 << 10, 0.5), 900)
    packed = encode_chunk(np.packbits(bits).tobytes())
    assert packed is not None
    assert len(packed) < bits.size / 8 / 20


def test_nearly_dense_is_as_small_as_nearly_empty() -> None:
    sizes = [
        len(encode_chunk(np.packbits(bits).tobytes()) or b"")
        for bits in (random_bits(1 << 20, 0.05), ~random_bits(1 << 20, 0.05))
    ]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.01)


@given(st.binary(max_size=5000) | st.binary(max_size=50).map(lambda part: part * 200))
def test_every_chunk_comes_back(data: bytes) -> None:
    packed = encode_chunk(data)
    if packed is not None:
        assert zlib.decompress(packed) == data


@given(st.lists(st.sampled_from([bytes(5000), b"\xff" * 5000, bytes(range(250)) * 20, b"", b"a"])))
def test_an_encoder_that_remembers_gives_what_it_gives_without(chunks: list[bytes]) -> None:
    encoder = Encoder()
    assert [encoder(chunk) for chunk in chunks] == [encode_chunk(chunk) for chunk in chunks]


@pytest.mark.parametrize(("density", "packed"), [(0.04, True), (0.125, False), (0.45, False)])
def test_large_rows_are_compressed_only_where_that_halves_them(
    density: float, packed: bool
) -> None:
    bits = np.random.default_rng(0).random(1 << 20) < density
    chunk = np.packbits(bits).tobytes()
    large = encode_chunk(chunk, limit=share_limit(64 << 20))
    assert (large is not None) == packed
    assert (encode_chunk(chunk, limit=share_limit((64 << 20) - 1)) is not None) == (density < 0.4)


SHAPES = st.lists(st.integers(1, 12), min_size=1, max_size=4)


@given(st.data())
def test_pieces_cover_the_flat_array_in_order(data: st.DataObject) -> None:
    """Against NumPy: cut the array into chunks and look where their first values lie."""
    shape = tuple(data.draw(SHAPES))
    axis = data.draw(st.integers(0, len(shape) - 1))
    k = data.draw(st.integers(1, shape[axis]))
    chunk = (*[1] * axis, k, *shape[axis + 1 :])
    size = data.draw(st.sampled_from([1, 4]))
    pieces = Pieces(shape, chunk, size)
    values = np.arange(math.prod(shape)).reshape(shape)
    end = 0
    for i in range(pieces.number):
        start, stop = pieces.bounds(i)
        part = values[
            tuple(slice(p, p + c) for p, c in zip(pieces.position(i), chunk, strict=True))
        ]
        assert (start, end) == (end, start)
        assert part.reshape(-1).tolist() == list(range(start // size, stop // size))
        assert pieces.locate(start) == pieces.locate(stop - 1) == i
        end = stop
    assert end == values.size * size
    assert pieces.step == math.prod(chunk) * size


@given(st.integers(1, 300), st.integers(1, 2_000_000))
def test_mask_chunks(n_rows: int, n_words: int) -> None:
    row_bytes = 8 * n_words
    rows, columns = mask_chunk(n_rows, row_bytes)
    assert rows * columns <= spec.CHUNK_BYTES
    assert 1 <= rows <= n_rows
    assert columns % 8 == 0
    if row_bytes < 1 << 16:
        assert columns == row_bytes
        assert rows <= max(32, (1 << 16) // row_bytes)
    else:
        assert rows == 1
        assert min(row_bytes, 1 << 18) <= columns <= 1 << 20


@given(SHAPES.map(lambda s: [n**5 for n in s][:3]), st.sampled_from([1, 2, 4, 8]))
def test_array_chunks(shape: list[int], itemsize: int) -> None:
    chunk = array_chunk(shape, itemsize)
    size = math.prod(chunk) * itemsize
    assert size <= spec.CHUNK_TARGET
    number = Pieces(tuple(shape), chunk, itemsize).number
    assert number <= 64 + math.prod(shape) * itemsize // spec.CHUNK_FLOOR


def test_filters_are_declared_only_where_a_chunk_uses_them(tmp_path: object, run: Run) -> None:
    path = f"{tmp_path}/run.h5"
    archive.write(path, [run])
    with h5py.File(path) as file:
        group = file["runs/lenet-0"]
        assert group["weights/final"].compression is None
        assert group["mask_digests"].compression is None
        assert group["manifest"].compression == "gzip"
