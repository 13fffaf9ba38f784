from __future__ import annotations

import numpy as np
import pytest

from maskstat.errors import UsageError
from maskstat.layout import Layout
from maskstat.prune.criteria import CRITERIA, criterion_named
from maskstat.prune.methods import METHODS, method_named
from maskstat.prune.pruning import Pruning
from maskstat.prune.schedule import FractionSchedule
from maskstat.prune.streams import Streams

FORMULAS = {
    "large-final": lambda w, v: abs(w),
    "magnitude-increase": lambda w, v: abs(w) - abs(v),
    "movement": lambda w, v: abs(w - v),
    "large-init": lambda w, v: abs(v),
    "small-final": lambda w, v: -abs(w),
}
NORMS = {
    "l1-structured": lambda row: sum(abs(x) for x in row),
    "l2-structured": lambda row: sum(x * x for x in row) ** 0.5,
    "linf-structured": lambda row: max(abs(x) for x in row),
    "lneginf-structured": lambda row: min(abs(x) for x in row),
}
NORM_FORMULAS = {
    "large-final": lambda norm, w, v: norm(w),
    "magnitude-increase": lambda norm, w, v: norm(w) - norm(v),
    "movement": lambda norm, w, v: norm([a - b for a, b in zip(w, v, strict=True)]),
    "large-init": lambda norm, w, v: norm(v),
    "small-final": lambda norm, w, v: -norm(w),
}


def prune(method: str, criterion: str, final: np.ndarray, start: np.ndarray) -> np.ndarray:
    shape = final.shape
    kept = Pruning(
        method=method_named(method),
        layout=Layout.from_shapes({"fc": shape}),
        schedule=FractionSchedule(0.5),
        criterion=criterion_named(criterion),
    ).next_mask(
        final=final.reshape(-1),
        start=start.reshape(-1),
        kept=np.ones(final.size, bool),
        iteration=1,
        streams=Streams(seed=0),
    )
    return kept.reshape(shape)


@pytest.fixture
def weights() -> tuple[np.ndarray, np.ndarray]:
    """Multiples of 1/8, so that float32 is exact, few of them tied."""
    rng = np.random.default_rng(11)
    return tuple((rng.integers(-4000, 4000, (12, 5)) / 8).astype(np.float32) for _ in range(2))


def lowest_half(scores: list[float]) -> list[bool]:
    """Prune by the written rule: lowest first, of equals the higher index first."""
    queue = sorted(range(len(scores)), key=lambda index: (scores[index], -index))
    gone = set(queue[: round(0.5 * len(scores))])
    return [index not in gone for index in range(len(scores))]


def test_every_criterion_is_tested_with_every_method_that_compares_magnitudes():
    assert CRITERIA.keys() == FORMULAS.keys() == NORM_FORMULAS.keys()
    assert {name for name, method in METHODS.items() if method.by_criterion} == {
        *NORMS, "l1-unstructured", "global-unstructured", "layer-kind",
    }  # fmt: skip


@pytest.mark.parametrize("method", ["l1-unstructured", "global-unstructured", "layer-kind"])
@pytest.mark.parametrize("criterion", sorted(FORMULAS))
def test_weights_are_ranked_as_zhou_et_al_do(criterion, method, weights):
    pairs = zip(*(x.reshape(-1).tolist() for x in weights), strict=True)
    scores = [FORMULAS[criterion](w, v) for w, v in pairs]
    assert prune(method, criterion, *weights).reshape(-1).tolist() == lowest_half(scores)


@pytest.mark.parametrize("method", sorted(NORMS))
@pytest.mark.parametrize("criterion", sorted(FORMULAS))
def test_a_channel_has_its_norm_for_a_magnitude(criterion, method, weights):
    rows = zip(*(x.tolist() for x in weights), strict=True)
    scores = [NORM_FORMULAS[criterion](NORMS[method], w, v) for w, v in rows]
    kept = prune(method, criterion, *weights)
    assert kept.all(axis=1).tolist() == kept.any(axis=1).tolist() == lowest_half(scores)


def test_unknown_criterion_names_the_nearest():
    with pytest.raises(UsageError) as caught:
        criterion_named("large-finl")
    assert caught.value.code == "unknown-criterion"
    assert "did you mean 'large-final'" in caught.value.consequence
