"""Exact zeros: every type by its bits, which tensors are taken, how they are listed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from maskstat.convert.found import TensorMask
from maskstat.convert.probe import Probe
from maskstat.convert.read import read, read_all
from maskstat.convert.registry import ReadOptions, find_format
from maskstat.convert.tensors import ENCODINGS, StoredTensor
from maskstat.errors import InputError

torch = pytest.importorskip("torch")

TORCH_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz,
    "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
}


def raw_tensor(encoding, raw):
    return StoredTensor(
        name="w", shape=raw.shape, encoding=encoding, pieces=lambda: iter([raw.reshape(-1)])
    )


@pytest.mark.parametrize("name", TORCH_TYPES)
def test_every_bit_pattern_means_what_torch_says(name):
    encoding = ENCODINGS[name]
    patterns = np.arange(min(1 << encoding.bits, 1 << 16), dtype=np.uint64)
    if encoding.bits > 16:
        patterns = np.concatenate([patterns, patterns << np.uint64(encoding.bits - 16)])
    raw = patterns.astype(encoding.raw)
    values = torch.frombuffer(bytearray(raw.tobytes()), dtype=TORCH_TYPES[name]).to(torch.float64)
    tensor = raw_tensor(encoding, raw)
    np.testing.assert_array_equal(np.concatenate([*tensor.nonzero()]), (values != 0).numpy())
    binary = raw[((values == 0) | (values == 1)).numpy()]
    assert binary.size >= 2
    found = np.concatenate([*raw_tensor(encoding, binary).binary()])
    assert found.sum() == 1
    for value in raw[((values != 0) & (values != 1)).numpy()][:: max(1, raw.size // 50)]:
        with pytest.raises(InputError, match="other values"):
            list(raw_tensor(encoding, np.array([value])).binary())


def checkpoint(rng):
    def weight(*shape):
        return (rng.standard_normal(shape) * (rng.random(shape) < 0.6)).astype(np.float16)

    return {
        "model.embed_tokens.weight": weight(9, 4),
        "model.layers.0.input_layernorm.weight": weight(4),
        "model.layers.0.mlp.down_proj.weight": weight(4, 70),
        "model.layers.0.self_attn.q_proj.weight": weight(4, 4),
        "model.layers.0.self_attn.q_proj.bias": weight(4),
        "model.norm.weight": weight(4, 1),
        "position_ids": np.zeros((1, 5), np.int64),
        "lm_head.weight": weight(9, 4),
    }


PRUNED = ["layers.0.mlp.down_proj.weight", "layers.0.self_attn.q_proj.weight"]


def test_only_what_pruners_prune(tmp_path):
    arrays = checkpoint(np.random.default_rng(0))
    save_file(arrays, tmp_path / "model.bin")
    lines = []
    ((run, _),) = read_all([tmp_path / "model.bin"], format="zeros", tell=lines.append)
    assert sorted(run.layout.names) == PRUNED
    for name in PRUNED:
        expected = arrays[f"model.{name}"] != 0
        np.testing.assert_array_equal(run.mask(1).layer(name), expected)
        assert run.mask(0).layer(name).all()
    source = run.provenance["source"]
    assert set(source["unmatched"]) == set(arrays) - {f"model.{name}" for name in PRUNED}
    assert "taken off names: model." in source["notes"]
    assert "taken off names: model." in lines[0]
    assert "6 tensors have no mask" in lines[1]
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (["*"], ["*norm*", "position_ids"], 5),
        (["*proj*"], ["*.bias"], 2),
        (["lm_head.*"], [], 1),
        (["layers.0.mlp.*"], [], 1),
        ([], ["*mlp*"], 1),
    ],
)
def test_patterns(tmp_path, include, exclude, expected):
    save_file(checkpoint(np.random.default_rng(0)), tmp_path / "m")
    run = read(tmp_path / "m", format="zeros", include=include, exclude=exclude)
    assert len(run.layout.names) == expected


def test_nothing_chosen_says_what_there_is(tmp_path):
    save_file({"a.bias": np.ones(3, np.float32)}, tmp_path / "m")
    with pytest.raises(InputError) as caught:
        read(tmp_path / "m", format="zeros")
    assert caught.value.code == "no-masks"
    assert "a.bias F32[3]" in caught.value.consequence


def test_a_dense_checkpoint_is_not_read_unasked(tmp_path):
    save_file(checkpoint(np.random.default_rng(0)), tmp_path / "m")
    with pytest.raises(InputError) as caught:
        read(tmp_path / "m")
    assert caught.value.code == "no-masks"
    assert "--from zeros" in caught.value.hint


def test_without_zeros_there_is_only_the_dense_network(tmp_path):
    save_file({"a": np.ones((3, 5), np.float32)}, tmp_path / "m")
    run = read(tmp_path / "m", format="zeros")
    assert run.n_iterations == 1
    assert run.density() == 1
    assert any("nothing is pruned" in note for note in run.provenance["source"]["notes"])


def test_tied_tensors_count_once(monkeypatch):
    raw = np.array([0, 1, 2, 0], np.uint32).view("<u4")
    tensors = {
        name: StoredTensor(
            name=name,
            shape=(2, 2),
            encoding=ENCODINGS["F32"],
            pieces=lambda: iter([raw]),
            identity=owner,
        )
        for name, owner in (("a", 7), ("b", 8), ("c", 7), ("d", None), ("e", None))
    }
    probe = Probe(b"\x93NUMPY")
    monkeypatch.setitem(probe.__dict__, "tensors", tensors)
    found = find_format("zeros").read(probe, ReadOptions())
    assert [mask.name for mask in found.levels[0].masks] == ["a", "b", "d", "e"]
    assert all(isinstance(mask, TensorMask) for mask in found.levels[0].masks)
    assert found.unmatched == ("c",)
    assert "'c' is tied to 'a' and counted once" in found.notes


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 9999), n_shards=st.integers(1, 4))
def test_sharded_is_the_same_as_whole(tmp_path_factory, seed, n_shards):
    folder = tmp_path_factory.mktemp("sharded")
    arrays = checkpoint(np.random.default_rng(seed))
    save_file(arrays, folder / "whole")
    weight_map = {name: f"s{i % n_shards}.safetensors" for i, name in enumerate(arrays)}
    for shard in set(weight_map.values()):
        save_file({n: a for n, a in arrays.items() if weight_map[n] == shard}, folder / shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    whole = read(folder / "whole", format="zeros").mask(1)
    sharded = read(folder, format="zeros").mask(1)
    assert set(whole.layout.names) == set(sharded.layout.names)
    for name in whole.layout.names:
        np.testing.assert_array_equal(whole.layer(name), sharded.layer(name))


def test_masks_and_what_they_are_for_are_no_dense_weights(tmp_path: Path) -> None:
    """torch.nn.utils.prune's original has no zeros; those of its mask are no weights."""
    rng = np.random.default_rng(0)
    mask = (rng.random((4, 8)) < 0.5).astype(np.float32)
    dense = rng.normal(size=(4, 8))
    path = tmp_path / "x.npz"
    np.savez(path, **{"a.weight_orig": dense, "a.weight_mask": mask})
    with pytest.raises(InputError, match="none of its 2") as caught:
        read(path, format="zeros")
    assert "holds masks" in caught.value.hint
    weights = dense * mask
    np.savez(path, **{"a.weight_orig": dense, "a.weight_mask": mask, "b.weight": weights})
    run = read(path, format="zeros")
    assert run.layout.names == ("b.weight",)
    assert run.provenance["source"]["unmatched"] == ["a.weight_orig", "a.weight_mask"]
    run = read(path, format="zeros", include=["*_orig"])
    assert run.layout.names == ("a.weight_orig",)


def test_masks_are_no_weights_and_nothing_is_no_folder(tmp_path: Path) -> None:
    np.savez(tmp_path / "masks.npz", fc=np.eye(4, dtype=bool))
    with pytest.raises(InputError) as caught:
        read(tmp_path / "masks.npz", format="zeros")
    assert caught.value.hint == "leave out --from zeros: it holds masks"
    save_file({}, tmp_path / "none.safetensors")
    with pytest.raises(InputError) as caught:
        read(tmp_path / "none.safetensors", format="zeros")
    assert caught.value.consequence == "it is empty"


def test_an_error_about_a_name_says_in_which_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", total=np.eye(4, dtype=bool))
    with pytest.raises(InputError) as caught:
        read(tmp_path / "x.npz")
    assert caught.value.code == "reserved-name"
    assert caught.value.place == str(tmp_path / "x.npz")
