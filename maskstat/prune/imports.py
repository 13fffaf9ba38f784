"""Where modules of the user's own, named ``package.module:factory``, are found."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["current_folder"]


@contextmanager
def current_folder() -> Iterator[None]:
    """Let modules be imported from the current folder, as ``python -m`` does."""
    sys.path.insert(0, "")
    try:
        yield
    finally:
        sys.path.remove("")
