"""What a file is, by its content; which format takes it; what is said when none does."""

from __future__ import annotations

import io
import json
import zipfile

import h5py
import numpy as np
import pytest
from safetensors.numpy import save

from maskstat.convert.probe import Probe
from maskstat.convert.registry import FORMATS, ReadOptions, detect, find_format
from maskstat.errors import ArchiveError, InputError, MaskstatError, NotFoundError, UsageError

MASK = {"fc.weight": np.eye(5, dtype=np.uint8)}


def contents():
    def stream(save):
        buffer = io.BytesIO()
        save(buffer)
        return buffer.getvalue()

    def torch_like(buffer):
        with zipfile.ZipFile(buffer, "w") as file:
            file.writestr("archive/data.pkl", b"\x80\x02}q\x00.")

    def other_zip(buffer):
        with zipfile.ZipFile(buffer, "w") as file:
            file.writestr("notes.txt", b"text")

    def hdf5(buffer):
        with h5py.File(buffer, "w") as file:
            file["fc.weight"] = MASK["fc.weight"]

    return {
        "hdf5": stream(hdf5),
        "npy": stream(lambda b: np.save(b, MASK["fc.weight"])),
        "npz": stream(lambda b: np.savez(b, **MASK)),
        "torch-zip": stream(torch_like),
        "zip": stream(other_zip),
        "torch-legacy": b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.",
        "pickle": b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00}.",
        "safetensors": save(MASK),
        "sharded": json.dumps({"metadata": {}, "weight_map": {"a": "b.safetensors"}}).encode(),
        "empty": b"",
        "unknown": b"some text\n" * 9,
    }


@pytest.mark.parametrize("kind", contents())
@pytest.mark.parametrize("suffix", [".h5", ".txt", ".pt", ""])
def test_the_suffix_says_nothing(tmp_path, kind, suffix):
    path = tmp_path / f"file{suffix}"
    path.write_bytes(contents()[kind])
    assert Probe(path).kind == kind
    assert Probe(contents()[kind]).kind == kind


@pytest.mark.parametrize("kind", ["hdf5", "npy", "npz", "safetensors"])
@pytest.mark.parametrize("suffix", [".h5", ".npz", ".safetensors", ".jpg"])
def test_masks_under_any_suffix(tmp_path, kind, suffix):
    path = tmp_path / f"m{suffix}"
    path.write_bytes(contents()[kind])
    found = detect(Probe(path)).read(Probe(path), ReadOptions())
    (mask,) = found.levels[0].masks
    kept = np.concatenate([*mask.blocks()]).reshape(mask.shape)
    np.testing.assert_array_equal(kept, MASK["fc.weight"] == 1)


@pytest.mark.parametrize("kind", ["empty", "unknown"])
def test_no_known_kind(kind):
    with pytest.raises(ArchiveError) as caught:
        detect(Probe(contents()[kind]))
    assert caught.value.code == "not-an-archive"
    assert "npy-folder" in caught.value.consequence


def test_every_other_kind_is_named_in_the_error(tmp_path):
    for content in (contents()["zip"], contents()["pickle"], save({"a": np.full(3, 0.5)})):
        with pytest.raises(InputError) as caught:
            detect(Probe(content))
        assert caught.value.code in ("no-masks", "unsafe-pickle")
    with pytest.raises(InputError) as caught:
        detect(Probe(tmp_path))
    assert "a folder" in caught.value.fact


def test_an_unknown_format_name():
    with pytest.raises(UsageError) as caught:
        find_format("zeroes")
    assert "did you mean 'zeros'?" in caught.value.consequence


def test_a_format_that_does_not_come_in_such_a_file():
    with pytest.raises(InputError) as caught:
        find_format("compressed-tensors").read(Probe(contents()["npz"]), ReadOptions())
    assert caught.value.code == "wrong-format"


def test_formats_are_listed_once_and_their_modules_are_there():
    names = [known.name for known in FORMATS]
    assert len(set(names)) == len(names)
    for known in FORMATS:
        module = known._load()
        assert callable(module.matches)
        assert callable(module.read)
        assert known.description


def test_missing_and_special_files(tmp_path):
    with pytest.raises(NotFoundError):
        Probe(tmp_path / "gone")
    with pytest.raises(MaskstatError):
        Probe("/dev/null")


def test_files_of_a_folder(tmp_path):
    for name in ("b.npy", "a/x.npy", "a/b/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    deepest = tmp_path.joinpath(*["1"] * 40)
    deepest.mkdir(parents=True)
    (deepest / "deep.npy").touch()
    probe = Probe(tmp_path)
    assert probe.files == ("a/b/c.txt", "a/x.npy", "b.npy")
    assert [name for name in probe.not_entered if name.startswith("a")] == ["a/loop/"]
    (deep,) = (name for name in probe.not_entered if name.startswith("1/"))
    assert ("1/" * 40).startswith(deep)


def test_arrays_and_folders_that_are_not_read_are_listed(tmp_path):
    np.save(tmp_path / "one.npy", np.ones((2, 3), np.uint8))
    (tmp_path / "deeper").mkdir()
    np.save(tmp_path / "deeper" / "two.npy", np.ones((2, 3), np.uint8))
    (tmp_path / "elsewhere").symlink_to(tmp_path / "deeper")
    found = detect(Probe(tmp_path)).read(Probe(tmp_path), ReadOptions())
    assert found.unmatched == ("deeper/two", "elsewhere/")
    (tmp_path / "masks").mkdir()
    np.save(tmp_path / "masks" / "fc.npy", np.ones((2, 3), np.uint8))
    found = detect(Probe(tmp_path)).read(Probe(tmp_path), ReadOptions())
    assert found.unmatched == ("deeper/two", "one", "elsewhere/")


def test_a_stream_over_the_bytes():
    stream = Probe(b"0123456789").stream()
    assert stream.read(3) == b"012"
    assert stream.seek(-2, io.SEEK_END) == 8
    assert stream.read() == b"89"
    assert stream.read() == b""


class TestFolders:
    def test_arrays_of_zeros_and_ones(self, tmp_path):
        rng = np.random.default_rng(0)
        masks = {name: rng.random((4, 6)) < 0.5 for name in ("one", "two")}
        for name, mask in masks.items():
            np.save(tmp_path / f"{name}.npy", mask.astype(np.float32))
        found = detect(Probe(tmp_path)).read(Probe(tmp_path), ReadOptions())
        assert (found.format, found.order) == ("npy-folder", "oi")
        assert [mask.name for mask in found.levels[0].masks] == ["one", "two"]

    def test_masks_beside_weights(self, tmp_path):
        rng = np.random.default_rng(0)
        mask = rng.random((4, 6)) < 0.5
        weight = rng.standard_normal((4, 6)).astype(np.float32)
        for folder, name, array in (
            ("masks", "layer0", mask.astype(np.float32)),
            ("initial", "layer0", weight),
            ("initial", "layer1", weight.T.copy()),
            ("final", "layer0", weight * mask),
            ("final", "layer1", weight.T.copy()),
        ):
            (tmp_path / folder).mkdir(exist_ok=True)
            np.save(tmp_path / folder / f"{name}.npy", array)
        found = detect(Probe(tmp_path)).read(Probe(tmp_path), ReadOptions())
        assert found.order == "io"
        first, second = found.levels[0].masks
        np.testing.assert_array_equal(np.concatenate([*first.blocks()]), mask.reshape(-1))
        assert np.concatenate([*second.blocks()]).all()
        assert found.notes == ("'layer1' has weights and no mask: taken as dense",)
        np.testing.assert_array_equal(found.levels[0].weights["initial"]["layer0"], weight)
