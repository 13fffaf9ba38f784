"""Tasks made of the embedded digits: the same images and classes, each moved as its name says."""

import numpy as np
import pytest

from maskstat.errors import UsageError
from maskstat.prune.data.digits import DIGITS_VARIANTS, digits
from maskstat.prune.data.registry import DATASETS, load

PLAIN = digits()


@pytest.mark.parametrize("variant", DIGITS_VARIANTS)
def test_a_variant_is_a_task_of_the_same_shape(variant):
    name = f"digits:{variant}"
    found = load(name)
    assert name in DATASETS
    assert (found.name, found.classes, found.shape) == (name, 10, (1, 8, 8))
    assert found.images.dtype == np.uint8
    for labels in ("labels", "test_labels"):
        assert np.array_equal(getattr(found, labels), getattr(PLAIN, labels))
    assert found.digest != PLAIN.digest


def test_all_tasks_differ():
    names = ["digits", *(f"digits:{variant}" for variant in DIGITS_VARIANTS)]
    assert len({load(name).digest for name in names}) == 7


@pytest.mark.parametrize(
    ("variant", "pixel"),
    [
        ("rotated", lambda i, j: (j, 7 - i)),
        ("flipped", lambda i, j: (i, 7 - j)),
        ("turned", lambda i, j: (7 - i, 7 - j)),
        ("transposed", lambda i, j: (j, i)),
    ],
)
def test_where_each_pixel_comes_from(variant, pixel):
    images = digits(variant).test_images
    for i in range(8):
        for j in range(8):
            a, b = pixel(i, j)
            assert np.array_equal(images[:, 0, i, j], PLAIN.test_images[:, 0, a, b])


def test_inverted_is_dark_for_light():
    assert np.array_equal(digits("inverted").images + PLAIN.images, np.full_like(PLAIN.images, 16))


def test_permuted_moves_all_pixels_alike():
    images = digits("permuted").images.reshape(-1, 64).astype(int)
    plain = PLAIN.images.reshape(-1, 64).astype(int)
    assert np.array_equal(np.sort(images), np.sort(plain))
    columns = {tuple(column) for column in plain.T}
    assert {tuple(column) for column in images.T} == columns
    assert (images == plain).all(axis=0).sum() < 16


def test_there_is_no_other():
    with pytest.raises(UsageError, match="did you mean 'digits:rotated'"):
        load("digits:rotatd")
