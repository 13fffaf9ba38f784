"""The foreign formats that maskstat reads, in the order in which a file is held against them.

A format is a module with two functions, ``matches(probe)`` and ``read(probe, options)``; it is
imported when a file of a kind that it knows is met, so that reading archives costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import import_module
from types import ModuleType
from typing import cast

from maskstat.convert.found import Found
from maskstat.convert.names import strip_wrappers
from maskstat.convert.probe import Kind, Probe
from maskstat.convert.refusals import unsafe
from maskstat.errors import ArchiveError, InputError, UsageError, closest

__all__ = ["FORMATS", "Format", "ReadOptions", "detect", "find_format"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """What a user asked of a reader.

    Parameters
    ----------
    include, exclude
        Globs over tensor names, as they are in the file or with wrappers' prefixes taken off.
        Without ``include`` a format chooses; ``exclude`` goes before ``include``.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def chooses(self, name: str, *, default: bool = True) -> bool:
        """Tell whether a tensor is wanted; `default` holds where no pattern names it."""
        short = strip_wrappers(name)
        if any(fnmatchcase(n, p) for p in self.exclude for n in (name, short)):
            return False
        if not self.include:
            return default
        return any(fnmatchcase(n, p) for p in self.include for n in (name, short))


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A foreign format.

    Parameters
    ----------
    name
        As ``--from`` takes it.
    description
        In one line.
    module
        In `maskstat.convert.formats`.
    kinds
        The kinds of file (`Probe.kind`) it comes in; its module is not loaded for others.
    explicit
        Whether it is only read when it is asked for by name.
    """

    name: str
    description: str
    module: str
    kinds: tuple[Kind, ...]
    explicit: bool = False

    def matches(self, probe: Probe) -> bool:
        """Tell by its content whether a file is of this format."""
        return probe.kind in self.kinds and bool(self._load().matches(probe))

    def read(self, probe: Probe, options: ReadOptions) -> Found:
        """Read the masks of a file.

        Raises
        ------
        InputError
            It is not of this format, damaged or unsafe.
        """
        if probe.kind not in self.kinds:
            raise InputError(
                f"it is {probe.what}",
                code="wrong-format",
                place=probe.place,
                consequence=f"{self.name} does not come in such files",
                hint=f"leave out --from {self.name}",
            )
        return cast(Found, self._load().read(probe, options))

    def _load(self) -> ModuleType:
        return import_module(f"maskstat.convert.formats.{self.module}")


_TORCH: tuple[Kind, ...] = ("torch-zip", "torch-legacy")
_STATE: tuple[Kind, ...] = ("safetensors", "sharded", "npz", *_TORCH)

FORMATS: tuple[Format, ...] = (
    Format(
        name="uber-h5",
        description="masks of Deconstructing Lottery Tickets: one flat vector in HDF5",
        module="uber_h5",
        kinds=("hdf5",),
    ),
    Format(
        name="tfmot-h5",
        description="Keras weights with tensorflow-model-optimization's pruning wrappers",
        module="tfmot_h5",
        kinds=("hdf5",),
    ),
    Format(
        name="hdf5",
        description="HDF5 with a dataset of zeros and ones a layer",
        module="plain_hdf5",
        kinds=("hdf5",),
    ),
    Format(
        name="compressed-tensors",
        description="compressed-tensors sparse-bitmask and sparse-24-bitmask checkpoints",
        module="compressed_tensors",
        kinds=("safetensors", "sharded"),
    ),
    Format(
        name="open-lth",
        description="open_lth: a lottery's folders, mask.pth or checkpoint.pth",
        module="open_lth",
        kinds=("folder", *_STATE),
    ),
    Format(
        name="torch-prune",
        description="state dicts under torch.nn.utils.prune",
        module="torch_prune",
        kinds=_STATE,
    ),
    Format(
        name="torch-ao",
        description="the state of a torch.ao.pruning sparsifier",
        module="torch_ao",
        kinds=_TORCH,
    ),
    Format(
        name="distiller",
        description="Distiller's checkpoints",
        module="distiller",
        kinds=_TORCH,
    ),
    Format(
        name="sparseml",
        description="the state of SparseML's pruning manager",
        module="sparseml",
        kinds=_TORCH,
    ),
    Format(
        name="nni",
        description="NNI's mask.pth, and models under its wrappers",
        module="nni",
        kinds=_TORCH,
    ),
    Format(
        name="apex-asp",
        description="state dicts under NVIDIA apex's ASP",
        module="apex",
        kinds=_STATE,
    ),
    Format(
        name="fasterai",
        description="state dicts under fasterai's sparsifier",
        module="fasterai",
        kinds=_STATE,
    ),
    Format(
        name="shrinkbench",
        description="state dicts with X_mask beside X: shrinkbench, Synaptic-Flow",
        module="shrinkbench",
        kinds=_STATE,
    ),
    Format(
        name="npy-folder",
        description="a folder of .npy files, or one with masks/*.npy",
        module="npy_folder",
        kinds=("folder",),
    ),
    Format(
        name="generic",
        description="names to arrays of zeros and ones: npz, npy, safetensors, torch",
        module="generic",
        kinds=(*_STATE, "npy"),
    ),
    Format(
        name="zeros",
        description="the exact zeros of a dense checkpoint",
        module="zeros",
        kinds=(*_STATE, "npy", "folder"),
        explicit=True,
    ),
)
"""Every foreign format, the first that matches being taken."""


def find_format(name: str) -> Format:
    """Return the format of a name.

    Raises
    ------
    UsageError
        There is none.

    Examples
    --------
    >>> find_format("zeros").explicit
    True
    """
    for known in FORMATS:
        if known.name == name:
            return known
    raise UsageError(
        f"there is no format '{name}'",
        code="no-such-format",
        place="--from",
        consequence=closest(name, [known.name for known in FORMATS], limit=len(FORMATS)),
    )


def detect(probe: Probe, formats: Sequence[Format] = FORMATS) -> Format:
    """Return the first format that a file is of.

    Raises
    ------
    ArchiveError, InputError
        It is of none.
    """
    for known in formats:
        if not known.explicit and known.matches(probe):
            return known
    if probe.kind == "pickle":
        raise unsafe(
            "it is a Python pickle, which can run code when it is read",
            "unsafe-pickle",
            probe.place,
            hint="numpy.savez(path, **{name: array}) where it was made",
        )
    names = ", ".join(known.name for known in formats if not known.explicit)
    if probe.kind in ("unknown", "empty"):
        raise ArchiveError(
            f"it is {probe.what}",
            code="not-an-archive",
            place=probe.place,
            consequence=f"it is neither a maskstat archive nor any of: {names}",
        )
    if probe.kind == "folder" and any(name.endswith((".h5", ".hdf5")) for name in probe.files):
        hint = f"its archives, {probe.place.rstrip('/')}/*.h5"
    elif probe.kind != "folder" and probe.kind in find_format("zeros").kinds:
        hint = "--from zeros, if exact zeros are the pruned weights"
    else:
        hint = "--from FORMAT"
    raise InputError(
        f"it is {probe.what} without masks that are known",
        code="no-masks",
        place=probe.place,
        consequence=f"it is none of: {names}",
        hint=hint,
    )
