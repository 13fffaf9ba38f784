"""Workers: processes that share the runs of a sweep, one torch thread each."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.context import SpawnContext, SpawnProcess
from queue import Empty
from typing import Any

from maskstat.errors import MaskstatError, TrainingError
from maskstat.prune.progress import Progress
from maskstat.prune.sweep import Job, Outcome, Watch, packs, run_pack

__all__ = ["run_sweep"]

_PATIENCE = 0.5
"""Seconds between looks at whether all workers are alive."""


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
        As the runs end.
    """
    shares = packs(jobs, workers=workers)
    if min(workers, len(shares)) == 1:
        for share in shares:
            yield from run_pack(share, overwrite=overwrite, surroundings=surroundings, watch=watch)
        return
    yield from _spread(shares, min(workers, len(shares)), overwrite, surroundings, watch)


def _spread(
    shares: list[list[Job]],
    workers: int,
    overwrite: bool,
    surroundings: Mapping[str, Any],
    watch: Watch,
) -> Iterator[Outcome]:
    """Hand packs to processes and pass on what they tell."""
    context = multiprocessing.get_context("spawn")
    tasks, told = context.Queue(), context.Queue()
    for share in (*shares, *[None] * workers):
        tasks.put(share)
    crew = [_hire(context, (tasks, told, overwrite, dict(surroundings))) for _ in range(workers)]
    watches: dict[str, Progress] = {}
    missing = {job.name: job for share in shares for job in share}
    try:
        while missing:
            try:
                name, method, given = told.get(timeout=_PATIENCE)
            except Empty:
                if any(worker.is_alive() for worker in crew):
                    continue
                yield from (_lost(job) for job in missing.values())
                return
            if method == "outcome":
                del missing[name]
                yield given
            else:
                if name not in watches:
                    watches[name] = watch(name)
                getattr(watches[name], method)(**given)
    finally:
        for worker in crew:
            worker.terminate() if missing else worker.join()


def _hire(context: SpawnContext, given: tuple[Any, ...]) -> SpawnProcess:
    worker = context.Process(target=_work, args=given, daemon=True)
    worker.start()
    return worker


def _work(tasks: Any, told: Any, overwrite: bool, surroundings: dict[str, Any]) -> None:
    """Run packs until there are no more; end with the process that hired this one."""
    threading.Thread(target=_outlive_nobody, daemon=True).start()
    while (share := tasks.get()) is not None:
        for outcome in run_pack(
            share,
            overwrite=overwrite,
            surroundings=surroundings,
            watch=lambda name: _Teller(told, name),
        ):
            told.put((outcome.name, "outcome", outcome))


def _outlive_nobody() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class _Teller:
    """A `Progress` that passes everything on to another process."""

    def __init__(self, told: Any, name: str) -> None:
        self._told, self._name = told, name

    def start(self, **given: Any) -> None:
        self._told.put((self._name, "start", given))

    def download(self, url: str, done: int, total: int | None) -> None:
        self._told.put((self._name, "download", {"url": url, "done": done, "total": total}))

    def estimate(self, **given: Any) -> None:
        self._told.put((self._name, "estimate", given))

    def epoch(self, **given: Any) -> None:
        self._told.put((self._name, "epoch", given))

    def iteration(self, **given: Any) -> None:
        self._told.put((self._name, "iteration", given))

    def note(self, text: str) -> None:
        self._told.put((self._name, "note", {"text": text}))


def _lost(job: Job) -> Outcome:
    """Say that a run's process is gone."""
    error: MaskstatError = TrainingError(
        "its process ended before it",
        code="worker-lost",
        place=str(job.path),
        consequence="the iterations that were published stand",
        hint="the same command continues it; fewer --jobs if memory ran out",
    )
    return Outcome(name=job.name, path=job.path, status="failed", error=error)
