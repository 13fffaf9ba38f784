"""Retraining: what is trained is the ticket, from its own start, and the archive says so."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

import maskstat
from maskstat.archive import open_archive, write
from maskstat.errors import (
    InputError,
    LayoutMismatchError,
    NotFoundError,
    OutputExistsError,
    StorageError,
    UsageError,
)
from maskstat.mask import Layout, Mask
from maskstat.prune import Recipe, Silent, prune
from maskstat.prune.data.parts import split
from maskstat.prune.data.registry import load
from maskstat.prune.models.registry import build
from maskstat.prune.retrain import retrain
from maskstat.prune.retraining import Retraining, tabulate
from maskstat.prune.streams import Streams
from maskstat.prune.tickets import Ticket
from maskstat.run import Run, Weights

TINY = Recipe(iterations=2, epochs=1, batch_size=128, save_weights="all")


class Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.trained = 0

    def start(self, *, iterations: int, **_: object) -> None:
        self.trained = iterations

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of one initialization and their consensus."""
    path = tmp_path_factory.mktemp("tickets")
    a = prune(TINY, output=path / "a.h5")
    b = prune(TINY, vary=("order",), replicate=1, output=path / "b.h5")
    write(path / "both.h5", [maskstat.consensus(a, b).to_run("both")])
    return path


@pytest.fixture(scope="module")
def a(folder: Path) -> Run:
    return maskstat.read(folder / "a.h5")


@pytest.fixture(scope="module")
def b(folder: Path) -> Run:
    return maskstat.read(folder / "b.h5")


