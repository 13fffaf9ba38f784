from __future__ import annotations

import pytest
import torch

from maskstat.prune import Recipe

torch.set_num_threads(1)


@pytest.fixture
def tiny() -> Recipe:
    """A run of less than a second: three trainings of one epoch."""
    return Recipe(iterations=2, epochs=1, batch_size=128)
