"""What a notebook meets: results that show themselves, take pandas' shape, and never print."""

import ast
import html.parser
import json
import math
import re
import string
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import maskstat
from maskstat.archive import open_archive, write
from maskstat.figures.style import new_figure, save, styled
from maskstat.mask import Mask
from maskstat.run import Run
from maskstat.table import Column, Table, html_table, readable

ROOT = Path(maskstat.__file__).parent
COLUMNS = {
    "layer": Column("text", "layer"),
    "n": Column("integer", "count"),
    "z": Column("number", "score"),
}
PLAIN = (str, int, float, bool, type(None))


class Cells(html.parser.HTMLParser):
    """The text of every cell, row by row, and every tag that was met."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.tags = [], set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def table(n=3, **data):
    data = {"layer": ["fc"] * n, "n": list(range(n)), "z": [i / 7 for i in range(n)]} | data
    return Table(schema="maskstat.test/1", columns=COLUMNS, data=data)


@pytest.fixture
def mask():
    return Mask.from_arrays(
        {"conv<b>": np.eye(4).reshape(4, 1, 2, 2), "fc": np.ones((3, 5))}, label="<i>mine"
    )


@pytest.fixture
def run(mask):
    series = {"test_accuracy": np.array([0.9, np.nan]), "train_loss": np.ones((2, 3))}
    return Run.from_masks("mine", [mask], series=series, model="lenet", seed=4)


@pytest.mark.parametrize("value", [None, 1, 12345, True, "x", 0.1234567, 1e-9, 0.0, 123456.7])
def test_numbers_look_as_on_a_terminal(value):
    from maskstat.cli.output import render

    column = Column("text" if isinstance(value, str) else "number", "x")
    one = Table(schema="x/1", columns={"x": column}, data={"x": [value, 1.5]})
    assert readable(value) in render(one, "table").split()


@given(st.text(alphabet=string.printable + "\x1b\u202e<&>\"'", max_size=30))
def test_no_name_becomes_markup(text):
    shown = Cells(table(1, layer=[text])._repr_html_())
    assert shown.tags <= {"table", "thead", "tbody", "tr", "th", "td"}
    assert shown.rows[1][0] == readable(text)
    assert all(c.isprintable() for c in shown.rows[1][0])


@given(st.integers(0, 200))
def test_rows_are_limited_and_the_rest_is_counted(n):
    text = table(n)._repr_html_()
    assert len(Cells(text).rows) == 1 + min(n, 60)
    assert re.findall(r"<p>(\d+) more rows</p>", text) == ([str(n - 60)] if n > 60 else [])


def test_no_more_rows_are_made_than_are_shown():
    def rows():
        yield from ({"n": i} for i in range(60))
        raise AssertionError("one too many")

    assert "940 more rows" in html_table(["n"], rows(), n_rows=1000)


def test_masks_runs_and_archives_show_themselves(mask, run, tmp_path):
    write(tmp_path / "a.h5", [run])
    with open_archive(tmp_path / "a.h5") as archive:
        shown = {"mask": mask, "run": run, "archive": archive}
        texts = {name: one._repr_html_() for name, one in shown.items()}
        documents = {name: one.to_dict() for name, one in shown.items()}
    assert Cells(texts["mask"]).rows[1:] == [
        ["conv<b>", "4x1x2x2", "16", "4", "0.25"],
        ["fc", "3x5", "15", "15", "1"],
        ["total", "-", "31", "19", "0.6129"],
    ]
    assert "<i>" not in texts["mask"]
    assert Cells(texts["run"]).rows[1:] == [
        ["0", "31", "31", "1", "0.9"],
        ["1", "31", "19", "0.6129", "-"],
    ]
    assert Cells(texts["archive"]).rows[1][:2] == ["mine", "lenet"]
    for document in documents.values():
        assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_rows_hold_plain_values_of_equal_keys(mask, run):
    for rows in (mask.rows(), run.rows(), table().rows()):
        assert len({tuple(row) for row in rows}) == 1
        assert {type(value) for row in rows for value in row.values()} <= set(PLAIN)


def test_pandas_takes_rows_as_they_are(mask, run):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    for rows in (mask.rows(), run.rows(), table().rows()):
        frame = pandas.DataFrame(rows)
        assert list(frame.columns) == list(rows[0])
        assert len(frame) == len(rows)


@styled
def drawn():
    figure = new_figure(2, 1)
    figure.subplots().plot([0, 1])
    return figure


def test_figures_show_themselves():
    image = drawn()._repr_png_()
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(image[at : at + 4], "big") for at in (16, 20))
    assert (width, height) == (288, 144)
    assert image == drawn()._repr_png_()


def test_showing_changes_no_file(tmp_path):
    import io

    def saved(figure):
        stream = io.BytesIO()
        save(figure, stream, format_="svg")
        return stream.getvalue()

    figure = drawn()
    before = saved(figure)
    figure._repr_png_()
    assert saved(figure) == before


def test_every_figure_function_returns_one_that_shows_itself():
    for path in (ROOT / "figures").glob("*.py"):
        calls = [
            node
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "Figure"
        ]
        assert not calls, f"{path}: new_figure makes figures"


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in sorted(ROOT.rglob("*.py"))
        if path.relative_to(ROOT).parts[0] not in ("cli", "__main__.py")
    ],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_the_library_says_nothing(path):
    """What is to be said goes to a `Progress` or into an error; a warning is the caller's."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"{path}:{node.lineno}"
        if path.name == "hdf5_child.py":  # a process of its own, which answers on its output
            continue
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) not in {("sys", "stdout"), ("sys", "stderr")}
        if isinstance(node, ast.Import):
            assert "logging" not in {alias.name.partition(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] != "logging"


def test_a_run_prints_nothing(capfd):
    run = maskstat.prune(iterations=1, epochs=1)
    assert math.isclose(run.rows()[1]["density"], run.density(1))
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def two(tmp_path):
    """Two runs of two layers in an archive each."""
    for seed in (1, 2):
        rng = np.random.default_rng(seed)
        kept = Mask.from_arrays({"conv": rng.random((4, 9)) < 0.5, "fc": rng.random((3, 8)) < 0.5})
        write(tmp_path / f"{seed}.h5", [Run.from_masks(f"r{seed}", [kept])])
    return [tmp_path / "1.h5", tmp_path / "2.h5"]


@pytest.mark.parametrize("name", ["compare", "consensus", "correlate", "outputs", "pattern"])
@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (lambda paths, runs: [paths[0]], "maskstat.read("),
        (lambda paths, runs: [str(paths[0]), runs[0]], "maskstat.read("),
        (lambda paths, runs: [runs], "one by one"),
        (lambda paths, runs: [tuple(runs)], "one by one"),
        (lambda paths, runs: [np.ones((2, 2), bool)], "from_arrays"),
        (lambda paths, runs: [(runs[0], 0.5)], "one by one"),
        (lambda paths, runs: [None], "from_arrays"),
    ],
    ids=["path", "text", "list", "tuple", "array", "fraction", "none"],
)
def test_what_is_no_run_is_told_so(name, given, hint, two):
    runs = [maskstat.read(path) for path in two]
    options = {"pattern": "2:4"} if name == "pattern" else {}
    with pytest.raises(maskstat.MaskstatError) as caught:
        getattr(maskstat, name)(*given(two, runs), **options)
    assert (caught.value.code, caught.value.exit_status) == ("not-a-run", 2)
    assert hint in caught.value.hint


def test_one_of_a_kind_needs_no_list(two, tmp_path):
    (run,) = (run for run, _ in maskstat.read_all(str(two[0])))
    assert [r.run_id for r, _ in maskstat.read_all(two)] == ["r1", "r2"]
    path = tmp_path / "again.h5"
    maskstat.write(path, run)
    assert maskstat.read(path).mask() == run.mask()
    (other,) = (run for run, _ in maskstat.read_all(two[1]))
    rows = maskstat.compare(run, other, layers="c*", measures="hamming").rows()
    assert [row["layer"] for row in rows] == ["conv", "total"]
    assert [row["hamming"] for row in rows] == [row["union"] - row["shared"] for row in rows]
    np.savez(tmp_path / "both.npz", conv=run.mask().layer("conv"), fc=run.mask().layer("fc"))
    foreign = maskstat.read(tmp_path / "both.npz", exclude="c*")
    assert foreign.layout.names == ("fc",)
    assert maskstat.read(tmp_path / "both.npz", include="c*").layout.names == ("conv",)
