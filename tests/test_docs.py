"""Every example in the documentation is run: python blocks with prompts, page by page."""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
MADE = [DOCS / "reference" / name for name in ("commands", "api", "schemas.md")]
"""What docs/_ext/generated_pages.py makes when the site is built."""


def is_made(path):
    return any(path == made or made in path.parents for made in MADE)


PAGES = [
    path for path in sorted(DOCS.rglob("*.md")) if not is_made(path) and "_build" not in path.parts
]

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)#\s]+)")


def examples_of(text):
    """Keep the python blocks that have prompts, all else as empty lines, so that lines stay."""
    kept = ["\n"] * text.count("\n")
    for block in _BLOCK.finditer(text):
        if ">>>" in block[1]:
            first = text.count("\n", 0, block.start(1))
            lines = block[1].splitlines(keepends=True)
            kept[first : first + len(lines)] = lines
    return "".join(kept)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_print_what_they_say(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = path.read_text(encoding="utf-8")
    name = str(path.relative_to(ROOT))
    parsed = doctest.DocTestParser().get_doctest(examples_of(text), {}, name, name, 0)
    assert len(parsed.examples) == len(re.findall(r"^>>> ", text, re.MULTILINE))
    report = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    failed, _ = runner.run(parsed, out=report.append)
    assert not failed, "".join(report)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    for target in _LINK.findall(path.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:", "mailto:")):
            there = (path.parent / target).resolve()
            assert is_made(there) or there.exists(), target


@pytest.mark.parametrize(
    "name", ["correlate", "outputs", "connectivity", "weights", "matching", "pattern"]
)
def test_a_page_of_a_statistic_has_an_example(name):
    assert ">>> " in examples_of((ROOT / "docs" / "statistics" / f"{name}.md").read_text())


def test_an_example_that_is_wrong_is_found():
    page = "text\n\n```python\n>>> 1 + 1\n3\n```\n\n```console\n$ >>> no python\n```\n"
    text = examples_of(page)
    assert text == "\n\n\n>>> 1 + 1\n3\n\n\n\n\n\n"
    parsed = doctest.DocTestParser().get_doctest(text, {}, "page", "page", 0)
    assert [example.lineno for example in parsed.examples] == [3]
    assert doctest.DocTestRunner(verbose=False).run(parsed, out=lambda _: None).failed == 1
