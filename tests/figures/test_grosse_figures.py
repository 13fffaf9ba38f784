"""Figures of overlap, shared weights, ranks, outputs, significance: what is drawn is the rows."""

import io
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from maskstat.errors import InputError, UsageError
from maskstat.figures.dots import spread
from maskstat.figures.expected_curve import expected_curve
from maskstat.figures.groups import SHADES
from maskstat.figures.overlap import overlap_beside_chance
from maskstat.figures.ranks import rank_correlations
from maskstat.figures.shared import shared_over_iterations
from maskstat.figures.significance import fraction_significant
from maskstat.figures.similarity import similarity_over_iterations
from maskstat.figures.style import COLOURS, save
from maskstat.mask import Mask
from maskstat.run import Outputs, Run, Weights
from maskstat.stats.compare import compare
from maskstat.stats.consensus import consensus
from maskstat.stats.correlate import correlate
from maskstat.stats.outputs import outputs
from maskstat.stats.shared_kept import shared_and_never
from maskstat.stats.summary import summarize
from maskstat.table import Table

SHAPES = {"conv1.weight": (6, 1, 3, 3), "fc1.weight": (40, 30), "fc2.weight": (10, 40)}
LAYERS = [*SHAPES, "total"]
KEPT = (0.5, 0.3, 0.1)
GREY = COLOURS["grey"].lower()


def a_run(init, replicate, *, shapes=SHAPES, levels=KEPT, dataset="digits", **fields):
    """A run that stores everything; runs of one init are alike."""
    rng = np.random.default_rng([init, replicate, 1])
    start = {
        n: np.random.default_rng([init, i]).normal(size=s)
        for i, (n, s) in enumerate(shapes.items())
    }
    noise = {n: rng.normal(size=s) for n, s in shapes.items()}
    end = {n: start[n] + 0.8 * noise[n] for n in shapes}
    masks = [
        Mask.from_arrays({n: abs(w) >= np.quantile(abs(w), 1 - keep) for n, w in end.items()})
        for keep in levels
    ]
    flat = np.concatenate([w.ravel() for w in end.values()])
    kept = [np.ones(flat.size, bool)]
    kept += [np.concatenate([m.layer(n).ravel() for n in shapes]) for m in masks]
    truth = np.arange(40) % 4
    base = 3 * np.eye(4)[truth] + np.random.default_rng(init).normal(size=(40, 4))
    logits = [base + (0.3 + 0.2 * t) * rng.normal(size=base.shape) for t in range(len(levels) + 1)]
    iterations = tuple(range(len(levels) + 1))
    return Run.from_masks(
        "r",
        masks,
        place=fields.pop("place", f"runs/{dataset}-i{init}-r{replicate}.h5"),
        dataset=dataset,
        seed=init,
        replicate=replicate,
        provenance={"seeds": {"init": f"{init:016x}"}},
        weights={
            "initial": Weights(
                values=np.float32([np.concatenate([w.ravel() for w in start.values()])]),
                iterations=(0,),
            ),
            "final": Weights(values=np.float32([flat * k for k in kept]), iterations=iterations),
        },
        outputs={dataset: Outputs(logits=np.float32(logits), iterations=iterations, labels=truth)},
        **fields,
    )


@pytest.fixture(scope="module")
def runs():
    return [a_run(init, replicate) for init in (1, 2) for replicate in range(3)]


def percent(rows):
    return sorted(100 * r["shared"] / min(r["kept_a"], r["kept_b"]) for r in rows)


def init_of(label):
    return label.split("-i")[1][0]


def colour_of(collection):
    return to_hex(collection.get_facecolor()[0])


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def tickless(axes):
    return [line for line in axes.get_lines() if line.get_linestyle() == "None"]


# The exact law.


