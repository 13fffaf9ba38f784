"""Pages of the reference that are made from the program each time the site is built.

The commands come from click, the JSON schemas from the files that are shipped, the Python reference
from docstrings, so none can say something else than the program does. They are not kept in git.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import maskstat
from maskstat.cli.app import COMMANDS, cli

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__all__ = ["api_pages", "command_pages", "schema_page", "setup"]

PACKAGE = Path(maskstat.__file__).parent
SCHEMAS = PACKAGE / "schemas"

API: dict[str, tuple[str, tuple[str, ...]]] = {
    "archive": ("Archives", ("archive.reader", "archive.verify", "archive.writer")),
    "convert": ("Other formats", ("convert", "convert.read", "convert.out")),
    "stats": ("Statistics", ()),
    "figures": ("Figures", ()),
    "prune": (
        "Pruning",
        ("prune", "prune.recipe", "prune.grid", "prune.methods.method", "prune.progress"),
    ),
    "reproduce": ("Reproductions", ("reproduce", "reproduce.plan", "reproduce.run")),
}
"""Page to its title and modules; none stands for every public module of the package."""

_DRAWN = ("Figure", "Drawing")
_SHOWN_ELSEWHERE = {f"maskstat.{module}" for _, modules in API.values() for module in modules}


def command_pages() -> dict[str, str]:
    """Return a page for each command and each kind of figure, and their index, by file name."""
    pages = {
        f"{'-'.join(words)}.md": _command_page(words, command) for words, command in _commands(cli)
    }
    return pages | {"index.md": _command_index()}


def _command_index() -> str:
    rows = [f"| [{name}](#command-{name}) | {_cell(line)} |" for name, line in COMMANDS.items()]
    context = click.Context(cli, info_name="maskstat")
    tree = "\n".join(f"commands/{name}" for name in COMMANDS)
    return "\n\n".join(
        [
            "| command | |\n|---|---|\n" + "\n".join(rows),
            _help(cli),
            _options(cli, context),
            f"```{{toctree}}\n:hidden:\n\n{tree}\n```\n",
        ]
    )


def _commands(
    group: click.Group, before: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*before, name), command
        if isinstance(command, click.Group):
            yield from _commands(command, (*before, name))


def _command_page(words: tuple[str, ...], command: click.Command) -> str:
    name = " ".join(("maskstat", *words))
    above = click.Context(cli, info_name="maskstat", **cli.context_settings)
    context = click.Context(command, parent=above, info_name=name)
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [
        f"(command-{'-'.join(words)})=\n# {name}",
        _help(command),
        f"## Usage\n\n```text\n{name} {usage}\n```",
        _options(command, context),
    ]
    if isinstance(command, click.Group):
        kinds = command.list_commands(context)
        links = "\n".join(f"- [{kind}](#command-{'-'.join((*words, kind))})" for kind in kinds)
        tree = "\n".join("-".join((*words, kind)) for kind in kinds)
        parts.append(f"## Kinds\n\n{links}\n\n```{{toctree}}\n:hidden:\n\n{tree}\n```")
    return "\n\n".join(part for part in parts if part) + "\n"


def _help(command: click.Command) -> str:
    r"""Turn click's help into Markdown: paragraphs, and what `\b` keeps as it is."""
    blocks = inspect.cleandoc(command.help or "").split("\n\n")
    return "\n\n".join(_block(block) for block in blocks)


def _block(block: str) -> str:
    if not block.startswith("\b"):
        return _escaped(block)
    title, _, body = block.lstrip("\b\n").partition("\n")
    if title != "Example:":
        return f"```text\n{title}\n{body}\n```"
    return f"## Examples\n\n```console\n{inspect.cleandoc(body)}\n```"


def _options(command: click.Command, context: click.Context) -> str:
    rows = ["| option | |", "|---|---|"]
    for parameter in command.get_params(context):
        if not isinstance(parameter, click.Option) or parameter.hidden:
            continue
        record = parameter.get_help_record(context)
        assert record is not None
        rows.append(f"| {_names(record[0])} | {_cell(record[1])} |")
    return "## Options\n\n" + "\n".join(rows)


def _names(record: str) -> str:
    return f"`{record.replace('|', chr(92) + '|')}`"


def _cell(text: str) -> str:
    return _escaped(" ".join(text.split())).replace("|", "\\|")


def _escaped(text: str) -> str:
    """Keep what Markdown would read as markup."""
    return re.sub(r"([\\`*_<>\[\]$~])", r"\\\1", text)


