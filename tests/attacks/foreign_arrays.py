"""Hazards in NumPy's files, zip files and safetensors."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
from foreign import Code, central, hazard, npy, npy_header, safetensors, write, zip_end, zipped


def entry(start: int, stop: int, **changes: object) -> dict[str, object]:
    return {"dtype": "U8", "shape": [stop - start], "data_offsets": [start, stop], **changes}


@write("unsafe-pickle", "npy-of-objects")
def npy_of_objects(canaries: Path) -> bytes:
    return npy_header("()", "'|O'") + Code(canaries).pickle()


@write("unsafe-pickle", "npz-of-objects")
def npz_of_objects(canaries: Path) -> bytes:
    return zipped({"a.npy": npy(), "b.npy": npy_header("()", "'|O'") + Code(canaries).pickle()})


@write("unknown-dtype", "npy-of-records-with-objects")
def npy_of_records(canaries: Path) -> bytes:
    return npy_header("()", "[('a', '|O')]") + Code(canaries).pickle()


@write("corrupt-npy", "npy-header-that-is-code")
def npy_code(canaries: Path) -> bytes:
    text = f"__import__('os').system('touch {canaries}/code-was-run')".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@write("corrupt-npy", "npy-of-a-huge-shape")
def npy_huge(canaries: Path) -> bytes:
    return npy_header("(1099511627776,)") + bytes(8)


@write("corrupt-npy", "npy-shape-that-wraps-around")
def npy_wraps(canaries: Path) -> bytes:
    return npy_header("(4294967296, 4294967296, 8)") + bytes(8)


@write("corrupt-npy", "npy-header-of-gigabytes")
def npy_header_bytes(canaries: Path) -> bytes:
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 31) + b"{"


@write("corrupt-npy", "npy-header-of-brackets")
def npy_brackets(canaries: Path) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", 16_000) + b"(" * 16_000


@write("unknown-dtype", "npy-of-wide-texts")
def npy_texts(canaries: Path) -> bytes:
    return npy_header("(1,)", "'<U500000000'") + bytes(8)


@write("unsafe-ratio", "zip-that-says-more-than-deflate-can")
def zip_ratio(canaries: Path) -> bytes:
    head = npy_header("(1000000000,)")
    content = bytearray(zipped({"a.npy": head + bytes(1_000)}))
    at = central(content, "a.npy")
    content[at + 24 : at + 28] = (len(head) + 1_000_000_000).to_bytes(4, "little")
    return bytes(content)


@write("corrupt-zip", "zip-with-more-than-it-says")
def zip_more(canaries: Path) -> bytes:
    """20 MB in a member that says that it has a few bytes."""
    content = bytearray(zipped({"a.npy": npy_header("(8,)") + bytes(20_000_000)}))
    at = central(content, "a.npy")
    content[at + 24 : at + 28] = (len(npy_header("(8,)")) + 4).to_bytes(4, "little")
    return bytes(content)


@write("unsafe-ratio", "npz-by-columns")
def npz_columns(canaries: Path) -> bytes:
    """Columns have to be brought into rows, which takes the whole array."""
    head = npy_header("(100000, 1000)", fortran=True)
    return zipped({"a.npy": head + bytes(100_000_000)})


@write("unsafe-ratio", "npz-of-weights-that-are-a-bomb")
def npz_weights(canaries: Path) -> bytes:
    """Masks are read piece by piece whatever their length, weights are held whole."""
    head, mask = npy_header("(25000000,)", "'<f4'"), npy_header("(25000000,)")
    return zipped({
        "fc_orig.npy": head + bytes(100_000_000), "fc_mask.npy": mask + bytes(25_000_000),
    })  # fmt: skip


@write("unsafe-overlap", "zip-with-two-names-for-the-same-bytes")
def zip_overlap(canaries: Path) -> bytes:
    content = bytearray(zipped({"a.npy": npy(), "b.npy": npy()}))
    at = central(content, "b.npy")
    content[at + 42 : at + 46] = bytes(4)
    return bytes(content)


@write("unsafe-name", "zip-with-a-name-that-leads-out")
def zip_name(canaries: Path) -> bytes:
    return zipped({"../canaries/canary.npy": npy()})


@write("unsafe-name", "zip-with-an-absolute-name")
def zip_absolute(canaries: Path) -> bytes:
    return zipped({f"{canaries}/canary.npy": npy()})


@write("unsafe-zip", "zip-with-a-name-twice")
def zip_twice(canaries: Path) -> bytes:
    return zipped({"a.npy": npy(), "b.npy": npy()}).replace(b"b.npy", b"a.npy")


@write("unsafe-zip", "zip-encrypted")
def zip_encrypted(canaries: Path) -> bytes:
    content = bytearray(zipped({"a.npy": npy()}))
    content[central(content, "a.npy") + 8] |= 1
    return bytes(content)


@write("unsafe-zip", "zip-compressed-otherwise")
def zip_method(canaries: Path) -> bytes:
    return zipped({"a.npy": npy()}, zipfile.ZIP_LZMA)


@write("unsafe-zip", "zip-of-a-million-names")
def zip_names(canaries: Path) -> bytes:
    """Each name is 50 bytes in the file and 500 in memory."""
    one = struct.pack("<4s4B4H3L5H2L", b"PK\x01\x02", *[0] * 16, 0, 0)
    one = one[:28] + struct.pack("<H", 3) + one[30:46] + b"abc"
    directory = one * 1_000_000
    return b"PK\x03\x04" + bytes(26) + directory + zip_end(1_000_000, len(directory), 30)


@write("corrupt-zip", "zip-without-a-directory")
def zip_cut(canaries: Path) -> bytes:
    return zipped({"a.npy": npy()})[:-30]


@write("unsafe-header", "safetensors-header-of-exabytes")
def header_exabytes(canaries: Path) -> bytes:
    return (1 << 62).to_bytes(8, "little") + b'{"a"' + bytes(50)


@write("corrupt-safetensors", "safetensors-header-beyond-the-end")
def header_beyond(canaries: Path) -> bytes:
    return (5_000).to_bytes(8, "little") + b'{"a":0}'


@write("unsafe-header", "safetensors-header-of-100-MB")
def header_large(canaries: Path) -> bytes:
    return safetensors(json.dumps({"a": entry(0, 1)})[:-1].encode() + b" " * 99_000_000 + b"}")


@write("unsafe-header", "safetensors-of-200000-tensors")
def header_many(canaries: Path) -> bytes:
    text = ",".join(f'"{i:x}":{{"dtype":"U8","shape":[],"data_offsets":[{i},{i + 1}]}}'
                    for i in range(200_000))  # fmt: skip
    return safetensors(f"{{{text}}}".encode(), bytes(200_000))


@write("unsafe-header", "safetensors-name-of-megabytes")
def header_name(canaries: Path) -> bytes:
    return safetensors({"a" * 5_000_000: entry(0, 1)}, b"\1")


@write("corrupt-safetensors", "safetensors-header-of-brackets")
def header_brackets(canaries: Path) -> bytes:
    return safetensors(b'{"a":' + b"[" * 1_000_000)


@write("unsafe-overlap", "safetensors-that-overlap")
def overlap(canaries: Path) -> bytes:
    return safetensors({"a": entry(0, 8), "b": entry(4, 12)}, bytes(12))


@write("unsafe-overlap", "safetensors-a-million-times-the-same-bytes")
def same_bytes(canaries: Path) -> bytes:
    return safetensors({f"a{i}": entry(0, 1_000) for i in range(5_000)}, bytes(1_000))


@write("corrupt-safetensors", "safetensors-beyond-the-end")
def beyond(canaries: Path) -> bytes:
    return safetensors({"a": entry(0, 1 << 40)}, bytes(12))


@write("corrupt-safetensors", "safetensors-with-a-hole")
def hole(canaries: Path) -> bytes:
    return safetensors({"a": entry(0, 4), "b": entry(8, 12)}, bytes(12))


@write("corrupt-safetensors", "safetensors-with-a-file-behind")
def behind(canaries: Path) -> bytes:
    return safetensors({"a": entry(0, 4)}, bytes(4) + b"#!/bin/sh\n")


@write("corrupt-safetensors", "safetensors-shape-of-another-size")
def another_size(canaries: Path) -> bytes:
    return safetensors({"a": entry(0, 4, shape=[1 << 40])}, bytes(4))


@write("corrupt-safetensors", "safetensors-shape-that-wraps-around")
def wraps(canaries: Path) -> bytes:
    return safetensors({"a": entry(0, 4, shape=[1 << 32, 1 << 32, 4])}, bytes(4))


@write("corrupt-safetensors", "safetensors-type-of-another-size")
def another_type(canaries: Path) -> bytes:
    return safetensors({"a": entry(0, 4, dtype="F64")}, bytes(4))


@write("unknown-dtype", "safetensors-type-with-escapes")
def unknown_type(canaries: Path) -> bytes:
    return safetensors({"a\x1b[2J": entry(0, 4, dtype="\x1b]0;title\x07")}, bytes(4))


@write("corrupt-safetensors", "safetensors-name-twice")
def name_twice(canaries: Path) -> bytes:
    one = json.dumps(entry(0, 4))
    return safetensors(f'{{"a\\u0062": {one}, "ab": {one}}}'.encode(), bytes(4))


@write("duplicate-name", "two-names-of-one-layer")
def same_layer(canaries: Path) -> bytes:
    header, values = {}, b""
    for name in ("fc", "fc.weight"):
        at = len(values)
        header |= {
            f"{name}.shape": {"dtype": "I64", "shape": [1], "data_offsets": [at, at + 8]},
            f"{name}.compressed": entry(at + 8, at + 9),
            f"{name}.bitmask": entry(at + 9, at + 10),
        }
        values += np.array([8], "<i8").tobytes() + b"\1\1"
    return safetensors(header, values)


@write("empty-layer", "layer-without-a-name")
def no_name(canaries: Path) -> bytes:
    return safetensors({"": entry(0, 4)}, bytes(4))


@write("bad-name", "name-that-is-no-text")
def no_text(canaries: Path) -> bytes:
    return safetensors({"fc\ud800": entry(0, 4)}, bytes(4))


@write("too-large", "layer-of-17-dimensions")
def dimensions(canaries: Path) -> bytes:
    return safetensors({"a": entry(0, 4, shape=[1] * 16 + [4])}, bytes(4))


@write("not-binary", "mask-with-a-two-at-its-end")
def not_binary(canaries: Path) -> bytes:
    return safetensors({"a": entry(0, 100_001)}, bytes(100_000) + b"\2")


@write("corrupt-bitmask", "bitmask-of-another-shape")
def bitmask_shape(canaries: Path) -> bytes:
    header = {
        "fc.weight.shape": {"dtype": "I64", "shape": [2], "data_offsets": [0, 16]},
        "fc.weight.compressed": entry(16, 17),
        "fc.weight.bitmask": entry(17, 18),
    }
    return safetensors(header, np.array([1 << 40, 8], "<i8").tobytes() + b"\1\1")


@write("corrupt-bitmask", "bitmask-with-more-bits-than-values")
def bitmask_bits(canaries: Path) -> bytes:
    header = {
        "fc.weight.shape": {"dtype": "I64", "shape": [2], "data_offsets": [0, 16]},
        "fc.weight.compressed": entry(16, 17),
        "fc.weight.bitmask": {"dtype": "U8", "shape": [1, 1], "data_offsets": [17, 18]},
    }
    return safetensors(header, np.array([1, 8], "<i8").tobytes() + b"\1\xff")


@hazard("not-a-file", "pipe-that-never-ends", said="zeros")
def pipe(path: Path, canaries: Path) -> None:
    os.mkfifo(path)


@hazard("unsafe-ratio", "npy-by-columns-that-is-a-hole", said="zeros")
def hole_by_columns(path: Path, canaries: Path) -> None:
    head = npy_header("(65536, 65536)", "'<f4'", fortran=True)
    path.write_bytes(head)
    os.truncate(path, len(head) + (1 << 34))
