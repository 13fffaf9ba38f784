"""``maskstat plot``: what it writes, says, refuses, and what it costs to ask for help."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from maskstat.archive import write
from maskstat.cli import plots
from maskstat.cli.app import cli
from maskstat.mask import Mask
from maskstat.run import Run

KINDS = ("distance", "heatmap", "votes")
MAGIC = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml", "pdf": b"%PDF-"}


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """Three archives of one run each: two layers, three prunings."""
    folder = tmp_path_factory.mktemp("runs")
    paths = []
    for seed in range(3):
        scores = np.random.default_rng(seed).random((30, 20))
        masks = [
            Mask.from_arrays({"conv": s[:5], "fc": s[5:]})
            for s in (scores < 0.8**t for t in (1, 2, 3))
        ]
        paths.append(str(folder / f"{seed}.h5"))
        write(paths[-1], [Run.from_masks("r", masks, method="l1" if seed else "random")])
    return paths


def plot(*arguments):
    return CliRunner().invoke(cli, ["plot", *map(str, arguments)])


@pytest.mark.parametrize(
    ("kind", "format_"), [("distance", "svg"), ("heatmap", "pdf"), ("votes", "png")]
)
def test_every_kind_writes_a_figure_and_says_so(archives, tmp_path, kind, format_):
    output = tmp_path / f"figure.{format_}"
    result = plot(kind, *archives, "-o", output)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.endswith(f" -> {output}\n")
    assert result.stderr.count("\n") == 1
    assert output.read_bytes().startswith(MAGIC[format_])
    assert os.listdir(tmp_path) == [output.name]


def titles(monkeypatch, *arguments):
    """Titles of the panels of the figure that a command saves, the figure's own first."""
    saved = []
    monkeypatch.setattr(
        "maskstat.figures.style.save", lambda figure, *_, **__: saved.append(figure)
    )
    result = plot(*arguments, "-o", "-")
    assert result.exit_code == 0, result.stderr
    (figure,) = saved
    panels = [axes.get_title().split("\n")[0] for axes in figure.axes]
    return figure, [figure.get_suptitle(), *panels]


def test_distance_takes_all_iterations_unless_told(archives, monkeypatch):
    figure, names = titles(monkeypatch, "distance", *archives)
    assert names == ["3 pairs of 3 runs", "conv", "fc", "total"]
    assert [line.get_xdata().tolist() for line in figure.axes[0].get_lines()] == [[1, 2, 3]] * 5
    figure, _ = titles(monkeypatch, "distance", *archives, "--iteration", "2-3", "--pairs", "first")
    assert [line.get_xdata().tolist() for line in figure.axes[0].get_lines()] == [[2, 3]] * 4


def test_heatmap_takes_the_last_iteration_unless_told(archives, monkeypatch):
    _, names = titles(monkeypatch, "heatmap", *archives)
    assert names[0] == "3 masks, pruning iteration 3"
    _, names = titles(monkeypatch, "heatmap", *archives, "--iteration", "1")
    assert names[0] == "3 masks, pruning iteration 1"
    _, names = titles(monkeypatch, "heatmap", f"{archives[0]}@1", f"{archives[0]}@2")
    assert names[0] == "2 masks"


def test_options_reach_the_figure(archives, monkeypatch):
    _, names = titles(monkeypatch, "votes", *archives, "--select", "method=l1", "--layer", "f*")
    assert names == ["Votes of 2 masks", "fc", "total"]
    for options in (["--at-least", "2"], ["--threshold", "2/3"]):
        figure, _ = titles(monkeypatch, "votes", *archives, *options)
        (entry,) = (t.get_text() for t in figure.legends[0].get_texts() if "ticket" in t.get_text())
        assert entry == "in the ticket: 2 votes or more"


def test_the_same_archives_give_the_same_bytes(archives, tmp_path):
    for name in ("a.svg", "b.svg"):
        assert plot("heatmap", *archives, "-o", tmp_path / name).exit_code == 0
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_dash_is_a_png_on_standard_output(archives):
    result = plot("heatmap", *archives, "-o", "-")
    assert result.exit_code == 0
    assert result.stdout_bytes.startswith(MAGIC["png"])
    assert result.stderr == "3 masks, pruning iteration 3\n"


def test_quiet_says_nothing(archives, tmp_path):
    result = plot("heatmap", *archives, "-o", tmp_path / "figure.png", "--quiet")
    assert (result.exit_code, result.output) == (0, "")
    assert (tmp_path / "figure.png").exists()


