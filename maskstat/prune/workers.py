"""Workers: processes that share the runs of a sweep, one torch thread each."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from maskstat.prune.packing import packs
from maskstat.prune.progress import Progress
from maskstat.prune.session import require_torch
from maskstat.prune.sweep import Job, Outcome, Watch, lost, run_safely, unfinished

__all__ = ["end_with_parent", "run_sweep"]

_CHANCES = 2
"""How many processes a run may take down with it."""
_PATIENCE = 5.0
"""Seconds that a process has to end."""


def run_sweep(
    jobs: Sequence[Job],
    *,
    workers: int,
    overwrite: bool,
    surroundings: Mapping[str, Any],
    watch: Watch,
) -> Iterator[Outcome]:
    """Run a sweep in one or several processes.

    Parameters
    ----------
    jobs
        The runs.
    workers
        How many processes; 1 runs everything here.
    overwrite, surroundings, watch
        As `run_pack` takes them.

    Yields
    ------
    Outcome
        As the runs end; first those that were complete. When a process is killed, its runs are
        continued by another, each by itself.

    Raises
    ------
    MissingExtraError
        torch is not installed.
    """
    skipped, left = unfinished(jobs, overwrite=overwrite, watch=watch)
    yield from skipped
    shares = packs(left, workers=workers)
    if shares and find_spec("torch") is None:
        require_torch()
    if min(workers, len(shares)) > 1:
        crew = _Crew(shares, workers, (overwrite, dict(surroundings)), watch)
        yield from crew.outcomes()
        return
    datasets: dict[str, Any] = {}
    for share in shares:
        yield from run_safely(
            share,
            overwrite=overwrite,
            surroundings=surroundings,
            watch=watch,
            datasets=datasets,
        )


class _Crew:
    """Processes, the packs they are at, and those that wait."""

    def __init__(
        self, shares: Sequence[list[Job]], workers: int, given: tuple[Any, ...], watch: Watch
    ) -> None:
        self._waiting = deque(shares)
        self._places = workers
        self._given = given
        self._watch = watch
        self._watches: dict[str, Progress] = {}
        self._deaths: Counter[str] = Counter()
        self._workers: dict[Connection, _Worker] = {}
        self._dismissed: list[_Worker] = []

    def outcomes(self) -> Iterator[Outcome]:
        """Hand packs out until all runs have come to something."""
        try:
            while self._waiting or self._workers:
                self._hire()
                if not self._workers:  # no process could be started
                    yield from (lost(job) for share in self._waiting for job in share)
                    return
                for line in wait(list(self._workers)):
                    yield from self._listen(self._workers[line])  # type: ignore[index]
        finally:
            for worker in self._workers.values():
                worker.process.terminate()
            for worker in (*self._workers.values(), *self._dismissed):
                worker.end()

    def _hire(self) -> None:
        while self._waiting and len(self._workers) < self._places:
            worker = _Worker(self._given)
            self._workers[worker.line] = worker
            worker.take(self._waiting.popleft())

    def _listen(self, worker: _Worker) -> Iterator[Outcome]:
        """Take in one thing that a process tells, or that it is gone."""
        try:
            name, method, given = worker.line.recv()
        except (EOFError, OSError):
            yield from self._bury(worker)
            return
        if method == "ready":
            worker.ready = True
        elif method == "outcome":
            del worker.left[name]
            yield given
            if not worker.left:
                self._next(worker)
        else:
            if name not in self._watches:
                self._watches[name] = self._watch(name)
            getattr(self._watches[name], method)(**given)

    def _next(self, worker: _Worker) -> None:
        """Give a process another pack, or let it go."""
        if self._waiting:
            worker.take(self._waiting.popleft())
            return
        del self._workers[worker.line]
        worker.line.close()
        self._dismissed.append(worker)

    def _bury(self, worker: _Worker) -> Iterator[Outcome]:
        """Let the runs of a process that is gone wait for another, unless they are why."""
        del self._workers[worker.line]
        self._dismissed.append(worker)
        if not worker.ready:  # it never began: one place fewer, and its runs are not why
            self._places -= 1
            self._waiting.appendleft(list(worker.left.values()))
            return
        for job in worker.left.values():
            self._deaths[job.name] += 1
            if self._deaths[job.name] < _CHANCES:
                self._waiting.append([job])
            else:
                yield lost(job)


class _Worker:
    """A process, and what it has still to do."""

    def __init__(self, given: tuple[Any, ...]) -> None:
        context = multiprocessing.get_context("spawn")
        self.line, theirs = context.Pipe()
        self.left: dict[str, Job] = {}
        self.ready = False
        self.process = context.Process(target=_work, args=(theirs, *given), daemon=True)
        with _interrupts_held():
            self.process.start()
        theirs.close()

    def take(self, share: list[Job]) -> None:
        """Give it a pack; if it is gone, its line says so when it is listened to."""
        self.left = {job.name: job for job in share}
        try:
            self.line.send(share)
        except OSError:
            return

    def end(self) -> None:
        """Wait until the process is gone."""
        self.line.close()
        self.process.join(_PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let processes that are started here never see Ctrl-C, which goes to all of a terminal's."""
    resource_tracker.ensure_running()  # or it would be started now, and let interrupts through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(line: Connection, overwrite: bool, surroundings: dict[str, Any]) -> None:
    """Run packs until there are no more; end with the process that hired this one."""
    end_with_parent()
    datasets: dict[str, Any] = {}
    line.send(("", "ready", {}))
    while True:
        try:
            share = line.recv()
        except EOFError:
            return
        for outcome in run_safely(
            share,
            overwrite=overwrite,
            surroundings=surroundings,
            watch=lambda name: _Teller(line, name),
            datasets=datasets,
        ):
            line.send((outcome.name, "outcome", outcome))


def end_with_parent() -> None:
    """Let this process end as soon as the one that started it is gone."""
    threading.Thread(target=_outlive_nobody, daemon=True).start()


def _outlive_nobody() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class _Teller:
    """A `Progress` that passes everything on to another process."""

    def __init__(self, line: Connection, name: str) -> None:
        self._line, self._name = line, name

    def start(self, **given: Any) -> None:
        self._line.send((self._name, "start", given))

    def download(self, url: str, done: int, total: int | None) -> None:
        self._line.send((self._name, "download", {"url": url, "done": done, "total": total}))

    def estimate(self, **given: Any) -> None:
        self._line.send((self._name, "estimate", given))

    def epoch(self, **given: Any) -> None:
        self._line.send((self._name, "epoch", given))

    def iteration(self, **given: Any) -> None:
        self._line.send((self._name, "iteration", given))

    def note(self, text: str) -> None:
        self._line.send((self._name, "note", {"text": text}))