@given(st.integers(1, 30), st.data())
def test_the_curve_is_the_hypergeometric_law(n, data):
    a, b = data.draw(st.integers(1, n)), data.draw(st.integers(1, n))
    curve = expected_curve([((n, a, b),)])
    scale = Fraction(100, min(a, b))
    for at, density in zip(curve.percent, curve.density, strict=True):
        x = round(at / float(scale))
        exact = Fraction(math.comb(a, x) * math.comb(n - a, b - x), math.comb(n, b)) / scale
        assert at == pytest.approx(float(x * scale))
        assert density == pytest.approx(float(exact), rel=1e-9)
    assert sum(curve.density) * float(scale) == pytest.approx(1, abs=1e-4)


def test_the_curve_of_a_total_is_the_convolution_of_its_layers():
    layers = ((12, 5, 6), (20, 8, 8))
    parts = [
        [math.comb(a, x) * math.comb(n - a, b - x) / math.comb(n, b) for x in range(min(a, b) + 1)]
        for n, a, b in layers
    ]
    exact = np.convolve(*parts)
    curve = expected_curve([layers])
    shared = np.round(curve.percent * 13 / 100).astype(int)
    assert shared.tolist() == list(range(shared[0], shared[-1] + 1))
    assert curve.density * 100 / 13 == pytest.approx(exact[shared], abs=1e-9)


def test_the_curve_of_a_large_layer_is_thinned_and_exact():
    curve = expected_curve([((10**8, 10**7, 10**7),)])
    assert curve.percent.size < 300
    area = ((curve.density[1:] + curve.density[:-1]) / 2 * np.diff(curve.percent)).sum()
    assert area == pytest.approx(1, abs=1e-4)
    assert curve.percent[curve.density.argmax()] == pytest.approx(10, abs=0.01)


def test_different_sizes_are_averaged_over_pairs():
    pairs = [((400, 40, 40),)] * 3 + [((400, 200, 200),)]
    curve = expected_curve(pairs)
    area = (curve.density[1:] + curve.density[:-1]) / 2 * np.diff(curve.percent)
    assert area.sum() == pytest.approx(1, abs=0.02)
    assert area[curve.percent[1:] < 30].sum() == pytest.approx(0.75, abs=0.02)
    assert expected_curve([((4, 0, 2),)]) is None


@given(st.integers(0, 300), st.floats(0.1, 2))
def test_dots_stay_in_their_strip_and_apart(n, width):
    places = spread(n, width)
    assert (abs(places) <= width / 2).all()
    assert len(set(places.tolist())) == n


# Overlap.


def test_overlap_draws_every_pair_in_its_group(runs):
    table = compare(*runs, iteration=2)
    figure = overlap_beside_chance(table, group_by="init_seed")
    assert [ax.get_title().split("\n")[0] for ax in figure.axes] == ["conv1", "fc1", "fc2", "total"]
    assert figure.axes[1].get_title().endswith("30 % of 1,200 kept")
    for axes, layer in zip(figure.axes, LAYERS, strict=True):
        rows = table.where(layer=layer)
        sides = [
            [r for r in rows if init_of(r["a"]) == init_of(r["b"]) == "1"],
            [r for r in rows if init_of(r["a"]) == init_of(r["b"]) == "2"],
            [r for r in rows if init_of(r["a"]) != init_of(r["b"])],
        ]
        drawn = [np.asarray(c.get_offsets()) for c in axes.collections]
        assert [len(d) for d in drawn] == [3, 3, 9]
        for place, (dots, side) in enumerate(zip(drawn, sides, strict=True)):
            assert np.allclose(dots[:, 0], percent(side))
            assert (abs(dots[:, 1] - place) <= 0.35).all()
        assert colour_of(axes.collections[2]) == GREY
        low, high = axes.get_xlim()
        assert all(low < x < high for x in percent(rows))
    assert figure.get_suptitle() == "Overlap: 15 pairs of 6 runs, iteration 2"
    assert legend_of(figure)[:3] == [
        "initial weights 1: 3 pairs",
        "initial weights 2: 3 pairs",
        "across initial weights: 9 pairs",
    ]


