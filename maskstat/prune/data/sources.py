"""Where the published data sets come from: files, checksums and hosts, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["CONTENT_SHA256", "MEMBER_MD5", "SOURCES", "Source", "set_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One published file.

    Parameters
    ----------
    file
        Its name.
    md5
        Of the file as it is published, hexadecimal.
    folders
        URLs of the folders that hold it, the best first.
    """

    file: str
    md5: str
    folders: tuple[str, ...]


def _idx_files(folders: tuple[str, ...], *md5s: str) -> tuple[Source, ...]:
    """Name the four files that MNIST and its successors come in."""
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    return tuple(
        Source(file=f"{name}-ubyte.gz", md5=md5, folders=folders)
        for name, md5 in zip(names, md5s, strict=True)
    )


_CIFAR = ("https://www.cs.toronto.edu/~kriz/",)
_SVHN = ("http://ufldl.stanford.edu/housenumbers/",)

SOURCES: Mapping[str, tuple[Source, ...]] = MappingProxyType(
    {
        "mnist": _idx_files(
            (
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "http://yann.lecun.com/exdb/mnist/",
            ),
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
        "fashion-mnist": _idx_files(
            ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
        "kmnist": _idx_files(
            ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
            "bdb82020997e1d708af4cf47b453dcf7",
            "e144d726b3acfaa3e44228e80efcd344",
            "5c965bf0a639b31b8f53240b1b52f4d7",
            "7320c461ea6c1c855c0b718fb2a4b134",
        ),
        "emnist": (
            Source(
                file="gzip.zip",
                md5="58c8d27c78d21e728a6bc7b3cc06412e",
                folders=("https://biometrics.nist.gov/cs_links/EMNIST/",),
            ),
        ),
        "cifar10": (
            Source(
                file="cifar-10-binary.tar.gz",
                md5="c32a1d4ab5d03f1284b67883e8d87530",
                folders=_CIFAR,
            ),
        ),
        "cifar100": (
            Source(
                file="cifar-100-binary.tar.gz",
                md5="03b5dce01913d631647c71ecec9e9cb8",
                folders=_CIFAR,
            ),
        ),
        "svhn": (
            Source(file="train_32x32.mat", md5="e26dedcc434d2e4c54c9b2d4a06d8373", folders=_SVHN),
            Source(file="test_32x32.mat", md5="eb5a983be6a315427106f1b164d9cef3", folders=_SVHN),
        ),
    }
)
"""Data set to the files that are downloaded for it."""

CONTENT_SHA256: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "mnist": MappingProxyType(
            {
                "train-images-idx3-ubyte": (
                    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
                ),
                "train-labels-idx1-ubyte": (
                    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
                ),
                "t10k-images-idx3-ubyte": (
                    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
                ),
                "t10k-labels-idx1-ubyte": (
                    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
                ),
            }
        ),
    }
)
"""Data set to the SHA-256 of what is inside its files, where that is known."""

MEMBER_MD5: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "cifar10": MappingProxyType(
            {
                "cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a",
                "data_batch_1": "c99cafc152244af753f735de768cd75f",
                "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
                "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
                "data_batch_4": "634d18415352ddfa80567beed471001a",
                "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
                "test_batch": "40351d587109b95175f43aff81a1287e",
            }
        ),
        "cifar100": MappingProxyType(
            {
                "cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85",
                "train": "16019d7e3df5f24257cddd939b257f8d",
                "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
            }
        ),
    }
)
"""Data set to the MD5 of further files that it is recognised in."""


def set_of(md5: str) -> str:
    """Return which data set a file with an MD5 belongs to; empty if none."""
    for name, sources in SOURCES.items():
        if any(source.md5 == md5 for source in sources):
            return name
    return ""
