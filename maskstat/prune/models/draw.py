"""Drawing weights from a generator of one's own while layers are built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

__all__ = ["DrawsFrom"]


class DrawsFrom(TorchFunctionMode):
    """Makes layers draw their weights from a generator instead of torch's global one.

    Whatever is built in this context has the weights that it would have had if the global
    generator had been in the same state, and leaves the generator where that would have been.

    Parameters
    ----------
    generator
        Where normal and uniform values are drawn from.

    Notes
    -----
    The global generator is one for all threads: two that build networks at once would take each
    other's draws. A mode like this one is its thread's own.

    Examples
    --------
    >>> def drawn(seed):
    ...     with DrawsFrom(torch.Generator().manual_seed(seed)):
    ...         return torch.nn.Linear(2, 2).weight
    >>> torch.equal(drawn(1), drawn(1)), torch.equal(drawn(1), drawn(2))
    (True, False)
    """

    _DRAWS = (
        nn.init.uniform_,
        nn.init.normal_,
        nn.init.kaiming_uniform_,
        Tensor.uniform_,
        Tensor.normal_,
    )

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self._generator = generator

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        if func in self._DRAWS:
            given["generator"] = self._generator
        return func(*args, **given)
