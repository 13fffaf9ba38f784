"""Look through a torch file without unpickling it: sizes first, then the names it asks for.

A torch file is a pickle, and a pickle is a program. Its opcodes are walked over, not run; a name
that is not on a short list of constructors of tensors ends the reading. Some names that torch's own
``weights_only`` reader allows are left out, because called in a row they fill any memory.
"""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Iterator
from typing import IO, NamedTuple, cast

from maskstat.convert.zip_file import check_directory
from maskstat.errors import InputError, printable

__all__ = ["damaged", "scan"]

_LEGACY_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""What files begin with that torch wrote before 1.6: a pickle of one number."""

_ZIP_MAGIC = b"PK\x03\x04"
_PICKLE_BYTES = 1 << 25
_LEGACY_PICKLES = 5
_OPCODES = 1_000_000
_IN_A_TUPLE = 10_000
_STORAGES = ("Float", "Double", "Half", "BFloat16", "Byte", "Char", "Short", "Int", "Long", "Bool")
_CONSTRUCTORS = frozenset(
    {
        "__builtin__ dict",
        "collections OrderedDict",
        "collections defaultdict",
        "torch Size",
        "torch device",
        "torch.nn.parameter Parameter",
        "torch.storage UntypedStorage",
        *(f"torch._utils _rebuild_{what}" for what in ("parameter", "tensor_v2", "tensor_v3")),
        *(f"torch {kind}Storage" for kind in (*_STORAGES, "ComplexFloat", "ComplexDouble")),
        *(f"torch {kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
        *(f"torch float{kind}" for kind in ("16", "32", "64", "8_e4m3fn", "8_e5m2")),
        *("torch float8_e4m3fnuz", "torch float8_e5m2fnuz"),
        *("torch bool", "torch bfloat16", "torch complex64", "torch complex128"),
    }
)


def scan(file: IO[bytes], *, size: int, place: str) -> bool:
    """Refuse what is not to be unpickled.

    Parameters
    ----------
    file
        At its beginning.
    size
        Its bytes.
    place
        What to call it in errors.

    Returns
    -------
    bool
        Whether it is a zip file, whose tensors can be mapped.

    Raises
    ------
    InputError
        It is no torch file, it is damaged, it holds code, or it claims more than it has.
    """
    head = file.read(len(_LEGACY_MAGIC))
    file.seek(0)
    if head.startswith(_ZIP_MAGIC):
        _scan_zip(file, size, place)
        return True
    if head != _LEGACY_MAGIC:
        plain = head[:1] == b"\x80" and b"\x02" <= head[1:2] <= b"\x05"
        raise InputError(
            "it is a plain pickle" if plain else "torch.save did not write it",
            code="pickle-code" if plain else "not-torch",
            place=place,
            consequence="unpickling it could run any code" if plain else "",
            hint="in Python: torch.save(masks, path), or numpy.savez(path, **masks)",
        )
    for _ in range(_LEGACY_PICKLES):
        _refuse_code(_Bounded(file, place), place)
    return False


class _Bounded:
    """The next pickle of a file, which may go on for ever: a line or a text of any length."""

    def __init__(self, file: IO[bytes], place: str) -> None:
        self._file, self._place, self._left = file, place, _PICKLE_BYTES
        self.tell = file.tell

    def read(self, length: int) -> bytes:
        """Return bytes, fewer at the file's end."""
        return self._took(self._file.read(max(0, min(length, self._left + 1))))

    def readline(self) -> bytes:
        """Return the rest of a line."""
        return self._took(self._file.readline(self._left + 1))

    def _took(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise damaged(self._place, f"one of its pickles has more than {_PICKLE_BYTES:,} bytes")
        return data


def damaged(place: str, fact: str) -> InputError:
    """Return the error for a file that is not what torch writes."""
    return InputError(
        fact,
        code="corrupt-torch",
        place=place,
        consequence="it is damaged, or not what torch.save writes",
    )


def _scan_zip(file: IO[bytes], size: int, place: str) -> None:
    """Check the directory against the file, then the pickle; nothing is unpacked."""
    check_directory(file, place)
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, RuntimeError, EOFError, OSError) as error:
        raise damaged(place, "its directory is not whole") from error
    entries = archive.infolist()
    claimed = sum(entry.file_size for entry in entries)
    packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    if packed or claimed > size or any(e.file_size != e.compress_size for e in entries):
        raise InputError(
            "its parts are compressed" if packed else f"its parts claim {claimed:,} bytes",
            code="zip-bomb",
            place=place,
            consequence=f"the file has {size:,}; torch.save stores parts as they are",
        )
    if len({entry.filename for entry in entries}) != len(entries):
        raise damaged(place, "two of its parts have one name")
    pickles = [entry for entry in entries if entry.filename.endswith("data.pkl")]
    if any("/constants.pkl" in e.filename or "/code/" in e.filename for e in entries):
        raise _code(place, "TorchScript")
    if len(pickles) != 1 or pickles[0].filename.count("/") != 1:
        raise InputError("it is a zip file, but not torch's", code="not-torch", place=place)
    if pickles[0].file_size > _PICKLE_BYTES:
        raise damaged(place, f"its pickle has {pickles[0].file_size:,} bytes")
    try:
        with archive.open(pickles[0]) as part:
            _refuse_code(part, place)
    except InputError:
        raise
    except (zipfile.BadZipFile, RuntimeError, ValueError, EOFError, OSError) as error:
        raise damaged(place, "its pickle cannot be read") from error


