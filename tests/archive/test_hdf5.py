"""The structure that maskstat reads is the one that the HDF5 library wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t
from hypothesis import given
from hypothesis import strategies as st

from maskstat.archive.hdf5 import Group, HdfFile
from maskstat.archive.hdf5_blocks import Ledger, checksum
from maskstat.archive.source import Source, open_source
from maskstat.errors import CorruptArchiveError, MaskstatError, UnsafeArchiveError

LIMIT = 100_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.h5"


def new(path: Path) -> h5py.File:
    return h5py.File(path, "w", libver=("v110", "v110"))


def opened(path: Path) -> tuple[HdfFile, Group]:
    source = open_source(path)
    found = HdfFile(source, Ledger(source.size))
    return found, found.root(LIMIT)[0]


def walk(hdf: HdfFile, group: Group, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield path, parent and facts of every dataset below a group."""
    for link in filter(lambda link: link.hard, group.links):
        name = link.name.decode()
        facts = hdf.member(group, link.name, name)
        if facts.kind == "group":
            inner = hdf.open_group(group, link.name, name, LIMIT)
            yield from walk(hdf, inner, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", facts, hdf.open_dataset(group, link.name, name)


def same_as_the_library_says(path: Path) -> int:
    """Hold everything that is read of a file's datasets against h5py; return how many."""
    hdf, root = opened(path)
    n = 0
    with h5py.File(path) as file:
        for name, facts, (header, stored) in walk(hdf, root):
            dataset = file[name]
            info = h5py.h5o.get_info(dataset.id)
            assert (facts.address, facts.references) == (info.addr, info.rc)
            assert stored.shape == dataset.shape
            assert stored.max_shape == dataset.maxshape
            assert stored.dtype == dataset.dtype.str[1:]
            assert stored.chunk == dataset.chunks
            chunks = list(hdf.chunks(stored, name))
            wanted: list[Any] = []
            dataset.id.chunk_iter(wanted.append)
            assert {(c.position, c.filter_mask, c.offset, c.size) for c in chunks} == {
                (w.chunk_offset, w.filter_mask, w.byte_offset, w.size) for w in wanted
            }
            for attribute in hdf.attributes(header, name):
                value = dataset.attrs[attribute.name.decode()]
                if attribute.kind == "text":
                    assert hdf.text(attribute, name) == value
                else:
                    assert hdf.numbers(attribute, name) == np.ravel(value).tolist()
            n += 1
        found: list[str] = []
        file.visititems(lambda name, item: found.append(name))
        assert n == sum(isinstance(file[name], h5py.Dataset) for name in found)
    return n


def test_an_archive(path: Path, image: bytes) -> None:
    path.write_bytes(image)
    assert same_as_the_library_says(path) > 15


@pytest.mark.parametrize("dtype", ["u1", "<f4"])
@pytest.mark.parametrize("n", [1, 7, 1024, 1025, 5000])
@pytest.mark.parametrize("compression", [None, 4])
def test_chunks(path: Path, dtype: str, n: int, compression: int | None) -> None:
    """One chunk, an array of them, an array in pages; with and without a filter."""
    with new(path) as file:
        options = {"dtype": dtype, "compression": compression}
        file.create_dataset("x", (2, n), chunks=(1, min(2, n)), **options)[...] = 1
        whole = file.create_dataset("y", (n,), chunks=(n,), **options)
        whole[...] = np.arange(n) % 100
        whole.attrs["numbers"] = np.arange(3)
        whole.attrs["text"] = np.bytes_("hello")
    assert same_as_the_library_says(path) == 2


def test_chunks_that_are_not_there(path: Path) -> None:
    with new(path) as file:
        made = file.create_dataset("x", (5000,), "u1", chunks=(1,))
        made[4000] = 1
        made.id.write_direct_chunk((3,), b"x")
    hdf, root = opened(path)
    ((_, _, (_, stored)),) = walk(hdf, root)
    assert [c.position for c in hdf.chunks(stored, "x")] == [(3,), (4000,)]
    assert same_as_the_library_says(path) == 1


def test_chunks_one_after_another(path: Path) -> None:
    """Allocated early and without a filter they need no index."""
    with new(path) as file:
        creation = h5p.create(h5p.DATASET_CREATE)
        creation.set_chunk((2, 3))
        creation.set_alloc_time(h5d.ALLOC_TIME_EARLY)
        h5d.create(file.id, b"x", h5t.STD_U16LE, h5s.create_simple((4, 6)), creation)
    assert same_as_the_library_says(path) == 1


@pytest.mark.parametrize("n", [0, 8, 9, 46, 2000, 12_000])
def test_groups(path: Path, n: int) -> None:
    """In the header, in a tree of one node, of two and of three levels, in a heap of many rows."""
    names = sorted(f"{i:x}-{'n' * (i % 60)}" for i in range(n))
    with new(path) as file:
        group = file.create_group("g")
        for name in names:
            group[name] = h5py.SoftLink("/g")
        group.create_group("inner")
    hdf, root = opened(path)
    hdf.member(root, b"g", "g")
    found = hdf.open_group(root, b"g", "g", LIMIT)
    assert [link.name.decode() for link in found.links] == sorted([*names, "inner"])
    assert [link.name for link in found.links if link.hard] == [b"inner"]
    with h5py.File(path) as file:
        address = h5py.h5o.get_info(file["g/inner"].id).addr
    assert found.members == {b"inner": address}
    hdf, root = opened(path)
    assert len(hdf.open_group(root, b"g", "g", 10).links) == min(11, n + 1)


def test_group_of_more_links_than_direct_rows_hold(path: Path) -> None:
    names = [f"{i}-{'n' * 250}" for i in range(5000)]
    with new(path) as file:
        group = file.create_group("g")
        for name in names:
            group[name] = h5py.SoftLink("/g")
    hdf, root = opened(path)
    found = hdf.open_group(root, b"g", "g", LIMIT)
    assert {link.name.decode() for link in found.links} == set(names)


def test_an_attribute_too_short_for_its_extents(path: Path, image: bytes) -> None:
    path.write_bytes(image)
    hdf, root = opened(path)
    (first, *_) = [a for a in hdf.attributes(root, "x") if a.kind == "text"]
    with pytest.raises(CorruptArchiveError):
        hdf.text(first._replace(data=b""), "x")
    with pytest.raises(CorruptArchiveError):
        hdf.numbers(first._replace(kind="i8", n_bytes=8, data=b"1234567"), "x")


def read_all(source: Source) -> None:
    hdf = HdfFile(source, Ledger(source.size))
    for _, _, (_, stored) in walk(hdf, hdf.root(LIMIT)[0]):
        list(hdf.chunks(stored, "d"))


def test_cut_anywhere_it_is_refused(path: Path) -> None:
    with new(path) as file:
        for i in range(60):
            file[f"x{i}"] = h5py.SoftLink("/")
        file.create_dataset("d", (3000,), "u1", chunks=(1,))[...] = 1
    image = path.read_bytes()
    whole = [name for name, _, _ in walk(*opened(path))]
    for length in range(48, len(image), 97):
        source = open_source(image[:length])
        with pytest.raises(MaskstatError):
            read_all(source)
    assert whole == ["d"]


@given(st.lists(st.tuples(st.integers(40, 400), st.integers(1, 40)), max_size=60))
def test_ledger_refuses_what_overlaps_and_nothing_else(parts: list[tuple[int, int]]) -> None:
    ledger, taken = Ledger(400), set(range(48))
    for start, length in parts:
        here = set(range(start, start + length))
        if start < 48 or start + length > 400 or here & taken:
            with pytest.raises(UnsafeArchiveError, match=r"outside|shares"):
                ledger.claim(start, length, "x")
        else:
            ledger.claim(start, length, "x")
            taken |= here


def test_ledger_of_many_parts_from_back_to_front() -> None:
    """In one list this would move a megabyte a part: 20 s."""
    n = 200_000
    ledger = Ledger(48 + 2 * n)
    for start in range(48 + 2 * n - 2, 47, -2):
        ledger.claim(start, 2, "x")
    for start in (48, 48 + n, 48 + 2 * n - 1):
        with pytest.raises(UnsafeArchiveError, match="shares"):
            ledger.claim(start, 1, "x")


def test_chunk_array_with_entries_of_another_width(path: Path) -> None:
    """The library reads the width that follows from the chunk's size, whatever the array says."""
    with new(path) as file:
        values = np.zeros((300, 300), np.uint8)
        file.create_dataset("x", data=values, chunks=(100, 300), compression=1)
    data = bytearray(path.read_bytes())
    at = data.index(b"FAHD")
    assert data[at + 6] == 12 + 1 + ((30_000).bit_length() + 7) // 8
    data[at + 6] += 1
    data[at + 24 : at + 28] = checksum(bytes(data[at : at + 24])).to_bytes(4, "little")
    path.write_bytes(data)
    hdf, root = opened(path)
    _, stored = hdf.open_dataset(root, b"x", "x")
    with pytest.raises(CorruptArchiveError, match="no known kind"):
        list(hdf.chunks(stored, "x"))
