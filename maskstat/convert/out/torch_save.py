"""Write torch's files, and tensors of any file as torch's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from maskstat.archive.publish import Temporary
from maskstat.convert.tensors import StoredTensor
from maskstat.convert.torch_file import require_torch
from maskstat.convert.torch_nest import torch_type
from maskstat.errors import InputError, printable

if TYPE_CHECKING:
    import torch

__all__ = ["as_torch", "save"]


def save(content: Any, temporary: Temporary) -> None:
    """Write what ``torch.save`` makes of it; equal contents make equal bytes.

    Raises
    ------
    MissingExtraError
        torch is not installed.
    OSError
        The file system says no.
    """
    require_torch()
    import torch

    # A file object instead of a name, which torch would write into the file.
    with os.fdopen(os.dup(temporary.descriptor), "wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:
            # torch finishes its zip file after a write has failed, and fails at that.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def as_torch(tensor: StoredTensor) -> torch.Tensor:
    """Return a tensor of the same type and bits.

    Raises
    ------
    InputError
        torch has no such type.
    """
    require_torch()
    import torch

    kind = torch_type(tensor.encoding.name)
    if not kind:
        raise InputError(
            f"'{printable(tensor.name)}' has values of type {tensor.encoding.name}",
            code="unknown-dtype",
            place=tensor.place,
            consequence="torch has none of that type",
        )
    raw = np.empty(tensor.size, tensor.encoding.raw.newbyteorder("="))
    at = 0
    for piece in tensor.pieces():
        raw[at : at + piece.size] = piece
        at += piece.size
    octets = torch.from_numpy(raw.view(np.uint8))
    return octets.view(getattr(torch, kind)).reshape(tensor.shape)
