"""Layouts as text: what `/layouts/<id>` holds."""

from __future__ import annotations

import math
from typing import Any

from maskstat.archive import canonical, spec
from maskstat.errors import CorruptArchiveError, InputError
from maskstat.layout import Layout

__all__ = ["from_text", "to_text"]

_LAYER_KEYS = {"bit_offset", "n_bits", "name", "shape", "weight_offset"}
_RANK = 16


def to_text(layout: Layout, *, place: str = "") -> bytes:
    """Write a layout as canonical JSON.

    Raises
    ------
    InputError
        Its layers do not lie one after another, or two have one name.
    """
    text = canonical.encode(_document(layout), place=place)
    try:
        same = from_text(text, place=place) == layout
    except CorruptArchiveError as error:
        raise InputError(f"its layout: {error.fact}", code="bad-run", place=place) from error
    if not same:
        raise InputError("its layers do not lie one after another", code="bad-run", place=place)
    return text


def from_text(text: bytes, *, place: str) -> Layout:
    """Read a layout and check every number in it.

    Raises
    ------
    CorruptArchiveError
        It is not what the format says.
    """
    document = canonical.decode(text, place=place)
    if not isinstance(document, dict) or set(document) != {"graph", "layers", "others"}:
        raise _corrupt("it does not hold graph, layers and others", place)
    layers = _shapes(document["layers"], _LAYER_KEYS, least=1, place=place)
    others = _shapes(document["others"], {"name", "offset", "shape"}, least=0, place=place)
    graph = document["graph"]
    if not isinstance(graph, list) or not all(isinstance(node, dict) for node in graph):
        raise _corrupt("its graph is no list of operations", place)
    if not layers:
        raise _corrupt("it has no layers", place)
    layout = Layout.from_shapes(layers, others=others, graph=graph)
    if layout.size > spec.ELEMENTS or layout.n_others > spec.ELEMENTS:
        raise _corrupt("it has too many weights", place)
    if canonical.encode(_document(layout)) != text:
        raise _corrupt("its offsets are not those of its shapes", place)
    return layout


def _document(layout: Layout) -> dict[str, Any]:
    return {
        "graph": [dict(node) for node in layout.graph],
        "layers": [
            {
                "bit_offset": 64 * layer.word_offset,
                "n_bits": layer.size,
                "name": layer.name,
                "shape": list(layer.shape),
                "weight_offset": layer.weight_offset,
            }
            for layer in layout.layers
        ],
        "others": [
            {"name": other.name, "offset": other.offset, "shape": list(other.shape)}
            for other in layout.others
        ],
    }


def _shapes(
    entries: object, keys: set[str], *, least: int, place: str
) -> dict[str, tuple[int, ...]]:
    """Return name to shape, every entry well formed and every name once."""
    if not isinstance(entries, list):
        raise _corrupt("its layers are no list", place)
    shapes: dict[str, tuple[int, ...]] = {}
    for entry in entries:
        if not isinstance(entry, dict) or set(entry) != keys:
            raise _corrupt("a layer does not have the expected keys", place)
        name, shape = entry["name"], entry["shape"]
        if not isinstance(name, str) or not name or name in shapes:
            raise _corrupt("a layer's name is empty or comes twice", place)
        if (
            not isinstance(shape, list)
            or len(shape) > _RANK
            or any(type(n) is not int or not least <= n <= spec.ELEMENTS for n in shape)
            or math.prod(shape) > spec.ELEMENTS
        ):
            raise _corrupt("a layer's shape is not allowed", place)
        shapes[name] = tuple(shape)
    return shapes


def _corrupt(fact: str, place: str) -> CorruptArchiveError:
    return CorruptArchiveError(
        fact, code="corrupt-layout", place=place, consequence="the masks cannot be read"
    )
