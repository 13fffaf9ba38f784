"""Figures: what is drawn is what the rows say; bytes depend on nothing else; nothing overlaps."""

import hashlib
import io
import itertools
import os
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from maskstat.errors import InputError, UsageError
from maskstat.figures.distance import distance_over_iterations
from maskstat.figures.heatmap import pairwise_heatmap
from maskstat.figures.labels import percent, short_inputs, short_layers
from maskstat.figures.style import COLOURS, new_figure, save
from maskstat.figures.votes import consensus_histogram
from maskstat.mask import Mask
from maskstat.run import Run
from maskstat.stats.compare import compare
from maskstat.stats.consensus import consensus
from maskstat.table import Table

SHAPES = {"conv1.weight": (6, 1, 3, 3), "fc1.weight": (40, 30), "fc2.weight": (10, 40)}
PAIR_LINE, MEAN_LINE, CHANCE_LINE = COLOURS["sky"], COLOURS["blue"], COLOURS["black"]


def nested(seed, n_iterations, shapes=SHAPES, keep=0.7):
    """Boolean arrays of every iteration, each inside the last; part of the scores is shared."""
    rng, common = np.random.default_rng(seed), np.random.default_rng(0)
    scores = {n: common.random(shape) + rng.random(shape) for n, shape in shapes.items()}
    return [
        {n: s >= np.quantile(s, 1 - keep**t) for n, s in scores.items()}
        for t in range(1, n_iterations + 1)
    ]


def run_of(name, steps):
    return Run.from_masks(name.split("::")[-1], [Mask.from_arrays(s) for s in steps], place=name)


def runs_of(n_runs, n_iterations, names=None, **kwargs):
    names = names or [f"runs/r{i}.h5::lenet" for i in range(n_runs)]
    steps = [nested(seed + 1, n_iterations, **kwargs) for seed in range(n_runs)]
    return [run_of(name, s) for name, s in zip(names, steps, strict=True)], steps


def distance(a, b, layers):
    shared = sum((a[n] & b[n]).sum() for n in layers)
    return 1 - shared / sum((a[n] | b[n]).sum() for n in layers)


def panel_layers():
    return [*([n] for n in SHAPES), list(SHAPES)]


def lines(axes, colour):
    return [line for line in axes.get_lines() if to_hex(line.get_color()) == colour.lower()]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def save_as(figure, format_):
    stream = io.BytesIO()
    save(figure, stream, format_=format_)
    return stream.getvalue()


# Distance over iterations.


def test_distance_draws_every_pair_its_mean_and_chance():
    runs, steps = runs_of(3, 5)
    table = compare(*runs, iteration="all")
    figure = distance_over_iterations(table)
    pairs = list(itertools.combinations(range(3), 2))
    assert [ax.get_title().split("\n") for ax in figure.axes] == [
        ["conv1", "54 weights"],
        ["fc1", "1,200 weights"],
        ["fc2", "400 weights"],
        ["total", "1,654 weights"],
    ]
    for axes, layers in zip(figure.axes, panel_layers(), strict=True):
        expected = np.array(
            [[distance(steps[i][t], steps[j][t], layers) for t in range(5)] for i, j in pairs]
        )
        drawn = lines(axes, PAIR_LINE)
        assert [list(line.get_xdata()) for line in drawn] == [[1, 2, 3, 4, 5]] * 3
        assert np.allclose([line.get_ydata() for line in drawn], expected)
        (mean,) = lines(axes, MEAN_LINE)
        assert np.allclose(mean.get_ydata(), expected.mean(axis=0))
        (chance,) = lines(axes, CHANCE_LINE)
        name = layers[0] if len(layers) == 1 else "total"
        by_chance = [
            np.mean([1 - r["expected_jaccard"] for r in table.where(layer=name, iteration_a=t)])
            for t in range(1, 6)
        ]
        assert np.allclose(chance.get_ydata(), by_chance)
        assert chance.get_linestyle() != "-"
        assert axes.get_ylim() == (-0.02, 1.02)
    assert figure.get_suptitle() == "3 pairs of 3 runs"
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[:2] == ["mean of 3 pairs", "each pair"]


