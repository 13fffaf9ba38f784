"""Bring up to date what pages show of the program: ``python docs/run_pages.py [PAGE...]``.

In a page that is listed in `PAGES`, a block ``console`` holds commands behind ``$`` and what they
print. All blocks of a page run from top to bottom in one new folder; standard error is left out,
unless the command fails. Rows are printed as a table, as on a terminal. The rooms of
explanation/design.md are those of tests/test_house.py.
"""

from __future__ import annotations

import ast
import os
import re
import runpy
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

__all__ = ["PAGES", "commands", "rooms", "updated"]

DOCS = Path(__file__).parent
WIDTH = 110

_ROOMS = re.compile(r"(<!-- rooms -->\n).*?(<!-- end -->)", re.DOTALL)
_BLOCK = re.compile(r"^```console\n(\$ .*?)^```$", re.DOTALL | re.MULTILINE)
_ROWS = (
    "compare", "connectivity", "consensus", "correlate", "info", "list", "outputs", "retrain",
    "verify", "weights",
)  # fmt: skip


def checkpoints(folder: Path) -> None:
    """Write two checkpoints of a small network, pruned to 2:4, the second tuned further."""
    import numpy as np
    from safetensors.numpy import save_file

    rng = np.random.default_rng(0)
    shapes = {"embed.weight": (50, 32), "up.weight": (128, 32), "down.weight": (32, 128)}
    weights = {name: rng.normal(size=shape).astype("f4") for name, shape in shapes.items()}
    weights["lm_head.weight"] = rng.normal(size=(50, 32)).astype("f4")
    for file, change in (("old.safetensors", 0.0), ("new.safetensors", 0.1)):
        for name in ("up.weight", "down.weight"):
            moved = weights[name] + change * rng.normal(size=shapes[name]).astype("f4")
            groups = np.abs(moved).reshape(-1, 4)
            kept = groups >= np.sort(groups, axis=1)[:, 2:3]
            weights[name] = np.where(kept.reshape(moved.shape), moved, 0).astype("f4")
        save_file(weights, folder / file)


def archives(folder: Path) -> None:
    """Write two archives, old.h5 and new.h5, of masks that share most of what they keep."""
    import numpy as np

    import maskstat

    rng = np.random.default_rng(0)
    shapes = {"conv.weight": (8, 3, 3, 3), "fc.weight": (10, 200)}
    core = {name: rng.random(shape) for name, shape in shapes.items()}
    for name in ("old", "new"):
        arrays = {
            key: values + 0.02 * rng.random(values.shape) < 0.2 for key, values in core.items()
        }
        run = maskstat.Run.from_masks(name, [maskstat.Mask.from_arrays(arrays)])
        maskstat.write(folder / f"{name}.h5", [run])


PAGES: dict[str, Callable[[Path], None] | None] = {
    "tutorial.md": None,
    "howto/compare-checkpoints.md": checkpoints,
    "howto/ci.md": archives,
}
"""Page to what is there before its first command."""


def commands(page: str) -> list[str]:
    """Return a page's commands, in order."""
    return [line[2:] for block in _BLOCK.findall(page) for line in _lines(block)]


def updated(page: str, setup: Callable[[Path], None] | None) -> str:
    """Return a page with what its commands print now."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if setup is not None:
            setup(folder)

        def ran(block: re.Match[str]) -> str:
            return "```console\n" + "".join(_run(line, folder) for line in _lines(block[1])) + "```"

        return _BLOCK.sub(ran, page)


def _lines(block: str) -> list[str]:
    return [line for line in block.splitlines() if line.startswith("$ ")]


def _run(line: str, folder: Path) -> str:
    """Run one command, and return it with what it prints."""
    program = f"{shlex.quote(sys.executable)} -m maskstat"
    command = re.sub(r"^maskstat\b", program, line[2:])
    command = re.sub(r"\bpython -c\b", f"{shlex.quote(sys.executable)} -c", command)
    if line.split()[2] in _ROWS and " | " not in line and " --format" not in line:
        command += " --format table"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "COLUMNS": str(WIDTH), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{line}\n{done.stderr}")
    printed = (done.stderr if done.returncode else "") + done.stdout
    text = "\n".join(row.rstrip() for row in printed.strip("\n").splitlines())
    return f"{line}\n{text}\n" if text else f"{line}\n"


def rooms(page: str) -> str:
    """Return a page with the table of rooms: what each holds, and what it imports."""
    house: dict[str, set[str]] = runpy.run_path(str(DOCS.parent / "tests" / "test_house.py"))[
        "ROOMS"
    ]
    rows = ["| room | what it is | imports |", "|---|---|---|"]
    for room, below in house.items():
        names = ", ".join(f"`{name}`" for name in sorted(below)) or "nothing of ours"
        rows.append(f"| `{room}` | {_about(room)} | {names} |")
    table = "\n".join(rows)
    return _ROOMS.sub(lambda block: f"{block[1]}{table}\n{block[2]}", page)


def _about(room: str) -> str:
    """Return the first line of a room's docstring."""
    package = DOCS.parent / "maskstat"
    path = package / f"{room}.py"
    if not path.exists():
        path = package / room / "__init__.py"
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) if path.exists() else None
    line = (text or "Statistics: overlap, chance, consensus, ranks, outputs.").split("\n\n")[0]
    return " ".join(line.split()).replace("|", "\\|").rstrip(".")


def main(names: list[str]) -> None:
    """Bring pages up to date, all of them if none is named."""
    for name in names or [*PAGES, "explanation/design.md"]:
        path = DOCS / name
        page = path.read_text("utf-8")
        path.write_text(updated(page, PAGES[name]) if name in PAGES else rooms(page), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
