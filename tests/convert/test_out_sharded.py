"""Zeros in a sharded checkpoint: the same files in a folder that is there whole or not at all."""

import json
import os

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import maskstat
from maskstat.archive.publish import Temporary
from maskstat.convert.out import write_foreign
from maskstat.errors import InputError, OutputExistsError, StorageError
from maskstat.mask import Mask
from maskstat.run import Run

INDEX = "model.safetensors.index.json"
SHARDS = {
    "model-1.safetensors": {"model.embed_tokens.weight": (7, 4), "model.a.weight": (4, 70)},
    "more/model-2.safetensors": {"model.b.weight": (3, 5), "model.b.bias": (3,)},
}


@pytest.fixture
def arrays():
    generator = np.random.default_rng(0)
    return {
        name: generator.standard_normal(shape).astype(np.float16)
        for shapes in SHARDS.values()
        for name, shape in shapes.items()
    }


@pytest.fixture
def checkpoint(tmp_path, arrays):
    folder = tmp_path / "model"
    for shard, shapes in SHARDS.items():
        (folder / shard).parent.mkdir(parents=True, exist_ok=True)
        save_file({name: arrays[name] for name in shapes}, folder / shard, {"format": "pt"})
    weight_map = {name: shard for shard, shapes in SHARDS.items() for name in shapes}
    text = json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}, indent=2)
    (folder / INDEX).write_text(text)
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture
def run():
    generator = np.random.default_rng(1)
    masks = {
        "a.weight": generator.random((4, 70)) < 0.5,
        "b.weight": generator.random((3, 5)) < 0.5,
    }
    return Run.from_masks("r", [Mask.from_arrays(masks)])


def files_in(folder):
    return {
        os.path.relpath(os.path.join(here, name), folder)
        for here, _, names in os.walk(folder)
        for name in names
    }


@pytest.mark.parametrize("given", ["", INDEX])
def test_every_shard_is_written_and_only_pruned_weights_change(
    run, tmp_path, checkpoint, arrays, given
):
    out = tmp_path / "sparse"
    written = write_foreign(run, 1, out, format="zeros", checkpoint=checkpoint / given)
    assert files_in(out) == {*SHARDS, INDEX}
    assert (out / INDEX).read_bytes() == (checkpoint / INDEX).read_bytes()
    for shard in SHARDS:
        old, new = ((folder / shard).read_bytes() for folder in (checkpoint, out))
        start = 8 + int.from_bytes(old[:8], "little")
        assert (len(old), old[:start]) == (len(new), new[:start])
        for name, array in load_file(out / shard).items():
            short = name.removeprefix("model.")
            kept = run.mask(1).layer(short) if short in run.layout.names else True
            want = np.where(kept, arrays[name].view(np.uint16), 0)
            np.testing.assert_array_equal(array.view(np.uint16), want)
    assert maskstat.read(out, format="zeros").mask() == run.mask(1)
    assert written.notes[1] == "not copied: config.json"
    assert {p.name for p in tmp_path.iterdir()} == {"model", "sparse"}


def test_a_folder_of_one_file_has_no_index(run, tmp_path, arrays):
    (tmp_path / "model").mkdir()
    save_file(arrays, tmp_path / "model" / "x.safetensors")
    out = tmp_path / "out"
    out.mkdir()
    written = write_foreign(run, 1, out, format="zeros", checkpoint=tmp_path / "model")
    assert files_in(out) == {"x.safetensors"}
    assert len(written.notes) == 1
    assert maskstat.read(out, format="zeros").mask() == run.mask(1)


def test_the_lock_of_the_folder_keeps_no_shard_waiting(run, tmp_path, checkpoint, monkeypatch):
    def slept(seconds):
        raise AssertionError("a writer waits for itself")

    monkeypatch.setattr("maskstat.archive.publish.time.sleep", slept)
    write_foreign(run, 1, tmp_path / "out", format="zeros", checkpoint=checkpoint)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_or_file_that_is_there_is_never_replaced(run, tmp_path, checkpoint, overwrite):
    for target in (checkpoint, checkpoint / "config.json"):
        with pytest.raises(OutputExistsError) as caught:
            write_foreign(
                run, 1, target, format="zeros", checkpoint=checkpoint, overwrite=overwrite
            )
        assert caught.value.code == "output-exists"
    assert files_in(checkpoint) == {*SHARDS, INDEX, "config.json"}


def test_a_full_disk_leaves_nothing_and_names_the_target(run, tmp_path, checkpoint, monkeypatch):
    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Temporary, "write", full)
    with pytest.raises(StorageError) as caught:
        write_foreign(run, 1, tmp_path / "out", format="zeros", checkpoint=checkpoint)
    assert (caught.value.code, caught.value.place) == ("disk-full", str(tmp_path / "out"))
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_what_a_killed_writer_left_goes_with_the_next_one(run, tmp_path, checkpoint, monkeypatch):
    def killed(folder, *_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", killed)
        patched.setattr("maskstat.convert.out.folder.shutil.rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            write_foreign(run, 1, tmp_path / "out", format="zeros", checkpoint=checkpoint)
    assert len(list(tmp_path.iterdir())) == 2
    write_foreign(run, 1, tmp_path / "out", format="zeros", checkpoint=checkpoint)
    assert {p.name for p in tmp_path.iterdir()} == {"model", "out"}


def test_a_folder_that_is_not_there(run, tmp_path, checkpoint):
    with pytest.raises(StorageError) as caught:
        write_foreign(run, 1, tmp_path / "no" / "out", format="zeros", checkpoint=checkpoint)
    assert caught.value.code == "no-such-folder"


def test_shards_without_an_index_say_what_is_missing(tmp_path, arrays):
    for number, name in enumerate(arrays):
        save_file({name: arrays[name]}, tmp_path / f"{number}.safetensors")
    with pytest.raises(InputError) as caught:
        maskstat.read(tmp_path, format="zeros")
    assert "several and an index" in caught.value.consequence
