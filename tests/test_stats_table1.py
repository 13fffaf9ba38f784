"""Table 1 of Paganini & Forde (2020), column s: every value, from the architectures' shapes."""

import json
from math import floor, prod
from pathlib import Path

import pytest

from maskstat.errors import UsageError
from maskstat.stats.schedule_counts import remaining_after

SHAPES = json.loads((Path(__file__).parent / "data" / "model_shapes.json").read_text())
LENET = {
    "conv1.weight": (6, 1, 3, 3),
    "conv1.bias": (6,),
    "conv2.weight": (16, 6, 3, 3),
    "conv2.bias": (16,),
    "fc1.weight": (120, 400),
    "fc1.bias": (120,),
    "fc2.weight": (84, 120),
    "fc2.bias": (84,),
    "fc3.weight": (10, 84),
    "fc3.bias": (10,),
}

# Thousands of parameters left after prunings 1 to 20 (the paper's rows 0 to 19).
PRINTED = {
    "lenet": "48 38 30 24 19 15 12 10 8.3 6.7 5.4 4.3 3.5 2.9 2.3 1.9 1.6 1.3 1.1 0.9",
    "alexnet": (
        "45,637 36,512 29,211 23,371 18,698 14,960 11,970 9,578 7,664 6,133 "
        "4,908 3,928 3,144 2,517 2,016 1,614 1,293 1,036 831 666"
    ),
    "vgg11": (
        "103,048 82,440 65,954 52,765 42,214 33,774 27,021 21,619 17,297 13,840 "
        "11,074 8,861 7,091 5,675 4,542 3,636 2,911 2,331 1,867 1,495"
    ),
    "resnet18": (
        "8,981 7,221 5,813 4,687 3,786 3,065 2,488 2,027 1,658 1,362 "
        "1,126 937 786 665 568 491 429 379 340 308"
    ),
}


def split(net):
    """Sizes of the layers that the paper prunes, and how many parameters it leaves alone."""
    shapes = LENET if net == "lenet" else SHAPES[net]
    learned = {
        name: shape
        for name, shape in shapes.items()
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    }
    pruned = {
        name: prod(shape)
        for name, shape in learned.items()
        if len(shape) > 1 and "downsample" not in name
    }
    return list(pruned.values()), sum(map(prod, learned.values())) - sum(pruned.values())


def as_printed(n, text):
    """Thousands cut off; with a decimal, rounded."""
    return f"{n / 1000:.1f}" if "." in text else f"{floor(n / 1000):,}"


@pytest.mark.parametrize(
    ("net", "prunable", "rest"),
    [
        ("lenet", 59_838, 236),
        ("alexnet", 57_035_456, 9_354),
        ("vgg11", 128_796_352, 10_954),
        ("resnet18", 11_000_000, 181_642),
    ],
)
def test_the_papers_split_into_pruned_and_unpruned(net, prunable, rest):
    sizes, unpruned = split(net)
    assert (sum(sizes), unpruned) == (prunable, rest)


@pytest.mark.parametrize("net", PRINTED)
def test_every_value_of_column_s(net):
    sizes, unpruned = split(net)
    printed = PRINTED[net].split()
    assert len(printed) == 20
    left = [unpruned + sum(remaining_after(n, 0.2, step) for n in sizes) for step in range(1, 21)]
    assert [as_printed(n, text) for n, text in zip(left, printed, strict=True)] == printed


def test_the_papers_36_percent():
    sizes, unpruned = split("lenet")
    left = unpruned + sum(remaining_after(n, 0.2, 2) for n in sizes)
    assert round(100 * (1 - left / (sum(sizes) + unpruned)), 1) == 35.9


@pytest.mark.parametrize(("n", "fraction", "left"), [(5, 0.5, 3), (3, 0.5, 1), (2, 0.2, 2)])
def test_halves_round_to_even(n, fraction, left):
    assert remaining_after(n, fraction, 1) == left


@pytest.mark.parametrize("bad", [(-1, 0.2, 1), (5, 1.2, 1), (5, -0.1, 1), (5, 0.2, -1)])
def test_impossible_schedules_are_refused(bad):
    with pytest.raises(UsageError) as caught:
        remaining_after(*bad)
    assert caught.value.code == "bad-schedule"
