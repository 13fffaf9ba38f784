"""The frame of the benchmarks: contenders take turns at the same work, after their answers agree.

What is reported are the medians of ratios within a turn, so that a busy machine slows both alike.
"""

from __future__ import annotations

import gc
import math
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Bar", "Check", "Contender", "Measured", "Outcome", "measure"]

Work = Callable[[], Any]

SAMPLE_SECONDS = 0.05
"""Shorter work is repeated within a turn until it takes this long."""
LEAST_SLACK = 2.0
MOST_SLACK = 1.25
"""What a guard gives a bar: machines are not alike, and seldom quiet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One way to do the work.

    Parameters
    ----------
    name
        What it is called in tables.
    setup
        Imports what it needs, prepares its data, and returns the work to be timed.
    cores
        How many cores it may run on.
    part
        How much of the check's work it does, where the whole would take too long.
    answers
        Whether the work returns the check's answer; a probe has none.
    rtol
        How far its numbers may lie from the answer, where that is not as far as the check says.
    """

    name: str
    setup: Callable[[], Work]
    cores: int = 1
    part: float = 1.0
    answers: bool = True
    rtol: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What is demanded: the peer's cost over ours at least, or ours over the peer's at most.

    Parameters
    ----------
    ours, peer
        Names of contenders.
    at_least, at_most
        One of the two.
    reached
        What is known to be reached where the bar is not: the guard stands on it instead.
    reason
        Why it is not.
    """

    ours: str
    peer: str
    at_least: float | None = None
    at_most: float | None = None
    reached: float | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError(f"{self.ours} / {self.peer}: a bar is a least or a greatest ratio")
        if (self.reached is None) != (not self.reason):
            raise ValueError(f"{self.ours} / {self.peer}: what is reached instead needs a reason")

    @property
    def limit(self) -> float:
        return self.at_most if self.at_least is None else self.at_least

    @property
    def text(self) -> str:
        return f"<= {self.at_most:g}" if self.at_least is None else f">= {self.at_least:g}"

    @property
    def guard(self) -> float:
        """The bar, or what is reached instead, loosened."""
        if self.at_least is None:
            return (self.at_most if self.reached is None else self.reached) * MOST_SLACK
        return (self.at_least if self.reached is None else self.reached) / LEAST_SLACK

    def ratio(self, ours: float, peer: float) -> float:
        return ours / peer if self.at_least is None else peer / ours

    def met(self, ratio: float, *, guard: bool = False) -> bool:
        """Tell whether a ratio meets the bar, or its guard."""
        if self.at_least is None:
            return ratio <= (self.guard if guard else self.at_most)
        return ratio >= (self.guard if guard else self.at_least)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One measurement.

    Parameters
    ----------
    name
        What `--only` takes.
    work
        What is done, in words.
    contenders
        Makes the contenders and the answer all have to give, for small sizes or the full ones.
    bars
        What is demanded.
    unit
        ``s``: contenders are timed. Anything else: their work returns the amount itself.
    clock
        What times them. By default CPU-seconds where a contender runs on one core, which others'
        work disturbs less and which are those of the wall where there is none; else the wall's.
    rtol
        How far numbers of an answer may lie apart.
    training
        Whether it trains networks: `--check` leaves it out.
    """

    name: str
    work: str
    contenders: Callable[[bool], tuple[Sequence[Contender], Any]]
    bars: Sequence[Bar] = ()
    unit: str = "s"
    clock: Callable[[], float] | None = None
    rtol: float = 0.0
    training: bool = False


@dataclass(slots=True, kw_only=True)
class Measured:
    """A contender's costs, turn by turn, or why there are none."""

    name: str
    cores: int = 1
    amounts: list[float] = field(default_factory=list)
    missing: str = ""
    wrong: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.amounts) if self.amounts else math.nan


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came out of a check."""

    check: Check
    measured: dict[str, Measured]

    def ratio(self, bar: Bar) -> float:
        """Return the median of the ratios within a turn; nan where one of the two is missing."""
        sides = [self.measured[name] for name in (bar.ours, bar.peer)]
        turns = list(zip(*(side.amounts for side in sides), strict=True)) if all(
            side.amounts for side in sides
        ) else []  # fmt: skip
        return statistics.median(bar.ratio(*turn) for turn in turns) if turns else math.nan

    def verdict(self, bar: Bar, *, guard: bool = False) -> str:
        """Return ``met``, ``not met``, or ``not measured``."""
        ratio = self.ratio(bar)
        if math.isnan(ratio):
            return "not measured"
        return "met" if bar.met(ratio, guard=guard) else "not met"

    @property
    def wrong(self) -> list[Measured]:
        return [one for one in self.measured.values() if one.wrong]


@contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Keep every thread of this process on a number of cores."""
    allowed = os.sched_getaffinity(0)
    _bind(set(sorted(allowed)[:count]))
    try:
        yield
    finally:
        _bind(allowed)


def _bind(cores: set[int]) -> None:
    for thread in Path("/proc/self/task").iterdir():
        try:
            os.sched_setaffinity(int(thread.name), cores)
        except ProcessLookupError:
            continue


def measure(
    check: Check, *, quick: bool = False, turns: int = 25, seconds: float | None = None
) -> Outcome:
    """Run one check: answers first, then turns until there are enough or the time is up."""
    contenders, expected = check.contenders(quick)
    seconds = (2.0 if quick else 15.0) if seconds is None else seconds
    measured = {one.name: Measured(name=one.name, cores=one.cores) for one in contenders}
    if len(measured) != len(contenders):
        raise ValueError(f"{check.name}: two contenders have one name")
    if lost := {name for bar in check.bars for name in (bar.ours, bar.peer)} - set(measured):
        raise ValueError(f"{check.name}: no contender is called {', '.join(sorted(lost))}")
    running: list[tuple[Contender, Work, int]] = []
    for one in contenders:
        try:
            with on_cores(one.cores):
                work = one.setup()
                began = time.perf_counter()
                answer = work()
                took = time.perf_counter() - began
            if one.answers:
                rtol = check.rtol if one.rtol is None else one.rtol
                np.testing.assert_allclose(answer, expected, rtol=rtol)
        except ImportError as error:
            measured[one.name].missing = f"not installed ({error})"
            continue
        except Exception as error:  # one contender's failure is not the others'
            measured[one.name].wrong = f"{type(error).__name__}: {error}".strip()
            continue
        if check.unit == "s":
            running.append((one, work, max(1, math.ceil(SAMPLE_SECONDS / max(took, 1e-7)))))
        else:
            measured[one.name].amounts.append(float(answer) / one.part)
    began = time.perf_counter()
    least = 2 if quick else 3
    for turn in range(turns if running else 0):
        if turn >= least and time.perf_counter() - began > seconds:
            break
        for one, work, repeats in running:
            with on_cores(one.cores):
                cost = _timed(work, repeats, check.clock or _clock(one.cores))
            measured[one.name].amounts.append(cost / one.part)
    return Outcome(check=check, measured=measured)


def cpu_seconds() -> float:
    """CPU-seconds of this process and of the children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _clock(cores: int) -> Callable[[], float]:
    return cpu_seconds if cores == 1 else time.perf_counter


def _timed(work: Work, repeats: int, clock: Callable[[], float]) -> float:
    gc.collect()
    began = clock()
    for _ in range(repeats):
        work()
    return (clock() - began) / repeats
