"""``maskstat plot`` after Paganini & Forde: what the kinds write, say and refuse; Table 1."""

import os
import statistics

import numpy as np
import pytest

from maskstat.archive import write
from maskstat.mask import Layout, Mask
from maskstat.run import Outputs, Run, Weights
from maskstat.stats.connect import connectivity

KINDS = ("accuracy", "agreement", "composition", "contrast", "tickets", "weights")
MAGIC = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml", "pdf": b"%PDF-"}
SHAPES = {"fc1.weight": (20, 12), "fc2.weight": (5, 20)}
OTHERS = {"fc1.bias": (20,), "norm.weight": (4,), "norm.running_mean": (4,)}


def make(method, seed, rewind="initial", dataset="digits"):
    rng = np.random.default_rng([seed, *map(ord, method + rewind + dataset)])
    layout = Layout.from_shapes(SHAPES, others=OTHERS)
    scores = {name: rng.random(shape) for name, shape in SHAPES.items()}
    masks = [
        Mask.from_arrays({n: s < 0.6**t for n, s in scores.items()}).over(layout) for t in (1, 2, 3)
    ]
    start = np.random.default_rng(seed).normal(size=(1, layout.size)).astype(np.float32)
    logits = rng.normal(size=(4, 30, 3)).astype(np.float32)
    return Run.from_masks(
        f"{method}-{seed}",
        masks,
        model="tiny",
        dataset=dataset,
        method=method,
        seed=seed,
        replicate=0,
        series={"test_accuracy": np.array([0.9, *(0.3 + 0.6 * rng.random(3))])},
        outputs={"digits": Outputs(logits=logits, iterations=(0, 1, 2, 3))},
        weights={"initial": Weights(values=start, iterations=(0,))},
        provenance={"recipe": {"prune": {"rewind": rewind}}, "seeds": {"init": f"{seed:08x}"}},
    )


