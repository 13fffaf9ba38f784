"""Every slug that an error can have is documented, as it is raised, and reached by a test."""

import ast
import re
import runpy
from collections import defaultdict
from pathlib import Path

import pytest

import maskstat
from maskstat import errors

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "errors.md"

raised_slugs = runpy.run_path(str(ROOT / "docs" / "_ext" / "error_slugs.py"))["raised_slugs"]


def kinds_by_slug():
    found = defaultdict(set)
    for raised in raised_slugs(Path(maskstat.__file__).parent):
        found[raised.slug].add(raised.kind)
    return found


def status_of(kind):
    return 1 if kind == "Finding" else getattr(errors, kind).exit_status


KINDS = kinds_by_slug()
ROWS = {
    row[0]: row
    for row in re.findall(
        r"^\| `([a-z0-9-]+)` \| (.*?) \| (.*?) \| (.*?) \| (.*?) \|$",
        PAGE.read_text(),
        re.MULTILINE,
    )
}


def test_every_slug_is_on_the_page_and_none_is_gone():
    assert sorted(ROWS) == sorted(KINDS)
    assert list(ROWS) == sorted(ROWS)


@pytest.mark.parametrize("slug", sorted(KINDS))
def test_class_and_status_are_those_that_are_raised(slug):
    _, kinds, status, when, what = ROWS[slug]
    assert set(re.findall(r"`(\w+)`", kinds)) == KINDS[slug]
    assert {int(number) for number in status.split(", ")} == {status_of(k) for k in KINDS[slug]}
    assert when.endswith(".")
    assert what.endswith((".", "`")), what


def test_classes_and_their_statuses_are_those_of_the_code():
    table = re.findall(r"^\| `(\w+)` \| (\d+) \|", PAGE.read_text(), re.MULTILINE)
    known = {name for name in errors.__all__ if name.endswith("Error")}
    assert {name for name, _ in table} == known
    assert all(int(status) == getattr(errors, name).exit_status for name, status in table)


def texts_of_tests():
    """Every text in the tests, but for those that list slugs to check lists of slugs."""
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if path != Path(__file__):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def test_every_slug_is_named_by_a_test():
    texts = set(texts_of_tests())
    within = set(
        re.findall(r"(?<![\w-])[a-z0-9]+(?:-[a-z0-9]+)+(?![\w-])|\[[a-z]+\\?\]", "\n".join(texts))
    )
    named = texts | within | {word.strip("[]\\") for word in within if word.startswith("[")}
    assert sorted(set(KINDS) - named) == []


def test_slugs_are_found_however_they_are_written(tmp_path):
    (tmp_path / "one.py").write_text(
        """
from two import refuse

REASONS = {1: ("it is full", "is-full")}

def first(n):
    raise UsageError("x", code="a-literal" if n else "or-another")

def second(error, name):
    fact, code = REASONS.get(error, ("y", "by-default"))
    raise StorageError(fact, code=code)

def third(what):
    raise UsageError("z", code=f"unknown-{what}")

def fourth():
    third("bird")
    third(what="tree")
    raise refuse("it is", "passed-on")
"""
    )
    (tmp_path / "two.py").write_text(
        """
def refuse(fact, code, *, other="spare-time"):
    return InputError(fact, code=code)

def again(*, code="from-default"):
    raise InputError("w", code=code)
"""
    )
    found = {(raised.slug, raised.kind) for raised in raised_slugs(tmp_path)}
    assert found == {
        ("a-literal", "UsageError"), ("or-another", "UsageError"), ("is-full", "StorageError"),
        ("by-default", "StorageError"), ("unknown-bird", "UsageError"),
        ("unknown-tree", "UsageError"), ("passed-on", "InputError"), ("from-default", "InputError"),
    }  # fmt: skip


def test_what_cannot_be_followed_is_no_slug_that_is_overlooked(tmp_path):
    (tmp_path / "one.py").write_text("def f(x):\n    raise E('x', code=x.get('y').z)\n")
    with pytest.raises(LookupError):
        raised_slugs(tmp_path)
