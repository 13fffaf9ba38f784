"""Ways to train a masked network; how one does it decides the bits that come out."""
