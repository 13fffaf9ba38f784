"""Make the golden archives of the current format: python tests/data/make_archives.py FOLDER.

Their content comes from SHAKE-256, so it is the same with every version of NumPy. Archives of a
published format are never made again; a new minor version gets a folder of its own.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from maskstat.archive import open_archive, write
from maskstat.bits import Words, layer_counts
from maskstat.layout import Layout
from maskstat.mask import Mask
from maskstat.run import MaskRows, Outputs, Run, Weights

LENET = {"conv.weight": (4, 1, 3, 3), "fc1.weight": (10, 33), "fc2.weight": (64,)}
OTHERS = {"conv.bias": (4,), "bn.num_batches_tracked": ()}
GRAPH = ({"name": "conv", "op": "conv", "inputs": ["x"]},)


def numbers(text: str, n: int, dtype: str = "<u2") -> Any:
    """Return n unsigned numbers that a text stands for."""
    size = np.dtype(dtype).itemsize
    return np.frombuffer(hashlib.shake_256(text.encode()).digest(n * size), dtype)


def floats(text: str, *shape: int) -> Any:
    return (numbers(text, int(np.prod(shape)), "<u4") / 2**32).reshape(shape)


def run(name: str, layout: Layout, densities: tuple[float, ...], **fields: Any) -> Run:
    """A run of nested masks of about these densities."""
    rows = [Mask.dense(layout).words()]
    ranks = {la.name: floats(f"{name}/{la.name}", *la.shape) for la in layout.layers}
    for density in densities:
        arrays = {layer: values < density for layer, values in ranks.items()}
        rows.append(Mask.from_arrays(arrays).words())
    stack = np.stack(rows)
    kept = np.stack([layer_counts(Words(row), layout.edges) for row in stack])
    return Run(run_id=name, layout=layout, masks=MaskRows(stack), kept=kept, **fields)


def full() -> Run:
    """A run with every optional part."""
    layout = Layout.from_shapes(LENET, others=OTHERS, graph=GRAPH)
    bare = run("lenet-0", layout, (0.8, 0.5, 0.1))
    rows, size = bare.n_iterations, layout.size
    return run(
        "lenet-0", layout, (0.8, 0.5, 0.1),
        model="lenet", dataset="chiffres à la main", method="global-unstructured",
        seed=-7, replicate=2, recipe_digest="ab" * 32,
        effective=np.stack([bare.kept, bare.kept // 2], axis=-1),
        series={"test_accuracy": floats("accuracy", rows),
                "train_loss": np.where(floats("loss", rows, 3) < 0.2, np.nan, 0.5)},
        outputs={"digits": Outputs(logits=floats("logits", 2, 7, 3).astype("<f4"),
                                   iterations=(0, 3), labels=np.arange(7, dtype="<i8") % 3),
                 "emnist:balanced": Outputs(logits=floats("more", 1, 5, 2).astype("<f4"),
                                            iterations=(3,))},
        weights={"initial": Weights(values=floats("w", 1, size).astype("<f4"), iterations=(0,)),
                 "final": Weights(values=floats("v", 2, size).astype("<f4"), iterations=(0, 3))},
        others={"initial": floats("others", 5).astype("<f4")},
        votes=numbers("votes", size) % np.uint16(4),
        provenance={"recipe": {"train": {"lr": 0.1}}, "parents": ["a", "b", "c"]},
        clock={"started": "2026-01-01T00:00:00Z", "seconds": [1.5] * rows},
    )  # fmt: skip


def sweep() -> list[Run]:
    """Runs of two layouts, more than a group's header holds, in every status."""
    layouts = [Layout.from_shapes({"fc": (3, n)}) for n in (21, 64)]
    return [
        run(f"run.{i}", layouts[i % 2], (0.9, 0.3)[: 1 + i % 2], seed=i * (1 << 59),
            status=("complete", "partial", "failed")[i % 3])
        for i in range(14)
    ]  # fmt: skip


def archives() -> dict[str, list[Run]]:
    """Return what is in each golden archive."""
    return {
        "minimal": [run("mine", Layout.from_shapes({"fc": (5, 13)}), (0.5,))],
        "full": [full()],
        "sweep": sweep(),
        "wide": [run("wide", Layout.from_shapes({"a": (1200, 1000), "b": (63,)}), (0.02, 0.01))],
    }


def facts(path: Path) -> dict[str, Any]:
    """Return what has to be read from an archive for ever."""
    with open_archive(path) as archive:
        runs = {
            name: {
                "digest": run.digest,
                "kept": run.kept.tolist(),
                "masks": hashlib.sha256(
                    b"".join(np.asarray(run.mask(t).layer(layer)).astype("?").tobytes()
                             for t in range(run.n_iterations) for layer in run.layout.names)
                ).hexdigest(),
            }
            for name, run in archive.runs.items()
        }  # fmt: skip
        return {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "content_digest": archive.content_digest,
            "runs": runs,
        }


def main(folder: Path) -> None:
    found = {}
    for name, runs in archives().items():
        path = folder / f"{name}.h5"
        write(path, runs)
        found[name] = facts(path)
    (folder / "golden.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
