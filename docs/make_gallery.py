"""Make the gallery's pictures by running its page: ``python docs/make_gallery.py [FOLDER]``.

The recipes and commands of docs/gallery.md run as they stand, in FOLDER or a temporary one; the
figures go to docs/images/gallery/. A FOLDER that has the runs already is drawn from anew.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["commands", "pictures", "recipes"]

DOCS = Path(__file__).parent
IMAGES = DOCS / "images" / "gallery"

_TOML = re.compile(r"^```toml\n# (\S+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_PICTURE = re.compile(r"\]\(images/gallery/(\S+)\)")


def recipes(page: str) -> dict[str, str]:
    """Return the page's recipes by their names."""
    return dict(_TOML.findall(page))


def commands(page: str) -> list[str]:
    """Return the page's commands, in order."""
    return [line for block in _CONSOLE.findall(page) for line in block.splitlines()]


def pictures(page: str) -> list[str]:
    """Return the names of the page's pictures."""
    return _PICTURE.findall(page)


def main(folder: Path) -> None:
    """Run the page in a folder, and take its pictures."""
    page = (DOCS / "gallery.md").read_text("utf-8")
    for name, text in recipes(page).items():
        (folder / name).write_text(text, "utf-8")
    for line in commands(page):
        print(f"$ {line}", flush=True)
        replace = "" if " prune " in line else " --overwrite"
        subprocess.run(["bash", "-c", line + replace], cwd=folder, check=True)
    IMAGES.mkdir(exist_ok=True)
    for name in pictures(page):
        shutil.copy(folder / name, IMAGES)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as name:
            main(Path(name))
