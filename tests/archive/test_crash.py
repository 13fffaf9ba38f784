"""Whatever ends a write, the target is absent, the old one whole, or the new one valid."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from maskstat import archive
from maskstat.archive import publish, spec
from maskstat.archive.verify import verify
from maskstat.errors import MaskstatError, OutputExistsError, StorageError
from maskstat.run import Run

Runs = Callable[..., Run]
DRIVER = Path(__file__).parent / "crash_driver.py"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
NOBODY = 65_534


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "run.h5"


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def in_child(work: Callable[[], None]) -> str:
    """Do something in a child process and return the code of the error that ended it."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            try:
                work()
                code = "done"
            except MaskstatError as error:
                code = error.code
            except BaseException as error:
                code = repr(error)
            os.write(write, code.encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read) as pipe:
        code = pipe.read()
    _, status = os.waitpid(child, 0)
    return code if status == 0 else f"killed: {status}"


def kill(folder: Path, times: int, seed: int, sent: str) -> None:
    done = subprocess.run(
        [sys.executable, DRIVER, folder, str(times), str(seed), sent, "--json"],
        capture_output=True, text=True, check=True, env=ENVIRONMENT,
    )  # fmt: skip
    found = json.loads(done.stdout)
    landed = [one for one in found if one["landed"]]
    assert len(landed) == times, "signals came too late"
    for one in found:
        assert one["target"] in (("old", "new") if one["replaced"] else ("absent", "new")), one
        assert one["left"] == ["run.h5"], "a temporary file was left behind"
        if sent == "KILL":
            assert one["code"] in (0, -signal.SIGKILL)
    print(Counter(one["target"] for one in landed), sum(one["temporary"] for one in landed))


@pytest.mark.parametrize("sent", ["KILL", "TERM"])
def test_writers_killed_at_random_moments(tmp_path: Path, sent: str) -> None:
    kill(tmp_path, 20, 0, sent)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("sent", ["KILL", "TERM"])
def test_two_hundred_writers_killed(tmp_path: Path, sent: str, seed: int) -> None:
    kill(tmp_path, 50, seed, sent)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    made = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=64k", "none", folder], capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"a small file system cannot be mounted: {made.stderr}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_full_disk(
    small_disk: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch, streamed: bool
) -> None:
    monkeypatch.setattr(spec, "IMAGE_BYTES", 0 if streamed else spec.IMAGE_BYTES)
    path = small_disk / "run.h5"
    archive.write(path, [runs()])
    before = path.read_bytes()
    many = [runs(f"r{i}", seed=i) for i in range(8)]
    codes = {in_child(lambda: write_over(path, many)) for _ in range(2)}
    assert codes == {"disk-full"}
    assert path.read_bytes() == before
    assert names(small_disk) == ["run.h5"]
    archive.write(path, [runs(seed=1)], overwrite=True)
    assert verify(path).ok


def write_over(path: Path, runs: list[Run]) -> None:
    archive.write(path, runs, overwrite=True)


@pytest.mark.parametrize("limit", [0, 1, 40, 48, 600, 3000, 8000, 15_000, 17_000])
def test_a_write_that_fails_anywhere_in_the_hdf5_library(
    target: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """A limit on the size of files makes the write that goes beyond it fail, in C too."""
    archive.write(target, [runs()])
    before = target.read_bytes()
    monkeypatch.setattr(spec, "IMAGE_BYTES", 0)

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        write_over(target, [runs(seed=1)])

    assert in_child(work) in ("write-failed", "disk-full")
    assert target.read_bytes() == before
    assert names(target.parent) == ["run.h5"]


def test_the_nth_write_fails(target: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """ENOSPC at every call into the operating system that writing makes, one after another."""
    archive.write(target, [runs()])
    before = target.read_bytes()
    calls = ("write", "fsync", "open", "replace", "fchmod", "scandir")
    for name in calls:
        real = getattr(os, name)
        for n in range(10):
            left = n

            def failing(
                *args: object, real: Callable[..., object] = real, **rest: object
            ) -> object:
                nonlocal left
                left -= 1
                if left < 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return real(*args, **rest)

            with monkeypatch.context() as patch, contextlib.suppress(StorageError):
                patch.setattr(os, name, failing)
                archive.write(target, [runs(seed=1)], overwrite=True)
            if left >= 0:
                break
            assert target.read_bytes() in (before, archive.to_bytes([runs(seed=1)])), (name, n)
        assert left >= 0, f"{name} was called more often than that"
    archive.write(target, [runs()], overwrite=True)
    assert names(target.parent) == ["run.h5"]


def test_a_folder_that_may_not_be_written_to(tmp_path: Path, runs: Runs) -> None:
    """Tried as another user where the tests run as root, whom permissions do not stop."""
    tmp_path.chmod(0o555)
    above = [p for p in tmp_path.parents if p.stat().st_uid == os.getuid() and p != Path("/")]
    modes = [(p, p.stat().st_mode & 0o7777) for p in above]

    def work() -> None:
        if os.geteuid() == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        archive.write(tmp_path / "run.h5", [runs()])

    try:
        for p, mode in modes:
            p.chmod(mode | 0o011)
        assert in_child(work) == "permission-denied"
    finally:
        tmp_path.chmod(0o755)
        for p, mode in modes:
            p.chmod(mode)
    assert names(tmp_path) == []


@pytest.mark.parametrize("command", ["consensus", "verify", "list", "info"])
def test_a_full_standard_output(target: Path, runs: Runs, command: str) -> None:
    archive.write(target, [runs()])
    options = [target, "-o", "-"] if command == "consensus" else []
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "maskstat", command, target, *options],
            stdout=full, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, check=False,
        )  # fmt: skip
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr


