from __future__ import annotations

from pathlib import Path

import pytest
import torch

from maskstat.prune import Recipe

torch.set_num_threads(1)


@pytest.fixture
def shared_data() -> Path:
    """The team's folder of real images, which lies beside the checkout where there is one."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the shared data are not beside the checkout")
    return folder


@pytest.fixture
def tiny() -> Recipe:
    """A run of less than a second: three trainings of one epoch."""
    return Recipe(iterations=2, epochs=1, batch_size=128)