def _refuse_code(file: IO[bytes] | _Bounded, place: str) -> None:
    """Walk over one pickle's opcodes; end right behind it."""
    for name in _globals(file, place):
        if name not in _CONSTRUCTORS:
            raise _code(place, printable(name.replace(" ", ".")))


def _globals(file: IO[bytes] | _Bounded, place: str) -> Iterator[str]:
    """Give every name that a pickle asks for, as ``module name``."""
    stack = _Stack()
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(cast("IO[bytes]", file))):
            if number == _OPCODES or stack.follow(opcode, argument) > _IN_A_TUPLE:
                raise InputError(
                    "it holds too many values",
                    code="too-deep",
                    place=place,
                    consequence=f"{_OPCODES:,} steps and {_IN_A_TUPLE:,} values in a tuple are "
                    "read at most",
                )
            if opcode.name in ("GLOBAL", "INST"):
                yield str(argument)
            elif opcode.name in ("STACK_GLOBAL", "EXT1", "EXT2", "EXT4"):
                yield f"pickle {opcode.name}"
    except InputError:
        raise
    except (ValueError, LookupError, OverflowError, MemoryError) as error:
        raise damaged(place, "its pickle is not whole") from error


class _Effect(NamedTuple):
    """What an opcode does to the stack: take all above a mark, then some more, and leave some."""

    to_mark: bool
    n_taken: int
    n_left: int

    @classmethod
    def of(cls, opcode: pickletools.OpcodeInfo) -> _Effect:
        before = [kind.name for kind in opcode.stack_before]
        to_mark = "mark" in before
        n_taken = before.index("mark") if to_mark else len(before)
        return cls(to_mark, n_taken, len(opcode.stack_after))


_EFFECTS = {opcode.name: _Effect.of(opcode) for opcode in pickletools.opcodes}
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})


class _Stack:
    """What a pickle's opcodes would leave: of each value, how many there are in it if a tuple.

    A tuple of one tuple twice, and so on, is short in the file, and takes for ever as a key.
    """

    def __init__(self) -> None:
        self._values: list[int | None] = []
        self._memo: dict[object, int] = {}

    def follow(self, opcode: pickletools.OpcodeInfo, argument: object) -> int:
        """Take one step, and return the size of what it leaves."""
        values, name = self._values, opcode.name
        if name == "MARK":
            values.append(None)
            return 0
        if name in _PUTS:
            at = len(self._memo) if name == "MEMOIZE" else argument
            self._memo[at] = values[-1] or 1
            return 0
        to_mark, n_taken, n_left = _EFFECTS[name]
        size = taken = 0
        while to_mark and (value := values.pop()) is not None:
            taken += value
        for _ in range(n_taken):
            size = values.pop() or 1
            taken += size
        if name in _GETS:
            size = self._memo[argument]
        elif name != "DUP":
            size = 1 + taken if "TUPLE" in name else 1
        for _ in range(n_left):
            values.append(size)
        return size


def _code(place: str, name: str) -> InputError:
    return InputError(
        f"it holds code: it asks for '{name}'",
        code="pickle-code",
        place=place,
        consequence="unpickling it could run anything, so it was not unpickled",
        hint="where you trust it: torch.save(model.state_dict(), path), and give that",
    )
