"""``maskstat plot overlap|shared|ranks|similarity|significance``: files, words, statuses."""

import os

import numpy as np
import pytest
from click.testing import CliRunner

from maskstat.archive import write
from maskstat.cli.app import cli
from maskstat.mask import Mask
from maskstat.run import Outputs, Run, Weights

ALL = ("shared", "similarity", "significance")
KINDS = ("overlap", "ranks", *ALL)
MAGIC = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml", "pdf": b"%PDF-"}


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """Four archives, two of each of two initializations: two layers, three prunings."""
    folder = tmp_path_factory.mktemp("runs")
    paths = []
    for number in range(4):
        init, rng = number // 2, np.random.default_rng(number)
        start = np.random.default_rng(100 + init).normal(size=(30, 20))
        end = start + rng.normal(size=start.shape)
        masks = [
            Mask.from_arrays({"conv": kept[:5], "fc": kept[5:]})
            for kept in (abs(end) >= np.quantile(abs(end), 1 - 0.6**t) for t in (1, 2, 3))
        ]
        kept = [np.concatenate([m.layer("conv").ravel(), m.layer("fc").ravel()]) for m in masks]
        final = [end.ravel(), *(end.ravel() * k for k in kept)]
        labels = np.arange(30) % 3
        logits = np.eye(3)[labels] + rng.normal(size=(4, 30, 3))
        run = Run.from_masks(
            "r",
            masks,
            method="l1",
            seed=init,
            replicate=number % 2,
            dataset="toy",
            provenance={"seeds": {"init": f"{init:016x}"}},
            weights={
                "initial": Weights(values=np.float32([start.ravel()]), iterations=(0,)),
                "final": Weights(values=np.float32(final), iterations=(0, 1, 2, 3)),
            },
            outputs={
                "toy": Outputs(
                    logits=logits.astype(np.float32), iterations=(0, 1, 2, 3), labels=labels
                )
            },
        )
        paths.append(str(folder / f"{number}.h5"))
        write(paths[-1], [run])
    return paths


def plot(*arguments):
    return CliRunner().invoke(cli, ["plot", *map(str, arguments)])


def figure_of(monkeypatch, *arguments):
    """Return the figure that a command saves."""
    saved = []
    monkeypatch.setattr(
        "maskstat.figures.style.save", lambda figure, *_, **__: saved.append(figure)
    )
    result = plot(*arguments, "-o", "-")
    assert result.exit_code == 0, result.stderr
    (figure,) = saved
    return figure


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize(
    ("kind", "format_", "title"),
    [
        ("overlap", "svg", "Overlap: 6 pairs of 4 runs, iteration 3"),
        ("shared", "pdf", "Kept by all, kept by none: mean ± sd of 2 groups of 2 masks"),
        ("ranks", "png", "Initial and final weights of 4 runs, iteration 3"),
        ("similarity", "svg", "Outputs of 4 runs on 30 examples"),
        ("significance", "pdf", "Significant overlaps: 2 pairs within groups, 4 across"),
    ],
)
def test_every_kind_writes_a_figure_and_says_so(archives, tmp_path, kind, format_, title):
    output = tmp_path / f"figure.{format_}"
    result = plot(kind, *archives, "--group-by", "init_seed", "-o", output)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"{title} -> {output}\n"
    assert output.read_bytes().startswith(MAGIC[format_])
    assert os.listdir(tmp_path) == [output.name]


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_is_not_needed(archives, tmp_path, kind):
    for name in ("a.svg", "b.svg"):
        result = plot(kind, *archives, "--quiet", "-o", tmp_path / name)
        assert (result.exit_code, result.output) == (0, "")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


@pytest.mark.parametrize("kind", ALL)
def test_kinds_over_iterations_take_all_of_them(archives, monkeypatch, kind):
    for options, shown in (((), ["1", "2", "3"]), (("--iteration", "1-2"), ["1", "2"])):
        axes = figure_of(monkeypatch, kind, *archives, *options).axes[-1]
        assert [t.get_text().split("\n")[0] for t in axes.get_xticklabels()] == shown


