"""Rows and columns of a layer, counted without unpacking it whole."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from maskstat.mask import Mask
from maskstat.stats.profiles import profile_layer


@given(
    shape=st.sampled_from(
        [(1, 1), (3, 64), (700, 128), (257, 65), (5, 2, 3, 3), (600, 4, 4, 4), (256, 63), (2, 640)]
    ),
    density=st.sampled_from([0.0, 0.02, 0.5, 1.0]),
    seed=st.integers(0, 99),
)
def test_counts_are_those_of_the_unpacked_layer(shape, density, seed):
    rng = np.random.default_rng(seed)
    arrays = {"before": rng.random(7) < 0.5, "layer": rng.random(shape) < density}
    profile = profile_layer([Mask.from_arrays(arrays)], "layer")
    matrix = arrays["layer"].reshape(shape[0], -1)
    assert profile.rows.tolist() == [matrix.sum(axis=1).tolist()]
    assert profile.columns.tolist() == [matrix.sum(axis=0).tolist()]


def test_full_columns_do_not_overflow():
    mask = Mask.from_arrays({"layer": np.ones((1000, 64), bool)})
    profile = profile_layer([mask], "layer")
    assert (profile.columns == 1000).all()
