"""Runs to write, files to tamper with, and an independent hand that seals them again."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from maskstat import archive
from maskstat.bits import Words, layer_counts, pack
from maskstat.mask import Layout, Mask
from maskstat.run import MaskRows, Outputs, Run, Weights

SHAPES = {"conv1.weight": (4, 1, 3, 3), "fc1.weight": (10, 33), "fc2.weight": (64,)}
OTHERS = {"conv1.bias": (4,), "bn.num_batches_tracked": ()}


def make_run(
    run_id: str = "lenet-0", *, n_iterations: int = 5, seed: int = 0, full: bool = True
) -> Run:
    """Build a run of nested masks with, if `full`, every optional part."""
    rng = np.random.default_rng(seed)
    graph = [{"name": "conv1", "op": "conv", "inputs": ["input"]}]
    layout = Layout.from_shapes(SHAPES, others=OTHERS, graph=graph)
    rows = [Mask.dense(layout).words()]
    while len(rows) < n_iterations:
        kept = [pack(rng.random(layer.size) < 0.8) for layer in layout.layers]
        rows.append(rows[-1] & np.concatenate(kept))
    stack = np.stack(rows)
    counts = np.stack([layer_counts(Words(row), layout.edges) for row in stack])
    weights = rng.standard_normal((2, layout.size)).astype(np.float32)
    logits = rng.standard_normal((2, 7, 3)).astype(np.float32)
    last = n_iterations - 1
    optional: dict[str, Any] = {
        "effective": np.stack([counts, counts // 2], axis=-1),
        "series": {
            "test_accuracy": rng.random(n_iterations),
            "train_loss": rng.random((n_iterations, 3)),
        },
        "outputs": {
            "emnist:balanced": Outputs(
                logits=logits, iterations=(0, last), labels=np.arange(7, dtype=np.int64)
            ),
            "digits": Outputs(logits=logits[:1], iterations=(last,)),
        },
        "weights": {
            "initial": Weights(values=weights[:1], iterations=(0,)),
            "final": Weights(values=weights, iterations=(0, last)),
        },
        "others": {"initial": np.arange(5, dtype=np.float32)},
        "votes": rng.integers(0, 4, layout.size).astype(np.uint16),
        "seed": 7,
        "replicate": 2,
    }
    return Run(
        run_id=run_id,
        layout=layout,
        masks=MaskRows(stack),
        kept=counts,
        model="lenet",
        dataset="digits",
        method="global-unstructured",
        recipe_digest="ab" * 32,
        provenance={"recipe": {"train": {"lr": 0.1}}, "parents": ["a", "b", "c"]},
        clock={"started": "2024-01-01T00:00:00Z", "seconds": [1.5] * n_iterations},
        **(optional if full else {}),
    )


def seal(file: h5py.File) -> None:
    """Recompute every digest of an archive from the text of docs/format.md and h5py alone."""
    runs = []
    for run_id, run in sorted(file["runs"].items()):
        datasets: dict[str, Any] = {}

        def visit(path: str, item: Any, datasets: dict[str, Any] = datasets) -> None:
            if isinstance(item, h5py.Dataset) and path not in ("clock", "manifest"):
                datasets[path] = {
                    "attributes": {name: _plain(value) for name, value in item.attrs.items()},
                    "dtype": item.dtype.str[1:],
                    "sha256": hashlib.sha256(item[...].tobytes()).hexdigest(),
                    "shape": list(item.shape),
                }

        run.visititems(visit)
        datasets["masks"]["sha256"] = datasets["mask_digests"]["sha256"]
        attributes = {name: _plain(value) for name, value in run.attrs.items() if name != "digest"}
        layout = file["layouts"][attributes["layout"]]
        document = {
            "attributes": attributes,
            "datasets": datasets,
            "layout": hashlib.sha256(layout[...].tobytes()).hexdigest(),
            "schema": "maskstat-run/1",
        }
        text = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
        put(run, "manifest", np.frombuffer(text, np.uint8))
        digest = f"sha256:{hashlib.sha256(text).hexdigest()}"
        run.attrs["digest"] = np.bytes_(digest)
        runs.append([run_id, digest])
    document = {"format": "maskstat-archive/1", "runs": runs}
    text = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    file.attrs["content_digest"] = np.bytes_(f"sha256:{hashlib.sha256(text).hexdigest()}")


def put(group: h5py.Group, name: str, values: Any, **options: Any) -> h5py.Dataset:
    """Replace a dataset, its attributes kept, stored in one chunk unless told otherwise."""
    attributes = dict(group[name].attrs) if name in group else {}
    if name in group:
        del group[name]
    array = np.asarray(values)
    options = {"chunks": array.shape} | options
    made = group.create_dataset(name, data=array, track_times=False, **options)
    for key, value in attributes.items():
        made.attrs[key] = np.bytes_(value) if isinstance(value, bytes) else value
    return made


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("ascii")
    return value.tolist()


@pytest.fixture
def run() -> Run:
    return make_run()


@pytest.fixture
def runs() -> Callable[..., Run]:
    return make_run


@functools.cache
def default_image() -> bytes:
    """The archive of one run with every part."""
    return archive.to_bytes([make_run()])


@pytest.fixture
def image() -> bytes:
    return default_image()


Edit = Callable[[h5py.File], None]


@pytest.fixture
def tamper(tmp_path: Path) -> Callable[..., Path]:
    """Write an archive, change it through h5py, and give its path."""

    def make(edit: Edit, *runs: Run, sealed: bool = False) -> Path:
        path = tmp_path / "tampered.h5"
        path.write_bytes(archive.to_bytes(runs) if runs else default_image())
        with h5py.File(path, "r+", libver=("v110", "v110")) as file:
            edit(file)
            if sealed:
                seal(file)
        return path

    return make


@pytest.fixture
def replace_dataset() -> Callable[..., h5py.Dataset]:
    return put
