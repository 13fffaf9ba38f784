"""Write one mask in a foreign format, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

from maskstat.archive.publish import publication
from maskstat.convert.out.job import Job
from maskstat.errors import UsageError, closest
from maskstat.run import Run

__all__ = ["WRITABLE", "Written", "write_foreign"]

WRITABLE: Mapping[str, str] = {
    "torch-prune": "a state dict for a model under torch.nn.utils.prune",
    "open-lth": "open_lth's mask.pth",
    "npz": "NumPy's .npz, booleans by name",
    "safetensors": "safetensors, zeros and ones by name",
    "compressed-tensors": "compressed-tensors' sparse-bitmask",
    "zeros": "the checkpoint itself, 0 where pruned",
}
"""Formats that can be written, and what they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written.

    Parameters
    ----------
    path, format
        Where, and as what.
    iteration
        The iteration whose mask it is.
    n_layers, n_weights, n_kept
        Counts over the mask.
    weights
        Where weights come from: ``checkpoint``, or the run's ``final``, ``rewind``, ``initial``;
        empty for formats of masks alone.
    notes
        What a user of the file should know, in words.
    """

    path: str
    format: str
    iteration: int
    n_layers: int
    n_weights: int
    n_kept: int
    weights: str = ""
    notes: tuple[str, ...] = ()


def write_foreign(
    run: Run,
    iteration: int,
    path: str | os.PathLike[str],
    *,
    format: str,  # noqa: A002
    overwrite: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    notes: Sequence[str] = (),
) -> Written:
    """Write the mask of one iteration in a foreign format.

    Parameters
    ----------
    run
        The run.
    iteration
        The iteration; -1 is the last.
    path
        The file to write; it appears whole or not at all. Zeros in a sharded checkpoint make a
        folder of the same files.
    format
        One of `WRITABLE`.
    overwrite
        Whether a file that is there may be replaced; a folder never is.
    checkpoint
        A file with the weights to put the mask on: a torch state dict, safetensors or npz. Without
        it the run's own are taken where the format has weights: those after training at this
        iteration, else those that were rewound to, else the initial ones.
    notes
        What to say beside what the format itself has to say.

    Returns
    -------
    Written

    Raises
    ------
    UsageError
        There is no such format, or it has no weights and a checkpoint is given.
    NotFoundError
        There are no weights, no such iteration, or a layer is not in the checkpoint.
    LayoutMismatchError
        A layer has another shape there.
    OutputExistsError, StorageError
        The file is there already, or the file system says no.
    MissingExtraError
        The format is torch's, and torch is not installed.

    Examples
    --------
    >>> write_foreign(run, -1, "mask.npz", format="npz").n_kept  # doctest: +SKIP
    13609
    """
    if format not in WRITABLE:
        raise UsageError(
            f"there is no format '{format}' to write",
            code="no-such-format",
            place="--to",
            consequence=closest(format, ("archive", *WRITABLE)),
        )
    mask = run.mask(iteration)
    job = Job(
        run=run,
        mask=mask,
        place=os.fspath(path),
        checkpoint=None if checkpoint is None else os.fspath(checkpoint),
    )
    module = import_module(f"maskstat.convert.out.{format.replace('-', '_')}")
    if checkpoint is not None and not module.HAS_WEIGHTS:
        raise UsageError(
            f"{format} has masks alone",
            code="no-use-for-checkpoint",
            place="--checkpoint",
            hint="leave it out, or --to zeros",
        )
    sharded = job.sharded() if format == "zeros" else None
    if sharded is not None:
        weights, own_notes = module.write_folder(job, sharded)
    else:
        with publication(path, overwrite=overwrite) as temporary:
            weights, own_notes = module.write(job, temporary)
    return Written(
        path=os.fspath(path),
        format=format,
        iteration=iteration if iteration >= 0 else run.n_iterations + iteration,
        n_layers=len(mask.layout.layers),
        n_weights=mask.layout.size,
        n_kept=mask.n_kept,
        weights=weights,
        notes=(*notes, *own_notes),
    )
