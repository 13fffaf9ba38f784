"""Links, objects and attributes: one hazard a test, refused at opening with the exact code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from maskstat import archive
from maskstat.archive import spec
from maskstat.errors import (
    ArchiveError,
    CorruptArchiveError,
    UnsafeArchiveError,
)

Tamper = Callable[..., Path]
Put = Callable[..., h5py.Dataset]
RUN = "runs/lenet-0"


def refused(path: Path | bytes, code: str, kind: type[ArchiveError] = UnsafeArchiveError) -> str:
    with pytest.raises(kind) as caught:
        archive.open_archive(path)
    assert caught.value.code == code
    assert code in spec.CODES
    return str(caught.value)


class TestLinks:
    @pytest.mark.parametrize("where", ["/", "layouts", "runs", RUN, f"{RUN}/weights"])
    @pytest.mark.parametrize(
        "link", [h5py.SoftLink("/runs"), h5py.ExternalLink("/etc/passwd", "/")], ids=type
    )
    def test_soft_and_external(self, tamper: Tamper, where: str, link: Any) -> None:
        def edit(file: h5py.File) -> None:
            file[where]["rewind"] = link

        refused(tamper(edit), "unsafe-link")

    def test_soft_link_in_place_of_a_dataset(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            file[RUN].move("masks", "moved")
            file[RUN]["masks"] = h5py.SoftLink(f"/{RUN}/moved")

        refused(tamper(edit), "unsafe-link")

    def test_second_name_of_a_dataset(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            file[RUN]["weights/rewind"] = file[RUN]["weights/initial"]

        refused(tamper(edit), "unsafe-alias")

    def test_cycle(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            del file[RUN]["series"]
            file[RUN]["series"] = file["runs"]

        refused(tamper(edit), "unsafe-alias")

    @pytest.mark.parametrize("name", ["a b", "-x", "\x1b[31m", "é", "x" * 65, ".."])
    def test_names(self, tamper: Tamper, name: str) -> None:
        def edit(file: h5py.File) -> None:
            file["runs"].move("lenet-0", name)

        message = refused(tamper(edit), "unsafe-name")
        assert "\x1b" not in message

    def test_series_name(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            file[RUN]["series"].move("train_loss", "Train-Loss")

        refused(tamper(edit), "unsafe-name")

    def test_layout_name(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            file["layouts"].create_dataset("mine", data=np.arange(3, dtype="u1"), chunks=(3,))

        refused(tamper(edit), "unsafe-name")

    def test_too_many_members(self, tamper: Tamper, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tamper(lambda file: None)
        monkeypatch.setattr(spec, "MEMBERS", 3)
        refused(path, "unsafe-object")

    def test_too_many_objects(self, tamper: Tamper, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tamper(lambda file: None)
        monkeypatch.setattr(spec, "OBJECTS", 10)
        refused(path, "unsafe-object")


class TestObjects:
    def test_committed_datatype(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            file[RUN]["votes2"] = np.dtype("<f8")
            del file[RUN]["votes"]
            file[RUN].move("votes2", "votes")

        refused(tamper(edit), "unsafe-object")

    def test_group_in_place_of_a_dataset(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            del file[RUN]["votes"]
            file[RUN].create_group("votes")

        refused(tamper(edit), "unsafe-object")

    def test_dataset_in_place_of_a_group(self, tamper: Tamper, replace_dataset: Put) -> None:
        def edit(file: h5py.File) -> None:
            replace_dataset(file[RUN], "series", np.arange(5.0))

        refused(tamper(edit), "unsafe-object")

    def test_header_without_checksum(self, tmp_path: Path, tamper: Tamper) -> None:
        path = tamper(lambda file: None)
        with h5py.File(path, "r+", libver="earliest") as file:
            del file[RUN]["votes"]
            file[RUN].create_dataset("votes", data=np.zeros(430, "u2"), chunks=(430,))
            version = h5py.h5o.get_info(file[RUN]["votes"].id).hdr.version
        if version != 1:
            pytest.skip("this HDF5 library writes no version 1 headers into such a file")
        refused(path, "unsafe-object")

    def test_empty_group(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            del file[RUN]["others"]
            file[RUN].create_group("others")

        refused(tamper(edit), "missing-member", CorruptArchiveError)

    @pytest.mark.parametrize("name", ["masks", "kept", "manifest", "clock"])
    def test_missing_dataset(self, tamper: Tamper, name: str) -> None:
        def edit(file: h5py.File) -> None:
            del file[RUN][name]

        refused(tamper(edit), "missing-member", CorruptArchiveError)

    def test_missing_layout(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            file[RUN].attrs["layout"] = np.bytes_("0" * 16)

        refused(tamper(edit), "missing-member", CorruptArchiveError)

    def test_no_runs(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            del file[RUN]

        refused(tamper(edit), "no-runs", CorruptArchiveError)

    def test_run_that_is_a_dataset(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            file["runs"].create_dataset("b", data=np.arange(3), chunks=(3,))

        refused(tamper(edit), "unsafe-object")


class TestAttributes:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("model", "a variable-length string"),
            ("seed", np.int32(3)),
            ("seed", np.array([1, 2])),
            ("seed", np.array(3, ">i8")),
            ("model", np.array([b"a", b"b"])),
            ("model", np.bytes_(b"x" * 5000)),
            ("model", np.bytes_(b"\x1b[31m")),
            ("model", np.bytes_(b"\xff")),
            ("model", h5py.Empty("S4")),
            ("n_iterations", np.float64(5)),
            ("status", np.void(b"abc")),
        ],
    )
    def test_types(self, tamper: Tamper, name: str, value: Any) -> None:
        def edit(file: h5py.File) -> None:
            file[RUN].attrs[name] = value

        refused(tamper(edit), "unsafe-attribute")

    def test_reference(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            file[RUN].attrs["model"] = file["runs"].ref

        refused(tamper(edit), "unsafe-attribute")

    def test_committed_type(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            file[RUN]["later"] = np.dtype("<i8")
            file[RUN].attrs.create("seed", 3, dtype=file[RUN]["later"])
            del file[RUN]["later"]

        refused(tamper(edit), "unsafe-attribute")

    def test_too_many(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            for i in range(65):
                file[RUN].attrs[f"a{i}"] = np.int64(i)

        refused(tamper(edit), "unsafe-attribute")

    def test_huge(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            del file[RUN]["weights/final"].attrs["iterations"]
            file[RUN]["weights/final"].attrs["iterations"] = np.arange(9_000)

        refused(tamper(edit), "unsafe-attribute")

    @pytest.mark.parametrize("where", ["/", RUN, f"{RUN}/kept", f"{RUN}/series", "runs"])
    def test_unknown(self, tamper: Tamper, where: str) -> None:
        def edit(file: h5py.File) -> None:
            file[where].attrs["masks_encoding"] = np.int64(1)

        refused(tamper(edit), "unexpected-member")

    def test_name(self, tamper: Tamper) -> None:
        def edit(file: h5py.File) -> None:
            file[RUN].attrs["a b\x07"] = np.int64(1)

        assert "\x07" not in refused(tamper(edit), "unsafe-name")

    @pytest.mark.parametrize(("where", "name"), [("/", "writer"), (RUN, "status")])
    def test_missing(self, tamper: Tamper, where: str, name: str) -> None:
        def edit(file: h5py.File) -> None:
            del file[where].attrs[name]

        refused(tamper(edit), "missing-member", CorruptArchiveError)
