"""One run of an archive: from guarded datasets to a `Run`, every part checked as it is loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from maskstat.archive import canonical, digest, spec
from maskstat.archive.arrays import FileArray
from maskstat.archive.chunks import ChunkedBytes
from maskstat.archive.guard import StoredRun
from maskstat.archive.guard_members import refuse
from maskstat.archive.guard_storage import Stored
from maskstat.archive.names import member_name
from maskstat.archive.rows import FileMasks
from maskstat.archive.source import Source
from maskstat.errors import CorruptArchiveError, InputError, printable
from maskstat.layout import Layout
from maskstat.run import Outputs, Run, Status, Weights

__all__ = ["RunReader"]


class RunReader:
    """Reads one guarded run.

    Parameters
    ----------
    source
        The file.
    stored
        The run, from the guard.
    layout
        The layers.
    layout_digest
        SHA-256 of the layout's text.
    label
        The run's address, for errors and as its place.
    """

    def __init__(
        self, source: Source, stored: StoredRun, layout: Layout, layout_digest: str, label: str
    ) -> None:
        self._source = source
        self._stored = stored
        self._layout = layout
        self._layout_digest = layout_digest
        self.label = label
        self._check_extents()

    @property
    def digest(self) -> str:
        """The run's digest as the file states it."""
        return str(self._stored.attributes["digest"])

    @cached_property
    def run(self) -> Run:
        """The run: small parts loaded and checked, masks and weights left in the file.

        Raises
        ------
        CorruptArchiveError
            It is not what was written.
        """
        text = self._attribute_text
        kept = self._table("kept")
        effective = self._table("effective") if self._has("effective") else None
        self._check_counts(kept, effective)
        return Run(
            run_id=self._stored.run_id,
            layout=self._layout,
            masks=self.masks(kept),
            kept=kept,
            status=self._status(),
            model=text("model"),
            dataset=text("dataset"),
            method=text("method"),
            seed=self._number("seed"),
            replicate=self._number("replicate"),
            recipe_digest=text("recipe_digest"),
            effective=effective,
            series={name: self._table(f"series/{name}") for name in self._names("series")},
            outputs=self._outputs(),
            weights={
                kind: Weights(
                    values=self.array(f"weights/{kind}"), iterations=self._rows(f"weights/{kind}")
                )
                for kind in self._names("weights")
            },
            others={kind: self.array(f"others/{kind}") for kind in self._names("others")},
            votes=self.array("votes") if self._has("votes") else None,
            provenance=self._document("provenance"),
            clock=self._document("clock"),
            digest=self.digest,
            place=self.label,
        )

    def masks(self, kept: NDArray[np.int64]) -> FileMasks:
        """Return the masks, left in the file."""
        values = self._values("masks", cache_bytes=spec.ROW_IN_MEMORY)
        return FileMasks(values, self._layout, self._table("mask_digests"), kept, self.label)

    def array(self, path: str) -> FileArray:
        """Return one array, left in the file."""
        stored = self._stored.datasets[path]
        return FileArray(
            self._values(path), stored.dtype, stored.shape, self._sha256(path), self._place(path)
        )

    def check_arrays(self) -> None:
        """Check every array but the masks against its digest.

        Raises
        ------
        CorruptArchiveError
            One is not what was written.
        """
        for path in self.array_paths:
            self.array(path).check()

    @property
    def array_paths(self) -> list[str]:
        """The datasets whose own digest the manifest holds."""
        return sorted(set(self._stored.datasets) - {"masks", *digest.OUTSIDE})

    @cached_property
    def _hashes(self) -> Mapping[str, str]:
        """SHA-256 of each dataset, from a manifest that was checked against run and digest."""
        place = self._place("manifest")
        octets = self._values("manifest").read_all().tobytes()
        if digest.run_digest(octets) != self.digest:
            raise CorruptArchiveError(
                "content does not match the run's digest",
                code="corrupt-digest",
                place=place,
                consequence="the file is damaged",
                hint=f"maskstat verify {self._source.place}",
            )
        document = canonical.decode(octets, place=place)
        try:
            hashes = {path: str(entry["sha256"]) for path, entry in document["datasets"].items()}
            entries = {
                path: manifest_entry(stored, hashes[path])
                for path, stored in self._stored.datasets.items()
                if path not in digest.OUTSIDE
            }
            wanted = digest.manifest(self._stored.attributes, entries, self._layout_digest)
            if entries["masks"]["sha256"] != entries["mask_digests"]["sha256"]:
                wanted = b""
        except (TypeError, KeyError, AttributeError, InputError):
            wanted = b""
        if wanted != octets:
            raise CorruptArchiveError(
                "it does not describe the run's attributes, datasets and layout",
                code="corrupt-manifest",
                place=place,
                consequence="the file contradicts itself",
            )
        return hashes

    def _check_extents(self) -> None:
        """Compare the shapes, which agree with each other, with the layout."""
        layout, datasets = self._layout, self._stored.datasets
        wanted = {
            "masks": 8 * layout.n_words,
            "kept": len(layout.layers),
            "votes": layout.size,
            "others/initial": layout.n_others,
            "others/rewind": layout.n_others,
            "others/final": layout.n_others,
            **{f"weights/{kind}": layout.size for kind in self._names("weights")},
        }
        for path, n in wanted.items():
            found = datasets[path].shape[-1] if path in datasets else n
            if found != n:
                raise refuse(
                    f"it has {found:,} columns where the layout asks for {n:,}",
                    "unsafe-shape",
                    self._place(path),
                )

    def _check_counts(self, kept: NDArray[np.int64], effective: NDArray[np.int64] | None) -> None:
        sizes = self._layout.sizes
        if ((kept < 0) | (kept > sizes)).any():
            raise self._contradiction("it keeps more weights than there are", "kept")
        if (kept[0] != sizes).any():
            raise CorruptArchiveError(
                "its first mask is not the dense network",
                code="not-dense",
                place=f"{self.label}@0",
                consequence="iteration 0 is before any pruning",
            )
        if effective is not None:
            to_output, connected = effective[..., 0], effective[..., 1]
            if ((connected < 0) | (connected > to_output) | (to_output > kept)).any():
                raise self._contradiction("more weights are connected than kept", "effective")

    def _outputs(self) -> dict[str, Outputs]:
        found: dict[str, Outputs] = {}
        for member in self._names("outputs"):
            path, labels = f"outputs/{member}", f"labels/{member}"
            name = self._data_name(path)
            if self._has(labels) and self._data_name(labels) != name:
                raise self._contradiction("it belongs to other outputs", labels)
            found[name] = Outputs(
                logits=self.array(path),
                iterations=self._rows(path),
                labels=self._table(labels) if self._has(labels) else None,
            )
        lost = set(self._names("labels")) - set(self._names("outputs"))
        if lost:
            raise self._contradiction("there are no outputs beside it", f"labels/{min(lost)}")
        return found

    def _data_name(self, path: str) -> str:
        name = str(self._stored.datasets[path].attributes["name"])
        if member_name(name) != path.partition("/")[2]:
            raise self._contradiction(f"it is not where data set '{name}' belongs", path)
        return name

    def _rows(self, path: str) -> tuple[int, ...]:
        """Return the iterations of a dataset's rows."""
        rows = cast("list[int]", self._stored.datasets[path].attributes["iterations"])
        n_iterations = cast(int, self._stored.attributes["n_iterations"])
        if sorted(set(rows)) != rows or rows[0] < 0 or rows[-1] >= n_iterations:
            raise self._contradiction("its iterations are not those of the run", path)
        return tuple(rows)

    def _status(self) -> Status:
        status = str(self._stored.attributes["status"])
        if status not in spec.STATUSES:
            raise self._contradiction(f"its status is '{printable(status)}'", "")
        return cast(Status, status)

    def _document(self, path: str) -> dict[str, Any]:
        """Read a JSON dataset; one that has no digest in the manifest carries its own."""
        if path in digest.OUTSIDE:
            octets = self._values(path).read_all()
            found = hashlib.sha256(octets.data).hexdigest()
            if found != self._stored.datasets[path].attributes["sha256"]:
                raise CorruptArchiveError(
                    "content does not match its digest",
                    code="corrupt-digest",
                    place=self._place(path),
                    consequence="the file is damaged",
                )
        else:
            octets = np.asarray(self.array(path))
        document = canonical.decode(octets.tobytes(), place=self._place(path))
        if not isinstance(document, dict):
            raise self._contradiction("it is no JSON object", path)
        return document

    def _table(self, path: str) -> NDArray[Any]:
        return np.asarray(self.array(path))

    def _values(self, path: str, *, cache_bytes: int = 0) -> ChunkedBytes:
        stored = self._stored.datasets[path]
        return ChunkedBytes(self._source, stored, self._place(path), cache_bytes=cache_bytes)

    def _sha256(self, path: str) -> str:
        return self._hashes[path]

    def _has(self, path: str) -> bool:
        return path in self._stored.datasets

    def _names(self, group: str) -> list[str]:
        """Return the names of a group's members that this version knows."""
        found = (path.partition("/") for path in self._stored.datasets)
        known = {d.path for d in spec.DATASETS}
        return sorted(
            name
            for parent, _, name in found
            if parent == group and not known.isdisjoint((f"{group}/<name>", f"{group}/{name}"))
        )

    def _attribute_text(self, name: str) -> str:
        return str(self._stored.attributes[name])

    def _number(self, name: str) -> int | None:
        return cast("int | None", self._stored.attributes.get(name))

    def _place(self, path: str) -> str:
        return f"{self._source.place}: /runs/{self._stored.run_id}/{path}".rstrip("/")

    def _contradiction(self, fact: str, path: str) -> CorruptArchiveError:
        return CorruptArchiveError(
            fact,
            code="corrupt-run",
            place=self._place(path),
            consequence="the file contradicts itself",
        )


def manifest_entry(stored: Stored, sha256: str) -> dict[str, Any]:
    """Return what the manifest says about one dataset."""
    return {
        "attributes": stored.attributes,
        "dtype": stored.dtype,
        "sha256": sha256,
        "shape": list(stored.shape),
    }
