"""A user's own arrays, by .npz or by a factory."""

from __future__ import annotations

import io
import sys
import types
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from maskstat.errors import InputError, NotFoundError, UsageError
from maskstat.prune.data.dataset import Dataset
from maskstat.prune.data.registry import load

RNG = np.random.default_rng(3)


def arrays(shape=(8, 8), n=12, dtype=np.uint8, **kw):
    made = {
        "x_train": RNG.integers(0, 256, (n, *shape)).astype(dtype),
        "y_train": np.arange(n) % 3,
        "x_test": RNG.integers(0, 256, (5, *shape)).astype(dtype),
        "y_test": np.arange(5) % 3,
    }
    return made | kw


def written(tmp_path, **kw):
    path = tmp_path / "mine.npz"
    np.savez_compressed(path, **kw)
    return str(path)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((8, 9), (1, 8, 9)),
        ((8, 9, 1), (1, 8, 9)),
        ((8, 9, 3), (3, 8, 9)),
        ((3, 8, 9), (3, 8, 9)),
        ((2, 8, 9), (2, 8, 9)),
    ],
)
def test_npz_in_every_shape(tmp_path, shape, expected):
    made = arrays(shape)
    dataset = load(written(tmp_path, **made))
    assert dataset.shape == expected
    assert (dataset.name, dataset.classes, dataset.notes) == ("mine.npz", 3, ())
    axes = (0, 3, 1, 2) if len(shape) == 3 and shape[-1] in (1, 3) else None
    stored = made["x_train"].transpose(axes) if axes else made["x_train"]
    assert (dataset.images.reshape(stored.shape) == stored).all()
    assert dataset.labels.tolist() == made["y_train"].tolist()


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (np.uint8, np.uint8),
        (np.int64, np.uint8),
        (np.float16, np.float32),
        (np.float32, np.float32),
        (np.float64, np.float32),
    ],
)
def test_npz_types(tmp_path, dtype, expected):
    made = arrays(dtype=dtype)
    dataset = load(written(tmp_path, **made))
    assert dataset.images.dtype == dataset.test_images.dtype == expected
    assert (dataset.images[:, 0] == made["x_train"]).all()


def test_whole_numbers_beyond_a_byte_become_floats_together(tmp_path):
    made = arrays(dtype=np.uint16)
    made["x_train"][0, 0, 0] = 4095
    dataset = load(written(tmp_path, **made))
    assert dataset.images.dtype == dataset.test_images.dtype == np.float32
    assert dataset.images.max() == 4095


def test_labels_in_a_column(tmp_path):
    made = arrays(y_train=np.arange(12)[:, None] % 4, y_test=np.zeros((5, 1), np.uint8))
    dataset = load(written(tmp_path, **made))
    assert dataset.labels.tolist() == [0, 1, 2, 3] * 3
    assert dataset.classes == 4


def test_npz_is_looked_for_in_the_data_folder(tmp_path, monkeypatch):
    written(tmp_path, **arrays())
    assert len(load("mine.npz", data_dir=tmp_path).labels) == 12
    monkeypatch.chdir(tmp_path)
    assert len(load("mine.npz").labels) == 12
    with pytest.raises(NotFoundError) as caught:
        load("other.npz", data_dir="somewhere")
    assert caught.value.code == "no-such-file"
    assert "somewhere" in caught.value.consequence


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"y_train": np.arange(11)}, "12 images and 11 labels"),
        ({"y_train": np.arange(12) - 1}, "label -1"),
        ({"y_train": np.full(12, 10**12)}, "label 1000000000000"),
        ({"y_train": np.arange(12.0)}, "float64"),
        ({"y_train": np.eye(12, dtype=int)}, "(12, 12)"),
        ({"x_train": np.zeros((12, 64))}, "shape (12, 64)"),
        ({"x_train": np.zeros((12, 3, 8, 3))}, "which axis holds the channels"),
        ({"x_train": np.zeros((12, 9, 8, 7))}, "which axis holds the channels"),
        ({"x_train": np.full((12, 8, 8), np.nan)}, "not finite"),
        ({"x_train": np.full((12, 8, 8), 1e300)}, "not finite"),
        ({"x_train": np.full((12, 8, 8), "a")}, "of type <U1"),
        ({"x_test": np.zeros((5, 8, 9))}, "1x8x8 and test images 1x8x9"),
        ({"x_test": np.zeros((0, 8, 8)), "y_test": np.zeros(0, int)}, "no images"),
    ],
)
def test_npz_that_does_not_fit(tmp_path, change, words):
    with pytest.raises(InputError) as caught:
        load(written(tmp_path, **arrays(**change)))
    assert caught.value.code == "bad-data-file"
    assert words in caught.value.fact
    assert "x_train" in caught.value.hint


