"""maskstat upgrade: what is current is left alone, what is newer is refused, nothing in place."""

import dataclasses

import h5py
import numpy as np
import pytest

from maskstat.archive import open_archive, spec, upgrade


def test_current_archives(run_cli, archives, rows_of, json_of):
    result = run_cli("upgrade", *archives)
    assert result.exit_code == 0
    assert result.stderr.count("format 1.0 is current") == 3
    assert [(r["file"], r["state"], r["output"]) for r in rows_of(result)] == [
        (path, "current", "") for path in archives
    ]
    assert json_of(run_cli("upgrade", archives[0], "--format", "json"))["rows"]
    assert run_cli("upgrade", archives[0], "-q").stderr == ""


def test_a_newer_major_version_is_refused_with_four_facts(run_cli, archives):
    with h5py.File(archives[1], "r+", libver=("v110", "v110")) as file:
        file.attrs["format_version"] = np.bytes_("3.2")
        file.attrs["writer"] = np.bytes_("maskstat 9.0")
    result = run_cli("upgrade", *archives)
    assert result.exit_code == 3
    for fact in ("format 3.2", "maskstat 9.0", "reads format 1.x", "pip install --upgrade"):
        assert fact in result.stderr
    assert len(result.stdout.splitlines()) == 3, "the others are reported all the same"


def test_an_earlier_version_goes_to_a_new_file(run_cli, archives, rows_of, tmp_path, monkeypatch):
    monkeypatch.setattr(spec, "MINOR", 1)
    monkeypatch.setattr(spec, "VERSION", "1.1")
    step = upgrade.Step("1.0", "1.1", lambda run: dataclasses.replace(run, method="new"))
    monkeypatch.setattr(upgrade, "STEPS", (step,))
    result = run_cli("upgrade", archives[0])
    assert result.exit_code == 2
    assert "not upgraded in place" in result.stderr
    result = run_cli("upgrade", *archives, "-o", tmp_path / "one.h5")
    assert result.exit_code == 2
    assert "cannot become one file" in result.stderr
    folder = tmp_path / "new"
    folder.mkdir()
    result = run_cli("upgrade", *archives, "-o", folder)
    assert result.exit_code == 0
    for row, path in zip(rows_of(result), archives, strict=True):
        assert (row["state"], row["file"]) == ("upgraded", path)
        (run,) = open_archive(row["output"]).runs.values()
        assert run.method == "new"
    assert run_cli("upgrade", archives[0], "-o", folder).exit_code == 4
    assert run_cli("upgrade", archives[0], "-o", folder, "--overwrite").exit_code == 0


@pytest.mark.parametrize("name", ["missing.h5", "notes.txt"])
def test_what_is_no_archive(run_cli, tmp_path, name):
    (tmp_path / "notes.txt").write_text("hello")
    assert run_cli("upgrade", tmp_path / name).exit_code == 3
