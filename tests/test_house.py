"""The rules of the house: who imports whom, how long a file is, what loading costs."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import maskstat

ROOT = Path(maskstat.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

ROOMS = {
    "errors": set(),
    "threads": set(),
    "tiling": {"errors"},
    "segments": set(),
    "overlap": {"segments"},
    "bits": {"overlap", "segments", "threads", "tiling", "errors"},
    "votes": {"bits", "segments", "threads", "tiling", "errors"},
    "layout": {"bits", "errors"},
    "mask": {"layout", "bits", "table", "errors"},
    "run": {"layout", "mask", "bits", "table", "errors"},
    "selection": {"run", "errors"},
    "table": {"errors"},
    "graph": {"errors"},
    "archive": {"run", "mask", "layout", "bits", "segments", "threads", "errors", "table"},
    "convert": {"archive", "run", "mask", "layout", "bits", "errors", "table"},
    "stats": {"graph", "run", "mask", "layout", "votes", "bits", "selection", "table", "errors"},
    "prune": {
        "archive", "graph", "run", "mask", "layout", "bits", "selection", "table", "errors",
    },
    "figures": {"stats", "run", "mask", "layout", "table", "errors"},
    "reproduce": {
        "prune", "figures", "stats", "convert", "archive", "run", "mask", "table", "errors",
    },
    "cli": {
        "reproduce", "prune", "figures", "stats", "convert", "archive", "run", "mask", "layout",
        "bits", "selection", "table", "errors",
    },
    "__main__": {"cli"},
    "__init__": {"convert", "archive", "stats", "prune", "run", "mask", "errors"},
}  # fmt: skip
"""Room to the rooms it may import from; every room may use itself and the version."""

THIRD_PARTY = {
    "torch": {"prune", "convert"},
    "h5py": {"archive", "convert"},
    "matplotlib": {"figures"},
    "click": {"cli"},
    "rich": {"cli"},
    "safetensors": {"convert"},
}


def room_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0]


def imports_of(path):
    """Every module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down_the_house(path):
    room = room_of(path)
    for name in imports_of(path):
        head, _, rest = name.partition(".")
        if head == "maskstat" and rest and rest != "__version__":
            target = rest.split(".")[0]
            assert target == room or target in ROOMS[room], f"{room} imports {name}"
        if head in THIRD_PARTY:
            assert room in THIRD_PARTY[head], f"{room} imports {name}"
        assert not name.startswith(("scipy.stats", "matplotlib.pyplot")), f"{path}: {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_holds_one_idea(path):
    assert len(path.read_text().splitlines()) <= 400


def loaded_after(code):
    """Top-level modules in memory after running some code in a fresh interpreter."""
    tell = "import sys, json; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    script = f"{code}\n{tell}"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


HEAVY = {"numpy", "scipy", "h5py", "torch", "matplotlib", "rich", "safetensors"}


def test_the_package_alone_imports_nothing_heavy():
    assert not loaded_after("import maskstat") & (HEAVY | {"click"})


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_imports_nothing_but_click(argument):
    code = (
        "from maskstat.cli.app import cli\n"
        f"try:\n    cli.main(['{argument}'])\nexcept SystemExit: pass"
    )
    loaded = loaded_after(code)
    assert "click" in loaded
    assert not loaded & HEAVY


def test_compare_needs_numpy_only():
    loaded = loaded_after("import maskstat.cli.compare")
    assert loaded & HEAVY == {"numpy"}
