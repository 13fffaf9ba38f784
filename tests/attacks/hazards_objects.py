"""Hazards of links, objects and attributes, and of the trees and heaps that hold them."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from hazard import (
    RUN,
    alter,
    blocks,
    changed,
    default_image,
    edit,
    fields,
    mended,
    place,
    with_field,
)


@edit("unsafe-link", "soft-link")
def soft(file: h5py.File, canaries: Path) -> None:
    file[RUN].move("masks", "moved")
    file[RUN]["masks"] = h5py.SoftLink(f"/{RUN}/moved")


@edit("unsafe-link", "dangling-soft-link")
def dangling(file: h5py.File, canaries: Path) -> None:
    file["runs"]["b"] = h5py.SoftLink("/../../etc/passwd")


@edit("unsafe-link", "external-link-to-a-dataset")
def external(file: h5py.File, canaries: Path) -> None:
    del file[RUN]["votes"]
    file[RUN]["votes"] = h5py.ExternalLink(str(canaries / "canary.h5"), "/x")


@edit("unsafe-link", "external-link-to-a-group")
def external_group(file: h5py.File, canaries: Path) -> None:
    del file[RUN]["series"]
    file[RUN]["series"] = h5py.ExternalLink("canaries/canary.h5", "/group")


@edit("unsafe-link", "external-link-in-place-of-all-runs")
def external_runs(file: h5py.File, canaries: Path) -> None:
    del file["runs"]
    file["runs"] = h5py.ExternalLink(str(canaries / "canary.h5"), "/group")


@place("unsafe-link", "user-defined-link")
def user_defined(path: Path, canaries: Path) -> None:
    """An external link whose type was changed to one that a program may register."""
    path.write_bytes(default_image())
    with h5py.File(path, "r+", libver=("v110", "v110")) as file:
        file["runs"]["b"] = h5py.ExternalLink(str(canaries / "canary.h5"), "/group")
    image = path.read_bytes()
    found = next(f for f in fields(image) if f.name == "link: type or length" and
                 image[f.at] == 64 and image[f.at - 1] & 8)  # fmt: skip
    path.write_bytes(changed(image, found, 100))


@edit("unsafe-alias", "second-name")
def alias(file: h5py.File, canaries: Path) -> None:
    file[RUN]["weights/rewind"] = file[RUN]["weights/initial"]


@edit("unsafe-alias", "cycle")
def cycle(file: h5py.File, canaries: Path) -> None:
    del file[RUN]["series"]
    file[RUN]["series"] = file["runs"]


@alter("unsafe-alias", "two-links-to-one-object")
def two_links(image: bytes) -> bytes:
    """Without the reference count that would tell: one link's address put into another."""
    with h5py.File.in_memory(default_image()) as file:
        addresses = [h5py.h5o.get_info(file[f"{RUN}/weights/{k}"].id).addr for k in
                     ("initial", "final")]  # fmt: skip
    one, other = (struct.pack("<Q", address) for address in addresses)
    at = image.index(other)
    block = next(b for b in blocks(image) if b.start < at < b.stop)
    return mended(image[:at] + one + image[at + 8 :], block)


NAMES = {"dots": "..", "escape": "\x1b[31m", "space": "a b", "unicode": "é", "long": "x" * 65}

for _title, _name in NAMES.items():

    @edit("unsafe-name", f"name-{_title}")
    def name(file: h5py.File, canaries: Path, name: str = _name) -> None:
        file["runs"].move("lenet-0", name)


@edit("unsafe-name", "attribute-name")
def attribute_name(file: h5py.File, canaries: Path) -> None:
    file[RUN].attrs["a\x07"] = np.int64(1)


@edit("unsafe-object", "committed-datatype")
def committed(file: h5py.File, canaries: Path) -> None:
    del file[RUN]["votes"]
    file[RUN]["votes"] = np.dtype("<u2")


@edit("unsafe-object", "group-in-place-of-a-dataset")
def group(file: h5py.File, canaries: Path) -> None:
    del file[RUN]["votes"]
    file[RUN].create_group("votes")


