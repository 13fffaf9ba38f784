"""Against files that compressed-tensors 0.12.2 wrote itself (the last releases no longer can)."""

from pathlib import Path

import numpy as np
import pytest

import maskstat
from maskstat.convert.out import write_foreign

torch = pytest.importorskip("torch")
safetensors_torch = pytest.importorskip("safetensors.torch")

DATA = Path(__file__).parent.parent / "data" / "foreign"
BITMASK = DATA / "compressed-tensors-0.12.2-bitmask.safetensors"
TWO_OF_FOUR = DATA / "compressed-tensors-0.12.2-24.safetensors"


def test_its_bitmask_is_read():
    index = np.arange(65).reshape(5, 13)
    mask = maskstat.read(BITMASK).mask()
    np.testing.assert_array_equal(mask.layer("fc.weight"), 7 * index % 11 != 5)


def test_its_two_of_four_are_read():
    column, group = np.arange(64) % 4, np.arange(64) // 4 % 4
    mask = maskstat.read(TWO_OF_FOUR).mask()
    want = (column != group) & (column != (group + 1) % 4)
    np.testing.assert_array_equal(mask.layer("fc.weight"), want.reshape(4, 16))


def test_what_we_write_is_what_it_wrote(tmp_path):
    index = np.arange(65).reshape(5, 13)
    weight = torch.from_numpy((7 * index % 11 - 5).astype(np.float32))
    state = {"fc.weight": weight, "fc.bias": torch.arange(5.0)}
    safetensors_torch.save_file(state, tmp_path / "dense.safetensors")
    write_foreign(
        maskstat.read(BITMASK),
        1,
        tmp_path / "ours.safetensors",
        format="compressed-tensors",
        checkpoint=tmp_path / "dense.safetensors",
    )
    ours = safetensors_torch.load_file(tmp_path / "ours.safetensors")
    theirs = safetensors_torch.load_file(BITMASK)
    assert set(ours) == set(theirs)
    for name, tensor in theirs.items():
        assert ours[name].dtype == tensor.dtype
        assert torch.equal(ours[name], tensor)
