"""Write runs: checked, laid into one HDF5 file, read back, and only then published."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from maskstat import __version__
from maskstat.archive import digest, layouts, publish, spec
from maskstat.archive.builder import Builder
from maskstat.archive.payloads import BytesPayload, MaskPayload
from maskstat.archive.reader import Archive, open_archive
from maskstat.archive.rows import FileMasks, RowCheck
from maskstat.archive.run_parts import run_attributes, run_payloads
from maskstat.errors import InputError, StorageError, UsageError
from maskstat.run import Run

__all__ = ["recheck", "to_bytes", "write"]


def write(
    path: str | os.PathLike[str],
    runs: Run | Sequence[Run],
    *,
    overwrite: bool = False,
    replaces: str | None = None,
) -> str:
    """Write runs into one archive, which appears under its name whole or not at all.

    Parameters
    ----------
    path
        Where to.
    runs
        A run, or several of different names.
    overwrite
        Whether a file that is there may be replaced.
    replaces
        Content digest of the only archive that may be replaced: for whoever writes one file again
        and again, beside others who might.

    Returns
    -------
    str
        The archive's content digest.

    Raises
    ------
    OutputExistsError
        The file is there, and may not be replaced.
    StorageError
        The file system does not allow it, or no space is left.
    InputError
        A run contradicts itself, or two have one name.
    UsageError
        What is to be written is no run.
    """
    runs = list(runs) if isinstance(runs, Iterable) else [runs]
    for run in runs:
        if not isinstance(run, Run):
            raise UsageError(
                f"an archive is made of runs, and this is of type {type(run).__name__}",
                code="not-a-run",
                place=os.fspath(path),
                consequence="nothing was written",
                hint="Run.from_masks(name, masks) makes one of masks, consensus(...).to_run() of a "
                "ticket",
            )
    expected = None if replaces is None else partial(_holds, digest=replaces)
    with publish.publication(path, overwrite=overwrite, replaces=expected) as temporary:
        if sum(_size(run) for run in runs) <= spec.IMAGE_BYTES:
            image, content_digest = _image(runs)
            temporary.write(image)
            return content_digest
        _lay_file(temporary.path, runs, place=os.fspath(path))
        with open_archive(temporary.path) as archive:
            return recheck(archive)


def to_bytes(runs: Sequence[Run]) -> bytes:
    """Return the archive that `write` would write, to be sent down a pipe.

    Parameters
    ----------
    runs
        One run or more, of different names.

    Returns
    -------
    bytes

    Raises
    ------
    InputError
        A run contradicts itself, or two have one name.
    """
    return _image(runs)[0]


def recheck(archive: Archive) -> str:
    """Read all content of an archive through every check of the reader.

    Parameters
    ----------
    archive
        An open archive.

    Returns
    -------
    str
        Its content digest.

    Raises
    ------
    CorruptArchiveError
        Something is not what was written.
    """
    for run_id in archive.run_ids:
        reader = archive.reader(run_id)
        masks = reader.run.masks
        assert isinstance(masks, FileMasks)
        for row, check in enumerate(masks.examine()):
            problem = masks.problem(row, check) if isinstance(check, RowCheck) else check
            if problem is not None:
                raise problem
        reader.check_arrays()
    return archive.content_digest


def _holds(path: str, *, digest: str) -> bool:
    """Tell whether a file is the archive of a content digest."""
    try:
        with open_archive(path) as archive:
            return archive.stated_digest == digest
    except InputError:
        return False


def _image(runs: Sequence[Run]) -> tuple[bytes, str]:
    builder = Builder()
    try:
        _lay(builder, runs)
        image = builder.image()
    finally:
        builder.close()
    with open_archive(image) as archive:
        return image, recheck(archive)


def _lay_file(path: str, runs: Sequence[Run], *, place: str) -> None:
    """Lay runs into an empty file of ours, which is to get the name `place`."""
    try:
        builder = Builder(path)
        try:
            _lay(builder, runs)
        finally:
            builder.close()
    except RuntimeError as error:
        disk = os.statvfs(os.path.dirname(path))
        fact, code = "the HDF5 library cannot write it", "write-failed"
        if disk.f_bavail * disk.f_frsize < spec.CHUNK_TARGET:  # the library does not say why
            fact, code = "no space is left", "disk-full"
        raise StorageError(
            fact, code=code, place=place, consequence="nothing was written, nothing was lost"
        ) from error


def _size(run: Run) -> int:
    """Return about how many bytes a run takes uncompressed."""
    arrays: list[tuple[Any, int]] = [(weights.values, 4) for weights in run.weights.values()]
    arrays += [(outputs.logits, 4) for outputs in run.outputs.values()]
    arrays += [(values, 4) for values in run.others.values()]
    arrays += [(run.votes, 2)] if run.votes is not None else []
    total = 8 * run.masks.n_rows * run.masks.n_words
    for values, itemsize in arrays:
        total += math.prod(values.shape) * itemsize
    return total


def _lay(builder: Builder, runs: Sequence[Run]) -> None:
    """Lay runs into a file, in order of their names."""
    ordered = sorted(runs, key=lambda run: run.run_id)
    if not ordered:
        raise InputError(
            "there are no runs to write", code="no-runs", consequence="nothing was written"
        )
    for one, other in pairwise(ordered):
        if one.run_id == other.run_id:
            raise InputError(
                f"two runs are named '{one.run_id}'",
                code="duplicate-run",
                place=other.label,
                consequence=f"the other is {one.label}",
            )
    builder.attributes(
        builder.root,
        {
            "format": spec.FORMAT,
            "format_version": spec.VERSION,
            "required_features": "",
            "writer": f"maskstat {__version__}",
        },
    )
    texts = {run.run_id: layouts.to_text(run.layout, place=run.label) for run in ordered}
    group = builder.group(builder.root, "layouts")
    for text in sorted(set(texts.values())):
        builder.dataset(group, digest.layout_id(text), BytesPayload(np.frombuffer(text, np.uint8)))
    group = builder.group(builder.root, "runs")
    digests = [(run.run_id, _lay_run(builder, group, run, texts[run.run_id])) for run in ordered]
    builder.attributes(builder.root, {"content_digest": digest.content_digest(digests)})


def _lay_run(builder: Builder, runs: Any, run: Run, layout_text: bytes) -> str:
    """Lay one run into a file and return its digest."""
    attributes = run_attributes(run, digest.layout_id(layout_text))
    group = builder.group(runs, run.run_id)
    builder.attributes(group, attributes)
    parents: dict[str, Any] = {"": group}
    entries: dict[str, dict[str, Any]] = {}
    payloads = run_payloads(run)
    while payloads:
        path = next(iter(payloads))
        payload = payloads.pop(path)
        parent, _, name = path.rpartition("/")
        if parent not in parents:
            parents[parent] = builder.group(group, parent)
        # Masks are hashed row by row.
        hashed = not isinstance(payload, MaskPayload)
        found = builder.dataset(parents[parent], name, payload, hashed=hashed)
        if isinstance(payload, MaskPayload):
            rows = np.frombuffer(b"".join(payload.digests), np.uint8).reshape(-1, 32)
            payloads["mask_digests"] = BytesPayload(rows)
        entries[path] = {
            "attributes": dict(payload.attributes),
            "dtype": payload.dtype,
            "sha256": found,
            "shape": list(payload.shape),
        }
    entries["masks"]["sha256"] = entries["mask_digests"]["sha256"]
    text = digest.manifest(attributes, entries, digest.layout_digest(layout_text))
    builder.dataset(group, "manifest", BytesPayload(np.frombuffer(text, np.uint8)))
    run_digest = digest.run_digest(text)
    builder.attributes(group, {"digest": run_digest})
    return run_digest
