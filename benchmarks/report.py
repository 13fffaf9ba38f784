"""What was measured, as JSON and as Markdown."""

from __future__ import annotations

import math

__all__ = ["MARKS", "as_json", "between_marks", "markdown"]

MARKS = ("<!-- measured: begin -->", "<!-- measured: end -->")


def as_json(machine, outcomes, *, command, quick):
    """Everything, ready for `json.dumps`."""
    return {
        "command": command,
        "quick": quick,
        "machine": machine,
        "checks": [_check(outcome) for outcome in outcomes],
    }


def _check(outcome):
    check = outcome.check
    return {
        "name": check.name,
        "work": check.work,
        "unit": check.unit,
        "contenders": [
            {
                "name": one.name,
                "cores": one.cores,
                "median": _number(one.median),
                "least": min(one.amounts, default=None),
                "turns": len(one.amounts),
                "missing": one.missing or None,
                "wrong": one.wrong or None,
            }
            for one in outcome.measured.values()
        ],
        "bars": [
            {
                "ours": bar.ours,
                "peer": bar.peer,
                "bar": bar.text,
                "ratio": _number(outcome.ratio(bar)),
                "verdict": outcome.verdict(bar),
                "guard": outcome.verdict(bar, guard=True),
                "reason": bar.reason or None,
            }
            for bar in check.bars
        ],
    }


def _number(value):
    return None if math.isnan(value) else value


def markdown(report):
    """Two tables: what is demanded, and what everything took."""
    machine = report["machine"]
    lines = [
        f"`{report['command']}`, {machine['date']}, load average {machine['load'][0]:g} at the "
        f"start; {machine['cores']} cores of {machine['cpu']} (family/model "
        f"{machine['cpu_model']}, {', '.join(machine['simd']) or 'no wide instructions'}), "
        f"{machine['memory_gib']:g} GiB, {machine['os']}; Python {machine['python']}, "
        + ", ".join(f"{name} {of}" for name, of in machine["packages"].items())
        + f"; C compiler: {machine['compiler']}; commit {machine['commit'] or 'unknown'}.",
        "",
        "| check | maskstat | against | ratio | bar | |",
        "|---|---|---|---:|---:|---|",
    ]
    for check in report["checks"]:
        lines += [
            f"| {check['name']} | {bar['ours']} | {bar['peer']} | {_ratio(bar['ratio'])} | "
            f"{bar['bar']} | {bar['verdict']} |"
            for bar in check["bars"]
        ]
    lines += ["", "| check | work | contender | median | turns |", "|---|---|---|---:|---:|"]
    for check in report["checks"]:
        name, work = check["name"], check["work"]
        for one in check["contenders"]:
            cost = one["missing"] or ("failed" if one["wrong"] else "")
            cost = cost or _amount(one["median"], check["unit"])
            lines.append(f"| {name} | {work} | {one['name']} | {cost} | {one['turns'] or ''} |")
            name = work = ""
    return "\n".join([*lines, *_unmet(report["checks"])]) + "\n"


def _unmet(checks):
    """Why bars are not met."""
    unmet = [(c["name"], bar) for c in checks for bar in c["bars"] if bar["verdict"] == "not met"]
    lines = [
        f"- **{name}**, against {bar['peer']}: {bar['reason'] or 'no reason is known.'}"
        for name, bar in unmet
    ]
    return ["", "Not met:", "", *lines] if lines else []


def _ratio(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _amount(value, unit):
    if unit != "s":
        return f"{value:,.0f} {unit}"
    for scale, name in ((1, "s"), (1e-3, "ms"), (1e-6, "us")):
        if value >= scale:
            return f"{value / scale:.3g} {name}"
    return f"{value / 1e-9:.3g} ns"


def between_marks(page, text):
    """Put a text where the page has its marks.

    Raises
    ------
    ValueError
        The page has no marks.
    """
    begin, end = MARKS
    head, one, rest = page.partition(begin)
    _, other, tail = rest.partition(end)
    if not (one and other):
        raise ValueError(f"no {begin} ... {end}")
    return f"{head}{begin}\n\n{text}\n{end}{tail}"
