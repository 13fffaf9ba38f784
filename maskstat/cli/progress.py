"""Progress of a pruning run on standard error: bars on a terminal, else a line an iteration."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import click

__all__ = ["BarProgress", "LineProgress"]


def _summary(
    iteration: int, kept: int, size: int, validation_accuracy: float, test_accuracy: float
) -> str:
    return (
        f"iteration {iteration:>2}: {kept:>9,} of {size:,} weights kept "
        f"({100 * kept / size:5.1f} %), accuracy {validation_accuracy:.4f} validation, "
        f"{test_accuracy:.4f} test"
    )


class LineProgress:
    """One line an iteration."""

    def start(self, *, run_id: str, iterations: int, epochs: int, done: int) -> None:
        """Name the run."""
        state = f", {done} there already" if done else ""
        click.echo(f"{run_id}: {iterations} trainings of {epochs} epochs{state}", err=True)

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
        click.echo(f"{line}, {seconds:.1f} s", err=True)

    def note(self, text: str) -> None:
        """Print it."""
        click.echo(text, err=True)


class BarProgress:
    """A bar over iterations with epoch, loss, accuracy and time left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._bars: Any = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[state]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task: Any = None
        self._epochs = 1

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def start(self, *, run_id: str, iterations: int, epochs: int, done: int) -> None:
        """Show the bar."""
        self._epochs = epochs
        self._task = self._bars.add_task(
            run_id, total=iterations * epochs, completed=done * epochs, state=""
        )

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
        """Print what one iteration reached above the bar."""
        self._bars.console.print(
            _summary(iteration, kept, size, validation_accuracy, test_accuracy), highlight=False
        )

    def note(self, text: str) -> None:
        """Print it above the bar."""
        self._bars.console.print(text, markup=False, highlight=False)
