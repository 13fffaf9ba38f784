import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from maskstat import threads
from maskstat.errors import UsageError
from maskstat.segments import segments
from maskstat.tiling import LEAST_MEMORY, MEMORY, PITCH, pair_tiling, vote_tiling

limits = st.one_of(st.none(), st.integers(LEAST_MEMORY, 1 << 31))


@given(st.integers(1, 100_000), limits, st.integers(1, 8))
def test_buffers_of_pairs_stay_within_the_limit(n_masks, limit, n_threads):
    tiling = pair_tiling(n_masks, limit=limit, threads=n_threads)
    stack = 8 * tiling.masks * (tiling.words + PITCH) if n_masks > 2 else 8 * tiling.words
    # What comes from a file; and in a call a copy, the intersection, its count.
    call = 8 * tiling.words + (17 if n_masks > 2 else 9) * tiling.partners * tiling.words
    assert tiling.threads * (stack + call) <= (limit or MEMORY)
    assert 1 <= tiling.threads <= n_threads
    assert tiling.masks >= 2 or n_masks == 1
    assert tiling.masks <= n_masks or n_masks == 1
    assert tiling.words >= 1024


@given(st.integers(1, 60_000), limits, st.integers(1, 8))
def test_buffers_of_votes_stay_within_the_limit(n_masks, limit, n_threads):
    words, used = vote_tiling(n_masks, limit=limit, threads=n_threads)
    assert words >= 32
    assert 1 <= used <= n_threads
    assert used * words * 8 * 3 * n_masks.bit_length() <= (limit or MEMORY)


@pytest.mark.parametrize("tiling", [pair_tiling, vote_tiling])
def test_a_limit_below_one_tile_of_two_masks_names_the_least(tiling):
    with pytest.raises(UsageError, match=f"{LEAST_MEMORY:,}") as caught:
        tiling(2, limit=LEAST_MEMORY - 1)
    assert caught.value.code == "limit-too-small"
    tiling(2, limit=LEAST_MEMORY)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8), st.data())
def test_segments_are_the_layers_of_a_tile(lengths, data):
    edges = np.cumsum([0, *lengths])
    total = int(edges[-1])
    assume(total)
    start = data.draw(st.integers(0, total - 1))
    stop = data.draw(st.integers(start + 1, total))
    cut = segments(edges, start, stop)
    layer_of = np.repeat(np.arange(len(lengths)), lengths)[start:stop]
    layers = np.arange(len(lengths))[cut.layers]
    assert layers.tolist() == np.unique(layer_of).tolist()
    for layer, (lo, hi) in zip(layers, cut.bounds(), strict=True):
        assert (layer_of[lo:hi] == layer).all()
    counts = np.random.default_rng(0).integers(0, 65, (3, stop - start), dtype=np.uint8)
    expected = [[int(row[layer_of == layer].sum()) for layer in layers] for row in counts]
    assert cut.sums(counts).tolist() == expected
    assert cut.sums(counts[0]).tolist() == expected[0]


@pytest.mark.parametrize(("cores", "n"), [(1, 1), (3, 3), (64, 4)])
def test_threads_are_the_cores_allowed_at_most_four(cores, n, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)), raising=False)
    assert threads.n_threads(1 << 30) == n
    assert threads.n_threads(1 << 20) == threads.n_threads(1 << 20, asked=7) == 1
    assert threads.n_threads(1 << 20, least=1 << 20) == n
    assert threads.n_threads(1 << 30, asked=7) == 7
    assert threads.n_threads(1 << 30, asked=0) == 1


def test_an_error_in_a_thread_is_raised():
    with pytest.raises(ZeroDivisionError):
        threads.at_once(lambda n: 1 // n, [1, 0])


HUNDRED_MASKS = """
import resource, sys
import numpy as np
from maskstat.bits import pair_counts
from maskstat.votes import tally

n_words, n_masks, limit = 1 << 17, 100, 4_000_000

class Made:
    "1 MiB a mask, none of which is held."
    def __init__(self, seed):
        self.n_words, self.seed = n_words, np.uint64(2 * seed + 1)
    def words(self, start, stop):
        return np.arange(start, stop, dtype=np.uint64) * self.seed

def peak():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

masks = [Made(i) for i in range(n_masks)]
edges = np.array([0, 1000, n_words])
pairs = [(i, j) for i in range(n_masks) for j in range(i + 1, n_masks)]
pair_counts(masks, pairs[:3], np.array([0, 500, 1000]))
before = peak()
pair_counts(masks, pairs, edges, limit=limit)
tally(masks, edges, 64 * np.diff(edges), limit=limit)
print(peak() - before)
"""


def test_a_hundred_megabytes_of_masks_are_counted_within_four():
    done = subprocess.run(
        [sys.executable, "-c", HUNDRED_MASKS], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 8_000_000, "the limit; then results, SimSIMD, the allocator"
