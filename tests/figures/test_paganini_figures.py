"""Figures after Paganini & Forde: what is drawn is what the runs say, recomputed here."""

import io
import itertools
import statistics

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import StepPatch

from maskstat.errors import InputError, UsageError
from maskstat.figures.accuracy import accuracy_over_sparsity
from maskstat.figures.agreement import agreement_matrix, agreement_over_iterations
from maskstat.figures.composition import ticket_composition
from maskstat.figures.contrast import contrast_over_iterations
from maskstat.figures.initial_weights import initial_weight_histograms, initial_weight_spread
from maskstat.figures.style import save
from maskstat.figures.tickets import tickets_on_tasks
from maskstat.mask import Layout, Mask
from maskstat.run import Outputs, Run, Weights
from maskstat.stats.accuracy import accuracy
from maskstat.stats.consensus import consensus
from maskstat.stats.contrast import contrast, contrast_predictions
from maskstat.stats.initial import initial
from maskstat.table import Column, Table

SHAPES = {"conv1.weight": (6, 1, 3, 3), "fc1.weight": (40, 30), "fc2.weight": (10, 40)}
DEEP = {f"block{i}.residual.conv{i % 2}.weight": (8, i + 1, 3, 3) for i in range(11)}
METHODS = ("global-unstructured", "l1-unstructured", "l2-structured")
N_EXAMPLES, N_CLASSES = 60, 4


def start_of(seed, shapes=SHAPES):
    size = Layout.from_shapes(shapes).size
    return np.random.default_rng(1000 + seed).normal(size=size).astype(np.float32)


def make(method="l1", seed=0, dataset="digits", rewind="initial", n_iterations=3, shapes=SHAPES):
    """A run whose masks depend on everything, and are half alike for one seed."""
    common = np.random.default_rng(seed)
    rng = np.random.default_rng([seed, *map(ord, method + dataset + rewind)])
    scores = {n: common.random(s) + rng.random(s) for n, s in shapes.items()}
    masks = [
        Mask.from_arrays({n: s >= np.quantile(s, 1 - 0.7**t) for n, s in scores.items()})
        for t in range(1, n_iterations + 1)
    ]
    logits = rng.normal(size=(n_iterations + 1, N_EXAMPLES, N_CLASSES)).astype(np.float32)
    accuracies = np.array([0.9, *(0.9 - 0.3 * rng.random(n_iterations))])
    return Run.from_masks(
        f"{method}-{seed}",
        masks,
        place=f"runs/{dataset}-{method}-s{seed}-{rewind}.h5::r",
        model="lenet",
        dataset=dataset,
        method=method,
        seed=seed,
        replicate=0,
        series={"test_accuracy": accuracies},
        outputs={"toy": Outputs(logits=logits, iterations=tuple(range(n_iterations + 1)))},
        weights={"initial": Weights(values=start_of(seed, shapes)[None], iterations=(0,))},
        provenance={"recipe": {"prune": {"rewind": rewind}}, "seeds": {"init": f"{seed:08x}"}},
    )


def sweep(methods=METHODS, seeds=range(3), **fields):
    return [make(method=m, seed=s, **fields) for m in methods for s in seeds]


def solid(axes):
    """The lines of groups: those with markers."""
    return [line for line in axes.get_lines() if line.get_marker() not in ("", "None", None)]


def band_of(collection):
    """Lowest and highest point of a filled band at every x."""
    points = collection.get_paths()[0].vertices
    places = sorted(set(points[:, 0]))
    return [
        (points[points[:, 0] == x, 1].min(), points[points[:, 0] == x, 1].max()) for x in places
    ]


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def bits(run, t, layers=SHAPES):
    return np.concatenate([run.mask(t).layer(n).ravel() for n in layers])


# Accuracy.


def test_accuracy_is_the_mean_over_runs_with_half_an_sd_each_way():
    runs = sweep()
    figure = accuracy_over_sparsity(accuracy(*runs), scale="linear")
    (axes,) = figure.axes
    assert legend_of(figure) == list(METHODS)
    for line, band, method in zip(solid(axes), axes.collections, METHODS, strict=True):
        part = [run for run in runs if run.method == method]
        values = [[float(run.series["test_accuracy"][t]) for run in part] for t in range(4)]
        assert np.allclose(line.get_xdata(), [1 - bits(part[0], t).mean() for t in range(4)])
        assert np.allclose(line.get_ydata(), [statistics.mean(v) for v in values])
        expected = [
            (m - s / 2, m + s / 2)
            for m, s in ((statistics.mean(v), statistics.stdev(v)) for v in values)
        ]
        assert np.allclose(band_of(band), expected)
    assert figure.get_suptitle() == "Test accuracy: lenet on digits"
    assert figure.get_supxlabel().split("\n")[1] == "mean ± ½ sd over 3 runs that differ in seed"


