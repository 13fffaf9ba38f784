"""Completion in bash, zsh and fish: by the shells themselves where they are installed."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from maskstat.cli.app import COMMANDS

SHELLS = ("bash", "zsh", "fish")


@pytest.fixture
def path(tmp_path):
    """A PATH on which `maskstat` is this interpreter's."""
    program = tmp_path / "bin" / "maskstat"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m maskstat "$@"\n')
    program.chmod(0o755)
    for name in ("run.h5", "other.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    return f"{program.parent}:{os.environ['PATH']}"


def needs(shell):
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


def shell_out(argv, path, tmp_path):
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "HOME": str(tmp_path), "TERM": "dumb"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def completed(words, **env):
    """Ask as bash does, in a process; return pairs of type and value."""
    code = "import sys; from maskstat.__main__ import main; sys.argv = ['maskstat']; main()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "_MASKSTAT_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["maskstat", *words]),
            "COMP_CWORD": str(len(words)),
            **env,
        },
        check=True,
    )
    return [tuple(line.split(",", 1)) for line in done.stdout.splitlines()]


def values(words):
    return [value for _, value in completed(words)]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_for_each_shell(shell):
    done = subprocess.run(
        [sys.executable, "-m", "maskstat"],
        capture_output=True,
        text=True,
        env={**os.environ, "_MASKSTAT_COMPLETE": f"{shell}_source"},
        check=True,
    )
    assert "_MASKSTAT_COMPLETE" in done.stdout
    assert f"{shell}_complete" in done.stdout


def test_commands_kinds_options_and_values():
    assert values([""]) == list(COMMANDS)
    assert values(["con"]) == ["consensus", "connectivity", "convert"]
    assert values(["plot", "s"]) == ["shared", "significance", "similarity"]
    assert values(["compare", "--corr"]) == ["--correction"]
    assert values(["compare", "--correction", "b"]) == ["bh", "by"]
    assert values(["info", "--format", "js"]) == ["json", "jsonl"]
    assert values(["info", "--iteration", ""]) == ["last", "all"]
    assert values(["--color", "n"]) == ["never"]
    assert values(["verify", "--color", "a"]) == ["auto", "always"]


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["compare", "r"], "file"),
        (["compare", "run.h5", "r"], "file"),
        (["plot", "distance", "r"], "file"),
        (["info", "-o", "r"], "file"),
        (["plot", "votes", "a.h5", "-o", "f"], "file"),
        (["convert", "r"], "file"),
        (["reproduce", "grosse2020", "--data-dir", "f"], "dir"),
        (["prune", "--dataset", "mine.npz"], "file"),
        (["prune", "--recipe", "./rep"], "file"),
    ],
    ids=lambda value: "" if isinstance(value, str) else " ".join(value),
)
def test_files_where_files_are_taken(words, kind):
    assert completed(words) == [(kind, words[-1])]


def loaded_by(words):
    """Complete some words; return what is offered, and the packages that it took."""
    code = (
        "import sys, json\nfrom maskstat.cli.app import cli\nsys.argv = ['maskstat']\n"
        "try:\n    cli.main(prog_name='maskstat')\nexcept SystemExit: pass\n"
        "print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    )
    env = {
        "_MASKSTAT_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["maskstat", *words]),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        check=True,
    )
    *offered, loaded = done.stdout.splitlines()
    return [tuple(line.split(",", 1)) for line in offered], set(json.loads(loaded))


@pytest.mark.parametrize("words", [[""], ["pl"], ["plot", ""], ["plot", "distance", "--it"]])
def test_commands_are_completed_without_numpy(words):
    offered, loaded = loaded_by(words)
    assert offered
    assert not loaded & {"numpy", "scipy", "h5py", "torch", "matplotlib", "rich"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["prune", "--model", "resnet"], ["resnet18", "resnet18-cifar"]),
        (["retrain", "a.h5", "--model", "v"], ["vgg11"]),
        (["prune", "--dataset", "cifar"], ["cifar10", "cifar100"]),
        (["retrain", "a.h5", "--dataset", "km"], ["kmnist"]),
        (["plot", "similarity", "a.h5", "--dataset", "sv"], ["svhn"]),
        (["prune", "--method", "l1"], ["l1-unstructured", "l1-structured"]),
        (["prune", "--criterion", "large"], ["large-final", "large-init"]),
        (["prune", "--recipe", "rep"], ["replicates"]),
        (["prune", "--vary", "order,d"], ["order,dropout"]),
        (["compare", "--null", "p"], ["pooled", "parent"]),
        (["compare", "--measure", "dice,kap"], ["dice,kappa"]),
        (["info", "--from", "z"], ["zeros"]),
        (["convert", "a.h5", "--to", "a"], ["archive"]),
        (["reproduce", "g"], ["grosse2020"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_names_are_completed_without_torch(words, expected):
    offered, loaded = loaded_by(words)
    assert offered == [("plain", name) for name in expected]
    assert not loaded & {"torch", "matplotlib", "rich"}


def test_names_of_the_command_line_are_those_of_the_library():
    from maskstat.cli.names import MODELS
    from maskstat.prune.models import registry

    assert tuple(registry.MODELS) == MODELS


def test_a_method_of_an_installed_package_is_completed(tmp_path):
    info = tmp_path / "others-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[maskstat.methods]\nours-best = others:Best\n")
    words = ["prune", "--method", "ours"]
    assert completed(words, PYTHONPATH=str(tmp_path)) == [("plain", "ours-best")]


@needs("bash")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("maskstat cor", {"correlate"}),
        ("maskstat plot comp", {"composition"}),
        ("maskstat verify --over", {"--overwrite"}),
        ("maskstat plot accuracy --scale l", {"logit", "linear"}),
    ],
)
def test_bash_itself(path, tmp_path, line, expected):
    words = line.split()
    script = (
        'eval "$(_MASKSTAT_COMPLETE=bash_source maskstat)"\n'
        "compopt() { :; }\n"
        f"COMP_WORDS=({' '.join(words)})\nCOMP_CWORD={len(words) - 1}\n"
        "spec=($(complete -p maskstat))\n"
        '"${spec[-2]}" maskstat\n'
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    out = shell_out(["bash", "--norc", "-c", script], path, tmp_path)
    assert set(out.split()) == expected


@needs("fish")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("maskstat cor", {"correlate"}),
        ("maskstat plot comp", {"composition"}),
        ("maskstat verify --over", {"--overwrite"}),
        ("maskstat verify ru", {"run.h5"}),
    ],
)
def test_fish_itself(path, tmp_path, line, expected):
    script = f"_MASKSTAT_COMPLETE=fish_source maskstat | source; complete --do-complete '{line}'"
    out = shell_out(["fish", "--no-config", "-c", script], path, tmp_path)
    assert {offer.split("\t")[0] for offer in out.splitlines()} == expected


@needs("zsh")
def test_zsh_itself(path, tmp_path):
    """The function that the script defines, with zsh's own listing functions replaced."""
    script = (
        "compdef() { :; }\n"
        'eval "$(_MASKSTAT_COMPLETE=zsh_source maskstat)"\n'
        '_describe() { print -rl -- "${(@P)3}"; }\ncompadd() { print -rl -- "${(@P)@[-1]}"; }\n'
        "words=(maskstat plot comp)\nCURRENT=3\n_maskstat_completion"
    )
    out = shell_out(["zsh", "-f", "-c", script], path, tmp_path)
    assert "composition" in out
    assert "accuracy" not in out
