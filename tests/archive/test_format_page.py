"""The format page, the specification in code, and what is raised say the same."""

from __future__ import annotations

import re
from pathlib import Path

import maskstat
from maskstat.archive import spec
from maskstat.archive.tables import tables, updated

PAGE = Path(__file__).parents[2] / "docs" / "format.md"
CODE = Path(maskstat.__file__).parent / "archive"


def test_the_page_has_every_table_as_the_code_has_it() -> None:
    page = PAGE.read_text("utf-8")
    assert updated(page) == page
    for name, table in tables().items():
        assert page.count(f"<!-- table: {name} -->\n{table}<!-- end -->") == 1, name


def test_every_code_that_is_raised_is_listed_and_every_listed_code_is_raised() -> None:
    slug = re.compile(r'"((?:[a-z0-9]+-)+[a-z0-9]+|truncated|unclosed)"')
    text = "".join(path.read_text() for path in CODE.glob("*.py") if path.name != "spec.py")
    used = set(slug.findall(text)) - {"utf-8", "latin-1"}
    assert set(spec.CODES) <= used
    assert used - set(spec.CODES) == {"not-nested"}  # a finding of verify, no error


def test_page_names_what_the_code_does() -> None:
    page = PAGE.read_text("utf-8")
    for words in (spec.FORMAT, spec.RUN_SCHEMA, spec.MEMBER_NAME.pattern.decode(),
                  spec.SERIES_NAME.pattern, "emnist-balanced-43d018ce"):  # fmt: skip
        assert words in page
