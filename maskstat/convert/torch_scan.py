"""Look through a torch file without unpickling it: sizes first, then the names it asks for.

A torch file is a pickle, and a pickle is a program. Its opcodes are walked over, not run; a name
that is not on a short list of constructors of tensors ends the reading. Some names that torch's own
``weights_only`` reader allows are left out, because called in a row they fill any memory.
"""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Iterator
from typing import IO

from maskstat.errors import InputError, printable

__all__ = ["LEGACY_MAGIC", "damaged", "scan"]

LEGACY_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""What files begin with that torch wrote before 1.6: a pickle of one number."""

_ZIP_MAGIC = b"PK\x03\x04"
_PICKLE_BYTES = 1 << 25
_LEGACY_PICKLES = 5
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
    head = file.read(len(LEGACY_MAGIC))
    file.seek(0)
    if head.startswith(_ZIP_MAGIC):
        _scan_zip(file, size, place)
        return True
    if head != LEGACY_MAGIC:
        plain = head[:1] == b"\x80" and b"\x02" <= head[1:2] <= b"\x05"
        raise InputError(
            "it is a plain pickle" if plain else "torch.save did not write it",
            code="pickle-code" if plain else "not-torch",
            place=place,
            consequence="unpickling it could run any code" if plain else "",
            hint="in Python: torch.save(masks, path), or numpy.savez(path, **masks)",
        )
    for _ in range(_LEGACY_PICKLES):
        _refuse_code(file, place)
    return False


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


def _refuse_code(file: IO[bytes], place: str) -> None:
    """Walk over one pickle's opcodes; end right behind it."""
    for name in _globals(file, place):
        if name not in _CONSTRUCTORS:
            raise _code(place, printable(name.replace(" ", ".")))


def _globals(file: IO[bytes], place: str) -> Iterator[str]:
    """Give every name that a pickle asks for, as ``module name``."""
    try:
        for opcode, argument, _ in pickletools.genops(file):
            if opcode.name in ("GLOBAL", "INST"):
                yield str(argument)
            elif opcode.name in ("STACK_GLOBAL", "EXT1", "EXT2", "EXT4"):
                yield f"pickle {opcode.name}"
    except (ValueError, IndexError, OverflowError, MemoryError) as error:
        raise damaged(place, "its pickle is not whole") from error


def _code(place: str, name: str) -> InputError:
    return InputError(
        f"it holds code: it asks for '{name}'",
        code="pickle-code",
        place=place,
        consequence="unpickling it could run anything, so it was not unpickled",
        hint="where you trust it: torch.save(model.state_dict(), path), and give that",
    )
