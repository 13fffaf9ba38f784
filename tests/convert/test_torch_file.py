"""torch files that are damaged, claim too much, or would run code."""

import io
import os
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict, defaultdict

import numpy as np
import pytest

from maskstat.convert import torch_file
from maskstat.convert.probe import Probe
from maskstat.convert.torch_file import load, state_dict, tensors
from maskstat.errors import InputError, MissingExtraError

torch = pytest.importorskip("torch")


def saved(content, tmp_path, name="x.pt", **options):
    torch.save(content, tmp_path / name, **options)
    return Probe(tmp_path / name)


def torch_zip(path, data, *, compression=zipfile.ZIP_STORED, **parts):
    """A file with the parts that torch.save writes, and any pickle."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("x/data.pkl", data)
        archive.writestr("x/version", "3\n")
        archive.writestr("x/byteorder", "little")
        for name, content in parts.items():
            archive.writestr(f"x/{name}", content)
    return Probe(path)


class Runs:
    """Unpickled, it makes a file."""

    def __init__(self, canary, call=os.system):
        self.canary = canary
        self.call = call

    def __reduce__(self):
        return self.call, (f"touch {self.canary}",)


@pytest.fixture
def canary(tmp_path):
    path = tmp_path / "canary"
    yield path
    assert not path.exists(), "code in a file was run"


@pytest.mark.parametrize("legacy", [False, True])
def test_every_type_comes_as_it_was(tmp_path, legacy):
    values = torch.tensor([[0.0, -0.0, 1.5], [float("nan"), -2.0, 0.0]])
    kinds = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
    kinds += [] if legacy else [torch.float8_e4m3fn]  # Which torch cannot read back itself.
    content = {str(kind): values.to(kind) for kind in kinds}
    content["int"] = torch.arange(6).reshape(2, 3)
    content["bool"] = torch.tensor([[True, False]])
    content["scalar"] = torch.tensor(3.5)
    content["transposed"] = values.T
    content["part"] = torch.arange(100.0)[10:20:2]
    content["parameter"] = torch.nn.Parameter(values)
    content["empty"] = torch.zeros(0, 4)
    found = load(saved(content, tmp_path, _use_new_zipfile_serialization=not legacy))
    assert list(found) == list(content)
    for name, tensor in content.items():
        want = tensor.detach()
        assert found[name].shape == tuple(want.shape)
        pieces = [np.zeros(0, np.bool_), *(p.copy() for p in found[name].nonzero())]
        np.testing.assert_array_equal(np.concatenate(pieces), (want.float() != 0).flatten())
        if "float8" not in name:
            np.testing.assert_array_equal(found[name].values(), want.float().numpy())


def test_a_nest_keeps_its_form(tmp_path):
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    counts = defaultdict(dict)
    counts["a"]["b"] = torch.ones(1)
    content = {
        "epoch": 3,
        "name": "net",
        "lrs": (0.1, [None, True]),
        "counts": counts,
        "model_state_dict": OrderedDict(model.state_dict()),
        "optimizer": optimizer.state_dict(),
        7: "a number as key",
    }
    found = load(saved(content, tmp_path))
    assert found["epoch"] == 3
    assert found["lrs"] == [0.1, [None, True]]
    assert found["7"] == "a number as key"
    assert found["counts"]["a"]["b"].values().tolist() == [1.0]
    inner, left = state_dict(found)
    assert list(inner) == ["weight", "bias"]
    assert left == ("lrs", "counts", "optimizer")


def test_tied_tensors_are_one(tmp_path):
    weight = torch.ones(3, 4)
    found = tensors(saved({"a": weight, "b": weight, "c": weight.clone()}, tmp_path))
    assert found["a"].identity == found["b"].identity != found["c"].identity


def test_bytes_are_read_as_a_file_is(tmp_path):
    saved({"a": torch.eye(2)}, tmp_path)
    found = load(Probe((tmp_path / "x.pt").read_bytes()))
    assert found["a"].values().tolist() == [[1, 0], [0, 1]]


def test_the_name_of_a_file_says_nothing(tmp_path):
    assert list(load(saved({"a": torch.eye(2)}, tmp_path, "x.safetensors"))) == ["a"]


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("form", ["zip", "legacy", "plain", "whole model"])
def test_code_in_a_file_is_not_run(tmp_path, canary, form, protocol):
    path = tmp_path / "hostile.pt"
    data = pickle.dumps({"a": Runs(canary)}, protocol=protocol)
    if form == "zip":
        torch_zip(path, data)
    elif form == "legacy":
        parts = [torch.serialization.MAGIC_NUMBER, 1001, {}, {"a": Runs(canary)}, []]
        path.write_bytes(b"".join(pickle.dumps(part, protocol=2) for part in parts))
    elif form == "plain":
        path.write_bytes(data)
    else:
        model = torch.nn.Linear(1, 1)
        model.extra = Runs(canary)
        torch.save(model, path, pickle_protocol=protocol)
    with pytest.raises(InputError) as caught:
        load(Probe(path))
    assert caught.value.code == "pickle-code"
    assert caught.value.hint


@pytest.mark.parametrize(
    "name",
    ["builtins.eval", "builtins.bytearray", "_codecs.encode", "torch.FloatTensor", "numpy.dtype"],
)
def test_names_outside_the_list_end_the_reading(tmp_path, name):
    module, _, leaf = name.rpartition(".")
    probe = torch_zip(tmp_path / "x.pt", f"\x80\x02c{module}\n{leaf}\n.".encode("latin1"))
    with pytest.raises(InputError, match=name) as caught:
        load(probe)
    assert caught.value.code == "pickle-code"


def test_the_list_of_names_is_part_of_torchs_own():
    from torch import _weights_only_unpickler

    from maskstat.convert import torch_scan

    ours = {name.replace(" ", ".") for name in torch_scan._CONSTRUCTORS}
    extra = ours - set(_weights_only_unpickler._get_allowed_globals())
    assert extra == {"__builtin__.dict", "collections.defaultdict"}


def test_a_script_is_refused(tmp_path):
    path = tmp_path / "script.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("s/data.pkl", pickle.dumps({}, 2))
        archive.writestr("s/constants.pkl", pickle.dumps((), 2))
        archive.writestr("s/code/net.py", "import os")
    with pytest.raises(InputError) as caught:
        load(Probe(path))
    assert caught.value.code == "pickle-code"


def test_a_compressed_part_is_refused_before_it_is_unpacked(tmp_path):
    saved({"a": torch.zeros(1 << 20)}, tmp_path)
    packed = tmp_path / "packed.pt"
    with (
        zipfile.ZipFile(tmp_path / "x.pt") as old,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    assert packed.stat().st_size < 10_000
    with pytest.raises(InputError) as caught:
        load(Probe(packed))
    assert caught.value.code == "zip-bomb"


def test_a_tensor_is_no_larger_than_what_is_stored(tmp_path):
    with pytest.raises(InputError, match="larger") as caught:
        load(saved({"a": torch.ones(1).expand(10**12)}, tmp_path))
    assert caught.value.code == "tensor-bomb"
    shared = torch.ones(1 << 16)
    with pytest.raises(InputError) as caught:
        load(saved({str(n): shared for n in range(100)}, tmp_path))
    assert caught.value.code == "tensor-bomb"


def test_a_legacy_file_that_claims_a_storage_it_has_not(tmp_path):
    """Its storage would be memory that nobody wrote."""
    buffer = io.BytesIO()
    torch.save({"a": torch.ones(3)}, buffer, _use_new_zipfile_serialization=False)
    data = buffer.getvalue()
    # Three floats become 2**27, in the storage's own size and in the tensor's shape.
    assert data.count(b"K\x03") >= 2
    (tmp_path / "x.pt").write_bytes(data.replace(b"K\x03", b"J\x00\x00\x00\x08"))
    with pytest.raises(InputError) as caught:
        load(Probe(tmp_path / "x.pt"))
    assert caught.value.code in ("tensor-bomb", "corrupt-torch")


@pytest.mark.parametrize("depth", [18, 60])
def test_lists_of_lists_of_one_list(tmp_path, depth):
    value = []
    for _ in range(depth):
        value = [value] * 10
    with pytest.raises(InputError) as caught:
        load(saved({"a": value}, tmp_path))
    assert caught.value.code == "too-deep"


def test_a_dict_that_holds_itself(tmp_path):
    value = {}
    value["a"] = value
    with pytest.raises(InputError) as caught:
        load(saved(value, tmp_path))
    assert caught.value.code == "too-deep"


@pytest.mark.parametrize("legacy", [False, True])
def test_truncation_at_every_length_is_an_error_of_ours(tmp_path, legacy):
    saved({"a": torch.arange(6.0)}, tmp_path, _use_new_zipfile_serialization=not legacy)
    whole = (tmp_path / "x.pt").read_bytes()
    cut = tmp_path / "cut.pt"
    for length in range(0, len(whole) - 1, 7):
        cut.write_bytes(whole[:length])
        with pytest.raises(InputError):
            load(Probe(cut))


@pytest.mark.parametrize("legacy", [False, True])
def test_flipped_bytes_raise_errors_of_ours_or_change_values_alone(tmp_path, legacy):
    saved({"a": torch.arange(6.0)}, tmp_path, _use_new_zipfile_serialization=not legacy)
    whole = (tmp_path / "x.pt").read_bytes()
    flipped = tmp_path / "flipped.pt"
    refused = 0
    positions = range(0, len(whole), 3)
    for position in positions:
        data = bytearray(whole)
        data[position] ^= 0x55
        flipped.write_bytes(data)
        try:
            content = load(Probe(flipped))
            for _, tensor in torch_file.stored(content):
                assert tensor.values().nbytes < 1000
        except InputError:
            refused += 1
    assert refused > len(positions) / 10


def test_a_list_is_no_state_dict(tmp_path):
    with pytest.raises(InputError) as caught:
        load(saved([torch.ones(2)], tmp_path))
    assert caught.value.code == "not-a-state-dict"


@pytest.mark.parametrize("version", [None, "2.5.1"])
def test_without_torch_or_with_an_old_one_it_says_so(tmp_path, monkeypatch, version):
    probe = saved({"a": torch.ones(2)}, tmp_path)
    if version is None:
        monkeypatch.setitem(sys.modules, "torch", None)
    else:
        monkeypatch.setattr(torch, "__version__", version)
    with pytest.raises(MissingExtraError) as caught:
        load(probe)
    assert caught.value.code == ("missing-torch" if version is None else "old-torch")
    assert "pip install" in caught.value.hint


def test_the_module_alone_does_not_load_torch():
    code = "import sys, maskstat.convert.out; assert 'torch' not in sys.modules"
    modules = "open_lth torch_prune torch_ao nni shrinkbench apex fasterai sparseml distiller"
    names = ", ".join(f"maskstat.convert.formats.{name}" for name in modules.split())
    subprocess.run([sys.executable, "-c", f"import {names}; {code}"], check=True)