def race(work: Callable[[int], None], number: int) -> list[str]:
    """Do something in several children at once and return how each ended."""
    read, write = os.pipe()
    for i in range(number):
        if os.fork() == 0:
            os.close(write)
            os.read(read, 1)  # until the parent closes its end
            code = in_child(lambda: work(i))  # noqa: B023
            os._exit({"done": 0, "output-exists": 1}.get(code, 9))
    os.close(read)
    os.close(write)
    ended = [os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(number)]
    return [("done", "output-exists")[code] if code < 2 else f"status {code}" for code in ended]


def test_two_writers_of_one_target(target: Path, runs: Runs) -> None:
    """All may replace: the last one's stays. None may: one wins. One digest may: one wins."""
    made = [runs(seed=i) for i in range(4)]
    images = [archive.to_bytes([run]) for run in made]

    assert race(lambda i: write_over(target, [made[i]]), 4) == ["done"] * 4
    assert target.read_bytes() in images
    target.unlink()
    found = race(lambda i: ignore(archive.write(target, [made[i]])), 4)
    assert sorted(found) == ["done"] + ["output-exists"] * 3
    assert target.read_bytes() in images
    for _ in range(5):
        digest = archive.write(target, [runs(seed=9)], overwrite=True)
        found = race(lambda i: ignore(archive.write(target, [made[i]], replaces=digest)), 4)  # noqa: B023
        assert sorted(found) == ["done"] + ["output-exists"] * 3
        assert target.read_bytes() in images
    assert names(target.parent) == ["run.h5"]


def ignore(value: object) -> None:
    """Drop a value."""


def test_only_what_is_known_is_replaced(target: Path, runs: Runs) -> None:
    known = archive.write(target, [runs()], replaces="sha256:none")  # nothing is there
    known = archive.write(target, [runs(seed=1)], replaces=known)
    with pytest.raises(OutputExistsError) as caught:
        archive.write(target, [runs(seed=2)], replaces="sha256:another")
    assert "meanwhile" in str(caught.value)
    assert archive.open_archive(target).content_digest == known
    target.write_text("something else")
    with pytest.raises(OutputExistsError):
        archive.write(target, [runs(seed=2)], replaces=known)
    assert target.read_text() == "something else"
    assert names(target.parent) == ["run.h5"]


def test_a_folder_locked_by_another_program(
    target: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for, and not for ever."""
    import fcntl

    monkeypatch.setattr(publish, "_PATIENCE", 0.05)
    descriptor = os.open(target.parent, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    archive.write(target, [runs()])
    os.close(descriptor)
    assert verify(target).ok


def test_a_reader_during_replacements(
    target: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spec, "SMALL_FILE", 0)
    both = [runs(), runs(seed=1)]
    archive.write(target, both[:1])
    child = os.fork()
    if child == 0:
        try:
            for i in itertools.count(1):
                archive.write(target, [both[i % 2]], overwrite=True)
        finally:
            os._exit(1)
    seen = []
    try:
        while seen.count(0) < 5 or seen.count(1) < 5:
            with archive.open_archive(target) as found:
                mask = found.runs["lenet-0"].mask(4)
            seen.append([run.mask(4) == mask for run in both].index(True))
            assert os.waitpid(child, os.WNOHANG)[0] == 0, "the writer gave up"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