def retrained(source, target, seed):
    """A run as `maskstat.retrain` stores it."""
    run = make("l1", seed, dataset=source)
    parent = {"path": f"{source}.h5", "run": run.run_id, "digest": None, "method": "l1",
              "iterations": [1]}  # fmt: skip
    return Run.from_masks(
        f"{source}-{target}-{seed}",
        [run.mask(1)],
        model="tiny",
        dataset=target,
        seed=seed,
        series={
            "test_accuracy": np.array([np.nan, 0.5 + 0.1 * seed]),
            "validation_accuracy": np.array([np.nan, 0.5]),
        },
        provenance={
            "kind": "retrain",
            "parents": [parent],
            "ticket": {"kind": "bespoke", "sourced_on": [source]},
            "settings": {"train": {"epochs": 2}},
            "dataset": {"test": 30},
        },
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Archives by what they are for."""
    folder = tmp_path_factory.mktemp("paganini")
    made = {
        "sweep": [make(m, s, r) for m in ("l1", "l2") for s in (0, 1) for r in ("initial", "none")],
        "tasks": [make("l1", s, dataset=d) for s in (0, 1) for d in ("mnist", "kmnist")],
        "tickets": [retrained(*k) for k in (("mnist", "kmnist", 0), ("mnist", "kmnist", 1))],
    }
    found = {}
    for name, runs in made.items():
        found[name] = []
        for index, run in enumerate(runs):
            found[name].append(str(folder / f"{name}-{index}.h5"))
            write(found[name][-1], [run])
    return found


ARGUMENTS = {
    "accuracy": ("sweep", ["--group-by", "method,rewind", "--per-run"]),
    "agreement": ("sweep", ["--differ", "rewind"]),
    "composition": ("tasks", ["--select", "seed=0", "--at-least", "1"]),
    "contrast": ("sweep", []),
    "tickets": ("tickets", []),
    "weights": ("tasks", ["--spread"]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_writes_a_figure_and_says_so(files, tmp_path, run_cli, kind):
    which, options = ARGUMENTS[kind]
    for format_ in ("svg", "png"):
        output = tmp_path / f"figure.{format_}"
        result = run_cli("plot", kind, *files[which], *options, "-o", output)
        assert (result.exit_code, result.stdout) == (0, ""), result.stderr
        assert result.stderr.endswith(f" -> {output}\n")
        assert result.stderr.count("\n") == 1
        assert output.read_bytes().startswith(MAGIC[format_])


@pytest.fixture
def drawn(monkeypatch, run_cli):
    """Draw, and hand out the figure that would be saved."""

    def draw(*arguments):
        saved = []
        monkeypatch.setattr(
            "maskstat.figures.style.save", lambda figure, *_, **__: saved.append(figure)
        )
        result = run_cli("plot", *arguments, "-o", "-")
        assert result.exit_code == 0, result.stderr
        return saved[0]

    return draw


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_accuracy_takes_its_options(files, drawn):
    figure = drawn("accuracy", *files["sweep"])
    assert legend_of(figure) == ["l1", "l2", "not pruned"]
    assert " ".join(figure.get_supxlabel().split()).endswith(
        "over 4 runs that differ in rewind, seed"
    )
    figure = drawn("accuracy", *files["sweep"], "--select", "method=l2", "--group-by", "seed",
                   "--x", "density", "--scale", "linear")  # fmt: skip
    assert legend_of(figure) == ["seed 0", "seed 1"]
    (axes,) = figure.axes
    assert axes.get_xscale() == "linear"
    assert max(axes.get_lines()[0].get_xdata()) == 1


def test_contrast_takes_its_options(files, drawn):
    figure = drawn("contrast", *files["sweep"], "--differ", "method", "--baseline", "l2",
                   "--layer", "fc1*", "--iteration", "2-3")  # fmt: skip
    assert [axes.get_title().split("\n")[0] for axes in figure.axes] == ["fc1", "total"]
    assert figure.axes[0].get_lines()[0].get_xdata().tolist() == [2, 3]
    assert legend_of(figure)[:-1] == ["rewound", "finetuned"]
    assert figure.get_suptitle() == "l2 and l1: tiny on digits"


def test_the_matrix_is_of_the_last_iteration_unless_told(files, drawn):
    runs = [path for index, path in enumerate(files["sweep"]) if index % 2 == 0]
    assert drawn("agreement", *runs, "--matrix").get_suptitle().endswith("iteration 3")
    figure = drawn("agreement", *runs, "--matrix", "--iteration", "1")
    assert figure.get_suptitle().endswith("iteration 1")
    curves = drawn("agreement", *runs)
    assert curves.axes[0].get_lines()[0].get_xdata().tolist() == [1, 2, 3]


def test_weights_take_one_initialization_and_their_spread_several(files, drawn, run_cli, tmp_path):
    figure = drawn("weights", *files["tasks"], "--select", "seed=1", "--bins", "7")
    assert all(len(patch.get_data().values) == 7 for patch in figure.axes[0].patches)
    refused = run_cli("plot", "weights", *files["tasks"], "-o", tmp_path / "figure.png")
    assert refused.exit_code == 3
    assert "other-start" in refused.stderr
    figure = drawn("weights", *files["tasks"], "--spread")
    assert "2 initializations" in figure.get_supxlabel()


def test_tickets_average_over_seeds(files, drawn):
    figure = drawn("tickets", *files["tickets"])
    (axes,) = figure.axes
    assert 100 * statistics.mean([0.5, 0.6]) == pytest.approx(axes.get_lines()[0].get_ydata()[0])
    assert figure.get_suptitle() == "Tickets on tasks: tiny, 2 epochs"


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["accuracy", "{sweep[0]}", "--group-by", "colour"], 2, "unknown-group"),
        (["accuracy", "missing.h5"], 3, "missing.h5"),
        (["accuracy", "{sweep[0]}", "--scale", "log"], 2, "--scale"),
        (["contrast", "{sweep[0]}", "{sweep[2]}"], 2, "no-twins"),
        (["contrast", "{sweep[0]}", "{sweep[1]}", "--baseline", "epoch:2"], 2, "no-baseline"),
        (["agreement", "{sweep[0]}", "{sweep[4]}", "--dataset", "x"], 3, "no-outputs"),
        (["tickets", "{sweep[0]}"], 3, "not-retrained"),
        (["composition", "{tasks[0]}", "{tasks[1]}", "--threshold", "2"], 2, "bad-threshold"),
        (["weights", "{tickets[0]}"], 3, "no-weights"),
    ],
    ids=lambda value: "-".join(value)[:40] if isinstance(value, list) else str(value),
)
def test_what_cannot_be_drawn_leaves_nothing(files, tmp_path, run_cli, arguments, status, said):
    words = [word.format(**files) for word in arguments]
    result = run_cli("plot", *words, "-o", tmp_path / "figure.png")
    assert (result.exit_code, result.stdout) == (status, "")
    assert said in result.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_help_with_an_example_and_its_figures(run_cli, kind):
    result = run_cli("plot", kind, "--help")
    assert result.exit_code == 0
    assert f"\n  Example:\n    maskstat plot {kind} " in result.stdout
    text = " ".join(result.stdout.split())
    assert "Paganini & Forde 2020, Figure" in text
    assert kind in run_cli("plot", "--help").stdout


# Table 1.


def test_parameters_left_count_biases_and_what_has_an_effect(files, run_cli, json_of):
    paths = files["sweep"][:4]
    result = run_cli("connectivity", *paths, "--group-by", "method", "-f", "json")
    rows = json_of(result)["rows"]
    assert [(row["group"], row["iteration"], row["n"]) for row in rows] == [
        ("l1", 1, 4), ("l1", 2, 4), ("l1", 3, 4),
    ]  # fmt: skip
    runs = [make("l1", s, r) for s in (0, 1) for r in ("initial", "none")]
    for row in rows:
        assert (row["parameters"], row["unpruned"]) == (20 * 12 + 5 * 20 + 24, 24)
        totals = [connectivity((run, row["iteration"])).where(layer="total")[0] for run in runs]
        for column, counted in (
            ("left", "kept"), ("effective", "effective_output"), ("effective_both",) * 2,
        ):  # fmt: skip
            expected = 24 + statistics.mean(total[counted] for total in totals)
            assert row[column] == pytest.approx(expected)
        sd = statistics.stdev(total["effective_output"] for total in totals)
        assert row["effective_sd"] == pytest.approx(sd)
        assert row["effective"] <= row["left"]


def test_parameters_left_refuse_options_that_do_nothing(files, run_cli):
    result = run_cli("connectivity", files["sweep"][0], "--group-by", "model", "--bias", "ignore")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--bias does nothing with --group-by" in result.stderr