def test_an_existing_figure_stays_unless_told(archives, tmp_path):
    output = tmp_path / "figure.svg"
    output.write_text("mine")
    result = plot("heatmap", *archives, "-o", output)
    assert (result.exit_code, result.stdout) == (4, "")
    assert str(output) in result.stderr
    assert output.read_text() == "mine"
    assert plot("heatmap", *archives, "-o", output, "--overwrite").exit_code == 0
    assert output.read_bytes().startswith(MAGIC["svg"])


def test_a_folder_that_is_not_there_is_the_environments_fault(archives, tmp_path):
    result = plot("heatmap", *archives, "-o", tmp_path / "none" / "figure.svg")
    assert result.exit_code == 4
    assert result.stderr.startswith("Error: ")


@pytest.mark.parametrize("name", ["figure.jpg", "figure", "figure.png.gz", "PNG"])
def test_an_unknown_ending_is_refused_before_any_work(name):
    result = plot("heatmap", "missing.h5", "-o", name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "a figure ends in .png, .svg or .pdf [unknown-figure-format]" in result.stderr


def test_endings_may_be_capitals(archives, tmp_path):
    assert plot("heatmap", *archives, "-o", tmp_path / "FIGURE.PNG").exit_code == 0
    assert (tmp_path / "FIGURE.PNG").read_bytes().startswith(MAGIC["png"])


def test_an_unknown_kind_names_the_kinds():
    result = plot("heatmpa", "a.h5", "-o", "figure.png")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "did you mean 'heatmap'?" in result.stderr
    assert all(f" {kind}" in result.stderr for kind in KINDS)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["heatmap", "missing.h5", "{0}", "-o", "{new}"], 3, "missing.h5"),
        (["heatmap", "{0}", "-o", "{new}"], 2, "too-few-masks"),
        (["heatmap", "{0}", "{1}", "--iteration", "all", "-o", "{new}"], 3, "several-iterations"),
        (["distance", "{0}@1", "{1}@2", "-o", "{new}"], 3, "no-common-iteration"),
        (["distance", "{0}", "{1}", "--iteration", "9", "-o", "{new}"], 3, "no-such-iteration"),
        (["votes", "{0}", "{1}", "--threshold", "2", "-o", "{new}"], 2, "bad-threshold"),
        (["votes", "{0}", "{1}", "--layer", "x", "-o", "{new}"], 3, "layer"),
        (["votes", "{0}", "{1}", "--pairs", "first", "-o", "{new}"], 2, "--pairs"),
        (["votes", "{0}", "{1}"], 2, "--output"),
        (["votes", "-o", "{new}"], 2, "FILE"),
        ([], 2, "Kinds:"),
    ],
    ids=lambda value: "-".join(value)[:40] if isinstance(value, list) else str(value),
)
def test_what_cannot_be_drawn_leaves_nothing(archives, tmp_path, arguments, status, said):
    new = tmp_path / "figure.png"
    result = plot(*(word.format(*archives, new=new) for word in arguments))
    assert (result.exit_code, result.stdout) == (status, "")
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert os.listdir(tmp_path) == []


def test_help_lists_the_kinds():
    result = plot("--help")
    assert (result.exit_code, result.stderr) == (0, "")
    kinds = result.stdout.split("Kinds:\n")[1].split("\n")
    names = [line.split()[0] for line in kinds if line[:2] == "  " and line[2] != " "]
    assert names == sorted(p.stem for p in Path(plots.__file__).parent.glob("[!_]*.py"))
    assert set(KINDS) < set(names)
    assert len(" ".join(kinds).split()) > 5 * len(names)
    assert "\n  Example:\n    maskstat plot distance runs/*.h5 -o distance.pdf\n" in result.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_help_with_an_example(kind):
    result = plot(kind, "--help")
    assert result.exit_code == 0
    assert f"\n  Example:\n    maskstat plot {kind} " in result.stdout
    default = "all" if kind == "distance" else "last"
    options = " ".join(result.stdout.split("Options:")[1].split())
    assert f"leaves out the dense one, 0. [default: {default}]" in options


def test_help_draws_nothing_in():
    code = (
        "import sys\n"
        "from maskstat.cli.app import cli\n"
        "try:\n    cli.main(['plot', '--help'])\n"
        "except SystemExit:\n"
        "    print({'numpy', 'h5py', 'matplotlib', 'torch', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")


def test_a_terminal_gets_no_figure():
    master, slave = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "maskstat", "plot", "votes", "missing.h5", "-o", "-"],
            stdout=slave,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(slave)
        os.close(master)
    assert done.returncode == 2
    assert "[binary-to-terminal]" in done.stderr


def test_a_pipe_gets_the_figure(archives):
    arguments = [sys.executable, "-m", "maskstat", "plot", "votes", *archives, "-o", "-", "-q"]
    done = subprocess.run(arguments, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(MAGIC["png"])
    assert done.stdout.endswith(b"IEND\xaeB`\x82")
