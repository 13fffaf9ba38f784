"""maskstat beside what one would use instead: python benchmarks/all.py [--quick] [--only NAME ...].

Prints Markdown; what is being measured goes to stderr. Every contender's answer is checked before
it is timed; contenders take turns; ratios are medians over the turns. With --check the exit status
is 1 if a ratio is worse than its guard: half of a bar that is a least ratio, 1.25 times one that
is a greatest, and the same of what is known to be reached where a bar is not met. Wrong answers
end with 1 always.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # read when NumPy and its peers are first imported

from checks import CHECKS  # noqa: E402
from harness import measure  # noqa: E402
from machine import facts  # noqa: E402
from report import as_json, between_marks, markdown  # noqa: E402


def parse(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=CHECKS, help="these checks")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer turns")
    parser.add_argument("--training", action="store_true", help="train with --check or --quick too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers here")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="put the tables between this page's marks"
    )
    parser.add_argument("--check", action="store_true", help="exit status 1 below a guard")
    return parser.parse_args(arguments)


def chosen(told):
    """The checks asked for; training on request where speed is asked for."""
    if told.only:
        return [CHECKS[name] for name in told.only]
    brief = (told.quick or told.check) and not told.training
    return [check for check in CHECKS.values() if not (brief and check.training)]


def main(arguments=None):
    told = parse(arguments)
    machine = facts()
    outcomes = []
    for check in chosen(told):
        print(f"{check.name}: {check.work}", file=sys.stderr, flush=True)
        outcomes.append(measure(check, quick=told.quick))
        for bar in check.bars:
            ratio, verdict = outcomes[-1].ratio(bar), outcomes[-1].verdict(bar)
            print(f"  {bar.ours} / {bar.peer}: {ratio:.3g} ({bar.text}) {verdict}", file=sys.stderr)
        for one in outcomes[-1].measured.values():
            if one.missing or one.wrong:
                print(f"  {one.name}: {one.missing or one.wrong}", file=sys.stderr)
    command = " ".join(["python benchmarks/all.py", *(arguments or sys.argv[1:])])
    report = as_json(machine, outcomes, command=command, quick=told.quick)
    text = markdown(report)
    print(text, end="")
    if told.json:
        told.json.write_text(json.dumps(report, indent=1) + "\n")
    if told.markdown:
        told.markdown.write_text(between_marks(told.markdown.read_text(), text))
    return status(outcomes, told.check)


def status(outcomes, check):
    """1 for a wrong answer, and for a ratio worse than its guard where that is asked."""
    wrong = any(outcome.wrong for outcome in outcomes)
    worse = [
        f"{outcome.check.name}: {bar.ours} / {bar.peer}"
        for outcome in outcomes
        for bar in outcome.check.bars
        if outcome.verdict(bar, guard=True) == "not met"
    ]
    if check:
        for line in worse:
            print(f"below its guard: {line}", file=sys.stderr)
    return int(wrong or (check and bool(worse)))


if __name__ == "__main__":
    sys.exit(main())
