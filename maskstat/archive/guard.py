"""Refuse a hostile or damaged file before any of its payload is read.

Order: superblock, root attributes and version, then object by object links, object class,
attributes, creation list, extents, budget, chunks. What comes out are `Stored` datasets. The HDF5
library takes no part in it. The first failure ends it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple, cast

from maskstat import __version__
from maskstat.archive import spec
from maskstat.archive.guard_members import (
    AttributeValue,
    ObjectBook,
    check_link,
    missing,
    read_attributes,
    refuse,
)
from maskstat.archive.guard_storage import (
    Budget,
    Ledger,
    Stored,
    check_dataset,
    chunk_table,
)
from maskstat.archive.hdf5 import Group, HdfFile, ObjectFacts
from maskstat.archive.hdf5_objects import Header
from maskstat.archive.pieces import Pieces
from maskstat.archive.source import Source, check_superblock
from maskstat.errors import (
    ArchiveError,
    NotFoundError,
    UnsupportedVersionError,
    closest,
    printable,
)

__all__ = ["Guard", "StoredRun"]

_BY_PATH = {dataset.path: dataset for dataset in spec.DATASETS}
_CHUNK_MEMORY = 160
"""Bytes that it takes to know where a chunk is, and that no other is there."""
_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})")


class StoredRun(NamedTuple):
    """A run that passed the guard.

    Parameters
    ----------
    run_id
        Its name.
    attributes
        Name to value.
    datasets
        Path within the run to dataset.
    """

    run_id: str
    attributes: dict[str, AttributeValue]
    datasets: dict[str, Stored]


class Guard:
    """Goes through an archive's structure, one run at a time.

    Parameters
    ----------
    source
        The archive's bytes.

    Raises
    ------
    ArchiveError
        It is something else.
    UnsafeArchiveError, CorruptArchiveError, UnsupportedVersionError
        It is refused.
    """

    def __init__(self, source: Source) -> None:
        self.place = source.place
        check_superblock(source)
        self._ledger = Ledger(source.size)
        self._budget = Budget(source.size, source.stored)
        self._book = ObjectBook()
        self._hdf = HdfFile(source, self._ledger)
        try:
            self._open_root()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Look at nothing more; what passed the guard stays readable."""
        self._hdf.close()

    @property
    def is_open(self) -> bool:
        """Whether runs can still be asked for."""
        return self._hdf.is_open

    def has(self, run_id: object) -> bool:
        """Tell whether there is a run of this name."""
        return run_id in self._known

    def layout(self, layout_id: str) -> Stored:
        """Guard one layout."""
        place = f"{self.place}: /layouts/{layout_id}"
        if layout_id not in self.layout_ids:
            raise missing("this layout", place)
        name = layout_id.encode("ascii")
        facts = self._member(self._layouts, name, place)
        self._book.enter(facts, place)
        if facts.kind != "dataset":
            raise refuse("it is not a dataset", "unsafe-object", place)
        return self._dataset(self._layouts, name, place, spec.LAYOUT, {})

    def run(self, run_id: str) -> StoredRun:
        """Guard one run and everything in it.

        Raises
        ------
        NotFoundError
            There is no such run.
        """
        if not self.has(run_id):
            raise NotFoundError(
                f"there is no run '{run_id}'",
                code="no-such-run",
                place=self.place,
                consequence=closest(str(run_id), self.run_ids),
                hint=f"maskstat list {self.place}",
            )
        place = f"{self.place}: /runs/{run_id}"
        group = self._group(self._runs, run_id.encode("ascii"), place, spec.MEMBERS)
        attributes = self._attributes(group, spec.RUN_ATTRIBUTES, place)
        extents = {"I": cast(int, attributes["n_iterations"])}
        datasets = self._members(group, "", place, extents)
        for expected in spec.DATASETS:
            if expected.required and expected.path not in datasets:
                raise missing(f"dataset '{expected.path}'", place)
        return StoredRun(run_id=run_id, attributes=attributes, datasets=datasets)

    def _open_root(self) -> None:
        root, facts = self._hdf.root(spec.MEMBERS)
        self._book.enter(facts, self.place)
        self._check_version(root)
        names = self._names(root, f"{self.place}: /", spec.MEMBERS)
        for name in names:
            if name not in ("layouts", "runs") and self.strict:
                raise _unexpected(name, f"{self.place}: /")
        for name in ("layouts", "runs"):
            if name not in names:
                raise missing(f"group '{name}'", f"{self.place}: /")
        self._layouts = self._large_group(root, "layouts")
        self._runs = self._large_group(root, "runs")
        self.layout_ids = frozenset(
            self._names(self._layouts, f"{self.place}: /layouts", spec.RUNS)
        )
        for name in self.layout_ids:
            if not spec.LAYOUT_ID.fullmatch(name):
                raise refuse(f"'{name}' is no layout id", "unsafe-name", f"{self.place}: /layouts")
        self.run_ids = tuple(self._names(self._runs, f"{self.place}: /runs", spec.RUNS))
        self._known = frozenset(self.run_ids)

    def _check_version(self, root: Group) -> None:
        """Read the root's attributes, and see first whether this program knows the format."""
        attributes = self._hdf.attributes(root, self.place)
        found = {
            a.name: printable(self._hdf.text(a, self.place).rstrip(b"\0").decode("latin-1"))
            for a in attributes
            if a.kind == "text" and a.shape == () and a.n_bytes <= spec.TEXT_BYTES
        }
        version = _VERSION.fullmatch(found.get(b"format_version", ""))
        if found.get(b"format") != spec.FORMAT or version is None:
            raise ArchiveError(
                "it is an HDF5 file of another kind",
                code="not-an-archive",
                place=self.place,
                consequence="it is no maskstat archive",
                hint=f"maskstat convert {self.place} -o masks.h5, if it holds masks all the same",
            )
        features = set(found.get(b"required_features", "").split()) - spec.FEATURES
        if int(version[1]) != spec.MAJOR or features:
            raise _unsupported(found, features, newer=int(version[1]) >= spec.MAJOR, at=self.place)
        self.version = version[0]
        self.strict = int(version[2]) <= spec.MINOR
        self.attributes = read_attributes(
            self._hdf, attributes, spec.ROOT_ATTRIBUTES, place=self.place, strict=self.strict
        )

    def _attributes(
        self, target: Group | Header, expected: Sequence[spec.Attribute], place: str
    ) -> dict[str, AttributeValue]:
        found = self._hdf.attributes(target, place)
        return read_attributes(self._hdf, found, expected, place=place, strict=self.strict)

    def _names(self, group: Group, place: str, limit: int) -> list[str]:
        """Return the names in a group, all of them hard links, none twice."""
        if len(group.links) > limit:
            raise refuse("it has too many members", "unsafe-object", place)
        names = [check_link(link, place) for link in group.links]
        if len(set(names)) < len(names):
            raise refuse("two of its members have one name", "unsafe-name", place)
        return names

    def _member(self, group: Group, name: bytes, place: str) -> ObjectFacts:
        self._book.meet(group.members[name], place)
        return self._hdf.member(group, name, place)

    def _group(self, parent: Group, name: bytes, place: str, limit: int) -> Group:
        facts = self._member(parent, name, place)
        self._book.enter(facts, place)
        if facts.kind != "group":
            raise refuse("it is not a group", "unsafe-object", place)
        return self._hdf.open_group(parent, name, place, limit)

    def _large_group(self, root: Group, name: str) -> Group:
        """Open a group of the root; it has no attributes."""
        place = f"{self.place}: /{name}"
        group = self._group(root, name.encode("ascii"), place, spec.RUNS)
        self._attributes(group, (), place)
        return group

    def _members(
        self, group: Group, prefix: str, place: str, extents: dict[str, int]
    ) -> dict[str, Stored]:
        """Guard the datasets of a run, or of one of its groups."""
        datasets: dict[str, Stored] = {}
        names = self._names(group, place, spec.MEMBERS)
        if prefix and not names:
            raise missing("every member", place)
        for name in names:
            here, path, raw = f"{place}/{name}", f"{prefix}{name}", name.encode("ascii")
            facts = self._member(group, raw, here)
            expected = _BY_PATH.get(path) or _BY_PATH.get(f"{prefix}<name>")
            is_group = not prefix and (
                name in spec.GROUPS or (facts.kind == "group" and not self.strict)
            )
            if self.strict and expected is None and not is_group:
                raise _unexpected(name, place)
            self._book.enter(facts, here)
            if facts.kind != ("group" if is_group else "dataset"):
                raise refuse(f"it is a {facts.kind}", "unsafe-object", here)
            if is_group:
                inner = self._hdf.open_group(group, raw, here, spec.MEMBERS)
                self._attributes(inner, (), here)
                datasets |= self._members(inner, f"{name}/", here, extents)
            else:
                datasets[path] = self._dataset(group, raw, here, expected, extents)
        return datasets

    def _dataset(
        self,
        group: Group,
        name: bytes,
        place: str,
        expected: spec.Dataset | None,
        extents: dict[str, int],
    ) -> Stored:
        """Guard one dataset down to its chunks."""
        header, facts = self._hdf.open_dataset(group, name, place)
        dtype, shape = check_dataset(facts, place, expected)
        attributes = self._attributes(header, expected.attributes if expected else (), place)
        if expected is not None:
            self._fit(expected, name.decode("ascii"), shape, attributes, extents, place)
        self._budget.allow(math.prod(shape) * int(dtype[1]), place)
        self._budget.spend(_CHUNK_MEMORY * Pieces(shape, facts.chunk, 1).number, place)
        chunks = self._hdf.chunks(facts, place)
        offsets, sizes, raw = chunk_table(facts, chunks, dtype, self._ledger, place)
        return Stored(
            path=place.rpartition(": ")[2],
            dtype=dtype,
            shape=shape,
            chunk=facts.chunk,
            attributes=attributes,
            offsets=offsets,
            sizes=sizes,
            raw=raw,
        )

    def _fit(
        self,
        expected: spec.Dataset,
        name: str,
        shape: tuple[int, ...],
        attributes: dict[str, AttributeValue],
        extents: dict[str, int],
        place: str,
    ) -> None:
        """Match a shape to the expected one, with letters bound so far, and to the budget."""
        if expected.path.startswith("series/") and not spec.SERIES_NAME.fullmatch(name):
            raise refuse(f"'{name}' is no name for a series", "unsafe-name", place)
        local = (
            {"I'": len(iterations)}
            if isinstance(iterations := attributes.get("iterations"), list)
            else {}
        )
        pattern = next((p for p in expected.shapes if len(p) == len(shape)), None)
        if pattern is None:
            raise refuse(f"its shape is {shape}", "unsafe-shape", place)
        for symbol, n in zip(pattern, shape, strict=True):
            if isinstance(symbol, int):
                wanted = symbol
            elif symbol in ("I'", "E", "C", "n"):
                wanted = local.setdefault(symbol, n)
            else:
                wanted = extents.setdefault(f"N {name}" if symbol == "N" else symbol, n)
            if n != wanted:
                raise refuse(
                    f"its shape is {shape} where {symbol} is {wanted}", "unsafe-shape", place
                )
        n_bytes = math.prod(shape) * int(expected.dtype[1])
        if pattern == ("n",):
            if n_bytes > spec.JSON_BYTES:
                raise refuse(f"it is a text of {n_bytes:,} bytes", "unsafe-shape", place)
            n_bytes *= spec.JSON_WEIGHT
        if expected.eager:
            self._budget.spend(n_bytes, place)


def _unexpected(name: str, place: str) -> Exception:
    return refuse(
        f"'{name}' is not expected there",
        "unexpected-member",
        place,
        f"format {spec.VERSION} has no such object",
    )


def _unsupported(
    found: dict[bytes, str], features: set[str], *, newer: bool, at: str
) -> UnsupportedVersionError:
    """Name the file's version, its writer, what this program reads and the command that helps."""
    writer = found.get(b"writer") or "an unknown program"
    needs = f" and requires {', '.join(sorted(features))}" if features else ""
    return UnsupportedVersionError(
        f"it has format {found[b'format_version']}{needs}, written by {writer}",
        code="unsupported-feature" if features else "unsupported-version",
        place=at,
        consequence=f"this is maskstat {__version__}, which reads format {spec.MAJOR}.x",
        hint="pip install --upgrade maskstat" if newer else f"read it with {writer}",
    )
