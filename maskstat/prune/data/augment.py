"""Random flips and crops of a batch, every image by its own draws."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Augmentation"]

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

    def __call__(self, padded: Tensor, index: Tensor, generator: torch.Generator) -> Tensor:
        """Gather a batch, cropped and flipped.

        Parameters
        ----------
        padded : float32 (n, channels, height + 2 * crop[0], width + 2 * crop[1])
        index : int64 (m,)
            Which of them, on the same device.
        generator
            On the CPU. What it gives for the i-th image of an epoch doesn't depend on how the
            epoch is cut into batches.

        Returns
        -------
        float32 (m, channels, height, width)
        """
        m, (_, channels, tall, wide) = len(index), padded.shape
        drawn = torch.rand(m, _DRAWS, generator=generator, dtype=torch.float64, device="cpu")
        places = torch.tensor([2 * c + 1 for c in self.crop], dtype=torch.float64)
        down, right = torch.split((drawn[:, 1:] * places).long().to(padded.device), 1, dim=1)
        rows = (
            index[:, None] * (channels * tall) + down + self._rows(channels, tall).to(down.device)
        )
        lines = padded.view(-1, wide).index_select(0, rows.reshape(-1))
        columns = torch.arange(self.width, device=right.device)
        if self.flip:
            flipped = (drawn[:, :1] < 0.5).to(right.device)
            columns = torch.where(flipped, columns.flip(0), columns)
        chosen = (columns + right)[:, None, None].expand(m, channels, self.height, self.width)
        return lines.view(m, channels, self.height, wide).gather(3, chosen)

    def _rows(self, channels: int, tall: int) -> Tensor:
        """Return the lines of an image that come out where the crop is at the top."""
        lines = torch.arange(channels)[:, None] * tall + torch.arange(self.height)
        return lines.reshape(1, -1)

    def centre(self, padded: Tensor) -> Tensor:
        """Take the padding off a batch."""
        down, right = self.crop
        return padded[:, :, down : down + self.height, right : right + self.width].contiguous()