def test_on_logit_axes_the_dense_network_is_a_line_across():
    figure = accuracy_over_sparsity(accuracy(*sweep()))
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("logit", "logit")
    assert all(len(line.get_xdata()) == 3 for line in solid(axes))
    (dense,) = [line for line in axes.get_lines() if line not in solid(axes)]
    assert set(dense.get_ydata()) == {0.9}
    assert "not pruned" in legend_of(figure)
    low, high = axes.get_xlim()
    assert 0 < low < 1 - 0.7 < 1 - 0.7**3 < high < 1
    assert len(axes.get_xticks()) >= 2
    for tick, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True):
        assert float(label.get_text()) == pytest.approx(100 * tick)


def test_groups_that_start_apart_have_no_common_dense_network():
    one, other = make(method="a"), make(method="b", seed=1)
    other.series["test_accuracy"][0] = 0.5
    figure = accuracy_over_sparsity(accuracy(one, other))
    assert legend_of(figure) == ["a", "b"]


def test_every_run_is_a_thin_line_of_its_groups_colour():
    runs = sweep(METHODS[:2])
    figure = accuracy_over_sparsity(
        accuracy(*runs), each=accuracy(*runs, group_by=None), scale="linear", x="density"
    )
    (axes,) = figure.axes
    means = solid(axes)
    thin = [line for line in axes.get_lines() if line not in means]
    assert len(thin) == 6
    for line, run in zip(thin, runs, strict=True):
        assert sorted(line.get_ydata()) == sorted(run.series["test_accuracy"])
        assert sorted(line.get_xdata()) == pytest.approx(
            sorted(bits(run, t).mean() for t in range(4))
        )
        assert line.get_color() == means[METHODS.index(run.method)].get_color()
    assert "each run" in legend_of(figure)


def test_a_perfect_accuracy_has_no_place_on_a_logit_axis():
    run = make()
    run.series["test_accuracy"][:] = 1
    (axes,) = accuracy_over_sparsity(accuracy(run)).axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("logit", "linear")
    assert list(solid(axes)[0].get_ydata()) == [1, 1, 1]
    assert axes.get_ylim()[0] < 1 < axes.get_ylim()[1]


def test_groups_by_several_keys_and_their_names():
    runs = [make(method=m, rewind=r) for m in ("l1", "l2") for r in ("initial", "none", "epoch:2")]
    names = accuracy(*runs, group_by="method,rewind").column("group")
    assert list(dict.fromkeys(names))[:3] == ["l1, rewound", "l1, finetuned", "l1, rewound epoch:2"]
    rows = accuracy(*runs, group_by="method").rows()
    assert {(row["n"], row["differ"]) for row in rows} == {(3, "rewind")}
    assert accuracy(*runs, group_by="seed").column("differ")[0] == "method, rewind"


def test_a_run_that_broke_off_counts_as_far_as_it_came():
    runs = sweep(["l1"])
    runs[1].series["test_accuracy"][2:] = np.nan
    rows = accuracy(*runs).rows()
    assert [row["n"] for row in rows] == [3, 3, 2, 2]
    left = [float(run.series["test_accuracy"][3]) for run in (runs[0], runs[2])]
    assert rows[3]["accuracy"] == pytest.approx(statistics.mean(left))
    alone = accuracy((runs[0], 2)).rows()
    assert [(row["iteration"], row["n"], row["sd"]) for row in alone] == [(2, 1, None)]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"group_by": "colour"}, "unknown-group"),
        ({"group_by": "replicate,model"}, "mixed-group"),
    ],
)
def test_accuracies_that_cannot_be_averaged(change, code):
    runs = [make(), make(seed=1, shapes={"fc": (9, 9)})]
    with pytest.raises(UsageError) as caught:
        accuracy(*runs, **change)
    assert caught.value.code == code


