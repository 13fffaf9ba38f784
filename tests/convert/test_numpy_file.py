"""NumPy's files: every layout in which arrays are saved, and files that are built to harm."""

from __future__ import annotations

import io
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maskstat.convert.probe import Probe
from maskstat.errors import InputError

TYPES = st.sampled_from(["<f4", ">f8", "<f2", "|b1", ">i2", "<u8"])


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def npz(arrays, save=np.savez):
    stream = io.BytesIO()
    save(stream, **arrays)
    return stream.getvalue()


def zipped(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return stream.getvalue()


def read_whole(content):
    for tensor in Probe(content).tensors.values():
        for _ in tensor.pieces():
            pass


def code_of(content):
    with pytest.raises(InputError) as caught:
        read_whole(content)
    return caught.value.code


def with_header(header, values=b""):
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + values


@settings(max_examples=60, deadline=None)
@given(
    array=TYPES.flatmap(
        lambda dtype: hnp.arrays(
            dtype, hnp.array_shapes(min_dims=0, max_side=6), elements=st.sampled_from([0, 1])
        )
    ),
    fortran=st.booleans(),
    compressed=st.booleans(),
)
def test_round_trip(array, fortran, compressed):
    array = np.asfortranarray(array) if fortran else array
    stored = npz({"a/b": array}, np.savez_compressed if compressed else np.savez)
    for content in (npy(array), stored):
        (tensor,) = Probe(content).tensors.values()
        assert tensor.shape == array.shape
        kept = np.concatenate([np.empty(0, bool), *tensor.binary()])
        np.testing.assert_array_equal(kept.reshape(array.shape), array != 0)
        np.testing.assert_array_equal(tensor.values(), array.astype(np.float32))


def test_arrays_longer_than_a_piece():
    rng = np.random.default_rng(0)
    array = rng.random((3, 1_000_003)) < 0.5
    for content in (npz({"a": array}, np.savez_compressed), npy(np.asfortranarray(array))):
        (tensor,) = Probe(content).tensors.values()
        np.testing.assert_array_equal(np.concatenate([*tensor.binary()]), array.reshape(-1))


class TestHostile:
    def test_objects(self):
        objects = np.array([{"a": 1}, None], object)
        assert code_of(npy(objects)) == "unsafe-pickle"
        assert code_of(npz({"a": objects})) == "unsafe-pickle"

    @pytest.mark.parametrize(
        "array", [np.array(["text"]), np.zeros(3, "f4,i4"), np.zeros(2, "M8[s]")]
    )
    def test_other_types(self, array):
        assert code_of(npy(array)) == "unknown-dtype"

    @pytest.mark.parametrize(
        "header",
        [
            b"",
            b"{'descr': '<f4', 'fortran_order': False}",
            b"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'x': 1}",
            b"{'descr': '<f4', 'fortran_order': 0, 'shape': (3,)}",
            b"{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}",
            b"{'descr': '<f4', 'fortran_order': False, 'shape': [3]}",
            b"{'descr': 'what', 'fortran_order': False, 'shape': (3,)}",
            b"__import__('os').system('true')",
            b"(" * 9_000,
            b"{'descr': '<f4', 'fortran_order': False, 'shape': (4,)}",
            b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}",
        ],
    )
    def test_headers(self, header):
        assert code_of(with_header(header, bytes(12))) == "corrupt-npy"
        assert code_of(zipped(**{"a.npy": with_header(header, bytes(12))})) == "corrupt-npy"

    def test_a_bomb(self):
        header = b"{'descr': '|b1', 'fortran_order': False, 'shape': (1000000000,)}"
        content = bytearray(zipped(**{"a.npy": with_header(header, bytes(1_000))}))
        at = content.index(b"PK\x01\x02")
        size = 10 + len(header) + 1_000_000_000
        content[at + 24 : at + 28] = size.to_bytes(4, "little")
        assert code_of(bytes(content)) == "unsafe-ratio"

    def test_a_declared_size_that_is_not_there(self):
        header = b"{'descr': '|b1', 'fortran_order': False, 'shape': (50000,)}"
        content = bytearray(zipped(**{"a.npy": with_header(header, bytes(1_000))}))
        at = content.index(b"PK\x01\x02")
        content[at + 24 : at + 28] = (10 + len(header) + 50_000).to_bytes(4, "little")
        assert code_of(bytes(content)) in ("corrupt-npy", "corrupt-zip")

    def test_two_names_for_the_same_bytes(self):
        content = zipped(**{"a.npy": npy(np.ones(999)), "b.npy": npy(np.ones(999))})
        directory = content.index(b"PK\x01\x02")
        second = content.index(b"PK\x01\x02", directory + 4)
        doubled = bytearray(content)
        doubled[second + 42 : second + 46] = bytes(4)
        assert code_of(bytes(doubled)) == "unsafe-overlap"

    @pytest.mark.parametrize("name", ["../a.npy", "/a.npy", "x/../../a.npy", "C:/a.npy"])
    def test_names_that_lead_out(self, name):
        assert code_of(zipped(**{name: npy(np.ones(3))})) == "unsafe-name"

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_a_name_twice(self):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as file:
            for _ in range(2):
                file.writestr("a.npy", npy(np.ones(3)))
        assert code_of(stream.getvalue()) == "unsafe-zip"

    def test_a_flipped_byte_is_seen(self):
        content = bytearray(npz({"a": np.ones(5_000)}))
        content[2_000] ^= 1
        assert code_of(bytes(content)) == "corrupt-zip"

    def test_every_truncation_is_an_error_of_ours(self):
        content = npz({"a": np.ones(30, np.uint8), "b": np.zeros(3)}, np.savez_compressed)
        for length in range(4, len(content)):
            with pytest.raises(InputError):
                _ = Probe(content[:length]).tensors
