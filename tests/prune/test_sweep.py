"""Sweeps: what a run comes to depends on nothing but its recipe."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import weakref
from itertools import count
from types import SimpleNamespace

import pytest

from maskstat.archive import open_archive
from maskstat.errors import StorageError
from maskstat.prune import Recipe, Silent, prune
from maskstat.prune.grid import Grid
from maskstat.prune.packing import PACK, packs
from maskstat.prune.sweep import Job, run_pack
from maskstat.prune.workers import _Worker, run_sweep

SURROUNDINGS = {"data_dir": None, "download": False, "device": "cpu"}
BASE = Recipe(
    iterations=2, epochs=1, batch_size=128, vary=("order",), save_outputs=True, engine="auto"
)


def jobs_in(folder, **axes):
    grid = Grid(base=BASE, axes={key.replace("__", "."): values for key, values in axes.items()})
    return [
        Job(name=name, recipe=recipe, path=folder / f"{name}.h5")
        for name, recipe in grid.recipes.items()
    ]


def digests(folder):
    found = {}
    for path in sorted(folder.iterdir()):
        with open_archive(path) as archive:
            found[path.name] = archive.content_digest
    return found


def run_all(jobs, *, workers=1, overwrite=False, watch=lambda _: Silent()):
    return list(
        run_sweep(
            jobs,
            workers=workers,
            overwrite=overwrite,
            surroundings=SURROUNDINGS,
            watch=watch,
        )
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Five runs, each by itself."""
    folder = tmp_path_factory.mktemp("alone")
    for job in jobs_in(folder, random__seed=[0, 1], random__replicate=[0, 1]):
        prune(job.recipe, output=job.path)
    (extra,) = jobs_in(folder, random__seed=[2])
    prune(extra.recipe, output=extra.path)
    return digests(folder)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_is_the_same_alone_packed_and_in_any_process(alone, tmp_path, workers):
    jobs = jobs_in(tmp_path, random__seed=[0, 1], random__replicate=[0, 1])
    jobs += jobs_in(tmp_path, random__seed=[2])
    outcomes = run_all(jobs, workers=workers)
    assert sorted(outcome.name for outcome in outcomes) == sorted(job.name for job in jobs)
    assert {outcome.status for outcome in outcomes} == {"done"}
    assert digests(tmp_path) == alone


def test_what_is_there_is_skipped_and_what_was_begun_is_continued(alone, tmp_path):
    jobs = jobs_in(tmp_path, random__seed=[0, 1], random__replicate=[0, 1])
    prune(jobs[0].recipe, output=jobs[0].path)

    class Stop(Silent):
        def iteration(self, **_):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prune(jobs[1].recipe, output=jobs[1].path, progress=Stop())
    outcomes = {outcome.name: outcome.status for outcome in run_all(jobs)}
    assert outcomes == {job.name: "skipped" if job is jobs[0] else "done" for job in jobs}
    assert digests(tmp_path).items() <= alone.items()


def test_runs_of_a_pack_may_be_at_different_iterations(tmp_path):
    """With late rewinding the first training is another than those after it."""
    same = {"prune__rewind": ["epoch:1"], "train__epochs": [2], "random__seed": [0, 1]}
    for name in ("alone", "pack"):
        (tmp_path / name).mkdir()
    for job in jobs_in(tmp_path / "alone", **same):
        prune(job.recipe, output=job.path)
    jobs = jobs_in(tmp_path / "pack", **same)

    class Stop(Silent):
        def iteration(self, **_):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prune(jobs[0].recipe, output=jobs[0].path, progress=Stop())
    assert {outcome.status for outcome in run_all(jobs)} == {"done"}
    assert digests(tmp_path / "pack") == digests(tmp_path / "alone")


def test_runs_of_a_pack_share_its_time(tmp_path, monkeypatch):
    from maskstat.prune import imp

    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setattr(imp, "time", SimpleNamespace(perf_counter=count(step=6).__next__))
    jobs = jobs_in(tmp_path, random__seed=[0, 1])
    run_all(jobs)
    for job in jobs:
        with open_archive(job.path) as archive:
            (run,) = archive.runs.values()
        assert run.clock["seconds"] == [3.0] * 3


