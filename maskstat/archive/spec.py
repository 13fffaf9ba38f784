"""Format 1.0 in one place: names, types, shapes, limits, version and error codes.

Reader, guard, writer and the format page take them from here. Imports nothing but the standard
library.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

__all__ = [
    "ALLOWED_DTYPES",
    "ATTRIBUTES",
    "ATTRIBUTE_BYTES",
    "BUDGET_BASE",
    "BUDGET_RATIO",
    "CHUNK_BYTES",
    "CHUNK_FLOOR",
    "CHUNK_MINIMUM",
    "CHUNK_TARGET",
    "CODES",
    "DATASETS",
    "DEFLATE_RATIO",
    "EAGER_RUNS",
    "ELEMENTS",
    "FEATURES",
    "FORMAT",
    "GROUPS",
    "HEADER_BYTES",
    "IMAGE_BYTES",
    "JSON_BYTES",
    "JSON_TOKENS",
    "JSON_WEIGHT",
    "LAYOUT",
    "LAYOUT_ID",
    "LIMITS",
    "MAJOR",
    "MEMBERS",
    "MEMBER_NAME",
    "MINOR",
    "OBJECTS",
    "RANK",
    "ROOT_ATTRIBUTES",
    "ROWS_PER_CHUNK",
    "ROW_IN_MEMORY",
    "RUNS",
    "RUN_ATTRIBUTES",
    "RUN_SCHEMA",
    "SERIES",
    "SERIES_NAME",
    "SHORT_ROW",
    "SMALL_FILE",
    "STATUSES",
    "STORED_ITERATIONS",
    "TEXT_BYTES",
    "VERSION",
    "Attribute",
    "AttributeKind",
    "Dataset",
    "Series",
]

FORMAT = "maskstat-archive"
MAJOR, MINOR = 1, 0
VERSION = f"{MAJOR}.{MINOR}"
FEATURES: frozenset[str] = frozenset()
"""Words of ``required_features`` that this program knows."""

RUN_SCHEMA = "maskstat-run/1"
STATUSES = ("complete", "partial", "failed")

MEMBER_NAME = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Every group's, dataset's and run's name."""
LAYOUT_ID = re.compile(r"[0-9a-f]{16}")
SERIES_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")

ALLOWED_DTYPES = ("u1", "u2", "i8", "f4", "f8")
"""Little-endian NumPy names."""

AttributeKind: TypeAlias = Literal["text", "i8", "i8[]"]


class Attribute(NamedTuple):
    """One attribute: fixed-length ASCII text, one i8, or a vector of them."""

    name: str
    kind: AttributeKind
    required: bool
    meaning: str


class Dataset(NamedTuple):
    """One dataset of a run.

    Parameters
    ----------
    path
        Relative to the run; ``<name>`` stands for any allowed name.
    dtype
        Little-endian NumPy name.
    shapes
        Allowed shapes. A letter has one value in the whole run, ``I'`` and ``E`` in the dataset.
    required
        Whether every run has it.
    meaning
        One line.
    attributes
        What the dataset carries.
    eager
        Whether a reader loads it whole, so that it counts against the budget.
    """

    path: str
    dtype: str
    shapes: tuple[tuple[str | int, ...], ...]
    required: bool
    meaning: str
    attributes: tuple[Attribute, ...] = ()
    eager: bool = True


class Series(NamedTuple):
    """A measured value that has an agreed name."""

    name: str
    unit: str
    meaning: str


ROOT_ATTRIBUTES = (
    Attribute("format", "text", True, f'"{FORMAT}"'),
    Attribute("format_version", "text", True, f'"{VERSION}"'),
    Attribute("required_features", "text", True, "words that a reader must know; empty in 1.0"),
    Attribute("writer", "text", True, "the program and its version"),
    Attribute("content_digest", "text", True, "digest over the runs' names and digests"),
)

RUN_ATTRIBUTES = (
    Attribute("layout", "text", True, "id of the layout"),
    Attribute("status", "text", True, " | ".join(f'"{s}"' for s in STATUSES)),
    Attribute("n_iterations", "i8", True, "I, the dense iteration 0 included"),
    Attribute("digest", "text", True, "SHA-256 of the manifest, `sha256:` and 64 hex digits"),
    Attribute("recipe_digest", "text", True, "SHA-256 of the resolved recipe; empty if none"),
    Attribute("model", "text", True, "what was pruned; empty if not known"),
    Attribute("dataset", "text", True, "on what; empty if not known"),
    Attribute("method", "text", True, "how; empty if not known"),
    Attribute("seed", "i8", False, "the base seed"),
    Attribute("replicate", "i8", False, "which repetition under the seed"),
)

