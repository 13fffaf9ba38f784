"""Text that goes into attributes and names: always printable ASCII."""

from __future__ import annotations

import re
from hashlib import sha256

from maskstat.archive import spec
from maskstat.errors import InputError, printable

__all__ = ["attribute_text", "member_name"]

_OTHER = re.compile(r"[^A-Za-z0-9._-]")


def attribute_text(text: str, *, place: str) -> str:
    r"""Escape what is not printable ASCII.

    Raises
    ------
    InputError
        It is too long for an attribute.

    Examples
    --------
    >>> attribute_text("naïve", place="")
    'na\\xefve'
    """
    escaped = printable(text).encode("ascii", "backslashreplace").decode("ascii")
    if len(escaped) > spec.TEXT_BYTES:
        raise InputError(
            f"a text of {len(escaped):,} characters",
            code="bad-run",
            place=place,
            consequence=f"at most {spec.TEXT_BYTES:,} are allowed",
        )
    return escaped


def member_name(text: str) -> str:
    """Return the member of ``outputs`` and ``labels`` for a data set's escaped name.

    An allowed name is its own. Of any other the disallowed characters become ``-``, and eight
    digits of its SHA-256 keep it apart from others.

    Examples
    --------
    >>> member_name("mnist"), member_name("emnist:balanced")
    ('mnist', 'emnist-balanced-43d018ce')
    """
    if spec.MEMBER_NAME.fullmatch(text.encode("ascii")):
        return text
    plain = _OTHER.sub("-", text)[:48].lstrip("._-") or "data"
    return f"{plain}-{sha256(text.encode('ascii')).hexdigest()[:8]}"
