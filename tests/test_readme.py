"""README is true: its commands and its Python run as they stand."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
CONSOLE = re.findall(r"^```console\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
PYTHON = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)

FAST = "--iterations 2 --epochs 1"


@pytest.fixture(scope="module")
def pruned(tmp_path_factory):
    """What the tour begins with, and two archives that CI would compare."""
    path = tmp_path_factory.mktemp("tour")
    for line in commands("maskstat prune"):
        assert run(f"{line.split('#')[0]} {FAST}", path).returncode == 0
    for seed, name in enumerate(("old.h5", "new.h5")):
        assert run(f"maskstat prune --seed {seed} -o {name} {FAST}", path).returncode == 0
    return path


@pytest.fixture
def folder(pruned, tmp_path):
    """Where one line of the tour is tried."""
    return shutil.copytree(pruned, tmp_path / "tour")


def commands(prefix):
    return [line for block in CONSOLE for line in block.splitlines() if line.startswith(prefix)]


def run(line, folder):
    """Run one line of README in a shell, `maskstat` being this interpreter's."""
    words = f"{shlex.quote(sys.executable)} -m maskstat"
    line = re.sub(r"(^|\| )maskstat ", rf"\1{words} ", line).replace(
        "python -m json", f"{shlex.quote(sys.executable)} -m json"
    )
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "line", [*commands("maskstat c"), *commands("maskstat plot"), *commands("cat")]
)
def test_commands_run_as_they_stand(line, folder):
    done = run(line, folder)
    expected = 1 if "--fail-if" in line else 0
    assert done.returncode == expected, done.stderr
    assert "Traceback" not in done.stderr


def test_python_runs_as_it_stands(folder, monkeypatch, capsys):
    import maskstat

    original = maskstat.prune

    class Fast:
        def __call__(self, **options):
            return original(iterations=2, epochs=1, **options)

    monkeypatch.setattr(maskstat, "prune", Fast())
    monkeypatch.chdir(folder)
    (code,) = PYTHON
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1].startswith("total ")
    assert (folder / "ticket.h5").exists()


def test_every_command_is_in_the_table():
    from maskstat.cli.app import COMMANDS

    table = README.split("| command | answers |")[1].split("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", table)) == set(COMMANDS)


def test_targets_exist():
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", "\n".join(CONSOLE), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
