"""Every hazard in a foreign format is refused with its code, touches nothing and costs little."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

DRIVER = Path(__file__).parent / "read_foreign.py"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("hazards")
    done = subprocess.run(
        [sys.executable, DRIVER, folder, "--json"],
        stdout=subprocess.PIPE, text=True, check=True, env=ENVIRONMENT,
    )  # fmt: skip
    assert {path.name for path in folder.iterdir()} == {"canaries"}
    found: list[dict[str, Any]] = json.loads(done.stdout)
    most = max(f["megabytes"] for f in found if not f["torch"])
    print(f"{len(found)} hazards in foreign formats, at most {most} MB without torch")
    return found


def test_each_is_refused_with_its_code(read: list[dict[str, Any]]) -> None:
    assert [f for f in read if f["outcome"] != f["code"]] == []
    assert len(read) > 90


def test_no_canary_is_opened_and_no_code_is_run(read: list[dict[str, Any]]) -> None:
    assert [f["name"] for f in read if f["opened"] or f["changed"]] == []


def test_memory_and_time_are_bounded(read: list[dict[str, Any]]) -> None:
    """With torch it is what torch itself takes, and not 200 MB of addresses more."""
    assert [f for f in read if f["megabytes"] > 200 and not f["torch"]] == []
    assert [f for f in read if f["seconds"] > 15] == []
    assert max(f["megabytes"] for f in read) > 20, "nothing was measured"


def test_the_libraries_alone_would_run_the_code(tmp_path: Path) -> None:
    """What the canaries are for: pickle makes the file that no hazard may make."""
    code = (
        f"import sys; sys.path[:0] = [{str(DRIVER.parent)!r}]\n"
        "import pickle\n"
        "from pathlib import Path\n"
        "from foreign import Code\n"
        f"pickle.loads(Code(Path({str(tmp_path)!r})).pickle())\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=ENVIRONMENT)
    assert [path.name for path in tmp_path.iterdir()] == ["code-was-run"]
