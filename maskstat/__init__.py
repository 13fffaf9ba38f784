"""Ask which weights pruning kept, and whether that is more alike than chance."""

__version__ = "0.1.0"
