import numpy as np
import pytest

from maskstat.errors import InputError, NotFoundError, UsageError
from maskstat.mask import Mask
from maskstat.run import MaskRows, Run, Weights
from maskstat.selection import parse_iterations, select_runs


def run_of(*masks, **fields):
    arrays = [Mask.from_arrays({"fc": bits}) for bits in masks]
    return Run.from_masks(fields.pop("run_id", "r"), arrays, **fields)


def test_the_dense_network_comes_first():
    run = run_of([1, 0, 1], [1, 0, 0])
    assert run.kept.tolist() == [[3], [2], [1]]
    assert run.mask(0) == Mask.dense(run.layout)
    assert run.mask().iteration == 2
    assert run.density(1) == pytest.approx(2 / 3)


def test_some_layers_of_a_mask_still_say_where_they_are_from():
    run = Run.from_masks("mine", [Mask.from_arrays({"conv": [1, 0], "fc": [1, 1]})])
    part = run.mask(1).restrict(["fc"])
    assert (part.label, part.iteration) == ("mine", 1)


def test_a_series_that_ends_early_has_no_value_after_it():
    run = run_of([1, 0], series={"test_accuracy": np.array([0.5])})
    assert [row["test_accuracy"] for row in run.rows()] == [0.5, None]
    assert "<td" in run._repr_html_()


def test_an_iteration_that_is_not_there_is_named():
    with pytest.raises(NotFoundError, match="iterations 0 to 1"):
        run_of([1, 0]).mask(2)


@pytest.mark.parametrize("name", ["", "a/b", "-x", "x" * 65, "ä", "a b"])
def test_run_names_are_plain(name):
    with pytest.raises(InputError) as caught:
        run_of([1, 0], run_id=name)
    assert caught.value.code == "bad-run-id"


def test_counts_have_the_masks_shape():
    run = run_of([1, 0])
    with pytest.raises(InputError, match="kept counts"):
        Run(run_id="r", layout=run.layout, masks=run.masks, kept=np.zeros((1, 1), np.int64))


def test_a_run_holds_a_mask_or_more():
    run = run_of([1, 0])
    none = np.empty((0, run.layout.n_words), np.uint64)
    with pytest.raises(InputError) as caught:
        Run(run_id="r", layout=run.layout, masks=MaskRows(none), kept=run.kept[:0])
    assert caught.value.code == "bad-run"


def test_stored_weights_are_found_by_iteration():
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    run = run_of([1, 1, 0], weights={"final": Weights(values=values, iterations=(0, 1))})
    assert run.weight("final").tolist() == [3, 4, 5]
    assert run.weight("final", 0).tolist() == run.weight("final", -2).tolist() == [0, 1, 2]
    with pytest.raises(NotFoundError, match="no final weights are stored at -3"):
        run.weight("final", -3)
    with pytest.raises(NotFoundError, match="stored are: final"):
        run.weight("initial")
    with pytest.raises(NotFoundError, match=r"stored for iterations \[0, 1\]"):
        run.weight("final", 7)


@pytest.mark.parametrize(
    ("text", "n", "expected"),
    [("last", 4, [3]), ("all", 4, [1, 2, 3]), ("all", 1, [0]), ("0", 4, [0]), ("1-2", 4, [1, 2])],
)
def test_iterations_in_words(text, n, expected):
    assert parse_iterations(text, n) == expected


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("x", UsageError),
        ("9", NotFoundError),
        ("2-1", NotFoundError),
        ("-1", UsageError),
        ("", UsageError),
        ("9" * 5000, UsageError),
        ("\u0661", UsageError),
    ],
)
def test_iterations_that_are_none(text, error):
    with pytest.raises(error):
        parse_iterations(text, 4)


def test_runs_are_selected_by_what_is_known_of_them():
    runs = [run_of([1, 0], run_id=f"r{s}", method="l1-unstructured", seed=s) for s in range(4)]
    other = run_of([1, 0], run_id="other", method="random", seed=0)
    assert select_runs([*runs, other], "method=l1-* seed=1-2") == runs[1:3]
    assert select_runs([*runs, other], "run=oth*") == [other]
    for seed in ("9", "9" * 5000):
        with pytest.raises(NotFoundError):
            select_runs(runs, f"seed={seed}")
    (bracketed,) = select_runs([run_of([1, 0], method="top[2]"), *runs], "method=top[2]")
    assert bracketed.method == "top[2]"
    with pytest.raises(UsageError, match="did you mean 'method'"):
        select_runs(runs, "metod=l1")
