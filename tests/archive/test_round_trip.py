"""What goes in comes out, under the same digest, in the same bytes."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat import archive
from maskstat.archive import encode, run_parts
from maskstat.bits import Words, layer_counts, pack
from maskstat.errors import InputError
from maskstat.mask import Layout, Mask
from maskstat.run import MaskRows, Outputs, Run, Weights

Runs = Callable[..., Run]
NAMES = st.text(min_size=1, max_size=8)
RUN_IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
SHAPES = st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=5)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)  # fmt: skip
DOCUMENTS = st.dictionaries(st.text(max_size=6), JSON, max_size=3)


@st.composite
def random_runs(draw: st.DrawFn) -> Run:
    shapes = draw(st.dictionaries(NAMES, SHAPES, min_size=1, max_size=4))
    others = draw(st.dictionaries(NAMES, st.just((3,)) | st.just(()), max_size=2))
    layout = Layout.from_shapes(shapes, others=others, graph=draw(st.lists(DOCUMENTS, max_size=2)))
    n = draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    densities = rng.random(n)
    rows = [Mask.dense(layout).words()]
    for density in densities[1:]:
        bits = [pack(rng.random(layer.size) < density) for layer in layout.layers]
        rows.append(np.concatenate(bits))
    stack = np.stack(rows)
    kept = np.stack([layer_counts(Words(row), layout.edges) for row in stack])
    fields: dict[str, Any] = {}
    stored = tuple(sorted(draw(st.sets(st.integers(0, n - 1), min_size=1))))
    if draw(st.booleans()):
        fields["effective"] = np.stack([kept, kept // 2], axis=-1)
    if draw(st.booleans()):
        fields["series"] = {"test_accuracy": rng.random(n), "x": rng.random((n, 2))}
        fields["series"]["x"][0, 0] = np.nan
    if draw(st.booleans()):
        values = rng.standard_normal((len(stored), layout.size)).astype("f4")
        fields["weights"] = {"rewind": Weights(values=values, iterations=stored)}
    if others and draw(st.booleans()):
        fields["others"] = {"final": rng.random(layout.n_others).astype("f4")}
    if draw(st.booleans()):
        fields["votes"] = rng.integers(0, 9, layout.size).astype("u2")
    for name in draw(st.sets(st.sampled_from(["a", "b:c", "b;c", "/data/x.npz", "-", "é"]))):
        logits = rng.random((len(stored), 4, 2)).astype("f4")
        labels = np.arange(4) if draw(st.booleans()) else None
        outputs = Outputs(logits=logits, iterations=stored, labels=labels)
        fields.setdefault("outputs", {})[name] = outputs
    return Run(
        run_id=draw(RUN_IDS),
        layout=layout,
        masks=MaskRows(stack),
        kept=kept,
        status=draw(st.sampled_from(["complete", "partial", "failed"])),
        model=draw(st.text(max_size=9)),
        dataset=draw(st.sampled_from(["", "emnist:balanced"])),
        seed=draw(st.none() | st.integers(-(2**63), 2**63 - 1)),
        provenance=draw(DOCUMENTS),
        clock=draw(DOCUMENTS),
        **fields,
    )


def escaped(text: str) -> str:
    from maskstat.errors import printable

    return printable(text).encode("ascii", "backslashreplace").decode()


def assert_same(one: Run, other: Run) -> None:
    """Compare all that two runs hold."""
    assert (one.run_id, one.layout, one.status) == (other.run_id, other.layout, other.status)
    assert one.layout.others == other.layout.others
    assert [dict(node) for node in one.layout.graph] == list(other.layout.graph)
    assert (one.seed, one.replicate) == (other.seed, other.replicate)
    for name in ("model", "dataset", "method", "recipe_digest"):
        assert escaped(getattr(one, name)) == getattr(other, name)
    assert np.array_equal(one.kept, other.kept)
    for t in range(one.n_iterations):
        assert np.array_equal(one.mask(t).words(), other.mask(t).words())
    assert (one.effective is None) == (other.effective is None)
    assert np.array_equal(np.asarray(one.effective), np.asarray(other.effective))
    assert set(one.series) == set(other.series)
    for name, values in one.series.items():
        assert np.array_equal(values, other.series[name], equal_nan=True)
    assert {escaped(name) for name in one.outputs} == set(other.outputs)
    for name, outputs in one.outputs.items():
        found = other.outputs[escaped(name)]
        assert found.iterations == outputs.iterations
        assert np.array_equal(outputs.logits, np.asarray(found.logits))
        assert np.array_equal(np.asarray(outputs.labels), np.asarray(found.labels))
    assert set(one.weights) == set(other.weights)
    for kind, weights in one.weights.items():
        assert other.weights[kind].iterations == weights.iterations
        assert np.array_equal(weights.values, np.asarray(other.weights[kind].values))
    assert set(one.others) == set(other.others)
    for kind, values in one.others.items():
        assert np.array_equal(values, np.asarray(other.others[kind]))
    assert (one.votes is None) == (other.votes is None)
    if one.votes is not None:
        assert np.array_equal(np.asarray(one.votes), np.asarray(other.votes))
    assert (dict(one.provenance), dict(one.clock)) == (other.provenance, other.clock)


@given(random_runs())
def test_every_run_comes_back(run: Run) -> None:
    image = archive.to_bytes([run])
    again = archive.open_archive(image).runs[run.run_id]
    assert_same(run, again)
    assert archive.to_bytes([run]) == image
    assert archive.to_bytes([again]) == image


def test_every_part_comes_back(run: Run) -> None:
    again = archive.open_archive(archive.to_bytes([run])).runs["lenet-0"]
    assert_same(run, again)
    assert set(again.outputs) == {"emnist:balanced", "digits"}


def test_two_runs_keep_their_digests_when_merged(runs: Runs) -> None:
    one, other = runs("a"), runs("b", seed=1, full=False)
    alone = [archive.open_archive(archive.to_bytes([run])).runs[run.run_id] for run in (one, other)]
    image = archive.to_bytes([other, one])
    with archive.open_archive(image) as merged:
        assert list(merged.runs) == ["a", "b"]
        assert [merged.runs[name].digest for name in "ab"] == [run.digest for run in alone]
        assert [merged.runs[name].place for name in "ab"] == ["-::a", "-::b"]
    assert archive.to_bytes(alone) == image
    assert len(archive.open_archive(image)._guard.layout_ids) == 1


def test_the_clock_is_in_no_digest_and_the_rest_is(run: Run) -> None:
    def digest(changed: Run) -> str:
        return archive.open_archive(archive.to_bytes([changed])).runs["lenet-0"].digest

    base = digest(run)
    assert digest(dataclasses.replace(run, clock={"started": "later"})) == base
    changes: list[dict[str, Any]] = [
        {"seed": 8}, {"seed": None}, {"status": "partial"}, {"model": "x"}, {"provenance": {}},
        {"series": {}}, {"votes": None}, {"others": {}}, {"effective": None},
        {"series": run.series | {"test_accuracy": run.series["test_accuracy"] + 1e-16}},
        {"layout": Layout.from_shapes({"x": (36,), "y": (330,), "z": (64,)},
                                      others={"a": (5,)})},
    ]  # fmt: skip
    found = [digest(dataclasses.replace(run, **change)) for change in changes]
    assert len({base, *found}) == len(changes) + 1


def test_digests_do_not_depend_on_filters(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = archive.to_bytes([run])
    monkeypatch.setattr(encode, "encode_chunk", lambda data, limit: None)
    plain = archive.to_bytes([run])
    assert plain != packed
    digests = [archive.open_archive(image).content_digest for image in (packed, plain)]
    assert digests[0] == digests[1]
    with h5py.File(io.BytesIO(plain)) as file:
        found = [
            item.compression for item in file["runs/lenet-0"].values() if hasattr(item, "chunks")
        ]
        assert set(found) == {None}


def test_any_hdf5_reads_it(run: Run) -> None:
    with h5py.File(io.BytesIO(archive.to_bytes([run]))) as file:
        group = file["runs/lenet-0"]
        assert np.array_equal(group["masks"][3].view("<u8"), run.mask(3).words())
        assert np.array_equal(group["kept"][...], run.kept)
        assert np.array_equal(group["weights/final"][...], run.weights["final"].values)
        assert group.attrs["model"] == b"lenet"


def test_bits_lie_as_the_format_says() -> None:
    keep = np.zeros(70, np.bool_)
    keep[[0, 9, 69]] = True
    run = Run.from_masks("m", [Mask.from_arrays({"a": keep, "b": [1, 0, 1]})])
    with h5py.File(io.BytesIO(archive.to_bytes([run]))) as file:
        row = file["runs/m/masks"][1]
        dense = file["runs/m/masks"][0]
    assert row.tolist() == [1, 2, 0, 0, 0, 0, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0, 5, *[0] * 7]
    assert dense.tolist() == [255] * 8 + [63, *[0] * 7] + [7, *[0] * 7]


def bad(run: Run, **changes: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        archive.to_bytes([dataclasses.replace(run, **changes)])
    return caught.value


def test_runs_that_contradict_themselves_are_not_written(run: Run) -> None:
    stray = np.stack([run.mask(t).words() for t in range(5)])
    stray[2, 0] |= np.uint64(1 << 40)
    sparse = np.stack([run.mask(t).words() for t in (1, 1, 2, 3, 4)])
    values, labels = run.weights["final"].values, np.arange(6)
    logits = run.outputs["digits"].logits
    changes: list[dict[str, Any]] = [
        {"kept": run.kept - np.eye(5, 3, dtype=int)},
        {"kept": run.kept.astype(float)},
        {"kept": run.kept + np.eye(5, 3, k=-2, dtype=int)},
        {"masks": MaskRows(stray)},
        {"masks": MaskRows(stray), "kept": run.kept + np.outer(np.arange(5) == 2, [1, 0, 0])},
        {"masks": MaskRows(sparse), "kept": run.kept[[1, 1, 2, 3, 4]]},
        {"status": "done"},
        {"seed": 1 << 63},
        {"seed": 1.5},
        {"replicate": "first"},
        {"model": None},
        {"series": {f"s{i}": np.zeros(5) for i in range(257)}},
        {"outputs": {f"d{i}": run.outputs["digits"] for i in range(257)}},
        {"model": "x" * 5000},
        {"effective": run.kept},
        {"effective": np.stack([run.kept, run.kept + 1], -1)},
        {"series": {"Test": np.zeros(5)}},
        {"series": {"x": np.zeros(4)}},
        {"series": {"x": np.zeros((5, 0))}},
        {"series": {"x": np.array(["a"] * 5)}},
        {"votes": np.zeros(7, "u2")},
        {"votes": np.zeros(430, "i8")},
        {"weights": {"best": run.weights["final"]}},
        {"weights": {"final": Weights(values=values, iterations=(0,))}},
        {"weights": {"final": Weights(values=values, iterations=(4, 0))}},
        {"weights": {"final": Weights(values=values, iterations=(0, 5))}},
        {"weights": {"final": Weights(values=np.zeros((2, 430)), iterations=(0, 4))}},
        {"others": {"best": np.zeros(5, "f4")}},
        {"others": {"final": np.zeros(6, "f4")}},
        {"outputs": {"x": Outputs(logits=np.zeros((7, 3), "f4"), iterations=(0,))}},
        {"outputs": {"x": Outputs(logits=logits, iterations=(0,), labels=labels)}},
        {"outputs": {"é": run.outputs["digits"], "\\xe9": run.outputs["digits"]}},
        {"provenance": {"x": float("nan")}},
        {"clock": {"x": object()}},
    ]
    for change in changes:
        error = bad(run, **change)
        assert error.code == "bad-run", change
        assert error.place == "lenet-0"


def test_runs_may_come_one_by_one(tmp_path: Path, runs: Runs) -> None:
    given_runs = [runs("b"), runs("a")]
    archive.write(tmp_path / "ab.h5", (run for run in given_runs))  # type: ignore[arg-type]
    assert archive.open_archive(tmp_path / "ab.h5").run_ids == ("a", "b")


def test_no_runs_and_one_name_twice(run: Run) -> None:
    for given_runs, code in (([], "no-runs"), ([run, run], "duplicate-run")):
        with pytest.raises(InputError) as caught:
            archive.to_bytes(given_runs)
        assert caught.value.code == code


def test_others_of_a_network_without_any_are_left_out() -> None:
    run = Run.from_masks(
        "m", [Mask.from_arrays({"a": [1, 0]})], others={"final": np.zeros(0, "f4")}
    )
    assert not archive.open_archive(archive.to_bytes([run])).runs["m"].others
    assert "others/final" not in run_parts.run_payloads(run)
