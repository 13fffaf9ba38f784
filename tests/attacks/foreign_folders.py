"""Hazards in folders: names and links that lead elsewhere, parts that are missing or endless."""

from __future__ import annotations

import json
from pathlib import Path

from foreign import Code, hazard, npy, npy_header, safetensors, torch_zip

ENTRY = {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}
SHARD = safetensors({"a": ENTRY}, bytes(4))


def index(path: Path, **shards: str) -> Path:
    """Make a folder with a good shard `one.safetensors`, and an index."""
    path.mkdir()
    (path / "one.safetensors").write_bytes(SHARD)
    text = json.dumps({"weight_map": {"a": "one.safetensors", **shards}})
    (path / "model.safetensors.index.json").write_text(text)
    return path


@hazard("unsafe-name", "index-with-a-name-that-leads-out")
def leads_out(path: Path, canaries: Path) -> None:
    index(path, b="../canaries/canary.safetensors")


@hazard("unsafe-name", "index-with-an-absolute-name")
def absolute(path: Path, canaries: Path) -> None:
    index(path, b=str(canaries / "canary.safetensors"))


@hazard("unsafe-name", "index-with-a-name-that-leads-out-later")
def leads_out_later(path: Path, canaries: Path) -> None:
    (index(path, b="x/../../canaries/canary.safetensors") / "x").mkdir()


@hazard("unsafe-name", "index-with-a-name-of-windows")
def windows(path: Path, canaries: Path) -> None:
    index(path, b="..\\canaries\\canary.safetensors")


@hazard("unsafe-name", "index-file-with-a-name-that-leads-out")
def index_alone(path: Path, canaries: Path) -> None:
    path.write_text(json.dumps({"weight_map": {"a": "../canaries/canary.safetensors"}}))


@hazard("missing-shard", "index-of-a-shard-that-is-missing")
def missing(path: Path, canaries: Path) -> None:
    index(path, b="two.safetensors")


@hazard("corrupt-safetensors", "index-of-a-tensor-that-is-missing")
def missing_tensor(path: Path, canaries: Path) -> None:
    index(path, b="one.safetensors")


@hazard("not-a-file", "shard-that-is-an-endless-device")
def device(path: Path, canaries: Path) -> None:
    (index(path, b="two.safetensors") / "two.safetensors").symlink_to("/dev/zero")


@hazard("unsafe-overlap", "shard-that-overlaps")
def shard(path: Path, canaries: Path) -> None:
    folder = index(path, b="two.safetensors", c="two.safetensors")
    (folder / "two.safetensors").write_bytes(safetensors({"b": ENTRY, "c": ENTRY}, bytes(4)))


@hazard("corrupt-safetensors", "index-that-is-a-list")
def no_index(path: Path, canaries: Path) -> None:
    (index(path) / "model.safetensors.index.json").write_text("[1, 2]")


def level(path: Path, number: int, mask: bytes | None) -> Path:
    main = path / "replicate_1" / f"level_{number}" / "main"
    main.mkdir(parents=True)
    if mask is not None:
        (main / "mask.pth").write_bytes(mask)
    return main


@hazard("pickle-code", "lottery-whose-mask-runs-code")
def mask_code(path: Path, canaries: Path) -> None:
    level(path, 0, torch_zip(Code(canaries).pickle()))


@hazard("not-a-file", "lottery-whose-mask-never-ends")
def mask_device(path: Path, canaries: Path) -> None:
    (level(path, 0, None) / "mask.pth").symlink_to("/dev/zero")


@hazard("no-masks", "lottery-whose-levels-are-elsewhere")
def elsewhere(path: Path, canaries: Path) -> None:
    """Folders that are links are not entered; the canaries hold a level."""
    path.mkdir()
    (path / "replicate_1").symlink_to(canaries / "replicate_1")


@hazard("no-masks", "folder-in-itself")
def loop(path: Path, canaries: Path) -> None:
    (path / "replicate_1").mkdir(parents=True)
    (path / "replicate_1" / "level_1").symlink_to(path)


@hazard("several-runs", "lottery-of-two-replicates")
def replicates(path: Path, canaries: Path) -> None:
    for number in (1, 2):
        main = path / f"replicate_{number}" / "level_0" / "main"
        main.mkdir(parents=True)
        (main / "mask.pth").write_bytes(b"")


@hazard("unsafe-pickle", "folder-with-an-array-of-objects")
def objects(path: Path, canaries: Path) -> None:
    path.mkdir()
    (path / "a.npy").write_bytes(npy())
    (path / "b.npy").write_bytes(npy_header("()", "'|O'") + Code(canaries).pickle())


@hazard("read-failed", "link-to-itself-among-arrays")
def link(path: Path, canaries: Path) -> None:
    path.mkdir()
    (path / "a.npy").write_bytes(npy())
    (path / "b.npy").symlink_to(path / "b.npy")