def test_runs_without_accuracies_are_refused():
    run = Run.from_masks("r", [Mask.from_arrays({"fc": [1, 0]})], method="l1")
    with pytest.raises(InputError) as caught:
        accuracy(run)
    assert caught.value.code == "no-accuracy"


# Runs that differ in one setting.


def jaccard_distance(a, b, t, layers):
    x, y = bits(a, t, layers), bits(b, t, layers)
    return 1 - (x & y).sum() / (x | y).sum()


def panel_layers():
    return [*([n] for n in SHAPES), list(SHAPES)]


def test_contrast_is_the_mean_distance_at_equal_seed():
    rewound, tuned = sweep(), sweep(rewind="none")
    figure = contrast_over_iterations(contrast(*tuned, *rewound))
    assert figure.get_suptitle() == "Finetuned and rewound: lenet on digits"
    assert legend_of(figure)[:-1] == list(METHODS)
    for axes, layers in zip(figure.axes, panel_layers(), strict=True):
        for line, band, method in zip(solid(axes), axes.collections, METHODS, strict=True):
            pairs = [
                (a, b)
                for a, b in itertools.product(rewound, tuned)
                if a.method == b.method == method and a.seed == b.seed
            ]
            assert len(pairs) == 3
            values = [[jaccard_distance(a, b, t, layers) for a, b in pairs] for t in (1, 2, 3)]
            assert list(line.get_xdata()) == [1, 2, 3]
            assert np.allclose(line.get_ydata(), [statistics.mean(v) for v in values])
            expected = [
                (statistics.mean(v) - statistics.stdev(v) / 2,
                 statistics.mean(v) + statistics.stdev(v) / 2)
                for v in values
            ]  # fmt: skip
            assert np.allclose(band_of(band), expected)


def test_a_baseline_is_first_and_names_the_lines_by_the_others():
    runs = sweep()
    table = contrast(*runs, differ="method", baseline="l1-unstructured", layers=["fc1*"])
    assert set(table.column("value_a")) == {"l1-unstructured"}
    figure = contrast_over_iterations(table)
    assert figure.get_suptitle() == "l1-unstructured and others: lenet on digits"
    assert legend_of(figure)[:-1] == ["global-unstructured", "l2-structured"]
    ours = [run for run in runs if run.method == "l1-unstructured"]
    other = [run for run in runs if run.method == "l2-structured"]
    expected = np.mean(
        [jaccard_distance(a, b, 3, ["fc1.weight"]) for a, b in zip(ours, other, strict=True)]
    )
    assert solid(figure.axes[0])[1].get_ydata()[2] == pytest.approx(expected)


def test_all_pairs_of_tasks_are_lines():
    runs = [make(dataset=d, seed=s) for d in ("mnist", "kmnist", "data/x.npz") for s in (0, 1)]
    figure = contrast_over_iterations(contrast(*runs, differ="dataset"))
    assert legend_of(figure)[:-1] == ["mnist and kmnist", "mnist and x", "kmnist and x"]
    assert figure.get_suptitle() == "Between data sets: lenet"


def test_masks_drawn_at_random_by_one_seed_are_the_same_on_every_task():
    same = make(method="random")
    other = make(method="random", dataset="kmnist")
    other = Run.from_masks(
        "r", [same.mask(t) for t in (1, 2, 3)], method="random", dataset="kmnist", seed=0,
        replicate=0, model="lenet", provenance=other.provenance,
    )  # fmt: skip
    table = contrast(same, other, differ="dataset")
    assert set(table.column("jaccard_distance")) == {0.0}
    assert min(table.column("expected_distance")) > 0.2


@pytest.mark.parametrize(
    ("runs", "options", "code"),
    [
        (lambda: sweep(), {"differ": "seed"}, "unknown-setting"),
        (lambda: sweep(), {"differ": "rewind"}, "no-twins"),
        (lambda: sweep(), {"differ": "method", "baseline": "l9"}, "no-baseline"),
        (
            lambda: [*sweep(), make(method="l2-structured")],
            {"differ": "method"},
            "ambiguous-inputs",
        ),
        (lambda: [Run.from_masks("r", [Mask.from_arrays({"fc": [1]})])], {}, "unknown-group"),
    ],
)
def test_what_has_no_twins(runs, options, code):
    with pytest.raises(UsageError) as caught:
        contrast(*runs(), **options)
    assert caught.value.code == code


