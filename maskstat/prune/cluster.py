"""Cluster: a sweep's packs as tasks of a Dask scheduler (extra ``cluster``)."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from threading import Lock
from typing import Any, TypeAlias

from maskstat.errors import MaskstatError, MissingExtraError, StorageError, UsageError, printable
from maskstat.prune.packing import packs
from maskstat.prune.progress import Silent
from maskstat.prune.session import require_torch
from maskstat.prune.sweep import Job, Outcome, Watch, lost, run_safely, unfinished

__all__ = ["run_on_cluster"]

_RETRIES = 2
"""How often a task is given to another worker when one raises; deaths are counted by Dask."""
_TIMEOUT = 10
"""Seconds that the scheduler has to answer."""

_Told: TypeAlias = list[tuple[Outcome, list[str]]]
"""What became of each run of a pack, and what was said about it."""


def run_on_cluster(
    jobs: Sequence[Job],
    *,
    scheduler: str,
    workers: int | None = None,
    overwrite: bool,
    surroundings: Mapping[str, Any],
    watch: Watch,
) -> Iterator[Outcome]:
    """Run a sweep on the workers of a Dask scheduler.

    Parameters
    ----------
    jobs
        The runs. Their archives are written by the workers, into a folder that all of them and
        this process share.
    scheduler
        Its address, e.g. ``tcp://10.0.0.1:8786``.
    workers
        How many workers the sweep is cut for; by default those that are there now.
    overwrite, surroundings, watch
        As `run_pack` takes them. Where data are looked for is looked up by the workers.

    Yields
    ------
    Outcome
        As packs end. The pack of a worker that is killed is continued by another from what was
        published, with the same bits.

    Raises
    ------
    MissingExtraError
        Dask is not installed.
    UsageError, StorageError
        The address is none, or nobody answers there.
    """
    absolute = [replace(job, path=job.path.absolute()) for job in jobs]
    with _client(scheduler) as client:
        skipped, left = unfinished(absolute, overwrite=overwrite, watch=watch)
        yield from skipped
        threads = client.nthreads()
        shares = packs(left, workers=workers or len(threads) or 1)
        if shares:
            watch("").note(_plan(shares, threads, scheduler))
        yield from _Tasks(client, overwrite, dict(surroundings), watch).outcomes(shares)


def _plan(shares: Sequence[Sequence[Job]], threads: Mapping[str, int], scheduler: str) -> str:
    """Say what is about to happen, and what is amiss."""
    text = f"{sum(map(len, shares))} runs in {len(shares)} packs for {len(threads)} workers"
    if not threads:
        return f"{text}: waiting for some, e.g. dask worker --nthreads 1 {scheduler}"
    if max(threads.values()) > 1:
        return f"{text}; each takes one pack at a time, so start them with --nthreads 1"
    return text


class _Tasks:
    """Packs that a scheduler has been given."""

    def __init__(
        self, client: Any, overwrite: bool, surroundings: dict[str, Any], watch: Watch
    ) -> None:
        self._client, self._watch = client, watch
        self._given = (client.id, overwrite, surroundings)
        self._packs: dict[Any, Sequence[Job]] = {}

    def outcomes(self, shares: Sequence[Sequence[Job]]) -> Iterator[Outcome]:
        """Pass on what tasks come to, in the order in which they end."""
        dask = _distributed()
        arriving = dask.as_completed(
            [self._submit(share) for share in shares], loop=self._client.loop
        )
        for future in arriving:
            share = self._packs.pop(future)
            told = _result(future)
            if isinstance(told, dask.KilledWorker) and len(share) > 1:
                for job in share:
                    arriving.add(self._submit([job]))
            elif isinstance(told, BaseException):
                yield from (_failed(job, told) for job in share)
            else:
                for outcome, notes in told:
                    progress = self._watch(outcome.name)
                    for text in (*notes, f"{outcome.status}: {outcome.path}"):
                        progress.note(text)
                    yield outcome

    def _submit(self, share: Sequence[Job]) -> Any:
        future = self._client.submit(
            _attempt, list(share), *self._given, pure=False, retries=_RETRIES
        )
        self._packs[future] = share
        return future


def _result(future: Any) -> _Told | BaseException:
    """Return what a task came to; an error is returned too."""
    try:
        told: _Told = future.result()
    except (Exception, CancelledError) as error:
        return error
    return told


def _failed(job: Job, error: BaseException) -> Outcome:
    """Say why a run has no outcome of its own."""
    if isinstance(error, MaskstatError):
        return Outcome(name=job.name, path=job.path, status="failed", error=error)
    reason = str(error).partition("\n")[0]
    return lost(job, f"its workers ended before it ({type(error).__name__}: {reason})")


@contextmanager
def _client(scheduler: str) -> Iterator[Any]:
    """Connect to a scheduler; leaving takes back what it was given."""
    try:
        client = _distributed().Client(
            scheduler, timeout=_TIMEOUT, set_as_default=False, name="maskstat"
        )
    except OSError as error:
        raise StorageError(
            f"nobody answers at {printable(scheduler)}",
            code="no-scheduler",
            place="--scheduler",
            consequence="nothing was run",
            hint="dask scheduler prints its address when it starts",
        ) from error
    except ValueError as error:
        raise UsageError(
            f"'{printable(scheduler)}' is no address",
            code="bad-value",
            place="--scheduler",
            hint="--scheduler tcp://HOST:8786",
        ) from error
    with client:
        yield client


def _distributed() -> Any:
    """Import the package that talks to Dask."""
    try:
        return import_module("distributed")
    except ImportError as error:
        raise MissingExtraError(
            "distributed is not installed",
            code="missing-distributed",
            place="--scheduler",
            consequence="it is what talks to Dask",
            hint="pip install 'maskstat[cluster]'",
        ) from error


def _attempt(share: list[Job], sweep: str, overwrite: bool, surroundings: dict[str, Any]) -> _Told:
    """Run a pack in a worker."""
    require_torch()  # raises, so that another worker is asked
    worker = _distributed().get_worker()
    kept = vars(worker).setdefault("_maskstat", _Kept())
    notes: dict[str, list[str]] = {job.name: [] for job in share}
    task = worker.get_current_task()
    with kept.turn:
        outcomes = run_safely(
            share,
            overwrite=overwrite,
            surroundings=surroundings,
            watch=lambda name: _Watcher(worker, task, notes[name]),
            datasets=kept.datasets_of(sweep),
        )
    return [(outcome, notes[outcome.name]) for outcome in outcomes]


class _Kept:
    """What a worker keeps from pack to pack: data sets, and whose turn it is.

    Torch's settings are those of the process, so that one pack at a time can run in it.
    """

    def __init__(self) -> None:
        self.turn = Lock()
        self._sweep = ""
        self._datasets: dict[str, Any] = {}

    def datasets_of(self, sweep: str) -> dict[str, Any]:
        """Return the data sets that a sweep has loaded; those of another are let go."""
        if sweep != self._sweep:
            self._sweep, self._datasets = sweep, {}
        return self._datasets


class _Cancelled(BaseException):
    """Nobody wants the task any more; no `Exception`, for those would be a run's failure."""


class _Watcher(Silent):
    """A `Progress` that keeps what is said, and ends a task that nobody wants any more.

    Dask lets a task that was cancelled run to its end.
    """

    def __init__(self, worker: Any, task: str, notes: list[str]) -> None:
        self._worker, self._task, self._notes = worker, task, notes

    def epoch(self, **_: Any) -> None:
        """Look whether the task is still wanted."""
        state = self._worker.state.tasks.get(self._task)
        if state is None or state.state == "cancelled":
            raise _Cancelled

    def note(self, text: str) -> None:
        """Keep it."""
        self._notes.append(text)
