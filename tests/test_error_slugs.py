"""Errors that no other test meets, each reached on the way that a user would reach it."""

import io
import os
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

import maskstat
from maskstat.cli.app import cli
from maskstat.errors import MaskstatError
from maskstat.mask import Mask
from maskstat.run import Outputs, Run


@contextmanager
def refused(code, *words):
    """What is inside is refused with this code, and says these words."""
    with pytest.raises(MaskstatError) as caught:
        yield
    assert caught.value.code == code, str(caught.value)
    for word in words:
        assert word in str(caught.value)


def command(*words):
    """Run a command, and return its status and what it says on standard error."""
    done = CliRunner().invoke(cli, [str(word) for word in words])
    return done.exit_code, done.stderr


def mask(seed=0, size=40, label=""):
    return Mask.from_arrays(
        {"fc.weight": np.random.default_rng(seed).random(size) < 0.5}, label=label
    )


def run(name="a", *, seed=0, **fields):
    return Run.from_masks(name, [mask(seed)], **fields)


def answers(labels=(0, 1, 2)):
    truth = None if labels is None else np.array(labels)
    return Outputs(logits=np.eye(3, dtype="f4")[None], iterations=(1,), labels=truth)


def test_what_an_error_says_does_nothing_to_a_terminal(tmp_path):
    path = tmp_path / "a\x1b[31m.h5"
    path.write_bytes(b"nothing of ours")
    with pytest.raises(MaskstatError) as caught:
        maskstat.verify(path)
    error = caught.value
    assert error.place == str(path)
    assert "a\\x1b[31m.h5" in error.hint
    assert all(line.isprintable() for line in str(error).splitlines())
    assert "\x1b" not in command("verify", path)[1]


@pytest.fixture
def pair(tmp_path):
    """Two archives of masks over one layer."""
    paths = [tmp_path / "a.h5", tmp_path / "b.h5"]
    for seed, path in enumerate(paths):
        maskstat.write(path, [run(path.stem, seed=seed)])
    return paths


# What is compared, and how.


@pytest.mark.parametrize(
    ("option", "value", "code"),
    [
        ("--iteration", "two", "bad-iteration"),
        ("--pairs", "1-2", "bad-pairs"),
        ("--pairs", "1:2,2:1", "bad-pairs"),
        ("--pairs", "1:9", "no-such-input"),
        ("--select", "colour=blue", "bad-selection"),
        ("--null", "void", "unknown-null"),
    ],
)
def test_a_comparison_of_what_is_not_there(pair, option, value, code):
    status, said = command("compare", *pair, option, value)
    assert status == (3 if code == "no-such-input" else 2)
    assert f"[{code}]" in said


def test_fisher_is_for_sizes_alone(pair):
    status, said = command("compare", *pair, "--null", "row", "--alternative", "fisher")
    assert (status, "[no-fisher]" in said) == (2, True)


def test_nulls_that_need_a_history_refuse_masks_alone():
    masks = mask(0, label="x"), mask(1, label="y")
    with refused("no-parent", "x"):
        maskstat.compare(*masks, null="parent")
    with refused("no-previous-iteration", "x"):
        maskstat.compare(*masks, null="inherit")


def test_a_gate_on_an_empty_column_can_never_close(tmp_path):
    full = Run.from_masks("full", [Mask.from_arrays({"fc": np.ones(10)})])
    paths = [tmp_path / "x.h5", tmp_path / "y.h5"]
    for path in paths:
        maskstat.write(path, [replace(full, run_id=path.stem)])
    status, said = command("compare", *paths, "--fail-if", "total:log10_p < -3")
    assert (status, "[nothing-to-check]" in said) == (2, True)


def test_words_that_are_not_known_list_those_that_are():
    table = maskstat.compare(mask(0, label="x"), mask(1, label="y"))
    from maskstat.stats.summary import summarize

    with refused("unknown-band", "half-sd"):
        summarize(table, band="wide")
    with refused("unknown-baseline", "grosse2020"):
        maskstat.consensus(mask(0), mask(1), baseline="bose1924")


def test_numbers_beyond_double_precision_are_not_counted():
    from maskstat.stats.dependence import jackknife_runs
    from maskstat.stats.hypergeometric import moments

    with refused("too-many-weights"):
        moments(2.0**54, 5, 5)
    with refused("unequal-lengths"):
        jackknife_runs([1.0, 2.0], ["a"], ["b", "c"])


# Outputs.


def test_an_accuracy_needs_true_classes():
    from maskstat.stats.ensemble import ensemble

    runs = [run(name, outputs={"toy": answers(None)}) for name in "ab"]
    with refused("no-labels", "toy"):
        ensemble(*runs)


def test_outputs_on_other_examples_are_not_compared():
    a = run("a", outputs={"toy": answers((0, 1, 2))})
    b = run("b", outputs={"toy": answers((2, 1, 0))})
    with refused("other-examples", "toy"):
        maskstat.outputs(a, b)


def test_one_of_several_data_sets_is_named():
    runs = [run(name, outputs={"toy": answers(), "game": answers()}) for name in "ab"]
    with refused("several-datasets", "--dataset"):
        maskstat.outputs(*runs)


def test_an_ensemble_has_no_pairs(pair):
    status, said = command("outputs", *pair, "--ensemble", "--pairs", "first")
    assert (status, "[bad-combination]" in said) == (2, True)


# Files.


