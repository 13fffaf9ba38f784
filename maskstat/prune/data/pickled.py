"""Read numbers, text and arrays out of a pickle without running what it asks for.

A pickle is a program for a small stack machine. This machine knows the instructions that build
plain values, and of everything a program may call only what numpy arrays and byte strings are
rebuilt by, which it does itself: nothing is imported and nothing is called.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskstat.errors import printable
from maskstat.prune.data.checks import lie

__all__ = ["unpickled"]

_CONSTANTS: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
_LITERALS = frozenset(
    {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
    | {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
)
_BYTES = frozenset({"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"})
_OLD_BYTES = frozenset({"STRING", "BINSTRING", "SHORT_BINSTRING"})
_DTYPES: Mapping[str, np.dtype[Any]] = {
    "u1": np.dtype("u1"),
    "i4": np.dtype("<i4"),
    "i8": np.dtype("<i8"),
}


def unpickled(data: bytes, *, place: str) -> dict[Any, Any]:
    """Return the dictionary that a pickle describes.

    Parameters
    ----------
    data
        The pickle, of any protocol.
    place
        Where it is from, for errors.

    Returns
    -------
    dict
        With lists, tuples, numbers, text, bytes and, directly in it, numpy arrays; text of
        Python 2 as bytes.

    Raises
    ------
    InputError
        It is no pickle, is damaged, or asks for anything else.
    """
    machine = _Machine(allowance=len(data))
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name != "STOP":
                machine.step(opcode.name, argument)
        (result,) = machine.stack
        if not isinstance(result, dict):
            raise _RefusedError(f"a {type(result).__name__}, no dictionary")
        return {k: v.filled() if isinstance(v, _Array) else v for k, v in result.items()}
    except _RefusedError as refused:
        raise lie(
            f"its pickle asks for {printable(str(refused))}; only numbers, text and arrays are "
            "read from one",
            place=place,
        ) from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise lie(f"its pickle is damaged: {printable(str(error))}", place=place) from None


class _RefusedError(Exception):
    """A program wants what this machine does not do."""


class _Mark:
    """Where on the stack a list of values begins."""


class _Array:
    """A numpy array to be."""

    def __init__(self) -> None:
        self._value: NDArray[Any] | None = None

    def fill(self, shape: object, dtype: object, fortran: object, data: object) -> None:
        """Take the parts that numpy pickles an array as."""
        if not (isinstance(shape, tuple) and isinstance(dtype, np.dtype)):
            raise TypeError("an array without a shape or type")
        if not isinstance(data, bytes):
            raise _RefusedError("an array of objects")
        flat = np.frombuffer(data, dtype)
        self._value = flat.reshape(shape, order="F" if fortran in (True, "F") else "C")

    def filled(self) -> NDArray[Any]:
        """Return the array."""
        if self._value is None:
            raise TypeError("an array without content")
        return self._value


class _Machine:
    """A stack, a memo, and how many more bytes may be copied."""

    def __init__(self, *, allowance: int) -> None:
        self.stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._allowance = allowance

    def step(self, name: str, argument: Any) -> None:
        """Carry out one instruction."""
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _LITERALS:
            self.stack.append(argument)
        elif name in _BYTES:
            self.stack.append(bytes(argument))
        elif name in _OLD_BYTES:
            self.stack.append(argument.encode("latin-1"))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self._memo[argument] = self.stack[-1]
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self._memo[argument])
        elif name == "GLOBAL":
            self.stack.append(_known(*argument.split(" ", 1)))
        elif name in _HANDLERS:
            _HANDLERS[name](self)
        elif name not in ("PROTO", "FRAME"):
            raise _RefusedError(f"the instruction {name}")

    def take(self, n: int) -> list[Any]:
        """Take the topmost values off the stack."""
        if len(self.stack) < n:
            raise IndexError("the stack is empty")
        cut = len(self.stack) - n
        taken = self.stack[cut:]
        del self.stack[cut:]
        return taken

    def since_mark(self) -> list[Any]:
        """Take what lies above the topmost mark, and the mark."""
        for n, value in enumerate(reversed(self.stack)):
            if isinstance(value, _Mark):
                return self.take(n + 1)[1:]
        raise IndexError("no mark is on the stack")

    def encode(self, text: str, encoding: str) -> bytes:
        """Rebuild bytes as Python 3 pickles them for Python 2."""
        self._allowance -= len(text)
        if encoding != "latin1" or self._allowance < 0:
            raise _RefusedError("text in another encoding than latin1, or too much of it")
        return text.encode("latin-1")


def _known(module: str, name: str) -> str:
    """Return what stands for something that a program may call."""
    place = module.replace("numpy._core.", "numpy.core.").replace("__builtin__", "builtins")
    full = f"{place}.{name}"
    if full not in _CALLS and full != "numpy.ndarray":
        raise _RefusedError(f"{module}.{name}")
    return full


def _empty_array(_: _Machine, *__: object) -> _Array:
    return _Array()


def _array(_: _Machine, data: bytes, dtype: object, shape: object, order: object) -> _Array:
    array = _Array()
    array.fill(shape, dtype, order, data)
    return array


def _dtype(_: _Machine, code: str | bytes, *__: object) -> np.dtype[Any]:
    text = code.decode("ascii") if isinstance(code, bytes) else code
    if not isinstance(text, str):
        raise TypeError("an array whose type has no name")
    if text not in _DTYPES:
        raise _RefusedError(f"an array of type {text}")
    return _DTYPES[text]


_CALLS: Mapping[str, Callable[..., Any]] = {
    "_codecs.encode": _Machine.encode,
    "builtins.bytes": lambda _: b"",
    "numpy.core.multiarray._reconstruct": _empty_array,
    "numpy.core.numeric._frombuffer": _array,
    "numpy.dtype": _dtype,
}


def _reduce(machine: _Machine) -> None:
    function, arguments = machine.take(2)
    if not isinstance(function, str):
        raise TypeError("a call of what is no function")
    machine.stack.append(_CALLS[function](machine, *arguments))


def _build(machine: _Machine) -> None:
    (state,) = machine.take(1)
    target = machine.stack[-1]
    if isinstance(target, _Array):
        target.fill(*state[1:])
    elif not isinstance(target, np.dtype):
        raise _RefusedError("the state of an object")
    elif state[1] not in ("<", "|", b"<", b"|"):
        raise _RefusedError("numbers in another byte order")


def _dict(machine: _Machine) -> None:
    machine.stack.append(_pairs(machine.since_mark()))


def _setitems(machine: _Machine, items: list[Any]) -> None:
    target = machine.stack[-1]
    if not isinstance(target, dict):
        raise TypeError("items for what is no dictionary")
    target.update(_pairs(items))


def _pairs(items: list[Any]) -> dict[Any, Any]:
    """Make a dictionary of alternating keys and values.

    Only names and numbers are keys: Python crashes when it hashes deeply nested tuples.
    """
    keys = items[::2]
    if not all(isinstance(key, (str, bytes, int)) for key in keys):
        raise _RefusedError("a key that is neither a name nor a number")
    return dict(zip(keys, items[1::2], strict=True))


def _appends(machine: _Machine, items: list[Any]) -> None:
    target = machine.stack[-1]
    if not isinstance(target, list):
        raise TypeError("items for what is no list")
    target.extend(items)


_HANDLERS: Mapping[str, Callable[[_Machine], object]] = {
    "MARK": lambda m: m.stack.append(_Mark()),
    "POP": lambda m: m.take(1),
    "TUPLE": lambda m: m.stack.append(tuple(m.since_mark())),
    "TUPLE1": lambda m: m.stack.append(tuple(m.take(1))),
    "TUPLE2": lambda m: m.stack.append(tuple(m.take(2))),
    "TUPLE3": lambda m: m.stack.append(tuple(m.take(3))),
    "LIST": lambda m: m.stack.append(m.since_mark()),
    "DICT": _dict,
    "SETITEM": lambda m: _setitems(m, m.take(2)),
    "SETITEMS": lambda m: _setitems(m, m.since_mark()),
    "APPEND": lambda m: _appends(m, m.take(1)),
    "APPENDS": lambda m: _appends(m, m.since_mark()),
    "STACK_GLOBAL": lambda m: m.stack.append(_known(*m.take(2))),
    "REDUCE": _reduce,
    "BUILD": _build,
}
