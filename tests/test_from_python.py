"""Masks and runs as a user makes them from tensors, and what wrong use is answered with."""

import numpy as np
import pytest

import maskstat
from maskstat import Mask, Run
from maskstat.errors import MaskstatError
from maskstat.run import Weights
from maskstat.stats.connect import connectivity
from maskstat.stats.ensemble import ensemble
from maskstat.stats.initial import initial
from maskstat.stats.outputs_summary import summarize_outputs
from maskstat.stats.summary import summarize


def random_mask(seed=0, label="", density=0.4):
    rng = np.random.default_rng(seed)
    arrays = {"conv": rng.random((4, 3, 3, 3)) < density, "fc": rng.random((5, 36)) < density}
    return Mask.from_arrays(arrays, label=label)


def nested_run(name="nested"):
    first, second = random_mask(1), random_mask(2)
    return Run.from_masks(name, [first, first & second])


@pytest.mark.parametrize(
    "kind",
    ["bool", "uint8", "int64", "float16", "bfloat16", "float8_e4m3fn", "float32", "float64"],
)
def test_tensors_of_any_kind_are_masks(kind):
    torch = pytest.importorskip("torch")
    kept = torch.arange(35).reshape(5, 7) % 3 == 0
    mask = Mask.from_arrays({"fc": kept.to(getattr(torch, kind))})
    assert np.array_equal(mask.layer("fc"), kept.numpy())


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_tensors_that_are_trained_or_sparse_are_masks(kind):
    torch = pytest.importorskip("torch")
    kept = torch.arange(12).reshape(3, 4) % 5 == 0
    values = kept.to(getattr(torch, kind))
    for tensor in (torch.nn.Parameter(values), values.to_sparse(), values.T.contiguous().T):
        assert np.array_equal(Mask.from_arrays({"fc": tensor}).layer("fc"), kept.numpy())


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_tensors_of_weights_are_no_masks(kind):
    torch = pytest.importorskip("torch")
    weights = torch.linspace(-1, 1, 12, dtype=getattr(torch, kind), requires_grad=True)
    with pytest.raises(MaskstatError, match="other than 0 and 1"):
        Mask.from_arrays({"fc": weights})
    with pytest.raises(MaskstatError, match="cannot be taken as an array"):
        Mask.from_arrays({"fc": torch.empty(3, device="meta")})


@pytest.mark.parametrize("layers", [[[1, 0]], np.eye(2), None])
def test_layers_without_names_are_refused(layers):
    with pytest.raises(MaskstatError, match="dict of layer names"):
        Mask.from_arrays(layers)


def test_labels_may_be_numbers():
    a, b = random_mask(1, label=3), random_mask(2, label=4)
    assert repr(a).startswith("<Mask '3'")
    assert {(row["a"], row["b"]) for row in maskstat.compare(a, b)} == {("3", "4")}


def test_numbers_that_tell_inputs_apart_are_not_taken():
    masks = [random_mask(seed, label=label) for seed, label in enumerate(["x", "x", "x#1"])]
    table = maskstat.compare(*masks)
    assert len({row[side] for row in table for side in "ab"}) == 3
    assert summarize(table).column("runs") == [3, 3, 3]


def test_masks_alone_are_told_apart_where_layers_may_differ():
    for function in (maskstat.pattern, connectivity):
        assert len(set(function(random_mask(1), random_mask(2)).column("run"))) == 2


def test_masks_of_one_run_are_not_tested_against_each_other():
    run = nested_run()
    table = maskstat.compare(run.mask(1), run.mask(2))
    assert table.column("note") == ["same-run"] * 3
    assert table.column("log10_p") == [None] * 3
    assert table.rows() == maskstat.compare((run, 1), (run, np.int64(2))).rows()
    assert set(maskstat.consensus(run.mask(1), run.mask(2)).column("note")) == {"same-run"}
    other = nested_run("other")
    assert None not in maskstat.compare(run.mask(1), other.mask(2)).column("log10_p")


def test_masks_of_runs_are_grouped_as_their_runs():
    runs = [
        Run.from_masks(f"s{seed}r{replicate}", random_mask(10 * seed + replicate), seed=seed)
        for seed in (0, 1)
        for replicate in (1, 2)
    ]
    whole = summarize(maskstat.compare(*runs), group_by="seed").rows()
    assert summarize(maskstat.compare(*(run.mask() for run in runs)), group_by="seed").rows() == (
        whole
    )
    with pytest.raises(MaskstatError, match="--group-by seed"):
        summarize(maskstat.compare(*runs), group_by="init_seed")
    known = [
        Run.from_masks(run.run_id, run.mask(), provenance={"seeds": {"init": run.seed}})
        for run in runs
    ]
    assert summarize(maskstat.compare(*known), group_by="init_seed").rows() == whole


@pytest.mark.parametrize("iteration", ["last", 1.0, None])
def test_an_iteration_is_a_whole_number(iteration):
    with pytest.raises(MaskstatError) as caught:
        nested_run().mask(iteration)
    assert caught.value.code == "bad-iteration"


def test_an_iteration_may_be_of_any_integer_type():
    run = nested_run()
    for one in (True, np.int64(1), np.uint8(1)):
        assert run.mask(one) == run.mask(1)
        assert (run.mask(one).iteration, run.mask(one).n_kept) == (1, run.mask(1).n_kept)


def test_a_run_is_made_of_one_mask_or_several():
    mask = random_mask()
    assert Run.from_masks("a", mask).mask(1) == mask
    assert Run.from_masks("a", (mask for _ in range(2))).n_iterations == 3


