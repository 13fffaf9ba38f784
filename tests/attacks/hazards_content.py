"""Hazards of content: texts that explode, digests and tables that lie, sealed again or not."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from hazard import RUN, edit, put


def text(content: bytes) -> Any:
    return np.frombuffer(content, "u1")


TEXTS = {
    "deep": b"[" * 200_000 + b"]" * 200_000,
    "of-many-items": b"[" + b"0," * 600_000 + b"0]",
    "with-a-number-of-a-million-digits": b'{"a":' + b"9" * 1_000_000 + b"}",
    "with-a-key-twice": b'{"a":1,"a":2}',
    "with-white-space": b'{"a": 1}',
    "with-nan": b'{"a":NaN}',
    "not-ascii": b'{"a":"\xff"}',
    "none": b"hello",
}
for _title, _content in TEXTS.items():

    @edit("corrupt-json", f"json-{_title}", sealed=True)
    def json_text(file: h5py.File, canaries: Path, content: bytes = _content) -> None:
        put(file[RUN], "provenance", text(content))


@edit("corrupt-run", "json-that-is-no-object", sealed=True)
def no_object(file: h5py.File, canaries: Path) -> None:
    put(file[RUN], "provenance", text(b"[]"))


@edit("corrupt-layout", "layout-with-gaps", sealed=True)
def layout(file: h5py.File, canaries: Path) -> None:
    """Under its right name, and with a manifest that fits."""
    name = next(iter(file["layouts"]))
    document = json.loads(file["layouts"][name][...].tobytes())
    document["layers"][1]["bit_offset"] += 64
    content = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    del file["layouts"][name]
    name = hashlib.sha256(content).hexdigest()[:16]
    put(file["layouts"], name, text(content))
    file[RUN].attrs["layout"] = np.bytes_(name)


@edit("corrupt-digest", "layout-under-another-name")
def layout_name(file: h5py.File, canaries: Path) -> None:
    name = next(iter(file["layouts"]))
    content = file["layouts"][name][...].tobytes().replace(b"fc1.weight", b"fc9.weight")
    put(file["layouts"], name, text(content))


@edit("corrupt-digest", "run-renamed")
def renamed(file: h5py.File, canaries: Path) -> None:
    file["runs"].move("lenet-0", "another")


@edit("corrupt-digest", "array-changed")
def array(file: h5py.File, canaries: Path) -> None:
    put(file[RUN], "votes", file[RUN]["votes"][...] + np.uint16(1))


@edit("corrupt-digest", "lost-page-that-fletcher32-cannot-see")
def lost_page(file: h5py.File, canaries: Path) -> None:
    """The words 0xFFFF of the dense row became 0x0000."""
    masks = file[RUN]["masks"][...]
    assert (masks[0, :4] == 0xFF).all()
    masks[0, :4] = 0
    put(file[RUN], "masks", masks)


@edit("corrupt-manifest", "attribute-changed")
def attribute(file: h5py.File, canaries: Path) -> None:
    file[RUN].attrs["seed"] = np.int64(8)


@edit("corrupt-run", "status-of-no-meaning", sealed=True)
def status(file: h5py.File, canaries: Path) -> None:
    file[RUN].attrs["status"] = np.bytes_("done")


@edit("corrupt-run", "counts-beyond-the-layers", sealed=True)
def counts(file: h5py.File, canaries: Path) -> None:
    put(file[RUN], "kept", file[RUN]["kept"][...] + (1 << 40))


@edit("corrupt-run", "rows-of-no-iteration", sealed=True)
def rows(file: h5py.File, canaries: Path) -> None:
    file[RUN]["weights/final"].attrs["iterations"] = np.array([-1, 99])


def masks_changed(file: h5py.File, change: Any) -> None:
    """Change mask rows and digest them anew."""
    masks = file[RUN]["masks"][...]
    change(masks)
    digests = [np.frombuffer(hashlib.sha256(row.tobytes()).digest(), "u1") for row in masks]
    put(file[RUN], "masks", masks)
    put(file[RUN], "mask_digests", np.stack(digests))


@edit("corrupt-padding", "bits-in-the-padding", sealed=True)
def padding(file: h5py.File, canaries: Path) -> None:
    def change(masks: Any) -> None:
        masks[2, 4] |= 0x10

    masks_changed(file, change)


@edit("corrupt-kept", "counts-of-other-masks", sealed=True)
def kept(file: h5py.File, canaries: Path) -> None:
    del file[RUN]["effective"]
    found = file[RUN]["kept"][...]
    found[2, 1] -= 1
    put(file[RUN], "kept", found)


@edit("not-dense", "first-row-not-dense", sealed=True)
def not_dense(file: h5py.File, canaries: Path) -> None:
    def change(masks: Any) -> None:
        masks[0, 0] ^= 1

    masks_changed(file, change)
    del file[RUN]["effective"]
    found = file[RUN]["kept"][...]
    found[0, 0] -= 1
    put(file[RUN], "kept", found)
