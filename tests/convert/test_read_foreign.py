"""Foreign files wherever an archive is taken: addresses, pipes, what was not read, imports."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from maskstat.archive import write
from maskstat.convert.read import read, read_all
from maskstat.errors import ArchiveError, NotFoundError, UsageError
from maskstat.mask import Mask
from maskstat.run import Run

MASKS = {"fc1": np.eye(9) == 1, "fc2": np.tri(5, 20) == 1}


@pytest.fixture
def npz(tmp_path):
    np.savez(tmp_path / "my masks.npz", **MASKS)
    return tmp_path / "my masks.npz"


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "run.h5"
    write(path, [Run.from_masks("mine", [Mask.from_arrays(MASKS)])])
    return path


def test_beside_an_archive(npz, archive):
    (foreign, _), (own, _) = read_all([npz, archive])
    assert foreign.mask(1) == own.mask(1)
    assert foreign.mask(0) == own.mask(0)
    assert foreign.label == str(npz)


def test_an_archive_is_one_whatever_the_others_are(npz, archive):
    (foreign, _), (own, _) = read_all([npz, archive], format="generic")
    assert foreign.mask(1) == own.mask(1)


def test_addresses(npz):
    assert read(f"{npz}::my-masks").run_id == "my-masks"
    ((run, iteration),) = read_all([f"{npz}@1"])
    assert (run.n_iterations, iteration) == (2, 1)
    with pytest.raises(NotFoundError) as caught:
        read_all([f"{npz}@2"])
    assert caught.value.code == "no-such-iteration"
    with pytest.raises(NotFoundError) as caught:
        read(f"{npz}::other")
    assert caught.value.code == "no-such-run"


def test_one_file_is_read_once(npz):
    first, second = (run for run, _ in read_all([f"{npz}@0", f"{npz}@1"]))
    assert first is second


def test_from_standard_input(npz, monkeypatch):
    class Stdin:
        buffer = io.BytesIO(npz.read_bytes())

    monkeypatch.setattr(sys, "stdin", Stdin)
    (first, _), (second, _) = read_all(["-@0", "-@1"])
    assert first.mask(1) == read(npz).mask(1)
    assert second is first


def test_only_archives(npz, archive):
    assert read(archive, format="maskstat").run_id == "mine"
    with pytest.raises(ArchiveError):
        read(npz, format="maskstat")
    with pytest.raises(UsageError):
        read(npz, format="nothing")


def test_written_and_read_again(npz, tmp_path):
    write(tmp_path / "out.h5", [read(npz)])
    again = read(tmp_path / "out.h5")
    assert again.mask(1) == read(npz).mask(1)
    assert again.provenance["source"]["format"] == "generic"


def test_torch_names_are_those_of_an_archive(tmp_path):
    save_file({f"module.{n}_mask": m.astype(np.float32) for n, m in MASKS.items()}, tmp_path / "m")
    assert read(tmp_path / "m").layout == Mask.from_arrays(MASKS).layout


def test_archives_need_nothing_of_this(archive):
    code = (
        "import sys; from maskstat.convert.read import read; "
        f"read({str(archive)!r}).mask(1).n_kept; "
        "print([m for m in sys.modules if m.startswith(('maskstat.convert', 'zipfile', 'torch'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = done.stdout
    for needless in ("registry", "probe", "tensors", "torch", "safetensors"):
        assert needless not in modules


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_memory_of_a_long_mask_is_bounded(tmp_path):
    """A mask of 2e8 weights, deflated to 200 kB, is read in less than 150 MB."""
    np.savez_compressed(tmp_path / "m.npz", a=np.zeros(200_000_000, np.uint8))
    code = (
        "from maskstat.convert.read import read; "
        f"assert read({str(tmp_path / 'm.npz')!r}).mask(1).n_kept == 0; "
        "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 150_000
