"""Two checkpoints of 1e9 weights, compared by their zeros: python benchmarks/checkpoints.py.

Writes a LLaMA of 23 layers, TinyLlama's widths, twice as bfloat16 safetensors, half of every
projection 0: one file, and a folder of shards with an index. `maskstat compare A B --from zeros`
reads the projections, 88 % of the bytes, in a child process; beside it stands a loop that reads
the whole files and does nothing. Speeds are those of the bytes that each reads.
Needs 4.6 GB in the folder for temporary files (TMPDIR), which are gone at the end.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

LAYERS, HIDDEN, INNER, KEYS, VOCABULARY = 23, 2048, 5632, 256, 32_000
SHARDS = 3
PIECE = 1 << 22
MEMORY_BAR = 1500
READ = """
import os, sys
buffer = bytearray(1 << 20)
for path in sys.argv[1:]:
    file = os.open(path, os.O_RDONLY)
    while os.readv(file, [buffer]):
        pass
"""


def shapes(layers):
    """Names and shapes as Hugging Face has them, in the order of the network."""
    found = {"model.embed_tokens.weight": (VOCABULARY, HIDDEN)}
    for layer in range(layers):
        prefix = f"model.layers.{layer}"
        found |= {
            f"{prefix}.input_layernorm.weight": (HIDDEN,),
            f"{prefix}.self_attn.q_proj.weight": (HIDDEN, HIDDEN),
            f"{prefix}.self_attn.k_proj.weight": (KEYS, HIDDEN),
            f"{prefix}.self_attn.v_proj.weight": (KEYS, HIDDEN),
            f"{prefix}.self_attn.o_proj.weight": (HIDDEN, HIDDEN),
            f"{prefix}.post_attention_layernorm.weight": (HIDDEN,),
            f"{prefix}.mlp.gate_proj.weight": (INNER, HIDDEN),
            f"{prefix}.mlp.up_proj.weight": (INNER, HIDDEN),
            f"{prefix}.mlp.down_proj.weight": (HIDDEN, INNER),
        }
    return found | {"model.norm.weight": (HIDDEN,), "lm_head.weight": (VOCABULARY, HIDDEN)}


def write_file(path, tensors, rng):
    """Write one safetensors file piece by piece; return how many projections' weights are kept."""
    header, at = {}, 0
    for name, shape in tensors.items():
        stop = at + 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, stop]}
        at = stop
    text = json.dumps(header).encode()
    kept = 0
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, shape in tensors.items():
            size = int(np.prod(shape))
            for start in range(0, size, PIECE):
                # Any bits but those of a zero.
                values = rng.integers(1, 1 << 15, min(PIECE, size - start), np.uint16)
                if "_proj" in name:
                    pruned = rng.integers(0, 256, values.size, np.uint8) < 128
                    values[pruned] = 0
                    kept += int(np.count_nonzero(values))
                file.write(values)
        file.flush()
        os.fsync(file.fileno())
    return kept


def write_shards(folder, tensors, rng):
    """Write the same as a folder of shards with an index."""
    folder.mkdir()
    names = list(tensors)
    step = -(-len(names) // SHARDS)
    weight_map, kept = {}, 0
    for i in range(SHARDS):
        part = {name: tensors[name] for name in names[i * step : (i + 1) * step]}
        shard = f"model-{i + 1:05}-of-{SHARDS:05}.safetensors"
        kept += write_file(folder / shard, part, rng)
        weight_map |= dict.fromkeys(part, shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return kept


def timed(command):
    """Run a child; return its seconds, megabytes at its peak, and what it printed."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    printed = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    child.stdout.close()
    if child.returncode:
        raise SystemExit(f"{command[:3]} ended with {child.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024, printed


def forget(paths):
    """Ask the kernel to drop files from its cache."""
    for path in paths:
        file = os.open(path, os.O_RDONLY)
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)


def check(printed, kept):
    """Hold the total against what was written."""
    header, *lines = [line.split("\t") for line in printed.splitlines()]
    total = dict(zip(header, lines[-1], strict=True))
    assert (total["layer"], int(total["kept_a"]), int(total["kept_b"])) == ("total", *kept), total
    return int(total["size"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=LAYERS)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    tensors = shapes(options.layers)
    rng = np.random.default_rng(0)
    missed = 0
    with tempfile.TemporaryDirectory(prefix="maskstat-") as temporary:
        one, sharded = Path(temporary, "a.safetensors"), Path(temporary, "b")
        kept = write_file(one, tensors, rng), write_shards(sharded, tensors, rng)
        paths = [one, *sorted(sharded.glob("*.safetensors"))]
        megabytes = sum(path.stat().st_size for path in paths) / 1e6
        n_weights = sum(int(np.prod(shape)) for shape in tensors.values())
        print(f"2 checkpoints of {n_weights:,} weights, {megabytes:,.0f} MB")
        compare = [sys.executable, "-m", "maskstat", "compare", one, sharded, "--from", "zeros"]
        read = [sys.executable, "-c", READ, *paths]
        for kind in ("cold", "warm"):
            best = {}
            for _ in range(options.rounds):
                for name, command in (("read", read), ("compare", [*compare, "-q"])):
                    if kind == "cold":
                        forget(paths)
                    seconds, peak, printed = timed(command)
                    best[name] = min(best.get(name, (seconds, peak)), (seconds, peak))
                    if name == "compare":
                        n_compared = check(printed, kept)
                        missed += peak > MEMORY_BAR
            # Two files, two bytes a weight.
            speeds = {"read": megabytes, "compare": 4 * n_compared / 1e6}
            for name, (seconds, peak) in best.items():
                speeds[name] /= seconds
                print(
                    f"{kind} {name:8} {seconds:6.2f} s  {speeds[name]:6.0f} MB/s  "
                    f"peak {peak:5.0f} MB"
                )
            print(f"{kind}: {speeds['compare'] / speeds['read']:.0%} of the speed of reading alone")
        print(f"{n_compared:,} weights compared; memory: at most {MEMORY_BAR:,} MB allowed")
    return bool(missed)


if __name__ == "__main__":
    raise SystemExit(main())