@edit("unsafe-object", "header-without-checksum", libver="earliest")
def old_header(file: h5py.File, canaries: Path) -> None:
    del file[RUN]["votes"]
    file[RUN].create_dataset("votes", data=np.zeros(430, "u2"), chunks=(430,))
    assert h5py.h5o.get_info(file[RUN]["votes"].id).hdr.version == 1


@edit("unsafe-object", "too-many-members")
def members(file: h5py.File, canaries: Path) -> None:
    for i in range(300):
        file[RUN]["series"].create_dataset(f"s{i}", data=np.zeros(5), chunks=(5,))


@edit("unexpected-member", "unknown-dataset")
def unknown(file: h5py.File, canaries: Path) -> None:
    file[RUN].create_dataset("later", data=np.arange(4.0), chunks=(4,))


@edit("missing-member", "empty-group")
def empty_group(file: h5py.File, canaries: Path) -> None:
    del file[RUN]["others"]
    file[RUN].create_group("others")


@edit("missing-member", "missing-dataset")
def missing(file: h5py.File, canaries: Path) -> None:
    del file[RUN]["kept"]


ATTRIBUTES: dict[str, tuple[str, Any]] = {
    "variable-length": ("model", "a variable-length string"),
    "number-of-another-size": ("seed", np.int32(3)),
    "big-endian": ("seed", np.array(3, ">i8")),
    "vector": ("seed", np.array([1, 2])),
    "long": ("model", np.bytes_(b"x" * 5000)),
    "control-characters": ("model", np.bytes_(b"\x1b[31m")),
    "not-ascii": ("model", np.bytes_(b"\xff")),
    "null-space": ("model", h5py.Empty("S4")),
    "opaque": ("status", np.void(b"abc")),
    "compound": ("seed", np.zeros((), [("a", "<i8")])),
    "in-a-heap": ("extra", np.arange(9_000)),
}
for _title, (_key, _value) in ATTRIBUTES.items():

    @edit("unsafe-attribute", f"attribute-{_title}")
    def attribute(file: h5py.File, canaries: Path, key: str = _key, value: Any = _value) -> None:
        file[RUN].attrs[key] = value


@edit("unsafe-attribute", "attribute-reference")
def reference(file: h5py.File, canaries: Path) -> None:
    file[RUN].attrs["model"] = file["runs"].ref


@edit("unsafe-attribute", "attribute-of-committed-type")
def committed_attribute(file: h5py.File, canaries: Path) -> None:
    file[RUN]["later"] = np.dtype("<i8")
    file[RUN].attrs.create("seed", 3, dtype=file[RUN]["later"])
    del file[RUN]["later"]


@edit("unsafe-attribute", "too-many-attributes")
def too_many(file: h5py.File, canaries: Path) -> None:
    for i in range(65):
        file[RUN].attrs[f"a{i}"] = np.int64(i)


@edit("unexpected-member", "reserved-attribute")
def reserved(file: h5py.File, canaries: Path) -> None:
    file[RUN].attrs["masks_encoding"] = np.int64(1)


TREES = {
    "tree-of-another-type": ("BTHD: type", 1),
    "tree-with-more-entries-than-nodes": ("BTHD: records", 1 << 62),
    "tree-node-overfull": ("BTHD: root records", 65_535),
    "tree-node-of-no-size": ("BTHD: node size", 2),
    "tree-of-other-records": ("BTHD: record size", 0),
    "tree-of-great-depth": ("BTHD: depth", 65_535),
    "heap-without-width": ("FRHP: width", 0),
    "heap-of-huge-rows": ("FRHP: rows", 65_535),
    "heap-in-another-place": ("FRHP: root", 48),
    "header-continued-in-itself": ("continuation: address", 48),
    "header-of-no-end": ("continuation: length", 1 << 62),
    "extents-of-many-dimensions": ("dataspace: rank", 255),
    "message-longer-than-its-header": ("datatype message: size", 65_535),
}
for _title, (_field, _number) in TREES.items():

    @alter("corrupt-structure", _title)
    def metadata(image: bytes, field: str = _field, value: int = _number) -> bytes:
        return with_field(field, value)