def test_a_run_that_fails_does_not_stop_the_others(tmp_path):
    jobs = jobs_in(tmp_path, train__lr=[0.1, 1e30], random__replicate=[0, 1])
    in_the_way = jobs[1].path
    in_the_way.write_text("precious")
    outcomes = {outcome.name: outcome for outcome in run_all(jobs)}
    assert [outcomes[job.name].status for job in jobs] == ["done", "failed", "failed", "failed"]
    assert [outcomes[job.name].error.code for job in jobs[1:]] == [
        "output-exists",
        "non-finite-loss",
        "non-finite-loss",
    ]
    assert in_the_way.read_text() == "precious"
    with open_archive(jobs[2].path) as archive:
        (run,) = archive.runs.values()
        assert run.status == "failed"


def test_only_runs_of_one_architecture_train_side_by_side(tmp_path):
    jobs = jobs_in(tmp_path, train__lr=[0.1, 0.2], random__seed=list(range(10)))
    for workers in (1, 2, 3, 30):
        shares = packs(jobs, workers=workers)
        assert sorted(job.name for share in shares for job in share) == sorted(
            job.name for job in jobs
        )
        assert all(len(share) <= PACK for share in shares)
        assert all(len({job.recipe.lr for job in share}) == 1 for share in shares)
    assert packs([], workers=2) == []


@pytest.mark.parametrize(
    ("runs", "workers", "sizes"),
    [
        ([20], 1, [7, 7, 6]),
        ([20], 2, [5, 5, 5, 5]),
        ([8], 2, [4, 4]),  # one huge pack
        ([8, 8], 4, [4, 4, 4, 4]),
        ([3], 8, [1, 1, 1]),  # more workers than runs
        ([3] * 10, 2, [3] * 10),  # nothing is gained by cutting them
        ([8, 2, 2, 2], 2, [8, 2, 2, 2]),
    ],
)
def test_packs_are_cut_until_all_workers_end_at_about_one_time(tmp_path, runs, workers, sizes):
    jobs = [
        job
        for place, n in enumerate(runs)
        for job in jobs_in(tmp_path, train__lr=[0.1 + place], random__seed=list(range(n)))
    ]
    assert [len(share) for share in packs(jobs, workers=workers)] == sizes


def test_long_runs_count_for_more(tmp_path):
    jobs = jobs_in(tmp_path, prune__iterations=[23], random__seed=[0])
    jobs += jobs_in(tmp_path, train__lr=[0.2], random__seed=list(range(8)))
    long, *others = packs(jobs, workers=2)
    assert [job.recipe.iterations for job in long] == [23]
    assert [len(share) for share in others] == [8]


def test_data_are_loaded_once_a_process_and_the_parts_of_finished_packs_are_freed(
    tmp_path, monkeypatch
):
    from maskstat.prune import workshop

    loaded, parts = [], []
    load, split = workshop.load, workshop.split

    def counting_load(name, **given):
        loaded.append(name)
        return load(name, **given)

    def remembering_split(*given, **named):
        gc.collect()
        assert all(part() is None for part in parts)  # one seed, so one split a pack
        found = split(*given, **named)
        parts.append(weakref.ref(found.train))
        return found

    monkeypatch.setattr(workshop, "load", counting_load)
    monkeypatch.setattr(workshop, "split", remembering_split)
    jobs = jobs_in(tmp_path, train__lr=[0.1, 0.2, 0.3], random__replicate=[0, 1])
    assert [outcome.status for outcome in run_all(jobs)] == ["done"] * 6
    assert loaded == ["digits"]
    assert len(parts) == 3


def test_what_a_killed_process_was_at_is_continued_by_another(alone, tmp_path):
    jobs = jobs_in(tmp_path, random__seed=[0, 1], random__replicate=[0, 1])
    victims = []

    class Killer(Silent):
        def iteration(self, *, iteration, **_):
            if not victims:
                victims.extend(multiprocessing.active_children())
                os.kill(victims[0].pid, signal.SIGKILL)

    outcomes = run_all(jobs, workers=2, watch=lambda _: Killer())
    assert victims[0].exitcode == -signal.SIGKILL
    assert sorted(outcome.name for outcome in outcomes) == sorted(job.name for job in jobs)
    assert {outcome.status for outcome in outcomes} <= {"done", "skipped"}
    assert digests(tmp_path).items() <= alone.items()
    assert multiprocessing.active_children() == []


