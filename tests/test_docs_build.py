"""The site is built without a warning, needs nothing from the network, and has every page."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


def test_every_page_is_in_the_index():
    index = (DOCS / "index.md").read_text()
    trees = "".join(re.findall(r"```\{toctree\}(.*?)```", index, re.DOTALL))
    listed = set(re.findall(r"^(?:.* <)?([a-z0-9/_-]+)>?$", trees, re.MULTILINE))
    made = {"reference/schemas"}
    pages = {
        str(path.relative_to(DOCS).with_suffix(""))
        for path in DOCS.rglob("*.md")
        if "_build" not in path.parts
        and not {"commands", "api"} & set(path.relative_to(DOCS).parts[:-1])
    }
    assert pages | made == listed | {"index"}


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    for package in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(package)
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-E", "-W", "--keep-going", "-q", "-b", "html",
         "-d", tmp_path / "trees", DOCS, tmp_path / "site"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for page in (tmp_path / "site").rglob("*.html"):
        text = page.read_text()
        loaded = re.findall(r"<(?:script|img|iframe)[^>]* src=\"(https?:[^\"]*)\"", text)
        loaded += re.findall(
            r"<link[^>]* rel=\"(?:stylesheet|preload|icon)\"[^>]*(https?:[^\"]*)", text
        )
        assert loaded == [], page
    for sheet in (tmp_path / "site").rglob("*.css"):
        assert not re.search(r"(@import|url\()[\"' ]*(https?:)?//", sheet.read_text()), sheet