def test_single_masks_of_different_iterations_are_no_curve():
    with pytest.raises(InputError) as caught:
        contrast_over_iterations(contrast((make(), 1), (make(rewind="none"), 2), differ="rewind"))
    assert caught.value.code == "no-common-iteration"


def test_more_lines_than_can_be_told_apart():
    columns = ("group", "iteration", "size", "sparsity", "density", "n", "differ", "accuracy",
               "low", "high")  # fmt: skip
    data = {name: [0.5] * 22 for name in columns}
    data |= {"group": [f"g{i}" for i in range(22)], "n": [1] * 22, "differ": [None] * 22}
    table = Table(schema="maskstat.accuracy/1", columns={}, data=data)
    with pytest.raises(UsageError) as caught:
        accuracy_over_sparsity(table)
    assert caught.value.code == "too-many-lines"


# Agreement.


def predicted(run, t):
    return run.outputs["toy"].logits[t].argmax(axis=1)


def chance(a, b, t):
    shares = [np.bincount(predicted(run, t), minlength=N_CLASSES) / N_EXAMPLES for run in (a, b)]
    return float((shares[0] * shares[1]).sum())


def test_agreement_is_the_share_of_equal_predictions_beside_chance():
    runs = sweep()
    figure = agreement_over_iterations(contrast_predictions(*runs))
    (axes,) = figure.axes
    found = {m: [run for run in runs if run.method == m] for m in METHODS}
    pairs = list(itertools.combinations(METHODS, 2))
    assert legend_of(figure)[:-1] == [f"{a} and {b}" for a, b in pairs]
    dotted = [line for line in axes.get_lines() if line not in solid(axes)]
    for line, by_chance, (a, b) in zip(solid(axes), dotted, pairs, strict=True):
        matched = list(zip(found[a], found[b], strict=True))
        for t in (1, 2, 3):
            same = [np.mean(predicted(x, t) == predicted(y, t)) for x, y in matched]
            assert line.get_ydata()[t - 1] == pytest.approx(100 * np.mean(same))
            level = np.mean([chance(x, y, t) for x, y in matched])
            assert by_chance.get_ydata()[t - 1] == pytest.approx(100 * level)


def test_the_matrix_counts_examples():
    runs = sweep()
    figure = agreement_matrix(contrast_predictions(*runs, iteration=2))
    (axes,) = figure.axes
    labels = [label.get_text().split("   ")[0] for label in axes.get_yticklabels()]
    assert labels == list(METHODS)
    found = {m: [run for run in runs if run.method == m] for m in METHODS}
    written = {}
    for text in sorted(axes.texts, key=lambda text: text.get_position()[1]):
        x, y = text.get_position()
        written.setdefault((round(y), round(x)), []).append(text.get_text())
    assert set(written) == set(itertools.permutations(range(3), 2))
    for i, j in written:
        matched = list(zip(found[METHODS[i]], found[METHODS[j]], strict=True))
        same = np.mean([(predicted(a, 2) == predicted(b, 2)).sum() for a, b in matched])
        level = N_EXAMPLES * np.mean([chance(a, b, 2) for a, b in matched])
        assert written[i, j] == [f"{same:,.0f}", f"{level:,.0f}"]
    assert figure.get_suptitle() == "Same prediction: lenet on digits, pruning iteration 2"


def test_a_matrix_is_of_one_iteration():
    with pytest.raises(InputError) as caught:
        agreement_matrix(contrast_predictions(*sweep()))
    assert caught.value.code == "several-rows"


# Tickets.

RETRAINED = ("kind", "sourced_on", "model", "method", "iteration", "target", "n", "density",
             "epochs", "test_accuracy", "low", "high")  # fmt: skip


def retrained(targets=("mnist", "kmnist"), epochs=(3,)):
    sources = [("bespoke", "mnist"), ("bespoke", "kmnist"), ("consensus", "mnist+kmnist")]
    rows = []
    for e, (kind, source), target in itertools.product(epochs, sources, targets):
        for k in (kind, "random"):
            mean = 0.5 + 0.04 * len(rows) % 0.4
            rows.append(
                dict(zip(RETRAINED, (k, source, "lenet", "l1", 2, target, 3, 0.25, e, mean,
                                     mean - 0.02, mean + 0.02), strict=True))
            )  # fmt: skip
    return rows