def test_a_run_that_ends_every_process_is_lost_and_the_others_are_not(tmp_path, monkeypatch, alone):
    deaths = tmp_path / "deaths"
    (tmp_path / "deadly_net.py").write_text(
        f"import os\ndef net():\n    open({str(deaths)!r}, 'a').write('x')\n    os._exit(9)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "runs"
    folder.mkdir()
    jobs = jobs_in(folder, random__seed=[0, 1])
    jobs += jobs_in(folder, model=["deadly_net:net"])
    outcomes = {outcome.name: outcome for outcome in run_all(jobs, workers=2)}
    assert [outcomes[job.name].status for job in jobs] == ["done", "done", "failed"]
    assert outcomes[jobs[2].name].error.code == "worker-lost"
    assert outcomes[jobs[2].name].error.exit_status == 5
    assert deaths.read_text() == "xx", "it had a second chance, and no third"
    assert digests(folder).items() <= alone.items()


def test_what_a_process_was_given_that_never_began_is_taken_by_another(
    alone, tmp_path, monkeypatch
):
    born = []

    class Stillborn(_Worker):
        def __init__(self, given):
            super().__init__(given)
            if not born:
                self.process.kill()
                self.process.join()
            born.append(self)

    monkeypatch.setattr("maskstat.prune.workers._Worker", Stillborn)
    jobs = jobs_in(tmp_path, random__seed=[0, 1])
    assert {outcome.status for outcome in run_all(jobs, workers=2)} == {"done"}
    assert len(born) == 2
    assert digests(tmp_path).items() <= alone.items()


def test_an_error_that_nobody_foresaw_ends_one_run(tmp_path, monkeypatch, alone):
    from maskstat.prune import imp

    iterate = imp.iterate

    def breaking(trials, engine):
        if any(trial.recipe.seed == 1 for trial in trials):
            raise MemoryError("no room")
        iterate(trials, engine)

    monkeypatch.setattr(imp, "iterate", breaking)
    jobs = jobs_in(tmp_path, random__seed=[0, 1, 2])
    outcomes = run_all(jobs)
    assert [outcome.status for outcome in outcomes] == ["done", "failed", "done"]
    assert (outcomes[1].error.code, outcomes[1].error.exit_status) == ("run-crashed", 70)
    assert "no room" in outcomes[1].error.fact
    assert digests(tmp_path).items() <= alone.items()


def test_a_network_that_cannot_be_trained_ends_its_own_runs(tmp_path, monkeypatch, alone):
    (tmp_path / "nets.py").write_text(
        "from torch.nn import Flatten, Linear, Sequential\n"
        "def frozen(): return Sequential(Flatten(), Linear(64, 10)).requires_grad_(False)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    jobs = jobs_in(tmp_path / "runs", model=["lenet", "nets:frozen"], random__seed=[0])
    jobs += jobs_in(tmp_path / "runs", random__seed=[1])
    (tmp_path / "runs").mkdir()
    given = {"overwrite": False, "surroundings": SURROUNDINGS}
    outcomes = run_pack([jobs[1], jobs[0], jobs[2]], watch=lambda _: Silent(), **given)
    assert [outcome.status for outcome in outcomes] == ["failed", "done", "done"]
    assert outcomes[0].error.code == "factory-failed"
    assert digests(tmp_path / "runs").items() <= alone.items()


def test_a_full_disk_is_the_run_s_failure(tmp_path, monkeypatch):
    from maskstat.prune import resume

    def full(*_, **__):
        raise StorageError("no space is left", code="disk-full")

    monkeypatch.setattr(resume, "write", full)
    (job,) = jobs_in(tmp_path)
    (outcome,) = run_pack(
        [job], overwrite=False, surroundings=SURROUNDINGS, watch=lambda _: Silent()
    )
    assert (outcome.status, outcome.error.code) == ("failed", "disk-full")


def test_workers_end_with_the_process_that_hired_them(tmp_path):
    recipe = tmp_path / "grid.toml"
    recipe.write_text("[grid.random]\nseed = [0, 1, 2, 3]\n")
    command = [sys.executable, "-m", "maskstat", "prune", "--recipe", str(recipe), "--jobs", "2"]
    process = subprocess.Popen(
        [*command, "-o", str(tmp_path / "runs")], stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "runs").glob("*.h5")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 20
    while True:  # the session's group is empty once the workers are gone
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        assert time.monotonic() < deadline
        time.sleep(0.1)
    names = [path.name for path in (tmp_path / "runs").glob("*.h5")]
    for name in names:
        with open_archive(tmp_path / "runs" / name) as archive:
            assert next(iter(archive.runs.values())).status in ("partial", "complete")
