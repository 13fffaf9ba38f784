"""Training throughput on one thread: python benchmarks/training.py [--data-dir DIR].

The ensemble and the plain loop against two loops as they are usually written, on LeNet and images
of 28x28, batches of 32; then a run on the digits, and two processes against one. What is compared
takes turns; medians of samples a CPU-second and of the ratios within a turn. Needs Pillow.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import prune

from maskstat.prune.data.dataset import Dataset
from maskstat.prune.data.parts import split
from maskstat.prune.data.registry import load
from maskstat.prune.engines.choose import engine_for
from maskstat.prune.engines.engine import Draws, Replica, Settings
from maskstat.prune.models.registry import build
from maskstat.prune.network import Network
from maskstat.prune.session import deterministic_torch
from maskstat.prune.streams import Streams
from maskstat.prune.trace import trace

BATCH, STEPS, TURNS = 32, 30, 4
MNIST = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist"


def images(data_dir):
    """The first training images of MNIST, or noise."""
    n = BATCH * STEPS * 5 // 4
    if data_dir.is_dir():
        whole = load("mnist", data_dir=data_dir)
        pixels, labels = whole.images[:n], whole.labels[:n]
    else:
        rng = np.random.default_rng(0)
        pixels = rng.integers(0, 256, (n, 1, 28, 28), np.uint8)
        labels = rng.integers(0, 10, n)
    print("images:", "MNIST" if data_dir.is_dir() else "noise of MNIST's shape")
    few = slice(0, BATCH)
    return Dataset(
        name="mnist",
        images=pixels,
        labels=labels,
        test_images=pixels[few],
        test_labels=labels[few],
        classes=10,
    )


def network(shape):
    module = build("lenet", shape, 10, generator=Streams(seed=0).generator("init"))
    made = Network(module)
    made.with_graph(trace(module, shape))
    return made


def replicas(dataset, count, validation=0.2):
    """Replicas that share data and initialization, each with its own mask and order."""
    parts = split(dataset, generator=Streams(seed=0).generator("split"), validation=validation)
    start = network(dataset.shape)
    masks = np.random.default_rng(0).random((count, start.layout.size)) < 0.5
    return [
        Replica(
            start=start.state(),
            kept=kept,
            split=parts,
            draws=Draws(streams=Streams(seed=seed, vary=("order",)), iteration=0),
        )
        for seed, kept in enumerate(masks)
    ]


def ours(wanted, some, epochs=1):
    """A function that trains replicas, and how many samples it sees."""
    engine = engine_for(network(some[0].split.preprocessing.shape), wanted=wanted, device="cpu")
    settings = Settings(epochs=epochs, lr=0.01, batch_size=BATCH)

    def train():
        with deterministic_torch():
            return engine.train(some, settings=settings, on_epoch=lambda *_: None)

    return train, len(some) * epochs * len(some[0].split.train)


def in_memory(replica):
    """Tensors in memory, torch's optimizer, masks by multiplication."""
    part, net = replica.split.train, network((1, 28, 28))
    net.load(replica.start)
    factors = net.factors(replica.kept)
    optimizer = torch.optim.SGD(net.module.parameters(), lr=0.01, foreach=True)
    pixels = part.inputs(torch.arange(len(part)))

    def train():
        for batch in torch.randperm(len(part)).split(BATCH):
            optimizer.zero_grad()
            loss = cross_entropy(net.module(pixels[batch]), part.labels[batch])
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                torch._foreach_mul_(net.prunable, factors)

    return train, len(part)


class Pictures(torch.utils.data.Dataset):
    """The steps of torchvision's MNIST with ToTensor and Normalize, one image at a time."""

    def __init__(self, dataset, n):
        self.data = torch.from_numpy(dataset.images[:n, 0].copy())
        self.targets = torch.from_numpy(dataset.labels[:n].copy())

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        picture, target = Image.fromarray(self.data[index].numpy()), int(self.targets[index])
        pixels = torch.from_numpy(np.array(picture, np.uint8, copy=True))
        pixels = pixels.view(picture.size[1], picture.size[0], 1).permute(2, 0, 1).contiguous()
        pixels = pixels.to(torch.float32).div(255)
        mean, std = torch.as_tensor((0.1307,)), torch.as_tensor((0.3081,))
        return pixels.sub_(mean.view(-1, 1, 1)).div_(std.view(-1, 1, 1)), target


