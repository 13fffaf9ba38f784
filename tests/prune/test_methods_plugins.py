"""Methods of installed packages, found by their entry points."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest

from maskstat.errors import UsageError
from maskstat.layout import Layout
from maskstat.prune.methods import METHODS, method_named, method_names, method_origin
from maskstat.prune.pruning import pruning_for
from maskstat.prune.recipe import Recipe

MODULE = """
import numpy as np
from maskstat.prune.methods import Method

class Heaviest(Method):
    def scores(self, layer):
        return -np.abs(layer.final)

class Forgetful(Method):
    pass

class Fussy(Method):
    unit = "atom"
    scores = Heaviest.scores

class Needy(Heaviest):
    def __init__(self, needed):
        pass

def function(layer):
    return layer.final
"""

POINTS = {
    "heaviest": "toy_methods:Heaviest",
    "forgetful": "toy_methods:Forgetful",
    "fussy": "toy_methods:Fussy",
    "needy": "toy_methods:Needy",
    "function": "toy_methods:function",
    "moved": "toy_methods:Moved",
    "absent": "toy_no_such_module:Absent",
    "raising": "toy_raising:Raising",
    "l1-unstructured": "toy_methods:Heaviest",
}


def install(folder: Path, package: str, points: dict[str, str]) -> None:
    """Leave what an installer would."""
    info = folder / f"{package}-1.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.5\n")
    lines = "".join(f"{name} = {value}\n" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[maskstat.methods]\n{lines}")


@pytest.fixture
def toy(tmp_path, monkeypatch):
    install(tmp_path, "toy", POINTS)
    (tmp_path / "toy_methods.py").write_text(MODULE)
    (tmp_path / "toy_raising.py").write_text("raise RuntimeError('no licence\\x1b[31m')\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("toy_methods", None)


def test_a_method_of_a_package_prunes(toy):
    layout = Layout.from_shapes({"fc": (5,)})
    recipe = Recipe(method="heaviest")
    weights = np.float32([1, -7, 3, 2, 5])
    kept = pruning_for(recipe, layout).next_mask(
        final=weights,
        start=weights,
        kept=np.ones(5, bool),
        iteration=1,
        streams=recipe.streams,
    )
    assert kept.tolist() == [True, False, True, True, True]
    origin = method_origin("heaviest")
    assert origin["source"] == origin["code"]["distribution"] == "toy 1.5"
    assert origin["code"]["import"] == "toy_methods:Heaviest"
    assert origin["code"]["sha256"] == hashlib.sha256(MODULE.encode()).hexdigest()
    assert method_origin("layer-kind") == {"name": "layer-kind", "source": "maskstat"}


def test_listing_names_and_loads_nothing(toy):
    assert set(method_names()) == {*METHODS, *POINTS}
    assert method_names()[: len(METHODS)] == tuple(METHODS)
    assert "toy_methods" not in sys.modules
    with pytest.raises(UsageError) as caught:
        method_named("heavyest")
    assert "did you mean 'heaviest'" in caught.value.consequence


def test_a_bundled_name_stays_what_it_is(toy):
    assert type(method_named("l1-unstructured")) is METHODS["l1-unstructured"]
    assert "toy_methods" not in sys.modules


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("function", "TypeError: it is not a class derived from"),
        ("forgetful", "TypeError"),
        ("fussy", "unit 'atom'"),
        ("needy", "TypeError"),
        ("moved", "AttributeError"),
        ("absent", "ModuleNotFoundError"),
        ("raising", "RuntimeError: no licence\\x1b[31m"),
    ],
)
def test_what_is_wrong_with_a_package_is_said_with_its_name(toy, name, told):
    with pytest.raises(UsageError) as caught:
        method_named(name)
    assert caught.value.code == "bad-method"
    assert f"'{name}' of toy 1.5" in caught.value.fact
    assert told in caught.value.consequence


def test_a_method_that_ignores_the_criterion_says_so(toy):
    with pytest.raises(UsageError) as caught:
        pruning_for(
            Recipe(method="heaviest", criterion="movement"), Layout.from_shapes({"fc": (5,)})
        )
    assert caught.value.code == "no-effect"


def test_a_name_of_two_packages_is_nobodys(toy):
    install(toy, "other", {"heaviest": "other_methods:Heaviest"})
    with pytest.raises(UsageError) as caught:
        method_named("heaviest")
    assert caught.value.code == "ambiguous-method"
    assert "other 1.5 and toy 1.5" in caught.value.consequence
