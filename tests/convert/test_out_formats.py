"""Masks out of runs: what is written reads back equal, here and in the libraries it is for."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import maskstat
from maskstat.convert.out import WRITABLE, write_foreign
from maskstat.errors import (
    InputError,
    LayoutMismatchError,
    MissingExtraError,
    NotFoundError,
    OutputExistsError,
    StorageError,
    UsageError,
)
from maskstat.layout import Layout
from maskstat.mask import Mask
from maskstat.run import Run, Weights

torch = pytest.importorskip("torch")
prune = pytest.importorskip("torch.nn.utils.prune")
safetensors_torch = pytest.importorskip("safetensors.torch")

MASKS_ONLY = ["npz", "safetensors", "open-lth"]
SHAPES = {"0.weight": (3, 2, 3, 3), "3.weight": (5, 13)}


def net():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3),
        torch.nn.BatchNorm2d(3),
        torch.nn.Flatten(),
        torch.nn.Linear(13, 5),
    )


def masks(seed):
    generator = np.random.default_rng(seed)
    return {name: generator.random(shape) < 0.6 for name, shape in SHAPES.items()}


def flat(state):
    return torch.cat([state[name].flatten().float() for name in SHAPES]).numpy()


@pytest.fixture
def run():
    """Two iterations; final weights and others of the last, initial ones of all."""
    state = net().state_dict()
    others = {name: tensor.shape for name, tensor in state.items() if name not in SHAPES}
    values = torch.cat([state[name].flatten().float() for name in others]).numpy()
    made = [Mask.from_arrays(masks(seed)) for seed in (1, 2)]
    layout = Layout.from_shapes(SHAPES, others=others)
    plain = Run.from_masks("r", made)
    return Run(
        run_id="r",
        layout=layout,
        masks=plain.masks,
        kept=plain.kept,
        weights={
            "initial": Weights(values=flat(state)[None] + 1, iterations=(0,)),
            "final": Weights(values=flat(state)[None], iterations=(2,)),
        },
        others={"final": values, "initial": values + 1},
    )


@pytest.fixture
def checkpoint(tmp_path):
    """A model's state dict by kind of file; half precision, under a wrapper's prefix."""

    def make(kind="torch"):
        state = {f"module.{name}": tensor for name, tensor in net().bfloat16().state_dict().items()}
        if kind == "torch":
            path = tmp_path / "model.pth"
            torch.save({"state_dict": state, "epoch": 4, "lr": [0.1, None]}, path)
        else:
            path = tmp_path / "model.safetensors"
            safetensors_torch.save_file(state, path, metadata={"format": "pt", "by": "us"})
        return path, state

    return make


def expect_masks(path, seed, **options):
    got = maskstat.read(path, **options)
    want = masks(seed)
    short = {name.removeprefix("module."): name for name in got.layout.names}
    assert set(short) == set(want)
    for name, mask in want.items():
        np.testing.assert_array_equal(got.mask().layer(short[name]), mask)


@pytest.mark.parametrize("format_name", MASKS_ONLY)
@pytest.mark.parametrize("iteration", [1, 2, -1])
def test_round_trips_of_masks_alone(run, tmp_path, format_name, iteration):
    path = tmp_path / "out"
    written = write_foreign(run, iteration, path, format=format_name)
    expect_masks(path, {1: 1, 2: 2, -1: 2}[iteration])
    assert written.iteration == iteration % 3
    assert (written.n_layers, written.n_kept) == (2, run.mask(iteration).n_kept)
    assert (written.weights, written.notes) == ("", ())


@pytest.mark.parametrize("format_name", ["torch-prune", "compressed-tensors"])
@pytest.mark.parametrize("source", ["run", "torch", "safetensors"])
def test_round_trips_with_weights(run, tmp_path, checkpoint, format_name, source):
    path = tmp_path / "out"
    given_file = None if source == "run" else checkpoint(source)[0]
    written = write_foreign(run, 2, path, format=format_name, checkpoint=given_file)
    expect_masks(path, 2)
    assert written.weights == ("final" if source == "run" else "checkpoint")


@pytest.mark.parametrize("kind", ["torch", "safetensors"])
def test_round_trip_of_zeros(run, tmp_path, checkpoint, kind):
    """Exact where no weight was zero, which random ones are not."""
    path = tmp_path / "out"
    write_foreign(run, 1, path, format="zeros", checkpoint=checkpoint(kind)[0])
    expect_masks(path, 1, format="zeros", include=["0.weight", "3.weight"])


@given(
    array=hnp.arrays(np.bool_, hnp.array_shapes(max_dims=4, max_side=19)),
    format_name=st.sampled_from([*MASKS_ONLY, "torch-prune", "compressed-tensors"]),
)
def test_masks_of_any_shape_come_back(tmp_path_factory, array, format_name):
    mask = Mask.from_arrays({"a.weight": array, "b.weight": np.ones((2, 3))})
    values = np.zeros((1, mask.layout.size), np.float32)  # Kept weights may be zero.
    plain = Run.from_masks("r", [mask])
    run = Run(
        run_id="r",
        layout=plain.layout,
        masks=plain.masks,
        kept=plain.kept,
        weights={"final": Weights(values=values, iterations=(1,))},
    )
    path = tmp_path_factory.mktemp("any") / "out"
    write_foreign(run, 1, path, format=format_name)
    # open_lth prunes matrices and kernels alone; a vector of 0 and 1 is read as any array.
    got = maskstat.read(path).mask()
    np.testing.assert_array_equal(got.layer("a.weight"), array)


@pytest.mark.parametrize("source", ["run", "torch", "safetensors"])
def test_torch_prune_loads_strictly_into_a_pruned_model(run, tmp_path, checkpoint, source):
    path = tmp_path / "pruned.pth"
    given_file, state = (None, None) if source == "run" else checkpoint(source)
    write_foreign(run, -1, path, format="torch-prune", checkpoint=given_file)
    model = net()
    for layer in (model[0], model[3]):
        prune.identity(layer, "weight")
    if source != "run":
        model = model.bfloat16()
        model = torch.nn.ModuleDict({"module": model})
    loaded = torch.load(path, weights_only=True)
    assert set(loaded) == set(model.state_dict())
    model.load_state_dict(loaded, strict=True)
    inner = model if source == "run" else model["module"]
    for name, mask in masks(2).items():
        layer = inner[int(name[0])]
        np.testing.assert_array_equal(layer.weight_mask.float().numpy(), mask)
        assert layer.weight_mask.dtype == layer.weight_orig.dtype
        want = net().state_dict()[name] if state is None else state[f"module.{name}"]
        assert torch.equal(layer.weight_orig.detach(), want)
        prune.remove(layer, "weight")
        assert torch.equal(layer.weight != 0, torch.from_numpy(mask))
    if source == "run":
        reference = net().state_dict()
        assert all(torch.equal(v, reference[k]) for k, v in loaded.items() if k in reference)


def test_a_mask_goes_into_a_state_dict_that_has_one(run, tmp_path):
    model = net()
    for layer in (model[0], model[3]):
        prune.random_unstructured(layer, "weight", 0.5)
    torch.save(model.state_dict(), tmp_path / "old.pth")
    path = tmp_path / "new.pth"
    write_foreign(run, 1, path, format="torch-prune", checkpoint=tmp_path / "old.pth")
    expect_masks(path, 1)
    model.load_state_dict(torch.load(path, weights_only=True), strict=True)


def test_open_lth_has_its_own_types(run, tmp_path):
    write_foreign(run, 1, tmp_path / "mask.pth", format="open-lth")
    loaded = torch.load(tmp_path / "mask.pth", weights_only=True)
    assert list(loaded) == list(SHAPES)
    for name, mask in masks(1).items():
        assert loaded[name].dtype == torch.int32
        np.testing.assert_array_equal(loaded[name].numpy(), mask)


def test_numpy_and_safetensors_read_them(run, tmp_path):
    write_foreign(run, 1, tmp_path / "m.npz", format="npz")
    write_foreign(run, 1, tmp_path / "m.safetensors", format="safetensors")
    tensors = safetensors_torch.load_file(tmp_path / "m.safetensors")
    with np.load(tmp_path / "m.npz", allow_pickle=False) as arrays:
        assert arrays.files == list(SHAPES)
        for name, mask in masks(1).items():
            assert arrays[name].dtype == np.bool_
            assert tensors[name].dtype == torch.uint8
            np.testing.assert_array_equal(arrays[name], mask)
            np.testing.assert_array_equal(tensors[name].numpy(), mask)


def test_zeros_leave_every_other_bit_of_a_torch_file(run, tmp_path, checkpoint):
    source, state = checkpoint("torch")
    before = source.read_bytes()
    write_foreign(run, 1, tmp_path / "out.pth", format="zeros", checkpoint=source)
    assert source.read_bytes() == before
    loaded = torch.load(tmp_path / "out.pth", weights_only=True)
    assert (loaded["epoch"], loaded["lr"]) == (4, [0.1, None])
    assert list(loaded["state_dict"]) == list(state)
    for name, tensor in loaded["state_dict"].items():
        assert tensor.dtype == state[name].dtype
        mask = masks(1).get(name.removeprefix("module."))
        want = state[name] if mask is None else state[name] * torch.from_numpy(mask).bfloat16()
        assert torch.equal(tensor, want)


def test_zeros_leave_every_other_bit_of_a_safetensors_file(run, tmp_path, checkpoint):
    source, state = checkpoint("safetensors")
    path = tmp_path / "out.safetensors"
    write_foreign(run, 1, path, format="zeros", checkpoint=source)
    old, new = source.read_bytes(), path.read_bytes()
    start = 8 + int.from_bytes(old[:8], "little")
    assert len(old) == len(new)
    assert old[:start] == new[:start]
    loaded = safetensors_torch.load_file(path)
    for name, tensor in loaded.items():
        mask = masks(1).get(name.removeprefix("module."))
        kept = torch.ones(tensor.shape) if mask is None else torch.from_numpy(mask)
        bits = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
        width = bits[tensor.element_size()]
        assert torch.equal(tensor.view(width), state[name].view(width) * kept.to(width))


def test_zeros_pruned_nan_and_tied_weights(tmp_path):
    weight = torch.tensor([[float("nan"), 2.0]])
    torch.save({"fc": weight, "tied": weight, "other": torch.tensor(7)}, tmp_path / "in.pth")
    run = Run.from_masks("r", [Mask.from_arrays({"fc": [[0, 1]]})])
    write_foreign(run, 1, tmp_path / "out.pth", format="zeros", checkpoint=tmp_path / "in.pth")
    loaded = torch.load(tmp_path / "out.pth", weights_only=True)
    assert loaded["fc"].tolist() == loaded["tied"].tolist() == [[0.0, 2.0]]
    assert loaded["fc"].data_ptr() == loaded["tied"].data_ptr()


def test_compressed_tensors_by_its_own_rule(run, tmp_path):
    """Against the format's definition: little-endian bits, rows padded, offsets of rows."""
    path = tmp_path / "out.safetensors"
    write_foreign(run, 2, path, format="compressed-tensors")
    loaded = {k: v.numpy() for k, v in safetensors_torch.load_file(path).items()}
    state = net().state_dict()
    for name, mask in masks(2).items():
        prefix = name.removesuffix(".weight")
        weight = state[name].numpy()
        assert loaded[f"{prefix}.shape"].tolist() == list(mask.shape)
        np.testing.assert_array_equal(loaded[f"{prefix}.compressed"], weight[mask])
        octets = loaded[f"{prefix}.bitmask"]
        assert octets.shape == (*mask.shape[:-1], -(-mask.shape[-1] // 8))
        for index in np.ndindex(mask.shape):
            octet = octets[(*index[:-1], index[-1] // 8)]
            assert bool(octet >> (index[-1] % 8) & 1) == mask[index]
        offsets = loaded[f"{prefix}.row_offsets"]
        assert offsets.shape == mask.shape[:-1]
    rows = masks(2)["3.weight"].sum(axis=1)
    assert loaded["3.row_offsets"].tolist() == [int(rows[:r].sum()) for r in range(5)]
    np.testing.assert_array_equal(loaded["3.bias"], state["3.bias"].numpy())


@pytest.mark.parametrize("format_name", sorted(WRITABLE))
def test_equal_masks_make_equal_bytes(run, tmp_path, checkpoint, format_name):
    source = checkpoint("torch")[0] if WRITABLE[format_name].startswith("the checkpoint") else None
    digests = set()
    for name in ("a", "b.pth"):
        write_foreign(run, 1, tmp_path / name, format=format_name, checkpoint=source)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize("format_name", sorted(WRITABLE))
def test_nothing_is_replaced_unasked_and_nothing_is_left(run, tmp_path, checkpoint, format_name):
    source = checkpoint("torch")[0] if format_name == "zeros" else None
    path = tmp_path / "out"
    path.write_text("mine")
    with pytest.raises(OutputExistsError):
        write_foreign(run, 1, path, format=format_name, checkpoint=source)
    assert path.read_text() == "mine"
    write_foreign(run, 1, path, format=format_name, checkpoint=source, overwrite=True)
    zeros = {"format": "zeros", "include": ["0.weight", "3.weight"]}
    expect_masks(path, 1, **(zeros if format_name == "zeros" else {}))
    assert {p.name for p in tmp_path.iterdir()} <= {"out", "model.pth"}


@pytest.mark.parametrize("kind", ["torch", "safetensors"])
def test_a_checkpoint_may_be_replaced_by_itself(run, tmp_path, checkpoint, kind):
    source, _ = checkpoint(kind)
    write_foreign(run, 1, source, format="zeros", checkpoint=source, overwrite=True)
    expect_masks(source, 1, format="zeros", include=["0.weight", "3.weight"])


def test_a_full_disk_leaves_nothing(run, tmp_path, monkeypatch):
    from maskstat.archive.publish import Temporary

    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Temporary, "write", full)
    with pytest.raises(StorageError) as caught:
        write_foreign(run, 1, tmp_path / "out", format="safetensors")
    assert caught.value.code == "disk-full"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("n", [10, 5000, 100_000])
def test_a_disk_that_is_full_for_torch(n):
    import torch

    from maskstat.archive.publish import Temporary
    from maskstat.convert.out.torch_save import save

    descriptor = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OSError, match="No space left"):
        save({"weight": torch.ones(n)}, Temporary("/dev/full", descriptor))
    os.close(descriptor)


def test_weights_are_needed_where_the_format_has_them(run, tmp_path):
    bare = Run.from_masks("bare", [Mask.from_arrays(masks(1))])
    for format_name in ("torch-prune", "compressed-tensors"):
        with pytest.raises(NotFoundError) as caught:
            write_foreign(bare, 1, tmp_path / "out", format=format_name)
        assert caught.value.code == "no-weights"
        assert "--checkpoint" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        write_foreign(run, 1, tmp_path / "out", format="zeros")
    assert caught.value.code == "no-checkpoint"
    assert list(tmp_path.iterdir()) == []


def test_the_initial_weights_where_no_final_ones_are_stored(run, tmp_path):
    written = write_foreign(run, 1, tmp_path / "out", format="torch-prune")
    assert written.weights == "initial"
    loaded = torch.load(tmp_path / "out", weights_only=True)
    assert torch.equal(loaded["3.weight_orig"], net().state_dict()["3.weight"] + 1)
    assert torch.equal(loaded["3.bias"], net().state_dict()["3.bias"] + 1)


def test_a_checkpoint_of_another_network(run, tmp_path):
    torch.save({"0.weight": torch.ones(3, 2, 3, 3)}, tmp_path / "few.pth")
    with pytest.raises(NotFoundError, match=r"3\.weight"):
        write_foreign(run, 1, tmp_path / "o", format="zeros", checkpoint=tmp_path / "few.pth")
    content = {"0.weight": torch.ones(3, 2, 3, 3), "3.weight": torch.ones(5, 12)}
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(LayoutMismatchError):
        write_foreign(run, 1, tmp_path / "o", format="zeros", checkpoint=tmp_path / "other.pth")


def test_options_that_make_no_sense(run, tmp_path, checkpoint):
    with pytest.raises(UsageError, match="no format") as caught:
        write_foreign(run, 1, tmp_path / "o", format="safetensor")
    assert "did you mean 'safetensors'" in caught.value.consequence
    with pytest.raises(UsageError) as caught:
        write_foreign(run, 1, tmp_path / "o", format="npz", checkpoint=checkpoint()[0])
    assert caught.value.code == "no-use-for-checkpoint"


def test_names_that_lead_out_of_a_folder_make_no_npz(tmp_path):
    run = Run.from_masks("r", [Mask.from_arrays({"../a": [1, 0]})])
    with pytest.raises(maskstat.MaskstatError) as caught:
        write_foreign(run, 1, tmp_path / "o", format="npz")
    assert caught.value.code == "unsafe-name"


def test_without_torch_its_formats_say_so(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for format_name in ("torch-prune", "open-lth"):
        with pytest.raises(MissingExtraError):
            write_foreign(run, 1, tmp_path / "o", format=format_name)
    write_foreign(run, 1, tmp_path / "o.npz", format="npz")


def test_masks_are_written_without_torch():
    code = (
        "import sys, tempfile, os; import maskstat; from maskstat.convert.out import write_foreign;"
        "from maskstat.mask import Mask; from maskstat.run import Run;"
        "run = Run.from_masks('r', [Mask.from_arrays({'fc': [1, 0]})]);"
        "folder = tempfile.mkdtemp();"
        "write_foreign(run, 1, os.path.join(folder, 'a.npz'), format='npz');"
        "write_foreign(run, 1, os.path.join(folder, 'a.st'), format='safetensors');"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_notes_are_those_of_the_caller_and_of_the_format(run, tmp_path):
    written = write_foreign(run, 2, tmp_path / "o", format="compressed-tensors", notes=["one"])
    assert written.notes[0] == "one"
    assert "sparse-bitmask" in written.notes[1]
    assert len(written.notes) == 2


def test_a_zip_of_npz_is_not_compressed_and_has_no_clock(run, tmp_path):
    write_foreign(run, 1, tmp_path / "m.npz", format="npz")
    with zipfile.ZipFile(tmp_path / "m.npz") as archive:
        entries = archive.infolist()
    assert {entry.date_time[0] for entry in entries} == {1980}
    assert json.dumps([entry.filename for entry in entries]) == '["0.weight.npy", "3.weight.npy"]'


def test_a_header_that_begins_as_a_pickle_does(tmp_path):
    """A header of 640 bytes puts the first two bytes of a pickle before it."""
    lengths = set()
    for width in range(440, 760, 8):
        path = tmp_path / str(width)
        run = Run.from_masks("r", [Mask.from_arrays({"x" * width: [1, 0]})])
        write_foreign(run, 1, path, format="safetensors")
        assert maskstat.read(path).mask().n_kept == 1
        lengths.add(int.from_bytes(path.read_bytes()[:8], "little"))
    assert 640 in lengths


@pytest.mark.parametrize("names", [["__metadata__"], ["__metadata__", "b"]])
def test_a_layer_that_is_called_as_the_header_entry_is(tmp_path, names):
    run = Run.from_masks("r", [Mask.from_arrays({name: [1, 0] for name in names})])
    with pytest.raises(InputError) as caught:
        write_foreign(run, 1, tmp_path / "o", format="safetensors")
    assert caught.value.code == "bad-name"
    assert list(tmp_path.iterdir()) == []


def test_a_single_number_has_no_rows_of_bits(tmp_path, checkpoint):
    torch.save({"s.weight": torch.tensor(2.0)}, tmp_path / "s.pth")
    run = Run.from_masks("r", [Mask.from_arrays({"s.weight": np.array(True)})])
    with pytest.raises(InputError) as caught:
        write_foreign(
            run, 1, tmp_path / "o", format="compressed-tensors", checkpoint=tmp_path / "s.pth"
        )
    assert caught.value.code == "empty-layer"


@pytest.mark.parametrize(("kind", "bits"), [("F4", 4), ("F8_E8M0", 8)])
@pytest.mark.parametrize("format_name", ["zeros", "compressed-tensors"])
def test_values_that_share_a_byte_or_have_no_zero_are_refused(tmp_path, kind, bits, format_name):
    """Half of a byte would be put to 0 with the other, and 0 as a scale is 2 ** -127."""
    entry = {"dtype": kind, "shape": [2, 4], "data_offsets": [0, bits]}
    text = json.dumps({"a.weight": entry}).encode()
    content = len(text).to_bytes(8, "little") + text + b"\x22" * bits
    (tmp_path / "m.safetensors").write_bytes(content)
    run = Run.from_masks("r", [Mask.from_arrays({"a.weight": np.eye(2, 4)})])
    with pytest.raises(InputError) as caught:
        write_foreign(
            run, 1, tmp_path / "o", format=format_name, checkpoint=tmp_path / "m.safetensors"
        )
    assert caught.value.code == "unknown-dtype"