@pytest.mark.parametrize("kind", ["overlap", "shared", "ranks", "significance"])
def test_a_layer_can_be_chosen(archives, monkeypatch, kind):
    figure = figure_of(monkeypatch, kind, *archives, "--layer", "f*")
    assert [axes.get_title().split("\n")[0] for axes in figure.axes] == ["fc", "total"]


def test_options_of_overlap_reach_the_figure(archives, monkeypatch):
    grouped = ["overlap", *archives, "--group-by", "init_seed"]
    figure = figure_of(monkeypatch, *grouped, "--side", "within", "--same-axis")
    assert legend_of(figure)[:2] == ["initial weights 1: 1 pair", "initial weights 2: 1 pair"]
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    figure = figure_of(monkeypatch, *grouped, "--same", "replicate", "--iteration", "1")
    assert legend_of(figure)[0] == "across initial weights: 2 pairs"
    assert figure.get_suptitle() == "Overlap: 2 pairs of 4 runs, iteration 1"
    figure = figure_of(monkeypatch, "overlap", *archives, "--pairs", "first", "--select", "seed=0")
    assert legend_of(figure)[0] == "observed: 1 pair"


def test_measures_of_similarity_are_panels(archives, monkeypatch):
    figure = figure_of(monkeypatch, "similarity", *archives)
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "linear CKA, debiased",
        "L2 distance per example (rms)",
    ]
    figure = figure_of(monkeypatch, "similarity", *archives, "--measure", "error_kappa")
    assert [axes.get_ylabel() for axes in figure.axes] == ["error consistency (kappa)"]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["overlap", "{0}", "-o", "{new}"], 2, "too-few-masks"),
        (["overlap", "{0}", "{1}", "--iteration", "all", "-o", "{new}"], 3, "several-iterations"),
        (["overlap", "{0}", "{1}", "--group-by", "x", "-o", "{new}"], 2, "unknown-group"),
        (["overlap", "{0}", "{1}", "--same", "replicate", "-o", "{new}"], 3, "nothing-to-draw"),
        (["overlap", "{0}", "{1}", "--side", "left", "-o", "{new}"], 2, "--side"),
        (["shared", "{0}", "{2}", "--group-by", "init_seed", "-o", "{new}"], 2, "too-few-masks"),
        (["shared", "{0}@1", "{1}@2", "-o", "{new}"], 3, "no-common-iteration"),
        (["ranks", "missing.h5", "-o", "{new}"], 3, "missing.h5"),
        (["ranks", "{0}", "--iteration", "1-2", "-o", "{new}"], 3, "several-iterations"),
        (["similarity", "{0}", "-o", "{new}"], 2, "too-few-networks"),
        (["similarity", "{0}", "{1}", "--measure", "x", "-o", "{new}"], 2, "unknown-measure"),
        (["similarity", "{0}", "{1}", "--dataset", "x", "-o", "{new}"], 3, "toy"),
        (["significance", "{0}@1", "{1}@2", "-o", "{new}"], 3, "no-common-iteration"),
        (["significance", "{0}", "{1}"], 2, "--output"),
    ],
    ids=lambda value: "-".join(value)[:48] if isinstance(value, list) else str(value),
)
def test_what_cannot_be_drawn_leaves_nothing(archives, tmp_path, arguments, status, said):
    new = tmp_path / "figure.png"
    result = plot(*(word.format(*archives, new=new) for word in arguments))
    assert (result.exit_code, result.stdout) == (status, "")
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_help_with_an_example_and_its_source(kind):
    result = plot(kind, "--help")
    assert result.exit_code == 0
    assert f"\n  Example:\n    maskstat plot {kind} " in result.stdout
    text = " ".join(result.stdout.split())
    assert "(Grosse & Backes 2020, Figure" in text
    default = "all" if kind in ALL else "last"
    assert f"leaves out the dense one, 0. [default: {default}]" in text
