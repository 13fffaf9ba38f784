from __future__ import annotations

import runpy
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch

from maskstat.errors import UsageError
from maskstat.prune.data import load, split
from maskstat.prune.streams import Streams

DIGITS = files("maskstat.prune") / "datasets"
PER_CLASS = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_facts_about_the_digits():
    digits = load("digits")
    assert digits.shape == (1, 8, 8)
    assert digits.images.dtype == np.uint8
    assert (len(digits.labels), len(digits.test_labels)) == (1438, 359)
    assert int(digits.images.max()) == int(digits.test_images.max()) == 16
    labels = np.concatenate([digits.labels, digits.test_labels])
    assert np.bincount(labels).tolist() == PER_CLASS
    share = np.bincount(digits.test_labels) / PER_CLASS
    assert ((share > 0.19) & (share < 0.21)).all()


def test_digest_of_the_digits_is_fixed():
    expected = "b26ed3730b9b3050c02811f085d1bf06a4b87f68bfbc1d4f7a4dbcb1d5f48f39"
    assert load("digits").digest == expected


def test_the_digits_say_whose_they_are():
    text = (DIGITS / "digits.txt").read_text()
    assert "CC BY 4.0" in text
    assert "Alpaydin" in text
    assert "Changes" in text


def test_the_digits_are_those_of_scikit_learn(tmp_path):
    pytest.importorskip("sklearn")
    made = tmp_path / "digits.npz"
    script = Path(__file__).parents[1] / "data" / "make_digits.py"
    runpy.run_path(str(script))["main"](str(made))
    with np.load(made) as fresh, np.load(str(DIGITS / "digits.npz")) as shipped:
        assert sorted(fresh) == sorted(shipped) == ["images", "labels", "test"]
        for name in fresh:
            assert (fresh[name] == shipped[name]).all()


def parts_of(seed: int):
    return split(load("digits"), generator=Streams(seed=seed).generator("split"))


def test_split_is_80_to_20_and_loses_nothing():
    parts = parts_of(0)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (1150, 288, 359)
    digits = load("digits")
    raw = torch.cat([parts.train.images, parts.validation.images]) * parts.std[0] + parts.mean[0]
    found = sorted(image.flatten().round().int().tolist() for image in raw)
    assert found == sorted(image.flatten().tolist() for image in digits.images)


def test_split_follows_the_seed():
    assert torch.equal(parts_of(0).train.images, parts_of(0).train.images)
    assert not torch.equal(parts_of(0).train.labels, parts_of(1).train.labels)


def test_normalized_by_the_training_part():
    parts = parts_of(3)
    images = parts.train.images.double()
    assert images.mean().item() == pytest.approx(0, abs=1e-6)
    assert images.std(correction=0).item() == pytest.approx(1, abs=1e-6)
    assert abs(parts.test.images.double().mean().item()) > 1e-6


def test_unknown_data_set():
    with pytest.raises(UsageError) as caught:
        load("digit")
    assert "did you mean 'digits'" in caught.value.consequence
