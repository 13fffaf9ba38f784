"""Claims: verdicts follow the runs, whichever way they come out."""

from fractions import Fraction
from math import comb
from pathlib import Path

import numpy as np
import pytest

from maskstat.mask import Mask
from maskstat.prune.grid import Grid
from maskstat.prune.recipe import Recipe
from maskstat.reproduce.claim import Claim, Finding, tabulate_claims
from maskstat.reproduce.evidence import Cell, Evidence
from maskstat.reproduce.exhibits import claims_of
from maskstat.reproduce.exhibits.grosse_overlap import pairs_where
from maskstat.reproduce.exhibits.measures import (
    binomial_at_least,
    mean,
    overlap,
    plain,
    standard_error,
)
from maskstat.reproduce.plan import Case, Plan, Sweep
from maskstat.run import Run

SIZE, KEPT = 2_000, 400


def run(seed, replicate, chosen, **fields):
    bits = np.zeros(SIZE, bool)
    bits[chosen] = True
    masks = [Mask.from_arrays({"fc": bits.reshape(20, 100)})] * 2
    fields = {
        "dataset": "digits",
        "method": "l1",
        "series": {"test_accuracy": np.array([0.9, 0.8, 0.7])},
        **fields,
    }
    return Run.from_masks(f"s{seed}-r{replicate}", masks, seed=seed, replicate=replicate, **fields)


def evidence(runs, role="unfixed"):
    """Runs as if a plan had asked for them."""
    case = Case(
        name="toy", title="toy", stands_for="", at={"high": (1,), "across": (1,), "low": (1,)}
    )
    grid = Grid(base=Recipe(), axes={"random.seed": [0]})
    sweep = Sweep(name=role, role=role, case="toy", grid=grid)
    plan = Plan(
        paper="grosse2020", scale="test", citation="", title="", about="", unstated=(),
        cases={"toy": case}, sweeps=(sweep,), left_out={},
    )  # fmt: skip
    cells = [Cell(sweep=sweep, name=r.run_id, recipe=Recipe(), run=r) for r in runs]
    return Evidence(plan=plan, cells=tuple(cells))


def by_chance(rng):
    return [run(seed, r, rng.permutation(SIZE)[:KEPT]) for seed in range(3) for r in range(4)]


def alike(rng):
    """Runs of a seed share half of what they keep."""
    runs = []
    for seed in range(3):
        core = rng.permutation(SIZE)
        for replicate in range(4):
            rest = rng.permutation(core[KEPT // 2 :])[: KEPT // 2]
            runs.append(run(seed, replicate, np.concatenate([core[: KEPT // 2], rest])))
    return runs


def claim(key):
    (found,) = [claim for claim in claims_of("grosse2020") if claim.key == key]
    return found


@pytest.mark.parametrize(
    ("key", "role", "random", "shared"),
    [
        ("within-at-chance", "unfixed", True, False),
        ("across-initializations", "unfixed", True, True),
        ("shared-by-all", "unfixed", True, False),
        ("kept-by-none", "unfixed", True, False),
        ("partial-beyond-chance", "partial", False, True),
    ],
)
def test_verdicts_follow_the_masks(key, role, random, shared):
    rng = np.random.default_rng(5)
    for make, expected in ((by_chance, random), (alike, shared)):
        (finding,) = claim(key).weigh(evidence(make(rng), role))
        assert finding.holds is expected, finding


@pytest.mark.parametrize("key", ["within-at-chance", "shared-by-all", "partial-beyond-chance"])
def test_too_few_runs_decide_nothing(key):
    role = "partial" if key.startswith("partial") else "unfixed"
    (finding,) = claim(key).weigh(evidence([run(0, 0, range(KEPT))], role))
    assert finding.verdict == "undecided"


def test_accuracies_are_compared_initialization_by_initialization():
    better = {"series": {"test_accuracy": np.array([0.9, 0.85, 0.75])}}
    free = [run(seed, 0, range(KEPT)) for seed in range(3)]
    held = [run(seed, 0, range(KEPT), **better) for seed in range(3)]
    both = evidence(free).cells + evidence(held, "partial").cells
    plan = evidence([]).plan
    (gained,) = claim("accuracy-partial").weigh(Evidence(plan=plan, cells=both))
    assert gained.holds is True
    assert gained.ours.startswith("+5.00")
    same = evidence(free).cells + evidence(free, "partial").cells
    (none,) = claim("accuracy-partial").weigh(Evidence(plan=plan, cells=same))
    assert none.holds is False


def test_overlap_is_counted_against_layers_of_the_same_size():
    runs = [run(0, r, range(r * 100, r * 100 + KEPT)) for r in range(2)]
    found = overlap(runs, iteration=1, same=("seed",))
    assert found.pairs == 1
    assert found.jaccard == pytest.approx(300 / 500)
    assert found.lift == pytest.approx(300 / (KEPT**2 / SIZE))
    assert overlap(runs, iteration=1, other=("seed",)) is None


def test_pairs_are_named_from_one():
    runs = [run(seed, r, range(KEPT)) for seed in (0, 1) for r in (0, 1)]
    assert pairs_where(runs, same=("seed",)) == "1:2,3:4"
    assert pairs_where(runs, other=("seed", "replicate")) == "1:4,2:3"


def test_small_measures():
    assert plain([1, None, 2.5]) == [1.0, 2.5]
    assert plain([{"x": None}, {"x": 3}], column="x") == [3.0]
    assert mean([1, 2]) == 1.5
    assert standard_error([1, 3]) == pytest.approx(1.0)
    assert np.isnan(mean([]))
    assert np.isnan(standard_error([1]))


@pytest.mark.parametrize(("n", "p"), [(1, 0.3), (12, 0.04), (40, 0.02), (9, 0.0), (3, 1.0)])
def test_binomial_tails_against_fractions(n, p):
    share = Fraction(p)
    law = [comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(n + 1)]
    for k in range(n + 1):
        assert binomial_at_least(k, n, p) == pytest.approx(float(sum(law[k:])), rel=1e-11)


def test_binomial_tails_of_many_pairs():
    assert binomial_at_least(1_000, 2_000, 0.5) == pytest.approx(0.508920, abs=1e-6)
    assert binomial_at_least(2_000, 2_000, 0.025) == 0.0


@pytest.mark.parametrize(
    ("holds", "verdict"), [(True, "borne out"), (False, "not borne out"), (None, "undecided")]
)
def test_claims_make_rows(holds, verdict):
    one = Claim(key="k", figure="1", says="s", theirs="t", rule="r", roles=(), weigh=lambda _: ())
    finding = Finding(case="c", ours="o", control="x", holds=holds)
    (row,) = tabulate_claims([(one, finding)])
    assert row["verdict"] == verdict
    assert list(row) == list(tabulate_claims([]).columns)


def test_no_verdict_is_written_down():
    folder = Path(__file__).parents[2] / "maskstat" / "reproduce"
    paths = list(folder.glob("exhibits/*claims.py"))
    assert paths
    for path in paths:
        text = path.read_text()
        assert "holds=True" not in text
        assert "borne out" not in text
