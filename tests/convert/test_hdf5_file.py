"""HDF5 of other people: every way h5py stores an array, two layouts of the field, and bad files."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskstat.convert.assemble import assemble
from maskstat.convert.hdf5_file import tree
from maskstat.convert.probe import Probe
from maskstat.convert.registry import ReadOptions, detect, find_format
from maskstat.errors import CorruptArchiveError, InputError

STORAGE = [
    {},
    {"chunks": True},
    {"chunks": (5, 2, 3), "compression": "gzip", "shuffle": True},
    {"chunks": (4, 7, 1), "compression": "gzip", "compression_opts": 9},
    {"chunks": (1, 1, 64), "shuffle": True},
    {"maxshape": (None, 11, 3)},
]


def read_mask(path):
    probe = Probe(path)
    known = detect(probe)
    return known, assemble(known.read(probe, ReadOptions()), "run", str(path))


def code_of(path):
    probe = Probe(path)
    assert probe.kind == "hdf5"
    with pytest.raises(InputError) as caught:
        find_format("hdf5").read(probe, ReadOptions())
    return caught.value.code


@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_every_storage_and_type(tmp_path, version):
    rng = np.random.default_rng(0)
    masks = {}
    with h5py.File(tmp_path / "x", "w", libver=version) as file:
        for i, storage in enumerate(STORAGE):
            for dtype in ("<f4", ">f8", "|b1", ">i2", "<u8"):
                shape = (13, 11, 3 if "chunks" not in storage or i < 3 else 130)
                masks[f"g{i}/sub/{dtype[1:]}"] = kept = rng.random(shape) < 0.4
                file.create_dataset(f"g{i}/sub/{dtype[1:]}", data=kept.astype(dtype), **storage)
        file["about"] = "text"
        file["pairs"] = np.zeros(2, "f4,i4")
    known, run = read_mask(tmp_path / "x")
    assert known.name == "hdf5"
    assert run.provenance["source"]["unmatched"] == ["about", "pairs"]
    assert set(run.layout.names) == set(masks)
    for name, kept in masks.items():
        np.testing.assert_array_equal(run.mask(1).layer(name), kept)


def test_values_in_an_object_header(tmp_path):
    with h5py.File(tmp_path / "x", "w") as file:
        space = h5py.h5s.create_simple((70,))
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_layout(h5py.h5d.COMPACT)
        dataset = h5py.h5d.create(file.id, b"m", h5py.h5t.STD_I32BE, space, creation)
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(70, dtype=np.int32) % 2)
    _, run = read_mask(tmp_path / "x")
    np.testing.assert_array_equal(run.mask(1).layer("m"), np.arange(70) % 2 == 1)


def test_from_a_pipe(tmp_path):
    with h5py.File(tmp_path / "x", "w") as file:
        file["m"] = np.eye(9)
    probe = Probe((tmp_path / "x").read_bytes())
    np.testing.assert_array_equal(
        np.concatenate([*tree(probe).tensors["m"].binary()]), np.eye(9).reshape(-1) == 1
    )


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 999), named=st.booleans())
def test_deconstructing_lottery_tickets(tmp_path_factory, seed, named):
    path = tmp_path_factory.mktemp("uber") / "x"
    rng = np.random.default_rng(seed)
    shapes = [(3, 3, 2, 5), (5,), (20, 7), (7,)]
    masks = [(rng.random(s) < 0.5) if len(s) > 1 else np.ones(s, bool) for s in shapes]
    initial = [rng.standard_normal(s).astype(np.float32) for s in shapes]
    with h5py.File(path, "w") as file:
        file["mask_values"] = np.concatenate([m.reshape(-1) for m in masks]).astype(np.float16)
        file["initial_weights"] = np.concatenate([w.reshape(-1) for w in initial])
        file.attrs["var_shapes"] = np.bytes_(";".join(map(str, shapes)))
        if named:
            file.attrs["var_names"] = np.bytes_("conv/w;conv/b;fc/w;fc/b")
    known, run = read_mask(path)
    assert known.name == "uber-h5"
    names = ("conv/w", "fc/w") if named else ("variable0", "variable2")
    assert run.layout.names == names
    kernel = masks[0].transpose(3, 2, 0, 1)
    np.testing.assert_array_equal(run.mask(1).layer(names[0]), kernel)
    np.testing.assert_array_equal(run.mask(1).layer(names[1]), masks[2].T)
    np.testing.assert_array_equal(
        run.weight("initial"),
        np.concatenate([initial[0].transpose(3, 2, 0, 1).reshape(-1), initial[2].T.reshape(-1)]),
    )
    np.testing.assert_array_equal(run.others["initial"], np.concatenate([initial[1], initial[3]]))
    assert run.provenance["source"]["transposed"] is True


def test_names_that_are_not_ascii(tmp_path):
    with h5py.File(tmp_path / "x", "w") as file:
        file["mask_values"] = np.float32([1, 0, 1, 1, 0, 0])
        file.attrs["var_shapes"] = np.bytes_("(2, 3)")
        file.attrs["var_names"] = np.bytes_("größe".encode())
    assert read_mask(tmp_path / "x")[1].layout.names == ("größe",)


def test_a_shape_of_more_digits_than_a_number_has(tmp_path):
    with h5py.File(tmp_path / "x", "w") as file:
        file["mask_values"] = np.float32([1, 0])
        file.attrs["var_shapes"] = np.bytes_(f"({'9' * 5000},)")
    with pytest.raises(CorruptArchiveError) as caught:
        read_mask(tmp_path / "x")
    assert caught.value.code == "corrupt-structure"


def test_keras_with_pruning_wrappers(tmp_path):
    rng = np.random.default_rng(0)
    mask, kernel = (rng.random((6, 4)) < 0.5), rng.standard_normal((6, 4)).astype(np.float32)
    scope = "model_weights/prune_low_magnitude_dense/prune_low_magnitude_dense"
    with h5py.File(tmp_path / "x", "w") as file:
        file[f"{scope}/kernel:0"] = kernel
        file[f"{scope}/bias:0"] = np.zeros(4, np.float32)
        file[f"{scope}/mask:0"] = mask.astype(np.float32)
        file[f"{scope}/threshold:0"] = np.float32(0.1)
        file[f"{scope}/pruning_step:0"] = np.int64(4)
    known, run = read_mask(tmp_path / "x")
    assert known.name == "tfmot-h5"
    assert run.layout.names == ("dense/kernel",)
    np.testing.assert_array_equal(run.mask(1).layer("dense/kernel"), mask.T)
    np.testing.assert_array_equal(run.weight("final"), kernel.T.reshape(-1))
    assert run.provenance["source"]["unmatched"] == [f"{scope}/bias:0"]


class TestHostile:
    @pytest.fixture
    def canary(self, tmp_path):
        with h5py.File(tmp_path / "canary", "w") as file:
            file["m"] = np.ones(3)
        return tmp_path / "canary"

    def test_a_link_to_another_file(self, tmp_path, canary):
        with h5py.File(tmp_path / "x", "w") as file:
            file["m"] = h5py.ExternalLink(str(canary), "/m")
        assert code_of(tmp_path / "x") == "unsafe-link"

    def test_a_soft_link(self, tmp_path):
        with h5py.File(tmp_path / "x", "w") as file:
            file["m"] = np.ones(3)
            file["n"] = h5py.SoftLink("/m")
        assert code_of(tmp_path / "x") == "unsafe-link"

    def test_one_object_with_two_names(self, tmp_path):
        with h5py.File(tmp_path / "x", "w") as file:
            group = file.create_group("g")
            group["again"] = file["g"]
        assert code_of(tmp_path / "x") == "unsafe-alias"

    def test_a_virtual_dataset(self, tmp_path, canary):
        layout = h5py.VirtualLayout((3,), "f8")
        layout[:] = h5py.VirtualSource(canary, "m", (3,))
        with h5py.File(tmp_path / "x", "w") as file:
            file.create_virtual_dataset("m", layout)
        assert code_of(tmp_path / "x") == "unsafe-storage"

    def test_values_in_another_file(self, tmp_path):
        (tmp_path / "raw").write_bytes(bytes(24))
        with h5py.File(tmp_path / "x", "w") as file:
            file.create_dataset("m", (3,), "f8", external=[(str(tmp_path / "raw"), 0, 24)])
        assert code_of(tmp_path / "x") == "unsafe-storage"

    def test_other_filters(self, tmp_path):
        with h5py.File(tmp_path / "x", "w") as file:
            file.create_dataset("m", data=np.ones(3), compression="lzf")
        assert code_of(tmp_path / "x") == "unsafe-filter"

    def test_a_shape_that_cannot_be_in_the_file(self, tmp_path):
        with h5py.File(tmp_path / "x", "w") as file:
            file.create_dataset("m", (1 << 40,), "f4", chunks=(1 << 20,))
        assert code_of(tmp_path / "x") == "unsafe-shape"

    def test_values_that_were_never_written(self, tmp_path):
        with h5py.File(tmp_path / "x", "w") as file:
            file.create_dataset("m", (30,), "f4", chunks=(10,))[:10] = 1
            file.create_dataset("n", (3,), "f4")
        assert code_of(tmp_path / "x") == "missing-chunk"

    def test_chunks_that_are_too_large(self, tmp_path):
        with h5py.File(tmp_path / "x", "w") as file:
            shape = (1 << 25,)
            file.create_dataset("m", data=np.zeros(shape), chunks=shape, compression="gzip")
        assert code_of(tmp_path / "x") == "unsafe-chunk"

    def test_a_flipped_byte_in_a_chunk(self, tmp_path):
        with h5py.File(tmp_path / "x", "w") as file:
            rng = np.random.default_rng(0)
            data = (rng.random(5_000) < 0.5).astype("u1")
            dataset = file.create_dataset("m", data=data, chunks=(5_000,), compression="gzip")
            at = dataset.id.get_chunk_info(0).byte_offset
        content = bytearray((tmp_path / "x").read_bytes())
        content[at + 1] ^= 0xFF
        probe = Probe(bytes(content))
        with pytest.raises(InputError) as caught:
            list(tree(probe).tensors["m"].pieces())
        assert caught.value.code == "corrupt-chunk"

    def test_damaged_structure_is_an_error_of_ours(self, tmp_path):
        with h5py.File(tmp_path / "x", "w") as file:
            file["layer/m"] = np.eye(4)
        content = (tmp_path / "x").read_bytes()
        rng = np.random.default_rng(0)
        for _ in range(8):
            damaged = bytearray(content)
            for at in rng.integers(8, len(content), 40):
                damaged[at] ^= 0xFF
            with suppress(InputError):
                assert set(tree(Probe(bytes(damaged))).tensors) <= {"layer/m"}


def test_chunks_of_all_datasets_count_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Datasets can share one index of chunks: each alone is small."""
    from maskstat.convert import hdf5_child

    monkeypatch.setattr(hdf5_child, "_CHUNKS", 5)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for name in ("a", "b"):
            file.create_dataset(name, data=np.ones(6, np.uint8), chunks=(2,))
        answer = {"datasets": [], "unread": [], "n_chunks": 0}
        with pytest.raises(hdf5_child._RefusedError, match="too many chunks"):
            hdf5_child._group(file["/"].id, "", answer, set())
