"""Archives and a way to run the command line with its streams apart."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner

import maskstat
from maskstat.archive import write
from maskstat.cli.app import cli
from maskstat.mask import Layout, Mask
from maskstat.run import Run, Weights

SCHEMAS = Path(maskstat.__file__).parent / "schemas"

SHAPES = {"conv1.weight": (4, 1, 3, 3), "fc1.weight": (20, 36), "fc2.weight": (5, 20)}


def make_run(run_id, *, seed=0, start=0, iterations=3, shapes=SHAPES, **fields):
    """A run of nested random masks with initial weights, its start shared by equal `start`."""
    rng = np.random.default_rng(seed)
    order = {name: rng.permutation(np.prod(s)).reshape(s) for name, s in shapes.items()}
    masks = [
        Mask.from_arrays({n: ranks < 0.7**t * ranks.size for n, ranks in order.items()})
        for t in range(1, iterations + 1)
    ]
    size = Layout.from_shapes(shapes).size
    values = np.random.default_rng(start).normal(size=(1, size)).astype(np.float32)
    accuracy = np.linspace(0.9, 0.7, iterations + 1)
    fields = {
        "model": "lenet",
        "dataset": "digits",
        "method": "global-unstructured",
        "seed": start,
        "replicate": seed,
        "series": {"test_accuracy": accuracy, "validation_accuracy": accuracy},
        "provenance": {"seeds": {"init": f"{start:016x}"}},
        **fields,
    }
    weights = {"initial": Weights(values=values, iterations=(0,))}
    return Run.from_masks(run_id, masks, weights=weights, **fields)


@pytest.fixture
def archives(tmp_path):
    """Paths of three archives: a and b from one start, c from another."""
    paths = []
    for name, seed, start in (("a", 1, 0), ("b", 2, 0), ("c", 3, 9)):
        path = tmp_path / f"{name}.h5"
        write(path, [make_run(name, seed=seed, start=start)])
        paths.append(str(path))
    return paths


@pytest.fixture
def run_cli():
    """Run a command; the result has exit_code, stdout and stderr."""

    def call(*arguments, **options):
        result = CliRunner().invoke(cli, [str(a) for a in arguments], **options)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert "Traceback" not in result.stderr
        return result

    return call


@pytest.fixture
def rows_of():
    """Take the tab-separated rows of a result apart."""

    def split(result):
        header, *lines = result.stdout.splitlines()
        names = header.split("\t")
        return [dict(zip(names, line.split("\t"), strict=True)) for line in lines]

    return split


@pytest.fixture
def json_of():
    """Read a result's JSON and check it against its shipped schema."""

    def read(result):
        document = json.loads(result.stdout)
        name = document["schema"].removeprefix("maskstat.").replace("/", "-")
        schema = json.loads((SCHEMAS / f"{name}.json").read_text())
        jsonschema.validate(document, schema)
        assert document["maskstat"] == maskstat.__version__
        return document

    return read


@pytest.fixture(name="make_run")
def make_run_fixture():
    """Hand out `make_run`."""
    return make_run