def test_a_single_pair_is_one_line_and_named():
    runs, steps = runs_of(2, 3)
    figure = distance_over_iterations(compare(*runs, iteration="all"))
    for axes, layers in zip(figure.axes, panel_layers(), strict=True):
        assert not lines(axes, PAIR_LINE)
        (line,) = lines(axes, MEAN_LINE)
        expected = [distance(steps[0][t], steps[1][t], layers) for t in range(3)]
        assert np.allclose(line.get_ydata(), expected)
    assert figure.get_suptitle() == "r0 and r1"


def test_ticks_say_the_share_kept():
    runs, steps = runs_of(2, 20)
    figure = distance_over_iterations(compare(*runs, iteration="all"))
    for axes, layers in zip(figure.axes, panel_layers(), strict=True):
        labels = [label.get_text().split("\n") for label in axes.get_xticklabels()]
        assert len(labels) >= 3
        for (iteration, kept), tick in zip(labels, axes.get_xticks(), strict=True):
            step = steps[0][int(iteration) - 1]
            share = sum(step[n].sum() for n in layers) / sum(step[n].size for n in layers)
            assert int(iteration) == tick
            assert kept == percent(share)


def test_different_shares_are_given_as_a_range():
    dense = run_of("dense", nested(1, 2, keep=0.9))
    sparse = run_of("sparse", nested(2, 2, keep=0.5))
    figure = distance_over_iterations(compare(dense, sparse, iteration="all"))
    fc1 = figure.axes[1].get_xticklabels()
    assert [label.get_text() for label in fc1] == ["1\n50–90", "2\n25–81"]


def test_the_mean_ends_where_a_pair_is_missing():
    short = run_of("short", nested(1, 2))
    long = [run_of(f"long{i}", nested(i, 4)) for i in (2, 3)]
    figure = distance_over_iterations(compare(short, *long, iteration="all"))
    for axes in figure.axes:
        there = [np.isfinite(line.get_ydata()).sum() for line in lines(axes, PAIR_LINE)]
        assert sorted(there) == [2, 2, 4]
        (mean,) = lines(axes, MEAN_LINE)
        assert np.isfinite(mean.get_ydata()).tolist() == [True, True, False, False]


def test_masks_that_keep_nothing_leave_a_gap():
    empty = {"a": np.zeros(10, bool), "b": np.arange(10) < 5}
    half = {"a": np.arange(10) < 5, "b": np.arange(10) < 5}
    runs = [run_of(name, [half, empty]) for name in ("x", "y")]
    figure = distance_over_iterations(compare(*runs, iteration="all"))
    (line,) = lines(figure.axes[0], MEAN_LINE)
    assert line.get_ydata()[0] == 0
    assert np.isnan(line.get_ydata()[1])


def test_one_iteration_can_be_seen():
    runs, _ = runs_of(2, 4)
    figure = distance_over_iterations(compare(*runs, iteration=3))
    for axes in figure.axes:
        (observed,), (chance,) = lines(axes, MEAN_LINE), lines(axes, CHANCE_LINE)
        assert list(observed.get_xdata()) == list(chance.get_xdata()) == [3]
        assert "None" not in (observed.get_marker(), chance.get_marker())


# Heatmap.


def test_heatmap_is_the_symmetric_matrix_of_total_distances():
    names = ["sweep/z.h5::l", "sweep/a.h5::l", "sweep/m.h5::l"]
    runs, steps = runs_of(3, 4, names)
    table = compare(*runs, iteration=2)
    axes = pairwise_heatmap(table).axes[0]
    expected = np.array([[distance(a[1], b[1], SHAPES) for b in steps] for a in steps])
    matrix = np.ma.filled(axes.collections[0].get_array(), np.nan).reshape(3, 3)
    off = ~np.eye(3, dtype=bool)
    assert np.allclose(matrix[off], expected[off])
    assert np.isnan(np.diag(matrix)).all()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["z   1", "a   2", "m   3"]
    assert axes.yaxis_inverted()
    placed = {(round(t.get_position()[0]), round(t.get_position()[1])): [] for t in axes.texts}
    for text in sorted(axes.texts, key=lambda t: t.get_position()[1]):
        x, y = text.get_position()
        placed[round(x), round(y)].append(text.get_text())
    by_chance = {(r["a"], r["b"]): 1 - r["expected_jaccard"] for r in table.where(layer="total")}
    for i, j in itertools.product(range(3), repeat=2):
        if i == j:
            kept = sum(mask.sum() for mask in steps[i][1].values()) / 1654
            assert placed[i, i] == [f"{percent(kept)} %"]
        else:
            chance = by_chance[names[min(i, j)], names[max(i, j)]]
            assert placed[j, i] == [f"{expected[i, j]:.3f}", f"{chance:.3f}"]


