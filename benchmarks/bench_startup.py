"""Commands against the bare import of what they need, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from harness import Bar, Check, Contender
from samples import LENET_DIGITS

from maskstat.archive import write
from maskstat.mask import Layout, Mask
from maskstat.run import Run, Weights

# Bytecode is kept, as for anything installed, whatever the caller's shell says.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def make_archive(path, seed):
    """What `maskstat prune` writes for LeNet on the digits: 21 masks, weights, biases, series."""
    rng = np.random.default_rng(seed)
    kept = {name: rng.random(shape) for name, shape in LENET_DIGITS.items()}
    masks = [Mask.from_arrays({n: k < 0.8**t for n, k in kept.items()}) for t in range(1, 21)]
    layout = Layout.from_shapes(LENET_DIGITS, others={"bias": (236,)})
    stored = {
        kind: Weights(values=rng.normal(size=(1, layout.size)).astype(np.float32), iterations=(t,))
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


def process(*command):
    """Run a command; the exit status is the answer."""

    def work():
        done = subprocess.run(
            command, check=False, stdout=subprocess.DEVNULL, env=ENVIRONMENT, cwd="/"
        )
        return done.returncode

    return lambda: work


def python(code):
    return process(sys.executable, "-c", code)


def maskstat(*arguments):
    script = Path(sys.executable).with_name("maskstat")
    command = [str(script)] if script.exists() else [sys.executable, "-m", "maskstat"]
    return process(*command, *arguments)


def help_page(quick):
    return [
        Contender(name="maskstat --help", setup=maskstat("--help")),
        Contender(name="import click", setup=python("import click")),
        Contender(name="python", setup=python("pass")),
    ], 0


def compared(quick):
    folder = tempfile.TemporaryDirectory()
    paths = [str(Path(folder.name) / f"{name}.h5") for name in "ab"]
    for seed, path in enumerate(paths):
        make_archive(path, seed)

    def compare(held):  # the folder lives as long as its contender
        return maskstat("compare", *paths)()

    return [
        Contender(name="maskstat compare a.h5 b.h5", setup=partial(compare, folder)),
        Contender(name="import h5py", setup=python("import h5py")),
        Contender(name="import numpy", setup=python("import numpy")),
    ], 0


CHECKS = [
    Check(
        name="help",
        work="`maskstat --help`, a process",
        contenders=help_page,
        bars=[Bar(ours="maskstat --help", peer="import click", at_most=1.3)],
    ),
    Check(
        name="compare-startup",
        work="`maskstat compare a.h5 b.h5` of two LeNets, a process",
        contenders=compared,
        bars=[Bar(ours="maskstat compare a.h5 b.h5", peer="import h5py", at_most=1.5)],
    ),
]
