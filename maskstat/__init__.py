"""Ask which weights pruning kept, and whether that is more alike than chance.

Importing this package imports nothing heavy; each public name loads its module when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from maskstat.archive.verify import verify
    from maskstat.archive.writer import write
    from maskstat.convert.read import read, read_all
    from maskstat.errors import MaskstatError
    from maskstat.mask import Layout, Mask
    from maskstat.prune import Recipe, prune
    from maskstat.prune.retrain import retrain
    from maskstat.run import Run
    from maskstat.stats.compare import compare
    from maskstat.stats.connect import connectivity
    from maskstat.stats.consensus import consensus
    from maskstat.stats.correlate import correlate
    from maskstat.stats.outputs import outputs
    from maskstat.stats.pattern import pattern

__all__ = [
    "Layout",
    "Mask",
    "MaskstatError",
    "Recipe",
    "Run",
    "__version__",
    "compare",
    "connectivity",
    "consensus",
    "convert",
    "correlate",
    "outputs",
    "pattern",
    "prune",
    "read",
    "read_all",
    "retrain",
    "verify",
    "write",
]

_HOME = {
    "Layout": "maskstat.mask",
    "Mask": "maskstat.mask",
    "MaskstatError": "maskstat.errors",
    "Recipe": "maskstat.prune",
    "Run": "maskstat.run",
    "compare": "maskstat.stats.compare",
    "connectivity": "maskstat.stats.connect",
    "convert": "maskstat.convert",
    "consensus": "maskstat.stats.consensus",
    "correlate": "maskstat.stats.correlate",
    "outputs": "maskstat.stats.outputs",
    "pattern": "maskstat.stats.pattern",
    "prune": "maskstat.prune",
    "read": "maskstat.convert.read",
    "read_all": "maskstat.convert.read",
    "retrain": "maskstat.prune.retrain",
    "verify": "maskstat.archive.verify",
    "write": "maskstat.archive.writer",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'maskstat' has no attribute '{name}'")
    import importlib

    module = importlib.import_module(_HOME[name])
    # `maskstat.prune` is also the package of that name, which can be called.
    value = module if _HOME[name] == f"maskstat.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