def test_heatmap_keeps_the_order_of_the_inputs_and_dashes_what_is_missing():
    runs, _ = runs_of(4, 2, ["d", "c", "b", "a"])
    axes = pairwise_heatmap(compare(*runs, pairs="2:3,1:2")).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["d   1", "c   2", "b   3"]
    assert texts(axes).count("–") == 2
    assert len(texts(axes)) == 3 + 2 + 2 * 4


def test_heatmap_of_rows_without_inputs_takes_the_order_of_the_rows():
    runs, _ = runs_of(3, 2, ["d", "c", "b"])
    table = compare(*runs)
    bare = Table(schema=table.schema, columns=table.columns, data=table.data)
    labels = [label.get_text() for label in pairwise_heatmap(bare).axes[0].get_yticklabels()]
    assert labels == ["d   1", "c   2", "b   3"]


def test_heatmap_names_iterations_that_differ():
    (run, other), _ = runs_of(2, 4, ["x.h5::r", "y.h5::r"])
    figure = pairwise_heatmap(compare((run, 1), (run, 4), (other, 4)))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["x.h5::r @1   1", "x.h5::r @4   2", "y.h5::r @4   3"]
    assert figure.get_suptitle() == "3 masks"
    same = pairwise_heatmap(compare((run, 4), (other, 4)))
    assert same.get_suptitle() == "2 masks, pruning iteration 4"


# Votes.


@pytest.mark.parametrize("least", [2, 3])
def test_votes_are_bars_beside_their_expectation(least):
    runs, steps = runs_of(3, 1)
    table = consensus(*runs, at_least_votes=least)
    figure = consensus_histogram(table)
    for axes, layers in zip(figure.axes, panel_layers(), strict=True):
        votes = np.concatenate([sum(s[0][n].astype(int) for s in steps).ravel() for n in layers])
        histogram = np.bincount(votes, minlength=4)
        assert np.allclose([b.get_height() for b in axes.patches], 100 * histogram / votes.size)
        assert [b.get_x() + b.get_width() / 2 for b in axes.patches] == pytest.approx([0, 1, 2, 3])
        colours = [to_hex(bar.get_facecolor()) for bar in axes.patches]
        dark, light = COLOURS["blue"].lower(), COLOURS["sky"].lower()
        assert colours == [dark if v >= least else light for v in range(4)]
        rows = table.where(layer=layers[0] if len(layers) == 1 else "total")
        expected = np.array([100 * r["expected"] / r["size"] for r in rows])
        reach = np.array([200 * r["sd"] / r["size"] for r in rows])
        assert np.allclose(axes.get_lines()[0].get_ydata(), expected)
        for segment, centre, half in zip(
            axes.collections[0].get_segments(), expected, reach, strict=True
        ):
            assert segment[:, 1] == pytest.approx([max(centre - half, 0), centre + half])
        kept = np.mean([np.concatenate([s[0][n].ravel() for n in layers]).mean() for s in steps])
        assert axes.get_title().split("\n")[1] == f"{percent(kept)} % of {votes.size:,} kept"
        assert axes.get_yscale() == "linear"
    assert figure.get_suptitle() == "Votes of 3 masks"
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[1] == f"in the ticket: {least} votes" + (" or more" if least == 2 else "")