def test_overlap_draws_the_law_its_mean_and_its_region(runs):
    table = compare(*runs, iteration=3)
    figure = overlap_beside_chance(table)
    for axes, layer in zip(figure.axes, LAYERS, strict=True):
        rows = table.where(layer=layer)
        smaller = rows[0]["kept_a"]
        curve, mean = axes.get_lines()
        assert list(mean.get_xdata()) == pytest.approx(
            [100 * rows[0]["expected_shared"] / smaller] * 2
        )
        (band,) = axes.patches
        assert band.get_x() == pytest.approx(100 * rows[0]["low95"] / smaller)
        width = rows[0]["high95"] - rows[0]["low95"]
        assert band.get_width() == pytest.approx(100 * width / smaller)
        heights = axes.get_ylim()[0] - curve.get_ydata()  # rows are counted downwards
        centre = (curve.get_xdata() * heights).sum() / heights.sum()
        if layer != "total":
            assert centre == pytest.approx(100 * rows[0]["expected_shared"] / smaller, rel=1e-3)
        inside = (curve.get_xdata() >= band.get_x() - 1e-9) & (
            curve.get_xdata() <= band.get_x() + band.get_width() + 1e-9
        )
        assert heights[inside].sum() > 0.94 * heights.sum()


def test_overlap_of_one_side_and_of_pairs_that_agree(runs):
    other = [a_run(init, 0, dataset="mnist") for init in (1, 2)]
    table = compare(*runs, *other, iteration=2)
    figure = overlap_beside_chance(table, group_by="dataset", side="across", same=["init_seed"])
    (dots,) = figure.axes[0].collections
    assert len(dots.get_offsets()) == 6
    assert legend_of(figure)[0] == "digits and mnist: 6 pairs"
    within = overlap_beside_chance(table, group_by="init_seed", side="within")
    assert [len(c.get_offsets()) for c in within.axes[0].collections] == [6, 6]


def test_overlap_on_one_axis(runs):
    figure = overlap_beside_chance(compare(*runs), same_axis=True)
    assert len({axes.get_xlim() for axes in figure.axes}) == 1


def test_overlap_of_many_groups_is_told_by_rows():
    many = [a_run(init, r, shapes={"fc": (60,)}) for init in range(10) for r in range(2)]
    figure = overlap_beside_chance(compare(*many), group_by="init_seed")
    assert len(figure.axes[0].collections) == 11
    assert legend_of(figure)[:2] == ["within one of 10 groups, a row each", "across groups"]


def test_overlap_of_whole_channels_has_no_curve():
    rng = np.random.default_rng(3)
    channels = [np.isin(np.arange(30), rng.choice(30, 10, replace=False)) for _ in range(3)]
    masks = [Mask.from_arrays({"conv": np.repeat(c, 9).reshape(30, 9)}) for c in channels]
    figure = overlap_beside_chance(compare(*masks))
    assert len(figure.axes[0].get_lines()) == 1
    assert "exact law by chance" not in legend_of(figure)


def test_overlap_of_empty_masks_draws_no_dot():
    masks = [Mask.from_arrays({"a": [0, 0], "b": [1, 0]}) for _ in "xy"]
    figure = overlap_beside_chance(compare(*masks))
    assert [len(axes.collections[0].get_offsets()) for axes in figure.axes] == [0, 1, 1]


# Shared and never kept.


def test_shared_counts_are_those_of_a_consensus(runs):
    table = shared_and_never(*runs, group_by="init_seed", iteration="2-3")
    references = {}
    for row in table:
        group = [r for r in runs if r.provenance["seeds"]["init"] == row["group"]]
        key = row["group"], row["iteration"]
        if key not in references:
            references[key] = consensus(*group, iteration=key[1], baseline="grosse2020")
        votes = 3 if row["kind"] == "shared" else 0
        (other,) = references[key].where(layer=row["layer"], votes=votes)
        for name in ("size", "masks", "weights", "normalized", "baseline_mean",
                     "baseline_printed_mean", "baseline_half_width"):  # fmt: skip
            assert row[name] == other[name]
        assert (row["expected"], row["sd"]) == pytest.approx((other["expected"], other["sd"]))
    assert len(table) == 2 * 2 * 4 * 2