def test_npz_without_all_arrays(tmp_path):
    made = arrays()
    del made["y_test"]
    with pytest.raises(InputError, match="no 'y_test', but x_train, y_train, x_test"):
        load(written(tmp_path, **made))


def test_npz_with_objects_is_not_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (sys.exit, ("unpickled",))

    made = arrays(y_train=np.array([Bomb()] * 12, dtype=object))
    with pytest.raises(InputError) as caught:
        load(written(tmp_path, **made))
    assert caught.value.code == "bad-data-file"


def test_damaged_npz(tmp_path):
    path = tmp_path / "mine.npz"
    written(tmp_path, **arrays())
    whole = path.read_bytes()
    single = io.BytesIO()
    np.save(single, np.zeros(3))
    for data in (b"", b"junk", single.getvalue(), whole[:-40], whole[:200] + b"xx" + whole[202:]):
        path.write_bytes(data)
        with pytest.raises(InputError) as caught:
            load(str(path))
        assert caught.value.code == "bad-data-file"


def npy(header):
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(50)


HUGE = b"{'descr': '|u1', 'fortran_order': False, 'shape': (%d,)}" % 10**30


@pytest.mark.parametrize(
    ("content", "method", "flags"),
    [
        (npy(b"{'descr': ("), zipfile.ZIP_STORED, 0),
        (npy(b"x:\n  y\n z"), zipfile.ZIP_STORED, 0),
        (npy(HUGE), zipfile.ZIP_STORED, 0),
        (npy(b"{}"), zipfile.ZIP_STORED, 1),  # encrypted
        (RNG.bytes(500), zipfile.ZIP_LZMA, 0),
    ],
)
def test_npz_that_numpy_has_its_own_errors_for(tmp_path, content, method, flags):
    path = tmp_path / "mine.npz"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name in arrays():
            archive.writestr(f"{name}.npy", content)
    raw = bytearray(path.read_bytes())
    raw[6] |= flags
    raw[raw.index(b"PK\x01\x02") + 8] |= flags
    if method == zipfile.ZIP_LZMA:
        raw[70:120] = b"\xff" * 50
    path.write_bytes(raw)
    with pytest.raises(InputError) as caught:
        load(str(path))
    assert caught.value.code == "bad-data-file"


@pytest.fixture
def module(monkeypatch):
    made = types.ModuleType("their_data")
    monkeypatch.setitem(sys.modules, "their_data", made)
    return made


def four(made):
    return tuple(made[k] for k in ("x_train", "y_train", "x_test", "y_test"))


