"""Archives of published versions are read for ever, by maskstat and by whoever reads the spec."""

from __future__ import annotations

import dataclasses
import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskstat.archive import open_archive, spec, upgrade
from maskstat.archive.verify import verify
from maskstat.errors import OutputExistsError, UnsupportedVersionError
from maskstat.run import Run

DATA = Path(__file__).parents[1] / "data"
GOLDEN = DATA / "archives" / "v1.0"
FACTS = json.loads((GOLDEN / "golden.json").read_text())
MAKER = runpy.run_path(str(DATA / "make_archives.py"))
READER = runpy.run_path(str(Path(__file__).parent / "independent_reader.py"))


def test_there_are_archives() -> None:
    assert sorted(FACTS) == sorted(path.stem for path in GOLDEN.glob("*.h5"))
    assert sum(path.stat().st_size for path in GOLDEN.iterdir()) < 300_000


@pytest.mark.parametrize("name", FACTS)
def test_maskstat_reads_what_it_always_read(name: str) -> None:
    path = GOLDEN / f"{name}.h5"
    assert MAKER["facts"](path) == FACTS[name]
    assert open_archive(path).format_version == "1.0"
    assert verify(path).ok


@pytest.mark.parametrize("name", FACTS)
def test_a_reader_of_the_spec_alone_agrees(name: str) -> None:
    path = GOLDEN / f"{name}.h5"
    digest, runs = READER["read"](path)
    with open_archive(path) as archive:
        assert digest == archive.content_digest
        assert set(runs) == set(archive.runs)
        for run_id, theirs in runs.items():
            ours = archive.runs[run_id]
            assert (theirs["digest"], theirs["status"]) == (ours.digest, ours.status)
            assert theirs["kept"] == ours.kept.tolist()
            assert set(theirs["series"]) == set(ours.series)
            for series, values in theirs["series"].items():
                assert np.array_equal(values, ours.series[series], equal_nan=True)
            for t, masks in enumerate(theirs["masks"]):
                for layer, mask in masks.items():
                    assert np.array_equal(mask, ours.mask(t).layer(layer))


@pytest.mark.parametrize("name", FACTS)
def test_the_writer_still_writes_the_same_content(name: str, tmp_path: Path) -> None:
    from maskstat.archive import write

    assert write(tmp_path / "x.h5", MAKER["archives"]()[name]) == FACTS[name]["content_digest"]


def test_the_independent_reader_can_fail(tmp_path: Path) -> None:
    """It does not agree with everything."""
    import h5py

    path = tmp_path / "x.h5"
    path.write_bytes((GOLDEN / "minimal.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        file["runs/mine/masks"][1, 0] ^= 1
    with pytest.raises(AssertionError, match="mask_digests"):
        READER["read"](path)


def test_the_current_version_is_left_alone(tmp_path: Path) -> None:
    found = upgrade.upgrade(GOLDEN / "full.h5", tmp_path / "new.h5")
    assert found == upgrade.Upgrade("1.0", "current")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def next_minor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that 1.1 and 1.2 were published: runs got a model, then another."""

    def change(text: str) -> Any:
        return lambda run: dataclasses.replace(run, model=f"{run.model}+{text}")

    monkeypatch.setattr(spec, "MINOR", 2)
    monkeypatch.setattr(spec, "VERSION", "1.2")
    steps = (upgrade.Step("1.0", "1.1", change("a")), upgrade.Step("1.1", "1.2", change("b")))
    monkeypatch.setattr(upgrade, "STEPS", steps)


@pytest.mark.usefixtures("next_minor")
def test_steps_are_taken_one_after_another(tmp_path: Path) -> None:
    source, output = GOLDEN / "full.h5", tmp_path / "new.h5"
    before = source.read_bytes()
    assert upgrade.upgrade(source, output) == upgrade.Upgrade("1.0", "upgraded", str(output))
    assert source.read_bytes() == before
    with open_archive(output) as archive, open_archive(source) as old:
        assert archive.format_version == "1.2"
        new, was = archive.runs["lenet-0"], old.runs["lenet-0"]
        assert new.model == "lenet+a+b"
        assert all(new.mask(t) == was.mask(t) for t in range(4))
        assert np.array_equal(new.weight("final"), was.weight("final"))
    assert verify(output).ok
    assert upgrade.upgrade(output, tmp_path / "again.h5").state == "current"
    with pytest.raises(OutputExistsError):
        upgrade.upgrade(source, output)
    assert [step.source for step in upgrade.steps_from("1.1")] == ["1.1"]


def test_a_later_minor_version_is_left_alone_and_a_major_refused(
    tamper: Any, tmp_path: Path, run: Run
) -> None:
    def version(text: str) -> Any:
        def edit(file: Any) -> None:
            file.attrs["format_version"] = np.bytes_(text)

        return edit

    path = tamper(version("1.7"), run, sealed=True)
    assert upgrade.upgrade(path, tmp_path / "new.h5") == upgrade.Upgrade("1.7", "newer")
    with pytest.raises(UnsupportedVersionError) as caught:
        upgrade.upgrade(tamper(version("2.0"), run), tmp_path / "new.h5")
    for fact in ("format 2.0", "written by maskstat", "reads format 1.x", "pip install --upgrade"):
        assert fact in str(caught.value)