def table_of(rows, schema="maskstat.retrain/1"):
    columns = {name: Column("text", name) for name in RETRAINED}
    return Table(schema=schema, columns=columns, data={n: [r[n] for r in rows] for n in RETRAINED})


def points(axes):
    """Centre, height and whether hollow of every ticket's point, from the left."""
    found = [line for line in axes.get_lines() if line.get_marker() not in ("None", "x")]
    return sorted(
        (line.get_xdata()[0], line.get_ydata()[0], line.get_markerfacecolor() == "white")
        for line in found
    )


def test_tickets_are_points_by_task_with_random_ones_hollow():
    rows = retrained()
    figure = tickets_on_tasks(table_of(rows))
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["mnist", "kmnist"]
    for at, target in enumerate(("mnist", "kmnist")):
        here = [row for row in rows if row["target"] == target]
        drawn = [p for p in points(axes) if abs(p[0] - at) < 0.5]
        assert len(drawn) == 6
        expected = [(100 * row["test_accuracy"], row["kind"] == "random") for row in here]
        assert [hollow for _, _, hollow in drawn] == [False, True] * 3
        assert np.allclose(sorted((y, hollow) for _, y, hollow in drawn), sorted(expected))
    bars = [line for line in axes.get_lines() if line.get_marker() == "None"]
    spans = sorted(tuple(bar.get_ydata()) for bar in bars if len(set(bar.get_xdata())) == 1)
    low_high = sorted((100 * row["low"], 100 * row["high"]) for row in rows)
    assert np.allclose([span for span in spans if span != (0, 1)], low_high)
    assert legend_of(figure)[:3] == [
        "from mnist, 25 % kept",
        "from kmnist, 25 % kept",
        "consensus, 25 % kept",
    ]
    assert "3 trainings" in figure.get_supxlabel()


def test_epochs_and_networks_are_panels():
    figure = tickets_on_tasks(table_of(retrained(epochs=(0, 1, 30))))
    assert [axes.get_title() for axes in figure.axes] == [
        "lenet, at initialization",
        "lenet, 1 epoch",
        "lenet, 30 epochs",
    ]
    assert figure.get_suptitle() == "Tickets on tasks"


def test_a_ticket_that_came_to_nothing_is_a_cross_and_not_a_zero():
    rows = retrained()
    rows[0] |= {"test_accuracy": None, "low": None, "high": None, "n": 0}
    figure = tickets_on_tasks(table_of(rows))
    (axes,) = figure.axes
    crosses = [line for line in axes.get_lines() if line.get_marker() == "x"]
    assert len(crosses) == 1
    assert crosses[0].get_ydata()[0] == axes.get_ylim()[0] > 0
    assert len(points(axes)) == len(rows) - 1
    assert "0–3 trainings" in figure.get_supxlabel()


def test_tickets_of_one_source_and_several_methods_stand_side_by_side():
    rows = retrained(("mnist",))[:2]
    rows += [{**row, "method": "l2", "test_accuracy": 0.9} for row in rows]
    figure = tickets_on_tasks(table_of(rows))
    assert len({x for x, _, _ in points(figure.axes[0])}) == 4
    assert legend_of(figure)[:2] == [
        "from mnist, 25 % kept: l1, iteration 2",
        "from mnist, 25 % kept: l2, iteration 2",
    ]
    assert len(legend_of(figure)) == 3


# Composition.


