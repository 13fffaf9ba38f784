"""The narrow pickle reader: what CIFAR's pickles hold, and nothing that a pickle might do."""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat.errors import InputError
from maskstat.prune.data.pickled import unpickled

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
    | st.lists(inner, max_size=4).map(tuple),
    max_leaves=12,
)  # fmt: skip
protocols = st.integers(0, pickle.HIGHEST_PROTOCOL)


@given(st.dictionaries(st.text() | st.binary(), plain), protocols)
def test_plain_values_are_what_pickle_says(value, protocol):
    assert unpickled(pickle.dumps(value, protocol=protocol), place="x") == value


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=3),
    st.sampled_from(["u1", "<i4", "<i8"]),
    st.booleans(),
    protocols,
)
def test_arrays_are_what_pickle_says(shape, dtype, fortran, protocol):
    array = np.asarray(
        np.random.default_rng(1).integers(0, 256, shape), dtype, order="F" if fortran else "C"
    )
    found = unpickled(pickle.dumps({"data": array}, protocol=protocol), place="x")["data"]
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert (found == array).all()


def of_python_2(n=3):
    """A batch as cPickle of Python 2 wrote it in 2009: strings are bytes, protocol 2."""
    data = bytes(range(n)) * 2

    def text(s):
        return b"U" + bytes([len(s)]) + s

    array = b"".join(
        [
            b"cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85",
            text(b"b"), b"\x87Rq\x03(K\x01K\x02K", bytes([n]), b"\x86cnumpy\ndtype\nq\x04",
            text(b"u1"), b"K\x00K\x01\x87Rq\x05(K\x03", text(b"|"),
            b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89",
            b"T", struct.pack("<i", len(data)), data, b"tb",
        ]
    )  # fmt: skip
    labels = b"]q\x06(K\x06K\x09e"
    return b"\x80\x02}q\x00(" + text(b"data") + array + text(b"labels") + labels + b"u."


def test_a_batch_of_python_2():
    raw = of_python_2()
    expected = pickle.loads(raw, encoding="bytes")
    found = unpickled(raw, place="x")
    assert found.keys() == expected.keys() == {b"data", b"labels"}
    assert found[b"labels"] == expected[b"labels"] == [6, 9]
    assert (found[b"data"] == expected[b"data"]).all()
    assert found[b"data"].shape == (2, 3)


class Calls:
    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


class Stateful:
    def __init__(self):
        self.x = 1


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize(
    "value",
    [
        Calls(os.mkdir, "made-by-a-pickle"),
        Calls(eval, "__import__('os').mkdir('made-by-a-pickle')"),
        Calls(np.load, "x"),
        Calls(getattr, "x", "upper"),
        Stateful(),
        {1, 2},
        np.array([Stateful()], dtype=object),
        np.zeros(2, ">i4"),
        np.zeros(2, "f8"),
        np.zeros(2, [("a", "u1")]),
        os.getcwd,
    ],
)
def test_anything_else_is_refused_and_not_run(value, protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    raw = pickle.dumps({"data": value}, protocol=protocol)
    with pytest.raises(InputError) as caught:
        unpickled(raw, place="x")
    assert caught.value.code == "bad-data-file"
    assert list(Path(tmp_path).iterdir()) == []


@given(st.binary(max_size=60))
def test_junk_is_refused(junk):
    with pytest.raises(InputError):
        unpickled(junk, place="x")


@given(st.data())
def test_damage_is_refused_or_read_as_data(data):
    raw = bytearray(of_python_2())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InputError):
        assert isinstance(unpickled(bytes(raw), place="x"), dict)


def test_copies_are_bounded():
    """A short program must not fill the memory by encoding one text again and again."""
    encode = b"c_codecs\nencode\nq\x01X\x10\x27\x00\x00" + b"a" * 10_000 + b"q\x02"
    again = b"h\x01h\x02X\x06\x00\x00\x00latin1\x86R" * 1000
    with pytest.raises(InputError, match="asks for"):
        unpickled(b"\x80\x02" + encode + again + b".", place="x")


@pytest.mark.parametrize(
    "program",
    [
        b"}N%sK\x01s.",  # as a key
        b"(N%sK\x01d.",
        b"N%sK\x00\x85R.",  # as a function
        b"cnumpy\ndtype\nN%s\x85R.",  # as an array's type
        b"c_codecs\nencode\nX\x01\x00\x00\x00aN%s\x86R.",  # as an encoding
    ],
)
def test_deeply_nested_values_do_not_crash_python(program):
    """Neither hashing nor printing them stops before the end of the C stack."""
    with pytest.raises(InputError):
        unpickled(b"\x80\x02" + program % (b"\x85" * 200_000), place="x")


def test_the_last_value_must_be_a_dictionary():
    for value in ([1, 2], "text", None):
        with pytest.raises(InputError):
            unpickled(pickle.dumps(value), place="x")
