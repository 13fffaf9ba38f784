"""Tickets: consensus tickets over tasks (Algorithm 1), and all tickets retrained on every task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any, TypeAlias

from maskstat.archive import open_archive, write
from maskstat.errors import MaskstatError
from maskstat.prune.retrain import retrain
from maskstat.prune.workers import end_with_parent
from maskstat.reproduce.evidence import Evidence
from maskstat.reproduce.plan import Tickets
from maskstat.run import Run
from maskstat.stats.consensus import consensus

__all__ = ["Share", "bespoke_iteration", "consensus_tickets", "retrain_all", "shares", "stored"]

Share: TypeAlias = tuple[str, list[tuple[str, int | None]], str, dict[str, Any]]
"""Name, tickets (archive and iteration), output folder, and how to retrain."""


def consensus_tickets(
    evidence: Evidence, tickets: Tickets, folder: Path
) -> tuple[dict[int, Run], list[str]]:
    """Intersect the masks that each seed's sourced runs have after a few prunings.

    Parameters
    ----------
    evidence
        With the runs of role ``sources``.
    tickets
        What is to be made.
    folder
        Where the consensus tickets are written.

    Returns
    -------
    dict of int to Run
        Seed to consensus ticket.
    list of str
        Seeds for which a task's run is missing.

    Notes
    -----
    Paganini & Forde (2020), Algorithm 1: the tasks' tickets are found side by side (any number of
    processes), each after `Tickets.sourced_at` prunings, and what all of them keep is the ticket.
    """
    made: dict[int, Run] = {}
    missing = []
    cells = [
        cell
        for cell in evidence.of("sources", tickets.case)
        if cell.recipe.dataset in tickets.targets
    ]
    for seed in dict.fromkeys(cell.recipe.seed for cell in cells):
        runs = [cell.run for cell in cells if cell.recipe.seed == seed and cell.run is not None]
        if len(runs) < len(tickets.targets):
            missing.append(f"seed {seed}: {len(runs)} of {len(tickets.targets)} tasks are there")
            continue
        found = consensus(*[(run, tickets.sourced_at) for run in runs])
        path = folder / f"consensus-{tickets.case}-s{seed}.h5"
        write(path, [found.to_run(f"consensus-s{seed}")], overwrite=True)
        with open_archive(path) as archive:
            made[seed] = archive.runs[f"consensus-s{seed}"]
    return made, missing


def bespoke_iteration(run: Run, ticket: Run) -> int:
    """Return the iteration at which a run keeps most nearly as much as a consensus ticket does."""
    wanted = ticket.mask(1).n_kept
    return min(range(1, run.n_iterations), key=lambda t: abs(int(run.kept[t].sum()) - wanted))


def shares(
    evidence: Evidence,
    tickets: Tickets,
    made: Mapping[int, Run],
    folder: Path,
    surroundings: Mapping[str, object],
) -> list[Share]:
    """List the retrainings, those of a seed, trained and untrained, being one's work.

    Parameters
    ----------
    evidence, tickets
        As in `consensus_tickets`.
    made
        The consensus tickets by seed.
    folder
        Where the retrained runs go.
    surroundings
        ``data_dir``, ``download`` and ``device``, as `maskstat.retrain` takes them.

    Returns
    -------
    list of Share
    """
    found: list[Share] = []
    datasets = [*tickets.targets, *tickets.held_out]
    for seed, ticket in made.items():
        sourced = evidence.runs("sources", tickets.case, seed=seed)
        bespoke: list[tuple[str, int | None]] = [
            (_path(run), bespoke_iteration(run, ticket)) for run in sourced
            if run.dataset in tickets.targets
        ]  # fmt: skip
        how = {
            "datasets": datasets,
            "seeds": seed,
            "save_weights": "none",
            "random": True,
            **surroundings,
        }
        for state, epochs in (("trained", tickets.epochs), ("untrained", 0)):
            place = str(folder / f"{state}-{tickets.case}-s{seed}")
            name = f"{tickets.case}, seed {seed}, {state}"
            found.append(
                (name, [*bespoke, (_path(ticket), None)], place, {**how, "epochs": epochs})
            )
    return found


def retrain_all(work: Sequence[Share], *, jobs: int) -> Iterator[tuple[str, str, str]]:
    """Do all retrainings; what is there is not done again.

    Parameters
    ----------
    work
        The shares.
    jobs
        How many processes.

    Yields
    ------
    tuple of str
        A share's name, its folder, and why it came to nothing; empty if it did not.
    """
    if jobs == 1 or len(work) < 2:
        for share in work:
            yield share[0], share[2], _retrain(share)
        return
    others = set(active_children())
    with ProcessPoolExecutor(
        min(jobs, len(work)), mp_context=get_context("spawn"), initializer=end_with_parent
    ) as pool:
        try:
            results = [pool.submit(_retrain, share) for share in work]
            for share, result in zip(work, results, strict=True):
                try:
                    error = result.result()
                except BrokenProcessPool:
                    error = "a process was killed, as for want of memory; fewer --jobs need less"
                yield share[0], share[2], error
        except BaseException:  # leaving the pool would wait until the shares are done
            for process in set(active_children()) - others:
                process.terminate()
            raise


def stored(folders: Sequence[str]) -> list[Run]:
    """Read retrained runs, in the order of the folders and of their names in them."""
    runs: list[Run] = []
    for folder in folders:
        for path in sorted(Path(folder).glob("*.h5")):
            with open_archive(path) as archive:
                runs += archive.runs.values()
    return runs


def _retrain(share: Share) -> str:
    """Do one share in this process."""
    _, tickets, output, how = share
    Path(output).mkdir(parents=True, exist_ok=True)
    try:
        retrain([(_only_run(path), t) for path, t in tickets], output=output, **how)
    except MaskstatError as error:
        return error.headline
    return ""


def _only_run(path: str) -> Run:
    with open_archive(path) as archive:
        (run,) = archive.runs.values()
    return run


def _path(run: Run) -> str:
    return run.place.partition("::")[0]
