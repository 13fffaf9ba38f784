"""Setting: one value of a recipe, its name in files, its type and what it may be."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

from maskstat.errors import UsageError, printable

__all__ = [
    "Setting",
    "bad_value",
    "is_augment",
    "is_input",
    "is_levels",
    "is_rewind",
    "setting",
]

_KIND_NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


def setting(
    key: str,
    default: Any,
    expected: str = "",
    allows: Callable[[Any], bool] = lambda _: True,
    *,
    items: type = str,
) -> Any:
    """Declare a field of a recipe: its dotted name, default, and what it may be."""
    told = {"key": key, "expected": expected, "allows": allows, "items": items}
    return dataclasses.field(default=default, metadata=told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is known about one setting.

    Parameters
    ----------
    key
        Its dotted name.
    kind
        Its type; a tuple's items are of type `items`.
    expected, allows
        What it may be, in words and as a test.
    """

    key: str
    kind: type
    items: type
    expected: str
    allows: Callable[[Any], bool]

    @classmethod
    def of(cls, declared: dataclasses.Field[Any]) -> Setting:
        """Return the setting that a field declares."""
        return cls(kind=type(declared.default), **declared.metadata)

    @property
    def _kind_name(self) -> str:
        if self.kind is not tuple:
            return _KIND_NAMES[self.kind]
        return "a list of names" if self.items is str else "a list of numbers"

    def checked(self, value: object) -> object:
        """Check a value's type and range; whole numbers are numbers, lists are tuples.

        Raises
        ------
        UsageError
        """
        value = self._typed(value)
        if not self.allows(value):
            raise bad_value(self.key, value, self.expected)
        return value

    def _typed(self, value: object) -> object:
        if self.kind is not tuple:
            return self._one(value, self.kind, value)
        if isinstance(value, (list, tuple)):
            return tuple(self._one(item, self.items, value) for item in value)
        raise bad_value(self.key, value, self._kind_name)

    def _one(self, value: object, kind: type, whole: object) -> object:
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            try:
                return float(value)
            except OverflowError:
                return inf if value > 0 else -inf
        if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
            return value
        raise bad_value(self.key, whole, self._kind_name)

    def parsed(self, text: str) -> object:
        """Read a value from text.

        Raises
        ------
        UsageError
        """
        try:
            if self.kind is bool:
                return {"true": True, "false": False}[text.lower()]
            if self.kind is tuple:
                return tuple(self.items(item.strip()) for item in text.split(",") if item.strip())
            return self.kind(text)
        except (KeyError, ValueError):
            raise bad_value(self.key, text, self._kind_name) from None


def bad_value(key: str, value: object, expected: str) -> UsageError:
    """Make the error for a value that a setting does not take."""
    return UsageError(
        f"it is {printable(repr(value))}",
        code="bad-value",
        place=key,
        consequence=f"it takes {expected}",
    )


def is_input(value: str) -> bool:
    """Tell whether text states channels, height and width, or nothing."""
    return not value or re.fullmatch(r"[1-9]\d{0,3}(x[1-9]\d{0,3}){2}", value) is not None


def is_augment(value: tuple[str, ...]) -> bool:
    """Tell whether all are known augmentations."""
    return set(value) <= {"flip", "crop"}


def is_levels(value: tuple[float, ...]) -> bool:
    """Tell whether pruned shares increase and lie between 0 and 1."""
    return all(a < b for a, b in zip((0.0, *value), (*value, 1.0), strict=True))


def is_rewind(value: str) -> bool:
    """Tell whether a rewinding is known."""
    return value in ("initial", "none", "random") or bool(
        re.fullmatch(r"epoch:[1-9]\d{0,5}", value)
    )
