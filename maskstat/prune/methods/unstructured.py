"""Methods that prune single weights (Paganini & Forde 2020, section 3.1 and appendix H.2)."""

from __future__ import annotations

import numpy as np

from maskstat.prune.criteria import Scores
from maskstat.prune.methods.method import Method, TrainedLayer

__all__ = ["GlobalUnstructured", "L1Unstructured", "LayerKind", "RandomUnstructured"]


class L1Unstructured(Method):
    """The smallest weights of each layer go."""

    by_criterion = True

    def scores(self, layer: TrainedLayer) -> Scores:
        """Score by magnitude."""
        return layer.worth(np.abs)


class GlobalUnstructured(L1Unstructured):
    """The smallest weights of the whole network go."""

    scope = "network"


class LayerKind(L1Unstructured):
    """The smallest weights of all convolutions go, and the smallest of all linear layers."""

    scope = "kind"


class RandomUnstructured(Method):
    """Any weights of each layer go."""

    def scores(self, layer: TrainedLayer) -> Scores:
        """Score by chance."""
        return layer.uniform(layer.final.shape)