@pytest.fixture(scope="module")
def both(folder: Path) -> Run:
    return maskstat.read(folder / "both.h5")


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Another task, with ten classes and images of 12x12: which row and column are bright."""
    return make_npz(tmp_path_factory.mktemp("data") / "shapes.npz", classes=10)


def make_npz(path: Path, *, classes: int) -> str:
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in (("train", 200), ("test", 50)):
        y = np.arange(n) % classes
        x = rng.integers(0, 60, (n, 12, 12)).astype(np.uint8)
        x[np.arange(n), y] = 250
        arrays |= {f"x_{part}": x, f"y_{part}": y}
    np.savez(path, **arrays)
    return str(path)


def only(result: Retraining) -> Run:
    (run,) = result.runs
    return run


def bare(run: Run, **changes: Any) -> Run:
    """A run as another program would have left it."""
    return replace(run, **{"provenance": {}, "digest": "", "place": "", **changes})


def test_the_dense_network_is_trained_as_prune_trains_it(a):
    run = only(retrain([(a, 0)], datasets="digits"))
    for name in ("train_loss", "validation_loss", "test_accuracy", "test_loss"):
        np.testing.assert_array_equal(run.series[name][1], a.series[name][0])
        assert np.isnan(run.series[name][0]).all()
    np.testing.assert_array_equal(run.weight("final"), a.weight("final", 0))


def test_at_initialization_it_is_the_masked_initial_network(a):
    """An evaluation of its own: torchless masks, a fresh module, one forward pass."""
    run = only(retrain(a, datasets="digits", epochs=0, save_outputs=True))
    module = build("lenet", (1, 8, 8), 10, generator=torch.Generator().manual_seed(1))
    weights, others = a.weight("initial"), a.others["initial"][:]
    state = {
        x.name: weights[x.weight_offset : x.weight_offset + x.size].reshape(x.shape)
        * a.mask().layer(x.name)
        for x in a.layout.layers
    } | {x.name: others[x.offset : x.offset + x.size].reshape(x.shape) for x in a.layout.others}
    module.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    parts = split(load("digits"), generator=Streams(seed=0).generator("split"))
    with torch.no_grad():
        logits = module.eval()(parts.test.inputs(torch.arange(359)))
    labels = torch.from_numpy(load("digits").test_labels)
    assert run.series["test_accuracy"][1] == (logits.argmax(1) == labels).sum().item() / 359
    assert run.series["test_loss"][1] == pytest.approx(float(cross_entropy(logits, labels)))
    stored = run.outputs["digits"]
    assert stored.iterations == (1,)
    np.testing.assert_allclose(stored.logits[0], logits.numpy(), rtol=1e-4, atol=1e-5)
    assert "train_loss" not in run.series


def test_the_run_is_the_ticket(a, folder, tmp_path):
    run = only(retrain(a, datasets="digits", output=tmp_path / "x.h5"))
    assert (run.n_iterations, run.method, run.seed, run.status) == (2, "retrain", 0, "complete")
    assert run.mask(0).density == 1
    assert run.mask(1) == a.mask()
    kept = np.concatenate([run.mask(1).layer(x.name).reshape(-1) for x in run.layout.layers])
    assert not run.weight("final")[~kept].any()
    assert (run.weight("final") != run.weight("initial"))[kept].mean() > 0.5
    np.testing.assert_array_equal(run.weight("initial"), a.weight("initial"))
    told = run.provenance
    assert told["kind"] == "retrain"
    assert told["ticket"]["kind"] == "bespoke"
    assert told["ticket"]["sourced_on"] == ["digits"]
    (parent,) = told["parents"]
    assert parent["path"] == str(folder / "a.h5")
    assert (parent["digest"], parent["iterations"]) == (a.digest, [2])
    assert told["seeds"]["init"] == a.provenance["seeds"]["init"]
    assert told["model"]["initial_digest"] == a.provenance["model"]["initial_digest"]
    assert told["settings"]["train"]["batch_size"] == 128
    assert told["environment"].keys() == a.provenance["environment"].keys()
    assert all(f.ok for f in maskstat.verify(tmp_path / "x.h5").findings)


def test_same_digest_again_alone_or_in_company(a, both, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    together = retrain(
        [a, both], datasets="digits", random=True, seeds=range(3), output=tmp_path / "all"
    )
    settings = {"seeds": 1, "batch_size": 128, "epochs": 1}
    alone = only(retrain(both, datasets="digits", output=tmp_path / "one", **settings))
    (same,) = (run for run in together.runs if run.run_id == alone.run_id)
    assert same.digest == alone.digest
    one, other = (tmp_path / name / f"{alone.run_id}.h5" for name in ("all", "one"))
    assert one.read_bytes() == other.read_bytes()


def test_kinds_and_their_start(a, both):
    result = retrain([a, both], datasets="digits", random=True, epochs=0)
    assert [row["kind"] for row in result.rows()] == ["bespoke", "random", "consensus", "random"]
    bespoke, random, consensus, sparse = result.runs
    for run in result.runs:
        np.testing.assert_array_equal(run.weight("initial"), a.weight("initial"))
    assert consensus.mask(1) == both.mask()
    assert random.mask(1) != bespoke.mask(1)
    assert random.kept.tolist() == bespoke.kept.tolist()
    assert sparse.kept.tolist() == consensus.kept.tolist()
    assert random.provenance["parents"] == bespoke.provenance["parents"]
    assert random.provenance["ticket"]["drawn_from_seed"] == 0
    assert (sparse.mask(1) & random.mask(1)) == sparse.mask(1), "those of one seed are nested"


def test_random_tickets_follow_from_the_seed_alone(a, shapes):
    result = retrain([a], datasets=["digits", shapes], random=True, seeds=[0, 1], epochs=0)
    masks = {
        (run.dataset, run.seed): run.mask(1)
        for run in result.runs
        if run.provenance["ticket"]["kind"] == "random"
    }
    assert masks["digits", 0] == masks[shapes, 0]
    assert masks["digits", 0] != masks["digits", 1]


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_random_ticket_has_the_counts_of_its_layers(data):
    sizes = data.draw(st.lists(st.integers(1, 200), min_size=1, max_size=4))
    counts = [data.draw(st.integers(0, size)) for size in sizes]
    mask = Mask.from_arrays(
        {str(i): np.arange(n) < k for i, (n, k) in enumerate(zip(sizes, counts, strict=True))}
    )
    values = np.zeros((1, mask.layout.size), np.float32)
    run = Run.from_masks("x", [mask], weights={"initial": Weights(values=values, iterations=(0,))})
    ticket = Ticket.of(run, 1).random(data.draw(st.integers(0, 9)))
    edges = np.cumsum([0, *sizes])
    kept = ticket.kept()
    assert [int(kept[i:j].sum()) for i, j in pairwise(edges)] == counts


def test_every_layer_of_a_random_ticket_is_drawn_for_itself():
    half = np.arange(64) < 32
    mask = Mask.from_arrays({"one": half, "two": half})
    values = np.zeros((1, 128), np.float32)
    run = Run.from_masks("x", [mask], weights={"initial": Weights(values=values, iterations=(0,))})
    kept = Ticket.of(run, 1).random(0).kept()
    assert (kept[:64] != kept[64:]).any()


@pytest.mark.parametrize(
    ("parents", "seed", "init_seed"),
    [
        ([{"seed": 3, "init_seed": "3f"}, {"seed": 3, "init_seed": "3f"}], 3, "3f"),
        ([{"seed": 3, "init_seed": "3f"}, {"seed": 4, "init_seed": "4f"}], 0, None),
        ([], 0, None),
    ],
)
def test_a_consensus_has_the_seeds_that_its_parents_agree_on(both, parents, seed, init_seed):
    told = {key: value for key, value in both.provenance.items() if key != "seeds"}
    ticket = Ticket.of(replace(both, provenance={**told, "parents": parents}, seed=None), 1)
    assert (ticket.seed, ticket.init_seed) == (seed, init_seed)


def test_another_task_is_brought_to_the_network(a, shapes):
    run = only(retrain(a, datasets=shapes, epochs=2, batch_size=16))
    assert run.dataset == shapes
    assert run.provenance["dataset"]["shape"] == [1, 12, 12]
    assert run.provenance["dataset"]["input"] == [1, 8, 8]
    assert run.provenance["ticket"]["sourced_on"] == ["digits"]


def test_another_number_of_classes_is_refused(a, tmp_path):
    task = make_npz(tmp_path / "five.npz", classes=5)
    with pytest.raises(InputError, match=r"5 classes.* 10 ") as caught:
        retrain(a, datasets=["digits", task], output=tmp_path / "out")
    assert caught.value.code == "other-classes"
    assert not (tmp_path / "out").exists()


def test_a_start_that_is_not_stored_is_drawn_again(a):
    lean = prune(TINY, save_weights="none")
    assert not lean.weights
    first, second = (only(retrain(run, datasets="digits")) for run in (a, lean))
    assert first.recipe_digest == second.recipe_digest
    np.testing.assert_array_equal(first.weight("final"), second.weight("final"))


def test_a_start_that_cannot_be_had_is_said(a):
    with pytest.raises(NotFoundError, match="no initial weights") as caught:
        retrain(bare(a, weights={}), datasets="digits")
    assert caught.value.code == "no-initial-weights"
    assert "--save-weights initial" in caught.value.hint
    with pytest.raises(NotFoundError, match="no initial biases"):
        retrain(bare(a, others={}), datasets="digits")
    recipe = {**a.provenance["recipe"], "random": {"seed": 7}}
    false = replace(a, weights={}, provenance={**a.provenance, "recipe": recipe})
    with pytest.raises(InputError, match="not those it began with"):
        retrain(false, datasets="digits")


def test_code_that_a_file_names_is_not_run(a):
    recipe = {**a.provenance["recipe"], "model": "os:getcwd"}
    other = replace(a, provenance={**a.provenance, "recipe": recipe})
    with pytest.raises(UsageError, match="unless you name it"):
        retrain(other, datasets="digits")
    with pytest.raises(UsageError, match="is not run"):
        retrain(replace(other, weights={}), datasets="digits")
    assert retrain(other, datasets="digits", model="lenet", epochs=0).rows()


def test_the_network_must_be_the_tickets(a):
    with pytest.raises(LayoutMismatchError) as caught:
        retrain(a, datasets="digits", input="1x28x28")
    assert caught.value.consequence == "the ticket is of another network"


def test_layers_that_were_never_pruned():
    run = prune(TINY, exclude=("fc*",), keep_output=False)
    assert run.layout.names == ("conv1.weight", "conv2.weight")
    again = only(retrain(bare(run), datasets="digits", epochs=1, batch_size=128))
    assert again.layout.others == run.layout.others
    assert again.series["test_accuracy"][1] > 0.1


def test_what_only_prunings_know_of_does_not_hinder_training():
    late = {"epochs": 2, "rewind": "epoch:1", "vary": ("order",), "replicate": 1, "diverge_at": 1}
    run = prune(TINY, keep_output=True, **late)
    again = only(retrain(run, datasets="digits", epochs=1))
    assert again.mask(1) == run.mask()


def stranger(ticket):
    """A consensus whose parents say nothing of how they were made."""
    provenance = {key: value for key, value in ticket.provenance.items() if key != "recipe"}
    return replace(ticket, provenance=provenance, digest="")


def test_a_consensus_is_trained_as_its_parents_if_they_are_there(a, both):
    listener = Notes()
    result = retrain([a, both], datasets="digits", progress=listener)
    assert len({run.provenance["settings"]["train"]["batch_size"] for run in result.runs}) == 1
    assert not any("default" in note for note in listener.notes)
    alone = retrain([both], datasets="digits", epochs=0, progress=listener)
    assert alone.runs[0].provenance["settings"]["train"]["batch_size"] == 128  # as its parents
    assert not any("not recorded" in note for note in listener.notes)
    retrain([stranger(both)], datasets="digits", epochs=0, progress=listener)
    assert any("not recorded" in note and "lr 0.1" in note for note in listener.notes)
    retrain([stranger(both), replace(a, digest="")], datasets="digits", epochs=0, progress=listener)
    assert any("train.batch_size is 32" in note and "128" in note for note in listener.notes)


@pytest.mark.parametrize(("batch_size", "agree"), [(128, True), (64, False)])
def test_parents_that_were_trained_differently_say_nothing(a, b, both, batch_size, agree):
    train = {**b.provenance["recipe"]["train"], "batch_size": batch_size}
    recipe = {**b.provenance["recipe"], "train": train}
    other = replace(b, provenance={**b.provenance, "recipe": recipe})
    listener = Notes()
    retrain([stranger(both), a, other], datasets="digits", epochs=0, progress=listener)
    assert any("not recorded" in note for note in listener.notes) is not agree


def test_the_same_ticket_twice_is_trained_once(a):
    listener = Notes()
    result = retrain([a, (a, 2), (a, 1)], datasets="digits", epochs=0, progress=listener)
    assert [row["iteration"] for row in result.rows()] == [2, 1]
    assert any(note.startswith("left out: ") for note in listener.notes)
    assert len(retrain([a], datasets="digits", epochs=0, iteration="all").runs) == 2
    said = replace(a, run_id="said", provenance={**a.provenance, "kind": "consensus"})
    kinds = [row["kind"] for row in retrain([a, said], datasets="digits", epochs=0).rows()]
    assert kinds == ["bespoke", "consensus"], "what came about otherwise is another"


@pytest.mark.parametrize("name", ["runs", "runs.h5"])
def test_what_is_there_is_not_trained_again(a, both, tmp_path, name):
    path = tmp_path / name
    ask = {"datasets": "digits", "output": path, "batch_size": 64}
    first = retrain([a], seeds=[0, 1], **ask)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*.h5")}
    listener = Notes()
    second = retrain([a], seeds=[0, 1], progress=listener, **ask)
    assert (listener.trained, listener.notes) == (0, ["skipped: 2 of 2 trainings are there"])
    assert {p: p.read_bytes() for p in tmp_path.rglob("*.h5")} == before
    assert [run.digest for run in second.runs] == [run.digest for run in first.runs]
    assert second.rows() == first.rows()
    more = retrain([a, both], seeds=[0, 1], random=True, progress=listener, **ask)
    assert listener.trained == 6
    assert {run.digest for run in first.runs} < {run.digest for run in more.runs}
    with pytest.raises(OutputExistsError, match=r"train\.lr is 0.1, not 0.2"):
        retrain([a], seeds=[0, 1], lr=0.2, **ask)
    anew = retrain([a], seeds=[0], lr=0.2, overwrite=True, **ask)
    assert only(anew).provenance["settings"]["train"]["lr"] == 0.2
    if name == "runs.h5":
        assert len(open_archive(path).runs) == 1
        assert sorted(tmp_path.iterdir()) == [path]
    else:
        assert len(list(path.iterdir())) == 8


def test_an_interrupted_command_goes_on(a, tmp_path):
    class Interrupt(Silent):
        def note(self, text: str) -> None:
            if "accuracy" in text:
                self.left -= 1
                if not self.left:
                    raise KeyboardInterrupt

        left = 3

    ask = {"datasets": "digits", "seeds": range(4), "engine": "loop", "epochs": 0}
    with pytest.raises(KeyboardInterrupt):
        retrain(a, output=tmp_path / "x", progress=Interrupt(), **ask)
    there = len(list((tmp_path / "x").iterdir()))
    assert 0 < there < 4
    listener = Notes()
    result = retrain(a, output=tmp_path / "x", progress=listener, **ask)
    assert listener.trained == 4 - there
    whole = retrain(a, output=tmp_path / "y.h5", **ask)
    assert [run.digest for run in result.runs] == [run.digest for run in whole.runs]


def test_what_another_process_wrote_meanwhile_is_left_alone(a, tmp_path):
    path, theirs = tmp_path / "x.h5", tmp_path / "theirs.h5"
    ask = {"datasets": "digits", "epochs": 0}
    retrain(a, seeds=[1], output=path, **ask)
    retrain(a, seeds=[2], output=theirs, **ask)
    before = theirs.read_bytes()

    class Meanwhile(Silent):
        def note(self, text: str) -> None:
            if "accuracy" in text:
                path.write_bytes(before)

    with pytest.raises(OutputExistsError, match="another process"):
        retrain(a, seeds=[3], output=path, progress=Meanwhile(), **ask)
    assert path.read_bytes() == before


def test_other_files_are_not_touched(a, folder, tmp_path):
    pruned = tmp_path / "a.h5"
    pruned.write_bytes((folder / "a.h5").read_bytes())
    with pytest.raises(OutputExistsError, match="not retrained"):
        retrain(a, datasets="digits", output=pruned)
    assert pruned.read_bytes() == (folder / "a.h5").read_bytes()
    text = tmp_path / "notes"
    text.write_text("precious")
    with pytest.raises(StorageError, match="no folder"):
        retrain(a, datasets="digits", output=text)
    with pytest.raises(StorageError):
        retrain(a, datasets="digits", epochs=0, output=tmp_path / "no" / "where")
    with pytest.raises(StorageError):
        retrain(a, datasets="digits", epochs=0, output=tmp_path / "no" / "where.h5")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.h5", "notes"]


def test_a_training_that_fails_is_recorded_and_the_others_go_on(a, tmp_path):
    values = np.full_like(a.weights["initial"].values[:], 1e30)
    bad = bare(a, run_id="bad", weights={"initial": Weights(values=values, iterations=(0,))})
    ask = {"datasets": "digits", "batch_size": 128, "epochs": 1, "output": tmp_path / "x"}
    result = retrain([bad, a], seeds=[0, 1], **ask)
    first, second = result.rows()
    assert (first["n"], first["failed"], second["n"], second["failed"]) == (0, 2, 2, 0)
    assert first["test_accuracy"] is first["sd"] is first["low"] is None
    assert second["test_accuracy"] is not None
    assert [error.code for error in result.failures] == ["non-finite-loss"] * 2
    failed = result.runs[0]
    assert (failed.status, dict(failed.series)) == ("failed", {})
    assert failed.provenance["failure"]["code"] == "non-finite-loss"
    assert failed.mask(1) == a.mask()
    listener = Notes()
    again = retrain([bad, a], seeds=[0, 1], progress=listener, **ask)
    assert listener.trained == 2, "what failed is tried again"
    assert [run.digest for run in again.runs] == [run.digest for run in result.runs]


def test_bands_are_one_standard_deviation_wide(a, b):
    result = retrain([a, b], datasets="digits", seeds=range(3))
    for row, runs in zip(result.rows(), (result.runs[:3], result.runs[3:]), strict=True):
        values = [run.series["test_accuracy"][1] for run in runs]
        assert (row["n"], row["kept"]) == (3, a.mask().n_kept)
        assert row["test_accuracy"] == pytest.approx(mean(values))
        assert row["sd"] == pytest.approx(stdev(values))
        assert row["sd"] > 0
        assert row["high"] - row["low"] == pytest.approx(row["sd"])
        assert row["high"] + row["low"] == pytest.approx(2 * row["test_accuracy"])
    (row,) = tabulate(result.runs, group_by="source").rows()
    assert (row["ticket"], row["n"], row["sourced_on"]) == (None, 6, "digits")
    values = [run.series["test_accuracy"][1] for run in result.runs]
    assert row["test_accuracy"] == pytest.approx(mean(values))
    single = retrain(a, datasets="digits", epochs=0).rows()[0]
    assert (single["n"], single["sd"], single["low"], single["epochs"]) == (1, None, None, 0)


def test_a_table_can_be_made_of_archives(a, both, tmp_path):
    result = retrain([a, both], datasets="digits", random=True, output=tmp_path / "x.h5")
    stored = [open_archive(tmp_path / "x.h5").runs[run.run_id] for run in result.runs]
    assert tabulate(stored).to_dict() == result.to_dict()
    with pytest.raises(InputError, match="no run of a retrained ticket"):
        tabulate([a])
    with pytest.raises(InputError, match="provenance or series"):
        tabulate([replace(a, provenance={"kind": "retrain"})])
    (whole, other) = stored[:2]
    nowhere = [{k: v for k, v in whole.provenance["parents"][0].items() if k != "path"}]
    with pytest.raises(InputError, match="provenance or series"):
        tabulate(
            [replace(whole, provenance={**whole.provenance, "parents": nowhere}), other],
            group_by="source",
        )
    unsaid = replace(whole, status="failed", provenance={**whole.provenance, "failure": ["no"]})
    assert tabulate([unsaid]).failures[0].code == "training-failed"


def test_a_retrained_run_is_a_ticket(a, tmp_path):
    first = retrain(a, datasets="digits", random=True, output=tmp_path / "x.h5")
    again = retrain(list(first.runs), datasets="digits", epochs=0)
    assert [row["kind"] for row in again.rows()] == ["bespoke", "random"]
    assert [run.mask(1) for run in again.runs] == [run.mask(1) for run in first.runs]
    assert again.runs[0].provenance["settings"]["train"]["batch_size"] == 128


@pytest.mark.parametrize(
    ("options", "fact"),
    [
        ({"datasets": []}, "no data sets"),
        ({"epochs": -1}, "it is -1"),
        ({"fraction": 0.5}, "'fraction' is no setting"),
        ({"lr": 0.0}, "0.0"),
        ({"datasets": "digit"}, "did you mean 'digits'"),
        ({"group_by": "seed"}, "grouping"),
        ({"seeds": [-1]}, "-1"),
        ({"seeds": []}, "no seeds"),
    ],
)
def test_bad_arguments(a, options, fact):
    with pytest.raises(UsageError, match=fact):
        retrain(a, **{"datasets": "digits", "epochs": 0, **options})
    with pytest.raises(UsageError, match="no tickets"):
        retrain([], datasets="digits")


@pytest.mark.parametrize(
    "graph",
    [
        [{"name": "o", "op": "output", "inputs": ["a"]}, {"name": "a", "inputs": ["a"]}],
        [{"name": "o", "op": "output", "inputs": 5}, {"op": "input", "units": 1, "map": 5}],
        [{"name": [], "op": "output", "inputs": [[]]}, {"op": "input", "map": [8, 8]}],
    ],
)
def test_a_graph_that_makes_no_sense_says_nothing(a, graph):
    """Anybody may have written it: it neither crashes a command nor keeps it busy for ever."""
    ticket = Ticket.of(bare(a, layout=Layout(a.layout.layers, a.layout.others, tuple(graph))), 1)
    assert (ticket.classes, ticket.shape) == (None, None)


def test_classes_are_read_from_the_graph_where_nothing_else_says_them(a, both, tmp_path):
    assert Ticket.of(both, 1).classes == 10
    assert Ticket.of(both, 1).shape == (1, 8, 8)
    flat = Layout(a.layout.layers, a.layout.others)
    unknown = Ticket.of(bare(a, layout=flat), 1)
    assert (unknown.classes, unknown.shape, unknown.recipe) == (None, None, None)
    with pytest.raises(LayoutMismatchError):
        retrain(unknown.run, datasets=make_npz(tmp_path / "five.npz", classes=5), input="1x8x8")
