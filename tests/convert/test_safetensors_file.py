"""safetensors: what the real library writes, and files that are built to harm."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from maskstat.convert.probe import Probe
from maskstat.errors import InputError, NotFoundError, UnsafeArchiveError

DTYPES = [np.float64, np.float32, np.float16, np.int8, np.int64, np.uint16, np.bool_]


def built(header, values=b""):
    """A file of any header, right or wrong."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + values


def entry(start, stop, *, shape=None, dtype="U8"):
    return {"dtype": dtype, "shape": shape or [stop - start], "data_offsets": [start, stop]}


def code_of(content):
    probe = Probe(content)
    assert probe.kind == "safetensors"
    with pytest.raises(InputError) as caught:
        _ = probe.tensors
    return caught.value.code


@settings(max_examples=40, deadline=None)
@given(
    shapes=st.lists(st.lists(st.integers(0, 5), max_size=3), min_size=1, max_size=6),
    seed=st.integers(0, 99),
)
def test_what_the_library_writes(shapes, seed):
    rng = np.random.default_rng(seed)
    arrays = {
        f"layer{i}": rng.integers(0, 3, shape).astype(rng.choice(DTYPES))
        for i, shape in enumerate(shapes)
    }
    tensors = Probe(save(arrays, metadata={"format": "pt"})).tensors
    assert set(tensors) == set(arrays)
    for name, array in arrays.items():
        assert tensors[name].shape == array.shape
        np.testing.assert_array_equal(tensors[name].values(), array.astype(np.float32))
        kept = np.concatenate([np.empty(0, bool), *tensors[name].nonzero()])
        np.testing.assert_array_equal(kept, array.reshape(-1) != 0)


class TestHostile:
    def test_a_header_longer_than_any(self):
        assert code_of((1 << 62).to_bytes(8, "little") + b'{"a"' + bytes(50)) == "unsafe-header"

    def test_a_header_longer_than_the_file(self):
        assert code_of((5_000).to_bytes(8, "little") + b'{"a":0}') == "corrupt-safetensors"

    def test_overlap(self):
        header = {"a": entry(0, 8), "b": entry(4, 12)}
        assert code_of(built(header, bytes(12))) == "unsafe-overlap"

    def test_twice_the_same_bytes(self):
        header = {"a": entry(0, 8), "b": entry(0, 8)}
        assert code_of(built(header, bytes(8))) == "unsafe-overlap"

    @pytest.mark.parametrize(
        ("header", "size"),
        [
            ({"a": entry(0, 4), "b": entry(8, 12)}, 12),
            ({"a": entry(4, 8)}, 8),
            ({"a": entry(0, 4)}, 9),
            ({"a": entry(0, 40)}, 9),
            ({"a": {**entry(0, 4), "shape": [5]}}, 4),
            ({"a": {**entry(0, 4), "shape": [-4]}}, 4),
            ({"a": {**entry(0, 4), "shape": [True] * 4}}, 4),
            ({"a": {**entry(0, 4), "shape": [1 << 60, 1 << 60]}}, 4),
            ({"a": {**entry(0, 4), "shape": "4"}}, 4),
            ({"a": {**entry(0, 4), "more": 1}}, 4),
            ({"a": {**entry(0, 4), "data_offsets": [4, 0]}}, 4),
            ({"a": {**entry(0, 4), "data_offsets": [0, 4, 4]}}, 4),
            ({"a": {**entry(0, 4), "data_offsets": [0.0, 4.0]}}, 4),
            ({"a": 1}, 0),
            (b'{"a": {}, "a": {}}', 0),
            (b'{"a": ', 0),
            (b'{"a\xff": {}}', 0),
            (b'{"a":' + b"[" * 100_000, 0),
        ],
    )
    def test_numbers_that_do_not_fit(self, header, size):
        assert code_of(built(header, bytes(size))) == "corrupt-safetensors"

    def test_an_unknown_type(self):
        assert code_of(built({"a": entry(0, 4, dtype="F7")}, bytes(4))) == "unknown-dtype"

    def test_too_many_entries(self):
        text = b'{"a":[' + b"0," * 3_000_001 + b"0]}"
        assert code_of(built(text)) == "unsafe-header"

    def test_every_truncation(self):
        whole = save({"a": np.arange(20, dtype=np.float32), "b": np.ones(3, np.int8)})
        for length in range(10, len(whole)):
            probe = Probe(whole[:length])
            assert probe.kind == "safetensors"
            with pytest.raises(InputError):
                _ = probe.tensors


class TestSharded:
    def write(self, folder, weight_map, **shards):
        for name, arrays in shards.items():
            (folder / f"{name}.safetensors").write_bytes(save(arrays))
        index = folder / "model.safetensors.index.json"
        index.write_text(json.dumps({"weight_map": weight_map}))
        return Probe(folder)

    def test_in_the_order_of_the_index(self, tmp_path):
        probe = self.write(
            tmp_path,
            {"b": "two.safetensors", "a": "one.safetensors"},
            one={"a": np.ones(3, np.float32)},
            two={"b": np.zeros(2, np.float32)},
        )
        assert probe.kind == "sharded"
        assert list(probe.tensors) == ["b", "a"]

    def test_a_single_file_needs_no_index(self, tmp_path):
        (tmp_path / "model.safetensors").write_bytes(save({"a": np.ones(3, np.float32)}))
        assert list(Probe(tmp_path).tensors) == ["a"]

    @pytest.mark.parametrize(
        "name", ["../x.safetensors", "/etc/passwd", "a/../../x", "a\\..\\..\\x"]
    )
    def test_a_shard_elsewhere_is_not_opened(self, tmp_path, name):
        (tmp_path / "x.safetensors").write_bytes(save({"a": np.ones(3, np.float32)}))
        inner = tmp_path / "inner"
        inner.mkdir()
        with pytest.raises(UnsafeArchiveError) as caught:
            _ = self.write(inner, {"a": name}).tensors
        assert caught.value.code == "unsafe-name"

    def test_a_missing_shard(self, tmp_path):
        with pytest.raises(NotFoundError) as caught:
            _ = self.write(tmp_path, {"a": "gone.safetensors"}).tensors
        assert caught.value.code == "missing-shard"

    @pytest.mark.parametrize(
        "weight_map", [{"a": "one.safetensors", "c": "one.safetensors"}, {}, 3]
    )
    def test_an_index_that_does_not_fit(self, tmp_path, weight_map):
        if weight_map == {}:
            weight_map = {"b": "one.safetensors"}
        arrays = {"a": np.ones(3, np.float32), "b": np.ones(3, np.float32)}
        with pytest.raises(InputError) as caught:
            _ = self.write(tmp_path, weight_map, one=arrays).tensors
        assert caught.value.code == "corrupt-safetensors"
