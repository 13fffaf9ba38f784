"""torch's files as nested dicts; nothing in them is ever run.

They are read through ``weights_only=True`` alone, after `torch_scan` has looked through them, and
what torch makes of them is held against the file's size before a value is touched.
"""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

from maskstat.archive.source import reading_error
from maskstat.convert.probe import Probe
from maskstat.convert.tensors import StoredTensor
from maskstat.convert.torch_nest import Nest
from maskstat.convert.torch_scan import damaged, scan
from maskstat.errors import InputError, MissingExtraError

__all__ = ["load", "load_objects", "require_torch", "state_dict", "stored", "tensors"]

_OLDEST_TORCH = (2, 6)
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "module", "masks", "mask")


def require_torch() -> None:
    """Raise a helpful error unless torch can be imported, in a version that reads safely.

    Raises
    ------
    MissingExtraError
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(
            "torch is not installed",
            code="missing-torch",
            consequence="reading and writing torch's own files needs it; other formats do not",
            hint="pip install 'maskstat[torch]', or save the masks as .npz or .safetensors",
        ) from error
    version = tuple(int(part) for part in str(torch.__version__).split(".")[:2])
    if version < _OLDEST_TORCH:
        raise MissingExtraError(
            f"torch is {torch.__version__}",
            code="old-torch",
            consequence="weights_only=True runs code of a file's choosing before torch 2.6",
            hint="pip install -U torch",
        )


def load(probe: Probe) -> dict[str, Any]:
    """Read what ``torch.save`` wrote.

    Parameters
    ----------
    probe
        The file. Its tensors stay in it, mapped, until they are used.

    Returns
    -------
    dict
        Keys are strings; values are `StoredTensor`, dicts of the same kind, lists, plain values,
        and the type's name for anything else.

    Raises
    ------
    InputError
        It is no torch file, it is damaged, it holds code (``pickle-code``), or it claims more
        than the file has.
    MissingExtraError
        torch is not installed.
    """
    return probe.once("torch", lambda: load_objects(probe)[1])


def load_objects(probe: Probe) -> tuple[Any, dict[str, Any]]:
    """Return what torch reads, and the same as `load` does; tensors share their memory.

    Raises
    ------
    InputError, MissingExtraError
        As `load` does.
    """
    with _opened(probe) as file:
        size = os.fstat(file.fileno()).st_size
        mapped = scan(file, size=size, place=probe.place)
        require_torch()
        try:
            found = _weights_only(file, mapped=mapped)
            content = Nest(place=probe.place, size=size).convert(found)
        # Whatever torch raises on a file of unknown origin, the file is what is wrong.
        except (
            *(pickle.UnpicklingError, RuntimeError, ValueError, TypeError, KeyError, IndexError),
            *(AttributeError, EOFError, AssertionError, OSError, MemoryError, OverflowError),
        ) as error:
            if isinstance(error, InputError):
                raise
            raise damaged(probe.place, "torch cannot read it") from error
    if not isinstance(content, dict):
        raise InputError(
            f"it holds a {type(found).__name__}, not a dict",
            code="not-a-state-dict",
            place=probe.place,
            consequence="masks are looked up by name",
            hint="torch.save(model.state_dict(), path)",
        )
    return found, content


def state_dict(content: Mapping[str, Any]) -> tuple[dict[str, StoredTensor], tuple[str, ...]]:
    """Find the state dict in a checkpoint.

    Parameters
    ----------
    content
        From `load`.

    Returns
    -------
    dict
        Its tensors by dotted name.
    tuple of str
        What else there is in the checkpoint, except for plain values.
    """
    left: list[str] = []
    inner: Mapping[str, Any] = content
    while not any(isinstance(value, StoredTensor) for value in inner.values()):
        key = next((k for k in _WRAPPERS if isinstance(inner.get(k), Mapping)), None)
        if key is None or not any(True for _ in stored(inner[key])):
            break
        left += [k for k, v in inner.items() if k != key and isinstance(v, (Mapping, list)) and v]
        inner = inner[key]
    return dict(stored(inner)), tuple(left)


def stored(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, StoredTensor]]:
    """Give every tensor of a nested dict by its dotted name, in order."""
    for key, value in content.items():
        if isinstance(value, StoredTensor):
            yield f"{prefix}{key}", value
        elif isinstance(value, Mapping):
            yield from stored(value, f"{prefix}{key}.")


def tensors(probe: Probe) -> Mapping[str, StoredTensor]:
    """Return the tensors of a file's state dict by name.

    Raises
    ------
    InputError, MissingExtraError
        As `load` does.
    """
    return probe.once("torch-state", lambda: state_dict(load(probe))[0])


@contextmanager
def _opened(probe: Probe) -> Iterator[BinaryIO]:
    """Open the file, or a copy of it where there are only its bytes."""
    if probe.path and probe.source is not None:
        try:
            file = open(probe.path, "rb")  # noqa: SIM115
        except OSError as error:
            raise reading_error(error, probe.place) from error
        with file:
            yield file
    else:
        with tempfile.TemporaryFile() as copy, probe.stream() as stream:
            shutil.copyfileobj(stream, copy)
            copy.flush()
            copy.seek(0)
            yield copy


def _weights_only(file: BinaryIO, *, mapped: bool) -> Any:
    """Let torch read the very file that was looked through, whatever became of its name."""
    import torch

    # Only a path can be mapped, and torch takes some suffixes of paths for other formats.
    path = f"/dev/fd/{file.fileno()}"
    allowed: list[Any] = [(_plain_dict, "collections.defaultdict"), dict]
    file.seek(0)
    with warnings.catch_warnings(), torch.serialization.safe_globals(allowed):
        warnings.simplefilter("ignore")
        return torch.load(
            path if mapped else file, weights_only=True, map_location="cpu", mmap=mapped
        )


def _plain_dict(_factory: object = None) -> dict[Any, Any]:
    """Stand in for defaultdict, which torch.ao saves and weights_only cannot fill."""
    return {}