_ITERATIONS = Attribute("iterations", "i8[]", True, "the iterations of the rows, increasing")
_NAME = Attribute("name", "text", True, "the data set's name as given, non-ASCII escaped")

LAYOUT = Dataset("layouts/<id>", "u1", (("n",),), True, "canonical JSON: layers, others, graph")

GROUPS = ("series", "outputs", "labels", "weights", "others")
"""Optional groups of a run; none is empty."""

DATASETS = (
    Dataset("masks", "u1", (("I", "B"),), True, "packed masks, row t for iteration t", (), False),
    Dataset("mask_digests", "u1", (("I", 32),), True, "SHA-256 of each row's bytes"),
    Dataset("kept", "i8", (("I", "L"),), True, "set bits a layer, redundant on purpose"),
    Dataset(
        "effective",
        "i8",
        (("I", "L", 2),),
        False,
        "kept and connected to the output; kept and connected to input and output",
    ),
    Dataset(
        "series/<name>",
        "f8",
        (("I",), ("I", "E")),
        False,
        "a measured value an iteration, or an iteration and epoch; NaN = not measured",
    ),
    Dataset(
        "outputs/<name>",
        "f4",
        (("I'", "N", "C"),),
        False,
        "logits on a fixed evaluation set",
        (_ITERATIONS, _NAME),
        False,
    ),
    Dataset(
        "labels/<name>", "i8", (("N",),), False, "true classes beside `outputs/<name>`", (_NAME,)
    ),
    *(
        Dataset(
            f"weights/{kind}", "f4", (("I'", "P"),), False, meaning, (_ITERATIONS,), eager=False
        )
        for kind, meaning in (
            ("initial", "prunable weights at initialization, layout order, C order"),
            ("rewind", "prunable weights that are rewound to"),
            ("final", "prunable weights after training"),
        )
    ),
    Dataset("others/initial", "f4", (("Q",),), False, "the rest of the state dict", (), False),
    Dataset("others/rewind", "f4", (("Q",),), False, "the same, rewound to", (), False),
    Dataset("others/final", "f4", (("Q",),), False, "the same after training", (), False),
    Dataset("votes", "u2", (("P",),), False, "in how many inputs each weight is kept", (), False),
    Dataset("provenance", "u1", (("n",),), True, "canonical JSON: where it came from; no times"),
    Dataset(
        "clock",
        "u1",
        (("n",),),
        True,
        "canonical JSON: when and how long; in no digest",
        (Attribute("sha256", "text", True, "SHA-256 of its bytes, 64 hex digits"),),
    ),
    Dataset("manifest", "u1", (("n",),), True, "canonical JSON: what the digest is taken over"),
)

SERIES = (
    Series("test_accuracy", "fraction", "on the test set, after training"),
    Series("test_loss", "nats", "mean cross-entropy on the test set, after training"),
    Series("validation_accuracy", "fraction", "on the validation part"),
    Series("validation_loss", "nats", "mean cross-entropy on the validation part"),
    Series("train_accuracy", "fraction", "on the training part"),
    Series("train_loss", "nats", "mean cross-entropy on the training part"),
    Series("learning_rate", "1", "step size of the optimizer"),
)

KIB, MIB = 1 << 10, 1 << 20

ATTRIBUTES: Final = 64
ATTRIBUTE_BYTES: Final = 64 * KIB
TEXT_BYTES: Final = 4 * KIB
STORED_ITERATIONS: Final = 8_000
OBJECTS: Final = 1_000_000
RUNS: Final = 100_000
MEMBERS: Final = 256
RANK: Final = 4
ELEMENTS: Final = 1 << 45
CHUNK_BYTES: Final = 4 * MIB
CHUNK_FLOOR: Final = 4 * KIB
DEFLATE_RATIO: Final = 1_100
HEADER_BYTES: Final = 8 * MIB
JSON_BYTES: Final = 16 * MIB
JSON_TOKENS: Final = 500_000
JSON_WEIGHT: Final = 16
BUDGET_BASE: Final = 64 * MIB
BUDGET_RATIO: Final = 16

CHUNK_TARGET: Final = MIB
CHUNK_MINIMUM: Final = 256 * KIB
ROWS_PER_CHUNK: Final = 32
SHORT_ROW: Final = 64 * KIB

EAGER_RUNS: Final = 32
"""An archive of at most so many runs is guarded whole when it is opened, a larger one by run."""
ROW_IN_MEMORY: Final = 32 * MIB
"""Rows and arrays up to this size are checked before any of them is used, longer ones streamed."""
SMALL_FILE: Final = MIB
"""Files up to this size are read whole when they are opened, and hold no descriptor."""
IMAGE_BYTES: Final = 64 * MIB
"""Up to this size an archive is built in memory, above it in the temporary file."""

