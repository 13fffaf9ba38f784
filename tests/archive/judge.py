"""Judge files in a child process: refused, the same content, or something that must not be.

A child with a time limit and a memory limit reads each file whole. One that dies or hangs is
replaced, and its file is put down as what it did.
"""

from __future__ import annotations

import dataclasses
import os
import resource
import signal
from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256
from multiprocessing import Pipe
from typing import Any, NamedTuple

import numpy as np

from maskstat.archive import open_archive
from maskstat.archive.writer import recheck
from maskstat.errors import MaskstatError

SAME = "same content"
OTHER = "other content"
HANG = "hang"
SECONDS = 20
EXTRA_MEMORY = 200 << 20


class Verdict(NamedTuple):
    """What became of one file."""

    outcome: str
    """A code of ours, or one of the above, or what killed the child, or an exception's name."""
    refused: bool
    megabytes: float
    """The child's peak while it read the file, if that was to be measured."""

    @property
    def allowed(self) -> bool:
        return self.refused or self.outcome == SAME


def fingerprint(source: bytes | str) -> str:
    """Hash every value that a user can get out of an archive; `writer` is in no digest."""
    found = sha256()
    with open_archive(source) as archive:
        recheck(archive)
        found.update(archive.content_digest.encode())
        for run_id, run in sorted(archive.runs.items()):
            _add(found, run_id)
            for part in dataclasses.fields(run):
                if part.name == "masks":
                    for t in range(run.n_iterations):
                        _add(found, run.mask(t).words())
                elif part.name != "place":
                    _add(found, getattr(run, part.name))
    return found.hexdigest()


def _add(found: Any, value: Any) -> None:
    if isinstance(value, Mapping):
        for key in sorted(value):
            _add(found, str(key))
            _add(found, value[key])
    elif hasattr(value, "shape"):
        array = np.asarray(value)
        found.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    elif isinstance(value, tuple):
        found.update(f"{len(value)}".encode())
        for part in value:
            _add(found, part)
    else:
        found.update(repr(value).encode() + b"\0")


class Judge:
    """Reads files one after another in a child, and says what became of each.

    Parameters
    ----------
    whole
        The archive that files are held against.
    measure
        Whether to find the peak of memory of each reading, which takes a millisecond.
    """

    def __init__(self, whole: bytes, *, measure: bool = False) -> None:
        self._measure = measure
        self._whole = fingerprint(whole)
        assert fingerprint(whole) == self._whole
        self._child = 0
        self._pipe: Any = None

    def verdict(self, source: bytes | str) -> Verdict:
        """Read one file, given as bytes or by its path."""
        if not self._child:
            self._start()
        try:
            self._pipe.send(source)
            return Verdict(*self._pipe.recv())
        except (EOFError, BrokenPipeError, ConnectionResetError):
            number = -self._reap()
            name = HANG if number == signal.SIGALRM else f"killed by signal {number}"
            return Verdict(name, refused=False, megabytes=0)

    def tally(self, sources: Iterable[bytes]) -> Counter[str]:
        """Count what becomes of files: `refused`, `SAME`, or what must not be."""
        verdicts = map(self.verdict, sources)
        return Counter("refused" if v.refused else v.outcome for v in verdicts)

    def close(self) -> None:
        if self._child:
            self._pipe.close()
            self._reap()

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *ended: object) -> None:
        self.close()

    def _reap(self) -> int:
        _, status = os.waitpid(self._child, 0)
        self._child = 0
        return os.waitstatus_to_exitcode(status)

    def _start(self) -> None:
        self._pipe, theirs = Pipe()
        self._child = os.fork()
        if self._child:
            theirs.close()
            return
        self._pipe.close()
        try:
            _serve(theirs, self._whole, measure=self._measure)
        finally:
            os._exit(1)


def _serve(pipe: Any, whole: str, *, measure: bool) -> None:
    limit_memory(EXTRA_MEMORY)
    while True:
        try:
            source = pipe.recv()
        except EOFError:
            os._exit(0)
        if measure:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")  # forget the peak so far
        signal.alarm(SECONDS)
        refused = False
        try:
            outcome = SAME if fingerprint(source) == whole else OTHER
        except MaskstatError as error:
            outcome, refused = error.code, True
        except Exception as error:
            outcome = type(error).__name__
        signal.alarm(0)
        pipe.send((outcome, refused, _status("VmHWM") / 1024 if measure else 0))


def limit_memory(extra: int) -> None:
    """Allow this process so much address space more than it has now, in bytes."""
    limit = 1024 * _status("VmSize") + extra
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _status(name: str) -> int:
    """Return a number of KiB that the kernel keeps about this process."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))


def table(head: str, rows: Mapping[str, Counter[str]]) -> str:
    """Set counts as a Markdown table; anything else than the two allowed outcomes is spelt out."""
    lines = [
        f"| {head} | files | refused | same content | anything else |",
        "|---|---|---|---|---|",
    ]
    for name, counts in rows.items():
        rest = {k: n for k, n in counts.items() if k not in ("refused", SAME)}
        others = ", ".join(f"{k}: {n}" for k, n in sorted(rest.items())) or "0"
        lines.append(
            f"| {name} | {counts.total():,} | {counts['refused']:,} | {counts[SAME]:,} | {others} |"
        )
    return "\n".join(lines)
