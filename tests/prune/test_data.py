from __future__ import annotations

import runpy
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import interpolate

from maskstat.errors import InputError, UsageError
from maskstat.prune.data import parts as parts_module
from maskstat.prune.data.dataset import Dataset
from maskstat.prune.data.parts import split
from maskstat.prune.data.preprocess import LUMINANCE, statistics
from maskstat.prune.data.registry import load
from maskstat.prune.streams import Streams

DIGITS = files("maskstat.prune") / "datasets"
PER_CLASS = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def made_dataset(shape=(3, 8, 8), n=20, dtype=np.uint8, seed=0):
    rng = np.random.default_rng(seed)

    def images(count):
        drawn = rng.integers(0, 256, (count, *shape))
        return drawn.astype(dtype) if dtype == np.uint8 else (drawn / 7 - 3).astype(dtype)

    return Dataset(
        name="made",
        images=images(n),
        labels=rng.integers(0, 4, n),
        test_images=images(6),
        test_labels=rng.integers(0, 4, 6),
        classes=4,
    )


def everything(part, **kw):
    return part.inputs(torch.arange(len(part)), **kw)


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


def test_unknown_data_set():
    with pytest.raises(UsageError) as caught:
        load("digit")
    assert caught.value.code == "unknown-dataset"
    assert "did you mean 'digits'" in caught.value.consequence
    assert "svhn" in caught.value.consequence


def digits_split(seed):
    return split(load("digits"), generator=Streams(seed=seed).generator("split"))


def test_split_is_80_to_20_and_loses_nothing():
    parts = digits_split(0)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (1150, 288, 359)
    digits, done = load("digits"), parts.preprocessing
    prepared = torch.cat([everything(parts.train), everything(parts.validation)])
    raw = prepared * done.std[0] + done.mean[0]
    found = sorted(image.flatten().round().int().tolist() for image in raw)
    assert found == sorted(image.flatten().tolist() for image in digits.images)


def test_split_follows_the_seed():
    assert torch.equal(everything(digits_split(0).train), everything(digits_split(0).train))
    assert not torch.equal(digits_split(0).train.labels, digits_split(1).train.labels)


def test_normalized_by_the_training_part():
    parts = digits_split(3)
    images = everything(parts.train).double()
    assert images.mean().item() == pytest.approx(0, abs=1e-6)
    assert images.std(correction=0).item() == pytest.approx(1, abs=1e-6)
    assert abs(everything(parts.test).double().mean().item()) > 1e-6


def test_without_normalization_pixels_are_as_stored():
    data = made_dataset()
    parts = split(data, generator=generator(), normalize=False)
    assert (everything(parts.test).numpy() == data.test_images).all()
    assert (parts.preprocessing.mean, parts.preprocessing.std) == ((0.0,) * 3, (1.0,) * 3)


def test_a_share_that_leaves_nothing():
    with pytest.raises(InputError) as caught:
        split(made_dataset(n=2), generator=generator(), validation=0.9)
    assert caught.value.code == "no-examples"
    assert "train" in caught.value.consequence


def test_none_held_out_for_validation():
    with pytest.raises(InputError) as caught:
        split(made_dataset(n=2), generator=generator(), validation=0.2)
    assert caught.value.code == "no-examples"
    assert "validate" in caught.value.consequence


@given(st.integers(1, 5), st.integers(1, 4), st.booleans(), st.integers(0, 9))
def test_statistics_of_bytes_are_exact(n, side, grey, seed):
    images = np.random.default_rng(seed).integers(0, 256, (n, 3, side, side), dtype=np.uint8)
    means, stds = statistics(images, grey=grey)
    channels = [[Fraction(int(v)) for v in images[:, i].flatten()] for i in range(3)]
    if grey:
        weights = [Fraction(str(w)) for w in LUMINANCE]
        mixed = zip(*channels, strict=True)
        channels = [[sum(w * v for w, v in zip(weights, rgb, strict=True)) for rgb in mixed]]
    for values, mean, std in zip(channels, means, stds, strict=True):
        exact = sum(values) / len(values)
        variance = sum((v - exact) ** 2 for v in values) / len(values)
        assert mean == float(exact)
        assert std == pytest.approx(float(variance) ** 0.5 or 1.0, rel=1e-15)


@pytest.mark.parametrize("grey", [False, True])
def test_statistics_of_floats_are_those_of_float64(grey):
    images = (np.random.default_rng(1).random((9, 3, 5, 4)) * 1e-3 + 1000).astype(np.float32)
    means, stds = statistics(images, grey=grey)
    wide = images.astype(np.longdouble)
    if grey:
        wide = np.tensordot(wide, np.array(LUMINANCE), axes=(1, 0))[:, None]
    assert means == pytest.approx(wide.mean((0, 2, 3)).astype(float), rel=1e-14)
    assert stds == pytest.approx(wide.std((0, 2, 3)).astype(float), rel=1e-9)


def test_a_constant_channel_is_divided_by_one():
    assert statistics(np.full((2, 1, 3, 3), 7, np.uint8)) == ((7.0,), (1.0,))
    assert statistics(np.full((2, 1, 3, 3), 0.5, np.float32)) == ((0.5,), (1.0,))


def test_colour_becomes_grey_by_luminance():
    data = made_dataset()
    parts = split(data, generator=generator(), shape=(1, 8, 8))
    done = parts.preprocessing
    expected = np.tensordot(data.test_images, np.array(LUMINANCE), axes=(1, 0))[:, None]
    expected = (expected - done.mean[0]) / done.std[0]
    assert everything(parts.test).numpy() == pytest.approx(expected, abs=1e-5)
    train = everything(parts.train).double()
    assert train.mean().item() == pytest.approx(0, abs=1e-6)
    assert train.std(correction=0).item() == pytest.approx(1, abs=1e-6)


