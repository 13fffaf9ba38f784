"""MNIST, its successors and EMNIST, on small files made here, true and lying."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import os
import struct
import zipfile
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat.errors import InputError, MaskstatError, NotFoundError, StorageError
from maskstat.prune.data import genuine, packed, sources
from maskstat.prune.data.idx import array_of, declared_size
from maskstat.prune.data.registry import load

RNG = np.random.default_rng(7)
PARTS = ("train", "t10k")


def idx(array):
    header = struct.pack(f">{array.ndim + 1}I", 0x800 + array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def digits(n, classes=10, side=28, first=0):
    images = RNG.integers(0, 256, (n, side, side), dtype=np.uint8)
    return images, (np.arange(n) % classes + first).astype(np.uint8)


def write_mnist(folder, *, stems=PARTS, zipped=False, sizes=(20, 10), **kw):
    """Write the four files and return what is in them."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for stem, n in zip(stems, sizes, strict=True):
        images, labels = digits(n, **kw)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            path, data = folder / f"{stem}-{kind}-ubyte", idx(array)
            if zipped:
                path, data = path.with_name(f"{path.name}.gz"), gzip.compress(data, mtime=0)
            path.write_bytes(data)
        written += [images, labels]
    return written


def agrees(dataset, written, *, upright=True):
    images, labels, test_images, test_labels = written
    if not upright:
        images, test_images = images.transpose(0, 2, 1), test_images.transpose(0, 2, 1)
    return (
        (dataset.images[:, 0] == images).all()
        and (dataset.test_images[:, 0] == test_images).all()
        and (dataset.labels == labels).all()
        and (dataset.test_labels == test_labels).all()
        and dataset.labels.dtype == np.int64
        and dataset.images.flags.c_contiguous
    )


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("mnist", "."),
        ("mnist", "mnist"),
        ("mnist", "MNIST/raw"),
        ("fashion-mnist", "FashionMNIST/raw"),
        ("fashion-mnist", "fashion-mnist"),
        ("kmnist", "KMNIST/raw"),
    ],
)
def test_mnist_and_its_successors(tmp_path, name, folder, zipped):
    written = write_mnist(tmp_path / folder, zipped=zipped)
    dataset = load(name, data_dir=tmp_path)
    assert agrees(dataset, written)
    assert (dataset.name, dataset.classes, dataset.shape) == (name, 10, (1, 28, 28))
    assert len(dataset.notes) == 4
    assert not any(str(tmp_path) in note for note in dataset.notes)


