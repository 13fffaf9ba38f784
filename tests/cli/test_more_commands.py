"""correlate, outputs, connectivity, weights: rows on stdout, talk on stderr, exit statuses."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from maskstat.archive import write
from maskstat.bits import Words
from maskstat.layout import Layout
from maskstat.mask import Mask
from maskstat.run import Outputs, Run, Weights
from maskstat.stats.connect import connectivity
from maskstat.stats.correlate import correlate

SHAPES = {"conv.weight": (4, 1, 3, 3), "fc.weight": (3, 16)}


def node(name, op, *inputs, **fields):
    return {"name": name, "op": op, "inputs": list(inputs), **fields}


GRAPH = (
    node("x", "input", units=1, map=[4, 4]),
    node("conv", "conv", "x", layer="conv.weight", kernel=[3, 3], padding=[0, 0], bias=True),
    node("flat", "flatten", "conv", area=4),
    node("fc", "linear", "flat", layer="fc.weight"),
    node("y", "output", "fc"),
)


def full_run(name, *, seed, start=0, graph=GRAPH, save="all", dataset="digits", labels=True):
    """A run of three iterations that stores everything; channel 0 loses its way out at 2."""
    rng = np.random.default_rng(seed)
    layout = Layout.from_shapes(SHAPES, graph=graph)
    initial = np.random.default_rng(start).normal(size=layout.size).astype(np.float32)
    masks = []
    for t in (1, 2):
        arrays = {n: rng.random(s) < 0.7**t for n, s in SHAPES.items()}
        if t == 2:
            arrays["conv.weight"][0] = True
            arrays["fc.weight"][:, :4] = False
        masks.append(Mask(layout, Words(Mask.from_arrays(arrays).words())))
    kept = [np.concatenate([m.layer(n).ravel() for n in SHAPES]) for m in masks]
    kept = [np.ones(layout.size, bool), *kept]
    finals = [np.where(k, initial + rng.normal(size=k.size).astype(np.float32), 0) for k in kept]
    stored = range(3) if save == "all" else [2]
    truth = np.arange(20) % 3
    logits = (rng.normal(size=(3, 20, 3)) + np.eye(3)[truth]).astype(np.float32)
    return Run.from_masks(
        name,
        masks,
        seed=start,
        provenance={"seeds": {"init": f"{start:016x}"}},
        weights={
            "initial": Weights(values=initial[None], iterations=(0,)),
            "final": Weights(
                values=np.stack([finals[t] for t in stored]).astype(np.float32),
                iterations=tuple(stored),
            ),
        },
        outputs={
            dataset: Outputs(logits=logits, iterations=(0, 1, 2), labels=truth if labels else None)
        },
    )


@pytest.fixture
def files(tmp_path):
    """Paths of three archives: a and b from one start, c from another."""
    paths = []
    for name, seed, start in (("a", 1, 0), ("b", 2, 0), ("c", 3, 9)):
        paths.append(str(tmp_path / f"{name}.h5"))
        write(paths[-1], [full_run(name, seed=seed, start=start)])
    return paths


@pytest.fixture
def archive_of(tmp_path):
    """Write one run, return its path."""

    def make(name, **options):
        path = tmp_path / f"{name}.h5"
        write(path, [full_run(name, seed=7, **options)])
        return str(path)

    return make


@pytest.mark.parametrize(
    "command",
    [
        ["correlate", "a", "b", "--iteration", "all"],
        ["outputs", "a", "b", "c", "--iteration", "all"],
        ["outputs", "a", "b", "c", "--group-by", "init_seed"],
        ["outputs", "a", "b", "--ensemble"],
        ["connectivity", "a", "b"],
        ["weights", "a", "b"],
        ["weights", "a", "b", "--histogram", "--bins", "5"],
    ],
    ids=lambda command: " ".join(word for word in command if len(word) > 1),
)
def test_every_format_has_the_same_rows(run_cli, files, json_of, command):
    named = dict(zip("abc", files, strict=True))
    command = [named.get(word, word) for word in command]
    result = run_cli(*command, "--format", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    document = json_of(result)
    assert [record["run"] for record in document["inputs"]] == [
        word for word in "abc" if named[word] in command
    ]
    lines = run_cli(*command, "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == document["rows"]
    header, *rows = run_cli(*command).stdout.splitlines()
    assert header.split("\t") == list(document["rows"][0])
    assert len(rows) == len(document["rows"])
    table = run_cli(*command, "--format", "table")
    assert table.exit_code == 0
    assert "nan" not in table.stdout


def test_correlate_prints_what_the_function_returns(run_cli, files, rows_of):
    rows = rows_of(run_cli("correlate", files[0], "--layer", "fc*"))
    expected = correlate(full_run("a", seed=1), layers=["fc*"]).rows()
    assert [row["layer"] for row in rows] == ["fc.weight", "total"]
    for row, other in zip(rows, expected, strict=True):
        assert (float(row["rho"]), float(row["whole_rho"])) == (other["rho"], other["whole_rho"])
        assert (row["iteration"], row["whole_iteration"]) == ("2", "0")


def test_correlate_says_that_the_control_is_missing(run_cli, archive_of):
    path = archive_of("last", save="last")
    result = run_cli("correlate", path)
    assert result.exit_code == 0
    assert "--save-weights all" in result.stderr
    assert "whole-layer-not-stored" in result.stdout
    assert run_cli("correlate", path, "--quiet").stderr == ""
    result = run_cli("correlate", f"{path}@1")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "no final weights are stored at 1" in result.stderr
    assert "[no-weights]" in result.stderr


def test_correlate_needs_weights(run_cli, tmp_path):
    path = tmp_path / "bare.h5"
    write(path, [Run.from_masks("bare", [Mask.from_arrays({"fc": [1, 0]})])])
    for command in ("correlate", "weights"):
        result = run_cli(command, path)
        assert (result.exit_code, result.stdout) == (3, "")
        assert "no initial weights are stored" in result.stderr
    error = json.loads(run_cli("outputs", path, path, "--format", "json").stderr)
    assert (error["error"], error["try"]) == ("no-outputs", "maskstat prune --save-outputs")


def test_outputs_are_grouped_within_and_between(run_cli, files, rows_of):
    rows = rows_of(run_cli("outputs", *files, "--group-by", "init_seed"))
    assert [(row["group"], row["pairs"]) for row in rows] == [("within", "1"), ("between", "2")]
    pairs = rows_of(run_cli("outputs", *files, "--pairs", "first", "--center-rows"))
    assert [(row["a"], row["b"]) for row in pairs] == [(files[0], f) for f in files[1:]]


def test_outputs_of_an_ensemble(run_cli, files, rows_of):
    rows = rows_of(run_cli("outputs", *files, "--ensemble"))
    assert [row["rule"] for row in rows] == ["alone"] * 3 + ["mean-probability", "majority-vote"]
    assert rows[-1]["members"] == "3"
    for option in (["--group-by", "seed"], ["--center-rows"], ["--pairs", "first"]):
        result = run_cli("outputs", *files, "--ensemble", *option)
        assert (result.exit_code, result.stdout) == (2, "")
        assert f"{option[0]} is about pairs" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["outputs", "a"], 2, "takes two or more"),
        (["outputs", "a", "b", "--dataset", "mnist"], 3, "no outputs on 'mnist'"),
        (["outputs", "a", "other"], 3, "are on mnist"),
        (["outputs", "a", "b", "--group-by", "colour"], 2, "not grouped by 'colour'"),
        (["outputs", "bare", "unlabelled", "--ensemble"], 3, "true classes"),
        (["weights", "a", "c"], 3, "[other-start]"),
        (["weights", "a", "--threshold", "2"], 2, "share of the masks"),
        (["weights", "a", "--bins", "0"], 2, "--bins"),
        (["weights", "a", "--iteration", "all"], 2, "one mask of each input"),
        (["connectivity", "a", "--layer", "nope"], 3, "no layer is named"),
        (["connectivity", "a", "--bias", "maybe"], 2, "--bias"),
        (["connectivity", "a", "--graph", "missing.json"], 3, "no such file"),
        (["correlate", "missing.h5"], 3, "no such file"),
        (["correlate", "a@9"], 3, "no iteration 9"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_done_is_said(run_cli, files, archive_of, arguments, status, says):
    made = {
        "other": lambda: archive_of("other", dataset="mnist"),
        "bare": lambda: archive_of("bare", labels=False),
        "unlabelled": lambda: archive_of("unlabelled", labels=False),
    }
    named = dict(zip("abc", files, strict=True)) | {"a@9": f"{files[0]}@9"}
    words = [made[w]() if w in made else named.get(w, w) for w in arguments]
    result = run_cli(*words)
    assert (result.exit_code, result.stdout) == (status, "")
    assert says in result.stderr


def test_connectivity_counts_by_the_stored_graph(run_cli, files, rows_of):
    result = run_cli("connectivity", files[0])
    assert result.stderr == ""
    rows = rows_of(result)
    expected = connectivity(full_run("a", seed=1)).rows()
    assert int(rows[0]["dead_outputs"]) == expected[0]["dead_outputs"] >= 1
    assert int(rows[0]["effective_both"]) == expected[0]["effective_both"]
    assert int(rows[0]["kept"]) - int(rows[0]["effective_both"]) >= 9  # channel 0 is cut off
    alive = rows_of(run_cli("connectivity", files[0], "--bias", "keeps-alive"))
    assert int(alive[1]["effective_both"]) >= int(rows[1]["effective_both"])


def test_connectivity_gates_end_with_status_one(run_cli, files):
    result = run_cli("connectivity", files[0], "--fail-if", "conv*:dead_outputs > 0")
    assert result.exit_code == 1
    assert "conv.weight: dead_outputs is 1" in result.stderr
    assert result.stdout.count("\n") == 4
    assert run_cli("connectivity", files[0], "--fail-if", "total:kept == 0").exit_code == 0
    assert run_cli("connectivity", files[0], "--fail-if", "total:run > 0").exit_code == 2


def test_connectivity_without_a_graph_warns_and_takes_one(run_cli, archive_of, rows_of, tmp_path):
    path = archive_of("foreign", graph=())
    result = run_cli("connectivity", path)
    assert "taken as one chain" in result.stderr
    assert run_cli("connectivity", path, "--quiet").stderr == ""
    graph = tmp_path / "graph.json"
    graph.write_text(json.dumps(GRAPH))
    given = run_cli("connectivity", path, "--graph", graph)
    assert given.stderr == ""
    assert rows_of(given)[0]["effective_both"] == rows_of(result)[0]["effective_both"]
    assert rows_of(given)[0]["padding_only"] == "0"
    for text, says in (("{", "is no JSON"), ("3", "not a list"), ("[" * 100_000, "is no JSON")):
        graph.write_text(text)
        result = run_cli("connectivity", path, "--graph", graph)
        assert (result.exit_code, result.stdout) == (3, "")
        assert says in result.stderr
        assert "[bad-graph]" in result.stderr


def test_weights_of_a_relaxed_consensus(run_cli, files, rows_of):
    strict, relaxed = (
        rows_of(run_cli("weights", *files[:2], *options))
        for options in ([], ["--at-least", "1", "--layer", "fc*"])
    )
    assert {row["layer"] for row in relaxed} == {"fc.weight", "total"}
    all_of = {(row["layer"], row["weights"]): int(row["n"]) for row in strict}
    some = {(row["layer"], row["weights"]): int(row["n"]) for row in relaxed}
    assert some["fc.weight", "consensus"] > all_of["fc.weight", "consensus"]


def test_results_go_to_a_file(run_cli, files, tmp_path):
    out = tmp_path / "rows.csv"
    result = run_cli("correlate", files[0], "--format", "csv", "-o", out)
    assert (result.exit_code, result.stdout) == (0, "")
    assert out.read_text().startswith("run,iteration,layer,n,rho")
    assert run_cli("correlate", files[0], "-o", out).exit_code == 4
    assert run_cli("correlate", files[0], "-o", out, "--overwrite").exit_code == 0


def test_the_shipped_schemas_are_those_of_the_columns():
    made = runpy.run_path(str(Path(__file__).parents[1] / "data" / "make_schemas.py"))
    for schema in made["SCHEMAS"]:
        assert made["path_of"](schema).read_text() == made["text_of"](schema), schema
