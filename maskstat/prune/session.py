"""The state torch is in while a run goes on, and out of again afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from maskstat.errors import MissingExtraError

__all__ = ["THREADS", "deterministic_torch", "require_torch"]

THREADS = 1
"""Two threads add in another order: they change 3 % of a mask's entries after 300 steps."""


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


@contextmanager
def deterministic_torch() -> Iterator[None]:
    """Set torch to one thread and reproducible arithmetic; set it back at the end."""
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
    torch.set_deterministic_debug_mode("error")
    # Nothing here reads memory before it is written, and filling it costs 3 % of a step.
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)
        torch.set_float32_matmul_precision(precision)
        torch.set_deterministic_debug_mode(mode)
        deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
