from __future__ import annotations

import doctest
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from inspect import signature
from pathlib import Path

import pytest

import maskstat.prune
from maskstat.archive import open_archive, write
from maskstat.errors import (
    MissingExtraError,
    OutputExistsError,
    StorageError,
    TrainingError,
    UsageError,
)
from maskstat.mask import Mask
from maskstat.prune import Recipe, Silent, prune
from maskstat.run import Run, Weights


class Crash(Silent):
    """Dies once so many iterations are published."""

    def __init__(self, after: int) -> None:
        self.left = after

    def iteration(self, **_: object) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


class Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.trained = 0

    def note(self, text: str) -> None:
        self.notes.append(text)

    def iteration(self, **_: object) -> None:
        self.trained += 1


class Meanwhile(Silent):
    """Does something once, after the first iteration is published."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act: Callable[[], object] | None = act

    def iteration(self, **_: object) -> None:
        if self.act is not None:
            self.act()
        self.act = None


def stored(path: Path) -> Run:
    (run,) = open_archive(path).runs.values()
    return run


def crash(recipe: Recipe, path: Path, *, after: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        prune(recipe, output=path, progress=Crash(after))


def test_what_is_returned_is_what_is_stored(tiny, tmp_path):
    path = tmp_path / "run.h5"
    run = prune(tiny, output=path)
    assert run.digest == stored(path).digest
    assert run.digest.startswith("sha256:")
    assert (run.status, run.n_iterations) == ("complete", 3)
    assert prune(tiny).mask() == run.mask()
    assert run.layout.graph[0] == {
        "name": "x",
        "op": "input",
        "units": 1,
        "inputs": [],
        "map": [8, 8],
    }


def test_same_recipe_same_digest_and_under_a_still_clock_same_bytes(tiny, tmp_path, monkeypatch):
    paths = [tmp_path / name for name in ("a.h5", "b.h5")]
    assert len({prune(tiny, output=path).digest for path in paths}) == 1
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    for path in paths:
        prune(tiny, output=path, overwrite=True)
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("save", ["none", "last", "all"])
@pytest.mark.parametrize("after", [1, 2])
def test_a_run_that_was_killed_is_continued(tiny, tmp_path, monkeypatch, after, save):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    recipe = tiny.replace(save_weights=save, save_outputs=save == "all")
    whole, killed = tmp_path / "whole.h5", tmp_path / "killed.h5"
    prune(recipe, output=whole)
    crash(recipe, killed, after=after)
    assert stored(killed).status == "partial"
    assert stored(killed).n_iterations == after
    listener = Notes()
    assert prune(recipe, output=killed, progress=listener).digest == stored(whole).digest
    assert killed.read_bytes() == whole.read_bytes()
    assert listener.notes == [f"continued: {killed} is partial"]
    assert listener.trained == 3 - after


def test_killed_again_and_again(tiny, tmp_path):
    recipe = tiny.replace(iterations=3)
    path = tmp_path / "run.h5"
    for _ in range(3):
        crash(recipe, path, after=1)
    assert prune(recipe, output=path).digest == prune(recipe, output=tmp_path / "x.h5").digest


def test_a_complete_run_is_skipped(tiny, tmp_path, monkeypatch):
    path = tmp_path / "run.h5"
    first = prune(tiny, output=path)
    before = path.read_bytes()
    listener = Notes()
    monkeypatch.setitem(sys.modules, "torch", None)  # not even torch is needed
    assert prune(tiny, output=path, progress=listener).digest == first.digest
    assert listener.notes == [f"skipped: {path} is complete"]
    assert listener.trained == 0
    assert path.read_bytes() == before


def test_without_torch(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError) as caught:
        prune(tiny)
    assert caught.value.code == "missing-torch"
    assert caught.value.hint == "pip install 'maskstat[torch]'"
    assert caught.value.exit_status == 4


def test_another_recipe_is_in_the_way(tiny, tmp_path):
    path = tmp_path / "run.h5"
    prune(tiny, output=path)
    before = path.read_bytes()
    with pytest.raises(OutputExistsError) as caught:
        prune(tiny, lr=0.05, output=path)
    assert caught.value.code == "output-exists"
    assert caught.value.exit_status == 4
    assert "train.lr is 0.1, not 0.05" in caught.value.fact
    assert path.read_bytes() == before
    assert (
        prune(tiny, lr=0.05, output=path, overwrite=True).provenance["recipe"]["train"]["lr"]
        == 0.05
    )


def test_a_run_from_elsewhere_is_in_the_way(tiny, tmp_path):
    path = tmp_path / "run.h5"
    for origin in ({}, {"recipe": {"quantum": True}}):
        mask = Mask.from_arrays({"fc": [1, 0]})
        write(path, [Run.from_masks("theirs", [mask], provenance=origin)], overwrite=True)
        with pytest.raises(OutputExistsError) as caught:
            prune(tiny, output=path)
        assert "run 'theirs'" in caught.value.fact


def test_anything_else_is_in_the_way(tiny, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("my only copy")
    with pytest.raises(OutputExistsError) as caught:
        prune(tiny, output=path)
    assert caught.value.code == "output-exists"
    assert path.read_text() == "my only copy"


def test_several_runs_are_in_the_way(tiny, tmp_path):
    path = tmp_path / "sweep.h5"
    write(path, [prune(tiny), prune(tiny, seed=1)])
    with pytest.raises(OutputExistsError) as caught:
        prune(tiny, output=path)
    assert "2 runs" in caught.value.fact


def test_a_damaged_archive_is_in_the_way(tiny, tmp_path):
    path = tmp_path / "run.h5"
    prune(tiny, iterations=0, output=path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(OutputExistsError):
        prune(tiny, iterations=0, output=path)


def test_a_diverging_run_is_published_as_failed(tiny, tmp_path):
    path = tmp_path / "run.h5"
    for _ in range(2):
        with pytest.raises(TrainingError) as caught:
            prune(tiny, lr=1e30, output=path)
        assert caught.value.code == "non-finite-loss"
        run = stored(path)
        assert run.status == "failed"
        assert run.n_iterations == 1
        assert run.provenance["failure"]["iteration"] == 0


def test_a_folder_that_cannot_take_the_run_is_found_before_training(tiny, tmp_path, monkeypatch):
    listener = Notes()
    with pytest.raises(StorageError) as caught:
        prune(tiny, output=tmp_path / "missing" / "run.h5", progress=listener)
    assert caught.value.code == "no-such-folder"
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write anywhere
    with pytest.raises(StorageError) as caught:
        prune(tiny, output=tmp_path / "run.h5", progress=listener)
    assert caught.value.code == "permission-denied"
    assert listener.trained == 0


def test_a_slower_resume_does_not_replace_a_complete_run(tiny, tmp_path):
    path, faster = tmp_path / "run.h5", tmp_path / "faster.h5"
    tiny = tiny.replace(iterations=3)  # the slower one would publish twice, partial and complete
    crash(tiny, path, after=1)
    whole = prune(tiny, output=faster).digest
    before = faster.read_bytes()
    with pytest.raises(OutputExistsError) as caught:
        prune(tiny, output=path, progress=Meanwhile(lambda: faster.replace(path)))
    assert (caught.value.code, caught.value.exit_status) == ("output-exists", 4)
    assert caught.value.fact == "another process has written it meanwhile"
    assert "another name" in caught.value.hint
    assert path.read_bytes() == before
    assert stored(path).digest == whole


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_that_appears_meanwhile_is_left_alone(tiny, tmp_path, overwrite):
    path = tmp_path / "run.h5"
    if overwrite:
        path.write_text("to be replaced")
    with pytest.raises(OutputExistsError) as caught:
        prune(
            tiny,
            output=path,
            overwrite=overwrite,
            progress=Meanwhile(lambda: path.write_text("my only copy")),
        )
    assert caught.value.fact == "another process has written it meanwhile"
    assert path.read_text() == "my only copy"
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.h5"]


def test_another_archive_between_reading_and_the_first_publication_is_left_alone(tiny, tmp_path):
    path = tmp_path / "run.h5"
    crash(tiny, path, after=1)

    class AtStart(Silent):
        def start(self, **_: object) -> None:
            write(
                path, [Run.from_masks("theirs", [Mask.from_arrays({"fc": [1, 0]})])], overwrite=True
            )

    with pytest.raises(OutputExistsError):
        prune(tiny, output=path, progress=AtStart())
    assert stored(path).run_id == "theirs"


def test_a_file_that_is_removed_meanwhile_is_written_again(tiny, tmp_path):
    path = tmp_path / "run.h5"
    assert prune(tiny, output=path, progress=Meanwhile(path.unlink)).status == "complete"


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("kind", ["folder", "pipe", "link to a folder"])
def test_what_is_no_file_is_found_before_training(tiny, tmp_path, kind, overwrite):
    path, listener = tmp_path / "run.h5", Notes()
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path)
    with pytest.raises(StorageError) as caught:
        prune(tiny, output=path, overwrite=overwrite, progress=listener)
    assert caught.value.code == "not-a-file"
    assert listener.trained == 0


def test_a_name_that_is_too_long_is_found_before_training(tiny, tmp_path):
    listener = Notes()
    with pytest.raises(StorageError):
        prune(tiny, output=tmp_path / ("x" * 300), progress=listener)
    assert listener.trained == 0


def test_a_link_to_nothing_is_found_before_training(tiny, tmp_path):
    path, target, listener = tmp_path / "run.h5", tmp_path / "there.h5", Notes()
    path.symlink_to(target)
    with pytest.raises(OutputExistsError) as caught:
        prune(tiny, output=path, progress=listener)
    assert caught.value.code == "output-exists"
    assert listener.trained == 0
    prune(tiny, output=path, overwrite=True)
    assert path.is_symlink()
    assert stored(target).status == "complete"
    path.unlink()
    path.symlink_to(tmp_path / "missing" / "run.h5")
    with pytest.raises(StorageError) as caught:
        prune(tiny, output=path, overwrite=True, progress=listener)
    assert caught.value.code == "no-such-folder"
    assert listener.trained == 0


def without(mapping, name):
    return {key: value for key, value in mapping.items() if key != name}


@pytest.mark.parametrize(
    ("strip", "missing"),
    [
        (lambda run: {"weights": without(run.weights, "final")}, "final weights"),
        (lambda run: {"others": {}}, "final values of the tensors that are never pruned"),
        (lambda run: {"weights": without(run.weights, "rewind")}, "weights that are rewound to"),
        (lambda run: {"others": without(run.others, "rewind")}, "weights that are rewound to"),
        (lambda run: {"outputs": {}}, "outputs"),
        (lambda run: {"series": without(run.series, "train_loss")}, "series train_loss"),
        (lambda run: {"series": {}}, "series train_loss"),
        (
            lambda run: {
                "weights": {
                    **run.weights,
                    "final": Weights(run.weights["final"].values[1:], iterations=(1,)),
                }
            },
            "final weights",
        ),
    ],
    ids=[
        *("weights", "others", "rewound weights", "rewound others"),
        *("outputs", "one series", "all series", "weights of iteration 0"),
    ],
)
def test_a_partial_run_that_lacks_something_is_in_the_way(tiny, tmp_path, strip, missing):
    recipe = tiny.replace(save_outputs=True, save_weights="all", rewind="epoch:1", epochs=2)
    path, listener = tmp_path / "run.h5", Notes()
    crash(recipe, path, after=2)
    partial = stored(path)
    write(path, [replace(partial, **strip(partial))], overwrite=True)
    before = path.read_bytes()
    with pytest.raises(OutputExistsError) as caught:
        prune(recipe, output=path, progress=listener)
    assert caught.value.code == "output-exists"
    assert caught.value.fact == f"it is there and cannot be continued: it holds no {missing}"
    assert caught.value.place == str(path)
    assert listener.trained == 0
    assert path.read_bytes() == before


def test_the_package_is_called_like_its_function():
    package = sys.modules["maskstat.prune"]
    assert signature(package) == signature(prune)
    assert package(iterations=0, epochs=1).n_iterations == 1


def test_unknown_settings(tiny):
    with pytest.raises(UsageError) as caught:
        prune(tiny, learning_rate=1)
    assert caught.value.code == "unknown-setting"


def test_examples_in_the_documentation():
    for name in ("recipe", "streams", "schedule", "select"):
        module = __import__(f"maskstat.prune.{name}", fromlist=[name])
        assert doctest.testmod(module).failed == 0
        assert doctest.testmod(module).attempted > 0
    assert doctest.testmod(maskstat.prune).failed == 0
