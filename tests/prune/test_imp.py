from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from maskstat.bits import count
from maskstat.errors import OutputExistsError, TrainingError, UsageError
from maskstat.prune import Recipe, Silent, prune
from maskstat.prune.engines.engine import Settings
from maskstat.prune.imp import iterate
from maskstat.prune.models.model import Model
from maskstat.prune.models.registry import MODELS, build
from maskstat.prune.network import Network, State
from maskstat.prune.record import unpack_mask
from maskstat.prune.session import deterministic_torch
from maskstat.prune.trial import Publish, Trial
from maskstat.prune.workshop import Workshop
from maskstat.run import Run
from maskstat.stats.connect import connectivity


def content(run: Run) -> dict[str, Any]:
    """Everything that a run holds but its times, comparable."""
    return {
        "id": (run.run_id, run.status, run.seed, run.replicate, run.recipe_digest),
        "graph": run.layout.graph,
        "masks": [run.mask(t).words().tolist() for t in range(run.n_iterations)],
        "kept": run.kept.tolist(),
        "effective": None if run.effective is None else run.effective.tolist(),
        "series": {name: values.tobytes() for name, values in run.series.items()},
        "weights": {
            kind: (stored.iterations, np.asarray(stored.values[:]).tobytes())
            for kind, stored in run.weights.items()
        },
        "others": {kind: np.asarray(values[:]).tobytes() for kind, values in run.others.items()},
        "outputs": {
            name: (stored.iterations, np.asarray(stored.logits[:]).tobytes())
            for name, stored in run.outputs.items()
        },
        "provenance": json.dumps(run.provenance, sort_keys=True),
    }


class CrashError(Exception):
    """The process died."""


def crash_after(recipe: Recipe, iterations: int) -> Run:
    """Run until so many iterations are published; return what was published last."""
    published: list[Run] = []

    def publish(run: Run) -> None:
        published.append(run)
        if len(published) == iterations:
            raise CrashError

    with pytest.raises(CrashError):
        run_through(recipe, publish=publish)
    return published[-1]


def run_through(recipe: Recipe, *, earlier: Run | None = None, publish: Publish) -> Run:
    """Run a recipe, each publication seen."""
    with deterministic_torch():
        trial, engine = Workshop().trial(recipe, publish=publish, progress=Silent())
        if earlier is not None:
            trial.resume(earlier)
        iterate([trial], engine)
    if trial.failure is not None:
        raise trial.failure
    return trial.run()


def go_on(recipe: Recipe, earlier: Run) -> Run:
    return run_through(recipe, earlier=earlier, publish=lambda _: None)


@pytest.mark.parametrize("method", ["global-unstructured", "l1-unstructured"])
def test_counts_are_exact_and_masks_nest(tiny, method):
    run = prune(tiny, method=method, iterations=4)
    assert run.status == "complete"
    assert run.n_iterations == 5
    groups = [[n] for n in run.layout.sizes.tolist()]
    if method == "global-unstructured":
        groups = [run.layout.sizes.tolist()]
    expected = [sum(group) for group in groups]
    for t in range(5):
        if t:
            expected = [n - round(0.2 * n) for n in expected]
            assert run.mask(t) <= run.mask(t - 1)
        assert int(run.kept[t].sum()) == sum(expected)
        if method == "l1-unstructured":
            assert run.kept[t].tolist() == expected
        assert run.kept[t].tolist() == [
            int(mask.sum()) for mask in run.mask(t).to_arrays().values()
        ]
        assert count(run.mask(t).words()) == sum(expected)
    assert run.mask(0).n_kept == run.layout.size


def test_masks_keep_the_largest_weights_of_the_iteration_before(tiny):
    run = prune(tiny, save_weights="all")
    for t in (1, 2):
        weights = np.abs(run.weight("final", t - 1))
        before, after = (
            np.concatenate([m.reshape(-1) for m in run.mask(i).to_arrays().values()])
            for i in (t - 1, t)
        )
        assert (weights[~before] == 0).all()
        assert weights[after].min() >= weights[before & ~after].max()
        assert (run.weight("final", t)[~after] == 0).all()


def drawn_for(recipe: Recipe, iteration: int) -> State:
    """The values of a new LeNet, from the stream of an iteration."""
    generator = recipe.streams.generator("init", iteration)
    return Network(build("lenet", (1, 8, 8), 10, generator=generator)).state()


def test_random_rewinding_draws_everything_anew_for_every_iteration(tiny):
    recipe = tiny.replace(rewind="random", lr=1e-30, save_weights="all")  # which moves nothing
    run = prune(recipe)
    for t in range(3):
        kept = unpack_mask(run.mask(t).words(), run.layout)
        expected = np.where(kept, drawn_for(recipe, t).weights, 0)
        np.testing.assert_array_equal(run.weight("final", t), expected)
    np.testing.assert_array_equal(run.others["final"], drawn_for(recipe, 2).others)


