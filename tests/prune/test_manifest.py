"""The file that says which runs a sweep is to hold."""

from __future__ import annotations

import pytest

from maskstat.errors import InputError, OutputExistsError
from maskstat.prune import Recipe
from maskstat.prune.grid import Grid
from maskstat.prune.manifest import MANIFEST, begin, read_grid


def test_a_large_sweep_is_read_back(tmp_path):
    """Of many runs, and with names as long as a file's may be."""
    names = [[f"{'x' * 150}{i}"] for i in range(3500)]
    grid = Grid(base=Recipe(), axes={"prune.exclude": names})
    assert len(begin(tmp_path, grid, overwrite=False)) == 3500
    assert (tmp_path / MANIFEST).stat().st_size > 1 << 20
    assert read_grid(tmp_path) == grid


def test_a_run_that_is_not_there_yet_keeps_its_recipe(tmp_path):
    axes = {"random.seed": [0, 1]}
    begin(tmp_path, Grid(base=Recipe(epochs=1), axes=axes), overwrite=False)
    with pytest.raises(OutputExistsError, match=r"train\.epochs of .* is 1, not 2"):
        begin(tmp_path, Grid(base=Recipe(epochs=2), axes=axes), overwrite=False)


def test_a_manifest_without_end_is_not_read(tmp_path):
    with (tmp_path / MANIFEST).open("wb") as file:
        file.truncate(1 << 33)  # a hole, which takes no room
    with pytest.raises(InputError) as caught:
        read_grid(tmp_path)
    assert caught.value.code == "bad-sweep"
