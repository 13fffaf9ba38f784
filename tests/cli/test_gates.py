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
        ("fc[!1]*:z != 1", ("fc[!1]*", "z", "!=", 1.0)),
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


def test_rows_that_are_of_no_layers_have_no_total(run_cli, archives):
    grouped = ("connectivity", *archives, "--group-by", "model", "--fail-if")
    refused = run_cli(*grouped, "total:left < 0")
    assert refused.exit_code == 2
    assert "the rows are of no layers" in refused.stderr
    assert "leave out 'total:'" in refused.stderr
    assert run_cli(*grouped, "left < 0").exit_code == 0


def test_a_layer_that_no_row_has_is_refused(run_cli, archives):
    refused = run_cli("compare", *archives, "--fail-if", "fc9*:jaccard < 1")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "no row's layer is named 'fc9*'" in refused.stderr


@pytest.mark.parametrize(
    ("sign", "met"),
    [
        ("<", [True, False, False]),
        ("<=", [True, True, False]),
        (">", [False, False, True]),
        (">=", [False, True, True]),
        ("==", [False, True, False]),
        ("!=", [True, False, True]),
    ],
)
def test_comparisons_below_at_and_above_the_number(sign, met):
    gate = Gate.parse(f"x {sign} 2")
    assert [gate.meets({"x": value}) for value in (1, 2, 3)] == met


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
