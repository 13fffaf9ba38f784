"""What a person sees: colour where it is wanted, and tables that fit the terminal."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from itertools import pairwise
from pathlib import Path

import pytest

import maskstat
from maskstat.cli.output import _table_text, render
from maskstat.stats.compare import SELDOM
from maskstat.stats.inventory import list_runs
from maskstat.table import Column, Table

ESCAPE = "\x1b["


def on_a_terminal(columns, *words, **env):
    """Run a command with a terminal of a width; return what appears on it, and the status."""
    inner, outer = pty.openpty()
    fcntl.ioctl(outer, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    settings = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")}
    program = subprocess.Popen(
        [sys.executable, "-m", "maskstat", *map(str, words)],
        stdin=outer,
        stdout=outer,
        stderr=outer,
        env={**settings, "TERM": "xterm-256color", **env},
    )
    os.close(outer)
    seen = b""
    while True:
        try:
            more = os.read(inner, 65536)
        except OSError:  # Linux's way to say that the other side is closed
            break
        if not more:
            break
        seen += more
    os.close(inner)
    return seen.decode().replace("\r\n", "\n"), program.wait()


@pytest.mark.parametrize(
    ("words", "env", "colored"),
    [
        ((), {}, True),
        ((), {"NO_COLOR": "1"}, False),
        ((), {"NO_COLOR": ""}, True),
        ((), {"TERM": "dumb"}, False),
        (("--color", "never"), {}, False),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
    ],
)
def test_a_terminal(words, env, colored, archives):
    seen, status = on_a_terminal(80, "compare", *archives[:2], "nope.h5", *words, **env)
    assert status == 3
    assert (ESCAPE in seen) == colored, "an error"
    seen, status = on_a_terminal(80, *words, "compare", *archives[:2], **env)
    assert status == 0
    assert (ESCAPE in seen) == colored, "a table; --color before the command is the same"
    assert "jaccard" in seen


def test_a_file_gets_rows_for_programs_wherever_the_command_runs(archives, tmp_path):
    out = tmp_path / "rows"
    assert on_a_terminal(80, "list", archives[0], "-o", out) == ("", 0)
    header, row = out.read_text().splitlines()
    assert header.count("\t") == row.count("\t") > 3


def test_pipes(run_cli, archives):
    table = ("info", archives[0], "--format", "table")
    assert ESCAPE not in run_cli(*table, color=True).output
    assert ESCAPE in run_cli(*table, "--color", "always", color=True).stdout
    assert ESCAPE not in run_cli("info", archives[0], "--color", "always", color=True).stdout, "tsv"
    error = ("info", "missing.h5")
    assert ESCAPE not in run_cli(*error, color=True, env={"NO_COLOR": "1"}).stderr
    assert ESCAPE in run_cli(*error, "--color", "always", color=True).stderr
    assert ESCAPE not in run_cli(*error, color=True).stderr
    assert run_cli(*error, "--color", "sometimes").exit_code == 2


def test_colour_is_all_that_differs(run_cli, archives):
    table = ("compare", *archives, "--format", "table")
    plain = run_cli(*table, "--color", "never").stdout
    colored = run_cli(*table, "--color", "always", color=True).stdout
    bare = re.sub(r"\x1b\[[\d;]*m", "", colored)
    assert [line.rstrip() for line in bare.splitlines()] == plain.splitlines()


@pytest.fixture
def tables(archives, monkeypatch):
    """Tables and what terminals leave out of them."""
    monkeypatch.chdir(Path(archives[0]).parent)
    runs = [maskstat.read(Path(path).name) for path in archives]
    columns = {
        "part": Column("text", ""),
        "place": Column("text", ""),
        "n": Column("integer", ""),
        "share_of_all": Column("number", ""),
    }
    data = {
        "part": ["a", "b"],
        "place": ["/a/very/long/path/to/" + "x" * 90, "layer." * 12],
        "n": [123_456_789_012, 7],
        "share_of_all": [0.123456, None],
    }
    return [
        (maskstat.compare(*runs), SELDOM),
        (maskstat.compare(*runs, iteration="all"), SELDOM),
        (maskstat.consensus(*runs), ()),
        (list_runs(runs), ("digest",)),
        (Table(schema="test/1", columns=columns, data=data), ()),
    ]


def left_out(text):
    said = re.search(r"left out here: (.*?)\s\(", text, re.DOTALL)
    return set(re.sub(r"\s", "", said[1]).split(",")) if said else set()


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_numbers_are_whole_and_lines_fit(tables, width):
    for table, hidden in tables:
        text = _table_text(table, hidden, width=width)
        full = render(table, "table")
        names = left_out(text)
        assert names <= set(table.data)
        assert max(map(len, text.splitlines())) <= width
        numbers = re.compile(r"(?<=\s)-?\d[\d,]*\.?\d*(?=\s)")
        body = text[text.index("─") :]
        assert set(numbers.findall(body)) <= set(numbers.findall(full)), "none is cut"
        shown = set(table.data) - names - set(hidden)
        numeric = [n for n in shown if table.columns[n].kind in ("integer", "number")]
        assert numeric, "something is left to be read"
        assert "…" not in text, "names are folded, not cut"


def test_more_room_shows_more(tables):
    for table, hidden in tables:
        gone = [left_out(_table_text(table, hidden, width=w)) for w in (40, 60, 80, 120, 200)]
        assert all(more >= fewer for more, fewer in pairwise(gone))
        assert not gone[-1]
    assert left_out(_table_text(*tables[0], width=40))


def test_headings_stand_at_the_bottom_and_cells_at_the_top(archives):
    seen, _ = on_a_terminal(40, "verify", archives[0], "--color", "never")
    lines = seen.splitlines()
    (row,) = [i for i, line in enumerate(lines) if line.startswith("  structure")]
    assert lines[row].split()[2] == "superblock,"
    assert lines[row + 1].strip()
    assert lines[row + 1].startswith(" " * 15)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_without_the_letters(archives, encoding):
    """What cannot be printed is escaped; nothing fails."""
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    for words in (["consensus", "--help"], ["info", archives[0], "--format", "table"]):
        done = subprocess.run(
            [sys.executable, "-m", "maskstat", *words], capture_output=True, env=env, check=False
        )
        assert (done.returncode, done.stderr.count(b"Traceback")) == (0, 0), done.stderr
    rule = done.stdout.splitlines()[-6].strip()
    assert set(rule.decode("utf-8")) == ({"─"} if encoding == "utf-8" else {"-"})
