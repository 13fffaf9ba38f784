"""Figures: what is drawn is what the rows say; bytes depend on nothing else; nothing overlaps."""

import dataclasses
import io
import itertools

import numpy as np
import pytest
from matplotlib.colors import to_hex

from maskstat.errors import InputError, UsageError
from maskstat.figures.distance import distance_over_iterations
from maskstat.figures.heatmap import pairwise_heatmap
from maskstat.figures.labels import percent
from maskstat.figures.style import COLOURS, save
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


@pytest.mark.parametrize("copies", ["equal", "disjoint"])
def test_heatmap_of_one_distance_has_a_scale(copies):
    bits = np.arange(20) < 10
    other = bits if copies == "equal" else ~bits
    masks = [Mask.from_arrays({"fc": b}, label=n) for n, b in (("a", bits), ("b", other))]
    figure = pairwise_heatmap(compare(*masks))
    low, high = figure.axes[1].get_ylim()
    assert (low, high) == pytest.approx((0, 0.05) if copies == "equal" else (0.95, 1))
    assert texts(figure.axes[0])[1] == ("0.000" if copies == "equal" else "1.000")


def test_heatmap_names_iterations_that_differ():
    (run, other), _ = runs_of(2, 4, ["x.h5::r", "y.h5::r"])
    figure = pairwise_heatmap(compare((run, 1), (run, 4), (other, 4)))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["x @1   1", "x @4   2", "y @4   3"]
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
    table = consensus(*masks)
    figure = consensus_histogram(table)
    for axes in figure.axes:
        assert axes.get_yscale() == "log"
        floor, top = axes.get_ylim()
        tops = [bar.get_y() + bar.get_height() for bar in axes.patches]
        rows = table.where(layer=axes.get_title().split("\n")[0])
        assert tops == pytest.approx([max(100 * row["share"], floor) for row in rows])
        assert 0 < floor < tops[4] < 100 < top
        assert {bar.get_y() for bar in axes.patches} == {floor}
        shown, below = axes.get_lines()
        lowest = min(segment[:, 1].min() for segment in axes.collections[0].get_segments())
        assert lowest >= floor * (1 - 1e-9)
        # 3 or 4 of 4 by chance: 4e-6 and 1e-8 of the weights, both under the axis.
        assert list(shown.get_xdata()) == [0, 1, 2]
        assert list(below.get_xdata()) == [3, 4]
        assert list(below.get_ydata()) == [floor, floor]
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


def test_a_heatmap_without_totals_is_an_error():
    table = compare(*runs_of(2, 1)[0])
    rows = table.where(layer="fc1.weight")
    data = {name: [row[name] for row in rows] for name in table.data}
    layers_only = Table(schema=table.schema, columns=table.columns, data=data)
    with pytest.raises(InputError, match="no rows of layer 'total'"):
        pairwise_heatmap(layers_only)


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
        distance_over_iterations(one_name(compare(a, b, b, iteration="all"), "b"))
    assert caught.value.code == "ambiguous-inputs"


def test_masks_alone_have_no_iterations():
    masks = [Mask.from_arrays({"fc": [1, 0, 1]}, label=label) for label in "ab"]
    with pytest.raises(InputError, match="without an iteration"):
        distance_over_iterations(compare(*masks))


def one_name(table, *sides):
    """A table in which the second inputs of all rows, or both, have the same name."""
    same = {side: ["same"] * len(table) for side in sides}
    return dataclasses.replace(table, data={**table.data, **same})


@pytest.mark.parametrize("sides", [("a", "b"), ("b",)])
def test_a_heatmap_of_inputs_with_one_name_is_an_error(sides):
    runs, _ = runs_of(3, 2)
    with pytest.raises(InputError) as caught:
        pairwise_heatmap(one_name(compare(*runs), *sides))
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
