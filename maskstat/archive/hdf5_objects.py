"""HDF5 object headers: the messages of a group or dataset, read without the HDF5 library."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from maskstat.archive import spec
from maskstat.archive.hdf5_blocks import UNDEFINED, Blocks, Cursor, broken
from maskstat.archive.hdf5_messages import SHARED, AttributeFacts, Message, parse_attribute

__all__ = ["Header", "Kind", "ObjectFacts", "read_header"]

Kind: TypeAlias = Literal["group", "dataset", "other"]

_PARTS = 4_096
_TIMES, _PHASES, _ORDERED = 32, 16, 4
_MUST_UNDERSTAND = 0x80

NIL, SPACE, LINK_INFO, DTYPE, OLD_FILL, FILL = 0x00, 0x01, 0x02, 0x03, 0x04, 0x05
LINK, EXTERNAL, LAYOUT, GROUP_INFO, FILTERS, ATTRIBUTE = 0x06, 0x07, 0x08, 0x0A, 0x0B, 0x0C
COMMENT, CONTINUED, TIME, ATTRIBUTE_INFO, REFERENCES = 0x0D, 0x10, 0x12, 0x15, 0x16
_KNOWN = {
    NIL, SPACE, LINK_INFO, DTYPE, OLD_FILL, FILL, LINK, EXTERNAL, LAYOUT, GROUP_INFO, FILTERS,
    ATTRIBUTE, COMMENT, CONTINUED, TIME, ATTRIBUTE_INFO, REFERENCES,
}  # fmt: skip
_REPEATED = {NIL, LINK, ATTRIBUTE, CONTINUED}


class ObjectFacts(NamedTuple):
    """What a hard link leads to."""

    kind: Kind
    address: int
    references: int
    header_version: int
    n_attributes: int
    dense_attributes: bool
    """Whether attributes are stored outside the object's header."""


class Header(NamedTuple):
    """An object's header."""

    facts: ObjectFacts
    messages: tuple[Message, ...]

    def find(self, kind: int) -> Message | None:
        """Return the message of a kind that comes once."""
        return next((m for m in self.messages if m.kind == kind), None)

    def attributes(self, place: str) -> list[AttributeFacts]:
        """Describe the attributes in the header."""
        return [parse_attribute(m.data, place) for m in self.messages if m.kind == ATTRIBUTE]


def read_header(blocks: Blocks, address: int, place: str) -> Header:
    """Read the header of the object at an address."""
    prefix = blocks.peek(address, 6, place)
    if prefix[:1] == b"\1":  # of a version without signature and checksum
        return Header(ObjectFacts("other", address, 1, 1, 0, False), ())
    if prefix[:5] != b"OHDR\2":
        raise broken("there is no object where it should be", place)
    flags = prefix[5]
    if flags > 63:
        raise broken("its header has flags of no known kind", place)
    first = 6 + (16 if flags & _TIMES else 0) + (4 if flags & _PHASES else 0)
    width = 1 << (flags & 3)
    length = int.from_bytes(blocks.peek(address + first, width, place), "little")
    total = first + width + length
    if total > spec.HEADER_BYTES:
        raise broken("its header is too large", place)
    content = blocks.read(address, total + 4, b"OHDR", place)[first + width - 4 :]
    ordered = bool(flags & _ORDERED)
    messages: list[Message] = []
    waiting = _take(content, messages, place, ordered=ordered)
    parts = 0
    while waiting:
        at, size = waiting.pop()
        total, parts = total + size, parts + 1
        if total > spec.HEADER_BYTES or parts > _PARTS:
            raise broken("its header is too large", place)
        content = blocks.read(at, size, b"OCHK", place)
        waiting += _take(content, messages, place, ordered=ordered)
    return Header(_facts(messages, address, place), tuple(messages))


def _take(
    content: bytes, messages: list[Message], place: str, *, ordered: bool
) -> list[tuple[int, int]]:
    """Take the messages of one part of a header; return where it continues."""
    cursor = Cursor(content, place)
    continued = []
    while cursor.left >= (6 if ordered else 4):
        kind, size, flags = cursor.number(1), cursor.number(2), cursor.number(1)
        cursor.take(2 if ordered else 0)
        data = cursor.take(size)
        if kind == CONTINUED:
            at = Cursor(data, place)
            continued.append((at.number(8), at.number(8)))
        elif kind in _KNOWN:
            if flags & SHARED and kind != DTYPE:
                raise broken("a part of its header lies in another object", place)
            if kind != NIL:
                messages.append(Message(kind, flags, data))
        elif flags & _MUST_UNDERSTAND:
            raise broken(f"its header has a message of kind {kind:#x}", place)
    return continued


def _facts(messages: list[Message], address: int, place: str) -> ObjectFacts:
    once = [m.kind for m in messages if m.kind not in _REPEATED]
    kinds = set(once)
    if len(kinds) != len(once):
        raise broken("its header says something twice", place)
    is_group, is_dataset = LINK_INFO in kinds, {SPACE, DTYPE, LAYOUT} <= kinds
    kind: Kind = "other"
    if is_group != is_dataset:
        kind = "group" if is_group else "dataset"
    references, dense = 1, False
    for message in messages:
        cursor = Cursor(message.data, place)
        if message.kind == REFERENCES:
            cursor.expect(0, 1, "version of references")
            references = cursor.number(4)
        elif message.kind == ATTRIBUTE_INFO:
            cursor.expect(0, 1, "version of attribute storage")
            cursor.take(2 if cursor.number(1) & 1 else 0)
            dense = cursor.number(8) != UNDEFINED
    n_attributes = sum(m.kind == ATTRIBUTE for m in messages)
    return ObjectFacts(kind, address, references, 2, n_attributes, dense)
