"""What a pruning run tells whoever watches it."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Progress", "Silent"]


class Progress(Protocol):
    """Receives what happens while a run goes on; all numbers are plain Python."""

    def start(self, *, run_id: str, iterations: int, epochs: int, done: int) -> None:
        """Begin a run of `iterations` trainings, `done` of which are there already."""
        ...

    def download(self, url: str, done: int, total: int | None) -> None:
        """Report how many bytes of a data set's file are there, and of how many if known."""
        ...

    def estimate(self, *, seconds: float) -> None:
        """Say how long the run will take, from a few steps."""
        ...

    def epoch(
        self, *, iteration: int, epoch: int, train_loss: float, validation_loss: float
    ) -> None:
        """Report one trained epoch, counted from 1; NaN for a loss that was not measured."""
        ...

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
        """Report one iteration that was trained, tested and, where asked, published."""
        ...

    def note(self, text: str) -> None:
        """Say something in words: that a run was skipped, or where it is continued."""
        ...


class Silent:
    """A `Progress` that says nothing."""

    def start(self, *, run_id: str, iterations: int, epochs: int, done: int) -> None:
        """Say nothing."""

    def download(self, url: str, done: int, total: int | None) -> None:
        """Say nothing."""

    def estimate(self, *, seconds: float) -> None:
        """Say nothing."""

    def epoch(
        self, *, iteration: int, epoch: int, train_loss: float, validation_loss: float
    ) -> None:
        """Say nothing."""

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
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""
