"""open_lth's folders and files, built as its own code writes them."""

import json
import shutil

import numpy as np
import pytest

import maskstat
from maskstat.convert.probe import Probe
from maskstat.convert.registry import ReadOptions, detect, find_format
from maskstat.errors import InputError, NotFoundError

torch = pytest.importorskip("torch")

SHAPES = {"fc_layers.0.weight": (6, 4), "fc.weight": (3, 6)}
N_LEVELS = 4


def level_masks(level):
    """Masks that shrink from level to level; level 0 is dense."""
    generator = np.random.default_rng(5)
    ranks = {name: generator.random(shape) for name, shape in SHAPES.items()}
    return {name: (rank >= 0.2 * level).astype(np.int32) for name, rank in ranks.items()}


def weights(level, stage):
    """A state dict; pruned weights are not 0 in it, as momentum leaves them."""
    generator = torch.Generator().manual_seed(10 * level + stage)
    state = {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}
    state["fc.bias"] = torch.randn(3, generator=generator)
    return state


def write_level(folder, level, *, start="ep0_it0", report=True):
    folder.mkdir(parents=True)
    masks = level_masks(level)
    torch.save({name: torch.from_numpy(mask) for name, mask in masks.items()}, folder / "mask.pth")
    if report:
        unpruned = sum(int(mask.sum()) for mask in masks.values())
        total = sum(mask.size for mask in masks.values())
        text = json.dumps({"total": float(total), "unpruned": float(unpruned)})
        (folder / "sparsity_report.json").write_text(text)
    torch.save(weights(0, 1), folder / f"model_{start}.pth")
    torch.save(weights(level, 2), folder / "model_ep10_it0.pth")
    torch.save({"model_state_dict": {}}, folder / "checkpoint.pth")
    (folder / "logger").write_text(
        f"test_loss,0,2.3\ntest_accuracy,0,0.1\ntest_loss,500,0.25\ntest_accuracy,500,0.9{level}\n"
    )


@pytest.fixture
def lottery(tmp_path):
    root = tmp_path / "lottery_0123456789abcdef"
    for level in range(N_LEVELS):
        write_level(root / "replicate_1" / f"level_{level}" / "main", level)
    return root


def expect_masks(run, levels):
    assert run.n_iterations == len(levels)
    assert run.layout.names == tuple(SHAPES)
    for iteration, level in enumerate(levels):
        for name, mask in level_masks(level).items():
            np.testing.assert_array_equal(run.mask(iteration).layer(name), mask == 1)


@pytest.mark.parametrize("part", ["", "replicate_1"])
def test_a_lottery_is_one_run_with_its_levels(lottery, part):
    run = maskstat.read(lottery / part)
    expect_masks(run, range(N_LEVELS))
    assert run.method == "open_lth"
    assert run.series["test_accuracy"].tolist() == [0.9, 0.91, 0.92, 0.93]
    assert run.series["test_loss"].tolist() == [0.25] * N_LEVELS
    assert run.weights["initial"].iterations == (0,)
    assert run.weights["final"].iterations == tuple(range(N_LEVELS))
    first = torch.cat([weights(0, 1)[name].flatten() for name in SHAPES]).numpy()
    np.testing.assert_array_equal(run.weight("initial"), first)
    for level in range(N_LEVELS):
        last = weights(level, 2)
        masks = level_masks(level)
        want = [np.where(masks[name] == 1, last[name].numpy(), 0).ravel() for name in SHAPES]
        np.testing.assert_array_equal(run.weight("final", level), np.concatenate(want))
    np.testing.assert_array_equal(run.others["final"][:], weights(N_LEVELS - 1, 2)["fc.bias"])
    np.testing.assert_array_equal(run.others["initial"][:], weights(0, 1)["fc.bias"])


def test_weights_that_were_rewound_to(tmp_path):
    root = tmp_path / "lottery_x" / "replicate_1"
    for level in range(2):
        write_level(root / f"level_{level}" / "main", level, start="ep1_it0")
    before = root / "level_pretrain" / "main"
    before.mkdir(parents=True)
    torch.save(weights(0, 0), before / "model_ep0_it0.pth")
    torch.save(weights(0, 1), before / "model_ep1_it0.pth")
    run = maskstat.read(tmp_path / "lottery_x")
    for kind, stage in (("initial", 0), ("rewind", 1)):
        want = torch.cat([weights(0, stage)[name].flatten() for name in SHAPES]).numpy()
        np.testing.assert_array_equal(run.weight(kind), want)