def test_the_folder_may_be_named_by_the_environment(tmp_path, monkeypatch):
    written = write_mnist(tmp_path / "mnist")
    monkeypatch.setenv("MASKSTAT_DATA", str(tmp_path))
    assert agrees(load("mnist"), written)
    monkeypatch.delenv("MASKSTAT_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    written = write_mnist(tmp_path / "cache" / "maskstat" / "data" / "mnist")
    assert agrees(load("mnist"), written)


def declare(monkeypatch, name, files):
    """Let files be the published ones."""
    made = tuple(
        sources.Source(file=p.name, md5=hashlib.md5(p.read_bytes()).hexdigest(), folders=("x",))
        for p in files
    )
    everything = MappingProxyType({**sources.SOURCES, name: made})
    for module in (sources, genuine):
        monkeypatch.setattr(module, "SOURCES", everything)


def test_the_published_files_give_no_note(tmp_path, monkeypatch):
    write_mnist(tmp_path / "kmnist", zipped=True)
    files = sorted((tmp_path / "kmnist").iterdir())
    declare(monkeypatch, "kmnist", files)
    assert load("kmnist", data_dir=tmp_path).notes == ()
    with pytest.raises(InputError) as caught:
        load("fashion-mnist", data_dir=tmp_path / "kmnist")
    assert caught.value.code == "other-dataset"
    assert "kmnist" in caught.value.fact


def test_a_note_names_both_checksums(tmp_path):
    write_mnist(tmp_path, zipped=True)
    found = hashlib.md5((tmp_path / "train-labels-idx1-ubyte.gz").read_bytes()).hexdigest()
    notes = load("kmnist", data_dir=tmp_path).notes
    (note,) = (note for note in notes if note.startswith("train-labels"))
    assert found in note
    assert "e144d726b3acfaa3e44228e80efcd344" in note
    inside = load("mnist", data_dir=tmp_path).notes[1]
    content = gzip.decompress((tmp_path / "train-labels-idx1-ubyte.gz").read_bytes())
    assert hashlib.sha256(content).hexdigest() in inside


def test_real_mnist_is_recognised_by_its_content(shared_data):
    dataset = load("mnist", data_dir=shared_data / "mnist")
    assert dataset.notes == ()
    assert dataset.images.shape == (60000, 1, 28, 28)
    assert dataset.test_images.shape == (10000, 1, 28, 28)
    assert np.bincount(dataset.labels).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip


# --- files that are missing, damaged, or lie


def failure(name, folder):
    with pytest.raises(InputError) as caught:
        load(name, data_dir=folder)
    error = caught.value
    assert error.place
    assert error.consequence
    assert error.hint
    return error


def test_missing_files_say_which_and_where(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    error = failure("mnist", tmp_path)
    assert isinstance(error, NotFoundError)
    assert error.code == "no-data-files"
    assert "t10k-labels-idx1-ubyte" in error.fact
    assert str(tmp_path) in error.consequence
    for word in ("--download", "--data-dir", "https://ossci-datasets", "without internet"):
        assert word in error.hint
    assert "no such folder" in failure("svhn", tmp_path / "nowhere").consequence


def with_file(folder, name, data):
    write_mnist(folder)
    (folder / name).write_bytes(data)
    return failure("mnist", folder)


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        (IMAGES, b"", "not even an IDX header"),
        (IMAGES, idx(np.zeros(50)), "begins with 0x00000801 and not with 0x00000803"),
        (IMAGES, idx(np.zeros((20, 28, 28)))[:-1], "declares 15,696"),
        (IMAGES, idx(np.zeros((20, 28, 28))) + b"x", "more than the 15,696 bytes"),
        (IMAGES, struct.pack(">4I", 0x803, 2**31, 28, 28), "at most are read"),
        (IMAGES, idx(np.zeros((0, 28, 28))), "there are no images"),
        (IMAGES, idx(np.zeros((20, 8, 8))), "training images are 1x8x8 and test images 1x28x28"),
        (LABELS, idx(np.zeros(19)), "20 images and 19 labels"),
        (LABELS, idx(np.full(20, 10)), "there is a label 10, and classes are 0 to 9"),
    ],
)
def test_lies_in_an_idx_file(tmp_path, name, data, words):
    error = with_file(tmp_path, name, data)
    assert error.code == "bad-data-file"
    assert words in error.fact
    assert str(tmp_path) in error.place


def test_damaged_gzip(tmp_path):
    write_mnist(tmp_path, zipped=True)
    path = tmp_path / f"{IMAGES}.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "ends before" in failure("mnist", tmp_path).fact
    path.write_bytes(whole[:-8] + bytes(4) + whole[-4:])
    assert "damaged" in failure("mnist", tmp_path).fact
    path.write_bytes(whole[:9000] + bytes(30) + whole[9030:])
    assert "damaged" in failure("mnist", tmp_path).fact


def test_a_gzip_bomb_is_not_unpacked(tmp_path, monkeypatch):
    write_mnist(tmp_path, zipped=True)
    bomb = io.BytesIO()
    with gzip.GzipFile(fileobj=bomb, mode="wb") as out:
        out.write(idx(np.zeros((20, 28, 28))))
        for _ in range(64):
            out.write(bytes(1 << 20))
    (tmp_path / f"{IMAGES}.gz").write_bytes(bomb.getvalue())
    read = []
    real = gzip.GzipFile.read

    def counted(self, size=-1):
        data = real(self, size)
        read.append(len(data))
        return data

    monkeypatch.setattr(packed.gzip.GzipFile, "read", counted)
    assert "more than the 15,696 bytes" in failure("mnist", tmp_path).fact
    assert sum(read) <= 15_697


def test_a_file_that_cannot_be_read(tmp_path, monkeypatch):
    write_mnist(tmp_path)
    real = Path.open

    def failing(self, *args, **kw):
        if self.name == IMAGES:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(self, *args, **kw)

    monkeypatch.setattr(Path, "open", failing)
    with pytest.raises(StorageError, match="Permission denied") as caught:
        load("mnist", data_dir=tmp_path)
    assert caught.value.code == "unreadable"


