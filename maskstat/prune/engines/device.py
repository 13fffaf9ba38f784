"""Device: where tensors live while a network is trained."""

from __future__ import annotations

import time
from collections.abc import Callable
from weakref import WeakKeyDictionary

import torch
from torch import nn

from maskstat.prune.data.parts import Part

__all__ = ["Device"]


class Device:
    """A place to train in, to which examples are brought once.

    Parameters
    ----------
    name
        ``cpu``, ``cuda`` or ``mps``.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._parts: WeakKeyDictionary[Part, Part] = WeakKeyDictionary()

    def part(self, part: Part) -> Part:
        """Return a part whose examples are there."""
        if self.name == "cpu":
            return part
        if part not in self._parts:
            self._parts[part] = part.to(self.name)
        return self._parts[part]

    def bring(self, module: nn.Module) -> None:
        """Move a module's tensors there; each stays the same object, unlike with ``module.to``."""
        with torch.no_grad():
            for tensor in (*module.parameters(), *module.buffers()):
                tensor.data = tensor.data.to(self.name)

    def seconds(self, action: Callable[[], object]) -> float:
        """Time an action, to its end also where the processor doesn't wait for it."""
        began = time.perf_counter()
        action()
        if self.name == "cuda":
            torch.cuda.synchronize()
        elif self.name == "mps":
            torch.mps.synchronize()
        return time.perf_counter() - began
