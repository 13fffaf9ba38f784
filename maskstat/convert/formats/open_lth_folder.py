"""open_lth's folders: ``lottery_*/replicate_N/level_L/main``, from any of them down."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence

from maskstat.convert.formats.masked_tensors import Pair, is_readable, level_of
from maskstat.convert.found import Found, Level
from maskstat.convert.probe import Probe
from maskstat.convert.registry import ReadOptions
from maskstat.convert.tensors import StoredTensor
from maskstat.convert.torch_file import tensors
from maskstat.errors import InputError, NotFoundError, printable

__all__ = ["matches", "read"]

_MASK = "mask.pth"
_REPORT = "sparsity_report.json"
_LEVEL = re.compile(r"(?:(?P<replicate>.*)/)?level_(?P<level>\d+)/main/mask\.pth")
_MODEL = re.compile(r"model_ep(?P<epoch>\d+)_it(?P<step>\d+)\.pth")
_MEASURED = re.compile(r"(?P<name>\w{1,64}),(?P<step>\d{1,15}),(?P<value>[-+.\w]{1,40})")
_BEFORE = "model_ep0_it0.pth"
_PRETRAIN = "level_pretrain/main/"
_KNOWN = re.compile(r"(.*/)?(mask\.pth|sparsity_report\.json|model_ep\d+_it\d+\.pth|logger"
                    r"|checkpoint\.pth|hparams\.log)")  # fmt: skip
_REPORT_BYTES = 1 << 16
_LOGGER_BYTES = 1 << 22


def matches(probe: Probe) -> bool:
    """Tell whether some folder in it has a level's mask."""
    files = set(probe.files)
    return any(_LEVEL.fullmatch(name) for name in files) or any(
        {f"{here}{_MASK}", f"{here}{_REPORT}"} <= files for here in ("", "main/")
    )


def read(probe: Probe, options: ReadOptions) -> Found:
    """Read one replicate: every level's mask, weights and last measurements.

    Raises
    ------
    NotFoundError
        There is no mask, or one of a level between others is missing.
    InputError
        There are several replicates, a mask is none, or not what its report says.
    """
    replicate, folders = _levels(probe)
    notes: list[str] = []
    levels = []
    for number, folder in folders.items():
        is_last = number == max(folders)
        level, lost = _read_level(probe, folder, number, replicate, options, others=is_last)
        levels.append(level)
        notes += lost
    if len(folders) == 1 and max(folders):
        notes.append(f"it is level {max(folders)} of its experiment alone")
    home = f"{replicate}/" if replicate else ""
    read_folders = (*folders.values(), f"{home}{_PRETRAIN}")
    unmatched = [
        name
        for name in probe.files
        if not (_KNOWN.fullmatch(name) and name[: name.rfind("/") + 1] in read_folders)
    ]
    return Found(
        format="open-lth",
        levels=levels,
        unmatched=(*unmatched, *probe.not_entered),
        notes=tuple(notes),
        method="open_lth",
    )


def _levels(probe: Probe) -> tuple[str, dict[int, str]]:
    """Return the replicate's folder, and each level's, which ends with ``/`` or is empty."""
    found: dict[str, dict[int, str]] = {}
    for name in probe.files:
        match = _LEVEL.fullmatch(name)
        if match:
            level = int(match["level"])
            found.setdefault(match["replicate"] or "", {})[level] = name.removesuffix(_MASK)
    if len(found) > 1:
        raise InputError(
            f"it holds {len(found)} replicates",
            code="several-runs",
            place=probe.place,
            consequence="one is read at a time",
            hint=f"{probe.place.rstrip('/')}/{printable(min(found))}",
        )
    if not found:
        here = next((h for h in ("", "main/") if f"{h}{_MASK}" in probe.files), None)
        if here is None:
            raise NotFoundError("there is no mask.pth in it", code="no-masks", place=probe.place)
        number = re.search(r"level_(\d+)", probe.name if here else probe.place)
        return "", {int(number[1]) if number else 1: here}
    ((replicate, levels),) = found.items()
    missing = [n for n in range(min(levels), max(levels)) if n not in levels]
    if missing:
        raise NotFoundError(
            f"level {missing[0]} has no mask.pth",
            code="missing-level",
            place=probe.place,
            consequence=f"there are levels up to {max(levels)}",
        )
    return replicate, dict(sorted(levels.items()))


