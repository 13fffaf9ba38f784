"""Verification goes on after a finding and says everything there is to say."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from maskstat import archive
from maskstat.archive import spec
from maskstat.archive.verify import verify
from maskstat.bits import Words, layer_counts
from maskstat.errors import ArchiveError, NotFoundError, UnsupportedVersionError
from maskstat.run import MaskRows, Run

Tamper = Callable[..., Path]
Put = Callable[..., h5py.Dataset]
Runs = Callable[..., Run]
RUN = "runs/lenet-0"


def wrong(source: Path | bytes) -> list[tuple[str, str, str]]:
    found = verify(source)
    assert found.ok == all(row["ok"] for row in found.rows())
    return [(f.check, f.place, f.code) for f in found.findings if not f.ok]


def test_a_good_archive(image: bytes) -> None:
    found = verify(image)
    assert found.ok
    assert found.path == "-"
    assert found.content_digest == archive.open_archive(image).content_digest
    checks = {row["check"] for row in found.rows()}
    assert checks == {
        "structure", "content", "run", "arrays", "digests", "padding", "kept", "dense", "nested",
        "series", "votes",
    }  # fmt: skip
    assert set(found.rows()[0]) == {"check", "place", "ok", "detail", "code"}


def test_every_damaged_row_is_named(tamper: Tamper, replace_dataset: Put) -> None:
    def edit(file: h5py.File) -> None:
        masks = file[RUN]["masks"][...]
        masks[1] = 0  # row 2 is not nested in it, but in what it was
        masks[3, 10] ^= 1
        replace_dataset(file[RUN], "masks", masks)

    path = tamper(edit, sealed=True)
    assert wrong(path) == [
        ("digests", f"{path}@1", "corrupt-digest"),
        ("digests", f"{path}@3", "corrupt-digest"),
    ]


def test_damage_in_one_of_two_runs(tamper: Tamper, replace_dataset: Put, runs: Runs) -> None:
    def edit(file: h5py.File) -> None:
        votes = file["runs/a"]["votes"][...]
        replace_dataset(file["runs/a"], "votes", votes + np.uint16(1))
        replace_dataset(file["runs/a"], "weights/final", file["runs/a/weights/final"][...] * 2)

    path = tamper(edit, runs("a"), runs("b"))
    found = wrong(path)
    assert found == [
        ("arrays", f"{path}::a: votes", "corrupt-digest"),
        ("arrays", f"{path}::a: weights/final", "corrupt-digest"),
    ]
    assert any(f.place == f"{path}::b" and f.check == "nested" for f in verify(path).findings)


def test_masks_that_do_not_nest(run: Run) -> None:
    stack = np.stack([run.mask(t).words() for t in (0, 2, 1, 3, 4)])
    kept = np.stack([layer_counts(Words(row), run.layout.edges) for row in stack])
    loose = dataclasses.replace(run, masks=MaskRows(stack), kept=kept, effective=None)
    assert wrong(archive.to_bytes([loose])) == [("nested", "-@2", "not-nested")]


def test_values_out_of_range(run: Run) -> None:
    changes: list[tuple[dict[str, Any], str]] = [
        ({"series": {"test_accuracy": np.full(5, 97.0)}}, "series"),
        ({"series": {"test_accuracy": np.array([0.5, 0, 1, np.nan, -0.01])}}, "series"),
        ({"provenance": {"parents": ["a", "b"]}}, "votes"),
    ]
    for change, check in changes:
        found = wrong(archive.to_bytes([dataclasses.replace(run, **change)]))
        assert found == [(check, "-", "corrupt-run")]


def test_padding_and_counts(tamper: Tamper, replace_dataset: Put) -> None:
    def edit(file: h5py.File) -> None:
        masks = file[RUN]["masks"][...]
        masks[1, 4] |= 0x10
        kept = file[RUN]["kept"][...]
        kept[2, 1] -= 1
        digests = [np.frombuffer(hashlib.sha256(row.tobytes()).digest(), "u1") for row in masks]
        replace_dataset(file[RUN], "masks", masks)
        replace_dataset(file[RUN], "mask_digests", np.stack(digests))
        replace_dataset(file[RUN], "kept", kept)
        del file[RUN]["effective"]

    path = tamper(edit, sealed=True)
    assert wrong(path) == [
        ("padding", f"{path}@1", "corrupt-padding"),
        ("kept", f"{path}@2", "corrupt-kept"),
    ]


def test_unsafe_structure_and_content_digest(tamper: Tamper) -> None:
    def link(file: h5py.File) -> None:
        file[RUN]["rewind"] = h5py.SoftLink("/runs")

    def digest(file: h5py.File) -> None:
        file.attrs["content_digest"] = np.bytes_("sha256:" + "0" * 64)

    path = tamper(link)
    assert wrong(path) == [("structure", str(path), "unsafe-link")]
    path = tamper(digest)
    assert wrong(path) == [("content", str(path), "corrupt-digest")]


def test_what_is_no_archive_is_an_error(tmp_path: Path, tamper: Tamper) -> None:
    def newer(file: h5py.File) -> None:
        file.attrs["format_version"] = np.bytes_("2.0")

    with pytest.raises(NotFoundError):
        verify(tmp_path / "missing.h5")
    with pytest.raises(ArchiveError) as caught:
        verify(b"hello")
    assert caught.value.code == "not-an-archive"
    with pytest.raises(UnsupportedVersionError):
        verify(tamper(newer))


def test_what_is_found_only_when_a_run_is_loaded_or_the_archive_seen_whole(
    tamper: Tamper, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def edit(file: h5py.File) -> None:
        file["runs/a"].attrs["status"] = np.bytes_("done")
        file.attrs["content_digest"] = np.bytes_("sha256:" + "0" * 64)

    path = tamper(edit, runs("a"), runs("b"))
    monkeypatch.setattr(spec, "EAGER_RUNS", 0)
    assert wrong(path) == [
        ("run", f"{path}::a", "corrupt-manifest"),
        ("content", str(path), "corrupt-digest"),
    ]


def test_a_chunk_that_does_not_inflate(tamper: Tamper, run: Run) -> None:
    path = tamper(lambda file: None, run)
    with h5py.File(path) as file:
        info = file[RUN]["masks"].id.get_chunk_info(0)
    image = bytearray(path.read_bytes())
    image[info.byte_offset + info.size // 2] ^= 0xFF
    assert info.filter_mask == 0
    found = wrong(bytes(image))
    assert {code for _, _, code in found} <= {"corrupt-chunk", "corrupt-digest"}
    assert found


def test_many_runs_are_guarded_one_by_one(tamper: Tamper, runs: Runs) -> None:
    """A sweep too large to be guarded whole at once: what is asked for is, and verify does all."""

    def edit(file: h5py.File) -> None:
        file["runs/r5"]["rewind"] = h5py.SoftLink("/runs")

    path = tamper(edit, *(runs(f"r{i}", seed=i, n_iterations=2, full=False) for i in range(40)))
    with archive.open_archive(path) as found:
        assert len(found.runs) == 40
        assert found.runs["r7"].n_iterations == 2
        assert found.runs["r7"].place == f"{path}::r7"
        with pytest.raises(ArchiveError) as caught:
            found.runs["r5"]
        assert caught.value.code == "unsafe-link"
    assert [place for _, place, _ in wrong(path)] == [f"{path}::r5"]
