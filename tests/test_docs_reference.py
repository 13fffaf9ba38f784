"""The reference says what the program has: commands, options, schemas, modules, rooms."""

import json
import re
import runpy
from pathlib import Path

import click
import pytest

import maskstat
from maskstat.cli.app import COMMANDS, cli

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = runpy.run_path(str(DOCS / "_ext" / "generated_pages.py"))
COMMAND_PAGES = PAGES["command_pages"]()


def every_command(group, before=()):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*before, name), command
        if isinstance(command, click.Group):
            yield from every_command(command, (*before, name))


@pytest.mark.parametrize(("words", "command"), [*every_command(cli)])
def test_every_command_and_every_option_is_on_its_page(words, command):
    page = COMMAND_PAGES[f"{'-'.join(words)}.md"]
    assert f"# maskstat {' '.join(words)}\n" in page
    assert f"(command-{'-'.join(words)})=" in page
    context = click.Context(command)
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option):
            named = [*parameter.opts, *parameter.secondary_opts]
            (row,) = (line for line in page.splitlines() if line.startswith("| `") and all(
                re.search(rf"[` ]{re.escape(name)}[`, ]", line.split(" | ")[0] + " ")
                for name in named
            ))  # fmt: skip
            assert parameter.help is None or len(row.split(" | ")[1]) > 5
        else:
            assert parameter.make_metavar(context).strip("[].") in page


def test_examples_of_every_command_are_on_its_page():
    for name in COMMANDS:
        assert f"```console\nmaskstat {name}" in COMMAND_PAGES[f"{name}.md"], name


def test_the_index_of_commands_links_them_all():
    index = COMMAND_PAGES["index.md"]
    assert re.findall(r"^\| \[(\w+)\]", index, re.MULTILINE) == list(COMMANDS)
    assert set(re.findall(r"#command-([a-z-]+)\)", index)) == set(COMMANDS)


def test_every_column_of_every_schema_is_on_the_page():
    page = PAGES["schema_page"]()
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE))
    paths = sorted((Path(maskstat.__file__).parent / "schemas").glob("*.json"))
    schemas = [json.loads(path.read_text()) for path in paths]
    assert list(sections) == [schema["title"] for schema in schemas]
    for schema in schemas:
        columns = schema["properties"]["rows"]["items"]["properties"]
        section = sections[schema["title"]]
        assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(columns)


def test_every_public_statistic_and_figure_is_in_the_python_reference():
    pages = PAGES["api_pages"]()
    package = Path(maskstat.__file__).parent
    for path in (package / "stats").glob("[a-z]*.py"):
        assert f"automodule:: maskstat.stats.{path.stem}\n" in pages["stats.md"]
    for path in (package / "cli" / "plots").glob("[a-z]*.py"):
        for module, name in re.findall(
            r"from maskstat\.figures\.(\w+) import (\w+_\w+)", path.read_text()
        ):
            block = pages["figures.md"].split(f"automodule:: maskstat.figures.{module}\n")[1]
            assert name in block.splitlines()[0], (path.stem, name)
    for name in set(maskstat.__all__) - {"__version__", "MaskstatError"}:
        assert re.search(rf":: maskstat\.{name}(\.{name})?$", pages["maskstat.md"], re.MULTILINE)


def test_the_rooms_are_those_of_the_house():
    rooms = runpy.run_path(str(DOCS / "run_pages.py"))["rooms"]
    page = (DOCS / "explanation" / "design.md").read_text()
    assert rooms(page) == page, "python docs/run_pages.py explanation/design.md"
    assert re.findall(r"^\| `stats` \|.*`mask`", page, re.MULTILINE)


def test_statuses_are_those_of_the_code():
    from maskstat.cli import app

    page = (DOCS / "reference" / "exit-status.md").read_text()
    told = re.findall(r"^\| ([\d, ]+) \|", page, re.MULTILINE)
    listed = {int(number) for row in told for number in row.split(", ")}
    signals = {app.EXIT_INTERRUPTED, app.EXIT_BROKEN_PIPE, app.EXIT_TERMINATED}
    kinds = [getattr(maskstat.errors, n) for n in maskstat.errors.__all__ if n.endswith("Error")]
    assert listed == {0, 1, app.EXIT_BUG, *signals, *(kind.exit_status for kind in kinds)}
