"""Datasets and their chunks: one hazard a test, refused at opening with the exact code."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t

from maskstat import archive
from maskstat.archive import spec
from maskstat.archive.guard_storage import Budget, Ledger, chunk_table
from maskstat.archive.hdf5 import ChunkFacts, DatasetFacts
from maskstat.errors import (
    ArchiveError,
    CorruptArchiveError,
    UnsafeArchiveError,
)
from maskstat.run import Run

Tamper = Callable[..., Path]
Put = Callable[..., h5py.Dataset]
RUN = "runs/lenet-0"


def refused(path: Path | bytes, code: str, kind: type[ArchiveError] = UnsafeArchiveError) -> str:
    with pytest.raises(kind) as caught:
        archive.open_archive(path)
    assert caught.value.code == code
    assert code in spec.CODES
    return str(caught.value)


class TestStorage:
    @pytest.mark.parametrize(
        "options",
        [{"compression": "lzf"}, {"shuffle": True}, {"fletcher32": True}, {"scaleoffset": 4}],
        ids=str,
    )
    def test_filters(self, tamper: Tamper, replace_dataset: Put, options: Any) -> None:
        def edit(file: h5py.File) -> None:
            replace_dataset(file[RUN], "kept", file[RUN]["kept"][...], **options)

        refused(tamper(edit), "unsafe-filter")

    def raw_dataset(self, file: h5py.File, creation: Any, shape: tuple[int, ...] = (430,)) -> Any:
        del file[RUN]["votes"]
        return h5d.create(file[RUN].id, b"votes", h5t.STD_U16LE, h5s.create_simple(shape), creation)

    def test_deflate_twice(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            creation = h5p.create(h5p.DATASET_CREATE)
            creation.set_chunk((430,))
            creation.set_deflate(9)
            creation.set_deflate(9)
            self.raw_dataset(file, creation)

        refused(tamper(edit), "unsafe-filter")

    def test_unknown_filter(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            creation = h5p.create(h5p.DATASET_CREATE)
            creation.set_chunk((430,))
            creation.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, (1, 2))
            self.raw_dataset(file, creation)

        refused(tamper(edit), "unsafe-filter")

    def test_contiguous(self, tamper: Tamper, replace_dataset: Put) -> None:
        def edit(file: h5py.File) -> None:
            replace_dataset(file[RUN], "kept", file[RUN]["kept"][...], chunks=None)

        refused(tamper(edit), "unsafe-storage")

    def test_compact(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            creation = h5p.create(h5p.DATASET_CREATE)
            creation.set_layout(h5d.COMPACT)
            self.raw_dataset(file, creation)

        refused(tamper(edit), "unsafe-storage")

    def test_external_file(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            creation = h5p.create(h5p.DATASET_CREATE)
            creation.set_external(b"/etc/hostname", 0, 860)
            self.raw_dataset(file, creation)

        refused(tamper(edit), "unsafe-storage")

    def test_virtual_dataset_opens_no_other_file(self, tamper: Tamper, tmp_path: Path) -> None:
        pipe = tmp_path / "canary"
        os.mkfifo(pipe)  # opening it would wait for ever

        def edit(file: h5py.File) -> None:
            del file[RUN]["votes"]
            layout = h5py.VirtualLayout((430,), "<u2", maxshape=(None,))
            source = h5py.VirtualSource(str(pipe), "x", (430,), maxshape=(None,))
            layout[: h5s.UNLIMITED] = source[: h5s.UNLIMITED]
            file[RUN].create_virtual_dataset("votes", layout)

        refused(tamper(edit), "unsafe-storage")

    @pytest.mark.parametrize(
        "dtype",
        [">u2", "<u4", "<i2", "S2", h5py.string_dtype(), h5py.enum_dtype({"a": 1}, "<u2"),
         np.dtype([("a", "<u2")]), "V2", h5py.ref_dtype],
        ids=["big", "wide", "signed", "text", "vlen", "enum", "compound", "opaque", "reference"],
    )  # fmt: skip
    def test_types(self, tamper: Tamper, dtype: Any) -> None:
        def edit(file: h5py.File) -> None:
            del file[RUN]["votes"]
            file[RUN].create_dataset("votes", (430,), dtype, chunks=(430,))

        refused(tamper(edit), "unsafe-type")

    def test_committed_type(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            file["later"] = np.dtype("<u2")
            del file[RUN]["votes"]
            file[RUN].create_dataset("votes", (430,), file["later"], chunks=(430,))
            del file["later"]

        refused(tamper(edit), "unsafe-type")

    @pytest.mark.parametrize(
        ("path", "shape"),
        [
            ("votes", (430, 1)),
            ("votes", (429,)),
            ("mask_digests", (5, 31)),
            ("mask_digests", (4, 32)),
            ("kept", (5, 4)),
            ("kept", (6, 3)),
            ("effective", (5, 3, 3)),
            ("series/test_accuracy", (4,)),
            ("series/test_accuracy", (5, 2, 2)),
            ("weights/final", (1, 430)),
            ("weights/final", (2, 431)),
            ("others/initial", (6,)),
            ("labels/emnist-balanced-43d018ce", (8,)),
        ],
    )
    def test_shapes(
        self, tamper: Tamper, replace_dataset: Put, path: str, shape: tuple[int, ...]
    ) -> None:
        def edit(file: h5py.File) -> None:
            values = np.zeros(shape, file[RUN][path].dtype)
            replace_dataset(file[RUN], path, values)

        refused(tamper(edit), "unsafe-shape")

    def test_all_rows_of_another_length(self, tamper: Tamper, replace_dataset: Put) -> None:
        def edit(file: h5py.File) -> None:
            replace_dataset(file[RUN], "masks", np.zeros((5, 80), "u1"))

        refused(tamper(edit), "unsafe-shape")

    def test_scalar_and_growing(self, tamper: Tamper, replace_dataset: Put) -> None:
        def growing(file: h5py.File) -> None:
            replace_dataset(file[RUN], "votes", np.zeros(430, "u2"), maxshape=(None,))

        refused(tamper(growing), "unsafe-shape")

    def test_shape_bomb(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            creation = h5p.create(h5p.DATASET_CREATE)
            creation.set_chunk((1 << 16,))
            self.raw_dataset(file, creation, (1 << 60,))

        refused(tamper(edit), "unsafe-shape")

    def test_json_bomb(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            creation = h5p.create(h5p.DATASET_CREATE)
            creation.set_chunk((1 << 22,))
            creation.set_deflate(9)
            del file[RUN]["provenance"]
            space = h5s.create_simple((1 << 25,))
            h5d.create(file[RUN].id, b"provenance", h5t.STD_U8LE, space, creation)

        refused(tamper(edit), "unsafe-shape")

    def test_table_bomb(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            del file[RUN]["series/train_loss"]
            file[RUN].create_dataset(
                "series/train_loss",
                data=np.zeros((5, 1 << 21)),
                chunks=(1, 1 << 19),
                compression=9,
            )

        path = tamper(edit)
        assert path.stat().st_size < 1 << 20
        refused(path, "unsafe-budget")

    def test_missing_chunk(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            del file[RUN]["votes"]
            votes = file[RUN].create_dataset("votes", (430,), "<u2", chunks=(200,))
            votes[:10] = 1

        refused(tamper(edit), "missing-chunk", CorruptArchiveError)

    @pytest.mark.parametrize("chunks", [(2, 2, 3), (2, 7, 1), (1, 3, 2)])
    def test_chunks_out_of_order(
        self, tamper: Tamper, replace_dataset: Put, chunks: tuple[int, ...]
    ) -> None:
        def edit(file: h5py.File) -> None:
            name = "outputs/emnist-balanced-43d018ce"
            replace_dataset(file[RUN], name, np.zeros((2, 7, 3), "f4"), chunks=chunks)

        refused(tamper(edit), "unsafe-chunk")

    def test_chunk_bomb(self, tamper: Tamper, run: Run) -> None:
        def edit(file: h5py.File) -> None:
            del file[RUN]["series/train_loss"]
            file[RUN].create_dataset(
                "series/train_loss", data=np.zeros((5, 1 << 18)), chunks=(5, 1 << 18)
            )

        refused(tamper(edit), "unsafe-chunk")

    def test_too_many_chunks(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            del file[RUN]["series/train_loss"]
            file[RUN].create_dataset("series/train_loss", data=np.zeros((5, 40)), chunks=(1, 1))

        refused(tamper(edit), "unsafe-chunk")

    def skipping(self, mask: int, data: bytes) -> Callable[..., None]:
        def edit(file: h5py.File) -> None:
            creation = h5p.create(h5p.DATASET_CREATE)
            creation.set_chunk((430,))
            creation.set_deflate(4)
            self.raw_dataset(file, creation).write_direct_chunk((0,), data, mask)

        return edit

    def test_filter_skipped_with_a_wrong_size(self, tamper: Tamper) -> None:
        refused(tamper(self.skipping(1, bytes(859))), "unsafe-chunk")

    def test_filter_mask_of_another_filter(self, tamper: Tamper) -> None:
        refused(tamper(self.skipping(2, bytes(860))), "unsafe-filter")

    def test_filter_mask_without_filter(self) -> None:
        facts = DatasetFacts(True, 0, (), (860,), "u1", (860,), (860,))
        chunk = ChunkFacts((0,), 1, 100, 860)
        with pytest.raises(UnsafeArchiveError) as caught:
            chunk_table(facts, [chunk], "u1", Ledger(1000), "a")
        assert caught.value.code == "unsafe-filter"

    @pytest.mark.parametrize("positions", [[0, 430, 430], [0, 100], [0, 860], [0, 0]])
    def test_chunks_without_their_place(self, positions: list[int]) -> None:
        facts = DatasetFacts(True, 0, (), (430,), "u1", (860,), (860,))
        chunks = [ChunkFacts((p,), 0, 500 * i, 430) for i, p in enumerate(positions, 1)]
        with pytest.raises(UnsafeArchiveError) as caught:
            chunk_table(facts, chunks, "u1", Ledger(5000), "a")
        assert caught.value.code == "unsafe-chunk"

    def test_ratio_beyond_deflate(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            del file[RUN]["series/train_loss"]
            made = file[RUN].create_dataset(
                "series/train_loss", (5, 1 << 16), "<f8", chunks=(5, 1 << 16), compression=4
            )
            made.id.write_direct_chunk((0, 0), bytes(100))

        refused(tamper(edit), "unsafe-chunk")


def test_ledger_refuses_overlaps_and_what_lies_outside() -> None:
    ledger = Ledger(1000)
    ledger.claim(100, 50, "a")
    ledger.claim(150, 50, "a")
    ledger.claim(48, 52, "a")
    for start, length in [(120, 1), (90, 20), (199, 2), (40, 8), (990, 11), (48, 900), (-5, 9)]:
        with pytest.raises(UnsafeArchiveError) as caught:
            ledger.claim(start, length, "a")
        assert caught.value.code == "unsafe-overlap"
    ledger.claim(200, 800, "a")


def test_budget_grows_with_the_file() -> None:
    budget = Budget(1 << 20)
    budget.spend(spec.BUDGET_BASE, "a")
    budget.spend(spec.BUDGET_RATIO << 20, "a")
    with pytest.raises(UnsafeArchiveError) as caught:
        budget.spend(1, "a")
    assert caught.value.code == "unsafe-budget"


def test_a_dataset_that_no_compression_brings_into_the_file(tamper: Tamper) -> None:
    """Walking the index of 2**26 chunks that are not there would take minutes."""

    def edit(file: h5py.File) -> None:
        for name in ("votes", "weights/initial", "weights/final"):
            del file[RUN][name]
        made = file[RUN].create_dataset(
            "weights/final", (1, 1 << 40), "<f4", chunks=(1, 1 << 20), fillvalue=None
        )
        made.attrs["iterations"] = np.array([4])
        made.id.write_direct_chunk((0, 0), bytes(1 << 22))

    path = tamper(edit)
    started = time.monotonic()
    refused(path, "unsafe-budget")
    assert time.monotonic() - started < 5