@pytest.mark.parametrize("part", ["level_2", "level_2/main"])
def test_one_level_alone(lottery, part):
    run = maskstat.read(lottery / "replicate_1" / part)
    expect_masks(run, [0, 2])
    assert run.series["test_accuracy"][-1] == 0.92
    assert "level 2" in json.dumps(dict(run.provenance))


def test_a_mask_file_alone(lottery):
    path = lottery / "replicate_1" / "level_3" / "main" / "mask.pth"
    probe = Probe(path)
    assert detect(probe).name == "open-lth"
    expect_masks(maskstat.read(path), [0, 3])


@pytest.mark.parametrize("prefix", ["model.", "module.model."])
def test_a_checkpoint_with_masks_as_buffers(tmp_path, prefix):
    masks = level_masks(2)
    state = {f"{prefix}{name}": tensor for name, tensor in weights(2, 2).items()}
    outer = prefix.removesuffix("model.")
    for name, mask in masks.items():
        state[f"{outer}mask_{name.replace('.', '___')}"] = torch.from_numpy(mask).float()
    path = tmp_path / "checkpoint.pth"
    torch.save({"ep": 3, "it": 0, "model_state_dict": state, "logger": "..."}, path)
    probe = Probe(path)
    assert detect(probe).name == "open-lth"
    assert find_format("open-lth").read(probe, ReadOptions()).unmatched == ()
    run = maskstat.read(path)
    expect_masks(run, [0, 2])
    want = [np.where(m == 1, weights(2, 2)[name].numpy(), 0).ravel() for name, m in masks.items()]
    np.testing.assert_array_equal(run.weight("final"), np.concatenate(want))


def test_other_files_are_listed(lottery):
    (lottery / "replicate_1" / "level_1" / "lottery_branch_x").mkdir()
    (lottery / "replicate_1" / "level_1" / "lottery_branch_x" / "mask.pth").write_bytes(b"")
    (lottery / "notes.txt").write_text("x")
    found = find_format("open-lth").read(Probe(lottery), ReadOptions())
    assert found.unmatched == ("notes.txt", "replicate_1/level_1/lottery_branch_x/mask.pth")


def test_several_replicates_are_named(lottery):
    shutil.copytree(lottery / "replicate_1", lottery / "replicate_2")
    with pytest.raises(InputError, match="2 replicates") as caught:
        maskstat.read(lottery)
    assert caught.value.hint == f"{lottery}/replicate_1"


def test_a_level_between_others_is_missing(lottery):
    (lottery / "replicate_1" / "level_1" / "main" / "mask.pth").unlink()
    with pytest.raises(NotFoundError, match="level 1") as caught:
        maskstat.read(lottery)
    assert caught.value.code == "missing-level"


def test_a_mask_that_is_not_its_report(lottery):
    level = lottery / "replicate_1" / "level_1" / "main"
    shutil.copy(lottery / "replicate_1" / "level_2" / "main" / "mask.pth", level)
    with pytest.raises(InputError) as caught:
        maskstat.read(lottery)
    assert caught.value.code == "wrong-count"
    (level / "sparsity_report.json").write_text("[1]")
    with pytest.raises(InputError) as caught:
        maskstat.read(lottery)
    assert caught.value.code == "bad-report"


def test_lines_of_a_logger_that_are_none(lottery):
    logger = lottery / "replicate_1" / "level_1" / "main" / "logger"
    logger.write_text("test_accuracy,7,0.5\nrubbish\n\ntest_loss,8,e.e\ntest_accuracy,7,0.75\n")
    run = maskstat.read(lottery)
    assert run.series["test_accuracy"][1] == 0.75
    assert np.isnan(run.series["test_loss"][1])
    assert "2 lines are no measurements" in json.dumps(dict(run.provenance))