def test_shared_is_normalized_as_in_figure_4():
    row, never = shared_and_never(
        *(Mask.from_arrays({"fc": np.arange(2400) < 240}) for _ in range(5))
    ).where(layer="fc")
    assert row["normalized"] == 1
    assert row["normalized_expected"] == pytest.approx(0.1**4)
    # 5 masks of 240 cover 1200 at most, so 1200 weights are left in any case.
    assert never["normalized"] == pytest.approx((2160 - 1200) / 1200)
    assert never["normalized_expected"] == pytest.approx((2400 * 0.9**5 - 1200) / 1200)
    assert never["normalized_sd"] == pytest.approx(never["sd"] / 1200)


def test_shared_draws_means_and_spread_over_groups(runs):
    table = shared_and_never(*runs, group_by="init_seed")
    figure = shared_over_iterations(table)
    for axes, layer in zip(figure.axes, LAYERS, strict=True):
        drawn = iter(axes.get_lines())
        bars = iter(c for c in axes.collections)
        for kind in ("shared", "never"):
            rows = [table.where(layer=layer, kind=kind, iteration=t) for t in (1, 2, 3)]
            observed = np.array([[100 * r["normalized"] for r in group] for group in rows])
            mean, expected = next(drawn), next(drawn)
            assert np.allclose(mean.get_ydata(), observed.mean(axis=1))
            by_chance = [100 * np.mean([r["normalized_expected"] for r in group]) for group in rows]
            assert np.allclose(expected.get_ydata(), by_chance)
            sd = observed.std(axis=1, ddof=1)
            for segment, centre, half in zip(
                next(bars).get_segments(), observed.mean(axis=1), sd, strict=True
            ):
                assert segment[:, 1] == pytest.approx([centre - half, centre + half])
            reach = [200 * np.mean([r["normalized_sd"] for r in group]) for group in rows]
            tops = [segment[:, 1].max() for segment in next(bars).get_segments()]
            assert np.allclose(tops, np.add(by_chance, reach))
        printed = len(axes.patches)
        assert printed == (0 if layer == "total" else 6)
        top = axes.get_ylim()[1]
        assert all(
            0 <= bar.get_y() <= bar.get_y() + bar.get_height() <= top + 1e-9 for bar in axes.patches
        )
    assert figure.get_suptitle() == "Kept by all, kept by none: mean ± sd of 2 groups of 3 masks"


def test_shared_of_one_group_has_no_spread(runs):
    figure = shared_over_iterations(shared_and_never(*runs))
    assert len(figure.axes[0].collections) == 2  # of the two expectations
    assert figure.get_suptitle().endswith("6 masks")


def test_shared_takes_groups_of_two_or_more(runs):
    with pytest.raises(UsageError) as caught:
        shared_and_never(*runs[:4], group_by="init_seed")
    assert caught.value.code == "too-few-masks"


def test_shared_takes_masks_of_the_same_iterations(runs):
    mask = runs[0].mask(2)
    alone = Mask.from_arrays({name: mask.layer(name) for name in mask.layout.names})
    with pytest.raises(InputError) as caught:
        shared_and_never(alone, *runs)
    assert caught.value.code == "no-common-iteration"


# Rank correlations.


def test_ranks_draw_runs_beside_their_controls(runs):
    table = correlate(*runs, iteration=2)
    figure = rank_correlations(table, group_by="init_seed")
    for axes, layer in zip(figure.axes, LAYERS, strict=True):
        rows = table.where(layer=layer)
        strips = [np.asarray(c.get_offsets()) for c in axes.collections]
        for place, name in enumerate(("rho", "selected_rho", "whole_rho")):
            assert np.allclose(strips[place][:, 1], [r[name] for r in rows])
            assert (abs(strips[place][:, 0] - place) < 0.4).all()
            colours = [to_hex(c) for c in axes.collections[place].get_facecolor()]
            assert colours == [SHADES[0].lower()] * 3 + [SHADES[1].lower()] * 3
        for place, n in enumerate((rows[0]["n"], rows[0]["n"], rows[0]["whole_n"])):
            reach = 1.96 / math.sqrt(n - 1)
            assert axes.patches[place].get_y() == pytest.approx(-reach)
            assert axes.patches[place].get_height() == pytest.approx(2 * reach)
        assert [list(line.get_ydata()) for line in axes.get_lines()] == [[0, 0]]
        low, high = axes.get_ylim()
        assert low < 0 < strips[2][:, 1].max() < high
    assert legend_of(figure)[:2] == ["initial weights 1: 3 runs", "initial weights 2: 3 runs"]
    assert figure.get_suptitle() == "Initial and final weights of 6 runs, iteration 2"