def schema_page() -> str:
    """Return the page of all JSON schemas."""
    parts = [
        "# JSON schemas",
        "`--format json` prints one object: `schema` (name and version), `maskstat` (the version "
        "that wrote it), `inputs` (path, digest, run and iteration of each), `parameters`, and "
        "`rows`. `--format jsonl` prints the rows alone, one a line. The columns of the other "
        "formats are the same. What is missing is `null`; there is no NaN and no infinity. Within "
        "a number of a schema, columns may be added, and none change or go.",
        "The files are installed with the package, in `maskstat/schemas/`.",
    ]
    parts += [_schema(json.loads(path.read_text("utf-8"))) for path in sorted(SCHEMAS.glob("*"))]
    return "\n\n".join(parts) + "\n"


def _schema(schema: Mapping[str, Any]) -> str:
    columns = schema["properties"]["rows"]["items"]["properties"]
    lines = ["| column | type | |", "|---|---|---|"]
    lines += [
        f"| `{name}` | {_type(column)} | {_cell(column.get('description', ''))} |"
        for name, column in columns.items()
    ]
    return f"## {schema['title']}\n\n" + "\n".join(lines)


def _type(column: Mapping[str, Any]) -> str:
    types = column.get("type", "any")
    names = [types] if isinstance(types, str) else types
    return " or ".join(name for name in names if name != "null")


def api_pages() -> dict[str, str]:
    """Return the pages of the Python reference by file name."""
    pages = {f"{name}.md": _api_page(title, modules or _modules(name), name)
             for name, (title, modules) in API.items()}  # fmt: skip
    return pages | {"maskstat.md": _package_page()}


def _modules(package: str) -> tuple[str, ...]:
    found = pkgutil.iter_modules([str(PACKAGE / package)])
    return tuple(f"{package}.{module.name}" for module in found if module.name[0] != "_")


def _api_page(title: str, modules: tuple[str, ...], name: str) -> str:
    parts = [f"# {title}: `maskstat.{name}`"]
    for module in modules:
        members = ", ".join(_own_names(f"maskstat.{module}"))
        if members:
            directive = f".. automodule:: maskstat.{module}\n   :members: {members}"
            parts += [f"## {module}", f"```{{eval-rst}}\n{directive}\n```"]
    return "\n\n".join(parts) + "\n"


def _own_names(name: str) -> list[str]:
    """Return a module's public functions and classes; of figures, the functions that draw one."""
    module = importlib.import_module(name)
    there = {key: getattr(module, key) for key in module.__all__}
    own = {k: v for k, v in there.items() if getattr(v, "__module__", "").startswith("maskstat")}
    if not name.startswith("maskstat.figures."):
        return [k for k, v in own.items() if inspect.isclass(v) or inspect.isfunction(v)]
    functions = {k: inspect.signature(v) for k, v in own.items() if inspect.isfunction(v)}
    drawing = [k for k, signature in functions.items() if signature.return_annotation in _DRAWN]
    return list(functions) if name.endswith(".style") else drawing


def _package_page() -> str:
    lines = []
    for name in sorted(set(maskstat.__all__) - {"__version__"}):
        found = getattr(maskstat, name)
        path = f"maskstat.{name}.{name}" if inspect.ismodule(found) else f"maskstat.{name}"
        kind = "class" if inspect.isclass(found) else "function"
        if kind == "class" and issubclass(found, Exception):
            continue  # below, among all errors
        lines += [f".. auto{kind}:: {path}", *(["   :members:"] if kind == "class" else [])]
        elsewhere = inspect.ismodule(found) or found.__module__ in _SHOWN_ELSEWHERE
        lines.append("   :no-index:\n" if elsewhere else "")
    for module in ("table", "errors"):
        lines += [f".. automodule:: maskstat.{module}", "   :members:\n"]
    body = "\n".join(lines)
    return f"# The package: `maskstat`\n\n```{{eval-rst}}\n{body}\n```\n"


def _write(app: Sphinx) -> None:
    folder = Path(app.srcdir) / "reference"
    pages = {f"commands/{name}": text for name, text in command_pages().items()}
    pages |= {f"api/{name}": text for name, text in api_pages().items()}
    pages["schemas.md"] = schema_page()
    for kind in ("commands", "api"):
        for old in (folder / kind).glob("*.md"):
            if f"{kind}/{old.name}" not in pages:
                old.unlink()
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def _escape_bars(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Let |A| stand for a size in docstrings; reStructuredText would substitute it."""
    for i, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            parts = line.split("``")
            parts[::2] = [part.replace("|", "\\|") for part in parts[::2]]
            lines[i] = "``".join(parts)


def setup(app: Sphinx) -> dict[str, Any]:
    """Make the pages before Sphinx looks for them."""
    app.connect("builder-inited", _write)
    app.connect("autodoc-process-docstring", _escape_bars)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
