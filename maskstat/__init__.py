"""maskstat: which weights did pruning keep, and is that more alike than chance?"""

__version__ = "0.1.0"
