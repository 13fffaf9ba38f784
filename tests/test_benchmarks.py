"""The benchmarks' frame: whose answer is timed, what a ratio is, when a bar is met."""

import json
import math
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks"
PAGE = ROOT / "docs" / "performance.md"

BARS = {
    "pair": [0.12, 8, 18, 80],
    "pair-jaccard": [120],
    "pair-small": [1000],
    "pair-large": [0.25, 0.4],
    "all-pairs": [0.5, 2.5, 6, 25, 25],
    "votes": [12, 15],
    "tails": [50],
    "tails-half": [50],
    "spearman": [1.7],
    "size-0.2": [1.04],
    "size-0.05": [1.08],
    "size-0.01": [1.55],
    "flat-list": [300],
    "flat-compare": [80],
    "help": [1.3],
    "compare-startup": [1.5],
    "prune": [1.35, 3.5],
    "prune-processes": [1.8],
}
"""What was demanded before anything was written."""


@pytest.fixture(scope="module")
def bench():
    """Import a module of the benchmarks, which are scripts beside each other."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield import_module
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == FOLDER:
            del sys.modules[name]


@pytest.fixture
def harness(bench):
    return bench("harness")


def outcome(harness, bar, ours, peer):
    """An outcome with the given costs."""
    check = harness.Check(name="x", work="x", contenders=lambda quick: ([], None), bars=[bar])
    measured = {
        name: harness.Measured(name=name, amounts=amounts)
        for name, amounts in (("ours", ours), ("peer", peer))
    }
    return harness.Outcome(check=check, measured=measured)


def test_a_ratio_is_the_median_of_the_turns(harness):
    bar = harness.Bar(ours="ours", peer="peer", at_least=2)
    # The machine was ten times slower in the last turn: the ratio of medians would be 1.5.
    found = outcome(harness, bar, [1.0, 2.0, 10.0], [3.0, 3.0, 40.0])
    assert found.ratio(bar) == 3.0
    assert found.verdict(bar) == "met"


@pytest.mark.parametrize(
    ("limit", "ours", "peer", "verdict", "guard"),
    [
        ({"at_least": 4}, 1.0, 4.0, "met", "met"),
        ({"at_least": 4}, 1.0, 3.9, "not met", "met"),
        ({"at_least": 4}, 1.0, 1.9, "not met", "not met"),
        ({"at_most": 1.2}, 1.2, 1.0, "met", "met"),
        ({"at_most": 1.2}, 1.3, 1.0, "not met", "met"),
        ({"at_most": 1.2}, 1.51, 1.0, "not met", "not met"),
        ({"at_least": 4, "reached": 1.0, "reason": "why"}, 1.0, 0.6, "not met", "met"),
        ({"at_least": 4, "reached": 1.0, "reason": "why"}, 1.0, 0.4, "not met", "not met"),
        ({"at_most": 1, "reached": 2.0, "reason": "why"}, 2.4, 1.0, "not met", "met"),
        ({"at_most": 1, "reached": 2.0, "reason": "why"}, 2.6, 1.0, "not met", "not met"),
    ],
)
def test_bars_and_their_guards(harness, limit, ours, peer, verdict, guard):
    bar = harness.Bar(ours="ours", peer="peer", **limit)
    found = outcome(harness, bar, [ours], [peer])
    assert (found.verdict(bar), found.verdict(bar, guard=True)) == (verdict, guard)


def test_a_missing_peer_meets_no_bar_and_misses_none(harness):
    bar = harness.Bar(ours="ours", peer="peer", at_least=2)
    found = outcome(harness, bar, [1.0], [])
    assert math.isnan(found.ratio(bar))
    assert found.verdict(bar) == found.verdict(bar, guard=True) == "not measured"


@pytest.mark.parametrize(
    "limit",
    [
        {},
        {"at_least": 1, "at_most": 1},
        {"at_least": 2, "reached": 1},
        {"at_least": 1, "reason": "x"},
    ],
)
def test_a_bar_is_one_limit_and_an_excuse_has_a_number(harness, limit):
    with pytest.raises(ValueError, match="ours / peer"):
        harness.Bar(ours="ours", peer="peer", **limit)


def test_only_right_answers_are_timed_in_turns(harness):
    calls = []

    def answering(name, answer):
        def work():
            calls.append(name)
            return answer

        return lambda: work

    def absent():
        raise ImportError("No module named 'absent'")

    contenders = [
        harness.Contender(name="a", setup=answering("a", [1, 2])),
        harness.Contender(name="liar", setup=answering("liar", [1, 3])),
        harness.Contender(name="absent", setup=absent),
        harness.Contender(name="tenth", setup=answering("b", [1, 2]), part=0.1),
    ]
    check = harness.Check(
        name="x",
        work="x",
        contenders=lambda quick: (contenders, [1, 2]),
        clock=lambda: float(len(calls)),  # every call takes a second
    )
    found = harness.measure(check, turns=3).measured
    assert found["absent"].missing == "not installed (No module named 'absent')"
    assert "Mismatch" in found["liar"].wrong
    assert calls.count("liar") == 1
    assert found["a"].amounts == pytest.approx([1, 1, 1])
    assert found["tenth"].amounts == pytest.approx([10, 10, 10])
    turns = re.sub(r"(.)\1*", r"\1", "".join(name[0] for name in calls[3:]))
    assert turns == "ababab"


def test_an_amount_needs_no_clock(harness):
    contenders = [harness.Contender(name="a", setup=lambda: lambda: 7, answers=False)]
    check = harness.Check(
        name="x", work="x", contenders=lambda quick: (contenders, None), unit="bytes"
    )
    assert harness.measure(check).measured["a"].amounts == [7.0]


def test_names_are_unique_and_bars_name_contenders(harness):
    one = harness.Contender(name="a", setup=lambda: lambda: 1)
    bar = harness.Bar(ours="a", peer="b", at_least=1)
    for contenders, bars in (([one, one], []), ([one], [bar])):
        check = harness.Check(
            name="x", work="x", contenders=lambda quick, c=contenders: (c, 1), bars=bars
        )
        with pytest.raises(ValueError, match="x: "):
            harness.measure(check)


def test_every_bar_hangs_on_a_check(bench):
    checks = bench("checks").CHECKS
    found = {name: sorted(bar.limit for bar in check.bars) for name, check in checks.items()}
    assert {name: limits for name, limits in found.items() if limits} == BARS


def test_the_page_has_every_bar(bench):
    rows = re.findall(
        r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| [^|]+ \| ([<>]=[^|]+) \|", PAGE.read_text(), re.M
    )
    checks = bench("checks").CHECKS
    assert sorted(rows) == sorted(
        (name, bar.ours, bar.peer, bar.text) for name, check in checks.items() for bar in check.bars
    )


def test_a_cheap_check_runs(tmp_path, bench):
    page = tmp_path / "page.md"
    page.write_text("\n".join(["before", *bench("report").MARKS, "after"]))
    numbers = tmp_path / "numbers.json"
    done = subprocess.run(
        [
            *(sys.executable, FOLDER / "all.py", "--only", "k-way", "help", "--quick"),
            *("--json", numbers, "--markdown", page),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    report = json.loads(numbers.read_text())
    assert [check["name"] for check in report["checks"]] == ["k-way", "help"]
    assert report["machine"]["cores"] >= 1
    for check in report["checks"]:
        for one in check["contenders"]:
            assert one["missing"] is one["wrong"] is None
            assert one["least"] > 0
            assert one["turns"] >= 2
    (bar,) = report["checks"][1]["bars"]
    assert bar["verdict"] in ("met", "not met")
    assert done.stdout in page.read_text()
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("\nafter")


def test_a_bar_that_is_not_met_says_why(bench, harness):
    report = bench("report")
    bar = harness.Bar(ours="ours", peer="peer", at_least=4, reached=2, reason="Too few cores.")
    machine = bench("machine").facts()
    for peer, said in ((3.0, True), (4.0, False)):
        found = outcome(harness, bar, [1.0], [peer])
        whole = report.as_json(machine, [found], command="x", quick=False)
        text = report.markdown(json.loads(json.dumps(whole)))
        assert ("- **x**, against peer: Too few cores." in text) is said
        assert f"| x | ours | peer | {peer:g} | >= 4 | {'not met' if said else 'met'} |" in text


def test_status_is_1_for_wrong_answers_and_below_a_guard(bench, harness):
    status = bench("all").status
    bar = harness.Bar(ours="ours", peer="peer", at_least=4)
    good, slow = (outcome(harness, bar, [1.0], [peer]) for peer in (2.0, 1.9))
    wrong = outcome(harness, bar, [1.0], [])
    wrong.measured["peer"].wrong = "Mismatch"
    assert [status([one], check) for one in (good, slow, wrong) for check in (False, True)] == [
        0, 0, 0, 1, 1, 1,
    ]  # fmt: skip
