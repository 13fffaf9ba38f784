"""A sweep of small masks: what is in it, and how they overlap, from the file."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from harness import Bar, Check, Contender
from samples import LENET_DIGITS

from maskstat.archive import open_archive, write
from maskstat.mask import Mask
from maskstat.run import Run
from maskstat.stats.comparands import comparands
from maskstat.stats.inventory import list_runs
from maskstat.stats.pairs import count_pairs

EIGHT = {f"layer{i}.weight": (2440,) for i in range(8)}


class Sweep:
    """Runs of nested masks, as one archive, an archive a run, and plain HDF5."""

    def __init__(self, shapes, n_runs, n_iterations):
        import h5py

        self.shapes, self.n_iterations = shapes, n_iterations
        self.place = tempfile.TemporaryDirectory()
        self.folder = Path(self.place.name)
        runs = [self._run(seed) for seed in range(n_runs)]
        self.names = [run.run_id for run in runs]
        write(self.folder / "sweep.h5", runs)
        for run in runs:
            write(self.folder / f"{run.run_id}.h5", [run])
        with h5py.File(self.folder / "plain", "w") as file:
            for run in runs:
                for t in range(run.n_iterations):
                    for name, bits in run.mask(t).to_arrays().items():
                        # The chunk is the whole layer: fewer would not be faster.
                        file.create_dataset(
                            f"{run.run_id}/{t}/{name}",
                            data=bits,
                            chunks=bits.shape,
                            compression="gzip",
                        )
        self.densities = [run.density(t) for run in runs for t in range(run.n_iterations)]
        self.shared = [
            [_shared(runs[0].mask(t), run.mask(t)) for t in range(1, n_iterations + 1)]
            for run in runs[1:]
        ]

    def _run(self, seed):
        rng = np.random.default_rng(seed)
        ranks = {name: rng.random(shape) for name, shape in self.shapes.items()}
        shares = np.linspace(1, 0.02, self.n_iterations + 1)[1:]
        masks = [Mask.from_arrays({n: r < share for n, r in ranks.items()}) for share in shares]
        return Run.from_masks(f"run{seed:03}", masks)


def _shared(a, b):
    return int(np.bitwise_count(a.words() & b.words()).sum())


def listed(sweep, files):
    """The rows of `maskstat list`, and the density of every mask."""

    def work():
        runs = read(sweep, files)
        assert len(list_runs(runs)) == len(sweep.names)
        return np.concatenate([run.kept.sum(axis=1) / run.layout.size for run in runs])

    return work


def read(sweep, files):
    if files == 1:
        with open_archive(sweep.folder / "sweep.h5") as archive:
            return list(archive.runs.values())
    found = []
    for name in sweep.names:
        with open_archive(sweep.folder / f"{name}.h5") as archive:
            found.append(archive.runs[name])
    return found


def listed_plain(sweep):
    """Read every mask to count it, as a file without counts asks for."""
    import h5py

    def work():
        found = []
        with h5py.File(sweep.folder / "plain") as file:
            for run in sweep.names:
                for t in range(sweep.n_iterations + 1):
                    layers = [layer[:] for layer in file[f"{run}/{t}"].values()]
                    kept = sum(int(np.count_nonzero(bits)) for bits in layers)
                    found.append(kept / sum(bits.size for bits in layers))
        return found

    return work


def compared(sweep, files):
    """What every run shares with the first at every iteration."""
    pairs = [(0, i) for i in range(1, len(sweep.names))]

    def work():
        counts = count_pairs(
            comparands(read(sweep, files), iteration=f"1-{sweep.n_iterations}"), pairs
        )
        # Pairs come iteration by iteration.
        return counts.shared.sum(axis=1).reshape(sweep.n_iterations, len(pairs)).T

    return work


def compared_plain(sweep):
    """The same, every mask read once, layer by layer."""
    import h5py

    def work():
        with h5py.File(sweep.folder / "plain") as file:

            def layers(run):
                return [
                    [layer[:] for layer in file[f"{run}/{t}"].values()]
                    for t in range(1, sweep.n_iterations + 1)
                ]

            first = layers(sweep.names[0])
            return [
                [
                    sum(int(np.count_nonzero(x & y)) for x, y in zip(*masks, strict=True))
                    for masks in zip(first, layers(run), strict=True)
                ]
                for run in sweep.names[1:]
            ]

    return work


def sweeps(shapes, full, small, task, plain, answer):
    """Make the contenders, on so many runs and iterations, or on few."""

    def make(quick):
        sweep = Sweep(shapes, *(small if quick else full))
        made = [
            Contender(name="maskstat, one archive", setup=partial(task, sweep, 1)),
            Contender(name="maskstat, an archive a run", setup=partial(task, sweep, 0)),
            Contender(name=PEER, setup=partial(plain, sweep)),
        ]
        return made, getattr(sweep, answer)

    return make


PEER = "h5py, a bool dataset a layer"
WORKS = {
    "flat": ("2 runs of 2,100 masks of 8 layers (quick: 700)", EIGHT, (2, 2_099), (2, 699)),
    "runs": ("100 runs of 21 masks of LeNet (quick: 20 runs)", LENET_DIGITS, (100, 20), (20, 20)),
}
TASKS = {
    "list": ("kept share of every mask", listed, listed_plain, "densities", 300),
    "compare": ("shared with the first run, by iteration", compared, compared_plain, "shared", 80),
}

CHECKS = [
    Check(
        name=f"{work}-{name}",
        work=f"{what} of {size}, from the file",
        contenders=sweeps(shapes, full, small, task, plain, answer),
        # The bars were set on flat rows; what a run costs has none.
        bars=[Bar(ours="maskstat, an archive a run", peer=PEER, at_least=at_least)]
        if work == "flat"
        else [],
        rtol=1e-12,
    )
    for work, (size, shapes, full, small) in WORKS.items()
    for name, (what, task, plain, answer, at_least) in TASKS.items()
]