@pytest.mark.parametrize("rewind", ["initial", "none", "epoch:1", "random"])
def test_criteria_compare_with_the_weights_that_were_drawn(tiny, rewind):
    """Those of the run, whatever it is rewound to; where each training has its own, these."""
    recipe = tiny.replace(rewind=rewind, criterion="large-init", epochs=2)
    run = prune(recipe)
    drawn = [run.weight("initial")] * 2
    if rewind == "random":
        drawn[1] = drawn_for(recipe, 1).weights
    for t, weights in enumerate(map(np.abs, drawn)):
        before, after = (unpack_mask(run.mask(i).words(), run.layout) for i in (t, t + 1))
        assert weights[after].min() >= weights[before & ~after].max()


def test_two_runs_are_the_same_bit_for_bit(tiny):
    recipe = tiny.replace(save_weights="all", save_outputs=True)
    assert content(prune(recipe)) == content(prune(recipe))


def test_the_seed_changes_everything(tiny):
    one, two = prune(tiny, iterations=1), prune(tiny, iterations=1, seed=1)
    model = [run.provenance["model"]["initial_digest"] for run in (one, two)]
    assert model[0] != model[1]
    assert one.mask(1) != two.mask(1)


def test_order_may_vary_while_the_rest_stays(tiny):
    one, two = (prune(tiny, iterations=1, vary=("order",), replicate=r) for r in (0, 1))
    assert (one.replicate, two.replicate) == (0, 1)
    assert one.run_id != two.run_id
    assert (one.weight("initial") == two.weight("initial")).all()
    assert one.provenance["dataset"] == two.provenance["dataset"]
    assert one.mask(1) != two.mask(1)


def test_random_pruning_depends_on_the_seed_alone(tiny):
    one, two = (
        prune(tiny, method="random-unstructured", epochs=e, lr=lr)
        for e, lr in ((1, 0.1), (2, 0.01))
    )
    assert one.mask(2) == two.mask(2)
    other = prune(tiny, method="random-unstructured", seed=1)
    assert other.mask(2) != one.mask(2)
    assert other.kept.tolist() == one.kept.tolist()


def test_torch_is_left_as_it_was(tiny):
    torch.set_num_threads(2)
    before = torch.get_rng_state()
    with torch.inference_mode():
        prune(tiny, iterations=0)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)


@pytest.mark.parametrize("crash", [1, 2, 3])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"save_weights": "all", "save_outputs": True, "method": "random-unstructured"},
        {"save_weights": "none", "rewind": "none", "momentum": 0.5, "exclude": ("conv*",)},
        {"save_weights": "none", "rewind": "epoch:1", "epochs": 2, "method": "l2-structured"},
        {"rewind": "random", "criterion": "movement", "augment": ("flip", "crop")},
        {"vary": ("order",), "replicate": 2, "engine": "ensemble", "levels": (0.5, 0.6, 0.9)},
    ],
    ids=["default", "everything", "nothing", "late", "random", "levels"],
)
def test_a_crash_leaves_no_trace(tiny, changes, crash):
    recipe = tiny.replace(iterations=3, **changes)
    whole = prune(recipe)
    partial = crash_after(recipe, crash)
    assert partial.status == "partial"
    assert partial.n_iterations == crash
    assert content(go_on(recipe, partial)) == content(whole)


def test_a_crash_after_the_last_iteration_leaves_no_trace(tiny):
    whole = crash_after(tiny, 3)
    assert whole.status == "complete"
    assert content(go_on(tiny, whole)) == content(whole)


def test_rewinding_is_to_the_initial_weights_or_not_at_all(tiny):
    rewound, tuned = prune(tiny, save_weights="all"), prune(tiny, save_weights="all", rewind="none")
    assert rewound.mask(1) == tuned.mask(1)
    assert (rewound.weight("final", 0) == tuned.weight("final", 0)).all()
    assert tuned.series["train_loss"][2, 0] < rewound.series["train_loss"][2, 0]


@pytest.mark.parametrize(
    ("save", "stored"),
    [
        ("none", {}),
        ("initial", {"initial": (0,)}),
        ("last", {"initial": (0,), "final": (2,)}),
        ("all", {"initial": (0,), "final": (0, 1, 2)}),
    ],
)
def test_what_is_stored(tiny, save, stored):
    run = prune(tiny, save_weights=save)
    assert {kind: weights.iterations for kind, weights in run.weights.items()} == stored
    assert set(run.others) == set(stored)
    for weights in run.weights.values():
        assert weights.values.shape == (len(weights.iterations), run.layout.size)
    assert {name: values.shape for name, values in run.series.items()} == {
        "train_loss": (3, 1),
        "validation_loss": (3, 1),
        "validation_accuracy": (3,),
        "test_accuracy": (3,),
        "test_loss": (3,),
    }
    assert not run.outputs