@given(st.lists(st.integers(0, 5), min_size=1, max_size=3), st.integers(0, 3), st.binary())
def test_idx_is_read_exactly_or_refused(shape, cut, junk):
    array = RNG.integers(0, 256, shape, dtype=np.uint8)
    data = idx(array)
    assert declared_size(data, n_dims=len(shape), place="x") == len(data)
    assert (array_of(data, n_dims=len(shape), place="x") == array).all()
    damaged = data[: len(data) - cut] + junk
    if len(damaged) != len(data):
        with pytest.raises(InputError):
            array_of(damaged, n_dims=len(shape), place="x")


# --- EMNIST


def write_emnist(folder, variant, *, as_zip, **kw):
    stems = (f"emnist-{variant}-train", f"emnist-{variant}-test")
    if not as_zip:
        return write_mnist(folder, stems=stems, **kw)
    written = write_mnist(folder / "parts", stems=stems, zipped=True, **kw)
    with zipfile.ZipFile(folder / "gzip.zip", "w") as archive:
        for path in sorted((folder / "parts").iterdir()):
            archive.write(path, f"gzip/{path.name}")
            path.unlink()
    return written


@pytest.mark.parametrize("as_zip", [False, True])
@pytest.mark.parametrize(
    ("name", "classes"),
    [("emnist", 47), ("emnist:balanced", 47), ("emnist:byclass", 62), ("emnist:digits", 10)],
)
def test_emnist_images_stand_upright(tmp_path, name, classes, as_zip):
    folder = tmp_path / "EMNIST" / "raw"
    folder.mkdir(parents=True)
    variant = name.partition(":")[2] or "balanced"
    written = write_emnist(folder, variant, as_zip=as_zip, classes=classes, sizes=(70, 64))
    dataset = load(name, data_dir=tmp_path)
    assert agrees(dataset, written, upright=False)
    assert (dataset.name, dataset.classes) == (f"emnist:{variant}", classes)


def test_emnist_letters_are_counted_from_1(tmp_path):
    (tmp_path / "emnist").mkdir()
    written = write_emnist(
        tmp_path / "emnist", "letters", as_zip=True, classes=26, first=1, sizes=(30, 26)
    )
    dataset = load("emnist:letters", data_dir=tmp_path)
    assert dataset.classes == 26
    assert (dataset.labels == written[1].astype(int) - 1).all()
    write_emnist(tmp_path / "emnist", "letters", as_zip=True, classes=26, first=0, sizes=(30, 26))
    assert "label -1" in failure("emnist:letters", tmp_path).fact


def test_emnist_errors(tmp_path):
    with pytest.raises(MaskstatError, match="no data set 'emnist:letter'") as caught:
        load("emnist:letter", data_dir=tmp_path)
    assert "letters" in caught.value.consequence
    assert "gzip.zip" in failure("emnist", tmp_path).hint
    write_emnist(tmp_path, "digits", as_zip=True)
    assert "is not in it" in failure("emnist:letters", tmp_path).fact
    whole = (tmp_path / "gzip.zip").read_bytes()
    (tmp_path / "gzip.zip").write_bytes(whole[:-30])
    assert "damaged" in failure("emnist:digits", tmp_path).fact


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_in_every_kind_of_zip(tmp_path, method):
    name, path = "emnist-digits-train-images-idx3-ubyte", tmp_path / "gzip.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(name, RNG.bytes(2000))
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xff" * 100 + whole[200:])
    error = failure("emnist:digits", tmp_path)
    assert (error.code, error.place) == ("bad-data-file", f"{path}::{name}")


def test_a_zip_with_a_name_that_is_none(tmp_path):
    name, path = "b\u00e4d", tmp_path / "gzip.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, b"")
    path.write_bytes(path.read_bytes().replace(name.encode(), b"b\xff\xffd"))
    assert "damaged" in failure("emnist:digits", tmp_path).fact


def test_a_user_without_a_home_is_told_of_the_option(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    for name in ("MASKSTAT_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(StorageError) as caught:
        load("mnist")
    assert caught.value.code == "no-such-folder"
    assert "--data-dir" in caught.value.hint


def test_the_file_that_is_missing_is_the_one_to_be_carried_over(tmp_path):
    names = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"]
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(NotFoundError) as caught:
        load("mnist", data_dir=tmp_path)
    assert "t10k-labels-idx1-ubyte.gz over" in caught.value.hint
    assert "train-images" not in caught.value.hint
