"""Start-up against the bare imports: python benchmarks/startup.py [--rounds N].

Runs the commands in turn, so that a busy machine slows all of them alike, and prints the median of
each and the ratios. The archives hold what `maskstat prune` writes for LeNet on the digits: 21
masks of 19,518 weights, weights, biases and series.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from maskstat.archive import write
from maskstat.mask import Layout, Mask
from maskstat.run import Run, Weights

SHAPES = {
    "conv1.weight": (6, 1, 3, 3),
    "conv2.weight": (16, 6, 3, 3),
    "fc1.weight": (120, 64),
    "fc2.weight": (84, 120),
    "fc3.weight": (10, 84),
}
# Bytecode is kept, as for anything installed, whatever the caller's shell says.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
BARS = {"help": ("import click", 1.3), "compare": ("import h5py", 1.5)}


def make_archive(path, seed):
    rng = np.random.default_rng(seed)
    kept = {name: rng.random(shape) for name, shape in SHAPES.items()}
    masks = [Mask.from_arrays({n: k < 0.8**t for n, k in kept.items()}) for t in range(1, 21)]
    size = Layout.from_shapes(SHAPES).size
    layout = Layout.from_shapes(SHAPES, others={"bias": (236,)})
    stored = {
        kind: Weights(values=rng.normal(size=(1, size)).astype(np.float32), iterations=(t,))
        for kind, t in (("initial", 0), ("final", 20))
    }
    run = Run.from_masks(
        f"lenet-{seed}",
        [mask.over(layout) for mask in masks],
        weights=stored,
        others={kind: np.zeros(236, np.float32) for kind in ("initial", "final")},
        series={
            **{name: rng.random((21, 15)) for name in ("train_loss", "validation_loss")},
            **{name: rng.random(21) for name in ("validation_accuracy", "test_accuracy")},
        },
        provenance={"recipe": {"seed": seed}},
    )
    write(path, [run])


def seconds(command):
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    rounds = parser.parse_args().rounds
    script = str(Path(sys.executable).parent / "maskstat")
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / f"{name}.h5") for name in "ab"]
        for seed, path in enumerate(paths):
            make_archive(path, seed)
        commands = {
            "python": [sys.executable, "-c", "pass"],
            "import click": [sys.executable, "-c", "import click"],
            "import h5py": [sys.executable, "-c", "import h5py"],
            "help": [script, "--help"],
            "compare": [script, "compare", *paths],
        }
        times = {name: [] for name in commands}
        for _ in range(rounds + 1):
            for name, command in commands.items():
                times[name].append(seconds(command))
    medians = {name: statistics.median(values[1:]) for name, values in times.items()}
    for name, value in medians.items():
        print(f"{name:14} {1000 * value:7.1f} ms")
    missed = 0
    for name, (base, bar) in BARS.items():
        ratio = medians[name] / medians[base]
        missed += ratio > bar
        print(f"{name} / {base}: {ratio:.2f} (bar {bar})")
    return missed


if __name__ == "__main__":
    raise SystemExit(main())
