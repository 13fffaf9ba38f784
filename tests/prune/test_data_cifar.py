"""CIFAR and SVHN, on small files made here, true and lying."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile

import numpy as np
import pytest
from scipy.io import savemat

from maskstat.errors import InputError
from maskstat.prune.data import packed
from maskstat.prune.data.registry import load

RNG = np.random.default_rng(7)


def failure(name, folder):
    with pytest.raises(InputError) as caught:
        load(name, data_dir=folder)
    error = caught.value
    assert error.place
    assert error.consequence
    assert error.hint
    return error


def test_a_part_of_cifar10_loads_and_says_so(shared_data):
    dataset = load("cifar10", data_dir=shared_data / "cifar10-subset")
    assert dataset.images.shape == (10000, 3, 32, 32)
    assert np.bincount(dataset.test_labels).tolist() == [200] * 10
    assert any("data_batch_2.bin" in n and "10,000" in n for n in dataset.notes)


CIFAR = {
    "cifar10": (10, [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"], "cifar-10-batches"),
    "cifar100": (100, ["train", "test"], "cifar-100"),
}


def cifar_parts(name, n=4):
    classes, files, _ = CIFAR[name]
    return {
        file: (
            RNG.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8),
            RNG.integers(0, classes, n),
        )
        for file in files
    }


def binary(name, images, labels):
    columns = [labels[:, None].astype(np.uint8), images.reshape(len(images), -1)]
    if name == "cifar100":
        columns.insert(0, (labels // 5)[:, None].astype(np.uint8))
    return np.concatenate(columns, axis=1).tobytes()


def batch_of(name, images, labels):
    key = b"labels" if name == "cifar10" else b"fine_labels"
    return {
        b"batch_label": b"training batch",
        key: [int(x) for x in labels],
        b"data": images.reshape(len(images), -1),
        b"filenames": [b"a.png"] * len(images),
    }


def contents_of(name, version, parts, protocol=2):
    if version == "binary":
        return {f"{file}.bin": binary(name, *part) for file, part in parts.items()}
    return {f: pickle.dumps(batch_of(name, *p), protocol=protocol) for f, p in parts.items()}


def write_archive(path, folder, files):
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo(f"{folder}/readme.html"), io.BytesIO())
        for name, data in files.items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def cifar_agrees(dataset, name, parts):
    *train, test = CIFAR[name][1]
    assert (dataset.images == np.concatenate([parts[f][0] for f in train])).all()
    assert (dataset.labels == np.concatenate([parts[f][1] for f in train])).all()
    assert (dataset.test_images == parts[test][0]).all()
    assert (dataset.test_labels == parts[test][1]).all()
    assert dataset.classes == CIFAR[name][0]
    assert dataset.shape == (3, 32, 32)


@pytest.mark.parametrize("name", list(CIFAR))
@pytest.mark.parametrize("version", ["binary", "python"])
@pytest.mark.parametrize("how", ["folder", "layout", "gzipped", "archive"])
def test_cifar_in_every_shape(tmp_path, name, version, how):
    parts = cifar_parts(name)
    files = contents_of(name, version, parts)
    stem = CIFAR[name][2]
    end = {"cifar10": {"binary": "-bin", "python": "-py"}, "cifar100": {}}[name].get(
        version, f"-{version}"
    )
    if how == "archive":
        number = name.removeprefix("cifar")
        write_archive(tmp_path / f"cifar-{number}-{version}.tar.gz", f"{stem}{end}", files)
    else:
        folder = tmp_path / (f"{stem}{end}" if how == "layout" else name)
        folder.mkdir()
        for file, data in files.items():
            if how == "gzipped":
                (folder / f"{file}.gz").write_bytes(gzip.compress(data))
            else:
                (folder / file).write_bytes(data)
    dataset = load(name, data_dir=tmp_path)
    cifar_agrees(dataset, name, parts)
    assert dataset.notes
    assert sorted(tmp_path.iterdir()) == sorted(tmp_path.glob("cifar*"))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_cifar_pickles_of_every_protocol(tmp_path, protocol):
    parts = cifar_parts("cifar100")
    for file, data in contents_of("cifar100", "python", parts, protocol).items():
        (tmp_path / file).write_bytes(data)
    cifar_agrees(load("cifar100", data_dir=tmp_path), "cifar100", parts)


def test_missing_batches_are_noted(tmp_path):
    parts = cifar_parts("cifar10")
    files = contents_of("cifar10", "binary", parts)
    for file in ("data_batch_1.bin", "data_batch_4.bin", "test_batch.bin"):
        (tmp_path / file).write_bytes(files[file])
    dataset = load("cifar10", data_dir=tmp_path)
    assert len(dataset.labels) == 8
    assert dataset.notes[-1].startswith("data_batch_2.bin, data_batch_3.bin, data_batch_5.bin")


def test_lies_in_cifar_files(tmp_path):
    parts = cifar_parts("cifar10")
    files = contents_of("cifar10", "binary", parts)
    for file, data in files.items():
        (tmp_path / file).write_bytes(data)
    path = tmp_path / "data_batch_3.bin"
    path.write_bytes(files[path.name][:-1])
    assert "no whole number of 3,073" in failure("cifar10", tmp_path).fact
    path.write_bytes(b"\x0b" + files[path.name][1:])
    assert "label 11" in failure("cifar10", tmp_path).fact
    path.unlink()
    (tmp_path / "test_batch.bin").unlink()
    assert failure("cifar10", tmp_path).code == "no-data-files"


def test_lies_in_a_cifar_archive(tmp_path):
    files = contents_of("cifar10", "binary", cifar_parts("cifar10"))
    path = tmp_path / "cifar-10-binary.tar.gz"
    write_archive(path, "cifar-10-batches-bin", files)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert failure("cifar10", tmp_path).code == "bad-data-file"
    path.write_bytes(whole[:-2000] + bytes(1000) + whole[-1000:])
    assert failure("cifar10", tmp_path).code == "bad-data-file"
    path.write_bytes(b"not an archive at all" * 100)
    assert failure("cifar10", tmp_path).code == "bad-data-file"
    del files["data_batch_5.bin"]
    write_archive(path, "cifar-10-batches-bin", files)
    assert "data_batch_5.bin is not in it" in failure("cifar10", tmp_path).fact


def test_links_in_an_archive_are_not_followed(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(3073))
    files = contents_of("cifar10", "binary", cifar_parts("cifar10"))
    del files["test_batch.bin"]
    path = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        link = tarfile.TarInfo("test_batch.bin")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
        archive.addfile(link)
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    assert "test_batch.bin is not in it" in failure("cifar10", tmp_path).fact


def test_an_archive_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "LARGEST", 1 << 20)
    write_archive(tmp_path / "cifar-10-binary.tar.gz", "x", {"filler": bytes(1 << 21)})
    assert "more than 1,048,576 bytes" in failure("cifar10", tmp_path).fact


# --- SVHN


def write_svhn(folder, *, sizes=(12, 11), images=None, labels=None, **names):
    written = []
    for part, n in zip(("train", "test"), sizes, strict=True):
        x = RNG.integers(0, 256, (32, 32, 3, n), dtype=np.uint8) if images is None else images
        y = (np.arange(n) % 10 + 1).astype(np.uint8)[:, None] if labels is None else labels
        stored = {names.get("x", "X"): x, names.get("y", "y"): y}
        savemat(folder / f"{part}_32x32.mat", stored, do_compression=True)
        written.append((x, y))
    return written


def test_svhn(tmp_path):
    (x, y), (test_x, test_y) = write_svhn(tmp_path)
    dataset = load("svhn", data_dir=tmp_path)
    for i in range(12):
        assert (dataset.images[i] == x[..., i].transpose(2, 0, 1)).all()
    assert (dataset.test_images[3] == test_x[..., 3].transpose(2, 0, 1)).all()
    assert dataset.labels.tolist() == [0 if v == 10 else v for v in y[:, 0].tolist()]
    assert dataset.test_labels.tolist() == [0 if v == 10 else v for v in test_y[:, 0].tolist()]
    assert dataset.classes == 10
    assert len(dataset.notes) == 2


@pytest.mark.parametrize(
    ("kw", "words"),
    [
        ({"x": "Z"}, "no variable X"),
        ({"images": np.zeros((32, 32, 3, 12))}, "not uint8"),
        ({"images": np.zeros((28, 28, 3, 12), np.uint8)}, "(28, 28, 3, 12)"),
        ({"images": np.zeros((32, 32), np.uint8)}, "has the shape"),
        ({"labels": np.ones((3, 1), np.uint8)}, "images and labels (3, 1)"),
        ({"labels": np.full((12, 1), 11, np.uint8)}, "label 11"),
        ({"labels": np.zeros((12, 1), np.uint8)}, "label 0"),
        ({"labels": np.full((12, 1), np.nan)}, "label nan"),
        ({"labels": np.full((12, 1), 1.5)}, "label 1.5"),
        ({"labels": np.array([["a"]] * 12)}, "its y is char"),
        ({"labels": np.array([[np.zeros(2)], ["a"]] * 6, object)}, "its y is cell"),
    ],
)
def test_lies_in_an_svhn_file(tmp_path, kw, words):
    write_svhn(tmp_path, sizes=(12, 12), **kw)
    error = failure("svhn", tmp_path)
    assert error.code == "bad-data-file"
    assert words in error.fact


def test_damaged_svhn_files(tmp_path):
    write_svhn(tmp_path)
    path = tmp_path / "train_32x32.mat"
    whole = path.read_bytes()
    for damaged in (b"", whole[:100], whole[:5000], whole[:400] + bytes(200) + whole[600:]):
        path.write_bytes(damaged)
        assert failure("svhn", tmp_path).code == "bad-data-file"
