"""Whatever happens to a file's bytes: refused, or read as it was written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from maskstat import archive
from maskstat.archive import encode, spec, writer
from maskstat.errors import ArchiveError, CorruptArchiveError
from maskstat.run import Run

Tamper = Callable[..., Path]
Put = Callable[..., h5py.Dataset]
RUN = "runs/lenet-0"


def read_everything(source: Path | bytes) -> str:
    """Load all content through every check and give its digest, the clock's included."""
    with archive.open_archive(source) as found:
        digest = writer.recheck(found)
        return digest + "".join(str(dict(found.runs[name].clock)) for name in found.runs)


def outcome(image: bytes) -> str:
    """Give the content's digest, or the code of the error that refused it."""
    try:
        return read_everything(image)
    except ArchiveError as error:
        return error.code


def test_the_word_that_fletcher32_cannot_see(
    tamper: Tamper, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0x0000 and 0xFFFF are one to that checksum, and a lost page to a mask."""
    monkeypatch.setattr(encode, "encode_chunk", lambda data, limit: None)
    path = tamper(lambda file: None, run)
    with h5py.File(path) as file:
        masks = file[RUN]["masks"].id.get_chunk_info(0)
    image = path.read_bytes()
    part = slice(masks.byte_offset, masks.byte_offset + masks.size)
    swapped = image[part].replace(b"\xff\xff", b"\x00\x00", 1)
    assert swapped != image[part]
    assert outcome(image[: part.start] + swapped + image[part.stop :]) == "corrupt-digest"


def reading(path: Path, row: int = 2) -> CorruptArchiveError:
    """Read one mask of a sealed file that lies and give the error."""
    with pytest.raises(CorruptArchiveError) as caught:
        archive.open_archive(path).runs["lenet-0"].mask(row).words()
    assert caught.value.code in spec.CODES
    return caught.value


def change_masks(file: h5py.File, put: Put, change: Callable[[Any], None]) -> None:
    """Change the mask rows and digest them anew."""
    masks = file[RUN]["masks"][...]
    change(masks)
    digests = [np.frombuffer(hashlib.sha256(row.tobytes()).digest(), "u1") for row in masks]
    put(file[RUN], "masks", masks)
    put(file[RUN], "mask_digests", np.stack(digests))


def test_row_digest(tamper: Tamper, replace_dataset: Put) -> None:
    def edit(file: h5py.File) -> None:
        masks = file[RUN]["masks"][...]
        masks[2, 10] ^= 1
        replace_dataset(file[RUN], "masks", masks)

    path = tamper(edit, sealed=True)
    error = reading(path)
    assert error.code == "corrupt-digest"
    assert error.place == f"{path}@2"
    assert archive.open_archive(path).runs["lenet-0"].mask(1).words().size
    assert error.hint == f"maskstat verify {path}"


def test_padding(tamper: Tamper, replace_dataset: Put) -> None:
    def edit(file: h5py.File) -> None:
        def change(masks: Any) -> None:
            masks[2, 4] |= 0x10

        change_masks(file, replace_dataset, change)

    error = reading(tamper(edit, sealed=True))
    assert error.code == "corrupt-padding"
    assert "conv1.weight" in error.fact


def test_kept(tamper: Tamper, replace_dataset: Put) -> None:
    def edit(file: h5py.File) -> None:
        kept = file[RUN]["kept"][...]
        kept[2, 1] -= 1
        replace_dataset(file[RUN], "kept", kept)
        effective = file[RUN]["effective"][...]
        replace_dataset(file[RUN], "effective", effective * 0)

    error = reading(tamper(edit, sealed=True))
    assert error.code == "corrupt-kept"
    assert "fc1.weight" in error.fact


def test_first_row_is_dense(tamper: Tamper, replace_dataset: Put) -> None:
    def edit(file: h5py.File) -> None:
        def change(masks: Any) -> None:
            masks[0, 0] ^= 1

        change_masks(file, replace_dataset, change)
        kept = file[RUN]["kept"][...]
        kept[0, 0] -= 1
        replace_dataset(file[RUN], "kept", kept)
        del file[RUN]["effective"]

    assert reading(tamper(edit, sealed=True)).code == "not-dense"


def change(path: str, alter: Callable[[Any], Any]) -> Callable[[h5py.File, Put], None]:
    def edit(file: h5py.File, put: Put) -> None:
        put(file[RUN], path, alter(file[RUN][path][...]))

    return edit


def attribute(where: str, name: str, value: Any) -> Callable[[h5py.File, Put], None]:
    def edit(file: h5py.File, put: Put) -> None:
        file[where].attrs[name] = value

    return edit


CONTRADICTIONS = [
    (change("kept", lambda a: a * -1), "corrupt-run"),
    (change("effective", lambda a: a + 1), "corrupt-run"),
    (change("provenance", lambda a: np.frombuffer(b'{"a": 1}', "u1")), "corrupt-json"),
    (change("provenance", lambda a: np.frombuffer(b'{"a":1,"a":2}', "u1")), "corrupt-json"),
    (change("provenance", lambda a: np.frombuffer(b"[1]", "u1")), "corrupt-run"),
    (change("provenance", lambda a: np.frombuffer(b"[NaN]", "u1")), "corrupt-json"),
    (change("provenance", lambda a: np.frombuffer(b"\xff\xff", "u1")), "corrupt-json"),
    (change("provenance", lambda a: np.frombuffer(b"[" * 9000, "u1")), "corrupt-json"),
    (change("provenance", lambda a: np.frombuffer(b"9" * 5000, "u1")), "corrupt-json"),
    (change("clock", lambda a: a[::-1].copy()), "corrupt-digest"),
    (attribute(RUN, "status", np.bytes_("done")), "corrupt-run"),
    (attribute(f"{RUN}/weights/final", "iterations", np.array([4, 0])), "corrupt-run"),
    (attribute(f"{RUN}/weights/final", "iterations", np.array([0, 5])), "corrupt-run"),
    (attribute(f"{RUN}/weights/final", "iterations", np.array([-1, 4])), "corrupt-run"),
    (attribute(f"{RUN}/outputs/digits", "name", np.bytes_("other")), "corrupt-run"),
    (
        attribute(f"{RUN}/labels/emnist-balanced-43d018ce", "name", np.bytes_("digits")),
        "corrupt-run",
    ),
]


@pytest.mark.parametrize("case", range(len(CONTRADICTIONS)))
def test_contradictions(tamper: Tamper, replace_dataset: Put, case: int) -> None:
    edit, code = CONTRADICTIONS[case]
    path = tamper(lambda file: edit(file, replace_dataset), sealed=True)
    assert reading(path).code == code


def test_labels_without_outputs(tamper: Tamper) -> None:
    def edit(file: h5py.File) -> None:
        del file[RUN]["outputs/emnist-balanced-43d018ce"]

    assert reading(tamper(edit, sealed=True)).code == "corrupt-run"


@pytest.mark.parametrize("path", ["weights/final", "others/initial", "votes", "outputs/digits"])
def test_arrays_are_checked_before_they_are_used(
    tamper: Tamper, replace_dataset: Put, path: str
) -> None:
    def edit(file: h5py.File) -> None:
        values = file[RUN][path][...]
        values.reshape(-1)[0] += 1
        replace_dataset(file[RUN], path, values)

    run = archive.open_archive(tamper(edit)).runs["lenet-0"]
    group, _, name = path.partition("/")
    found: Any = getattr(run, group)[name] if name else run.votes
    found = getattr(found, "values", getattr(found, "logits", found))
    with pytest.raises(CorruptArchiveError) as caught:
        found[0]
    assert caught.value.code == "corrupt-digest"


@pytest.mark.parametrize("path", ["kept", "effective", "series/train_loss", "mask_digests"])
def test_tables_are_checked_when_the_run_is_loaded(
    tamper: Tamper, replace_dataset: Put, path: str
) -> None:
    def edit(file: h5py.File) -> None:
        values = file[RUN][path][...]
        values.reshape(-1)[-1] += 1
        replace_dataset(file[RUN], path, values)

    with pytest.raises(CorruptArchiveError) as caught:
        archive.open_archive(tamper(edit)).runs["lenet-0"]
    assert caught.value.code == "corrupt-digest"


def test_manifest_of_another_run(tamper: Tamper, replace_dataset: Put) -> None:
    """A manifest that fits its digest, and not the attributes."""

    def edit(file: h5py.File) -> None:
        file[RUN].attrs["seed"] = np.int64(8)

    with pytest.raises(CorruptArchiveError) as caught:
        archive.open_archive(tamper(edit)).runs["lenet-0"]
    assert caught.value.code == "corrupt-manifest"


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["datasets"]["masks"].update(sha256="0" * 64),
        lambda document: document["datasets"].pop("votes"),
        lambda document: document["datasets"].update(votes=3),
        lambda document: document.update(datasets=[]),
        lambda document: document.update(layout="0" * 64),
        lambda document: document.update(schema="maskstat-run/2"),
        lambda document: document["attributes"].update(more=1),
        lambda document: document["datasets"]["kept"].update(shape=[5, 4]),
    ],
    ids=range(8),
)
def test_manifests_that_do_not_describe_their_run(
    tamper: Tamper, replace_dataset: Put, change: Callable[[Any], Any]
) -> None:
    """Each with its own digest, and the archive's."""

    def edit(file: h5py.File) -> None:
        run = file[RUN]
        document = json.loads(run["manifest"][...].tobytes())
        change(document)
        text = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
        replace_dataset(run, "manifest", np.frombuffer(text, "u1"))
        digest = f"sha256:{hashlib.sha256(text).hexdigest()}"
        run.attrs["digest"] = np.bytes_(digest)
        runs = {"format": "maskstat-archive/1", "runs": [["lenet-0", digest]]}
        text = json.dumps(runs, sort_keys=True, separators=(",", ":")).encode()
        file.attrs["content_digest"] = np.bytes_(f"sha256:{hashlib.sha256(text).hexdigest()}")

    assert reading(tamper(edit)).code == "corrupt-manifest"


def test_run_left_out_or_renamed(tamper: Tamper, runs: Callable[..., Run]) -> None:
    def drop(file: h5py.File) -> None:
        del file["runs"]["b"]

    def rename(file: h5py.File) -> None:
        file["runs"].move("b", "c")

    for edit in (drop, rename):
        with pytest.raises(CorruptArchiveError) as caught:
            archive.open_archive(tamper(edit, runs("a"), runs("b", seed=1)))
        assert caught.value.code == "corrupt-digest"


def test_layout_that_is_not_its_name(tamper: Tamper, replace_dataset: Put) -> None:
    def edit(file: h5py.File) -> None:
        name = next(iter(file["layouts"]))
        text = file["layouts"][name][...].tobytes().replace(b"fc1.weight", b"fc9.weight")
        replace_dataset(file["layouts"], name, np.frombuffer(text, "u1"))

    with pytest.raises(CorruptArchiveError) as caught:
        archive.open_archive(tamper(edit))
    assert caught.value.code == "corrupt-digest"
