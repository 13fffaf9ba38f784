"""Make maskstat/prune/datasets/digits.npz from scikit-learn's digits, which it takes to run once.

python tests/data/make_digits.py maskstat/prune/datasets/digits.npz
"""

from __future__ import annotations

import sys

import numpy as np


def main(path: str) -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = digits.images.astype(np.uint8)
    labels = digits.target.astype(np.uint8)
    assert images.shape == (1797, 8, 8)
    assert (images == digits.images).all()
    test = np.zeros(len(labels), np.bool_)
    for digit in range(10):
        test[np.flatnonzero(labels == digit)[2::5]] = True
    np.savez_compressed(path, images=images, labels=labels, test=test)


if __name__ == "__main__":
    main(sys.argv[1])
