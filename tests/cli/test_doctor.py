"""`maskstat doctor`: what it says of a good machine, a broken one, and what it keeps to itself."""

import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import maskstat
from maskstat.cli import surroundings
from maskstat.cli.surroundings import shortened
from maskstat.errors import InputError, NotFoundError
from maskstat.prune.data.present import WAYS, present
from maskstat.prune.data.registry import load
from maskstat.prune.data.sources import SOURCES

PARTS = {"versions", "extras", "machine", "device", "data", "folders", "terminal"}


def finding(document, part, item):
    (row,) = [r for r in document["rows"] if (r["part"], r["item"]) == (part, item)]
    return row


@pytest.fixture
def few(monkeypatch):
    """Let the installation need only what is given, so that a test is quick."""

    def of(*requirements):
        monkeypatch.setattr(surroundings.metadata, "requires", lambda _: list(requirements))

    of("numpy>=2.1")
    return of


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One run with everything, torch too, by somebody with secrets."""
    home = tmp_path_factory.mktemp("home") / "jane.doe"
    home.mkdir()
    env = {
        **os.environ,
        "HOME": str(home),
        "https_proxy": "http://jane.doe:hunter2@proxy:1",
        "MASKSTAT_MIRROR": "http://jane.doe:hunter2@mirror/",
        "MASKSTAT_DATA": str(home / "data"),
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "maskstat", "doctor", "--format", "json"],
        capture_output=True,
        text=True,
        cwd=home,
        env=env,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def test_a_whole_run_follows_its_schema(whole, json_of):
    document = json_of(whole)
    assert {row["part"] for row in document["rows"]} == PARTS | {"environment"}
    assert maskstat.__version__ in finding(document, "versions", "maskstat")["found"]
    assert platform.python_version() in finding(document, "versions", "python")["found"]
    assert finding(document, "versions", "numpy")["found"] == np.__version__
    assert finding(document, "versions", "numpy")["ok"] is True
    hdf5 = finding(document, "versions", "HDF5")["found"]
    assert [int(n) for n in hdf5.split(".")] >= [1, 10]
    assert finding(document, "device", "cpu")["found"]
    assert finding(document, "data", "folder")["found"].startswith("~/data, not there yet")
    assert finding(document, "terminal", "NO_COLOR")["found"] == "1"
    cores = finding(document, "machine", "cores")["found"]
    assert cores.startswith(f"{len(os.sched_getaffinity(0))} allowed of {os.cpu_count()}")


@pytest.mark.skipif(not find_spec("torch"), reason="torch is not installed")
def test_torch_tells_its_devices(whole):
    document = json.loads(whole.stdout)
    assert finding(document, "extras", "torch [torch]")["ok"] is True
    assert int(finding(document, "device", "torch threads")["found"]) >= 1
    assert [r for r in document["rows"] if r["part"] == "device" and r["item"].startswith("cuda")]


def test_nothing_secret_is_said(whole):
    said = whole.stdout + whole.stderr
    assert "hunter2" not in said
    assert "jane" not in said
    document = json.loads(whole.stdout)
    assert finding(document, "environment", "https_proxy")["found"] == "set"
    assert finding(document, "environment", "MASKSTAT_MIRROR")["found"] == "set"


def test_what_is_missing_old_or_broken(run_cli, json_of, few, tmp_path, monkeypatch):
    broken = tmp_path / "safetensors" / "__init__.py"
    crashing = tmp_path / "rich" / "__init__.py"
    for file, code in (
        (broken, "raise ImportError('no libfoo')"),
        (crashing, "import os; os.kill(os.getpid(), 11)"),
    ):
        file.parent.mkdir()
        file.write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    few(
        "numpy>=99.1",
        "safetensors>=0.1",
        "rich>=1",
        "no-such-package",
        'no-such-extra>=1; extra == "gone"',
        'pytest>=1; extra == "dev"',
    )
    result = run_cli("doctor", "--format", "json")
    assert result.exit_code == 0
    document = json_of(result)

    def of(part, item):
        row = finding(document, part, item)
        return row["found"], row["ok"], row["advice"]

    version = metadata.version("safetensors")
    upgrade = "pip install --upgrade maskstat"
    assert of("versions", "numpy") == (f"{np.__version__}, older than 99.1", False, upgrade)
    found, ok, _ = of("versions", "safetensors")
    assert (found, ok) == (f"{version}, cannot be imported: ImportError: no libfoo", False)
    assert "killed by signal 11" in of("versions", "rich")[0]
    assert of("versions", "no-such-package") == ("not installed", False, upgrade)
    assert of("extras", "no-such-extra [gone]") == (
        "not installed",
        None,
        "pip install 'maskstat[gone]'",
    )
    assert not [row for row in document["rows"] if row["item"].startswith("pytest")]
    assert "Warning: rich: " in result.stderr
    assert "no-such-extra" not in result.stderr


def test_quiet_table_and_a_file(run_cli, few, tmp_path):
    few("no-such-package")
    result = run_cli("doctor", "--quiet", "--format", "table")
    assert result.stderr == ""
    assert "no-such-package" in result.stdout
    out = tmp_path / "doctor.tsv"
    assert run_cli("doctor", "-q", "-o", out).exit_code == 0
    assert out.read_text().startswith("part\titem\tfound\tok\tadvice\n")
    assert run_cli("doctor", "-q", "-o", out).exit_code == 4


def test_no_library_is_loaded_into_the_program():
    code = (
        "import sys; from maskstat.cli import surroundings as s\n"
        "s.metadata.requires = lambda name: ['h5py']; list(s.examine())\n"
        "print(set(sys.modules) & {'torch', 'h5py', 'matplotlib', 'scipy', 'safetensors'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_program_that_is_not_installed(few, run_cli, json_of, monkeypatch):
    def unknown(name):
        raise metadata.PackageNotFoundError(name)

    for asked in ("requires", "version", "metadata"):
        monkeypatch.setattr(surroundings.metadata, asked, unknown)
    document = json_of(run_cli("doctor", "--format", "json"))
    assert finding(document, "versions", "installation")["found"] == "not recorded"


def test_a_data_folder_that_cannot_be_written(run_cli, json_of, few, tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("MASKSTAT_DATA", str(file))
    row = finding(json_of(run_cli("doctor", "--format", "json")), "data", "folder")
    assert row["ok"] is False
    assert "cannot be written to" in row["found"]
    assert "MASKSTAT_DATA" in row["advice"]


def test_paths_are_shortened(monkeypatch):
    monkeypatch.setenv("HOME", "/home/jane")
    assert shortened("/home/jane") == "~"
    assert shortened(Path("/home/jane/x/y")) == "~/x/y"
    assert shortened("/home/janet/x") == "/home/janet/x"
    monkeypatch.setenv("HOME", "/")
    assert shortened("/x") == "/x"


# --- which data sets are there


def test_every_published_set_has_a_way():
    assert set(WAYS) == set(SOURCES)
    for name, sources in SOURCES.items():
        files = {source.file.removesuffix(".gz") for source in sources}
        unpacked = [{file.removesuffix(".gz") for file in way} for way in WAYS[name]]
        assert files in unpacked, "what is downloaded is a way"


@pytest.mark.parametrize(("name", "way"), [(name, way) for name in WAYS for way in WAYS[name]])
def test_a_way_is_one_that_loading_finds(name, way, tmp_path):
    """With all files there, even empty ones, loading is about content; with one gone, about it."""
    assert present(name, tmp_path) == "none"
    for file in way[1:]:
        (tmp_path / file).touch()
    if len(way) > 1:
        assert present(name, tmp_path) == "part"
    (tmp_path / way[0]).touch()
    assert present(name, tmp_path) == "whole"
    with pytest.raises(InputError) as caught:
        load(name, data_dir=tmp_path)
    assert not isinstance(caught.value, NotFoundError)
    (tmp_path / way[-1]).unlink()
    with pytest.raises(NotFoundError):
        load(name, data_dir=tmp_path)


@pytest.mark.parametrize(
    ("there", "least", "older"),
    [
        ("2.4", "2.4.0", False),
        ("2.4.1", "2.4", False),
        ("2.13.0+cpu", "2.2", False),
        ("8", "8.1", True),
    ],
)
def test_versions_are_compared_as_numbers(there, least, older):
    from maskstat.cli.surroundings import _numbers

    assert (_numbers(there) < _numbers(least)) is older
