"""Guard rules for links, objects and attributes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from maskstat.archive import spec
from maskstat.archive.hdf5 import AttributeFacts, HdfFile, LinkFacts, ObjectFacts
from maskstat.errors import CorruptArchiveError, UnsafeArchiveError, printable

__all__ = ["AttributeValue", "ObjectBook", "check_link", "missing", "read_attributes", "refuse"]

AttributeValue: TypeAlias = str | int | float | list[int] | list[float]

_PRINTABLE = re.compile(rb"[ -~]*")


def refuse(fact: str, code: str, place: str, consequence: str = "") -> UnsafeArchiveError:
    """Build the error that ends the reading of a file."""
    return UnsafeArchiveError(
        fact,
        code=code,
        place=place,
        consequence=consequence or "the file is refused; nothing of this was read",
    )


def missing(what: str, place: str) -> CorruptArchiveError:
    """Build the error for something that every archive has and this one has not."""
    return CorruptArchiveError(
        f"{what} is missing", code="missing-member", place=place, consequence="it is not whole"
    )


def check_link(link: LinkFacts, place: str) -> str:
    """Return the name of a hard link with an allowed name."""
    shown = printable(link.name.decode("latin-1"))
    if not spec.MEMBER_NAME.fullmatch(link.name):
        raise refuse(
            f"the name '{shown}' is not allowed",
            "unsafe-name",
            place,
            "letters, digits, '.', '_' and '-', at most 64, are",
        )
    if not link.hard:
        raise refuse(
            f"'{shown}' is a link to somewhere else",
            "unsafe-link",
            place,
            "links are never followed",
        )
    return link.name.decode("ascii")


class ObjectBook:
    """The objects met so far in a file: each once, and not too many."""

    def __init__(self) -> None:
        self._addresses: set[int] = set()

    def meet(self, address: int, place: str) -> None:
        """Check, before it is read, that an object was not met before."""
        if address in self._addresses:
            raise refuse("it has more than one name", "unsafe-alias", place)

    def enter(self, facts: ObjectFacts, place: str) -> None:
        """Check one more object."""
        if facts.header_version != 2:
            raise refuse("its header has no checksum", "unsafe-object", place)
        if facts.kind == "other":
            raise refuse(
                "it is neither a group nor a dataset",
                "unsafe-object",
                place,
                "archives hold nothing else",
            )
        if facts.references != 1:
            raise refuse("it has more than one name", "unsafe-alias", place)
        if facts.n_attributes > spec.ATTRIBUTES:
            raise refuse(f"it has {facts.n_attributes} attributes", "unsafe-attribute", place)
        if facts.dense_attributes:
            raise refuse("its attributes are not in its header", "unsafe-attribute", place)
        self._addresses.add(facts.address)
        if len(self._addresses) > spec.OBJECTS:
            raise refuse("there are too many objects", "unsafe-object", place)


def read_attributes(
    hdf: HdfFile,
    found: Sequence[AttributeFacts],
    expected: Sequence[spec.Attribute],
    *,
    place: str,
    strict: bool,
) -> dict[str, AttributeValue]:
    """Check an object's attributes, all of them before any is read, and read them.

    Parameters
    ----------
    hdf
        The file.
    found
        All the object's attributes.
    expected
        What it may have.
    place
        Named in errors.
    strict
        Whether to refuse attributes that are not expected.
    """
    facts = {}
    known = {attribute.name: attribute for attribute in expected}
    for attribute in found:
        name = _check_attribute(attribute, place)
        if name in facts:
            raise refuse(f"it has two attributes '{name}'", "unsafe-attribute", place)
        wanted = known.get(name)
        if wanted is None and strict:
            raise refuse(
                f"it has an attribute '{name}'",
                "unexpected-member",
                place,
                f"format {spec.VERSION} has none of this name",
            )
        if wanted is not None and not _is(wanted.kind, attribute):
            raise refuse(f"attribute '{name}' has a wrong type or shape", "unsafe-attribute", place)
        facts[name] = attribute
    for wanted in expected:
        if wanted.required and wanted.name not in facts:
            raise missing(f"attribute '{wanted.name}'", place)
    return {name: _read(hdf, attribute, place) for name, attribute in facts.items()}


def _check_attribute(attribute: AttributeFacts, place: str) -> str:
    """Return the attribute's name if it has an allowed one, type, shape and size."""
    if not spec.MEMBER_NAME.fullmatch(attribute.name):
        shown = printable(attribute.name.decode("latin-1"))
        raise refuse(f"the attribute name '{shown}' is not allowed", "unsafe-name", place)
    name = attribute.name.decode("ascii")
    shape = attribute.shape
    if attribute.kind not in ("text", "i8", "f8") or shape is None or len(shape) > 1:
        raise refuse(
            f"attribute '{name}' has a type that is not allowed", "unsafe-attribute", place
        )
    limit = spec.TEXT_BYTES if attribute.kind == "text" else spec.ATTRIBUTE_BYTES
    length = shape[0] if shape else 1
    if length < 1 or length * attribute.n_bytes > limit or (attribute.kind == "text" and shape):
        raise refuse(f"attribute '{name}' is too large", "unsafe-attribute", place)
    return name


def _is(kind: spec.AttributeKind, attribute: AttributeFacts) -> bool:
    if kind == "i8[]":
        return attribute.kind == "i8" and attribute.shape != ()
    return attribute.kind == kind and attribute.shape == ()


def _read(hdf: HdfFile, attribute: AttributeFacts, place: str) -> AttributeValue:
    if attribute.kind != "text":
        numbers = hdf.numbers(attribute, place)
        return numbers if attribute.shape else numbers[0]
    raw = hdf.text(attribute, place).rstrip(b"\0")
    if not _PRINTABLE.fullmatch(raw):
        name = attribute.name.decode("ascii")
        raise refuse(
            f"attribute '{name}' holds more than printable ASCII", "unsafe-attribute", place
        )
    return raw.decode("ascii")
