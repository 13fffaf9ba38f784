"""The bundled runner: iterative magnitude pruning of a torch network, recorded as a `Run`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from os import PathLike
from types import ModuleType
from typing import TYPE_CHECKING, Any

from maskstat.prune.progress import Progress, Silent
from maskstat.prune.recipe import Recipe
from maskstat.run import Run

if TYPE_CHECKING:
    from maskstat.prune.trial import Publish

__all__ = ["Progress", "Recipe", "Silent", "prune"]


def prune(
    recipe: Recipe | None = None,
    *,
    output: str | PathLike[str] | None = None,
    overwrite: bool = False,
    data_dir: str | PathLike[str] | None = None,
    download: bool = False,
    device: str = "cpu",
    progress: Progress | None = None,
    **overrides: Any,
) -> Run:
    """Train, prune and rewind a network again and again.

    Parameters
    ----------
    recipe
        What to run; by default a LeNet on the handwritten digits that come with this package.
    output
        Where the archive is to be, published whole after every iteration. A run of the same recipe
        that is there is returned if it is complete, and continued if not.
    overwrite
        Replace whatever is there and begin anew.
    data_dir
        The folder that is searched for data sets; the user's cache folder by default.
    download
        Whether data sets that are missing may be downloaded into it.
    device
        ``cpu``, ``cuda``, ``mps``, or ``auto`` for the fastest there is.
    progress
        Told what happens; by default nobody is.
    **overrides
        Settings that differ from the recipe's, e.g. ``lr=0.05``.

    Returns
    -------
    Run
        Read back from the archive where there is one.

    Raises
    ------
    UsageError
        A setting that cannot be used.
    MissingExtraError
        torch is not installed.
    OutputExistsError
        Something else is at the path, or comes there meanwhile, or it cannot be continued.
    StorageError
        The file system does not allow it.
    TrainingError
        A loss is not finite; the archive holds what was whole, with status ``failed``.

    Examples
    --------
    >>> run = prune(iterations=1, epochs=1)
    >>> run.n_iterations, run.mask(1).n_kept
    (2, 15614)
    """
    recipe = (recipe or Recipe()).replace(**overrides)
    watcher = progress or Silent()
    surroundings = {"data_dir": data_dir, "download": download, "device": device}
    if output is None:
        return _iterate(recipe, None, lambda _: None, watcher, surroundings)

    from maskstat.archive import open_archive  # h5py, which an archive alone needs
    from maskstat.prune.resume import Target

    target = Target(output, overwrite=overwrite)
    earlier = target.earlier_run(recipe, progress=watcher)
    if earlier is not None and earlier.status == "complete":
        return earlier
    _iterate(recipe, earlier, target.publish, watcher, surroundings)
    return open_archive(target.path).runs[recipe.run_id]


def _iterate(
    recipe: Recipe,
    earlier: Run | None,
    publish: Publish,
    progress: Progress,
    surroundings: Mapping[str, Any],
) -> Run:
    """Run a recipe with torch set for it."""
    from maskstat.prune.session import deterministic_torch, require_torch, resolve_device

    require_torch()
    from maskstat.prune.imp import iterate
    from maskstat.prune.workshop import Workshop

    with deterministic_torch(resolve_device(str(surroundings["device"]))):
        workshop = Workshop(**surroundings)
        trial, engine = workshop.trial(recipe, publish=publish, progress=progress)
        if earlier is not None:
            trial.resume(earlier)
        iterate([trial], engine)
    if trial.failure is not None:
        raise trial.failure
    return trial.run()


class _Callable(ModuleType):
    """`maskstat.prune` is this package and, as the public name, its function."""

    def __call__(
        self,
        recipe: Recipe | None = None,
        *,
        output: str | PathLike[str] | None = None,
        overwrite: bool = False,
        data_dir: str | PathLike[str] | None = None,
        download: bool = False,
        device: str = "cpu",
        progress: Progress | None = None,
        **overrides: Any,
    ) -> Run:
        return prune(
            recipe,
            output=output,
            overwrite=overwrite,
            data_dir=data_dir,
            download=download,
            device=device,
            progress=progress,
            **overrides,
        )


sys.modules[__name__].__class__ = _Callable
