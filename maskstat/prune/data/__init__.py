"""Data sets: loaded, split, and turned into what a network takes."""
