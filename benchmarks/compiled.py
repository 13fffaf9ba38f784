"""The same counts in C, compiled when they are asked for: what the machine can do."""

from __future__ import annotations

import ctypes
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

__all__ = ["CC", "all_pairs", "pair", "read"]

CC = ("cc", "-O3", "-march=native", "-funroll-loops", "-shared", "-fPIC")

_WORDS = np.ctypeslib.ndpointer(np.uint64, flags="C")
_COUNTS = np.ctypeslib.ndpointer(np.int64, flags="C")
_LONG = ctypes.c_int64


@functools.cache
def library() -> ctypes.CDLL:
    """Compile kernels.c beside this file.

    Raises
    ------
    ImportError
        There is no compiler.
    """
    if shutil.which(CC[0]) is None:
        raise ImportError("no C compiler")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernels.so"
        source = Path(__file__).with_name("kernels.c")
        done = subprocess.run([*CC, "-o", path, source], capture_output=True, text=True)
        if done.returncode:
            raise ImportError(f"the C compiler failed: {done.stderr.strip()[:200]}")
        found = ctypes.CDLL(str(path))
    found.pair.argtypes, found.pair.restype = [_WORDS, _WORDS, _LONG], _LONG
    found.read_words.argtypes, found.read_words.restype = [_WORDS, _LONG], ctypes.c_uint64
    found.all_pairs.argtypes, found.all_pairs.restype = [_WORDS, _LONG, _LONG, _COUNTS], None
    return found


def pair(a: np.ndarray, b: np.ndarray) -> int:
    """Count the bits set in both."""
    return int(library().pair(a, b, a.size))


def read(words: np.ndarray) -> int:
    """Read every word once."""
    return int(library().read_words(words, words.size))


def all_pairs(rows: np.ndarray) -> np.ndarray:
    """Count the bits set in both rows of each pair, int64 (n, n), above the diagonal."""
    counts = np.zeros((len(rows), len(rows)), np.int64)
    library().all_pairs(rows, len(rows), rows.shape[1], counts)
    return counts