def test_ranks_say_where_a_control_is_not_stored(runs):
    bare = []
    for run in runs[:2]:
        final = run.weights["final"]
        short = Weights(values=final.values[3:], iterations=(3,))
        bare.append(Run.from_masks("r", [run.mask(t) for t in (1, 2, 3)], place=run.label,
                                   weights={**run.weights, "final": short}))  # fmt: skip
    axes = rank_correlations(correlate(*bare)).axes[0]
    assert [text.get_text() for text in axes.texts] == ["not\nstored"] * 2
    assert [len(c.get_offsets()) for c in axes.collections] == [2, 0, 0]


# Outputs.


def test_similarity_draws_both_sides_and_counts_them(runs):
    table = outputs(*runs, iteration="all")
    figure = similarity_over_iterations(table, group_by="init_seed", measures=["cka", "rms"])
    for axes, name in zip(figure.axes, ("cka", "rms"), strict=True):
        expected = [
            (t, np.mean([r[name] for r in table.where(iteration_a=t)
                         if (init_of(r["a"]) == init_of(r["b"])) == within]))
            for within in (True, False) for t in (1, 2, 3)
        ]  # fmt: skip
        assert [line.get_ydata()[0] for line in axes.get_lines()] == pytest.approx(
            [mean for _, mean in expected]
        )
        for line, (t, _), within in zip(axes.get_lines(), expected, [1] * 3 + [0] * 3, strict=True):
            assert (line.get_xdata().mean() < t) == bool(within)
    labels = [label.get_text() for label in figure.axes[-1].get_xticklabels()]
    assert labels == ["1\n6\n9", "2\n6\n9", "3\n6\n9"]
    assert figure.axes[0].get_ylabel() == "linear CKA, debiased"


def test_similarity_of_many_pairs_are_violins_of_their_range():
    many = [a_run(init, r, shapes={"fc": (60,)}) for init in (1, 2) for r in range(6)]
    table = outputs(*many, iteration="all")
    axes = similarity_over_iterations(table, group_by="init_seed", measures=["l2"]).axes[0]
    assert [colour_of(body)[:7] for body in axes.collections] == [COLOURS["blue"].lower()] * 3 + [
        GREY
    ] * 3
    for body, (within, t) in zip(
        axes.collections, itertools.product((True, False), (1, 2, 3)), strict=True
    ):
        values = [r["l2"] for r in table.where(iteration_a=t)
                  if (init_of(r["a"]) == init_of(r["b"])) == within]  # fmt: skip
        (path,) = body.get_paths()
        assert path.vertices[:, 1].min() == pytest.approx(min(values))
        assert path.vertices[:, 1].max() == pytest.approx(max(values))
        assert (path.vertices[:, 0] < t).all() if within else (path.vertices[:, 0] > t).all()


def test_few_pairs_are_dots(runs):
    axes = similarity_over_iterations(outputs(*runs[:3], iteration="all"), measures=["kappa"]).axes[
        0
    ]
    assert [len(c.get_offsets()) for c in axes.collections] == [3, 3, 3]


def test_equal_outputs_are_no_violin(runs):
    same = [Run.from_masks("r", [runs[0].mask(1)], place=f"{i}.h5", outputs={
        "d": Outputs(logits=runs[0].outputs["digits"].logits[:2], iterations=(0, 1))
    }) for i in range(6)]  # fmt: skip
    axes = similarity_over_iterations(outputs(*same, iteration="all"), measures=["rms"]).axes[0]
    assert np.asarray(axes.collections[0].get_offsets())[:, 1].tolist() == [0.0] * 15


