"""compare: counts against booleans, chance against scipy and brute force on small sizes."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from maskstat.errors import LayoutMismatchError, NotFoundError, UsageError
from maskstat.mask import Mask
from maskstat.run import Run
from maskstat.stats.compare import COMPARE_COLUMNS, compare
from maskstat.stats.summary import summarize

SHAPES = {"conv": (4, 3, 3), "fc": (20, 9), "out": (3, 20)}


def random_mask(seed, density=0.3, label=None):
    rng = np.random.default_rng(seed)
    arrays = {name: rng.random(shape) < density for name, shape in SHAPES.items()}
    return Mask.from_arrays(arrays, label=label or f"m{seed}")


@pytest.mark.filterwarnings("ignore::RuntimeWarning:scipy")  # inside scipy's hypergeom
@given(st.integers(0, 10_000), st.sampled_from([0.05, 0.3, 0.9]))
def test_layers_equal_scipy(seed, density):
    a, b = random_mask(seed, density), random_mask(seed + 1, 0.4)
    table = compare(a, b, correction="none")
    for name, x in a.to_arrays().items():
        y = b.layer(name)
        (row,) = table.where(layer=name)
        shared = int((x & y).sum())
        assert (row["size"], row["kept_a"], row["kept_b"]) == (x.size, x.sum(), y.sum())
        assert (row["shared"], row["union"]) == (shared, (x | y).sum())
        law = reference.hypergeom(x.size, int(x.sum()), int(y.sum()))
        assert row["expected_shared"] == pytest.approx(law.mean(), rel=1e-12)
        if row["note"] == "untestable":
            assert row["log10_p"] is None
            continue
        assert row["jaccard"] == pytest.approx(shared / (x | y).sum())
        high = np.arange(math.ceil(law.mean()), min(x.sum(), y.sum()) + 1)
        high = high[2 * law.sf(high - 1) <= 0.05 + 1e-12]
        lift = high[0] / law.mean() if high.size else None
        assert row["min_lift"] == (lift and pytest.approx(lift))
        p = min(1.0, 2 * min(law.cdf(shared), law.sf(shared - 1)))
        assert row["log10_p"] == pytest.approx(math.log10(p), abs=1e-9)
        assert row["z"] == pytest.approx((shared - law.mean()) / law.std(), rel=1e-9)
        for level in (95, 99):
            outside = not row[f"low{level}"] <= shared <= row[f"high{level}"]
            assert outside == (p <= (100 - level) / 100 + 1e-12)


@given(st.integers(0, 10_000))
def test_totals_are_the_sum_of_independent_layers(seed):
    a, b = random_mask(seed, 0.2), random_mask(seed + 1, 0.5)
    (row,) = compare(a, b, correction="none").where(layer="total")
    law = np.ones(1)
    for name, x in a.to_arrays().items():
        y = b.layer(name)
        pmf = reference.hypergeom(x.size, int(x.sum()), int(y.sum())).pmf(np.arange(x.size + 1))
        law = np.convolve(law, pmf)
    shared = row["shared"]
    p = min(1.0, 2 * min(law[: shared + 1].sum(), law[shared:].sum()))
    assert row["null"] == "stratified"
    assert row["log10_p"] == pytest.approx(math.log10(p), abs=1e-8)
    assert row["expected_shared"] == pytest.approx(np.arange(law.size) @ law)


@given(st.integers(0, 10_000))
def test_order_of_the_masks_does_not_matter(seed):
    a, b = random_mask(seed, 0.2), random_mask(seed + 1, 0.6)
    for left, right in zip(compare(a, b), compare(b, a), strict=True):
        assert (left["kept_a"], left["kept_b"]) == (right["kept_b"], right["kept_a"])
        for name in set(COMPARE_COLUMNS) - {"a", "b", "kept_a", "kept_b"}:
            if isinstance(left[name], float):
                assert left[name] == pytest.approx(right[name], rel=1e-9, abs=1e-12), name
            else:
                assert left[name] == right[name], name


def test_all_pairs_in_argument_order():
    masks = [random_mask(seed) for seed in range(4)]
    table = compare(*masks)
    pairs = list(itertools.combinations(["m0", "m1", "m2", "m3"], 2))
    assert [(r["a"], r["b"]) for r in table.where(layer="total")] == pairs
    assert [r["layer"] for r in table][:4] == ["conv", "fc", "out", "total"]
    assert [(r["a"], r["b"]) for r in compare(*masks, pairs="first").where(layer="fc")] == pairs[:3]
    chosen = compare(*masks, pairs="4:2").where(layer="fc")
    assert [(r["a"], r["b"]) for r in chosen] == [("m3", "m1")]


def test_layers_can_be_chosen_and_totals_follow():
    a, b = random_mask(1), random_mask(2)
    table = compare(a, b, layers=["*c", "out"])
    assert table.column("layer") == ["fc", "out", "total"]
    assert table.column("shared")[2] == sum(table.column("shared")[:2])
    with pytest.raises(NotFoundError):
        compare(a, b, layers=["nope"])


def run_of(name, *densities):
    rng = np.random.default_rng(7)
    order = {k: rng.permutation(math.prod(s)).reshape(s) for k, s in SHAPES.items()}
    masks = [
        Mask.from_arrays({k: ranks < d * ranks.size for k, ranks in order.items()})
        for d in densities
    ]
    return Run.from_masks(name, masks)


def test_iterations_meet_their_own_number():
    a, b = run_of("a", 0.8, 0.5, 0.2), run_of("b", 0.8, 0.5)
    rows = compare(a, b, iteration="all").where(layer="total")
    assert [(r["iteration_a"], r["iteration_b"]) for r in rows] == [(1, 1), (2, 2)]
    rows = compare(a, b).where(layer="total")
    assert [(r["iteration_a"], r["iteration_b"]) for r in rows] == [(3, 2)]
    with pytest.raises(NotFoundError, match="0 to 2"):
        compare(a, b, iteration=3)


def test_iterations_of_one_run_are_nested_and_not_tested():
    run = run_of("a", 0.8, 0.5)
    for row in compare((run, 1), (run, 2)):
        assert row["shared"] == row["kept_b"]
        assert (row["log10_p"], row["z"], row["note"]) == (None, None, "same-run")


@pytest.mark.parametrize(
    ("x", "y", "jaccard", "note"),
    [
        ([0, 0, 0], [0, 0, 0], 1.0, "empty-union"),
        ([0, 0, 0], [1, 0, 0], 0.0, "untestable"),
        ([1, 1, 1], [1, 0, 0], 1 / 3, "untestable"),
        ([1, 1, 1], [1, 1, 1], 1.0, "untestable"),
    ],
)
def test_edges(x, y, jaccard, note):
    for row in compare(Mask.from_arrays({"fc": x}), Mask.from_arrays({"fc": y})):
        assert (row["jaccard"], row["note"], row["log10_p"]) == (jaccard, note, None)
    single = compare(Mask.from_arrays({"fc": [1]}), Mask.from_arrays({"fc": [1]}))
    assert single.column("note") == ["untestable", "untestable"]


def test_a_small_distance_keeps_its_digits():
    bits = np.ones(10**6, bool)
    a = Mask.from_arrays({"fc": bits}, label="a")
    bits[0] = False
    row = compare(a, Mask.from_arrays({"fc": bits}, label="b")).rows()[0]
    assert row["jaccard_distance"] == 1e-6  # 1 - jaccard is 1.0000000000287557e-06


def test_an_empty_layer_counts_in_no_mean():
    a = Mask.from_arrays({"x": [1, 1, 0], "y": [0, 0]})
    b = Mask.from_arrays({"x": [1, 0, 1], "y": [0, 0]})
    (total,) = compare(a, b).where(layer="total")
    assert total["mean_jaccard"] == pytest.approx(1 / 3)
    assert total["jaccard"] == pytest.approx(1 / 3)


def test_the_same_layers_in_another_order_are_the_same_network():
    arrays = random_mask(3).to_arrays()
    other = Mask.from_arrays({name: arrays[name] for name in reversed(arrays)})
    assert compare(random_mask(3), other).where(layer="total")[0]["jaccard"] == 1.0


def test_other_layers_are_refused():
    with pytest.raises(LayoutMismatchError, match="cannot be compared"):
        compare(random_mask(1), Mask.from_arrays({"fc": [1, 0]}))


def test_one_mask_is_no_comparison():
    with pytest.raises(UsageError, match="two or more"):
        compare(random_mask(1))


def test_corrected_p_is_never_smaller():
    table = compare(*(random_mask(seed) for seed in range(5)))
    for p, q in zip(table.column("log10_p"), table.column("log10_q"), strict=True):
        assert q >= p
    assert table.parameters["tests"] == 40
    plain = compare(*(random_mask(seed) for seed in range(5)), correction="none")
    assert plain.column("log10_q") == plain.column("log10_p")


def test_layers_that_not_all_have_are_skipped_or_dense():
    a = Mask.from_arrays({"x": [1, 1, 0], "y": [1, 0]}, label="a")
    b = Mask.from_arrays({"z": np.ones(70), "x": [1, 0, 0]}, label="b")
    with pytest.raises(LayoutMismatchError):
        compare(a, b)
    assert compare(a, b, missing="skip").column("layer") == ["x", "total"]
    dense = compare(a, b, missing="dense")
    assert dense.column("layer") == ["x", "y", "z", "total"]
    assert dense.column("kept_a") == [2, 1, 70, 73]
    assert dense.column("kept_b") == [1, 2, 70, 73]
    assert dense.column("shared") == [1, 1, 70, 72]
    with pytest.raises(LayoutMismatchError, match="no layer is in all inputs"):
        compare(a, Mask.from_arrays({"q": [1]}), missing="skip")
    c = Mask.from_arrays({"x": [1], "y": [0, 0]}, label="c")
    assert compare(a, c, missing="skip").column("layer") == ["y", "total"]
    with pytest.raises(LayoutMismatchError, match="no layer is in all inputs in one shape"):
        compare(a, Mask.from_arrays({"x": [1]}), missing="skip")
    with pytest.raises(LayoutMismatchError, match="layer x is"):
        compare(a, c, missing="dense")


def test_inputs_of_one_label_are_told_apart():
    masks = [Mask.from_arrays(random_mask(seed).to_arrays()) for seed in range(3)]
    table = compare(*masks)
    assert [(r["a"], r["b"]) for r in table.where(layer="fc")] == [
        ("mask#1", "mask#2"), ("mask#1", "mask#3"), ("mask#2", "mask#3"),
    ]  # fmt: skip
    run = run_of("a", 0.8, 0.5)
    rows = compare((run, 1), (run, 2)).where(layer="total")
    assert (rows[0]["a"], rows[0]["b"]) == ("a", "a"), "their iterations say which is which"


def test_summaries_do_not_depend_on_labels():
    named = [random_mask(seed) for seed in range(5)]
    unnamed = [Mask.from_arrays(mask.to_arrays()) for mask in named]
    left, right = (summarize(compare(*masks)).where(layer="total")[0] for masks in (named, unnamed))
    assert left == right
    assert left["runs"] == 5
    (twice,) = summarize(compare(named[0], named[0], named[1])).where(layer="total")
    assert (twice["pairs"], twice["runs"]) == (3, 3), "two inputs of one label are two"


def test_a_layer_of_another_shape_is_never_stretched():
    with pytest.raises(LayoutMismatchError):
        Mask.from_arrays({"fc": [1, 0]}).over(Mask.from_arrays({"fc": [1, 0, 1]}).layout)