def test_a_bar_too_low_to_be_seen_makes_the_axis_logarithmic():
    rng = np.random.default_rng(5)
    masks = []
    for _ in range(4):
        bits = rng.random(20_000) < 0.01
        bits[:3] = True
        masks.append(Mask.from_arrays({"fc": bits}))
    figure = consensus_histogram(consensus(*masks))
    for axes in figure.axes:
        assert axes.get_yscale() == "log"
        floor, top = axes.get_ylim()
        heights = [bar.get_height() for bar in axes.patches]
        assert heights[4] == pytest.approx(100 * 3 / 20_000)
        assert 0 < floor < heights[4] < 100 < top
        shown, below = axes.get_lines()
        # 4 of 4 by chance: 1e-8 of the weights, far under the axis.
        assert list(below.get_xdata()) == [4]
        assert list(below.get_ydata()) == [floor]
        assert 4 not in shown.get_xdata()
    assert figure.legends[0].get_texts()[-1].get_text() == "expected, lower"


# What cannot be drawn.


def empty_like(table):
    return Table(schema=table.schema, columns=table.columns, data={n: [] for n in table.data})


FIGURES = {
    distance_over_iterations: lambda *runs: compare(*runs, iteration="all"),
    pairwise_heatmap: compare,
    consensus_histogram: consensus,
}


@pytest.mark.parametrize("draw", FIGURES)
def test_no_rows_is_an_error(draw):
    runs, _ = runs_of(2, 2)
    with pytest.raises(InputError, match="no rows") as caught:
        draw(empty_like(FIGURES[draw](*runs)))
    assert caught.value.code == "nothing-to-draw"


@pytest.mark.parametrize("draw", FIGURES)
def test_another_functions_table_is_an_error(draw):
    runs, _ = runs_of(2, 2)
    other = compare(*runs) if draw is consensus_histogram else consensus(*runs)
    with pytest.raises(InputError, match="has no column") as caught:
        draw(other)
    assert caught.value.code == "wrong-table"


def test_different_iterations_have_no_place_on_the_axis():
    (a, b), _ = runs_of(2, 3)
    with pytest.raises(InputError, match="iteration 1 is compared with iteration 2") as caught:
        distance_over_iterations(compare((a, 1), (b, 2)))
    assert caught.value.code == "no-common-iteration"


def test_pairs_with_the_same_names_cannot_be_told_apart():
    (a, b), _ = runs_of(2, 3)
    with pytest.raises(InputError) as caught:
        distance_over_iterations(compare(a, b, b, iteration="all"))
    assert caught.value.code == "ambiguous-inputs"


def test_masks_alone_have_no_iterations():
    masks = [Mask.from_arrays({"fc": [1, 0, 1]}, label=label) for label in "ab"]
    with pytest.raises(InputError, match="without an iteration"):
        distance_over_iterations(compare(*masks))


@pytest.mark.parametrize("inputs", [(0, 0), (0, 1, 1)])
def test_a_heatmap_of_inputs_with_one_name_is_an_error(inputs):
    runs, _ = runs_of(2, 2)
    with pytest.raises(InputError) as caught:
        pairwise_heatmap(compare(*(runs[i] for i in inputs)))
    assert caught.value.code == "ambiguous-inputs"


def test_a_heatmap_of_several_iterations_is_an_error():
    runs, _ = runs_of(2, 3)
    with pytest.raises(InputError) as caught:
        pairwise_heatmap(compare(*runs, iteration="all"))
    assert caught.value.code == "several-iterations"
    assert caught.value.hint == "--iteration last"


def test_more_layers_than_a_page_holds_is_an_error():
    masks = [Mask.from_arrays({f"l{i}": [1, 0] for i in range(200)}, label=n) for n in "ab"]
    with pytest.raises(UsageError) as caught:
        consensus_histogram(consensus(*masks))
    assert caught.value.code == "too-many-layers"


# Bytes and style.


def small_figures():
    runs, _ = runs_of(3, 3)
    return [draw(make(*runs)) for draw, make in FIGURES.items()]


def digests():
    """Digests of every figure in every format, twice over."""
    return [
        hashlib.sha256(save_as(figure, format_)).hexdigest()
        for figure in small_figures()
        for format_ in ("png", "svg", "pdf", "png", "svg", "pdf")
    ]


