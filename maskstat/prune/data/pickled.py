"""Read numbers, text and arrays out of a pickle without running what it asks for.

A pickle is a program for a small stack machine. This machine knows the instructions that build
plain values, and of everything a program may call only what numpy arrays and byte strings are
rebuilt by, which it does itself: nothing is imported and nothing is called.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.prune.data.checks import lie

__all__ = ["unpickled"]

Values: TypeAlias = list[Any]

_CONSTANTS: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
_NUMBERS = frozenset({"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "BINFLOAT"})
_TEXTS = frozenset({"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"})
_BYTES = frozenset({"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"})
_OLD_BYTES = frozenset({"STRING", "BINSTRING", "SHORT_BINSTRING"})
_DTYPES = {"u1": np.dtype(np.uint8), "i8": np.dtype("<i8"), "i4": np.dtype("<i4")}


class _Mark:
    """Where on the stack a list of values begins."""


class _Dtype:
    """A numpy dtype to be."""

    def __init__(self, code: str) -> None:
        self.dtype = _DTYPES[code.lstrip("|<")]


class _Array:
    """A numpy array to be."""

    value: NDArray[Any] | None = None

    def fill(self, shape: object, dtype: object, fortran: object, data: object) -> None:
        """Take the parts that numpy pickles an array as."""
        if not (isinstance(shape, tuple) and isinstance(dtype, _Dtype) and isinstance(data, bytes)):
            raise TypeError("an array that is not one of plain numbers")
        order = "F" if fortran in (True, "F") else "C"
        self.value = np.frombuffer(data, dtype.dtype).reshape(shape, order=order)


def unpickled(data: bytes, *, place: str) -> object:
    """Return what a pickle describes.

    Parameters
    ----------
    data
        The pickle, of any protocol.
    place
        Where it is from, for errors.

    Returns
    -------
    object
        Dictionaries, lists, tuples, numbers, text, bytes and numpy arrays; text of Python 2 as
        bytes.

    Raises
    ------
    InputError
        It is no pickle, is damaged, or asks for anything else.
    """
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "STOP":
                return _finished(machine.stack.pop())
            machine.step(opcode.name, argument)
    except _RefusedError as refused:
        raise lie(
            f"its pickle asks for {refused}; only numbers, text and arrays are read from one",
            place=place,
        ) from None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise lie(f"its pickle is damaged: {error}", place=place) from None
    raise lie("its pickle has no end", place=place)


class _RefusedError(Exception):
    """A program wants what this machine does not do."""


class _Machine:
    """A stack and a memo."""

    def __init__(self) -> None:
        self.stack: Values = []
        self._memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """Carry out one instruction."""
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _NUMBERS or name in _TEXTS:
            self.stack.append(argument)
        elif name in _BYTES:
            self.stack.append(bytes(argument))
        elif name in _OLD_BYTES:
            self.stack.append(argument.encode("latin-1"))
        elif name in ("PROTO", "FRAME"):
            pass
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self._memo[argument] = self.stack[-1]
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self._memo[argument])
        elif name == "GLOBAL":
            self.stack.append(_known(*argument.split(" ", 1)))
        elif handler := _HANDLERS.get(name):
            handler(self)
        else:
            raise _RefusedError(f"the instruction {name}")

    def take(self, n: int) -> Values:
        """Take the topmost values off the stack."""
        if len(self.stack) < n:
            raise IndexError("the stack is empty")
        taken = self.stack[len(self.stack) - n :]
        del self.stack[len(self.stack) - n :]
        return taken

    def since_mark(self) -> Values:
        """Take what lies above the topmost mark, and the mark."""
        n = next(i for i, value in enumerate(reversed(self.stack)) if isinstance(value, _Mark))
        return self.take(n + 1)[1:]


def _setitems(machine: _Machine, items: Values) -> None:
    target = machine.stack[-1]
    if not isinstance(target, dict):
        raise TypeError("items for what is no dictionary")
    target.update(zip(items[::2], items[1::2], strict=True))


def _appends(machine: _Machine, items: Values) -> None:
    target = machine.stack[-1]
    if not isinstance(target, list):
        raise TypeError("items for what is no list")
    target.extend(items)


def _stack_global(machine: _Machine) -> None:
    module, name = machine.take(2)
    machine.stack.append(_known(module, name))


def _reduce(machine: _Machine) -> None:
    function, arguments = machine.take(2)
    machine.stack.append(function(*arguments))


def _build(machine: _Machine) -> None:
    (state,) = machine.take(1)
    target = machine.stack[-1]
    if isinstance(target, _Array):
        target.fill(*state[1:])
    elif not isinstance(target, _Dtype):
        raise _RefusedError("the state of an object")
    elif state[1] not in ("<", "|", b"<", b"|"):
        raise _RefusedError("numbers in another byte order")


_HANDLERS: Mapping[str, Callable[[_Machine], None]] = {
    "MARK": lambda m: m.stack.append(_Mark()),
    "POP": lambda m: m.take(1) and None,
    "TUPLE": lambda m: m.stack.append(tuple(m.since_mark())),
    "TUPLE1": lambda m: m.stack.append(tuple(m.take(1))),
    "TUPLE2": lambda m: m.stack.append(tuple(m.take(2))),
    "TUPLE3": lambda m: m.stack.append(tuple(m.take(3))),
    "LIST": lambda m: m.stack.append(m.since_mark()),
    "DICT": lambda m: (m.stack.append({}), _setitems(m, m.since_mark()))[1],
    "SETITEM": lambda m: _setitems(m, m.take(2)),
    "SETITEMS": lambda m: _setitems(m, m.since_mark()),
    "APPEND": lambda m: _appends(m, m.take(1)),
    "APPENDS": lambda m: _appends(m, m.since_mark()),
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _reduce,
    "BUILD": _build,
}