def test_a_folder_of_too_many_files(tmp_path, monkeypatch):
    from maskstat.convert import probe

    monkeypatch.setattr(probe, "_FILES", 3)
    for number in range(5):
        (tmp_path / f"{number}.txt").touch()
    with refused("too-many-files"):
        maskstat.read(tmp_path)


def test_a_text_holds_no_tensors(tmp_path):
    from maskstat.convert.probe import Probe

    (tmp_path / "notes.txt").write_text("no tensors here\n" * 20)
    with refused("no-tensors"):
        _ = Probe(str(tmp_path / "notes.txt")).tensors


def test_a_zip_file_of_something_else_is_not_torchs():
    from maskstat.convert.torch_scan import scan

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("notes.txt", "nothing")
    stream.seek(0)
    with refused("not-torch", "zip"):
        scan(stream, size=len(stream.getvalue()), place="x.pth")


def test_a_mask_of_another_shape_than_its_weights(tmp_path):
    path = tmp_path / "pruned.npz"
    np.savez(path, **{"fc.weight_orig": np.ones((4, 4)), "fc.weight_mask": np.ones((4, 5))})
    with refused("mask-shape", "fc"):
        maskstat.read(path, format="torch-prune")


def test_a_layer_that_fits_two_tensors(tmp_path):
    from safetensors.numpy import save_file

    maskstat.write(tmp_path / "a.h5", [run()])
    weights = {f"{head}.fc.weight": np.ones(40, "f4") for head in ("module", "model")}
    save_file(weights, tmp_path / "two.safetensors")
    with refused("ambiguous-layer", "module.fc.weight"):
        maskstat.convert(
            tmp_path / "a.h5", tmp_path / "out.safetensors",
            to="zeros", checkpoint=tmp_path / "two.safetensors",
        )  # fmt: skip
    assert not (tmp_path / "out.safetensors").exists()


def test_standard_input_that_is_closed(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with refused("no-input", "standard input"):
        maskstat.read("-")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_result_that_cannot_be_written(pair):
    done = subprocess.run(
        ["bash", "-c", '"$0" -m maskstat list "$1" > /dev/full', sys.executable, str(pair[0])],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 4
    assert "[os-error]" in done.stderr


def test_old_archives_are_upgraded_into_something(pair, tmp_path, monkeypatch):
    from maskstat.cli import upgrade

    status, said = command("upgrade", *pair, "-o", tmp_path / "one.h5")
    assert (status, "[not-a-folder]" in said) == (2, True)
    monkeypatch.setattr(upgrade, "is_older", lambda version: True)
    status, said = command("upgrade", pair[0])
    assert (status, "[no-output]" in said) == (2, True)


# Training.


def test_a_stream_that_is_not_drawn_from():
    with refused("unknown-stream", "order"):
        maskstat.Recipe(vary=("weather",))


def test_a_scheduler_without_dask(monkeypatch):
    from maskstat.prune.cluster import _distributed

    monkeypatch.setitem(sys.modules, "distributed", None)
    with refused("missing-distributed", "maskstat[cluster]"):
        _distributed()


def test_nothing_to_retrain():
    with refused("nothing-to-do", "data sets"):
        maskstat.retrain(run(), datasets=[])
    with refused("nothing-to-do", "tickets"):
        maskstat.retrain([], datasets="digits")


@pytest.fixture(scope="module")
def pruned(tmp_path_factory):
    """A run of two short trainings, with everything that a ticket needs."""
    path = tmp_path_factory.mktemp("pruned") / "run.h5"
    return maskstat.prune(iterations=1, epochs=1, save_weights="none", output=path)


def test_initial_weights_that_are_not_those_of_the_run(pruned):
    model = dict(pruned.provenance["model"]) | {"initial_digest": "sha256:" + "0" * 64}
    other = replace(pruned, provenance=dict(pruned.provenance) | {"model": model})
    with refused("other-initial-weights", "save-weights initial"):
        maskstat.retrain(other, datasets="digits", epochs=0)


def test_two_trainings_of_one_name(pruned, tmp_path):
    images = {"x_train": np.zeros((40, 1, 8, 8), "u1"), "x_test": np.zeros((10, 1, 8, 8), "u1")}
    labels = {"y_train": np.arange(40) % 10, "y_test": np.arange(10)}
    tasks = []
    for folder in ("old", "new"):
        (tmp_path / folder).mkdir()
        tasks.append(str(tmp_path / folder / "a-name-of-many-letters.npz"))
        np.savez(tasks[-1], **images, **labels)
    with refused("same-name"):
        maskstat.retrain(pruned, datasets=tasks, epochs=0)


def test_a_failure_that_does_not_say_why(pruned):
    from maskstat.prune.retraining import tabulate

    (trained,) = maskstat.retrain(pruned, datasets="digits", epochs=0).runs
    silent = replace(trained, status="failed", series={})
    (error,) = tabulate([silent]).failures
    assert (error.code, error.exit_status, error.place) == ("training-failed", 5, silent.run_id)


# Reproductions.


@pytest.mark.parametrize(
    ("paper", "scale", "figure", "code"),
    [
        ("frankle2019", "test", "5", "unknown-paper"),
        ("grosse2020", "huge", "5", "unknown-scale"),
        ("grosse2020", "test", "99", "unknown-figure"),
    ],
)
def test_a_reproduction_of_what_is_not_there(tmp_path, paper, scale, figure, code):
    from maskstat.reproduce import reproduce

    with refused(code):
        reproduce(paper, scale=scale, figures=[figure], output=tmp_path / "out")
    assert not (tmp_path / "out").exists()
