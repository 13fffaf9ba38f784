"""SIGKILL at any moment loses nothing: running again ends in the same bytes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maskstat.archive import open_archive

DRIVER = Path(__file__).parent / "kill_driver.py"
ENVIRONMENT = {**os.environ, "SOURCE_DATE_EPOCH": "1600000000"}


def drive(folder, times, seed=0):
    done = subprocess.run(
        [sys.executable, DRIVER, folder, str(times), str(seed)],
        capture_output=True,
        text=True,
        check=True,
        env=ENVIRONMENT,
    )
    return json.loads(done.stdout)


def check(result, times):
    for run in result["runs"]:
        assert run["digest"] == result["reference"]["digest"], run
        assert run["sha256"] == result["reference"]["sha256"], run
        assert run["left"] == ["run.h5"], "a temporary file was left behind"
    landed = [run for run in result["runs"] if run["killed"]]
    assert len(landed) == times, "kills came too late"
    assert len({run["rows"] for run in landed}) > 1, "every kill hit the same moment"


def test_twenty_kills_end_in_the_same_bytes(tmp_path):
    check(drive(tmp_path, 20), 20)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_two_hundred_kills_end_in_the_same_bytes(tmp_path, seed):
    check(drive(tmp_path, 40, seed), 40)


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_command_leaves_what_it_published(tmp_path, sent, status):
    path = tmp_path / "run.h5"
    command = [sys.executable, "-m", "maskstat", "prune", "--epochs", "9", "-o", str(path)]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job of `&` ignores it
    )
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(sent)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == status
    assert "Traceback" not in stderr
    (run,) = open_archive(path).runs.values()
    assert run.status == "partial"
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.h5"]


ENDING = """
import os, signal
from torch import nn

class Ending(nn.Module):
    calls = 0

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(64, 10)

    def forward(self, images):
        Ending.calls += self.training
        if Ending.calls == 20:
            os.kill(os.getpid(), signal.SIGTERM)
        return self.linear(images.flatten(1))
"""


def test_sigterm_within_a_step_ends_the_sweep_and_is_no_error_of_the_model(tmp_path):
    (tmp_path / "ending.py").write_text(ENDING)
    recipe = (
        'model = "ending:Ending"\ntrain.engine = "loop"\ntrain.epochs = 1\nprune.iterations = 1\n'
    )
    (tmp_path / "grid.toml").write_text(f"{recipe}grid.random.seed = [0, 1]\n")
    command = [sys.executable, "-m", "maskstat", "prune", "--recipe", "grid.toml"]
    done = subprocess.run(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    assert done.returncode == 143, done.stderr
    assert "Error" not in done.stderr
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["sweep.json"]
