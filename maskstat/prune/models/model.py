"""Model: an architecture by its name, and what it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from torch import nn

__all__ = ["Model", "Shape", "described"]

Shape: TypeAlias = tuple[int, int, int]
"""Channels, height and width of an image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A named architecture.

    Parameters
    ----------
    make
        Makes the module for an input's shape and a number of classes, its weights drawn as torch
        draws them.
    takes
        Returns the input's shape that images of a shape are brought to.
    fits
        Tells whether the module can be made for an input of a shape.
    expects
        The same in words.
    """

    make: Callable[[Shape, int], nn.Module]
    takes: Callable[[Shape], Shape]
    fits: Callable[[Shape], bool]
    expects: str


def described(shape: Shape) -> str:
    """Write a shape as recipes do.

    Examples
    --------
    >>> described((3, 32, 32))
    '3x32x32'
    """
    return "x".join(map(str, shape))
