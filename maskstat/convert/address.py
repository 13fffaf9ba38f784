"""Addresses: ``sweep.h5::run_id@12``, a run and an iteration inside a file."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

__all__ = ["Address"]

_ADDRESS = re.compile(
    r"(?P<path>.+?)(?:::(?P<run>[^:@]+))?(?:@(?P<iteration>\d{1,18}))?", re.DOTALL
)
_ITERATION = re.compile(r"\d{1,18}")


class Address(NamedTuple):
    """Where masks are.

    Parameters
    ----------
    path
        A file; ``-`` is standard input.
    run_id
        One run of the file, or all of them.
    iteration
        One iteration, or what the command selects.
    """

    path: str
    run_id: str | None = None
    iteration: int | None = None

    @classmethod
    def parse(cls, text: str) -> Address:
        """Take an address apart; a text without ``::`` or ``@N`` is a path.

        Examples
        --------
        >>> Address.parse("sweep.h5::lenet-0@12")
        Address(path='sweep.h5', run_id='lenet-0', iteration=12)
        >>> Address.parse("run.h5").iteration is None
        True
        """
        match = _ADDRESS.fullmatch(text)
        if match is None:
            return cls(text)
        iteration = match["iteration"]
        return cls(match["path"], match["run"], None if iteration is None else int(iteration))

    @classmethod
    def find(cls, text: str) -> Address:
        """Take an address apart, a file whose own name looks like one being that file."""
        if os.path.exists(text):
            return cls(text)
        path, at, iteration = text.rpartition("@")
        if at and _ITERATION.fullmatch(iteration) and os.path.exists(path):
            return cls(path, None, int(iteration))
        return cls.parse(text)
