"""Standard streams that are closed or full, or that nobody reads any more."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")


def shell(arguments, redirection):
    """Run maskstat with arguments and redirections that a shell reads."""
    command = f'"$0" -m maskstat {arguments} {redirection}'
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}", sys.executable],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("arguments", ["info {a} -q", "merge {a} -o -", "--help", "--version"])
def test_a_result_for_a_closed_standard_output_is_an_error(archives, arguments):
    done = shell(arguments.format(a=archives[0]), ">&-")
    assert done.returncode == 4
    assert "Error: standard output: it is closed" in done.stderr
    assert "Traceback" not in done.stderr


def test_closed_streams_do_not_matter_to_what_is_not_in_them(archives, tmp_path):
    target = tmp_path / "rows.csv"
    assert shell(f"info {archives[0]} -o {target} -f csv", "<&- >&- 2>&-").returncode == 0
    assert target.read_text().startswith("run,iteration,layer")
    copy = tmp_path / "copy.h5"
    assert shell(f"convert {archives[0]} -o {copy}", "<&- >&- 2>&-").returncode == 0
    assert shell(f"verify {copy}", "").returncode == 0
    done = shell(f"info {archives[0]}", "2>&-")
    assert (done.returncode, "total" in done.stdout) == (0, True)


@full
@pytest.mark.parametrize("arguments", ["--help", "--version", "doctor --help"])
def test_help_on_a_full_disk_is_an_error(arguments):
    done = shell(arguments, "> /dev/full")
    assert (done.returncode, "[os-error]" in done.stderr) == (4, True)
    assert "Traceback" not in done.stderr


@full
@pytest.mark.parametrize(
    ("arguments", "status"), [("info {a}", 0), ("info no.h5", 3), ("info", 2), ("nothing", 2)]
)
def test_talk_that_a_full_disk_does_not_take_is_lost_alone(archives, arguments, status):
    done = shell(arguments.format(a=archives[0]), "2> /dev/full")
    assert done.returncode == status
    assert ("total" in done.stdout) == (status == 0)


@pytest.mark.parametrize("arguments", ["--help", "--version", "info no.h5", "info", "nothing"])
def test_talk_that_nobody_reads_ends_with_the_status_of_pipes(arguments):
    # The reader leaves before Python has started.
    done = shell(arguments, "2>&1 | true")
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("redirection", ["< /dev/null", "<&-"])
def test_a_standard_input_that_has_nothing(redirection):
    done = shell("info -", redirection)
    assert (done.returncode, "[no-input]" in done.stderr) == (4, True)


def test_names_in_an_encoding_without_their_letters(tmp_path):
    np.savez(tmp_path / "mask.npz", **{"schön": np.eye(4, dtype=bool)})
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "maskstat", "info", tmp_path / "mask.npz", "-f", "table"],
        capture_output=True, env={**os.environ, **plain}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert rb"sch\xf6n" in done.stdout
