"""The state torch is in while a run goes on, and out of again afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from maskstat.errors import MissingExtraError, UsageError, printable

__all__ = ["THREADS", "deterministic_torch", "require_torch", "resolve_device"]

THREADS = 1
"""Two threads add in another order: they change 3 % of a mask's entries after 300 steps."""

_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


def require_torch() -> None:
    """Raise a helpful error unless torch can be imported.

    Raises
    ------
    MissingExtraError
    """
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "torch is not installed",
            code="missing-torch",
            consequence="pruning needs it; comparing does not",
            hint="pip install 'maskstat[torch]'",
        ) from error


def resolve_device(wanted: str) -> str:
    """Turn a device's name into that of one that is there.

    Parameters
    ----------
    wanted
        ``cpu``, ``cuda``, ``mps``, or ``auto``: the first of ``cuda``, ``mps`` and ``cpu`` that is
        there.

    Returns
    -------
    str
        ``cpu``, ``cuda`` or ``mps``.

    Raises
    ------
    UsageError
        There is no such device.
    """
    import torch

    there = ["cpu"]
    if torch.backends.mps.is_available():
        there.insert(0, "mps")
    if torch.cuda.is_available():
        there.insert(0, "cuda")
    if wanted == "auto":
        return there[0]
    if wanted not in there:
        raise UsageError(
            f"torch has no device '{printable(wanted)}' here",
            code="no-device",
            place="device",
            consequence=f"there is: {', '.join(reversed(there))}",
            hint="--device auto",
        )
    return wanted


@contextmanager
def deterministic_torch(device: str = "cpu") -> Iterator[None]:
    """Set torch to one thread and reproducible arithmetic; set it back at the end.

    Parameters
    ----------
    device
        Where the arithmetic happens. What torch can't do reproducibly is an error on the CPU and
        a warning elsewhere, where pooling backwards is among it.
    """
    import torch
    from torch.utils import deterministic

    threads = torch.get_num_threads()
    dtype = torch.get_default_dtype()
    precision = torch.get_float32_matmul_precision()
    mode = torch.get_deterministic_debug_mode()
    fill = deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.set_num_threads(THREADS)
    torch.set_default_dtype(torch.float32)
    torch.set_float32_matmul_precision("highest")
    # As use_deterministic_algorithms(True), which also loads the compiler (2 s).
    torch.set_deterministic_debug_mode("error" if device == "cpu" else "warn")
    # Nothing here reads memory before it is written, and filling it costs 3 % of a step.
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        with _exact_cuda(), torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)
        torch.set_float32_matmul_precision(precision)
        torch.set_deterministic_debug_mode(mode)
        deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]


@contextmanager
def _exact_cuda() -> Iterator[None]:
    """Keep CUDA from rounding to TF32 and from choosing kernels by the clock."""
    import torch

    cudnn, workspace = torch.backends.cudnn, os.environ.get(_WORKSPACE)
    tf32, benchmark = cudnn.allow_tf32, cudnn.benchmark
    cudnn.allow_tf32 = cudnn.benchmark = False
    os.environ.setdefault(_WORKSPACE, ":4096:8")
    try:
        yield
    finally:
        cudnn.allow_tf32, cudnn.benchmark = tf32, benchmark
        if workspace is None:
            del os.environ[_WORKSPACE]
