"""Sweeps on the command line: shares, holes, failures, and what signals leave behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maskstat.archive import open_archive, write
from maskstat.prune.manifest import MANIFEST

GRID = """
[prune]
iterations = 2
[train]
epochs = 1
batch_size = 128
[random]
vary = ["order"]
[grid.random]
seed = [{seeds}]
replicate = [0, 1]
"""


@pytest.fixture
def grid(tmp_path):
    def write(seeds="0, 1", *, extra="", name="grid.toml"):
        path = tmp_path / name
        path.write_text(GRID.format(seeds=seeds) + extra)
        return path

    return write


def name(seed, replicate):
    return f"lenet-digits-global-unstructured-s{seed}-r{replicate}"


def runs_in(folder):
    found = {}
    for path in sorted(folder.glob("*.h5")):
        with open_archive(path) as archive:
            (found[path.stem],) = archive.runs.values()
    return found


def statuses(rows):
    return {Path(row["path"]).stem: row["status"] for row in rows}


def test_shares_are_disjoint_and_together_everything(run_cli, grid):
    recipe = grid("0, 1, 2, 3, 4")
    everything = run_cli("prune", "--recipe", recipe, "--list").stdout.split()
    assert len(everything) == 10
    for n in (1, 2, 3, 7, 12):
        shares = [
            run_cli("prune", "--recipe", recipe, "--list", "--shard", f"{i}/{n}").stdout.split()
            for i in range(1, n + 1)
        ]
        assert sorted(name for share in shares for name in share) == sorted(everything)
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
        assert all(share == [name for name in everything if name in share] for share in shares)


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1", "1/0", "a/b", "-1/3", "1/3/3", "1/99999999"])
def test_a_share_that_is_none(run_cli, grid, shard):
    result = run_cli("prune", "--recipe", grid(), "--list", f"--shard={shard}")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "[bad-value]" in result.stderr


@pytest.mark.parametrize("option", [("--shard", "1/2"), ("--scheduler", "tcp://127.0.0.1:1")])
def test_one_run_cannot_be_shared(run_cli, option):
    result = run_cli("prune", *option)
    assert result.exit_code == 2
    assert "[no-grid]" in result.stderr


def test_shares_fill_a_folder_and_list_tells_the_holes_until_then(
    run_cli, grid, rows_of, json_of, tmp_path
):
    recipe, folder = grid(), tmp_path / "runs"
    first = run_cli("prune", "-q", "--recipe", recipe, "--shard", "1/2", "-o", folder)
    assert first.exit_code == 0, first.stderr
    listed = run_cli("list", folder)
    assert listed.exit_code == 0
    assert "2 of 4 runs are not complete: 2 missing" in listed.stderr
    rows = rows_of(listed)
    assert list(statuses(rows)) == [name(s, r) for s in (0, 1) for r in (0, 1)]
    assert sorted(statuses(rows).values()) == ["complete", "complete", "missing", "missing"]
    hole = next(row for row in rows if row["status"] == "missing")
    assert (hole["model"], hole["dataset"], hole["method"]) == (
        "lenet",
        "digits",
        "global-unstructured",
    )
    assert hole["kept"] == hole["digest"] == ""
    document = json_of(run_cli("list", folder, "--format", "json"))
    assert [row["kept"] for row in document["rows"]].count(None) == 2
    selected = rows_of(run_cli("list", folder, "--select", "status=missing"))
    assert {row["status"] for row in selected} == {"missing"}
    assert run_cli("list", "-q", folder).stderr == ""
    second = run_cli("prune", "-q", "--recipe", recipe, "--shard", "2/2", "-o", folder)
    assert second.exit_code == 0, second.stderr
    listed = run_cli("list", folder)
    assert set(statuses(rows_of(listed)).values()) == {"complete"}
    assert listed.stderr == ""
    again = run_cli("prune", "--recipe", recipe, "-o", folder)
    assert "4 skipped" in again.stderr


def test_a_failed_run_is_recorded_and_the_worst_status_is_the_sweep_s(
    run_cli, grid, rows_of, tmp_path
):
    recipe = grid("0", extra="[grid.train]\nlr = [0.1, 1e30]\n")
    folder = tmp_path / "runs"
    folder.mkdir()
    precious = folder / f"{name(0, 1)}-lr=1e+30.h5"  # the last, after one with status 5
    precious.write_text("precious")
    result = run_cli("prune", "--recipe", recipe, "-o", folder)
    assert result.exit_code == 5
    assert precious.read_text() == "precious"
    assert "[output-exists]" in result.stderr
    assert "[non-finite-loss]" in result.stderr
    assert "2 done, 2 failed" in result.stderr
    listed = run_cli("list", folder)
    assert listed.exit_code == 3
    assert "2 of 4 runs are not complete: 1 damaged, 1 failed" in listed.stderr
    rows = {Path(row["path"]).stem: row for row in rows_of(listed)}
    assert len(rows) == 4
    failed = rows[f"{name(0, 0)}-lr=1e+30"]
    assert failed["status"] == "failed"
    assert "(iteration 0)" in failed["reason"]
    assert rows[precious.stem]["status"] == "damaged"
    assert rows[precious.stem]["reason"]


def test_an_archive_that_holds_something_else_is_a_hole_and_listed_beside_it(
    run_cli, grid, rows_of, make_run, tmp_path
):
    folder = tmp_path / "runs"
    run_cli("prune", "-q", "--recipe", grid("0"), "--shard", "9/9", "-o", folder)
    write(folder / f"{name(0, 0)}.h5", [make_run("else")])
    listed = run_cli("list", folder)
    assert listed.exit_code == 0
    assert "2 of 2 runs are not complete: 2 missing" in listed.stderr
    first, second, other = rows_of(listed)
    assert (first["run"], first["reason"]) == (name(0, 0), "its archive holds something else")
    assert (second["run"], second["reason"]) == (name(0, 1), "")
    assert (other["run"], other["status"]) == ("else", "complete")


def test_a_sweep_can_be_extended_or_run_in_part_and_not_mixed_with_another(
    run_cli, grid, rows_of, tmp_path
):
    folder = tmp_path / "runs"

    def sweep(recipe, *options):
        return run_cli("prune", "-q", "--recipe", recipe, "-o", folder, *options)

    def expected():
        return json.loads((folder / MANIFEST).read_text())["runs"]

    assert sweep(grid("0"), "--run", "0").exit_code == 0
    assert expected() == [name(0, 0)]
    assert sweep(grid("0"), "--shard", "2/2").exit_code == 0
    assert expected() == [name(0, 0), name(0, 1)]
    kept = (folder / MANIFEST).read_bytes()
    assert sweep(grid("0"), "--run", "1").exit_code == 0
    for other, fact in [
        (grid("1", name="b.toml"), f"with {name(0, 0)}, without {name(1, 0)}"),
        (grid("0", extra="[grid.train]\nepochs = [2]\n", name="c.toml"), "without"),
    ]:
        refused = sweep(other)
        assert refused.exit_code == 4
        assert "[output-exists]" in refused.stderr
        assert fact in refused.stderr
    refused = sweep(grid("0"), "--epochs", "2")
    assert (refused.exit_code, "train.epochs" in refused.stderr) == (4, True)
    assert (folder / MANIFEST).read_bytes() == kept
    assert sweep(grid("1"), "--overwrite").exit_code == 0
    assert expected() == [name(1, 0), name(1, 1)]
    rows = rows_of(run_cli("list", folder))
    assert len(rows) == 4  # what the folder holds beside its sweep is listed after it
    assert [Path(row["path"]).stem for row in rows[:2]] == expected()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 100_000,
        b'{"schema": "maskstat.sweep/2", "digest": "", "recipe": {}, "grid": []}',
        b'{"schema": "maskstat.sweep/1", "digest": "", "recipe": {}, "grid": []}',
    ],
)
def test_a_damaged_manifest_is_told_and_nothing_is_run(run_cli, grid, tmp_path, content):
    folder = tmp_path / "runs"
    folder.mkdir()
    (folder / MANIFEST).write_bytes(content)
    listed = run_cli("list", folder)
    assert listed.exit_code == 3
    assert "[bad-sweep]" in listed.stderr
    refused = run_cli("prune", "--recipe", grid(), "-o", folder)
    assert refused.exit_code == 4
    assert (folder / MANIFEST).read_bytes() == content
    assert [path.name for path in folder.iterdir()] == [MANIFEST]


def test_a_manifest_that_was_changed_by_hand_says_so(run_cli, grid, tmp_path):
    folder = tmp_path / "runs"
    run_cli("prune", "-q", "--recipe", grid("0"), "--shard", "9/9", "-o", folder)
    path = folder / MANIFEST
    document = json.loads(path.read_text())
    document["grid"][0][1].append(5)
    path.write_text(json.dumps(document))
    assert "[bad-sweep]" in run_cli("list", folder).stderr


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_workers_at_once_and_leaves_whole_archives(grid, tmp_path, signum):
    recipe, folder = grid("0, 1", extra="[save]\nweights = 'all'\n"), tmp_path / "runs"
    command = [sys.executable, "-m", "maskstat", "prune", "--recipe", str(recipe), "--jobs", "2"]
    process = subprocess.Popen(
        [*command, "--set", "train.epochs=30", "-o", str(folder)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job of `&` ignores it
    )
    deadline = time.monotonic() + 60
    while not list(folder.glob("*.h5")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signum)  # as a terminal does
    began = time.monotonic()
    _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + signum, said
    assert time.monotonic() - began < 15
    assert "Traceback" not in said
    deadline = time.monotonic() + 10
    while True:  # the session's group is empty once the workers are gone
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert {run.status for run in runs_in(folder).values()} <= {"partial", "complete"}
