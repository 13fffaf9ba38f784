"""describe: counts against loops over outputs, layers of every number of dimensions."""

import numpy as np

from maskstat.mask import Mask
from maskstat.run import Run
from maskstat.stats.inventory import describe


def test_dead_outputs_in_layers_of_any_shape():
    rng = np.random.default_rng(0)
    arrays = {
        "conv": rng.random((40, 2, 1, 1)) < 0.3,
        "fc": rng.random((30, 2)) < 0.3,
        "bias": np.array([True, False, False]),
        "scale": np.array(True),
        "off": np.array(False),
    }
    run = Run.from_masks("r", [Mask.from_arrays(arrays)])
    *layers, total = describe(run)
    dead = {
        name: sum(not np.any(output) for output in np.atleast_1d(array))
        for name, array in arrays.items()
    }
    assert {row["layer"]: row["dead_outputs"] for row in layers} == dead
    assert (dead["bias"], dead["scale"], dead["off"]) == (2, 0, 1)
    assert dead["conv"] > 0 < dead["fc"]
    assert total["dead_outputs"] == sum(dead.values())
    assert total["kept"] == sum(np.count_nonzero(array) for array in arrays.values())
