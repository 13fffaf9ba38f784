"""A target is absent, as it was, or whole; and nothing else is left behind."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from maskstat import archive
from maskstat.archive import builder, publish, reader, spec, writer
from maskstat.archive.publish import made_folder
from maskstat.archive.verify import verify
from maskstat.errors import CorruptArchiveError, OutputExistsError, StorageError
from maskstat.run import Run

_NOBODY = 65534

Runs = Callable[..., Run]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "run.h5"


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_a_new_file(target: Path, run: Run) -> None:
    digest = archive.write(target, [run])
    assert names(target.parent) == ["run.h5"]
    assert archive.open_archive(target).content_digest == digest
    assert target.read_bytes() == archive.to_bytes([run])
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~umask


def test_what_is_there_stays(target: Path, runs: Runs) -> None:
    archive.write(target, [runs()])
    before = target.read_bytes()
    with pytest.raises(OutputExistsError) as caught:
        archive.write(target, [runs(seed=1)])
    assert caught.value.code == "output-exists"
    assert "--overwrite" in str(caught.value)
    assert target.read_bytes() == before
    assert names(target.parent) == ["run.h5"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("what", ["folder", "pipe", "link", "stdout", "nothing"])
def test_what_is_no_file_is_never_replaced(
    tmp_path: Path, run: Run, what: str, overwrite: bool
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("pipe")
    reading, writing = os.pipe()
    (tmp_path / "stdout").symlink_to(f"/proc/self/fd/{writing}")
    before = names(tmp_path)
    with pytest.raises(StorageError) as caught:
        archive.write(tmp_path / what if what != "nothing" else "", [run], overwrite=overwrite)
    os.close(reading)
    os.close(writing)
    assert caught.value.code == "not-a-file"
    assert names(tmp_path) == before


def test_what_appears_while_writing_stays(
    target: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(descriptor: int) -> None:
        if not target.exists():
            target.write_text("another writer's")

    monkeypatch.setattr(os, "fsync", slow)
    with pytest.raises(OutputExistsError):
        archive.write(target, [run])
    assert target.read_text() == "another writer's"
    assert names(target.parent) == ["run.h5"]


def test_overwrite_keeps_permissions_and_readers(target: Path, runs: Runs) -> None:
    archive.write(target, [runs()])
    target.chmod(0o600)
    old = archive.open_archive(target).runs["lenet-0"]
    words = runs().mask().words()
    archive.write(target, [runs(seed=1)], overwrite=True)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert (old.mask().words() == words).all()
    assert not (archive.open_archive(target).runs["lenet-0"].mask().words() == words).all()


def test_overwrite_goes_through_a_symbolic_link(tmp_path: Path, run: Run) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "link.h5"
    link.symlink_to(tmp_path / "there" / "real.h5")
    with pytest.raises(OutputExistsError):
        archive.write(link, [run])
    archive.write(link, [run], overwrite=True)
    assert link.is_symlink()
    assert names(tmp_path / "there") == ["real.h5"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_no_folder(tmp_path: Path, run: Run, overwrite: bool) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "missing" / "run.h5", tmp_path / "file" / "run.h5"):
        with pytest.raises(StorageError) as caught:
            archive.write(path, [run], overwrite=overwrite)
        assert caught.value.code == "no-such-folder"


def test_over_a_folder_or_device(tmp_path: Path, run: Run) -> None:
    for path in (tmp_path, Path("/dev/null")):
        with pytest.raises(StorageError) as caught:
            archive.write(path, [run], overwrite=True)
        assert caught.value.code == "not-a-file"


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b"])
def test_a_name_that_no_file_can_have(tmp_path: Path, run: Run, name: str) -> None:
    with pytest.raises(StorageError, match="no file can have this name"):
        archive.write(f"{tmp_path}/{name}", [run])
    assert names(tmp_path) == []


@pytest.mark.parametrize("path", ["new/", ""])
def test_a_path_without_a_name(tmp_path: Path, run: Run, path: str) -> None:
    with contextlib.chdir(tmp_path), pytest.raises(StorageError) as caught:
        archive.write(path, [run])
    assert caught.value.code == "not-a-file"
    assert names(tmp_path) == []


def failing(call: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a call into the operating system fail."""

    def fail(*args: Any, **options: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)


