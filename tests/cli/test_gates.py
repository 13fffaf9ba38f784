import pytest

from maskstat.cli.gates import Gate
from maskstat.errors import UsageError


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("total:jaccard < 0.9", ("total", "jaccard", "<", 0.9)),
        ("conv*:density<=1e-3", ("conv*", "density", "<=", 1e-3)),
        ("log10_p >= -2", ("", "log10_p", ">=", -2.0)),
        ("features.0.weight:kept == 0", ("features.0.weight", "kept", "==", 0.0)),
        ("z != +1.5", ("", "z", "!=", 1.5)),
    ],
)
def test_conditions_are_taken_apart(text, parts):
    gate = Gate.parse(text)
    assert (gate.layer, gate.column, gate.operator, gate.number) == parts


@pytest.mark.parametrize(
    "text",
    ["", "jaccard", "jaccard < ", "< 3", "a b < 3", "x < 1.2.3", "x = 1", "__import__('os')"],
)
def test_anything_else_is_refused(text):
    with pytest.raises(UsageError) as caught:
        Gate.parse(text)
    assert caught.value.code == "bad-condition"


@pytest.mark.parametrize(
    ("text", "row", "meets"),
    [
        ("total:x < 1", {"layer": "total", "x": 0.5}, True),
        ("total:x < 1", {"layer": "fc1", "x": 0.5}, False),
        ("fc*:x < 1", {"layer": "fc1", "x": 0.5}, True),
        ("x < 1", {"layer": "fc1", "x": 1}, False),
        ("x < 1", {"layer": "fc1", "x": None}, False),
    ],
)
def test_rows_meet_conditions(text, row, meets):
    assert Gate.parse(text).meets(row) is meets