def test_grey_becomes_colour_by_repetition():
    data = made_dataset(shape=(1, 8, 8))
    colour = everything(split(data, generator=generator(), shape=(3, 8, 8)).test)
    grey = everything(split(data, generator=generator()).test)
    assert colour.shape == (6, 3, 8, 8)
    assert all(torch.equal(colour[:, i : i + 1], grey) for i in range(3))


def test_other_channels_are_refused():
    with pytest.raises(InputError) as caught:
        split(made_dataset(shape=(2, 8, 8)), generator=generator(), shape=(3, 8, 8))
    assert caught.value.code == "wrong-channels"


@pytest.mark.parametrize("size", [(28, 28), (5, 7)])
def test_resized_as_torch_does(size):
    data = made_dataset()
    parts = split(data, generator=generator(), shape=(3, *size), normalize=False)
    expected = interpolate(
        torch.from_numpy(data.test_images).double(), size, mode="bilinear", align_corners=False
    )
    assert everything(parts.test).double().numpy() == pytest.approx(expected.numpy(), abs=1e-3)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 28, 28), (1, 8, 8)])
@pytest.mark.parametrize("stored", [(1, 8, 8), (3, 8, 8)])
@pytest.mark.parametrize("augment", [(), ("flip",), ("crop",), ("flip", "crop")])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_prepared_once_or_by_batch_of_any_size_the_bits_are_the_same(
    monkeypatch, shape, stored, augment, dtype
):
    data = made_dataset(shape=stored, dtype=dtype)

    def batches(size):
        train = split(data, generator=generator(), shape=shape, augment=augment).train
        order, draws = torch.randperm(len(train), generator=generator(1)), generator(2)
        augmented = [train.inputs(i, generator=draws) for i in torch.split(order, size)]
        plain = [train.inputs(i) for i in torch.split(order, size)]
        assert all(batch.is_contiguous() for batch in augmented + plain)
        return torch.cat(augmented), torch.cat(plain)

    augmented, plain = batches(16)
    assert augmented.shape == (16, *shape)
    assert augmented.dtype == torch.float32
    assert torch.equal(augmented, plain) == (not augment)
    for limit in (parts_module._PREPARED_LIMIT, 0):
        monkeypatch.setattr(parts_module, "_PREPARED_LIMIT", limit)
        for size in (16, 5, 1):
            again = batches(size)
            assert torch.equal(again[0], augmented)
            assert torch.equal(again[1], plain)


def crop_of(image, stored_zero, padding, down, right):
    """Crop as torchvision's RandomCrop(padding=...) does before normalization."""
    height, width = image.shape[1:]
    wide = stored_zero[:, None, None].expand(-1, height + 2 * padding, width + 2 * padding).clone()
    wide[:, padding:-padding, padding:-padding] = image
    return wide[:, down : down + height, right : right + width]


def test_every_augmented_image_is_a_crop_and_all_crops_occur():
    data = made_dataset(shape=(3, 16, 16), n=5)
    parts = split(data, generator=generator(), augment=("flip", "crop"))
    done = parts.preprocessing
    assert done.crop == (2, 2)
    zero = (0 - torch.tensor(done.mean)) / torch.tensor(done.std)
    images, draws = everything(parts.train), generator(5)
    seen = set()
    for _ in range(100):
        for image, out in zip(images, everything(parts.train, generator=draws), strict=True):
            fits = {
                (flip, down, right)
                for flip in (False, True)
                for down in range(5)
                for right in range(5)
                if torch.equal(out.flip(2) if flip else out, crop_of(image, zero, 2, down, right))
            }
            assert len(fits) == 1
            seen |= fits
    assert len(seen) == 2 * 5 * 5


@pytest.mark.parametrize(("side", "padding"), [(32, 4), (28, 4), (8, 1), (224, 28)])
def test_padding_is_in_proportion(side, padding):
    parts = split(
        made_dataset(n=5), generator=generator(), shape=(3, side, side), augment=("crop",)
    )
    assert parts.preprocessing.crop == (padding, padding)


def test_flips_do_not_depend_on_crops():
    data = made_dataset(n=40)
    flips = split(data, generator=generator(), augment=("flip",)).train
    crops = split(data, generator=generator(), augment=("crop",)).train
    both = split(data, generator=generator(), augment=("flip", "crop")).train
    plain, flipped = everything(flips), everything(flips, generator=generator(1))
    was_flipped = [torch.equal(a, b.flip(2)) for a, b in zip(flipped, plain, strict=True)]
    assert 5 < sum(was_flipped) < len(was_flipped) - 5
    cropped, done = (everything(part, generator=generator(1)) for part in (crops, both))
    for turned, crop, out in zip(was_flipped, cropped, done, strict=True):
        assert torch.equal(out, crop.flip(2) if turned else crop)


def test_only_training_images_are_augmented():
    parts = split(made_dataset(), generator=generator(), augment=("flip", "crop"))
    for part in (parts.validation, parts.test):
        assert torch.equal(everything(part), everything(part, generator=generator()))


def test_a_part_on_a_device():
    parts = split(made_dataset(), generator=generator(), augment=("flip",))
    moved = parts.to("meta")
    assert moved.train.labels.device.type == moved.test.labels.device.type == "meta"
    assert len(moved.train) == len(parts.train)
    same = parts.train.to("cpu")
    drawn = [everything(part, generator=generator(1)) for part in (same, parts.train)]
    assert torch.equal(*drawn)


def test_labels_are_int64():
    parts = split(made_dataset(), generator=generator())
    assert parts.train.labels.dtype == parts.test.labels.dtype == torch.int64
