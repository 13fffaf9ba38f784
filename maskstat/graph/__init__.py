"""The network's graph: which layer feeds which, and what a mask leaves connected."""