@pytest.mark.parametrize(
    ("save", "stored"), [("none", set()), ("last", {"initial", "rewind", "final"})]
)
def test_what_is_rewound_to_is_stored_with_the_weights(tiny, save, stored):
    run = prune(tiny, iterations=1, epochs=2, rewind="epoch:1", save_weights=save)
    assert set(run.weights) == set(run.others) == stored


def test_outputs_say_what_the_accuracy_says(tiny):
    run = prune(tiny, save_outputs=True)
    outputs = run.outputs["digits"]
    assert outputs.logits.shape == (3, 359, 10)
    right = np.asarray(outputs.logits[:]).argmax(2) == outputs.labels
    assert right.mean(1).tolist() == run.series["test_accuracy"].tolist()


def test_where_it_comes_from(tiny):
    run = prune(tiny, iterations=0)
    assert run.provenance["recipe"] == tiny.replace(iterations=0).to_dict()
    assert run.replicate is None, "nothing varies"
    assert run.provenance["environment"]["torch"] == torch.__version__
    assert run.provenance["environment"]["threads"] == 1
    assert run.provenance["warnings"] == []
    assert len(run.layout.graph) == 14
    assert run.clock["seconds"][0] > 0
    assert "seconds" not in json.dumps(run.provenance)


def test_times_stand_still_under_source_date_epoch(tiny, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert prune(tiny, iterations=1).clock == {
        "started": "1970-01-02T00:00:00+00:00",
        "ended": "1970-01-02T00:00:00+00:00",
        "seconds": [0.0, 0.0],
    }
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(UsageError):
        prune(tiny)


def fail_at(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Let the loss stop being finite at one iteration."""
    calm = Trial.settings.fget

    def settings(trial: Trial) -> Settings:
        return replace(calm(trial), lr=1e30) if trial.iteration == at else calm(trial)

    monkeypatch.setattr(Trial, "settings", property(settings))


@pytest.mark.parametrize("at", [0, 1, 2])
def test_what_is_whole_is_published_when_training_fails(tiny, monkeypatch, at):
    fail_at(monkeypatch, at)
    published: list[Run] = []
    with pytest.raises(TrainingError) as caught:
        run_through(tiny, publish=published.append)
    assert caught.value.exit_status == 5
    assert caught.value.place.endswith(f"@{at}")
    failed = published[-1]
    assert failed.status == "failed"
    assert failed.provenance["failure"]["code"] == "non-finite-loss"
    assert failed.provenance["failure"]["iteration"] == at
    assert failed.n_iterations == max(at, 1)
    assert set(failed.series) == (set() if at == 0 else set(published[0].series))

    monkeypatch.undo()
    assert content(go_on(tiny, failed)) == content(prune(tiny))


@pytest.mark.parametrize(
    ("part", "name"), [("environment", "torch"), ("dataset", "digest"), ("model", "initial_digest")]
)
def test_what_another_machine_began_is_not_continued(tiny, part, name):
    partial = crash_after(tiny, 1)
    origin = {**partial.provenance, part: {**partial.provenance[part], name: "another"}}
    with pytest.raises(OutputExistsError) as caught:
        go_on(tiny, replace(partial, provenance=origin))
    assert caught.value.code == "other-environment"
    assert "another" in caught.value.fact


def test_provenance_that_is_none_is_not_continued_and_times_that_are_none_are_left_out(tiny):
    """Anybody may have written them."""
    partial = crash_after(tiny, 1)
    for lacking in ([], None, "text", {}):
        with pytest.raises(OutputExistsError) as caught:
            go_on(tiny, replace(partial, provenance={**partial.provenance, "model": lacking}))
        assert caught.value.code == "other-environment"
    for clock in ({}, {"seconds": 5}, {"seconds": ["x", None, 1]}):
        whole = go_on(tiny, replace(partial, clock=clock))
        assert (whole.status, content(whole)) == ("complete", content(prune(tiny)))


def test_a_network_that_cannot_be_traced_is_pruned_all_the_same(tiny, monkeypatch):
    class Odd(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = torch.nn.Linear(64, 10)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            flat = x.flatten(1)
            return self.fc(flat if flat.sum() > 1e9 else flat + 0)

    odd = Model(
        make=lambda shape, classes: Odd(),
        takes=lambda shape: shape,
        fits=lambda shape: True,
        expects="",
    )
    monkeypatch.setitem(MODELS, "odd", odd)
    run = prune(tiny, model="odd")
    assert run.layout.graph == ()
    assert "graph is not known" in run.provenance["warnings"][0]
    assert run.mask(2).n_kept == 640 - 128 - 102
    assert run.effective is None


def test_effective_counts_are_those_of_the_statistics(tiny):
    run = prune(tiny, method="l1-structured", iterations=3)
    rows = connectivity(run, iteration="0-3").where(layer="fc1.weight")
    expected = [[row["effective_output"], row["effective_both"]] for row in rows]
    fc1 = [layer.name for layer in run.layout.layers].index("fc1.weight")
    assert run.effective[:, fc1].tolist() == expected
    assert (run.effective[:, :, 1] <= run.kept).all()


def test_a_layer_that_is_emptied_is_said(tiny):
    listener = Listener()
    run = prune(
        tiny,
        fraction=0.99,
        iterations=2,
        exclude=("fc*",),
        criterion="small-final",
        method="layer-kind",
        progress=listener,
    )
    empty = [
        [name for name, n in zip(run.layout.names, kept, strict=True) if not n] for kept in run.kept
    ]
    assert empty[1]
    for name in empty[1]:
        assert (
            f"layer '{name}' has no weight left from iteration 1 on" in run.provenance["warnings"]
        )
    assert [what for kind, what in listener.told if kind == "note"] == [
        f"{run.run_id}@{t}: layer {name} has no weight left"
        for t, names in enumerate(empty)
        for name in names
    ]


def test_levels_are_shares_of_the_original_size(tiny):
    run = prune(tiny, levels=(0.5, 0.6, 0.98), method="l1-unstructured")
    sizes = run.layout.sizes.tolist()
    assert run.kept[1:].tolist() == [[n - round(x * n) for n in sizes] for x in (0.5, 0.6, 0.98)]


def test_rewinding_to_an_epoch_continues_from_it(tiny):
    recipe = tiny.replace(epochs=3, iterations=1, save_weights="all")
    late = prune(recipe, rewind="epoch:2")
    short = prune(recipe, epochs=2)
    assert (late.weight("rewind") == short.weight("final", 0)).all()
    losses = late.series["train_loss"]
    assert np.isnan(losses[1, :2]).all()
    assert np.isfinite(losses[0]).all()
    assert np.isfinite(losses[1, 2])


def test_replicates_part_where_they_are_told_to(tiny):
    recipe = tiny.replace(epochs=2, iterations=1, vary=("order",))
    shared = [prune(recipe, replicate=r, diverge_at=2) for r in (0, 1)]
    assert shared[0].mask(1) == shared[1].mask(1)
    partly = [prune(recipe, replicate=r, diverge_at=1) for r in (0, 1)]
    losses = [run.series["train_loss"][0] for run in partly]
    assert losses[0][0] == losses[1][0]
    assert losses[0][1] != losses[1][1]


def test_the_output_layer_is_kept(tiny):
    run = prune(tiny, keep_output=True, method="l1-structured")
    assert "fc3.weight" not in [layer.name for layer in run.layout.layers]
    assert run.provenance["model"]["unpruned"] == ["fc3.weight"]


def test_random_pruning_is_the_same_on_every_task(tiny, tmp_path):
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "noise.npz",
        x_train=rng.integers(0, 255, (300, 8, 8), np.uint8),
        y_train=np.arange(300) % 10,
        x_test=rng.integers(0, 255, (40, 8, 8), np.uint8),
        y_test=np.arange(40) % 10,
    )
    one = prune(tiny, method="random-unstructured")
    two = prune(tiny, method="random-unstructured", dataset=str(tmp_path / "noise.npz"))
    assert [one.mask(t) == two.mask(t) for t in range(3)] == [True] * 3
    assert one.provenance["dataset"]["digest"] != two.provenance["dataset"]["digest"]


class Listener(Silent):
    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def start(self, **what: Any) -> None:
        self.told.append(("start", what))

    def epoch(self, **what: Any) -> None:
        self.told.append(("epoch", (what["iteration"], what["epoch"])))

    def iteration(self, **what: Any) -> None:
        self.told.append(("iteration", (what["iteration"], what["kept"], what["size"])))

    def note(self, text: str) -> None:
        self.told.append(("note", text))


def test_progress(tiny):
    listener = Listener()
    run = prune(tiny, iterations=1, epochs=2, progress=listener)
    assert listener.told == [
        ("start", {"run_id": run.run_id, "iterations": 2, "epochs": 2, "done": 0}),
        ("epoch", (0, 1)),
        ("epoch", (0, 2)),
        ("iteration", (0, 19_518, 19_518)),
        ("epoch", (1, 1)),
        ("epoch", (1, 2)),
        ("iteration", (1, 15_614, 19_518)),
    ]


@pytest.mark.parametrize("name", ["model", "dataset", "method"])
def test_names_that_are_not_there(tiny, name):
    with pytest.raises(UsageError) as caught:
        prune(tiny, **{name: "nothing"})
    assert caught.value.code == f"unknown-{name}"
