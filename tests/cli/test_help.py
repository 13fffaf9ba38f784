"""Help: a purpose, examples that parse, text for every option, at any width."""

import importlib
import re
import shlex

import click
import pytest

from maskstat.cli.app import COMMANDS, cli
from maskstat.cli.plot import command as plot

KINDS = plot.list_commands(click.Context(plot))
PAGES = [(), *((name,) for name in COMMANDS), *(("plot", kind) for kind in KINDS)]
WIDTHS = (40, 60, 80, 100)


def shown(words, width, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--help"], prog_name="maskstat", terminal_width=width)
    assert ended.value.code == 0
    return capsys.readouterr().out


def found(words):
    """The command of some words, as the command line finds it."""
    command, context = cli, click.Context(cli)
    for word in words:
        command = command.get_command(context, word)
    return command


def examples(text):
    """The command lines below Example, folded ones put together."""
    (block,) = re.findall(r"^ *Example:\n((?:^ +\S.*\n?)+)", text, re.MULTILINE)
    return re.sub(r"\\\n\s+", "", block).strip("\n").splitlines()


def parsed(line):
    """Parse a command line with the real parser, and run nothing."""
    words = shlex.split(line)
    words = words[: min(words.index(sign) if sign in words else len(words) for sign in "|>")]
    assert words.pop(0) == "maskstat"
    command, context, path = cli, None, ["maskstat"]
    while True:
        context = command.make_context(path[-1], words, parent=context)
        if not isinstance(command, click.Group):
            return path[1:], context
        name, command, words = command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        path.append(name)


@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_every_example_parses_and_is_of_its_command(words, capsys):
    for width in WIDTHS:
        lines = examples(shown(words, width, capsys))
        assert lines == examples(shown(words, 100, capsys))
    for line in lines:
        path, context = parsed(line.strip())
        assert tuple(path[: len(words)]) == words
        assert context.command is found(path)


@pytest.mark.parametrize("words", PAGES, ids=" ".join)
@pytest.mark.parametrize("width", WIDTHS)
def test_help_fits(words, width, capsys):
    text = shown(words, width, capsys)
    for line in text.splitlines():
        if width < 60:  # what cannot be broken runs over the edge: an option, a long file name
            line = re.sub(r"^ +((-\w, )?--\S+ |\"\$).+$", "", line)
        assert len(line) <= width, line
    assert "\b" not in text
    assert max(map(len, text.splitlines())) > min(width, 80) // 2


@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_every_option_has_a_text_and_every_page_a_purpose(words):
    command = found(words)
    first = (command.help or "").split("\n")[0]
    assert first.endswith(".")
    assert len(first) <= 80
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            assert re.search(r"[.\]]$", parameter.help), parameter.help
        else:
            assert parameter.metavar or parameter.human_readable_name.isupper()
    options = [name for p in command.params for name in p.opts if isinstance(p, click.Option)]
    assert len(set(options)) == len(options)
    assert options.count("--color") == 1


@pytest.mark.parametrize("name", ["compare", "connectivity", "consensus", "info"])
def test_the_condition_in_the_help_is_one_on_the_rows_of_the_command(name, run_cli, archives):
    (option,) = (p for p in found((name,)).params if p.name == "fail_if")
    condition = re.search(r"e\.g\. '(.*?)'", option.help)[1]
    files = archives[:1] if name == "info" else archives[:2]
    assert run_cli(name, *files, "--fail-if", condition).exit_code in (0, 1)


@pytest.mark.parametrize("kind", ["agreement", "contrast", "distance", "shared", "similarity"])
def test_a_figure_over_iterations_says_that_it_takes_all(kind):
    (option,) = (p for p in found(("plot", kind)).params if p.name == "iteration")
    assert option.default == "all"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_the_page_says(name):
    module = importlib.import_module(f"maskstat.cli.{name}")
    assert module.command.help.split("\n")[0] == COMMANDS[name]


def test_a_wide_terminal_is_not_filled(monkeypatch):
    from maskstat.cli import app

    for columns, width in (("20", 40), ("60", 60), ("200", 100)):
        monkeypatch.setenv("COLUMNS", columns)
        assert app._width() == width


def test_folding_keeps_words_in_quotes_whole():
    from maskstat.cli.help import _folded

    line = "  maskstat compare a.h5 b.h5 --fail-if 'total:jaccard < 0.9' -o out.tsv"
    folded = _folded(line, 40)
    assert max(map(len, folded.splitlines())) <= 40
    assert shlex.split(folded.replace("\\\n", "")) == shlex.split(line)
    assert folded == (
        "  maskstat compare a.h5 b.h5 \\\n"
        "      --fail-if 'total:jaccard < 0.9' \\\n"
        "      -o out.tsv"
    )
