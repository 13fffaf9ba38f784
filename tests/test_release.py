"""What a release is made of: one version, whole distributions, a wheel that works by itself."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import yaml

import maskstat
from maskstat.cli.app import COMMANDS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CITATION = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_the_version_stands_in_one_place():
    assert "version" in PROJECT["project"]["dynamic"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "maskstat/__init__.py"
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+|\.dev\d+)?", maskstat.__version__)
    assert metadata.version("maskstat") == maskstat.__version__
    pattern = re.compile(rf"\b{re.escape(maskstat.__version__)}\b")
    holders = [p for p in (ROOT / "maskstat").rglob("*.py") if pattern.search(p.read_text("utf-8"))]
    assert holders == [ROOT / "maskstat" / "__init__.py"]


def test_the_citation_is_of_this_version_and_names_both_papers():
    assert re.search(r"^cff-version: 1\.2\.0$", CITATION, re.MULTILINE)
    assert re.search(rf"^version: {re.escape(maskstat.__version__)}$", CITATION, re.MULTILINE)
    for recipe in (ROOT / "maskstat" / "reproduce" / "recipes").glob("*.toml"):
        paper = tomllib.loads(recipe.read_text(encoding="utf-8"))
        (arxiv,) = re.findall(r"arXiv:\d+\.\d+", paper["citation"])
        assert arxiv in CITATION
        assert paper["title"] in CITATION
        for author in re.findall(r"(\w+)(?: and |:)", paper["citation"].split(". arXiv")[0])[:2]:
            assert f"family-names: {author}" in CITATION
    assert re.search(rf"^license: {PROJECT['project']['license']}$", CITATION, re.MULTILINE)


def test_the_citation_is_yaml():
    stored = yaml.safe_load(CITATION)
    assert {"cff-version", "message", "title", "type", "authors", "version"} <= stored.keys()
    assert len(stored["references"]) == 2
    for paper in stored["references"]:
        assert {"type", "title", "authors", "year", "identifiers"} <= paper.keys()


def test_the_changelog_knows_what_comes_or_is_here():
    headings = re.findall(r"^## \[([^\]]+)\](.*)$", CHANGELOG, re.MULTILINE)
    name, date = headings[0]
    assert name in ("Unreleased", maskstat.__version__)
    for name, date in headings:
        assert bool(date) == (name != "Unreleased")
        assert name == "Unreleased" or re.fullmatch(r" - \d{4}-\d\d-\d\d", date)
    released = [name for name, _ in headings if name != "Unreleased"]
    if released:  # and the citation has its date
        assert released[0] == maskstat.__version__
        (date,) = re.findall(r"^date-released: (\S+)$", CITATION, re.MULTILINE)
        assert f"## [{released[0]}] - {date}" in CHANGELOG


def test_every_command_is_in_the_changelog():
    for command in COMMANDS:
        assert re.search(rf"`[^`\n]*\b{command}\b", CHANGELOG), command


def test_files_for_people_are_there_and_their_links_lead_somewhere():
    for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (ROOT / target).exists(), f"{name}: {target}"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_the_contributor_is_sent_to_targets_that_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    texts = [ROOT / "CONTRIBUTING.md", ROOT / ".ci" / "run", *WORKFLOWS]
    for path in texts:
        text = path.read_text(encoding="utf-8")
        for target in re.findall(r"^ *(?:- run: )?make ([a-z][a-z-]*)", text, re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{path.name}: {target}"


def test_workflows_are_yaml_that_grants_little():
    assert {path.name for path in WORKFLOWS} >= {"ci.yml", "publish.yml", "wheel.yml"}
    for path in WORKFLOWS:
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert workflow["permissions"] == {"contents": "read"}, path.name
        for name, job in workflow["jobs"].items():
            assert "timeout-minutes" in job or "uses" in job, f"{path.name}: {name}"
            granted = job.get("permissions", {})
            assert set(granted) <= ({"id-token"} if name == "publish" else set())
        assert "password" not in path.read_text(encoding="utf-8")


def test_the_pythons_tried_are_the_pythons_promised():
    least = re.fullmatch(r">=3\.(\d+)", PROJECT["project"]["requires-python"])
    assert least
    for name in ("ci.yml", "wheel.yml"):
        text = (ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8")
        (matrix,) = re.findall(r"^ +python: \[(.*)\]$", text, re.MULTILINE)
        minors = [int(minor) for minor in re.findall(r'"3\.(\d+)"', matrix)]
        assert minors == list(range(int(least[1]), max(minors) + 1))
        assert max(minors) >= 14


# --- the distributions themselves


@pytest.fixture(scope="session")
def distributions(tmp_path_factory):
    """A wheel and an sdist, built as `python -m build` does it."""
    pytest.importorskip("build")
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    return wheel, sdist


def sources(folder):
    """Files of the checkout below a folder, what tools leave behind left out."""
    return {
        str(path.relative_to(ROOT))
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
        and not any(p.startswith((".", "__pycache__", "_build")) for p in path.parts)
    }


@pytest.mark.slow
def test_distributions_are_whole(distributions):
    wheel, sdist = distributions
    name = f"maskstat-{maskstat.__version__}"
    with zipfile.ZipFile(wheel) as archive:
        packed = {n for n in archive.namelist() if not n.startswith(f"{name}.dist-info/")}
        about = archive.read(f"{name}.dist-info/METADATA").decode()
        entry = archive.read(f"{name}.dist-info/entry_points.txt").decode()
    assert packed == sources("maskstat")
    assert {"maskstat/py.typed", "maskstat/schemas/compare-1.json"} <= packed
    assert f"Version: {maskstat.__version__}\n" in about
    assert "Requires-Dist: torch>=" in about
    assert not re.search(r"^Requires-Dist: torch[^;]*$", about, re.MULTILINE)
    assert "maskstat = maskstat.__main__:main" in entry
    with tarfile.open(sdist) as archive:
        packed = {n.removeprefix(f"{name}/") for n in archive.getnames()}
    assert sources("maskstat") | sources("tests") <= packed
    for file in ("README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md",
                 "CITATION.cff", "Makefile", "constraints.txt", "pyproject.toml"):  # fmt: skip
        assert file in packed


@pytest.mark.slow
def test_distributions_can_be_published(distributions):
    pytest.importorskip("twine")
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *map(str, distributions)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="session")
def installed(distributions, tmp_path_factory):
    """The Python of an environment of its own that has the wheel, and no extra."""
    venv = tmp_path_factory.mktemp("venv")
    python = venv / "bin" / "python"
    quickly = ["--quiet", "--no-compile", "--only-binary", ":all:"]
    for command in (
        [sys.executable, "-m", "venv", str(venv)],
        [str(python), "-m", "pip", "install", *quickly, str(distributions[0])],
    ):
        done = subprocess.run(command, env=clean(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return python


def clean():
    """The environment without what would lead Python to the checkout."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}


@pytest.mark.slow
def test_the_wheel_brings_what_it_needs_and_no_more(installed):
    done = subprocess.run(
        [str(installed), "-m", "pip", "list", "--format", "freeze"],
        env=clean(),
        capture_output=True,
        text=True,
        check=True,
    )
    names = {line.partition("==")[0].lower() for line in done.stdout.splitlines()}
    wanted = {re.split(r"[^\w-]", line)[0] for line in PROJECT["project"]["dependencies"]}
    assert {"maskstat"} | wanted <= names
    assert not names & {"torch", "distributed", "simsimd", "pytest"}


@pytest.mark.slow
def test_the_wheel_works_by_itself(installed, tmp_path):
    """In an empty folder, as a user has it."""
    done = subprocess.run(
        [str(installed), str(ROOT / "tests" / "smoke.py")],
        cwd=tmp_path,
        env=clean(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("as it should be\n")
