"""Take a nest of dicts, lists and tensors over into plain values, within bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maskstat.convert.tensors import ENCODINGS, PIECE_BYTES, Encoding, StoredTensor
from maskstat.errors import InputError

if TYPE_CHECKING:
    import torch

__all__ = ["Nest", "identity", "integers", "torch_type"]

_DEEPEST = 32
_MOST_VALUES = 500_000
_MOST_SHARING = 8
_ENCODINGS = {
    "bool": "BOOL",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
    "complex64": "C64",
    **{f"float{bits}": f"F{bits}" for bits in (16, 32, 64)},
    **{f"{kind}int{bits}": f"{kind.upper() or 'I'}{bits}"
       for kind in ("", "u") for bits in (8, 16, 32, 64)},
}  # fmt: skip


class Nest:
    """One file's values on their way from torch.

    A small pickle can name one value a million times, nest a list in itself, or stretch one number
    over a tensor of any shape. Values are counted, and no tensor is larger than its storage.

    Parameters
    ----------
    place
        The file, for errors.
    size
        Its bytes.
    """

    def __init__(self, *, place: str, size: int) -> None:
        self._place = place
        self._size = size
        self._left = _MOST_VALUES
        self._asked = self._stored = 0
        self._storages: set[int] = set()

    def convert(self, value: Any, name: str = "", *, depth: int = 0) -> Any:
        """Take over a value and all that is in it; tensors become `StoredTensor`.

        Raises
        ------
        InputError
            It holds more than a file of this size can.
        """
        import torch

        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            raise InputError(
                "it is nested too deeply" if depth > _DEEPEST else "it holds too many values",
                code="too-deep",
                place=self._place,
                consequence=f"{_DEEPEST} levels and {_MOST_VALUES:,} values are read at most",
            )
        if isinstance(value, torch.Tensor):
            return self._tensor(value.detach(), name)
        if isinstance(value, Mapping):
            return {str(k): self.convert(v, str(k), depth=depth + 1) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.convert(v, str(i), depth=depth + 1) for i, v in enumerate(value)]
        if value is None or isinstance(value, (bool, int, float, str, bytes)):
            return value
        return type(value).__name__

    def _tensor(self, tensor: torch.Tensor, name: str) -> StoredTensor | str:
        import torch

        if tensor.layout != torch.strided or tensor.device.type != "cpu":
            raise self._bomb(f"a tensor is {tensor.layout} on {tensor.device}")
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._storages:
            self._storages.add(storage.data_ptr())
            self._stored += storage.nbytes()
        asked = tensor.numel() * tensor.element_size()
        self._asked += asked
        if asked > storage.nbytes() or self._asked > _MOST_SHARING * self._size:
            raise self._bomb(f"a tensor of shape {tuple(tensor.shape)} is larger than its values")
        if self._stored > self._size:
            raise self._bomb(f"its tensors claim {self._stored:,} bytes")
        kind = str(tensor.dtype).removeprefix("torch.")
        if kind not in _ENCODINGS:
            return kind
        return self._stored_tensor(tensor, name, ENCODINGS[_ENCODINGS[kind]])

    def _stored_tensor(self, tensor: torch.Tensor, name: str, encoding: Encoding) -> StoredTensor:
        raw = integers(tensor).numpy().view(encoding.raw.newbyteorder("="))
        raw.flags.writeable = False

        def pieces() -> Iterator[NDArray[Any]]:
            flat = np.ascontiguousarray(raw).reshape(-1)
            step = PIECE_BYTES // flat.itemsize
            for start in range(0, flat.size, step):
                yield flat[start : start + step]

        return StoredTensor(
            name=name,
            shape=tuple(tensor.shape),
            encoding=encoding,
            pieces=pieces,
            identity=identity(tensor),
            place=self._place,
        )

    def _bomb(self, fact: str) -> InputError:
        return InputError(
            fact,
            code="tensor-bomb",
            place=self._place,
            consequence=f"the file has {self._size:,} bytes",
        )


def identity(tensor: torch.Tensor) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """Return what two tensors over the same memory have in common."""
    return tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride())


def integers(tensor: torch.Tensor) -> torch.Tensor:
    """View a tensor's bits as integers of the same size."""
    import torch

    kinds = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    return tensor.view(kinds[tensor.element_size()])


def torch_type(encoding: str) -> str:
    """Return the name of torch's type for an encoding, empty if it has none."""
    return next((kind for kind, name in _ENCODINGS.items() if name == encoding), "")
