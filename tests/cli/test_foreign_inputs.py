"""Foreign files in place of archives, in every command that takes them."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file

import maskstat
from maskstat.archive import write
from maskstat.mask import Mask
from maskstat.run import Run

SHAPES = {"fc1.weight": (20, 36), "fc2.weight": (5, 20)}


def random_masks(seed, density=0.4):
    rng = np.random.default_rng(seed)
    return {name: rng.random(shape) < density for name, shape in SHAPES.items()}


@pytest.fixture
def masks(tmp_path):
    """The same two masks as archives and as foreign files of several kinds."""
    paths = {"h5": [], "npz": [], "safetensors": [], "hdf5": [], "npy": [], "zeros": []}
    for seed in (1, 2):
        arrays = random_masks(seed)
        octets = {name: mask.astype(np.uint8) for name, mask in arrays.items()}
        for kind, known in paths.items():
            known.append(str(tmp_path / f"{kind}{seed}"))
        write(paths["h5"][-1], [Run.from_masks(f"m{seed}", [Mask.from_arrays(arrays)])])
        with open(paths["npz"][-1], "wb") as file:
            np.savez(file, **arrays)
        save_file(octets, paths["safetensors"][-1])
        with h5py.File(paths["hdf5"][-1], "w") as file:
            for name, mask in arrays.items():
                file[name] = mask
        folder = tmp_path / f"npy{seed}"
        folder.mkdir()
        for name, mask in octets.items():
            np.save(folder / f"{name}.npy", mask)
        rng = np.random.default_rng(seed)
        dense = {n: (rng.uniform(1, 2, m.shape) * m).astype(np.float16) for n, m in arrays.items()}
        dense |= {"norm.weight": np.ones(20, np.float16), "embed.weight": np.ones((3, 3))}
        save_file(dense, paths["zeros"][-1])
    return paths


def counts(rows):
    return [(r["layer"], r["kept_a"], r["kept_b"], r["shared"], r["log10_p"]) for r in rows]


@pytest.mark.parametrize("kind", ["npz", "safetensors", "hdf5", "npy", "zeros"])
def test_compare_gives_what_archives_give(run_cli, rows_of, masks, kind):
    said = ["--from", "zeros"] if kind == "zeros" else []
    foreign = run_cli("compare", *masks[kind], *said, "-q")
    assert foreign.exit_code == 0, foreign.stderr
    assert foreign.stderr == ""
    assert counts(rows_of(foreign)) == counts(rows_of(run_cli("compare", *masks["h5"])))
    mixed = run_cli("compare", masks["h5"][0], masks[kind][1], *said, "-q")
    assert counts(rows_of(mixed)) == counts(rows_of(foreign))


@pytest.mark.parametrize(
    "command",
    [
        ["compare", "--match", "units", "--draws", "3"],
        ["consensus", "--at-least", "2"],
        ["list"],
        ["plot", "heatmap"],
    ],
    ids=lambda command: command[0],
)
def test_commands_that_compare(run_cli, masks, command, tmp_path):
    if command[0] == "plot":
        pytest.importorskip("matplotlib")
        command = [*command, "-o", str(tmp_path / "figure.svg")]
    result = run_cli(*command, *masks["npz"], "-q")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""


def test_consensus_of_foreign_files_is_a_ticket(run_cli, masks, tmp_path):
    out = tmp_path / "ticket.h5"
    assert run_cli("consensus", masks["npz"][0], masks["hdf5"][1], "-o", out).exit_code == 0
    first, second = random_masks(1), random_masks(2)
    ticket = maskstat.read(out).mask()
    for name in SHAPES:
        np.testing.assert_array_equal(ticket.layer(name), first[name] & second[name])


def test_info(run_cli, rows_of, json_of, masks):
    rows = rows_of(run_cli("info", masks["zeros"][0], "--from", "zeros"))
    assert [row["layer"] for row in rows] == [*SHAPES, "total"]
    assert int(rows[-1]["kept"]) == sum(int(mask.sum()) for mask in random_masks(1).values())
    document = json_of(run_cli("info", masks["npy"][0], "--format", "json", "-q"))
    assert document["inputs"][0]["provenance"]["source"]["format"] == "npy-folder"
    pattern = run_cli("info", masks["npz"][0], "--pattern", "2:4")
    assert pattern.exit_code == 0
    gate = ["--fail-if", "total:density > 0.1"]
    assert run_cli("info", masks["npz"][0], *gate).exit_code == 1


def test_connectivity_without_a_graph(run_cli, rows_of, masks):
    result = run_cli("connectivity", masks["npz"][0])
    assert result.exit_code == 0
    expected = rows_of(run_cli("connectivity", masks["h5"][0]))
    assert [{**row, "run": ""} for row in rows_of(result)] == [
        {**row, "run": ""} for row in expected
    ]
    assert "graph is not known" in result.stderr


@pytest.mark.parametrize("command", ["weights", "correlate", "outputs"])
def test_what_masks_alone_do_not_have(run_cli, masks, command):
    result = run_cli(command, *masks["npz"])
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.count("Error") == 1


def test_weights_that_lie_beside_masks(run_cli, rows_of, tmp_path):
    """A folder with masks/, initial/ and final/, inputs first."""
    rng = np.random.default_rng(3)
    for name, mask in random_masks(1).items():
        initial = rng.normal(size=mask.shape)
        arrays = {"masks": mask, "initial": initial, "final": np.where(mask, initial * 2, 0)}
        for folder, array in arrays.items():
            (tmp_path / folder).mkdir(exist_ok=True)
            np.save(tmp_path / folder / f"{name}.npy", array.T.astype(np.float32))
    correlated = run_cli("correlate", tmp_path)
    assert correlated.exit_code == 0, correlated.stderr
    assert [row["layer"] for row in rows_of(correlated)][:2] == list(SHAPES)
    assert float(rows_of(correlated)[0]["rho"]) == pytest.approx(1)
    assert run_cli("weights", tmp_path).exit_code == 0


def test_verify_is_of_archives(run_cli, masks):
    result = run_cli("verify", masks["npz"][0])
    assert (result.exit_code, result.stdout.count("\n")) == (3, 1)
    assert "[not-an-archive]" in result.stderr


def test_zeros_of_chosen_tensors(run_cli, rows_of, masks):
    def layers(*options):
        result = run_cli("info", masks["zeros"][0], "--from", "zeros", *options)
        assert result.exit_code == 0, result.stderr
        return [row["layer"] for row in rows_of(result)][:-1]

    assert layers() == ["fc1.weight", "fc2.weight"]
    assert layers("--include", "fc1*") == ["fc1.weight"]
    assert layers("--exclude", "fc1*") == ["fc2.weight"]
    assert sorted(layers("--include", "*")) == [
        "embed.weight", "fc1.weight", "fc2.weight", "norm.weight",
    ]  # fmt: skip
    assert layers("--include", "fc*", "--include", "norm*", "--exclude", "fc2*") == [
        "fc1.weight", "norm.weight",
    ]  # fmt: skip
    nothing = run_cli("info", masks["zeros"][0], "--from", "zeros", "--include", "gpt*")
    assert nothing.exit_code == 3
    assert "[no-masks]" in nothing.stderr


def test_what_has_no_mask_is_said_on_stderr_alone(run_cli, masks):
    command = ["compare", *masks["zeros"], "--from", "zeros"]
    loud = run_cli(*command)
    lines = [line for line in loud.stderr.splitlines() if "no mask" in line]
    assert lines == [
        f"{path}: 2 tensors have no mask (zeros): embed.weight, norm.weight"
        for path in masks["zeros"]
    ]
    assert "norm" not in loud.stdout
    quiet = run_cli(*command, "-q")
    assert (quiet.stdout, quiet.stderr) == (loud.stdout, "")


def test_addresses_and_standard_input(run_cli, rows_of, masks):
    path = masks["npz"][0]
    rows = rows_of(run_cli("compare", f"{path}@1", f"{path}@0"))
    assert rows[-1]["kept_b"] == rows[-1]["size"]
    with open(path, "rb") as file:
        piped = run_cli("compare", "-", masks["npz"][1], input=file.read())
    assert piped.exit_code == 0, piped.stderr
    assert counts(rows_of(piped)) == counts(rows_of(run_cli("compare", *masks["h5"])))
    gone = run_cli("compare", f"{path}@2", path)
    assert gone.exit_code == 3
    assert "[no-such-iteration]" in gone.stderr


def test_a_folder_of_shards_is_one_checkpoint(run_cli, rows_of, masks, tmp_path):
    arrays = {name: mask.astype(np.float16) for name, mask in random_masks(1).items()}
    folder = tmp_path / "model"
    folder.mkdir()
    weight_map = {}
    for number, (name, array) in enumerate(arrays.items()):
        shard = f"model-{number}.safetensors"
        # As in the cache of Hugging Face, where every file is a link.
        save_file({f"model.{name}": array}, tmp_path / shard)
        (folder / shard).symlink_to(f"../{shard}")
        weight_map[f"model.{name}"] = shard
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    for source in (folder, index):
        result = run_cli("compare", source, masks["zeros"][0], "--from", "zeros", "-q")
        assert result.exit_code == 0, result.stderr
        assert rows_of(result)[-1]["jaccard"] == "1.0"
    (tmp_path / "model-1.safetensors").unlink()
    broken = run_cli("compare", folder, masks["zeros"][0], "--from", "zeros")
    assert broken.exit_code == 3
    assert "[missing-shard]" in broken.stderr


def test_keras_masks_are_turned_to_torchs_order(run_cli, rows_of, tmp_path):
    path = tmp_path / "keras"
    arrays = random_masks(1)
    with h5py.File(path, "w") as file:
        for name, layer in (("fc1", "fc1.weight"), ("fc2", "fc2.weight")):
            scope = f"prune_low_magnitude_{name}/prune_low_magnitude_{name}"
            file[f"{scope}/mask:0"] = arrays[layer].T.astype(np.float32)
            file[f"{scope}/kernel:0"] = arrays[layer].T * np.float32(0.5)
    named = tmp_path / "named.npz"
    np.savez(named, **{"fc1/kernel": arrays["fc1.weight"], "fc2/kernel": arrays["fc2.weight"]})
    rows = rows_of(run_cli("compare", path, named))
    assert [row["jaccard"] for row in rows] == ["1.0", "1.0", "1.0"]


def test_layers_that_differ_are_an_error(run_cli, masks, tmp_path):
    other = tmp_path / "other.npz"
    np.savez(other, **{name: mask.T for name, mask in random_masks(1).items()})
    result = run_cli("compare", masks["npz"][0], other)
    assert result.exit_code == 3
    assert "(20, 36)" in result.stderr
    assert "(36, 20)" in result.stderr
    assert "[layout-mismatch]" in result.stderr


def test_names_from_files_are_printed_escaped(run_cli, tmp_path):
    path = tmp_path / "odd.safetensors"
    header = {
        "fc\x1b[31m.\u202e": {"dtype": "U8", "shape": [2, 2], "data_offsets": [0, 4]},
        "\x1b]0;": {"dtype": "U8", "shape": [], "data_offsets": [4, 5]},
    }
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"\1\0\1\1\0")
    for command in (["info", path], ["compare", path, path], ["info", path, "-f", "json"]):
        result = run_cli(*command)
        assert result.exit_code == 0, result.stderr
        assert "\x1b" not in result.stdout + result.stderr
    result = run_cli("convert", path, "-o", tmp_path / "odd.h5")
    assert result.exit_code in (0, 3), result.stderr
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize("kind", ["pickle", "text", "empty", "folder"])
def test_what_holds_no_masks(run_cli, masks, tmp_path, kind):
    path = tmp_path / kind
    if kind == "folder":
        path.mkdir()
    else:
        path.write_bytes({"pickle": b"\x80\x04N.", "text": b"masks\n", "empty": b""}[kind])
    result = run_cli("compare", path, masks["npz"][0])
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr.count("Error") == 1
    assert str(path) in result.stderr


def test_a_folder_of_archives_is_not_one_input(run_cli, archives):
    folder = Path(archives[0]).parent
    result = run_cli("compare", f"{folder}/", archives[0])
    assert result.exit_code == 3
    assert result.stdout == ""
    assert "[no-masks]" in result.stderr
    assert f"try: its archives, {folder}/*.h5" in result.stderr