@pytest.mark.parametrize(
    ("call", "number", "code"),
    [
        ("write", errno.ENOSPC, "disk-full"),
        ("write", errno.EDQUOT, "disk-full"),
        ("write", errno.EIO, "write-failed"),
        ("fsync", errno.EIO, "write-failed"),
        ("fsync", errno.ENOSPC, "disk-full"),
        ("replace", errno.EACCES, "permission-denied"),
        ("fchmod", errno.EPERM, "permission-denied"),
        ("scandir", errno.EIO, "write-failed"),
        ("open", errno.EROFS, "permission-denied"),
    ],
)
def test_failures_lose_nothing(
    target: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch, call: str, number: int, code: str
) -> None:
    archive.write(target, [runs()])
    before = target.read_bytes()
    other = [runs(seed=1)]
    with monkeypatch.context() as patch:
        failing(call, number, patch)
        with pytest.raises(StorageError) as caught:
            archive.write(target, other, overwrite=True)
    assert caught.value.code == code
    assert caught.value.place == str(target)
    assert target.read_bytes() == before
    assert names(target.parent) == ["run.h5"]


def test_every_write_may_fail(target: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """ENOSPC at the n-th piece of a disk that takes 1000 bytes a time."""
    archive.write(target, [runs()])
    before = target.read_bytes()
    real = os.write
    for n in range(12):
        left = n

        def short(descriptor: int, data: Any) -> int:
            nonlocal left
            if not left:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            left -= 1
            return real(descriptor, data[:1000])

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", short)
            with pytest.raises(StorageError):
                archive.write(target, [runs(seed=1)], overwrite=True)
        assert target.read_bytes() == before
        assert names(target.parent) == ["run.h5"]


def test_a_folder_that_cannot_be_listed_or_synced(
    target: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def files_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        real(descriptor)

    with monkeypatch.context() as patch:
        failing("scandir", errno.EACCES, patch)
        patch.setattr(os, "fsync", files_only)
        archive.write(target, [run])
    assert names(target.parent) == ["run.h5"]


def test_interrupt_leaves_nothing(target: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        archive.write(target, [run])
    assert names(target.parent) == []


def test_a_file_system_without_links(
    target: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing("link", errno.EOPNOTSUPP, monkeypatch)
    archive.write(target, [runs()])
    assert verify(target).ok
    other = target.with_name("b.h5")
    with pytest.raises(OutputExistsError), publish.publication(other):
        other.touch()
    assert names(target.parent) == ["b.h5", "run.h5"]


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder of the user who runs this, who is nobody for the while if they are root."""
    with tempfile.TemporaryDirectory() as name:
        folder, root = Path(name), os.geteuid() == 0
        if root:
            os.chown(folder, _NOBODY, -1)
            os.seteuid(_NOBODY)
        try:
            yield folder
        finally:
            folder.chmod(0o700)
            if root:
                os.seteuid(0)


def test_read_only_folder(unprivileged: Path, run: Run) -> None:
    archive.write(unprivileged / "a.h5", [run])
    unprivileged.chmod(0o500)
    with pytest.raises(StorageError) as caught:
        archive.write(unprivileged / "b.h5", [run])
    assert caught.value.code == "permission-denied"
    assert names(unprivileged) == ["a.h5"]


def killed_writer(target: Path, when: str) -> None:
    """Start a writer in a child and let it die by SIGKILL at one of its system calls."""
    pid = os.fork()
    if pid == 0:
        try:
            setattr(os, when, lambda *args, **options: os.kill(os.getpid(), 9))
            with publish.publication(target, overwrite=True) as temporary:
                temporary.write(b"half")
        finally:
            os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("when", ["write", "fsync", "replace"])
def test_killed_writers_leave_the_target_and_are_cleaned_up_after(
    target: Path, runs: Runs, when: str
) -> None:
    archive.write(target, [runs()])
    before = target.read_bytes()
    killed_writer(target, when)
    assert target.read_bytes() == before
    assert len(names(target.parent)) == 2
    archive.write(target.with_name("other.h5"), [runs()])
    assert len(names(target.parent)) == 3  # another target's is not ours to judge
    archive.write(target, [runs(seed=1)], overwrite=True)
    assert names(target.parent) == ["other.h5", "run.h5"]
    assert verify(target).ok


def test_writers_that_live_are_left_alone(target: Path, runs: Runs) -> None:
    with publish.publication(target, overwrite=True) as slow:
        slow.write(archive.to_bytes([runs()]))
        archive.write(target, [runs(seed=1)])
        assert os.path.exists(slow.path)
    assert target.read_bytes() == archive.to_bytes([runs()])
    assert names(target.parent) == ["run.h5"]


def test_a_temporary_taken_for_stale_is_made_again(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cleaner wins the moment between a temporary's making and its locking."""
    real, stolen = fcntl.flock, []

    def steal(descriptor: int, how: int) -> None:
        if not stolen:
            (path,) = [entry.path for entry in os.scandir(target.parent)]
            stolen.append(path)
            os.unlink(path)
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", steal)
    with publish.publication(target) as temporary:
        temporary.write(b"content")
    assert temporary.path not in stolen
    assert target.read_bytes() == b"content"


def test_what_the_reader_would_refuse_is_not_published(
    target: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builder.Builder.image

    def damaged(self: Any) -> bytes:
        image = bytearray(real(self))
        image[len(image) // 2] ^= 1
        return bytes(image)

    monkeypatch.setattr(builder.Builder, "image", damaged)
    with pytest.raises(CorruptArchiveError):
        archive.write(target, [run])
    assert names(target.parent) == []


class TestLargeArchives:
    """The same through a temporary file that HDF5 writes to, and without reading it whole."""

    @pytest.fixture(autouse=True)
    def small_limits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(spec, "IMAGE_BYTES", 0)
        monkeypatch.setattr(spec, "SMALL_FILE", 0)

    def test_same_digest_and_same_bytes_each_time(self, target: Path, run: Run) -> None:
        digest = archive.write(target, [run])
        assert archive.open_archive(archive.to_bytes([run])).content_digest == digest
        first = target.read_bytes()
        archive.write(target, [run], overwrite=True)
        assert target.read_bytes() == first
        assert verify(target).ok
        assert names(target.parent) == ["run.h5"]

    def test_damage_in_between_is_not_published(
        self, target: Path, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = builder.Builder.close

        def damaged(self: Any) -> None:
            real(self)
            (path,) = [entry.path for entry in os.scandir(target.parent)]
            with open(path, "r+b") as file:
                file.truncate(os.path.getsize(path) - 1)

        monkeypatch.setattr(builder.Builder, "close", damaged)
        with pytest.raises(CorruptArchiveError):
            archive.write(target, [run])
        assert names(target.parent) == []

    def test_library_errors(self, target: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        for error, code in (
            (RuntimeError("no"), "write-failed"),
            (OSError(errno.ENOSPC, "no"), "disk-full"),
        ):

            def fail(*args: Any, error: Exception = error) -> None:
                raise error

            monkeypatch.setattr(builder.Builder, "dataset", fail)
            with pytest.raises(StorageError) as caught:
                archive.write(target, [run])
            assert caught.value.code == code
            assert caught.value.place == str(target)
            assert names(target.parent) == []

    def test_a_file_replaced_while_it_is_opened(
        self, target: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What the guard looks at is what is read, though the name has gone to another file."""
        archive.write(target, [runs()])
        real = reader.open_source

        def replaced(source: Any) -> Any:
            found = real(source)
            archive.write(target, [runs(seed=1, n_iterations=4)], overwrite=True)
            return found

        with monkeypatch.context() as patch:
            patch.setattr(reader, "open_source", replaced)
            patch.setattr(writer, "recheck", lambda archive: "")
            patch.setattr(writer, "open_archive", lambda path: contextlib.nullcontext(path))
            old = archive.open_archive(target).runs["lenet-0"]
        assert np.array_equal(old.mask(4).words(), runs().mask(4).words())
        assert archive.open_archive(target).runs["lenet-0"].n_iterations == 4

    def test_a_file_that_is_open_elsewhere_in_the_process(self, target: Path, run: Run) -> None:
        archive.write(target, [run])
        with h5py.File(target) as file, archive.open_archive(target) as found:
            assert found.runs["lenet-0"].mask(2).n_kept == file["runs/lenet-0/kept"][2].sum()
        with archive.open_archive(target) as found, h5py.File(target, "r+") as file:
            assert found.runs["lenet-0"].mask(2).n_kept == file["runs/lenet-0/kept"][2].sum()

    def test_a_disk_that_fails_while_the_guard_reads(
        self, target: Path, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        archive.write(target, [run])
        real = os.preadv
        for good in range(12):
            left = good

            def failing_read(*args: Any) -> int:
                nonlocal left
                if not left:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                left -= 1
                return real(*args)

            with monkeypatch.context() as patch:
                patch.setattr(os, "preadv", failing_read)
                with pytest.raises(StorageError) as caught:
                    archive.open_archive(target)
            assert caught.value.code == "read-failed"
        assert verify(target).ok


def test_a_link_that_leads_nowhere_is_no_folder(tmp_path):
    (tmp_path / "link").symlink_to("gone")
    with pytest.raises(StorageError) as caught:
        made_folder(tmp_path / "link")
    assert (caught.value.code, caught.value.place) == ("not-a-folder", str(tmp_path / "link"))
