"""Hazards of the file as a whole: what is at the path, superblock, version."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import h5py
import numpy as np
from hazard import RUN, alter, edit, lookup3, place, with_field


@place("empty-file", "empty")
def empty(path: Path, canaries: Path) -> None:
    path.touch()


@place("not-an-archive", "text")
def text(path: Path, canaries: Path) -> None:
    path.write_text("hello")


@place("not-an-archive", "another-hdf5-file")
def another(path: Path, canaries: Path) -> None:
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        file["mask"] = np.ones(5, np.uint8)


@place("not-an-archive", "hdf5-of-another-generation")
def older(path: Path, canaries: Path) -> None:
    with h5py.File(path, "w") as file:
        file["mask"] = np.ones(5, np.uint8)


@place("not-a-file", "folder")
def folder(path: Path, canaries: Path) -> None:
    path.mkdir()


@place("not-a-file", "pipe-that-never-ends")
def pipe(path: Path, canaries: Path) -> None:
    os.mkfifo(path)


@place("not-a-file", "link-to-endless-device")
def device(path: Path, canaries: Path) -> None:
    path.symlink_to("/dev/zero")


@place("read-failed", "link-to-itself")
def loop(path: Path, canaries: Path) -> None:
    path.symlink_to(path)


@alter("not-an-archive", "user-block")
def user_block(image: bytes) -> bytes:
    return bytes(512) + image


@alter("truncated", "cut")
def cut(image: bytes) -> bytes:
    return image[:-1]


@alter("trailing-bytes", "appended")
def appended(image: bytes) -> bytes:
    return image + b"#!/bin/sh\n"


@alter("unclosed", "writer-that-died")
def unclosed(image: bytes) -> bytes:
    return with_field("superblock: flags", 1)


@alter("corrupt-superblock", "addresses-moved-by-a-base")
def base(image: bytes) -> bytes:
    return with_field("superblock: base", 512)


@alter("corrupt-superblock", "superblock-extension")
def extension(image: bytes) -> bytes:
    return with_field("superblock: extension", 4096)


@alter("corrupt-superblock", "root-outside-the-file")
def root(image: bytes) -> bytes:
    return with_field("superblock: root", 1 << 62)


@alter("corrupt-structure", "root-in-a-payload")
def root_in_payload(image: bytes) -> bytes:
    return with_field("superblock: root", len(image) - 100)


@alter("corrupt-structure", "superblock-checksum")
def checksum(image: bytes) -> bytes:
    return image[:44] + bytes(4) + image[48:]


@alter("corrupt-structure", "cut-and-restated")
def restated(image: bytes) -> bytes:
    head = image[:28] + struct.pack("<Q", 600) + image[36:44]
    return head + struct.pack("<I", lookup3(head)) + image[48:600]


@edit("unsupported-version", "next-major-version")
def next_major(file: h5py.File, canaries: Path) -> None:
    file.attrs["format_version"] = np.bytes_("2.0")


@edit("unsupported-feature", "required-feature")
def feature(file: h5py.File, canaries: Path) -> None:
    file.attrs["required_features"] = np.bytes_("survival-map")


@edit("no-runs", "no-runs")
def no_runs(file: h5py.File, canaries: Path) -> None:
    del file[RUN]
