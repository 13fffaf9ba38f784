"""Whether two networks predict the same, err on the same, and what several reach together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.errors import InputError
from maskstat.stats._rows import same_shape, tile, tiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from maskstat.stats._rows import Floats, Rows

__all__ = [
    "Agreement",
    "EnsembleAccuracy",
    "ErrorConsistency",
    "agreement",
    "ensemble_accuracy",
    "error_consistency",
]

Classes: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """On how many examples two networks predict the same class.

    Attributes
    ----------
    n, agreeing
        Examples, and those on which the largest outputs belong to the same class.
    fraction
        agreeing / n.
    expected
        Chance level: sum over classes of the product of the two prediction shares.
    kappa
        Cohen's (fraction - expected) / (1 - expected); None where expected is 1.
    """

    n: int
    agreeing: int
    fraction: float | None
    expected: float | None
    kappa: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorConsistency:
    """Whether two networks are wrong on the same examples.

    Attributes
    ----------
    n
        Examples.
    correct_a, correct_b, correct_both
        Examples that the one, the other, both networks get right.
    accuracy_a, accuracy_b
        correct_a / n and correct_b / n.
    fraction
        Share of examples on which both are right or both are wrong.
    expected
        Its chance level at these accuracies: acc_a acc_b + (1 - acc_a)(1 - acc_b).
    kappa
        (fraction - expected) / (1 - expected); None where expected is 1.
    """

    n: int
    correct_a: int
    correct_b: int
    correct_both: int
    accuracy_a: float | None
    accuracy_b: float | None
    fraction: float | None
    expected: float | None
    kappa: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleAccuracy:
    """What several networks reach together.

    Attributes
    ----------
    n, members
        Examples and networks.
    correct_members
        Examples that each network alone gets right.
    correct_mean_probability
        Examples right by the largest mean of the members' softmax probabilities.
    correct_majority_vote
        Examples right by the class most members predict.
    """

    n: int
    members: int
    correct_members: tuple[int, ...]
    correct_mean_probability: int
    correct_majority_vote: int

    @property
    def member_accuracies(self) -> tuple[float, ...]:
        """Accuracy of each network alone."""
        return tuple(c / self.n for c in self.correct_members)

    @property
    def mean_probability_accuracy(self) -> float:
        """Accuracy of the mean of the softmax probabilities."""
        return self.correct_mean_probability / self.n

    @property
    def majority_vote_accuracy(self) -> float:
        """Accuracy of the majority vote."""
        return self.correct_majority_vote / self.n


def agreement(x: Rows, y: Rows) -> Agreement:
    """Count the examples on which two networks predict the same class.

    Parameters
    ----------
    x, y
        Outputs on the same n examples, both of shape (n, c). The prediction is the class of the
        largest output, the first of equals.

    Returns
    -------
    Agreement
        Count (Paganini and Forde 2020, Figure 11), fraction, chance level and Cohen's kappa.

    Raises
    ------
    LayoutMismatchError
        Not the same shape.
    InputError
        As for `linear_cka`.

    Examples
    --------
    >>> import numpy as np
    >>> one, other = np.eye(3)[[0, 1, 2, 2]], np.eye(3)[[0, 1, 2, 0]]
    >>> found = agreement(one, other)
    >>> found.agreeing, found.fraction, found.expected
    (3, 0.75, 0.3125)
    """
    n, c = same_shape(x, y)
    a, b = _predictions(x), _predictions(y)
    same = int(np.count_nonzero(a == b))
    shares = zip(np.bincount(a, minlength=c), np.bincount(b, minlength=c), strict=True)
    chance = sum(int(k) * int(m) for k, m in shares)
    return Agreement(
        n=n,
        agreeing=same,
        fraction=same / n if n else None,
        expected=chance / n**2 if n else None,
        kappa=_kappa(n * same, chance, n * n),
    )


def error_consistency(x: Rows, y: Rows, labels: ArrayLike) -> ErrorConsistency:
    """Compare which examples two networks get wrong.

    Parameters
    ----------
    x, y
        Outputs on the same n examples, both of shape (n, c).
    labels
        Right classes, whole numbers in [0, c), shape (n,).

    Returns
    -------
    ErrorConsistency
        Counts, accuracies, and the agreement of right and wrong beyond what they imply.

    Raises
    ------
    LayoutMismatchError
        Not the same shape.
    InputError
        As for `linear_cka`; or a label is not a class.

    Notes
    -----
    Geirhos, Meding and Wichmann (2020), NeurIPS 33:13890, equations 1 and 3.

    Examples
    --------
    >>> import numpy as np
    >>> one, other = np.eye(2)[[0, 0, 1, 1]], np.eye(2)[[0, 0, 1, 0]]
    >>> found = error_consistency(one, other, [0, 1, 1, 1])
    >>> found.accuracy_a, found.accuracy_b, found.fraction, found.kappa
    (0.75, 0.5, 0.75, 0.5)
    """
    n, c = same_shape(x, y)
    truth = _labels(labels, n, c)
    right_a, right_b = _predictions(x) == truth, _predictions(y) == truth
    a, b = int(np.count_nonzero(right_a)), int(np.count_nonzero(right_b))
    same = int(np.count_nonzero(right_a == right_b))
    chance = a * b + (n - a) * (n - b)
    return ErrorConsistency(
        n=n,
        correct_a=a,
        correct_b=b,
        correct_both=int(np.count_nonzero(right_a & right_b)),
        accuracy_a=a / n if n else None,
        accuracy_b=b / n if n else None,
        fraction=same / n if n else None,
        expected=chance / n**2 if n else None,
        kappa=_kappa(n * same, chance, n * n),
    )


def ensemble_accuracy(outputs: Sequence[Rows], labels: ArrayLike) -> EnsembleAccuracy:
    """Combine the predictions of several networks.

    Parameters
    ----------
    outputs
        One (n, c) array of logits a network, all on the same examples.
    labels
        Right classes, whole numbers in [0, c), shape (n,), n at least 1.

    Returns
    -------
    EnsembleAccuracy
        Each member's count of right answers and the ensemble's, by both rules.

    Raises
    ------
    LayoutMismatchError
        Not the same shapes.
    InputError
        As for `error_consistency`; or there is no network or no example.

    Notes
    -----
    Paganini and Forde (2020), section 4.1.1, propose the ensemble without fixing a rule. Mean
    probability: mean over members of softmax(logits), largest class. Majority vote: the class
    that most members predict; among equally many votes the one of the larger mean probability.

    Examples
    --------
    >>> import numpy as np
    >>> logits = [np.array([[2.0, 0.0]]), np.array([[2.0, 0.0]]), np.array([[0.0, 9.0]])]
    >>> found = ensemble_accuracy(logits, [0])
    >>> found.correct_majority_vote, found.correct_mean_probability
    (1, 1)
    """
    if not outputs or not outputs[0].shape[0]:
        raise InputError("an ensemble of no networks or on no examples", code="empty-ensemble")
    for other in outputs:
        n, c = same_shape(outputs[0], other)
    truth = _labels(labels, n, c)
    members = [0] * len(outputs)
    mean = vote = 0
    for rows in tiles(n, 3 * c):
        total = np.zeros((rows.stop - rows.start, c))
        votes = np.zeros(total.shape, dtype=np.int64)
        for i, output in enumerate(outputs):
            logits = tile(output, rows)
            predicted = logits.argmax(axis=1)
            members[i] += int(np.count_nonzero(predicted == truth[rows]))
            votes[np.arange(len(votes)), predicted] += 1
            total += _softmax(logits)
        most = votes == votes.max(axis=1, keepdims=True)
        mean += int(np.count_nonzero(total.argmax(axis=1) == truth[rows]))
        vote += int(np.count_nonzero(np.where(most, total, -1.0).argmax(axis=1) == truth[rows]))
    return EnsembleAccuracy(
        n=n,
        members=len(outputs),
        correct_members=tuple(members),
        correct_mean_probability=mean,
        correct_majority_vote=vote,
    )


def _predictions(outputs: Rows) -> Classes:
    n, c = outputs.shape
    parts = [tile(outputs, rows).argmax(axis=1) for rows in tiles(n, c)]
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])


def _labels(labels: ArrayLike, n: int, c: int) -> Classes:
    truth = np.asarray(labels)
    if truth.shape != (n,):
        raise InputError(f"labels of shape {truth.shape} for {n} examples", code="labels-shape")
    if truth.dtype.kind not in "iu" or (n and not (truth.min() >= 0 and truth.max() < c)):
        raise InputError(
            f"a label is not a class from 0 to {c - 1}",
            code="labels-range",
            consequence="no accuracy can be counted",
        )
    return truth.astype(np.int64)


def _softmax(logits: Floats) -> Floats:
    weights: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def _kappa(observed: int, chance: int, whole: int) -> float | None:
    """(observed - chance) / (1 - chance) of shares that are given as exact counts of a whole."""
    return (observed - chance) / (whole - chance) if whole != chance else None
