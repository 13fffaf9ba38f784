"""maskstat convert: into every format and back, what it says, and what it refuses."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import maskstat
from maskstat.archive import write
from maskstat.convert.out.write import WRITABLE
from maskstat.convert.registry import FORMATS

SHAPES = {"0.weight": (4, 1, 3, 3), "2.weight": (5, 16)}


@pytest.fixture
def archive(tmp_path, make_run):
    """A run of three prunings, without final weights."""
    path = tmp_path / "run.h5"
    write(path, [make_run("run", shapes=SHAPES)])
    return path


@pytest.fixture
def dense(tmp_path):
    """Weights of the network as safetensors, none of them 0."""
    rng = np.random.default_rng(7)
    shapes = {**SHAPES, "0.bias": (4,), "2.bias": (5,)}
    path = tmp_path / "dense.safetensors"
    save_file({n: rng.uniform(1, 2, s).astype(np.float32) for n, s in shapes.items()}, path)
    return path


def same_masks(first, second, **options):
    """Hold two files' last masks against each other, layers in any order."""
    one, two = maskstat.read(first).mask(), maskstat.read(second, **options).mask()
    assert set(one.layout.names) == set(two.layout.names)
    for name in one.layout.names:
        np.testing.assert_array_equal(one.layer(name), two.layer(name))


def refused(result, status, *facts):
    assert result.exit_code == status, result.stderr
    assert result.stdout == ""
    assert result.stderr.count("Error") == 1
    for fact in facts:
        assert fact in result.stderr


@pytest.mark.parametrize("to", WRITABLE)
def test_to_every_format_and_back(run_cli, archive, dense, tmp_path, to):
    if to in ("torch-prune", "open-lth"):
        pytest.importorskip("torch")
    out, back = tmp_path / "out", tmp_path / "back.h5"
    weights = (
        ["--checkpoint", dense] if to in ("torch-prune", "compressed-tensors", "zeros") else []
    )
    result = run_cli("convert", archive, "-o", out, "--to", to, *weights)
    assert (result.exit_code, result.stdout) == (0, "")
    kept, size = maskstat.read(archive).mask().n_kept, 116
    assert result.stderr.splitlines()[-1] == (
        f"{out}: {'zeros' if to == 'zeros' else to}, 2 layers, {kept} of {size} weights kept"
    )
    said = ["--from", "zeros"] if to == "zeros" else []
    result = run_cli("convert", out, "-o", back, *said, "--exclude", "*bias")
    assert (result.exit_code, result.stdout) == (0, "")
    same_masks(archive, back)


def test_a_module_under_torchs_pruning_loads_it(run_cli, archive, dense, tmp_path):
    torch = pytest.importorskip("torch")
    from torch.nn.utils import prune

    out = tmp_path / "pruned.pth"
    command = ["convert", f"{archive}@2", "-o", out, "--to", "torch-prune", "--checkpoint", dense]
    assert run_cli(*command).exit_code == 0
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Flatten(), torch.nn.Linear(16, 5))
    prune.identity(net[0], "weight")
    prune.identity(net[2], "weight")
    net.load_state_dict(torch.load(out, weights_only=True), strict=True)
    mask = maskstat.read(archive).mask(2)
    np.testing.assert_array_equal(net[2].weight_mask.numpy() == 1, mask.layer("2.weight"))
    net(torch.zeros(1, 1, 4, 4))
    np.testing.assert_array_equal((net[0].weight != 0).numpy(), mask.layer("0.weight"))


def test_zeros_leave_every_other_bit_as_it_was(run_cli, archive, dense, tmp_path):
    out = tmp_path / "sparse.safetensors"
    run_cli("convert", archive, "-o", out, "--to", "zeros", "--checkpoint", dense)
    before, after = load_file(dense), load_file(out)
    mask = maskstat.read(archive).mask()
    for name, values in before.items():
        kept = mask.layer(name) if name in SHAPES else True
        np.testing.assert_array_equal(after[name], np.where(kept, values, 0))


def test_an_archive_holds_every_run_and_iteration(run_cli, tmp_path, make_run):
    both, out = tmp_path / "both.h5", tmp_path / "out.h5"
    write(both, [make_run("one", seed=1), make_run("two", seed=2)])
    assert run_cli("convert", both, "-o", out).exit_code == 0
    for name in ("one", "two"):
        again, run = maskstat.read(f"{out}::{name}"), maskstat.read(f"{both}::{name}")
        assert [again.mask(t) for t in range(4)] == [run.mask(t) for t in range(4)]
    result = run_cli("convert", both, "-o", tmp_path / "m.npz", "--to", "npz")
    refused(result, 2, "it holds 2 runs", "npz holds one mask", f"{both}::one", "[several-runs]")
    assert (
        run_cli("convert", f"{both}::two@1", "-o", tmp_path / "m.npz", "--to", "npz").exit_code == 0
    )
    assert maskstat.read(tmp_path / "m.npz").mask() == maskstat.read(f"{both}::two").mask(1)


