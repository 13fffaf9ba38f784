"""Digests: SHA-256 over content, not over the bytes of a file.

A run's digest is that of its manifest, a canonical JSON text that names every attribute and
dataset of the run with type, shape and the SHA-256 of the values. It does not depend on HDF5,
filters, the run's name or the file it lies in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from maskstat.archive import canonical, spec

__all__ = ["OUTSIDE", "content_digest", "layout_digest", "layout_id", "manifest", "run_digest"]

OUTSIDE = ("clock", "manifest")
"""Datasets that the manifest does not name."""


def manifest(
    attributes: Mapping[str, Any], datasets: Mapping[str, Mapping[str, Any]], layout: str
) -> bytes:
    """Build the text that a run's digest is taken over.

    Parameters
    ----------
    attributes
        The run's attributes; ``digest`` is left out.
    datasets
        Path to ``attributes``, ``dtype``, ``shape`` and ``sha256``; those `OUTSIDE` are left out.
    layout
        SHA-256 of the layout's text, 64 hex digits.
    """
    return canonical.encode(
        {
            "attributes": {k: v for k, v in attributes.items() if k != "digest"},
            "datasets": {k: v for k, v in datasets.items() if k not in OUTSIDE},
            "layout": layout,
            "schema": spec.RUN_SCHEMA,
        }
    )


def run_digest(manifest_text: bytes) -> str:
    """Return ``sha256:`` and the digest of a run's manifest."""
    return f"sha256:{sha256(manifest_text).hexdigest()}"


def layout_digest(text: bytes) -> str:
    """Return the SHA-256 of a layout's text, hexadecimal."""
    return sha256(text).hexdigest()


def layout_id(text: bytes) -> str:
    """Return the name of a layout: the first 16 digits of its SHA-256."""
    return layout_digest(text)[:16]


def content_digest(runs: Iterable[tuple[str, str]]) -> str:
    """Return the digest of an archive from its runs' names and digests.

    Parameters
    ----------
    runs
        Pairs of name and digest, in any order.
    """
    text = canonical.encode(
        {"format": f"{spec.FORMAT}/{spec.MAJOR}", "runs": [list(pair) for pair in sorted(runs)]}
    )
    return f"sha256:{sha256(text).hexdigest()}"