def pictures(dataset, replica):
    """DataLoader and PIL, masks by torch.nn.utils.prune's hooks."""
    net = network((1, 28, 28))
    net.load(replica.start)
    layers = [m for m in net.module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for layer, factor in zip(layers, net.factors(replica.kept), strict=True):
        prune.custom_from_mask(layer, "weight", factor)
    optimizer = torch.optim.SGD(net.module.parameters(), lr=0.01)
    n = len(replica.split.train)
    loader = torch.utils.data.DataLoader(Pictures(dataset, n), batch_size=BATCH, shuffle=True)

    def train():
        for x, y in loader:
            optimizer.zero_grad()
            cross_entropy(net.module(x), y).backward()
            optimizer.step()

    return train, n


def take_turns(contenders, turns):
    """Samples a CPU-second of each contender in each turn."""
    rates = {name: [] for name in contenders}
    for turn in range(turns + 1):
        for name, (train, samples) in contenders.items():
            began = time.process_time()
            train()
            if turn:  # the first one warms up
                rates[name].append(samples / (time.process_time() - began))
    return rates


def ratio(rates, one, other):
    return statistics.median(a / b for a, b in zip(rates[one], rates[other], strict=True))


def check(dataset):
    """One step of the ensemble is one step of the loop, up to rounding."""
    some = replicas(dataset, 3)
    ensemble, loop = (ours(wanted, some)[0]() for wanted in ("ensemble", "loop"))
    for one, other in zip(ensemble, loop, strict=True):
        np.testing.assert_allclose(one.state.weights, other.state.weights, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(one.train_loss, other.train_loss, rtol=1e-5)


def mnist(dataset):
    some = replicas(dataset, 8)
    contenders = {f"ensemble, {n} at once": ours("ensemble", some[:n]) for n in (1, 2, 5, 8)} | {
        "our loop": ours("loop", some[:1]),
        "tensors in memory": in_memory(some[0]),
        "DataLoader + PIL": pictures(dataset, some[0]),
    }
    rates = take_turns(contenders, TURNS)
    for name, values in rates.items():
        print(f"  {name:20} {statistics.median(values):8,.0f} samples a CPU-second")
    for other, bar in (("tensors in memory", 1.35), ("DataLoader + PIL", 3.5), ("our loop", 0)):
        found = ratio(rates, "ensemble, 8 at once", other)
        print(f"  8 at once / {other}: {found:.2f}" + (f" (bar {bar})" if bar else ""))
    print(f"  1 at once / our loop: {ratio(rates, 'ensemble, 1 at once', 'our loop'):.2f}")


def digits():
    some = replicas(load("digits"), 8)
    contenders = {
        "our loop, one": ours("loop", some[:1], 15),
        "ensemble, one": ours("ensemble", some[:1], 15),
        "ensemble, eight": ours("ensemble", some, 15),
    }
    print("digits, 15 epochs, CPU-seconds a training")
    for name, values in take_turns(contenders, 2).items():
        seconds = contenders[name][1] / statistics.median(values)
        print(f"  {name:20} {seconds / (8 if 'eight' in name else 1):6.2f}")


def worker(data_dir):
    """Train until told to stop, and print when each training began and ended."""
    train, _ = ours("ensemble", replicas(images(data_dir), 8))
    train()
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.perf_counter()
    for _ in range(4):
        train()
    print(time.perf_counter() - began)


def processes(data_dir):
    """Two processes against one, by the clock."""

    def seconds(count):
        command = [sys.executable, __file__, "--worker", "--data-dir", str(data_dir)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        started = [subprocess.Popen(command, **pipes) for _ in range(count)]
        for process in started:
            while process.stdout.readline() != "ready\n":
                pass
        for process in started:
            process.stdin.write("go\n")
            process.stdin.flush()
        return max(float(process.communicate()[0]) for process in started)

    found = [2 * seconds(1) / seconds(2) for _ in range(2)]
    print(f"two processes / one, by the clock: {statistics.median(found):.2f} (bar 1.8)")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", type=Path, default=MNIST)
    parser.add_argument("--worker", action="store_true")
    told = parser.parse_args()
    torch.set_num_threads(1)
    if told.worker:
        return worker(told.data_dir)
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, one thread")
    dataset = images(told.data_dir)
    check(dataset)
    mnist(dataset)
    digits()
    processes(told.data_dir)


if __name__ == "__main__":
    main()
