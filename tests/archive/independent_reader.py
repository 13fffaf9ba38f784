"""A reader of mask archives that knows docs/format.md, h5py and nothing of maskstat."""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import h5py
import numpy as np


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def plain(value: Any) -> Any:
    return value.decode("ascii") if isinstance(value, bytes) else value.tolist()


def unpacked(row: Any, layers: list[dict[str, Any]]) -> dict[str, Any]:
    """Weight k of a layer is bit k % 8 of byte k // 8 behind its bit offset; padding is 0."""
    masks = {}
    for layer, behind in zip(layers, [*layers[1:], None], strict=True):
        end = behind["bit_offset"] // 8 if behind else row.size
        bits = np.unpackbits(row[layer["bit_offset"] // 8 : end], bitorder="little")
        assert not bits[layer["n_bits"] :].any(), "padding"
        masks[layer["name"]] = bits[: layer["n_bits"]].reshape(layer["shape"]).astype(bool)
    return masks


def read_run(run: h5py.Group, layouts: h5py.Group) -> dict[str, Any]:
    attributes = {name: plain(value) for name, value in run.attrs.items()}
    text = layouts[attributes["layout"]][...].tobytes()
    assert hashlib.sha256(text).hexdigest()[:16] == attributes["layout"], "layout"
    datasets: dict[str, Any] = {}
    run.visititems(lambda path, x: datasets.update({path: x} if hasattr(x, "shape") else {}))
    layers = json.loads(text)["layers"]
    rows = datasets["masks"][...]
    digests = b"".join(hashlib.sha256(row.tobytes()).digest() for row in rows)
    assert digests == datasets["mask_digests"][...].tobytes(), "mask_digests"
    masks = [unpacked(row, layers) for row in rows]
    kept = [[int(mask[layer["name"]].sum()) for layer in layers] for mask in masks]
    assert kept == datasets["kept"][...].tolist(), "kept"
    assert all(mask.all() for mask in masks[0].values()), "row 0"
    clock = hashlib.sha256(datasets["clock"][...].tobytes()).hexdigest()
    assert clock == plain(datasets["clock"].attrs["sha256"]), "clock"
    entries = {
        path: {
            "attributes": {name: plain(value) for name, value in dataset.attrs.items()},
            "dtype": dataset.dtype.str[1:],
            "sha256": hashlib.sha256(dataset[...].tobytes()).hexdigest(),
            "shape": list(dataset.shape),
        }
        for path, dataset in datasets.items()
        if path not in ("clock", "manifest")
    }
    entries["masks"]["sha256"] = entries["mask_digests"]["sha256"]
    digest = attributes.pop("digest")
    manifest = {"schema": "maskstat-run/1", "layout": hashlib.sha256(text).hexdigest(),
                "attributes": attributes, "datasets": entries}  # fmt: skip
    assert canonical(manifest) == datasets["manifest"][...].tobytes(), "manifest"
    assert digest == f"sha256:{hashlib.sha256(canonical(manifest)).hexdigest()}", "digest"
    series = {name: dataset[...] for name, dataset in run.get("series", {}).items()}
    return {"digest": digest, "masks": masks, "kept": kept, "series": series, **attributes}


def read(path: str) -> tuple[str, dict[str, dict[str, Any]]]:
    """Return an archive's content digest and its runs, every digest recomputed."""
    with h5py.File(path) as file:
        assert plain(file.attrs["format"]) == "maskstat-archive"
        runs = {name: read_run(run, file["layouts"]) for name, run in file["runs"].items()}
        pairs = [[name, runs[name]["digest"]] for name in sorted(runs)]
        text = canonical({"format": "maskstat-archive/1", "runs": pairs})
        digest = plain(file.attrs["content_digest"])
    assert digest == f"sha256:{hashlib.sha256(text).hexdigest()}", "content_digest"
    return digest, runs


if __name__ == "__main__":
    print(json.dumps({path: read(path)[0] for path in sys.argv[1:]}, indent=1))
