"""Random flips and crops of a batch, every image by its own draws."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["AUGMENTATIONS", "Augmentation"]

AUGMENTATIONS = ("flip", "crop")
"""Horizontal flip of every other image; crop from an image padded by an eighth on each side."""

_DRAWS = 3
"""Numbers drawn for an image, used or not, so that flips don't depend on whether there are crops:
flip, row and column of the crop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """What is done to padded images at random.

    Parameters
    ----------
    height, width
        Of what comes out.
    crop
        Rows above and below, and columns left and right, that were padded.
    flip
        Whether images are flipped.
    """

    height: int
    width: int
    crop: tuple[int, int]
    flip: bool

    def __call__(self, padded: Tensor, generator: torch.Generator) -> Tensor:
        """Crop and flip a batch.

        Parameters
        ----------
        padded : float32 (n, channels, height + 2 * crop[0], width + 2 * crop[1])
        generator
            On the CPU. What it gives for the i-th image of an epoch doesn't depend on how the
            epoch is cut into batches.

        Returns
        -------
        float32 (n, channels, height, width)
        """
        down, right = self.crop
        drawn = torch.rand(
            len(padded), _DRAWS, generator=generator, dtype=torch.float64, device="cpu"
        )
        rows = (drawn[:, 1:2] * (2 * down + 1)).long() + torch.arange(self.height)
        columns = torch.arange(self.width).expand(len(padded), -1)
        if self.flip:
            columns = torch.where(drawn[:, :1] < 0.5, columns.flip(1), columns)
        columns = columns + (drawn[:, 2:] * (2 * right + 1)).long()
        pixels = rows[:, :, None] * padded.shape[3] + columns[:, None, :]
        flat = pixels.to(padded.device).reshape(len(padded), 1, -1)
        chosen = padded.flatten(2).gather(2, flat.expand(-1, padded.shape[1], -1))
        return chosen.reshape(len(padded), padded.shape[1], self.height, self.width)

    def centre(self, padded: Tensor) -> Tensor:
        """Take the padding off a batch."""
        down, right = self.crop
        return padded[:, :, down : down + self.height, right : right + self.width]