def test_what_has_no_mask_is_said_once_and_not_with_quiet(run_cli, dense, tmp_path):
    command = ["convert", dense, "--from", "zeros", "-o", tmp_path / "mask.h5"]
    loud = run_cli(*command)
    assert loud.stdout == ""
    *notes, last = loud.stderr.splitlines()
    assert notes == [
        f"{dense}: every weight is kept: nothing is pruned in it",
        f"{dense}: 2 tensors have no mask (zeros): 0.bias, 2.bias",
    ]
    assert last.startswith(f"{tmp_path / 'mask.h5'}: archive, 2 layers, ")
    quiet = run_cli(*command, "--overwrite", "-q")
    assert (quiet.exit_code, quiet.stdout, quiet.stderr) == (0, "", "")


def test_standard_input(run_cli, dense, tmp_path):
    out = tmp_path / "mask.npz"
    result = run_cli(
        "convert", "-", "-o", out, "--from", "zeros", "--to", "npz", input=dense.read_bytes()
    )
    assert result.exit_code == 0, result.stderr
    same_masks(out, dense, format="zeros")


def test_formats_are_named_with_the_nearest(run_cli, archive, dense, tmp_path):
    out = tmp_path / "out"
    result = run_cli("convert", dense, "-o", tmp_path / "x.h5", "--from", "zeroes")
    refused(result, 2, "there is no format 'zeroes'", "did you mean 'zeros'?", "[no-such-format]")
    result = run_cli("convert", archive, "-o", out, "--to", "safetensor")
    refused(result, 2, "--to", "did you mean 'safetensors'?", "[no-such-format]")
    result = run_cli("convert", archive, "-o", tmp_path / "mask.pt")
    refused(result, 2, "mask.pt", "only .h5 says it", "--to", "[no-format]")
    result = run_cli("convert", dense, "-o", tmp_path / "x.h5", "--from", "nni")
    refused(result, 3, "it is a safetensors file", "[wrong-format]")
    result = run_cli("convert", dense, "-o", tmp_path / "x.h5")
    refused(result, 3, "without masks that are known", "--from zeros", "[no-masks]")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dense.safetensors", "run.h5"]


def test_an_output_that_is_there_stays(run_cli, archive, dense, tmp_path):
    before = dense.read_bytes()
    for to in ("npz", "safetensors", "compressed-tensors", "archive"):
        result = run_cli("convert", archive, "-o", dense, "--to", to)
        refused(result, 4, "[output-exists]", "--overwrite")
    assert dense.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dense.safetensors", "run.h5"]
    done = run_cli("convert", archive, "-o", dense, "--to", "npz", "--overwrite")
    assert done.exit_code == 0
    same_masks(archive, dense)


def test_a_checkpoint_that_does_not_fit(run_cli, archive, tmp_path):
    out, other = tmp_path / "out", tmp_path / "other.safetensors"
    command = ["convert", archive, "-o", out, "--to", "zeros"]
    refused(run_cli(*command), 2, "none is given", "[no-checkpoint]")
    save_file({"0.weight": np.ones((4, 1, 3, 3), np.float32)}, other)
    result = run_cli(*command, "--checkpoint", other)
    refused(result, 3, "2.weight", "there are: 0.weight", "[no-such-layer]")
    save_file({"0.weight": np.ones((4, 9)), "2.weight": np.ones((5, 16))}, other)
    result = run_cli(*command, "--checkpoint", other)
    refused(result, 3, "(4, 9)", "(4, 1, 3, 3)", "[layout-mismatch]")
    result = run_cli(*command, "--checkpoint", tmp_path / "gone")
    refused(result, 3, "gone", "[no-such-file]")
    result = run_cli("convert", archive, "-o", out, "--to", "npz", "--checkpoint", other)
    refused(result, 2, "npz has masks alone", "[no-use-for-checkpoint]")
    assert not out.exists()


def test_help_lists_every_format(run_cli):
    text = run_cli("convert", "--help").stdout
    read, written = text.split("Read (--from)")[1].split("Written (--to)")
    for known in FORMATS:
        assert f"\n  {known.name} " in read
    for name in ("archive", *WRITABLE):
        assert f"\n  {name} " in written


@pytest.mark.parametrize(
    ("asked", "code"),
    [(("@2",), "iteration-of-run"), (("", "--checkpoint", "dense"), "no-use-for-checkpoint")],
)
def test_an_archive_leaves_nothing_out_that_was_asked_for(
    run_cli, archive, dense, tmp_path, asked, code
):
    suffix, *more = asked
    options = [dense if word == "dense" else word for word in more]
    out = tmp_path / "out.h5"
    refused(run_cli("convert", f"{archive}{suffix}", "-o", out, *options), 2, code)
    assert not out.exists()


def test_a_format_that_a_file_is_not_of(run_cli, dense, tmp_path):
    result = run_cli("convert", dense, "-o", tmp_path / "x.h5", "--from", "torch-prune")
    refused(result, 3, "no masks of this format", "leave out --from")