@pytest.mark.parametrize("kind", ["dict", "tuple", "pairs", "tensors", "dataset", "lists"])
def test_factory(module, kind):
    made = arrays((3, 8, 8))
    x, y, x_test, y_test = four(made)
    module.make = {
        "dict": lambda: made,
        "tuple": lambda: (x, y, x_test, y_test),
        "pairs": lambda: ((x, y), (x_test, y_test)),
        "tensors": lambda: tuple(torch.from_numpy(a) for a in four(made)),
        "dataset": lambda: Dataset(
            name="theirs",
            images=x,
            labels=y,
            test_images=x_test,
            test_labels=y_test,
            classes=5,
            notes=("hello",),
        ),
        "lists": lambda: Dataset(
            name="theirs",
            images=torch.from_numpy(x),
            labels=y.tolist(),
            test_images=x_test,
            test_labels=torch.from_numpy(y_test),
            classes=np.int64(5),
        ),
    }[kind]
    dataset = load("their_data:make")
    assert (dataset.images == x).all()
    assert (dataset.test_labels == y_test).all()
    own = kind in ("dataset", "lists")
    assert dataset.name == ("theirs" if own else "their_data:make")
    assert (dataset.classes, type(dataset.classes)) == (5 if own else 3, int)


def test_factory_errors(module, tmp_path, monkeypatch):
    module.make, module.three = (lambda: 3), (lambda: (1, 2, 3))
    module.wrong = lambda: Dataset(
        name="x",
        images=np.zeros((2, 8, 8)),
        labels=np.zeros(2, int),
        test_images=np.zeros((2, 8, 8)),
        test_labels=np.zeros(2, int),
        classes=2,
    )
    module.fail = lambda: 1 / 0
    some = np.zeros((2, 1, 8, 8), np.uint8), np.zeros(2, int)
    names = ("images", "labels", "test_images", "test_labels")
    for classes in (0, 2.0, None):
        made = Dataset(name="x", classes=classes, **dict(zip(names, some * 2, strict=True)))
        module.classless = lambda made=made: made
        with pytest.raises(InputError, match=f"its number of classes is {classes}"):
            load("their_data:classless")
    module.two = lambda: (np.zeros((2, 8, 8)), np.zeros((2, 8, 8)))
    module.ragged = lambda: ([[1], [1, 2]], [0, 1], [[1]], [0])
    module.number = 3
    for name, kind, words in (
        ("their_data:made", UsageError, "no 'made' in their_data"),
        ("their_data:make", InputError, "an object of type int"),
        ("their_data:three", InputError, "returned 3 things"),
        ("their_data:two", InputError, "returned 2 things"),
        ("their_data:ragged", InputError, "that is no array"),
        ("their_data:wrong", InputError, "images are float64 (2, 8, 8)"),
        ("their_data:fail", UsageError, "calling their_data:fail failed"),
        ("their_data:number", UsageError, "an object of type int"),
        ("no_such_module_of_theirs:make", UsageError, "no module 'no_such_module_of_theirs'"),
        ("no_such_module_of_theirs.sub:make", UsageError, "no module 'no_such_module_of_theirs'"),
    ):
        with pytest.raises(kind) as caught:
            load(name)
        assert words in caught.value.fact
    (tmp_path / "needs_more.py").write_text("import no_such_dependency\n")
    (tmp_path / "is_broken.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("needs_more", "is_broken"):
        with pytest.raises(UsageError) as caught:
            load(f"{name}:make")
        assert caught.value.code == "import-failed"
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_a_factory_in_the_current_folder_is_found(tmp_path, monkeypatch):
    (tmp_path / "data_of_mine.py").write_text(
        "import numpy as np\n"
        "def make():\n"
        "    import labels_of_mine\n"
        "    x = np.zeros((20, 8, 8), np.uint8)\n"
        "    return x, labels_of_mine.y, x, labels_of_mine.y\n"
    )
    (tmp_path / "labels_of_mine.py").write_text("y = [0, 1] * 10\n")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    assert load("data_of_mine:make").classes == 2
    assert sys.path == before
    for name in ("data_of_mine", "labels_of_mine"):
        monkeypatch.delitem(sys.modules, name)


@given(st.text(max_size=20))
def test_any_name_gives_a_data_set_or_an_error_that_helps(name):
    if name == "digits" or name.endswith(".npz") or ":" in name:
        return
    with pytest.raises(UsageError) as caught:
        load(name)
    assert caught.value.code == "unknown-dataset"
