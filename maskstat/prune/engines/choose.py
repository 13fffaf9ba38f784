"""Which engine trains a network."""

from __future__ import annotations

from maskstat.errors import UsageError
from maskstat.prune.engines.chain import chain_of
from maskstat.prune.engines.engine import Engine
from maskstat.prune.engines.ensemble import EnsembleEngine
from maskstat.prune.engines.loop import LoopEngine
from maskstat.prune.network import Network

__all__ = ["engine_for"]


def engine_for(network: Network, *, wanted: str, device: str) -> Engine:
    """Choose the engine for a network.

    Parameters
    ----------
    network
        With its graph, where that is known. The loop trains in its module.
    wanted
        ``loop``, ``ensemble``, or ``auto``: the ensemble for every network that it can train, so
        that a run's bits don't depend on what is trained beside it.
    device
        ``cpu``, ``cuda`` or ``mps``.

    Returns
    -------
    Engine

    Raises
    ------
    UsageError
        The ensemble is wanted for a network that it can't train.
    """
    if wanted == "loop":
        return LoopEngine(network, device=device)
    chain = chain_of(network)
    if not isinstance(chain, str):
        return EnsembleEngine(network, chain, device=device)
    if wanted == "ensemble":
        raise UsageError(
            f"the ensemble can't train this model: {chain}",
            code="engine-unable",
            place="train.engine",
            consequence="it takes convolutions, ReLU, max pooling and linear layers in one line",
            hint="--engine loop, or auto",
        )
    return LoopEngine(network, device=device)
