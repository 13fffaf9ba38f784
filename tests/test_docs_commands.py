"""The commands of tutorial, how-to pages and gallery run, and print what the pages show."""

import contextlib
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from maskstat.cli.app import cli

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
RUN = runpy.run_path(str(DOCS / "run_pages.py"))
GALLERY = runpy.run_path(str(DOCS / "make_gallery.py"))
GALLERY_PAGE = (DOCS / "gallery.md").read_text()
CI_PAGE = (DOCS / "howto" / "ci.md").read_text()


def as_the_tutorial_was_run():
    """Whether training gives the same bits here as where the pages were made."""
    import torch

    return (
        torch.__version__.startswith("2.13") and torch.backends.cpu.get_cpu_capability() == "AVX2"
    )


def without_numbers(page):
    """What stays the same on another kind of processor: words, layers, numbers of rows."""
    blank = re.sub(r"-?\d[\d,.]*", "#", page)
    return re.sub(r"[ ─]+", " ", blank)


@pytest.mark.parametrize("name", RUN["PAGES"])
def test_pages_show_what_their_commands_print(name):
    page = (DOCS / name).read_text()
    assert RUN["commands"](page)
    again = RUN["updated"](page, RUN["PAGES"][name])
    if name == "tutorial.md" and not as_the_tutorial_was_run():
        page, again = without_numbers(page), without_numbers(again)
    assert again == page, f"python docs/run_pages.py {name}"


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


def test_recipes_for_ci_are_yaml_that_does_what_the_page_says():
    github, gitlab = (yaml.safe_load(block) for block in blocks(CI_PAGE, "yaml"))
    (job,) = github["jobs"].values()
    steps = [step["run"] for step in job["steps"] if "run" in step]
    script = gitlab["masks"]["script"]
    assert all(isinstance(line, str) for line in (*steps, *script))
    assert [line for step in steps for line in step.splitlines()] == script
    assert all(set(step) & {"run", "uses"} for step in job["steps"])
    assert github[True] == ["push", "pull_request"]  # YAML 1.1 reads the key `on` as true
    assert gitlab["masks"]["artifacts"]["paths"] == ["masks.csv"]


def test_shell_of_the_ci_recipes_runs(tmp_path):
    found = re.findall(
        r"^\s+(?:- )?\"?(maskstat [^\"\n]*)\"?$", "".join(blocks(CI_PAGE, "yaml")), re.M
    )
    assert len(found) == 4
    RUN["PAGES"]["howto/ci.md"](tmp_path)
    program = f"{shlex.quote(sys.executable)} -m maskstat"
    for line in found[:2]:
        command = re.sub("^maskstat", program, line)
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "masks.csv").read_text().startswith("a,b,")
    assert found[:2] == found[2:]


def test_gates_of_the_table_are_conditions():
    from maskstat.cli.gates import Gate

    lines = re.findall(r"^\| `maskstat (.*?)` \|", CI_PAGE, re.MULTILINE)
    assert len(lines) == 5
    for line in lines:
        words = shlex.split(line)
        given = [words[i + 1] for i, word in enumerate(words) if word == "--fail-if"]
        assert [Gate.parse(text).text for text in given] == given
        assert given or words[0] == "verify"  # which has a status of its own


def test_the_gallery_has_every_kind_and_its_picture():
    kinds = list(cli.get_command(click.Context(cli), "plot").list_commands(None))
    drawn = re.findall(r"^maskstat plot ([a-z]+)", GALLERY_PAGE, re.MULTILINE)
    assert sorted(drawn) == kinds
    pictures = GALLERY["pictures"](GALLERY_PAGE)
    assert [f"{kind}.svg" for kind in drawn] == pictures
    sizes = [(DOCS / "images" / "gallery" / name).stat().st_size for name in pictures]
    assert sum(sizes) < 1_500_000
    assert {p.name for p in (DOCS / "images" / "gallery").iterdir()} == set(pictures)


def written_commands(page):
    """Every whole command line of a page, in console blocks and between backquotes."""
    lines = [line for block in blocks(page, "console") for line in block.splitlines()]
    lines += re.findall(r"`(maskstat [a-z][^`]*)`", page)
    for line in lines:
        for part in re.split(r" \| | && ", line.removeprefix("$ ")):
            words = shlex.split(part.split("  #")[0], comments=True)
            if words[:1] == ["maskstat"] and not {"COMMAND", "KIND", "SRC"} & set(words):
                yield words[1:]


@pytest.mark.parametrize(
    "path",
    [ROOT / "README.md", *sorted(p for p in DOCS.rglob("*.md") if "commands" not in p.parts)],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_commands_of_every_page_are_understood(path):
    """Commands and options exist; text may leave out their values."""
    for words in written_commands(path.read_text(encoding="utf-8")):
        command = cli
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            command = command.get_command(click.Context(command), words[0])
            assert command is not None, words
            words = words[1:]
        if words and words not in (["--help"], ["--version"]):
            with contextlib.suppress(click.MissingParameter, click.BadOptionUsage):
                command.make_context("maskstat", words)


def test_recipes_of_the_gallery_are_sweeps(tmp_path):
    from maskstat.prune.grid import Grid

    sizes = {}
    for name, text in GALLERY["recipes"](GALLERY_PAGE).items():
        (tmp_path / name).write_text(text)
        sizes[name] = len(Grid.from_toml(tmp_path / name).recipes)
    assert sizes == {"inits.toml": 12, "methods.toml": 12, "tasks.toml": 3}


@pytest.mark.slow
def test_the_gallery_is_drawn(tmp_path):
    for name, text in GALLERY["recipes"](GALLERY_PAGE).items():
        (tmp_path / name).write_text(text)
    program = f"{shlex.quote(sys.executable)} -m maskstat"
    for line in GALLERY["commands"](GALLERY_PAGE):
        command = re.sub("^maskstat", program, line)
        if line.startswith(("maskstat prune", "maskstat retrain")):
            command += " --epochs 1"
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    for name in GALLERY["pictures"](GALLERY_PAGE):
        assert (tmp_path / name).read_bytes().startswith(b"<?xml")
