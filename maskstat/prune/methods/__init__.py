"""Pruning methods: what a weight's or a channel's worth is, and what competes.

A method is a small class with one thing to override, `Method.scores`.
"""

from __future__ import annotations

from maskstat.prune.methods.method import Method, Scope, TrainedLayer, Uniform, Unit
from maskstat.prune.methods.registry import (
    METHODS,
    is_bundled,
    method_named,
    method_names,
    method_origin,
)

__all__ = [
    "METHODS",
    "Method",
    "Scope",
    "TrainedLayer",
    "Uniform",
    "Unit",
    "is_bundled",
    "method_named",
    "method_names",
    "method_origin",
]
