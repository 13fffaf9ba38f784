"""Code from outside the package: the page that says how is followed, and then abused."""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from maskstat.archive import open_archive
from maskstat.cli.app import cli
from maskstat.errors import MaskstatError
from maskstat.layout import Layout
from maskstat.prune.imports import has_changed, is_path, origin_of
from maskstat.prune.methods import Method
from maskstat.prune.pruning import Pruning
from maskstat.prune.schedule import FractionSchedule
from maskstat.prune.streams import Streams

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "extending.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
FILES = {
    re.match(r"# (\S+)\n", text)[1]: text for kind, text in BLOCKS if kind in ("python", "toml")
}
COMMANDS = [line[2:] for kind, text in BLOCKS if kind == "console" for line in text.splitlines()]
TINY = ("--iterations", "1", "--epochs", "1")


def install(folder: Path, project: dict, modules: dict[str, str]) -> None:
    """Leave in a folder what an installer would, as the project says."""
    name, version = project["name"], project["version"]
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    for group, points in project["entry-points"].items():
        lines = "".join(f"{key} = {value}\n" for key, value in points.items())
        (info / "entry_points.txt").write_text(f"[{group}]\n{lines}")
    for module, text in modules.items():
        (folder / module).write_text(text)
    (info / "RECORD").write_text("".join(f"{module},,\n" for module in modules))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        place = getattr(sys.modules[name], "__file__", None)
        if place and Path(place).absolute().is_relative_to(tmp_path):
            del sys.modules[name]