@pytest.mark.parametrize("least", [2, 3])
def test_composition_stacks_votes_and_marks_the_ticket(least):
    runs = [make(dataset=d) for d in ("mnist", "kmnist", "svhn")]
    figure = ticket_composition(consensus(*runs, at_least_votes=least))
    share, number = figure.axes
    for x, (layer, shape) in enumerate(SHAPES.items()):
        masks = np.array([run.mask(3).layer(layer).ravel() for run in runs])
        size = int(np.prod(shape))
        votes = np.bincount(masks.sum(axis=0), minlength=4)
        bars = [bar for bar in share.patches if round(bar.get_x() + 0.4) == x]
        assert [bar.get_height() for bar in bars] == pytest.approx(list(100 * votes[::-1] / size))
        assert [bar.get_y() for bar in bars] == pytest.approx(
            [0, *np.cumsum(100 * votes[::-1] / size)[:-1]]
        )
        kept = votes[least:].sum()
        line = next(
            line for line in share.get_lines() if list(line.get_xdata()) == [x - 0.4, x + 0.4]
        )
        assert line.get_ydata() == pytest.approx([100 * kept / size] * 2)
        q = masks.mean(axis=1)
        law = np.array([1.0])
        for p in q:
            law = np.convolve(law, [1 - p, p])
        diamond = next(line for line in share.get_lines() if list(line.get_xdata()) == [x])
        assert diamond.get_ydata()[0] == pytest.approx(100 * law[least:].sum())
        whole, inside = (bar for bar in number.patches if round(bar.get_x() + 0.4) == x)
        assert (whole.get_height(), inside.get_height()) == (size, kept)
    assert number.get_yscale() == "log"
    assert [label.get_text() for label in number.get_xticklabels()] == ["conv1", "fc1", "fc2"]
    assert figure.get_suptitle() == "Consensus of 3 masks: lenet on 3 data sets"


# Initial weights.


def steps(axes):
    """Heights and edges of the drawn histograms, by colour."""
    return {
        to_hex(
            patch.get_facecolor() if patch.get_fill() else patch.get_edgecolor()
        ): patch.get_data()
        for patch in axes.patches
        if isinstance(patch, StepPatch)
    }


def test_histograms_are_those_of_the_kept_initial_weights():
    runs = [make(dataset=d) for d in ("mnist", "kmnist")]
    figure = initial_weight_histograms(initial(*runs, bins=8))
    start = Mask.dense(runs[0].layout)
    values = start_of(0)
    assert legend_of(figure)[0] == "all weights of the layer"
    assert [name.split(",")[0] for name in legend_of(figure)[1:]] == [
        "from mnist", "from kmnist", "consensus",
    ]  # fmt: skip
    offset = 0
    for axes, layer in zip(figure.axes, start.layout.layers, strict=True):
        part = values[offset : offset + layer.size].astype(np.float64)
        offset += layer.size
        one, other = (run.mask(3).layer(layer.name).ravel() for run in runs)
        selections = [np.ones(layer.size, bool), one, other, one & other]
        drawn = list(steps(axes).values())
        assert len(drawn) == 4
        for found, chosen in zip(drawn, selections, strict=True):
            counts, edges = np.histogram(part[chosen], bins=8, range=(part.min(), part.max()))
            assert np.allclose(found.values, 100 * counts / counts.sum())
            assert np.allclose(found.edges, edges)


def test_a_consensus_archive_stands_for_the_consensus():
    runs = [make(dataset=d) for d in ("mnist", "kmnist")]
    ticket = consensus(*runs, iteration=1).to_run()
    figure = initial_weight_histograms(initial(ticket, *((run, 3) for run in runs), bins=8))
    kept = ticket.mask(1).density
    assert [name for name in legend_of(figure) if "consensus" in name] == [
        f"consensus, {100 * kept:.3g} % kept"
    ]
    assert all(len(steps(axes)) == 4 for axes in figure.axes)


def test_spread_is_the_mean_over_initializations():
    tasks = ("mnist", "kmnist")
    tables = [initial(*(make(dataset=d, seed=s) for d in tasks)) for s in range(3)]
    figure = initial_weight_spread(*tables)
    (axes,) = figure.axes
    drawn = [line for line in axes.get_lines() if line.get_marker() not in ("None", "")]
    assert len(drawn) == 4 * len(SHAPES)
    offset = 0
    for index, (layer, shape) in enumerate(SHAPES.items()):
        size = int(np.prod(shape))
        starts = [start_of(s)[offset : offset + size].astype(np.float64) for s in range(3)]
        offset += size
        whole = np.mean([start.std(ddof=1) for start in starts])
        kept = np.mean(
            [
                starts[s][make(dataset="kmnist", seed=s).mask(3).layer(layer).ravel()].std(ddof=1)
                for s in range(3)
            ]
        )
        here = sorted(
            (line.get_xdata()[0], line.get_ydata()[0])
            for line in drawn
            if abs(line.get_xdata()[0] - index) < 0.5
        )
        assert here[0][1] == pytest.approx(whole)
        assert here[2][1] == pytest.approx(kept)
    assert "3 initializations" in figure.get_supxlabel()