def test_similarity_refuses_measures_that_are_not_there(runs):
    table = outputs(*runs, iteration="all")
    with pytest.raises(UsageError, match="did you mean 'cka'") as caught:
        similarity_over_iterations(table, measures=["ckaa"])
    assert caught.value.code == "unknown-measure"
    unlabelled = {**table.data, "error_kappa": [None] * len(table)}
    bare = Table(schema=table.schema, columns=table.columns, data=unlabelled, inputs=table.inputs)
    with pytest.raises(InputError, match="no pair has a value of 'error_kappa'"):
        similarity_over_iterations(bare, measures=["error_kappa"])


# Significance.


def test_significance_draws_shares_beside_their_expectation(runs):
    table = summarize(compare(*runs, iteration="all"), group_by="init_seed")
    figure = fraction_significant(table)
    for axes, layer in zip(figure.axes, LAYERS, strict=True):
        drawn = iter(axes.get_lines())
        bands = iter(axes.collections)
        for level in ("95", "99"):
            for group in ("within", "between"):
                rows = table.where(layer=layer, group=group)
                line = next(drawn)
                both = [100 * (r[f"above{level}"] + r[f"below{level}"]) for r in rows]
                assert line.get_ydata() == pytest.approx(both)
                assert np.round(line.get_xdata()).tolist() == [1, 2, 3]
                assert (to_hex(line.get_markerfacecolor()) == "#ffffff") == (group == "between")
            rows = table.where(layer=layer, group="within")
            share = np.array(
                [r[f"expected_above{level}"] + r[f"expected_below{level}"] for r in rows]
            )
            assert next(drawn).get_ydata() == pytest.approx(100 * share)
            sd = np.sqrt(share * (1 - share) / [r["tested"] for r in rows])
            highest = next(bands).get_paths()[0].vertices[:, 1].max()
            assert highest == pytest.approx(100 * max(share + 2 * sd))
    assert figure.axes[0].get_title().endswith("6 and 9 tests")
    assert figure.get_suptitle() == "Significant overlaps: 6 pairs within groups, 9 across"


def test_the_band_is_the_summarys_own_spread():
    """Where all pairs have the same sizes, twice the variance above is that of both."""
    masks = [a_run(1, r, shapes={"fc": (800,)}) for r in range(4)]
    (row, *_) = summarize(compare(*masks, iteration=1)).where(layer="fc")
    one_side = row["expected_above95"]
    assert row["sd_above95"] == pytest.approx(math.sqrt(one_side * (1 - one_side) / row["tested"]))


def test_untested_pairs_are_no_shares(runs):
    table = summarize(compare((runs[0], 1), (runs[0], 2)))
    shown = {**table.data, "iteration": [1] * len(table)}
    untested = Table(schema=table.schema, columns=table.columns, data=shown)
    with pytest.raises(InputError) as caught:
        fraction_significant(untested)
    assert caught.value.code == "nothing-to-draw"


# All of them.

DRAWN = {
    "overlap": lambda rs: overlap_beside_chance(compare(*rs, iteration=2), group_by="init_seed"),
    "shared": lambda rs: shared_over_iterations(shared_and_never(*rs, group_by="init_seed")),
    "ranks": lambda rs: rank_correlations(correlate(*rs, iteration=2), group_by="init_seed"),
    "similarity": lambda rs: similarity_over_iterations(
        outputs(*rs, iteration="all"), group_by="init_seed"
    ),
    "significance": lambda rs: fraction_significant(
        summarize(compare(*rs, iteration="all"), group_by="init_seed")
    ),
}
MADE = {
    overlap_beside_chance: compare,
    shared_over_iterations: shared_and_never,
    rank_correlations: correlate,
    similarity_over_iterations: outputs,
    fraction_significant: lambda *rs: summarize(compare(*rs)),
}


