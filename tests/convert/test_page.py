"""The commands of docs/convert.md run as they stand, on files such as they name."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import maskstat
from maskstat.cli.app import cli
from maskstat.layout import Layout
from maskstat.run import Weights

torch = pytest.importorskip("torch")
prune = pytest.importorskip("torch.nn.utils.prune")

PAGE = Path(__file__).parents[2] / "docs" / "convert.md"
COMMANDS = re.findall(r"^\$ maskstat (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
SHAPES = {"up.weight": (12, 8), "down.weight": (8, 12)}
N_ITERATIONS = 13


def network(*, pruned):
    net = torch.nn.ModuleDict({"up": torch.nn.Linear(8, 12), "down": torch.nn.Linear(12, 8)})
    for layer in net.values() if pruned else ():
        prune.l1_unstructured(layer, "weight", amount=0.5)
    return net.state_dict()


def with_zeros(state):
    return {name: tensor * (tensor.abs() > 0.1) for name, tensor in state.items()}


def write_lottery(folder):
    for level in range(2):
        place = folder / "replicate_1" / f"level_{level}" / "main"
        place.mkdir(parents=True)
        masks = {name: torch.ones(shape, dtype=torch.int32) for name, shape in SHAPES.items()}
        masks["up.weight"][:level] = 0
        torch.save(masks, place / "mask.pth")
        for stage in ("ep0_it0", "ep1_it0"):
            torch.save(network(pruned=False), place / f"model_{stage}.pth")


def write_shards(folder):
    from safetensors.torch import save_file

    folder.mkdir()
    shards = {"up": "model-00001-of-00002.safetensors", "down": "model-00002-of-00002.safetensors"}
    state = network(pruned=False)
    for part, file in shards.items():
        save_file({k: v for k, v in state.items() if k.startswith(part)}, folder / file)
    index = {"metadata": {}, "weight_map": {name: shards[name.split(".")[0]] for name in state}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def write_run(path):
    """A run of 13 prunings with the weights after the last training."""
    rank = {name: np.random.default_rng(0).random(shape) for name, shape in SHAPES.items()}
    plain = maskstat.Run.from_masks(
        "run",
        [
            maskstat.Mask.from_arrays({name: values > t / 20 for name, values in rank.items()})
            for t in range(1, N_ITERATIONS)
        ],
    )
    values = np.concatenate([values.ravel() for values in rank.values()]).astype("f4")
    final = Weights(values=values[None], iterations=(12,))
    run = maskstat.Run(
        run_id="run",
        layout=Layout.from_shapes(SHAPES),
        masks=plain.masks,
        kept=plain.kept,
        weights={"final": final},
    )
    maskstat.write(path, [run])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the page's commands are given."""
    from safetensors.torch import save_file

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("page")
    for name in ("a", "b"):
        torch.save(network(pruned=True), path / f"pruned-{name}.pth")
        (path / f"model-{name}").mkdir()
        save_file(with_zeros(network(pruned=False)), path / f"model-{name}" / "model.safetensors")
    for name in ("checkpoint", "model"):
        save_file(with_zeros(network(pruned=False)), path / f"{name}.safetensors")
    write_shards(path / "llama")
    write_lottery(path / "lottery_0123abcd")
    write_run(path / "run.h5")
    return path


def test_the_commands_of_the_page_run_from_top_to_bottom(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert len(COMMANDS) == 13
    for line in COMMANDS:
        done = CliRunner().invoke(cli, shlex.split(line))
        assert done.exit_code == 0, f"maskstat {line}\n{done.stderr}"
    written = {re.search(r"-o (\S+)", line)[1] for line in COMMANDS if " -o " in line}
    assert {name for name in written if (folder / name).exists()} == written
    kept = maskstat.read("run.h5").mask(12)
    for name in ("archive-of-run.h5", "pruned.pth", "mask.pth", "mask.safetensors", "mask.npz"):
        assert maskstat.read(name).mask().n_kept == kept.n_kept, name
    mask = maskstat.read("mask.h5").mask()
    assert maskstat.read("small.safetensors").mask() == mask
    for name in ("sparse.safetensors", "sparse-llama/"):
        assert maskstat.read(name, format="zeros").mask().over(mask.layout) == mask, name
