"""What the file is as a whole: refused when the file is opened, with the exact code."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from maskstat import archive
from maskstat.archive import spec
from maskstat.archive.verify import verify
from maskstat.errors import (
    ArchiveError,
    CorruptArchiveError,
    NotFoundError,
    UnsafeArchiveError,
    UnsupportedVersionError,
)
from maskstat.run import Run

Tamper = Callable[..., Path]
RUN = "runs/lenet-0"


def refused(path: Path | bytes, code: str, kind: type[ArchiveError] = UnsafeArchiveError) -> str:
    with pytest.raises(kind) as caught:
        archive.open_archive(path)
    assert caught.value.code == code
    assert code in spec.CODES
    return str(caught.value)


def test_untouched_and_resealed_archives_open(tamper: Tamper, run: Run) -> None:
    path = tamper(lambda file: None, run, sealed=True)
    with archive.open_archive(path) as found:
        assert found.content_digest == archive.open_archive(archive.to_bytes([run])).content_digest
        assert verify(path).ok


class TestSuperblock:
    def patched(self, run: Run, offset: int, value: bytes) -> bytes:
        image = bytearray(archive.to_bytes([run]))
        image[offset : offset + len(value)] = value
        return bytes(image)

    @pytest.mark.parametrize(
        ("offset", "value", "code"),
        [
            (8, b"\x04", "corrupt-superblock"),
            (9, b"\x04", "corrupt-superblock"),
            (10, b"\x04", "corrupt-superblock"),
            (11, b"\x01", "unclosed"),
            (12, struct.pack("<Q", 512), "corrupt-superblock"),
            (20, struct.pack("<Q", 4096), "corrupt-superblock"),
            (28, struct.pack("<Q", 1 << 40), "truncated"),
            (28, struct.pack("<Q", 1 << 10), "trailing-bytes"),
            (36, struct.pack("<Q", 1 << 40), "corrupt-superblock"),
            (44, b"\0\0\0\0", "corrupt-structure"),
        ],
    )
    def test_fields(self, run: Run, offset: int, value: bytes, code: str) -> None:
        refused(self.patched(run, offset, value), code, CorruptArchiveError)

    def test_user_block(self, run: Run) -> None:
        refused(bytes(512) + archive.to_bytes([run]), "not-an-archive", ArchiveError)

    def test_older_superblock(self, run: Run) -> None:
        refused(self.patched(run, 8, b"\x02"), "not-an-archive", ArchiveError)

    def test_writer_that_died(self, tmp_path: Path) -> None:
        path = tmp_path / "died.h5"
        pid = os.fork()
        if pid == 0:
            try:
                file = h5py.File(path, "w", libver=("v110", "v110"))
                file["x"] = np.arange(10)
                file.flush()
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        refused(path, "unclosed", CorruptArchiveError)


class TestOtherFiles:
    def test_text(self, tmp_path: Path) -> None:
        path = tmp_path / "notes.txt"
        path.write_text("hello")
        message = refused(path, "not-an-archive", ArchiveError)
        assert str(path) in message
        assert "try: maskstat convert" in message
        assert not archive.is_archive(path)

    def test_empty(self, tmp_path: Path) -> None:
        path = tmp_path / "empty.h5"
        path.touch()
        refused(path, "empty-file", ArchiveError)

    def test_signature_alone(self) -> None:
        refused(b"\x89HD", "truncated", CorruptArchiveError)
        refused(b"\x89HDF\r\n\x1a\n", "truncated", CorruptArchiveError)

    def test_folder(self, tmp_path: Path) -> None:
        refused(tmp_path, "not-a-file", ArchiveError)

    def test_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        path = tmp_path / "pipe"
        os.mkfifo(path)
        refused(path, "not-a-file", ArchiveError)

    def test_device(self) -> None:
        refused(Path("/dev/null"), "not-a-file", ArchiveError)

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError) as caught:
            archive.open_archive(tmp_path / "missing.h5")
        assert caught.value.code == "no-such-file"

    @pytest.mark.parametrize("libver", ["earliest", "v110"])
    def test_other_hdf5(self, tmp_path: Path, libver: Any) -> None:
        path = tmp_path / "other.h5"
        with h5py.File(path, "w", libver=libver) as file:
            file["mask"] = np.ones(5, np.uint8)
            file.attrs["format"] = "something"
        refused(path, "not-an-archive", ArchiveError)
        assert not archive.is_archive(path)
        assert archive.is_hdf5(path.read_bytes()[:16])


class TestVersion:
    def test_next_major(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            file.attrs["format_version"] = np.bytes_("2.0")
            file.attrs["writer"] = np.bytes_("maskstat 9.1")
            file["runs"]["x"] = h5py.SoftLink("/nowhere")

        message = refused(tamper(edit), "unsupported-version", UnsupportedVersionError)
        for part in ("2.0", "maskstat 9.1", "1.x", "pip install"):
            assert part in message

    def test_earlier_major(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            file.attrs["format_version"] = np.bytes_("0.9")

        path = tamper(edit)
        assert "try: read it with" in refused(path, "unsupported-version", UnsupportedVersionError)
        assert archive.is_archive(path) is True

    def test_required_feature(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            file.attrs["required_features"] = np.bytes_("survival-map")

        message = refused(tamper(edit), "unsupported-feature", UnsupportedVersionError)
        assert "survival-map" in message

    def test_later_minor_with_additions_is_read(self, tamper: Tamper, run: Run) -> None:
        def edit(file: h5py.File) -> None:
            file.attrs["format_version"] = np.bytes_("1.7")
            file.attrs["extra"] = np.int64(3)
            file.create_group("later")
            file[RUN].attrs["temperature"] = np.float64(0.5)
            file[RUN].create_dataset("later", data=np.arange(4.0), chunks=(4,))
            file[RUN]["weights"].create_dataset("ema", data=np.arange(4.0), chunks=(4,))
            file[RUN].create_group("gates").create_dataset("g", data=np.arange(4.0), chunks=(4,))

        with archive.open_archive(tamper(edit, sealed=True)) as found:
            assert found.format_version == "1.7"
            assert set(found.runs["lenet-0"].weights) == {"initial", "final"}
            assert np.array_equal(found.runs["lenet-0"].mask().words(), run.mask().words())

    def test_additions_are_refused_in_this_minor(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            file[RUN].create_dataset("later", data=np.arange(4.0), chunks=(4,))

        refused(tamper(edit), "unexpected-member")
