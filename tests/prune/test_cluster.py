"""Sweeps on a Dask cluster: a worker that is killed costs time, and nothing else."""

import os
import signal
import sys
import threading
import time

import pytest

from maskstat.archive import open_archive
from maskstat.errors import MissingExtraError, StorageError, UsageError
from maskstat.prune import Recipe, Silent
from maskstat.prune import cluster as module
from maskstat.prune.cluster import run_on_cluster
from maskstat.prune.grid import Grid
from maskstat.prune.manifest import jobs_in
from maskstat.prune.sweep import run_pack

SURROUNDINGS = {"data_dir": None, "download": False, "device": "cpu"}
GRID = Grid(
    base=Recipe(engine="ensemble", iterations=6, epochs=2, batch_size=128, vary=("order",)),
    axes={"random.replicate": [0, 1]},
)


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed", reason="needs the extra [cluster]")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield cluster


class Notes(Silent):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def sweep(jobs, address, **given):
    """Run jobs; return the outcomes by name and everything that was said."""
    told = Notes()
    given = {"overwrite": False, "surroundings": SURROUNDINGS, "watch": lambda _: told, **given}
    outcomes = {one.name: one for one in run_on_cluster(jobs, scheduler=address, **given)}
    return outcomes, told.notes


def the_run(path):
    with open_archive(path) as archive:
        return next(iter(archive.runs.values()))


def progress_of(paths):
    return [the_run(path).n_iterations if path.exists() else 0 for path in paths]


def until(condition, *, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_a_killed_worker_was_at_is_continued_with_the_same_bits(cluster, tmp_path):
    from distributed import Client

    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    jobs = jobs_in(tmp_path / "there", GRID)
    at_the_kill = []

    def kill_one():
        with Client(cluster.scheduler_address, set_as_default=False) as client:
            pids = client.run(os.getpid)
            until(lambda: all(job.path.exists() for job in jobs))
            (busy,) = [name for name, tasks in client.processing().items() if tasks]
            os.kill(pids[busy], signal.SIGKILL)
            at_the_kill.extend(progress_of([job.path for job in jobs]))

    killer = threading.Thread(target=kill_one)
    killer.start()
    outcomes, notes = sweep(jobs, cluster.scheduler_address, workers=1)
    killer.join()
    assert {one.status for one in outcomes.values()} == {"done"}
    assert set(outcomes) == {job.name for job in jobs}
    assert 1 <= min(at_the_kill) <= max(at_the_kill) < GRID.base.iterations + 1
    assert sum(note.startswith("continued: ") for note in notes) == len(jobs)
    expected = jobs_in(tmp_path / "here", GRID)
    run_pack(expected, overwrite=False, surroundings=SURROUNDINGS, watch=lambda _: Silent())
    for job, alone in zip(jobs, expected, strict=True):
        assert the_run(job.path).digest == the_run(alone.path).digest


def test_a_run_that_fails_does_not_stop_the_others_and_is_recorded(cluster, tmp_path):
    grid = Grid(base=Recipe(iterations=1, epochs=1), axes={"train.lr": [0.1, 1e30]})
    jobs = jobs_in(tmp_path, grid)
    outcomes, notes = sweep(jobs, cluster.scheduler_address)
    assert [outcomes[job.name].status for job in jobs] == ["done", "failed"]
    assert outcomes[jobs[1].name].error.code == "non-finite-loss"
    assert [the_run(job.path).status for job in jobs] == ["complete", "failed"]
    outcomes, notes = sweep(jobs[:1], cluster.scheduler_address)
    assert outcomes[jobs[0].name].status == "skipped"
    assert notes == [f"skipped: {jobs[0].path} is complete"]


@pytest.mark.slow
def test_a_run_that_kills_every_worker_is_lost_and_those_beside_it_are_not(
    cluster, tmp_path, monkeypatch
):
    from distributed import Client

    (tmp_path / "deadly_net.py").write_text(
        "import os, torch\n"
        "def net(num_classes):\n"
        f"    if any(name.endswith('-s0.h5') for name in os.listdir({str(tmp_path)!r})):\n"
        "        os._exit(9)\n"
        "    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, num_classes))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)  # of workers that are started from now on
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    with Client(cluster.scheduler_address, set_as_default=False) as client:
        client.run(find_modules_in, str(tmp_path))
    base = Recipe(model="deadly_net:net", iterations=1, epochs=1)
    jobs = jobs_in(tmp_path, Grid(base=base, axes={"random.seed": [0, 1]}))
    outcomes, _ = sweep(jobs, cluster.scheduler_address, workers=1)
    assert [outcomes[job.name].status for job in jobs] == ["skipped", "failed"], outcomes
    assert outcomes[jobs[1].name].error.code == "worker-lost"


def test_nobody_works_on_for_a_client_that_is_gone(cluster, tmp_path):
    from distributed import Client

    grid = Grid(base=Recipe(iterations=9, epochs=100), axes={"random.seed": [0]})
    (job,) = jobs_in(tmp_path, grid)
    with Client(cluster.scheduler_address, set_as_default=False) as client:
        future = client.submit(module._attempt, [job], "sweep", False, SURROUNDINGS, pure=False)
        until(lambda: future.key in {k for keys in client.processing().values() for k in keys})
        time.sleep(1)
        future.cancel()
        until(lambda: not any(client.run(executing).values()))
    assert not job.path.exists() or the_run(job.path).status == "partial"


def find_modules_in(folder):
    sys.path.insert(0, folder)


def executing(dask_worker):
    return any(t.state in ("executing", "cancelled") for t in dask_worker.state.tasks.values())


def test_a_worker_keeps_the_data_of_one_sweep_alone():
    kept = module._Kept()
    first = kept.datasets_of("a")
    first["digits"] = object()
    assert kept.datasets_of("a") is first
    assert kept.datasets_of("b") == {}


def test_without_dask_the_extra_is_named(monkeypatch, tmp_path):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(module, "import_module", absent)
    with pytest.raises(MissingExtraError) as caught:
        sweep(jobs_in(tmp_path, GRID), "tcp://127.0.0.1:1")
    assert "maskstat[cluster]" in caught.value.hint


@pytest.mark.parametrize(
    ("address", "kind", "code"),
    [("tcp://127.0.0.1:1", StorageError, "no-scheduler"), ("nope", UsageError, "bad-value")],
)
def test_an_address_where_nobody_is(monkeypatch, tmp_path, address, kind, code):
    pytest.importorskip("distributed", reason="needs the extra [cluster]")
    monkeypatch.setattr(module, "_TIMEOUT", 0.5)
    with pytest.raises(kind) as caught:
        sweep(jobs_in(tmp_path, GRID), address)
    assert caught.value.code == code
