"""Everything a reader can check about an archive, in one pass, without stopping at a finding."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from maskstat.archive import spec
from maskstat.archive.arrays import FileArray
from maskstat.archive.reader import Archive, open_archive
from maskstat.archive.rows import FileMasks, RowCheck
from maskstat.archive.run_reader import RunReader
from maskstat.errors import (
    ArchiveError,
    CorruptArchiveError,
    MaskstatError,
    UnsafeArchiveError,
    printable,
)
from maskstat.run import Run

__all__ = ["Finding", "Verification", "verify"]

_VALUES = 1 << 20
_CHECKS = {"corrupt-padding": "padding", "corrupt-kept": "kept"}
_CONTENT = ("corrupt-digest", "corrupt-manifest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found at one place.

    Parameters
    ----------
    check
        Its name: structure, content, run, arrays, digests, padding, kept, dense, nested, series,
        votes.
    place
        The file, a run in it, or one iteration.
    ok
        Whether all was well.
    detail
        What was checked, or what is wrong.
    code
        The error's code; empty where all was well.
    """

    check: str
    place: str
    ok: bool
    detail: str
    code: str = ""

    def to_row(self) -> dict[str, str | bool]:
        """Return the finding as one flat record."""
        return {
            "check": self.check,
            "place": printable(self.place),
            "ok": self.ok,
            "detail": self.detail,
            "code": self.code,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What `verify` found.

    Parameters
    ----------
    path
        The archive.
    content_digest
        What the file states; empty where it cannot be read.
    findings
        One for each check and place.
    """

    path: str
    content_digest: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether every check went well."""
        return all(finding.ok for finding in self.findings)

    def rows(self) -> list[dict[str, str | bool]]:
        """Return one flat record for each finding."""
        return [finding.to_row() for finding in self.findings]


def verify(source: str | os.PathLike[str] | bytes) -> Verification:
    """Check an archive: structure, digests, padding, counts, nesting, ranges.

    Parameters
    ----------
    source
        A path, or an archive's bytes.

    Returns
    -------
    Verification
        A damaged or unsafe file is a finding, not an error.

    Raises
    ------
    NotFoundError, StorageError
        There is no such file, or it cannot be read.
    ArchiveError, UnsupportedVersionError
        It is something else than an archive of a version that this program reads.
    """
    place = "-" if isinstance(source, bytes) else os.fspath(source)
    try:
        archive = open_archive(source)
    except (UnsafeArchiveError, CorruptArchiveError) as error:
        check = "content" if error.code in _CONTENT else "structure"
        return Verification(path=place, content_digest="", findings=(_failed(check, place, error),))
    with archive:
        findings = tuple(_check_archive(archive))
        return Verification(path=place, content_digest=archive.stated_digest, findings=findings)


def _check_archive(archive: Archive) -> Iterator[Finding]:
    failed = False
    for run_id in archive.run_ids:
        try:
            reader = archive.reader(run_id)
        except (UnsafeArchiveError, CorruptArchiveError) as error:
            failed = True
            yield _failed("structure", f"{archive.path}::{run_id}", error)
            continue
        yield from _check_run(reader)
    if failed:
        return
    yield _passed("structure", archive.path, "superblock, links, types, storage, shapes, layouts")
    try:
        archive.guard_all()
        yield _passed("content", archive.path, f"runs in the digest: {len(archive.run_ids)}")
    except (UnsafeArchiveError, CorruptArchiveError) as error:
        yield _failed("content", archive.path, error)


def _check_run(reader: RunReader) -> Iterator[Finding]:
    try:
        run = reader.run
    except (UnsafeArchiveError, CorruptArchiveError) as error:
        yield _failed("run", reader.label, error)
        return
    yield _passed("run", run.label, f"manifest, attributes and tables match {run.digest[:19]}")
    wrong = []
    for path in reader.array_paths:
        try:
            reader.array(path).check()
        except ArchiveError as error:
            wrong.append(_failed("arrays", f"{run.label}: {path}", error))
    yield from wrong or [_passed("arrays", run.label, f"digests: {len(reader.array_paths)}")]
    yield from _check_masks(run)
    yield _check_series(run)
    if isinstance(run.votes, FileArray) and not wrong:
        yield _check_votes(run, run.votes)


def _check_masks(run: Run) -> Iterator[Finding]:
    """Go over all rows once: digests, padding, counts, and each inside the one before."""
    masks = run.masks
    assert isinstance(masks, FileMasks)
    damaged: list[Finding] = []
    escaped: list[Finding] = []
    sound = False
    for row, found in enumerate(masks.examine()):
        place = f"{run.label}@{row}"
        problem = masks.problem(row, found) if isinstance(found, RowCheck) else found
        before, sound = sound, problem is None
        if problem is not None:
            damaged.append(_failed(_CHECKS.get(problem.code, "digests"), place, problem))
        elif isinstance(found, RowCheck) and before and found.outside:
            detail = f"{found.outside:,} weights are kept that iteration {row - 1} had pruned"
            escaped.append(
                Finding(check="nested", place=place, ok=False, detail=detail, code="not-nested")
            )
    yield from damaged
    yield from escaped
    if not damaged:
        rows = f"{masks.n_rows} masks"
        yield _passed("digests", run.label, rows)
        yield _passed("padding", run.label, rows)
        yield _passed("kept", run.label, f"{rows}, {len(run.layout.layers)} layers")
        yield _passed("dense", run.label, "iteration 0 keeps every weight")
        if not escaped:
            yield _passed("nested", run.label, "every mask is inside the one before")


def _check_series(run: Run) -> Finding:
    """Check that shares are shares; shapes are the guard's."""
    shares = {series.name for series in spec.SERIES if series.unit == "fraction"}
    for name, values in sorted(run.series.items()):
        if name in shares and ((values < 0) | (values > 1)).any():
            detail = f"{name} goes beyond 0 to 1"
            return Finding(
                check="series", place=run.label, ok=False, detail=detail, code="corrupt-run"
            )
    return _passed("series", run.label, f"{len(run.series)} series")


def _check_votes(run: Run, votes: FileArray) -> Finding:
    """Check that no weight has more votes than there were inputs."""
    parents = run.provenance.get("parents")
    most = 0
    for start in range(0, votes.shape[0], _VALUES):
        most = max(most, int(votes[start : start + _VALUES].max()))
    if isinstance(parents, list) and most > len(parents):
        detail = f"a weight has {most} votes from {len(parents)} inputs"
        return Finding(check="votes", place=run.label, ok=False, detail=detail, code="corrupt-run")
    return _passed("votes", run.label, f"at most {most}")


def _passed(check: str, place: str, detail: str) -> Finding:
    return Finding(check=check, place=place, ok=True, detail=detail)


def _failed(check: str, place: str, error: MaskstatError) -> Finding:
    where = "" if not error.place or error.place == place else f"{printable(error.place)}: "
    return Finding(
        check=check, place=place, ok=False, detail=f"{where}{error.fact}", code=error.code
    )