def test_the_same_rows_give_the_same_bytes_in_another_process_and_style():
    here = digests()
    assert all(here[i : i + 3] == here[i + 3 : i + 6] for i in range(0, len(here), 6))
    code = (
        "import runpy, matplotlib\n"
        "matplotlib.rcParams.update({'font.size': 30, 'svg.hashsalt': 'x', 'savefig.dpi': 10,"
        "'axes.facecolor': 'red', 'pdf.fonttype': 3, 'text.parse_math': True})\n"
        f"print(*runpy.run_path({__file__!r})['digests']())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.split() == here


def test_files_say_nothing_of_time_or_version():
    figure = small_figures()[1]
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
    figure = small_figures()[0]
    save_as(figure, "svg")
    assert dict(matplotlib.rcParams) == before


def test_figures_are_drawn_without_pyplot():
    code = (
        "import runpy, sys\n"
        f"runpy.run_path({__file__!r})['small_figures']()\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_names_are_text_and_nothing_else():
    shapes = {"$\\frac{$": (30,), "a\x1b[31m": (30,), "层": (30,), "_^{": (30,)}
    names = ["$x_", "b\nc", "\ud800"]
    runs = [
        Run.from_masks("r", [Mask.from_arrays(s) for s in nested(i, 2, shapes)], place=name)
        for i, name in enumerate(names, 1)
    ]
    for draw, make in FIGURES.items():
        figure = draw(make(*runs))
        for format_ in ("png", "svg", "pdf"):
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
VGG = {
    **{f"features.{i}.weight": (8 * (i + 1), 9) for i in (0, 3, 6, 8, 11, 13, 16, 18)},
    **{f"classifier.{i}.weight": (100, 20) for i in (0, 3, 6)},
}
DEEP = {f"encoder.layer{i}.residual_block.conv{i % 2}.weight": (100 * i,) for i in range(1, 20)}
CASES = {
    "lenet": (LONG, SHAPES, 20),
    "vgg": (LONG, VGG, 12),
    "deep": (LONG[:3], DEEP, 10),
    "two": (["a.h5::r", "b.h5::r"], SHAPES, 20),
    "one layer": (LONG[:2], {"fc": (300,)}, 3),
    "twelve": ([f"{i}.h5::run-{i}" for i in range(12)], {"fc": (300,), "g": (200,)}, 4),
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


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("draw", FIGURES)
def test_texts_are_on_the_page_and_apart(draw, case):
    names, shapes, n_iterations = CASES[case]
    runs, _ = runs_of(len(names), n_iterations, names, shapes=shapes)
    figure = draw(FIGURES[draw](*runs))
    found = visible_texts(figure)
    boxes = [text.get_window_extent() for text in found]
    page = figure.bbox
    for text, box in zip(found, boxes, strict=True):
        on_page = page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0
        assert on_page and box.y1 <= page.y1, text  # noqa: PT018
    for (one, a), (other, b) in itertools.combinations(zip(found, boxes, strict=True), 2):
        assert not a.shrunk(0.98, 0.98).overlaps(b), (one, other)


# Labels.


@given(st.lists(st.from_regex(r"[a-c./]{1,6}(::[a-c.]{1,3})?", fullmatch=True), max_size=5))
def test_short_names_tell_apart_what_the_names_do(names):
    if not names:
        return
    short = short_inputs(names)
    same = {
        (names[i] == names[j], short[i] == short[j]) for i in range(len(names)) for j in range(i)
    }
    assert same <= {(True, True), (False, False)}
    assert all(len(s) <= len(n) for s, n in zip(short, names, strict=True))


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["conv1", "fc.weight", "total"], ["conv1", "fc.weight", "total"]),
        (["a.weight", "total"], ["a", "total"]),
        (["weight", "weight", "total"], ["weight", "weight", "total"]),
        (["total"], ["total"]),
    ],
)
def test_layers_lose_only_what_they_share(names, short):
    assert short_layers(names) == short


def test_long_layer_names_lose_their_middle():
    (short,) = short_layers(["encoder.block.17.attention.query_projection"])
    assert len(short) == 25
    assert short[:6] == "encode"
    assert short.endswith("query_projection"[-6:])
    assert "…" in short