@pytest.mark.parametrize("masks", [[{"fc": [1, 0]}], [np.eye(2)], "mask"])
def test_a_run_of_something_else_is_refused(masks):
    with pytest.raises(MaskstatError) as caught:
        Run.from_masks("a", masks)
    assert caught.value.code == "not-a-mask"


def test_run_names_are_texts():
    with pytest.raises(MaskstatError) as caught:
        Run.from_masks(3, random_mask())
    assert caught.value.code == "bad-run-id"


def test_only_runs_are_written(tmp_path):
    mask = random_mask()
    for what in (mask, [mask], maskstat.consensus(mask, mask), None):
        with pytest.raises(MaskstatError) as caught:
            maskstat.write(tmp_path / "new.h5", what)
        assert caught.value.code == "not-a-run"
    assert list(tmp_path.iterdir()) == []


def test_masks_combine_with_masks_only():
    mask = random_mask()
    for other in (1, "fc", {"fc": [1]}):
        with pytest.raises(TypeError, match="unsupported operand"):
            assert mask & other
        with pytest.raises(TypeError, match="not supported"):
            assert mask <= other


@pytest.mark.parametrize(
    ("option", "code"),
    [
        ({"missing": "drop"}, "bad-missing"),
        ({"missing": None}, "bad-missing"),
        ({"pairs": [(1, 2)]}, "bad-pairs"),
        ({"pairs": None}, "bad-pairs"),
    ],
)
def test_options_of_other_types_are_refused(option, code):
    with pytest.raises(MaskstatError) as caught:
        maskstat.compare(random_mask(1), random_mask(2), **option)
    assert caught.value.code == code


@pytest.mark.parametrize("asked", [None, (2, 4), 2])
def test_a_pattern_is_a_text(asked):
    with pytest.raises(MaskstatError) as caught:
        maskstat.pattern(random_mask(), pattern=asked)
    assert caught.value.code == "bad-pattern"


@pytest.mark.parametrize(
    "function",
    [maskstat.correlate, maskstat.outputs, maskstat.pattern, maskstat.connectivity, ensemble],
)
def test_nothing_to_look_at_is_said(function):
    with pytest.raises(MaskstatError) as caught:
        function()
    assert caught.value.code == "too-few-masks"


@pytest.mark.parametrize(
    ("layers", "told"),
    [("fc*", ["fc*"]), (["conv", "fc"], ["conv", "fc"]), ((), []), (None, [])],
)
def test_parameters_say_which_layers_were_asked_for(layers, told):
    masks = random_mask(1), random_mask(2)
    for table in (
        maskstat.compare(*masks, layers=layers),
        maskstat.pattern(*masks, layers=layers),
        maskstat.connectivity(*masks, layers=layers),
    ):
        assert table.parameters["layers"] == told


def test_a_column_that_is_not_there_is_answered_with_the_nearest():
    table = maskstat.compare(random_mask(1), random_mask(2))
    for ask in (lambda: table.column("jacard"), lambda: table.where(jacard=1)):
        with pytest.raises(MaskstatError, match="did you mean 'jaccard'") as caught:
            ask()
        assert caught.value.code == "no-such-column"
    with pytest.raises(MaskstatError) as caught:
        random_mask().layer(0)
    assert caught.value.code == "no-such-layer"


def test_a_summary_takes_the_table_of_its_statistic():
    masks = random_mask(1), random_mask(2)
    table = maskstat.compare(*masks)
    for function, given in (
        (summarize, maskstat.consensus(*masks)),
        (summarize, masks),
        (summarize, summarize(table)),
        (summarize_outputs, table),
    ):
        with pytest.raises(MaskstatError) as caught:
            function(given)
        assert caught.value.code == "wrong-table"


def test_a_figure_takes_a_table():
    from maskstat.figures.overlap import overlap_beside_chance

    with pytest.raises(MaskstatError, match=r"from what compare\(\) returns") as caught:
        overlap_beside_chance([random_mask(1), random_mask(2)])
    assert caught.value.code == "wrong-table"


def test_a_rule_for_biases_is_one_of_two():
    mask = Mask.from_arrays({"a": np.ones((3, 4)), "b": np.ones((2, 3))})
    with pytest.raises(MaskstatError, match="keeps-alive") as caught:
        maskstat.connectivity(mask, bias="keep")
    assert caught.value.code == "unknown-bias-rule"


@pytest.mark.parametrize("shape", [(1, 3), (1, 9), (2, 4), (4,)])
def test_weights_of_other_sizes_are_refused(shape):
    stored = Weights(values=np.zeros(shape, np.float32), iterations=(0,))
    run = Run.from_masks("a", Mask.from_arrays({"fc": [1, 0, 1, 1]}), weights={"initial": stored})
    with pytest.raises(MaskstatError, match=r"where \(1, 4\) belongs") as caught:
        initial(run)
    assert caught.value.code == "bad-run"


def test_measurements_may_be_lists():
    run = Run.from_masks("a", random_mask(), series={"test_accuracy": [0.9, 0.8]})
    assert [row["test_accuracy"] for row in run.rows()] == [0.9, 0.8]


def test_only_runs_are_retrained():
    pytest.importorskip("torch")
    for tickets in (random_mask(), [random_mask()]):
        with pytest.raises(MaskstatError) as caught:
            maskstat.retrain(tickets, datasets="digits")
        assert caught.value.code == "not-a-run"
