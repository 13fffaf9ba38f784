"""compressed-tensors' bitmasks: files that the real library made, and damaged copies of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from maskstat.convert.read import read
from maskstat.errors import CorruptArchiveError

DATA = Path(__file__).parent / "data"


def kept_by(which):
    """What the real library says that it kept."""
    found = load_file(DATA / "kept.safetensors")
    return {
        name.removeprefix(f"{which}/"): kept.astype(bool)
        for name, kept in found.items()
        if name.startswith(f"{which}/")
    }


@pytest.mark.parametrize(("file", "which"), [("bitmask", "bitmask"), ("bitmask24", "24")])
def test_files_of_the_real_library(file, which):
    run = read(DATA / f"{file}.safetensors")
    assert run.provenance["source"]["format"] == "compressed-tensors"
    expected = kept_by(which)
    assert set(run.layout.names) == set(expected)
    for name, kept in expected.items():
        np.testing.assert_array_equal(run.mask(1).layer(name), kept)


def test_what_is_not_compressed_is_listed():
    run = read(DATA / "bitmask.safetensors")
    assert run.provenance["source"]["unmatched"] == ["lm_head.weight"]


def test_prefixes_that_keep_the_name_weight(tmp_path):
    renamed = {
        name.replace(".bitmask", ".weight.bitmask")
        .replace(".compressed", ".weight.compressed")
        .replace(".shape", ".weight.shape"): value
        for name, value in load_file(DATA / "bitmask24.safetensors").items()
    }
    save_file(renamed, tmp_path / "old.safetensors")
    assert read(tmp_path / "old.safetensors").mask(1) == read(DATA / "bitmask24.safetensors").mask(
        1
    )


def test_sharded(tmp_path):
    tensors = load_file(DATA / "bitmask.safetensors")
    shards = {
        "model-00001-of-00002.safetensors": {n: v for n, v in tensors.items() if "fc1" in n},
        "model-00002-of-00002.safetensors": {n: v for n, v in tensors.items() if "fc1" not in n},
    }
    for shard, content in shards.items():
        save_file(content, tmp_path / shard)
    index = {"weight_map": {n: shard for shard, content in shards.items() for n in content}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    whole = read(DATA / "bitmask.safetensors")
    for source in (tmp_path, tmp_path / "model.safetensors.index.json"):
        sharded = read(source)
        for name in whole.layout.names:
            np.testing.assert_array_equal(sharded.mask(1).layer(name), whole.mask(1).layer(name))


def changed(tmp_path, change):
    tensors = load_file(DATA / "bitmask.safetensors")
    change(tensors)
    save_file(tensors, tmp_path / "changed.safetensors")
    return tmp_path / "changed.safetensors"


def key(tensors, part):
    return next(name for name in tensors if "fc1" in name and name.endswith(part))


def flip(tensors):
    tensors[key(tensors, "bitmask")][0, 0] ^= 1


def pad(tensors):
    tensors[key(tensors, "bitmask")][0, -1] |= 0x80


def widen(tensors):
    tensors[key(tensors, "shape")] = np.array([5, 100], np.int64)


def negative(tensors):
    tensors[key(tensors, "shape")] = np.array([-5, 12], np.int64)


def huge(tensors):
    tensors[key(tensors, "shape")] = np.array([1 << 44, 1 << 44], np.int64)


@pytest.mark.parametrize("change", [flip, pad, widen, negative, huge])
def test_bitmasks_that_do_not_fit(tmp_path, change):
    with pytest.raises(CorruptArchiveError) as caught:
        read(changed(tmp_path, change))
    assert caught.value.code == "corrupt-bitmask"
