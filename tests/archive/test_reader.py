"""Archives as Python sees them: addresses, lifetimes, bytes from a pipe."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import maskstat
from maskstat import archive
from maskstat.archive import canonical, layouts, spec
from maskstat.archive.digest import content_digest
from maskstat.errors import CorruptArchiveError, InputError, NotFoundError, StorageError
from maskstat.mask import Layout
from maskstat.run import Run

Runs = Callable[..., Run]


def test_what_an_archive_says_about_itself(image: bytes) -> None:
    with archive.open_archive(image) as found:
        assert found.path == "-"
        assert found.format_version == "1.0"
        assert found.writer == f"maskstat {maskstat.__version__}"
        assert found.content_digest.startswith("sha256:")
        assert repr(found) == "<Archive '-': 1 runs, format 1.0>"
        assert list(found.runs) == ["lenet-0"]
        assert "lenet-0" in found.runs
        assert found.runs.get("lenet-0") is found.runs["lenet-0"]
        assert found.runs.get("lenet-1") is None
        assert found.runs["lenet-0"] is found.runs["lenet-0"]


def test_places(tmp_path: Path, runs: Runs) -> None:
    path = tmp_path / "x.h5"
    archive.write(path, [runs()])
    assert archive.open_archive(path).runs["lenet-0"].place == str(path)
    assert archive.open_archive(str(path)).path == str(path)
    archive.write(path, [runs(), runs("b")], overwrite=True)
    assert archive.open_archive(path).runs["b"].label == f"{path}::b"


def test_unknown_runs_are_named_with_what_there_is(image: bytes) -> None:
    with pytest.raises(NotFoundError) as caught:
        archive.open_archive(image).runs["lenet0"]
    assert caught.value.code == "no-such-run"
    assert "did you mean 'lenet-0'?" in str(caught.value)
    with pytest.raises(NotFoundError, match="there are: lenet-0"):
        archive.open_archive(image).runs[0]  # type: ignore[index]


def test_what_was_refused_is_refused_again_in_the_same_words(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = bytearray(archive.to_bytes([runs("a"), runs("b")]))
    monkeypatch.setattr(spec, "EAGER_RUNS", 0)
    with archive.open_archive(bytes(image)) as found:
        layout = str(found.reader("a")._stored.attributes["layout"])
        stored = found._guard._hdf.member(found._guard._layouts, layout.encode(), "x")
    image[stored.address + 5] ^= 0xFF
    with archive.open_archive(bytes(image)) as found:
        said = set()
        for name in ("a", "b", "a", "b"):
            with pytest.raises(CorruptArchiveError) as caught:
                found.runs[name]
            said.add(str(caught.value))
    assert len(said) == 1


def test_runs_outlive_their_archive(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spec, "SMALL_FILE", 0)
    path = tmp_path / "x.h5"
    archive.write(path, [run])
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    with archive.open_archive(path) as found:
        kept = found.runs["lenet-0"]
    del found
    path.unlink()
    assert np.array_equal(kept.mask(2).words(), run.mask(2).words())
    assert len(os.listdir("/proc/self/fd")) == before + 1
    del kept
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_closed_archive_gives_no_new_runs(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "EAGER_RUNS", 1)
    image = archive.to_bytes([runs("a"), runs("b")])
    with archive.open_archive(image) as found:
        assert found.runs["a"].n_iterations == 5
    assert found.runs["a"].n_iterations == 5
    with pytest.raises(StorageError) as caught:
        found.runs["b"]
    assert caught.value.code == "closed-archive"


def test_content_digest_of_a_large_archive_is_checked_when_asked_for(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = archive.to_bytes([runs("a"), runs("b")])
    digest = archive.open_archive(image).content_digest
    monkeypatch.setattr(spec, "EAGER_RUNS", 0)
    assert archive.open_archive(image).content_digest == digest


def test_content_digests_do_not_depend_on_the_order_of_runs() -> None:
    runs = [("b", "sha256:1"), ("a", "sha256:2")]
    assert content_digest(runs) == content_digest(runs[::-1])
    assert content_digest(runs) != content_digest([("b", "sha256:2"), ("a", "sha256:1")])


def test_failed_openings_leave_no_descriptor(tmp_path: Path, image: bytes) -> None:
    path = tmp_path / "x.h5"
    path.write_bytes(image + bytes(3 << 20))
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(CorruptArchiveError):
        archive.open_archive(path)
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1: 2, "a": 3}, b"x"])
def test_what_json_has_no_form_for(value: object) -> None:
    with pytest.raises(InputError):
        canonical.encode({"x": value})


def test_json_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    text = canonical.encode([[]] * 10)  # 11 brackets and 9 commas
    monkeypatch.setattr(spec, "JSON_TOKENS", 20)
    assert canonical.decode(text, place="x") == [[]] * 10
    monkeypatch.setattr(spec, "JSON_TOKENS", 19)
    with pytest.raises(InputError):
        canonical.encode([[]] * 10)
    with pytest.raises(CorruptArchiveError):
        canonical.decode(text, place="x")


LAYER = {"bit_offset": 0, "n_bits": 6, "name": "a", "shape": [2, 3], "weight_offset": 0}
OTHER = {"name": "b", "offset": 0, "shape": [2]}


def test_a_layout_as_text() -> None:
    layout = Layout.from_shapes({"a": (2, 3)}, others={"b": (2,)})
    text = canonical.encode({"graph": [], "layers": [LAYER], "others": [OTHER]})
    assert layouts.to_text(layout) == text
    assert layouts.from_text(text, place="x") == layout


@pytest.mark.parametrize(
    "change",
    [
        {"layers": []},
        {"layers": {}},
        {"layers": [1]},
        {"layers": [LAYER, LAYER]},
        {"layers": [LAYER | {"name": ""}]},
        {"layers": [LAYER | {"name": 3}]},
        {"layers": [LAYER | {"shape": [2, 0]}]},
        {"layers": [LAYER | {"shape": [-2, -3]}]},
        {"layers": [LAYER | {"shape": [True, 6]}]},
        {"layers": [LAYER | {"shape": [2.0, 3]}]},
        {"layers": [LAYER | {"shape": "6"}]},
        {"layers": [LAYER | {"shape": [1] * 17}]},
        {"layers": [LAYER | {"shape": [1 << 40, 1 << 40]}]},
        {"layers": [LAYER | {"bit_offset": 64}]},
        {"layers": [LAYER | {"bit_offset": False}]},
        {"layers": [LAYER | {"n_bits": 5}]},
        {"layers": [LAYER | {"weight_offset": 1}]},
        {"layers": [LAYER | {"more": 1}]},
        {"others": [OTHER | {"offset": 1}]},
        {"others": [OTHER, OTHER]},
        {"graph": {}},
        {"graph": [1]},
        {"more": 1},
    ],
    ids=range(23),
)
def test_layouts_that_break_a_rule(change: dict[str, object]) -> None:
    document = {"graph": [], "layers": [LAYER], "others": [OTHER]} | change
    with pytest.raises(CorruptArchiveError) as caught:
        layouts.from_text(canonical.encode(document), place="x")
    assert caught.value.code == "corrupt-layout"


def test_layouts_with_gaps_are_not_written() -> None:
    from maskstat.layout import Layer

    for layers in ((Layer("a", (3,), 1, 0),), (Layer("a", (3,), 0, 0), Layer("a", (3,), 1, 3))):
        with pytest.raises(InputError):
            layouts.to_text(Layout(layers))