@pytest.fixture
def call():
    def run(*arguments):
        result = CliRunner().invoke(cli, [str(a) for a in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert "Traceback" not in result.stderr
        return result

    return run


def only_run(path):
    with open_archive(path) as archive:
        (run,) = archive.runs.values()
    return run


def test_the_page_is_followed_to_the_letter(here, call, monkeypatch):
    for name, text in FILES.items():
        if name != "furthest.py":
            (here / name).write_text(text)
    project = tomllib.loads(FILES["pyproject.toml"])["project"]
    site = here / "site"
    install(site, project, {"furthest.py": FILES["furthest.py"]})
    monkeypatch.syspath_prepend(site)
    for command in COMMANDS:
        program, *words = command.split()
        if program == "maskstat":
            done = call(*words)
            assert (done.exit_code, done.stdout) == (0, ""), f"{command}\n{done.stderr}"
        else:
            subprocess.run([{"python": sys.executable}[program], *words], check=True)
    model = only_run("small.h5").provenance["model"]["code"]
    assert model == {
        "import": "nets:small",
        "module": "nets",
        "sha256": hashlib.sha256(FILES["nets.py"].encode()).hexdigest(),
    }
    data = only_run("stripes.h5").provenance["dataset"]
    assert data["code"]["import"] == "stripes:horizontal_or_vertical"
    npz = only_run("from_npz.h5").provenance["dataset"]
    assert (npz["digest"], "code" in npz) == (data["digest"], False)
    for name, path in (("furthest:Furthest", "furthest.h5"), ("furthest-global", "installed.h5")):
        method = only_run(path).provenance["method"]
        assert (method["name"], method["source"]) == (name, "furthest 1.0")
        assert method["code"]["sha256"] == hashlib.sha256(FILES["furthest.py"].encode()).hexdigest()
    sweep = sorted(path.name for path in (here / "mine").glob("*.h5"))
    assert len(sweep) == 4
    assert {
        only_run(here / "mine" / name).provenance["environment"]["engine"] for name in sweep
    } == {"ensemble"}
    assert not list(here.glob("*.tmp*"))


def test_the_installed_command_looks_in_the_current_folder(here):
    (here / "nets.py").write_text(FILES["nets.py"])
    command = Path(sys.executable).with_name("maskstat")
    done = subprocess.run(
        [command, *COMMANDS[0].split()[1:]], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert only_run("small.h5").n_iterations == 3


@pytest.mark.slow
def test_workers_come_to_what_one_process_does(here, call):
    for name in ("nets.py", "furthest.py", "mine.toml", "stripes.py", "to_npz.py"):
        (here / name).write_text(FILES[name])
    subprocess.run([sys.executable, "to_npz.py"], check=True)
    for jobs in (1, 2):
        assert (
            call("prune", "-q", "--recipe", "mine.toml", "--jobs", jobs, "-o", f"j{jobs}").exit_code
            == 0
        )
    for path in sorted((here / "j1").glob("*.h5")):
        assert only_run(path).digest == only_run(here / "j2" / path.name).digest


TORCHVISION_LIKE = '''
"""The shape of torchvision.models: builders behind decorators, with weights=None and **kwargs."""
import functools
from torch import nn

def handle_legacy_interface(builder):
    @functools.wraps(builder)
    def inner_wrapper(*args, **kwargs):
        return builder(*args, **kwargs)
    return inner_wrapper

class Tiny(nn.Module):
    def __init__(self, num_classes=1000):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(0.1)
        self.fc = nn.Linear(4, num_classes)

    def forward(self, x):
        x = self.avgpool(self.bn1(self.conv1(x)).relu()).flatten(1)
        return self.fc(self.dropout(x))

@handle_legacy_interface
def resnet18(*, weights=None, progress=True, **kwargs):
    assert weights is None
    return Tiny(**kwargs)
'''


def test_torchvisions_door(here, call, monkeypatch):
    """A stand-in: torchvision itself needs the CUDA build of torch."""
    site = here / "site"
    package = site / "visionlike" / "models"
    package.mkdir(parents=True)
    (site / "visionlike" / "__init__.py").write_text("")
    (package / "__init__.py").write_text("from .resnet import resnet18\n")
    (package / "resnet.py").write_text(TORCHVISION_LIKE)
    info = site / "visionlike-0.20.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: visionlike\nVersion: 0.20\n")
    (info / "RECORD").write_text("visionlike/__init__.py,,\nvisionlike/models/resnet.py,,\n")
    monkeypatch.syspath_prepend(site)
    model = ("--model", "visionlike.models:resnet18")
    grey = call("prune", *TINY, *model)
    assert grey.exit_code == 2
    assert "[wrong-input-size]" in grey.stderr
    assert "--set data.input=3x224x224" in grey.stderr
    done = call("prune", *TINY, *model, "--input", "3x8x8", "--engine", "auto")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.count("it is trained alone (engine loop)") == 1
    run = only_run("run.h5")
    assert run.layout.names == ("conv1.weight", "fc.weight")
    assert run.provenance["model"]["code"] == {
        "import": "visionlike.models:resnet18",
        "module": "visionlike.models.resnet",
        "sha256": hashlib.sha256(TORCHVISION_LIKE.encode()).hexdigest(),
        "distribution": "visionlike 0.20",
    }


THEIRS = """
import numpy as np
from torch import nn
from maskstat.prune.methods import Method

x = np.zeros((20, 8, 8), np.uint8)
y = np.arange(20) % 2

def five(): return nn.Sequential(nn.Flatten(), nn.Linear(64, 5))
def text(): return "a net"
def broken(): return 1 / 0
def data_five(): return 5
def short(): return (x, y[:-1]), (x, y)
def negative(): return (x, y - 1), (x, y)
def halves(): return (x, y / 2), (x, y)
def words(): return (x.astype(str), y), (x, y)
def other_size(): return (x, y), (x[:, 1:], y)
class Untrainable(nn.Module):
    def __init__(self): super().__init__(); self.fc = nn.Linear(64, 10)
    def forward(self, x):
        if self.training: raise KeyError("no training")
        return self.fc(x.flatten(1))
class Frozen(Untrainable):
    def __init__(self): super().__init__(); self.requires_grad_(False)
    def forward(self, x): return self.fc(x.flatten(1))
number = 3

class Base(Method):
    def scores(self, layer): return np.abs(layer.final)
class MaskMaker(Base):
    def scores(self, layer): return layer.kept
class Short(Base):
    def scores(self, layer): return np.abs(layer.final).ravel()[:-1]
class Nan(Base):
    def scores(self, layer): return layer.final * np.nan
class Vandal(Base):
    def scores(self, layer): layer.kept[...] = True
class Raising(Base):
    def scores(self, layer): return 1 / 0
class Fussy(Base):
    unit = "atom"
class Abstract(Method): pass
"""


@pytest.mark.parametrize(
    ("options", "status", "slug", "told"),
    [
        (["--model", "thiers:five"], 2, "no-such-module", "did you mean 'theirs'?"),
        (["--model", "theirs.inner:five"], 2, "no-such-module", "'theirs' is a module"),
        (["--dataset", "thiers:five"], 2, "no-such-module", "did you mean 'theirs'?"),
        (["--method", "thiers:Base"], 2, "no-such-module", "did you mean 'theirs'?"),
        (["--model", "theirs:fiv"], 2, "no-such-factory", "did you mean 'five'?"),
        (["--dataset", "theirs:shrot"], 2, "no-such-factory", "did you mean 'short'?"),
        (["--method", "theirs:Bas"], 2, "no-such-factory", "did you mean 'Base'?"),
        (["--model", "raising:five"], 2, "import-failed", "ZeroDivisionError"),
        (["--dataset", "raising:five"], 2, "import-failed", "raising.py:1"),
        (["--method", "raising:Base"], 2, "import-failed", "raising.py:1"),
        (["--model", "theirs:broken"], 2, "factory-failed", "theirs.py:11"),
        (["--dataset", "theirs:broken"], 2, "factory-failed", "theirs.py:11"),
        (["--model", "theirs:Untrainable"], 2, "factory-failed", "KeyError: 'no training', at "),
        (["--model", "theirs:Frozen"], 2, "factory-failed", "training it failed; RuntimeError"),
        (["--model", "theirs:number"], 2, "not-callable", "int"),
        (["--dataset", "theirs:number"], 2, "not-callable", "int"),
        (["--model", "theirs:text"], 2, "not-a-module", "str"),
        (["--model", "theirs:five"], 2, "wrong-output", "(1, 10)"),
        (["--dataset", "theirs:data_five"], 3, "bad-data-file", "int"),
        (["--dataset", "theirs:short"], 3, "bad-data-file", "20 images and 19 labels"),
        (["--dataset", "theirs:negative"], 3, "bad-data-file", "a label -1"),
        (["--dataset", "theirs:halves"], 3, "bad-data-file", "float64"),
        (["--dataset", "theirs:words"], 3, "bad-data-file", "x_train is of type <U"),
        (["--dataset", "theirs:other_size"], 3, "bad-data-file", "1x8x8 and test images 1x7x8"),
        (["--method", "theirs:number"], 2, "bad-method", "not a class derived from"),
        (["--method", "theirs:Abstract"], 2, "bad-method", "TypeError"),
        (["--method", "theirs:Fussy"], 2, "bad-method", "unit 'atom'"),
        (["--method", "theirs:MaskMaker"], 2, "bad-method", "its scores are bool"),
        (["--method", "theirs:Short"], 2, "bad-method", "(53,), not floating (6, 1, 3, 3)"),
        (["--method", "theirs:Vandal"], 2, "bad-method", "read-only"),
        (["--method", "theirs:Raising"], 2, "bad-method", "by zero, at "),
        (["--method", "theirs:Nan"], 3, "bad-scores", "not a number"),
        (["--method", "theirs"], 2, "unknown-method", "package.module:Class"),
    ],
)
def test_what_is_wrong_is_said_once_with_its_slug(here, call, options, status, slug, told):
    (here / "theirs.py").write_text(THEIRS)
    (here / "raising.py").write_text("1 / 0\n")
    result = call("prune", *TINY, *options)
    assert (result.exit_code, result.stdout) == (status, ""), result.stderr
    assert (
        result.stderr.count("Error")
        - result.stderr.count("DivisionError")
        - (result.stderr.count("TypeError") + result.stderr.count("ValueError"))
        - (result.stderr.count("KeyError") + result.stderr.count("RuntimeError"))
        == 1
    )
    assert f"[{slug}]" in result.stderr
    assert told in result.stderr


def test_a_package_that_is_broken_is_named(here, call, monkeypatch):
    points = {"maskstat.methods": {"sorry": "sorry_methods:Sorry"}}
    project = {"name": "sorry", "version": "0.3", "entry-points": points}
    install(here / "site", project, {"sorry_methods.py": "import no_such_library\n"})
    monkeypatch.syspath_prepend(here / "site")
    result = call("prune", *TINY, "--method", "sorry")
    assert result.exit_code == 2
    assert "'sorry' of sorry 0.3 cannot be used" in result.stderr
    assert "sorry_methods.py:1 [bad-method]" in result.stderr


@given(
    scores=arrays(np.float32, 30, elements=st.floats(allow_nan=False, width=32)),
    kept=arrays(np.bool_, 30),
    fraction=st.floats(0.01, 0.99),
)
def test_no_scores_bring_a_weight_back_or_prune_another_number(scores, kept, fraction):
    class Any(Method):
        scope = "network"

        def scores(self, layer):
            return scores[:12].reshape(3, 4) if layer.name == "a" else scores[12:]

    pruning = Pruning(
        method=Any(),
        layout=Layout.from_shapes({"a": (3, 4), "b": (18,)}),
        schedule=FractionSchedule(fraction),
    )
    left = pruning.next_mask(
        final=scores, start=scores, kept=kept, iteration=1, streams=Streams(seed=0)
    )
    assert not (left & ~kept).any()
    assert kept.sum() - left.sum() == round(fraction * kept.sum())
    gone, stays = scores[kept & ~left], scores[left]
    assert not gone.size or not stays.size or gone.max() <= stays.min()


def test_scores_of_several_types_are_compared_as_numbers():
    """Fractions in one layer are not cut to the whole numbers of another."""

    class Mixed(Method):
        scope = "network"

        def scores(self, layer):
            return np.array([0, 0]) if layer.name == "a" else np.array([0.25, 0.75])

    layout = Layout.from_shapes({"a": (2,), "b": (2,)})
    pruning = Pruning(method=Mixed(), layout=layout, schedule=FractionSchedule(0.75))
    weights, kept = np.ones(4, np.float32), np.ones(4, bool)
    left = pruning.next_mask(
        final=weights, start=weights, kept=kept, iteration=1, streams=Streams(seed=0)
    )
    assert left.tolist() == [False, False, False, True]


def test_changed_code_is_noticed(here, call):
    (here / "nets.py").write_text(FILES["nets.py"])
    options = ("prune", *TINY, "--model", "nets:small", "-o", "run.h5")
    assert call(*options).exit_code == 0
    same = call(*options)
    assert "skipped: run.h5 is complete\n" in same.stderr
    (here / "nets.py").write_text(FILES["nets.py"] + "# changed\n")
    changed = call(*options)
    assert changed.exit_code == 0
    assert "though the code of nets:small has changed since (--overwrite)" in changed.stderr


def test_a_begun_run_is_not_continued_with_other_code(here, call):
    import maskstat
    from maskstat.prune import Silent

    (here / "furthest.py").write_text(FILES["furthest.py"])

    class Enough(Silent):
        def iteration(self, **given):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        maskstat.prune(
            method="furthest:Furthest", iterations=1, epochs=1, output="run.h5", progress=Enough()
        )
    (here / "furthest.py").write_text(FILES["furthest.py"] + "# changed\n")
    result = call("prune", *TINY, "--method", "furthest:Furthest")
    assert result.exit_code == 4
    assert "another method: the code of 'furthest:Furthest' has changed" in result.stderr
    assert "[other-environment]" in result.stderr


def test_a_ticket_is_retrained_without_its_methods_code(here, call):
    (here / "furthest.py").write_text(FILES["furthest.py"])
    options = ("--method", "furthest:Furthest", "-o", "ticket.h5")
    assert call("prune", *TINY, *options).exit_code == 0
    (here / "furthest.py").write_text("raise RuntimeError('a file must not run this')\n")
    sys.modules.pop("furthest")
    result = call("retrain", "ticket.h5", "--dataset", "digits", "--epochs", "0", "-f", "tsv")
    assert result.exit_code == 0, result.stderr
    assert "furthest:Furthest" in result.stdout
    assert "furthest" not in sys.modules


def test_code_that_only_a_ticket_names_is_not_run(here, call):
    (here / "nets.py").write_text(FILES["nets.py"])
    assert call("prune", *TINY, "--model", "nets:small", "-o", "ticket.h5").exit_code == 0
    retrain = ("retrain", "ticket.h5", "--dataset", "digits", "--epochs", "0", "-f", "tsv")
    refused = call(*retrain)
    assert refused.exit_code == 2
    assert "[foreign-code]" in refused.stderr
    assert call(*retrain, "--model", "nets:small").exit_code == 0


def is_dotted(text):
    """Whether Python's own parser reads a name, or names with dots between them."""
    try:
        found = ast.parse(text, mode="eval").body
    except SyntaxError:
        return False
    while isinstance(found, ast.Attribute):
        found = found.value
    return isinstance(found, ast.Name)


@given(st.text("ab1_.:-\u00b2\u00e9", max_size=8) | st.text(max_size=20))
@example("a:b")
@example("a_1.b:\u00e9.b1")
@example("a:\u00b2")
def test_a_path_is_two_dotted_names(name):
    assume(name == "".join(name.split()) and not set(name) & set("()#;\\\"'"))
    names = name.split(":")
    assert is_path(name) == (len(names) == 2 and all(map(is_dotted, names)))


@given(
    st.recursive(st.none() | st.text(max_size=5), lambda x: st.dictionaries(st.text(max_size=9), x))
)
def test_nothing_is_known_of_what_is_no_origin(value):
    assert has_changed(value) is False


def test_origins_of_all_kinds(here):
    (here / "origins.py").write_text(
        "import functools\nfrom json import dumps\n"
        "class A:\n    @classmethod\n    def made(cls): pass\n"
        "part = functools.partial(dumps)\n"
    )
    assert origin_of("origins:A.made")["module"] == "origins"
    assert origin_of("origins:part")["module"] == "origins"
    assert origin_of("origins:dumps")["module"] == "json"
    assert "sha256" not in origin_of("math:sqrt")
    numpy = origin_of("numpy:zeros_like")
    assert numpy["distribution"] == f"numpy {np.__version__}"
    assert not has_changed(numpy)
    assert has_changed({**numpy, "distribution": "numpy 0.1"})
    with pytest.raises(MaskstatError):
        origin_of("origins:nothing")
