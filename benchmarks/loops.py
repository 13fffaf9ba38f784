"""Training loops beside maskstat's, on LeNet and images of 28x28: what a step costs.

Images are noise of MNIST's shape: no step depends on what they show.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import prune

from maskstat.prune.data.dataset import Dataset
from maskstat.prune.data.parts import split
from maskstat.prune.engines.choose import engine_for
from maskstat.prune.engines.engine import Draws, Replica, Settings
from maskstat.prune.models.registry import build
from maskstat.prune.network import Network
from maskstat.prune.session import deterministic_torch
from maskstat.prune.streams import Streams
from maskstat.prune.trace import trace

__all__ = ["BATCH", "in_memory", "noise", "ours", "pictures", "replicas"]

BATCH = 32
VALIDATION = 0.2


def noise(steps):
    """As many images as `steps` batches take, and a fifth beside them for validation."""
    n = round(BATCH * steps / (1 - VALIDATION))
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (n, 1, 28, 28), np.uint8)
    labels = rng.integers(0, 10, n)
    few = slice(0, BATCH)
    return Dataset(
        name="noise",
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


def replicas(dataset, count):
    """Replicas that share data and initialization, each with its own mask and order."""
    parts = split(dataset, generator=Streams(seed=0).generator("split"), validation=VALIDATION)
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


def ours(wanted, some):
    """An epoch of some replicas by one of maskstat's engines."""
    engine = engine_for(network(some[0].split.preprocessing.shape), wanted=wanted, device="cpu")
    settings = Settings(epochs=1, lr=0.01, batch_size=BATCH)

    def train():
        with deterministic_torch():
            return engine.train(some, settings=settings, on_epoch=lambda *_: None)

    return train


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

    return train


class Pictures(torch.utils.data.Dataset):
    """The steps of torchvision's MNIST with ToTensor and Normalize, one image at a time."""

    def __init__(self, dataset, n):
        self.data = torch.from_numpy(dataset.images[:n, 0].copy())
        self.targets = torch.from_numpy(dataset.labels[:n].copy())

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        from PIL import Image

        picture, target = Image.fromarray(self.data[index].numpy()), int(self.targets[index])
        pixels = torch.from_numpy(np.array(picture, np.uint8, copy=True))
        pixels = pixels.view(picture.size[1], picture.size[0], 1).permute(2, 0, 1).contiguous()
        pixels = pixels.to(torch.float32).div(255)
        mean, std = torch.as_tensor((0.1307,)), torch.as_tensor((0.3081,))
        return pixels.sub_(mean.view(-1, 1, 1)).div_(std.view(-1, 1, 1)), target


def pictures(dataset, replica):
    """DataLoader and PIL as in open_lth, masks by torch.nn.utils.prune's hooks."""
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

    return train