def save_as(figure, format_):
    stream = io.BytesIO()
    save(figure, stream, format_=format_)
    return stream.getvalue()


@pytest.mark.parametrize("kind", DRAWN)
def test_the_same_runs_give_the_same_bytes(runs, kind):
    format_ = "pdf" if kind == "overlap" else "svg"
    first, second = (save_as(DRAWN[kind](runs), format_) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("kind", DRAWN)
def test_the_paper_is_named(runs, kind):
    assert "after Grosse & Backes (2020), Figure" in DRAWN[kind](runs).get_supxlabel()


@pytest.mark.parametrize("draw", MADE)
def test_no_rows_is_an_error(runs, draw):
    table = MADE[draw](*runs[:2])
    empty = Table(schema=table.schema, columns=table.columns, data={n: [] for n in table.data})
    with pytest.raises(InputError, match="no rows") as caught:
        draw(empty)
    assert caught.value.code == "nothing-to-draw"


@pytest.mark.parametrize("draw", MADE)
def test_another_functions_table_is_an_error(runs, draw):
    other = consensus(*runs[:2])
    with pytest.raises(InputError, match="has no column") as caught:
        draw(other)
    assert caught.value.code == "wrong-table"


@pytest.mark.parametrize("draw", [overlap_beside_chance, rank_correlations])
def test_several_iterations_are_refused(runs, draw):
    with pytest.raises(InputError) as caught:
        draw(MADE[draw](*runs[:2], iteration="all"))
    assert caught.value.code == "several-iterations"


def test_different_iterations_have_no_place_on_an_axis(runs):
    pairs = ((runs[0], 1), (runs[1], 2))
    for draw in (shared_over_iterations, similarity_over_iterations, fraction_significant):
        with pytest.raises(InputError) as caught:
            draw(MADE[draw](*pairs))
        assert caught.value.code == "no-common-iteration"


def test_groups_that_cannot_be_made(runs):
    table = compare(*runs)
    for options in ({"group_by": "colour"}, {"same": ["colour"]}):
        with pytest.raises(UsageError) as caught:
            overlap_beside_chance(table, **options)
        assert caught.value.code == "unknown-group"
    for options in ({"same": ["init_seed", "replicate"]}, {"side": "across"}):
        with pytest.raises(InputError) as caught:
            overlap_beside_chance(table, **options)
        assert caught.value.code == "nothing-to-draw"


def visible_texts(figure):
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        found += [axes.title, *axes.texts, axes.xaxis.label, axes.yaxis.label]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [t for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
            found += [t.label1 for t in ticks]
    return [text for text in found if text.get_visible() and text.get_text().strip()]


VGG = {
    **{f"features.{i}.weight": (8 * (i + 1), 9) for i in (0, 3, 6, 8, 11, 13, 16, 18)},
    **{f"classifier.{i}.weight": (100, 20) for i in (0, 3, 6)},
}
CASES = {
    "lenet": (SHAPES, KEPT, 3),
    "vgg": (VGG, tuple(0.7**t for t in range(1, 9)), 2),
    "one-layer": ({"fc": (300,)}, (0.5, 0.4, 0.2, 0.1, 0.05, 0.02), 5),
}


@pytest.mark.parametrize("kind", DRAWN)
@pytest.mark.parametrize("case", CASES)
def test_texts_are_on_the_page_and_apart(kind, case):
    shapes, levels, n_init = CASES[case]
    made = [a_run(i, r, shapes=shapes, levels=levels) for i in range(n_init) for r in range(2)]
    figure = DRAWN[kind](made)
    found = visible_texts(figure)
    boxes = [text.get_window_extent() for text in found]
    page = figure.bbox
    for text, box in zip(found, boxes, strict=True):
        assert page.x0 <= box.x0 <= box.x1 <= page.x1, text
        assert page.y0 <= box.y0 <= box.y1 <= page.y1, text
    for (one, a), (other, b) in itertools.combinations(zip(found, boxes, strict=True), 2):
        assert not a.shrunk(0.98, 0.98).overlaps(b), (one, other)