def test_layers_without_two_weights_have_no_spread():
    masks = [Mask.from_arrays({"a": [1, 0, 0, 0], "b": [1, 1, 1, 0]})]
    stored = Weights(values=np.float32([[1, 2, 3, 4, 5, 6, 7, 9]]), iterations=(0,))
    run = Run.from_masks("r", masks, dataset="mnist", weights={"initial": stored})
    (axes,) = initial_weight_spread(initial(run)).axes
    tickets = [line for line in axes.get_lines() if line.get_marker() == "s"]
    assert [round(line.get_xdata()[0]) for line in tickets] == [1]


def test_spreads_of_different_networks_have_no_common_axis():
    with pytest.raises(InputError) as caught:
        initial_weight_spread(initial(make()), initial(make(shapes={"fc": (9, 9)})))
    assert caught.value.code == "layout-mismatch"


# All of them.


def save_as(figure, format_):
    stream = io.BytesIO()
    save(figure, stream, format_=format_)
    return stream.getvalue()


def tasks(**fields):
    names = ("mnist", "kmnist", "data/a long name of a data set.npz")
    return [make(dataset=d, **fields) for d in names]


FIGURES = {
    "accuracy": lambda: accuracy_over_sparsity(accuracy(*sweep())),
    "accuracy-linear": lambda: accuracy_over_sparsity(
        accuracy(*sweep(), group_by="method,seed"), scale="linear"
    ),
    "contrast": lambda: contrast_over_iterations(contrast(*sweep(), *sweep(rewind="none"))),
    "contrast-deep": lambda: contrast_over_iterations(
        contrast(*sweep(METHODS[:2], [0], shapes=DEEP), differ="method")
    ),
    "agreement": lambda: agreement_over_iterations(contrast_predictions(*sweep())),
    "matrix": lambda: agreement_matrix(contrast_predictions(*sweep(), iteration=3)),
    "tickets": lambda: tickets_on_tasks(table_of(retrained())),
    "tickets-many": lambda: tickets_on_tasks(
        table_of(retrained(("mnist", "kmnist", "fashion-mnist", "cifar10", "svhn"), (0, 30)))
    ),
    "composition": lambda: ticket_composition(consensus(*tasks())),
    "composition-deep": lambda: ticket_composition(consensus(*tasks(shapes=DEEP))),
    "histograms": lambda: initial_weight_histograms(initial(*tasks(), bins=20)),
    "histograms-deep": lambda: initial_weight_histograms(initial(*tasks(shapes=DEEP), bins=20)),
    "spread": lambda: initial_weight_spread(initial(*tasks())),
    "spread-deep": lambda: initial_weight_spread(initial(*tasks(shapes=DEEP))),
}


def visible_texts(figure):
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        found += [axes.title, *axes.texts, axes.xaxis.label, axes.yaxis.label]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            found += [t.label1 for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
    return [text for text in found if text.get_visible() and text.get_text().strip()]


@pytest.mark.parametrize("name", FIGURES)
def test_texts_are_on_the_page_and_apart(name):
    figure = FIGURES[name]()
    found = visible_texts(figure)
    boxes = [text.get_window_extent() for text in found]
    page = figure.bbox
    for text, box in zip(found, boxes, strict=True):
        assert page.x0 <= box.x0, text
        assert box.x1 <= page.x1, text
        assert page.y0 <= box.y0, text
        assert box.y1 <= page.y1, text
    for (one, a), (other, b) in itertools.combinations(zip(found, boxes, strict=True), 2):
        assert not a.shrunk(0.98, 0.98).overlaps(b), (one, other)


@pytest.mark.parametrize("name", ["accuracy", "matrix", "tickets"])
def test_the_same_rows_give_the_same_bytes(name):
    for format_ in ("svg", "pdf"):
        assert save_as(FIGURES[name](), format_) == save_as(FIGURES[name](), format_)


@pytest.mark.parametrize(
    "draw",
    [
        accuracy_over_sparsity, contrast_over_iterations, agreement_over_iterations,
        agreement_matrix, tickets_on_tasks, ticket_composition, initial_weight_spread,
    ],
)  # fmt: skip
def test_another_table_is_refused(draw):
    table = Table(schema="maskstat.list/1", columns={}, data={"path": ["a"]})
    with pytest.raises(InputError) as caught:
        draw(table)
    assert caught.value.code == "wrong-table"