def _read_level(
    probe: Probe,
    folder: str,
    number: int,
    replicate: str,
    options: ReadOptions,
    *,
    others: bool,
) -> tuple[Level, list[str]]:
    """Read one level; say what of it was left out."""
    file = probe.file(f"{folder}{_MASK}")
    masks = tensors(file)
    _check_report(probe, folder, masks)
    models = _models(probe, folder)
    final = tensors(probe.file(models[-1])) if models and not _only_start(models) else {}
    pairs = [Pair(name, mask, final.get(name)) for name, mask in masks.items()]
    rest = {name: tensor for name, tensor in final.items() if others and name not in masks}
    level, _ = level_of(pairs, rest, options=options, place=file.place)
    weights = dict(level.weights)
    both = dict(level.others)
    # Later levels begin with the same weights, the pruned ones 0: nothing to be kept twice.
    for kind, name in _starts(probe, models, replicate) if number == 0 else ():
        start = tensors(probe.file(name))
        if all(mask.name in start for mask in level.masks):
            weights[kind] = {mask.name: start[mask.name].values() for mask in level.masks}
        if kind == "initial":
            both[kind] = {
                name: tensor.values()
                for name, tensor in start.items()
                if name not in masks and is_readable(tensor)
            }
    series, notes = _measured(probe, f"{folder}logger")
    return Level(masks=level.masks, weights=weights, others=both, series=series), notes


def _models(probe: Probe, folder: str) -> list[str]:
    """Return a folder's saved models in the order of training."""
    found = [
        (int(match["epoch"]), int(match["step"]), name)
        for name in probe.files
        if name.startswith(folder) and (match := _MODEL.fullmatch(name, len(folder)))
    ]
    return [name for *_, name in sorted(found)]


def _only_start(models: Sequence[str]) -> bool:
    """Tell whether the one model that there is was saved before training."""
    return len(models) == 1 and models[0].endswith(_BEFORE)


def _starts(probe: Probe, models: Sequence[str], replicate: str) -> Iterator[tuple[str, str]]:
    """Give what training began with, as kind and file."""
    before = _models(probe, f"{replicate}/{_PRETRAIN}" if replicate else _PRETRAIN)
    begun = before or list(models)
    if begun and begun[0].endswith(_BEFORE):
        yield "initial", begun[0]
    if len(models) > 1 and not models[0].endswith(_BEFORE):
        yield "rewind", models[0]


def _check_report(probe: Probe, folder: str, masks: Mapping[str, StoredTensor]) -> None:
    """Hold a mask against the counts that were written beside it."""
    if f"{folder}{_REPORT}" not in probe.files:
        return
    file = probe.file(f"{folder}{_REPORT}")
    try:
        report = json.loads(file.head(_REPORT_BYTES))
        total, unpruned = int(report["total"]), int(report["unpruned"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            "it does not say 'total' and 'unpruned'", code="bad-report", place=file.place
        ) from error
    kept = sum(int(bits.sum()) for mask in masks.values() for bits in mask.binary())
    size = sum(mask.size for mask in masks.values())
    if (total, unpruned) != (size, kept):
        raise InputError(
            f"it says {unpruned:,} of {total:,}, mask.pth keeps {kept:,} of {size:,}",
            code="wrong-count",
            place=file.place,
            consequence="one of the two files is not this level's",
        )


def _measured(probe: Probe, name: str) -> tuple[dict[str, float], list[str]]:
    """Return the last value of everything that was measured, from ``name,step,value`` lines."""
    if name not in probe.files:
        return {}, []
    file = probe.file(name)
    last: dict[str, tuple[int, float]] = {}
    odd = 0
    for line in io.BytesIO(file.head(_LOGGER_BYTES)):
        match = _MEASURED.fullmatch(line.decode("utf-8", "replace").strip())
        value = _number(match["value"]) if match else None
        if match is None or value is None:
            odd += bool(line.strip())
            continue
        step = int(match["step"])
        if step >= last.get(match["name"], (0, 0.0))[0]:
            last[match["name"]] = (step, value)
    notes = [f"{printable(name)}: {odd} lines are no measurements"] if odd else []
    if file.size > _LOGGER_BYTES:
        notes.append(f"{printable(name)}: only its first {_LOGGER_BYTES:,} bytes were read")
    return {key: value for key, (_, value) in last.items()}, notes


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
