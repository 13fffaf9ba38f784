"""Progress of a pruning run on standard error: bars on a terminal, else a line an iteration."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from math import isnan
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from maskstat.cli.color import colored
from maskstat.cli.report import counted, is_quiet
from maskstat.prune.progress import Progress, Silent

if TYPE_CHECKING:
    from maskstat.prune.sweep import Watch

__all__ = ["Bars", "LineProgress", "watching"]

_VERY_LONG = 3600.0
_LONG = 10.0
"""Seconds from which on a run's length is told before it starts."""


def _summary(
    iteration: int, kept: int, size: int, validation_accuracy: float, test_accuracy: float
) -> str:
    validated = "" if isnan(validation_accuracy) else f"{validation_accuracy:.4f} validation, "
    return (
        f"iteration {iteration:>2}: {kept:>9,} of {size:,} weights kept "
        f"({100 * kept / size:5.1f} %), accuracy {validated}{test_accuracy:.4f} test"
    )


def _duration(seconds: float) -> str:
    """Say a length of time as people do."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"


@contextmanager
def watching(*, several: bool, lines: bool = True) -> Iterator[Watch]:
    """Choose how runs are watched: by bars on a terminal, by lines elsewhere, or not at all.

    Parameters
    ----------
    several
        Whether several runs go on, each of which is then called by its name.
    lines
        Whether anything is said where there is no terminal.

    Yields
    ------
    callable
        Takes a run's name, and returns what is told of its progress.
    """
    if is_quiet():
        yield lambda _: Silent()
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with Bars() as bars:
            yield lambda name: bars.watch(name if several else "")
    elif lines:
        yield lambda name: LineProgress(name if several else "")
    else:
        yield lambda _: Silent()


class LineProgress:
    """One line an iteration.

    Parameters
    ----------
    name
        Put before each line, where several runs go on at once.
    """

    def __init__(self, name: str = "") -> None:
        self._name = f"{name}: " if name else ""
        self._urls: set[str] = set()

    def _say(self, text: str) -> None:
        click.echo(f"{self._name}{text}", err=True)

    def start(self, *, run_id: str, iterations: int, epochs: int, done: int) -> None:
        """Name the run."""
        state = f", {done} there already" if done else ""
        name = "" if self._name else f"{run_id}: "
        self._say(f"{name}{counted(iterations, 'training')} of {counted(epochs, 'epoch')}{state}")

    def download(self, url: str, done: int, total: int | None) -> None:
        """Name the file when it begins."""
        if url not in self._urls:
            self._urls.add(url)
            size = f" ({total / 1e6:.1f} MB)" if total else ""
            self._say(f"downloading {url}{size}")

    def estimate(self, *, seconds: float) -> None:
        """Say it, unless it is short."""
        if seconds >= _LONG and not self._name:
            advice = "; --device auto takes a GPU if there is one" if seconds > _VERY_LONG else ""
            self._say(f"this will take about {_duration(seconds)}{advice}")

    def epoch(
        self, *, iteration: int, epoch: int, train_loss: float, validation_loss: float
    ) -> None:
        """Epochs are too many for lines."""

    def iteration(
        self,
        *,
        iteration: int,
        kept: int,
        size: int,
        validation_accuracy: float,
        test_accuracy: float,
        seconds: float,
    ) -> None:
        """Print what one iteration reached."""
        line = _summary(iteration, kept, size, validation_accuracy, test_accuracy)
        self._say(f"{line}, {seconds:.1f} s")

    def note(self, text: str) -> None:
        """Print it."""
        self._say(text)


class Bars:
    """A bar a run, over its iterations, with epoch, loss and time left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.shared: Any = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[state]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True, no_color=not colored(sys.stderr)),
        )

    def __enter__(self) -> Self:
        self.shared.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shared.stop()

    def watch(self, name: str = "") -> Progress:
        """Return what is told about one run."""
        return _BarProgress(self.shared, name)


class _BarProgress:
    """One run's bar; it goes when the run is done and others are going on."""

    def __init__(self, bars: Any, name: str) -> None:
        self._bars, self._name = bars, name
        self._task: Any = None
        self._files: dict[str, Any] = {}
        self._iterations = self._epochs = 1

    def start(self, *, run_id: str, iterations: int, epochs: int, done: int) -> None:
        """Show the bar."""
        self._iterations, self._epochs = iterations, epochs
        self._task = self._bars.add_task(
            self._name or run_id, total=iterations * epochs, completed=done * epochs, state=""
        )

    def download(self, url: str, done: int, total: int | None) -> None:
        """Show a bar of bytes for the file."""
        if url not in self._files:
            self._files[url] = self._bars.add_task(url.rpartition("/")[2], total=total, state="")
        size = f" of {total / 1e6:.1f}" if total else ""
        self._bars.update(
            self._files[url], completed=done, total=total, state=f"{done / 1e6:.1f}{size} MB"
        )

    def estimate(self, *, seconds: float) -> None:
        """Show it until the bar itself knows better."""
        self._bars.update(self._task, state=f"about {_duration(seconds)}")

    def epoch(
        self, *, iteration: int, epoch: int, train_loss: float, validation_loss: float
    ) -> None:
        """Move the bar by an epoch."""
        self._bars.update(
            self._task,
            completed=iteration * self._epochs + epoch,
            state=f"iteration {iteration}, epoch {epoch}, loss {train_loss:.3f}",
        )

    def iteration(
        self,
        *,
        iteration: int,
        kept: int,
        size: int,
        validation_accuracy: float,
        test_accuracy: float,
        seconds: float,
    ) -> None:
        """Print what one iteration reached above the bar; of many runs, the last one alone."""
        last = iteration + 1 == self._iterations
        if not self._name or last:
            self.note(_summary(iteration, kept, size, validation_accuracy, test_accuracy))
        if self._name and last:
            self._bars.remove_task(self._task)

    def note(self, text: str) -> None:
        """Print it above the bar."""
        text = f"{self._name}: {text}" if self._name else text
        self._bars.console.print(text, markup=False, highlight=False)
