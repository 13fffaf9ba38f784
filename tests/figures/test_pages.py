"""Pages: bytes depend on nothing but the figure; every text is on the page and none touch."""

import hashlib
import io
import itertools
import os
import subprocess
import sys

import matplotlib
import numpy as np
import pytest

from maskstat.figures.distance import distance_over_iterations
from maskstat.figures.heatmap import pairwise_heatmap
from maskstat.figures.style import new_figure, save
from maskstat.figures.votes import consensus_histogram
from maskstat.mask import Mask
from maskstat.run import Run
from maskstat.stats.compare import compare
from maskstat.stats.consensus import consensus

FIGURES = {
    distance_over_iterations: lambda *runs: compare(*runs, iteration="all"),
    pairwise_heatmap: compare,
    consensus_histogram: consensus,
}


def runs_of(names, shapes, n_iterations):
    """Runs whose masks are each inside the last, as similar as half their scores are shared."""
    common = np.random.default_rng(0)
    shared = {layer: common.random(shape) for layer, shape in shapes.items()}
    runs = []
    for seed, name in enumerate(names, 1):
        rng = np.random.default_rng(seed)
        scores = {layer: part + rng.random(part.shape) for layer, part in shared.items()}
        masks = [
            Mask.from_arrays({n: s >= np.quantile(s, 1 - 0.7**t) for n, s in scores.items()})
            for t in range(1, n_iterations + 1)
        ]
        runs.append(Run.from_masks("r", masks, place=name))
    return runs


def save_as(figure, format_):
    stream = io.BytesIO()
    save(figure, stream, format_=format_)
    return stream.getvalue()


def digests():
    """Digests of small figures: each kind, each format, and one figure written again."""
    runs = runs_of("abc", {"fc": (60,)}, 2)
    distances, matrix, votes = (draw(make(*runs)) for draw, make in FIGURES.items())
    saved = [(matrix, "png"), (distances, "svg"), (votes, "pdf"), (matrix, "svg"), (matrix, "png")]
    return [hashlib.sha256(save_as(figure, format_)).hexdigest() for figure, format_ in saved]


def test_bytes_and_imports_do_not_depend_on_the_process_or_the_users_settings():
    here = digests()
    assert here[0] == here[-1]
    code = (
        "import runpy, sys, matplotlib\n"
        "matplotlib.rcParams.update({'font.size': 30, 'svg.hashsalt': 'x', 'savefig.dpi': 10,"
        "'axes.facecolor': 'red', 'pdf.fonttype': 3, 'text.parse_math': True})\n"
        f"module = runpy.run_path({__file__!r})\n"
        "print(*module['digests']())\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.split() == [*here, "False"]


def test_files_say_nothing_of_time_or_version():
    figure = pairwise_heatmap(compare(*runs_of("ab", {"fc": (60,)}, 1)))
    png, svg, pdf = (save_as(figure, format_) for format_ in ("png", "svg", "pdf"))
    assert (png[:8], svg[:5], pdf[:5]) == (b"\x89PNG\r\n\x1a\n", b"<?xml", b"%PDF-")
    assert b"Software" not in png
    assert b"tEXt" not in png
    assert b"<dc:date>" not in svg
    for word in (b"CreationDate", b"Producer", b"Creator", matplotlib.__version__.encode()):
        assert word not in pdf.split(b"stream")[0] + pdf[-2000:]
    assert b"<image" not in svg  # vectors all through, the matrix too


def test_the_users_settings_are_left_alone():
    before = dict(matplotlib.rcParams)
    figure = pairwise_heatmap(compare(*runs_of("ab", {"fc": (60,)}, 1)))
    save_as(figure, "svg")
    assert dict(matplotlib.rcParams) == before


def test_names_are_text_and_nothing_else():
    shapes = {"$\\frac{$": (30,), "a\x1b[31m": (30,), "层": (30,), "_^{": (30,)}
    names = ["$x_", "b\nc", "\ud800"]
    runs = runs_of(names, shapes, 2)
    for (draw, make), format_ in zip(FIGURES.items(), ("png", "svg", "pdf"), strict=True):
        figure = draw(make(*runs))
        assert len(save_as(figure, format_)) > 1000
    titles = [axes.get_title().split("\n")[0] for axes in figure.axes]
    assert titles == ["$\\frac{$", "a\\x1b[31m", "层", "_^{", "total"]


def test_save_writes_into_any_stream(tmp_path):
    figure = new_figure(2, 1)
    with open(tmp_path / "figure.png", "wb") as stream:
        save(figure, stream, format_="png")
    header = (tmp_path / "figure.png").read_bytes()[16:24]
    assert [int.from_bytes(header[i : i + 4], "big") for i in (0, 4)] == [600, 300]


# Layout: every text is on the page, and no two touch.

LONG = [
    f"runs/2026-01/{method}/lenet5-fashion-mnist-seed{i}.h5::lenet5-{method}-rewind-{i}"
    for i, method in enumerate(
        ["global-unstructured", "l1-unstructured", "l2-structured", "linf-structured", "random"]
    )
]
LENET = {"conv1.weight": (6, 1, 3, 3), "fc1.weight": (40, 30), "fc2.weight": (10, 40)}
VGG = {
    **{f"features.{i}.weight": (8 * (i + 1), 9) for i in (0, 3, 6, 8, 11, 13, 16, 18)},
    **{f"classifier.{i}.weight": (100, 20) for i in (0, 3, 6)},
}
DEEP = {f"encoder.layer{i}.residual_block.conv{i % 2}.weight": (100 * i,) for i in range(1, 20)}
CASES = {
    "lenet": (LONG, LENET, 20),
    "vgg": (LONG[:3], VGG, 12),
    "deep": (LONG[:3], DEEP, 4),
    "two": (["a.h5::r", "b.h5::r"], LENET, 20),
    "one-layer": (LONG[:2], {"fc": (300,)}, 3),
    "twelve": ([f"{i}.h5::run-{i}" for i in range(12)], {"fc": (300,)}, 2),
}


def visible_texts(figure):
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        found += [axes.title, *axes.texts, axes.xaxis.label, axes.yaxis.label]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            found += [t.label1 for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
            found += [t.label2 for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
    return [text for text in found if text.get_visible() and text.get_text().strip()]


@pytest.mark.parametrize(
    ("draw", "case"),
    [
        *((distance_over_iterations, case) for case in ("lenet", "vgg", "two", "one-layer")),
        *((pairwise_heatmap, case) for case in ("lenet", "two", "twelve")),
        *((consensus_histogram, case) for case in ("lenet", "deep", "one-layer", "twelve")),
    ],
)
def test_texts_are_on_the_page_and_apart(draw, case):
    names, shapes, n_iterations = CASES[case]
    runs = runs_of(names, shapes, n_iterations)
    figure = draw(FIGURES[draw](*runs))
    found = visible_texts(figure)
    boxes = [text.get_window_extent() for text in found]
    page = figure.bbox
    for text, box in zip(found, boxes, strict=True):
        on_page = page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0
        assert on_page and box.y1 <= page.y1, text  # noqa: PT018
    for (one, a), (other, b) in itertools.combinations(zip(found, boxes, strict=True), 2):
        assert not a.shrunk(0.98, 0.98).overlaps(b), (one, other)