LIMITS = (
    ("attributes of one object", f"{ATTRIBUTES}"),
    ("bytes of one attribute", f"{ATTRIBUTE_BYTES:,}"),
    ("bytes of one text attribute", f"{TEXT_BYTES:,}"),
    ("stored iterations (`I'`)", f"{STORED_ITERATIONS:,}"),
    ("bytes of one object's header", f"{HEADER_BYTES:,}"),
    ("objects in one archive", f"{OBJECTS:,}"),
    ("runs, and layouts", f"{RUNS:,}"),
    ("members of any other group", f"{MEMBERS}"),
    ("dimensions of a dataset", f"{RANK}"),
    ("elements of a dataset", f"{ELEMENTS:,}"),
    ("bytes of a dataset", f"{DEFLATE_RATIO:,} x the file's size"),
    ("bytes of one chunk, decompressed", f"{CHUNK_BYTES:,}"),
    ("chunks of a dataset of n bytes", f"64 + n / {CHUNK_FLOOR:,}"),
    ("decompressed over stored bytes of one chunk", f"{DEFLATE_RATIO:,}"),
    ("bytes of one JSON document", f"{JSON_BYTES:,}"),
    ("brackets, braces and commas of one JSON document", f"{JSON_TOKENS:,}"),
    (
        f"bytes loaded at once (JSON counts {JSON_WEIGHT}-fold)",
        f"{BUDGET_BASE:,} + {BUDGET_RATIO} x what the file takes on the disk",
    ),
)
"""Limit and value, for the format page."""

CODES: Mapping[str, str] = {
    "no-such-file": "there is no file at this path",
    "not-a-file": "the path is a folder, a device or a pipe",
    "empty-file": "the file has no content",
    "not-an-archive": "the file is something else",
    "unsupported-version": "the file follows a major version that this program does not read",
    "unsupported-feature": "the file requires something that this program does not know",
    "corrupt-superblock": "the first 48 bytes are not those of a whole archive",
    "truncated": "the file is shorter than it says",
    "trailing-bytes": "the file goes on after its stated end",
    "unclosed": "the file's writer did not finish",
    "corrupt-structure": "HDF5 metadata that are damaged, or of a kind that archives do not have",
    "unsafe-link": "a soft, external or user-defined link",
    "unsafe-alias": "one object under two names, or a cycle",
    "unsafe-object": "something other than a group or a dataset, or an unchecked header",
    "unsafe-name": "a name outside the allowed pattern",
    "unsafe-attribute": "an attribute of a wrong type, size or content, or too many of them",
    "unsafe-type": "a dataset of a type that is not allowed",
    "unsafe-storage": "data that are not stored in chunks in this file",
    "unsafe-filter": "a filter other than one deflate",
    "unsafe-shape": "a shape that is not the expected one, or can grow",
    "unsafe-chunk": "chunks that are too large, too many or out of order",
    "unsafe-overlap": "parts of the file that share bytes, or lie outside it",
    "unsafe-budget": "more to load at once than a file of this size may ask for",
    "unexpected-member": "an object or attribute that format 1.0 does not have",
    "missing-member": "a required object or attribute is not there",
    "missing-chunk": "a part of a dataset was never written",
    "corrupt-chunk": "a chunk that does not decompress to its size",
    "corrupt-digest": "content that does not match its digest",
    "corrupt-manifest": "a manifest that does not describe its run",
    "corrupt-json": "text that is not canonical JSON",
    "corrupt-layout": "a layout that does not follow the rules",
    "corrupt-run": "attributes or tables of a run that contradict each other",
    "corrupt-padding": "a set bit where the mask has only padding",
    "corrupt-kept": "counts of kept weights that are not the mask's",
    "not-dense": "a first row that is not the dense network",
    "closed-archive": "a run was asked of an archive that was closed",
    "no-such-run": "the archive has no run of this name",
    "no-runs": "there are no runs to write, or none in the file",
    "bad-run": "a run that contradicts itself cannot be written",
    "duplicate-run": "two runs of one name cannot be written into one archive",
    "not-a-run": "what is to be written is no run",
    "output-exists": "the output is there already",
    "no-such-folder": "the output's folder is not there",
    "not-a-folder": "many files would go into what is no folder",
    "permission-denied": "the file system does not allow it",
    "disk-full": "no space is left",
    "write-failed": "the file system failed while writing",
    "read-failed": "the file system failed while reading",
}
"""Every code this package raises, with one line for the documentation."""
