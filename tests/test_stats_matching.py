from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from maskstat.errors import InputError, LayoutMismatchError, UsageError
from maskstat.stats import matching
from maskstat.stats.matched_overlap import matched_overlap
from maskstat.stats.matching import Link, chain_links, match_units

LENET = [(6, 1, 3, 3), (16, 6, 3, 3), (120, 400), (84, 120), (10, 84)]
SEEDS = st.integers(0, 2**32 - 1)


def uniform(shape, density, rng):
    mask = np.zeros(int(np.prod(shape)), dtype=bool)
    mask[: round(density * mask.size)] = True
    rng.shuffle(mask)
    return mask.reshape(shape)


def ticket(shapes, density, rng):
    return [uniform(shape, density, rng) for shape in shapes]


def relabel(masks, orders, links):
    """Relabel a network's hidden units one weight at a time."""
    moved = []
    for layer, mask in enumerate(masks):
        link = next((k for k in links if k.target == layer), None)
        out = np.empty_like(mask)
        for i, j in product(range(mask.shape[0]), range(mask.shape[1])):
            row = i if orders[layer] is None else orders[layer][i]
            column = j
            if link is not None and orders[link.source] is not None:
                column = orders[link.source][j // link.area] * link.area + j % link.area
            out[i, j] = mask[row, column]
        moved.append(out)
    return moved


def shared(a, b):
    return tuple(int((m & n).sum()) for m, n in zip(a, b, strict=True))


def test_links_of_a_chain():
    assert [link.area for link in chain_links(LENET)] == [1, 25, 1, 1]
    assert chain_links([(3, 4)]) == ()
    for shapes in ([(6, 4), (3, 7)], [(6, 4), (3, 12)], [(6, 1, 3, 3), (16, 12, 3, 3)]):
        with pytest.raises(LayoutMismatchError, match="not-a-chain"):
            chain_links(shapes)


@given(SEEDS, st.integers(1, 5), st.integers(1, 6), st.floats(0, 1))
def test_one_hidden_layer_against_every_permutation(seed, units, inputs, density):
    rng = np.random.default_rng(seed)
    shapes = [(units, inputs), (2, units)]
    links = chain_links(shapes)
    a, b = ticket(shapes, density, rng), ticket(shapes, density, rng)
    found = match_units(a, b, links)
    candidates = [
        shared(a, relabel(b, [np.array(order), None], links))
        for order in permutations(range(units))
    ]
    best = max(first for first, _ in candidates)
    assert found.matched[0] == best
    assert found.matched in candidates
    assert found.shared == shared(a, b)
    both = match_units(a, b, links, sweeps=1)
    assert sum(both.matched) == max(map(sum, candidates))  # one layer: a sweep is the optimum


@given(SEEDS, st.integers(0, 3))
@settings(max_examples=30)
def test_two_hidden_layers_against_every_pair_of_permutations(seed, sweeps):
    rng = np.random.default_rng(seed)
    shapes = [(3, 2, 2, 2), (4, 3, 1, 2), (2, 8)]
    links = chain_links(shapes)
    assert [link.area for link in links] == [1, 2]
    a, b = ticket(shapes, 0.4, rng), ticket(shapes, 0.5, rng)
    found = match_units(a, b, links, sweeps=sweeps)
    assert found.matched == shared(a, relabel(b, found.orders, links))
    assert found.orders[-1] is None
    candidates = {
        (first, second): shared(a, relabel(b, [np.array(first), np.array(second), None], links))
        for first, second in product(permutations(range(3)), permutations(range(4)))
    }
    assert sum(found.matched) <= max(map(sum, candidates.values()))
    if not sweeps:
        first = tuple(int(i) for i in found.orders[0])
        assert found.matched[0] == max(c[0] for c in candidates.values())
        assert found.matched[1] == max(c[1] for key, c in candidates.items() if key[0] == first)


@given(SEEDS)
@settings(max_examples=15)
def test_sweeps_never_lower_the_total(seed):
    rng = np.random.default_rng(seed)
    shapes = [(8, 1, 3, 3), (10, 8, 3, 3), (12, 40), (5, 12)]
    a, b = ticket(shapes, 0.3, rng), ticket(shapes, 0.3, rng)
    totals = [sum(match_units(a, b, chain_links(shapes), sweeps=k).matched) for k in range(4)]
    assert totals == sorted(totals)


@pytest.mark.parametrize("density", [0.05, 0.3])
def test_a_relabelled_network_is_recognized(density):
    rng = np.random.default_rng(0)
    shapes = [(20, 3, 5, 5), (30, 20, 3, 3), (40, 120), (10, 40)]
    links = chain_links(shapes)
    a = ticket(shapes, density, rng)
    orders = [rng.permutation(20), rng.permutation(30), rng.permutation(40), None]
    b = relabel(a, orders, links)
    found = match_units(a, b, links)
    assert found.matched == tuple(int(m.sum()) for m in a)
    assert sum(found.shared) < sum(found.matched)
    for order, made in zip(orders[:-1], found.orders[:-1], strict=True):
        np.testing.assert_array_equal(order[made], np.arange(order.size))


def test_an_untouched_network_keeps_its_labels_even_where_units_are_alike():
    rng = np.random.default_rng(1)
    first = np.zeros((9, 4), dtype=bool)  # nine dead units: any assignment is as good
    a = [first, uniform((5, 9), 0.5, rng)]
    found = match_units(a, a, chain_links([(9, 4), (5, 9)]))
    np.testing.assert_array_equal(found.orders[0], np.arange(9))
    assert found.matched == found.shared == tuple(int(m.sum()) for m in a)


@given(SEEDS)
@settings(max_examples=20)
def test_the_first_layers_match_does_not_depend_on_labels(seed):
    rng = np.random.default_rng(seed)
    shapes = [(7, 9), (3, 7)]
    links = chain_links(shapes)
    a, b = ticket(shapes, 0.4, rng), ticket(shapes, 0.4, rng)
    found = match_units(a, b, links).matched[0]
    assert match_units(a, relabel(b, [rng.permutation(7), None], links), links).matched[0] == found
    assert match_units(b, a, links).matched[0] == found


def test_units_without_a_link_stay_and_one_layer_may_feed_two():
    rng = np.random.default_rng(2)
    shapes = [(6, 5), (4, 6), (3, 6), (2, 4)]
    links = [Link(source=0, target=1), Link(source=0, target=2)]
    a = ticket(shapes, 0.4, rng)
    order = rng.permutation(6)
    b = relabel(a, [order, None, None, None], links)
    found = match_units(a, b, links, sweeps=1)
    assert found.matched == tuple(int(m.sum()) for m in a)
    assert found.orders[1] is None
    assert found.orders[2] is None
    assert match_units(a, b, []).matched == shared(a, b)


def test_counts_too_large_for_float32_take_the_wider_route(monkeypatch):
    rng = np.random.default_rng(10)
    a, b = ticket(LENET, 0.2, rng), ticket(LENET, 0.2, rng)
    narrow = match_units(a, b, chain_links(LENET), sweeps=1)
    monkeypatch.setattr(matching, "FLOAT32_EXACT", 0)
    assert match_units(a, b, chain_links(LENET), sweeps=1).matched == narrow.matched


def test_what_does_not_fit_is_refused():
    rng = np.random.default_rng(3)
    shapes = [(4, 3), (5, 4), (2, 5)]
    a = ticket(shapes, 0.5, rng)
    with pytest.raises(LayoutMismatchError, match="shape-mismatch"):
        match_units(a, a[:2], chain_links(shapes))
    with pytest.raises(LayoutMismatchError, match="shape-mismatch"):
        match_units(a, [a[0][:, :2], *a[1:]], chain_links(shapes))
    with pytest.raises(InputError, match="mask-type"):
        match_units([m.astype(int) for m in a], [m.astype(int) for m in a], [])
    with pytest.raises(InputError, match="mask-type"):
        match_units([m.ravel() for m in a], [m.ravel() for m in a], [])
    bad = [
        [Link(source=0, target=2)],
        [Link(source=0, target=1, area=2)],
        [Link(source=1, target=1)],
        [Link(source=1, target=0)],
        [Link(source=-1, target=1)],
        [Link(source=0, target=3)],
        [Link(source=0, target=1), Link(source=0, target=1)],
    ]
    for links in bad:
        with pytest.raises(LayoutMismatchError, match="link-mismatch"):
            match_units(a, a, links)
    with pytest.raises(UsageError, match="sweeps"):
        match_units(a, a, [], sweeps=-1)
    with pytest.raises(UsageError, match="draws"):
        matched_overlap(a, a, [], rng=rng, draws=1)


def test_without_links_the_null_is_hypergeometric():
    rng = np.random.default_rng(4)
    a, b = [uniform((12, 20), 0.3, rng)], [uniform((12, 20), 0.25, rng)]
    found = matched_overlap(a, b, [], rng=rng, draws=4000).layers[0]
    law = scipy.stats.hypergeom(240, found.kept_a, found.kept_b)
    assert (found.size, found.kept_a, found.kept_b) == (240, 72, 60)
    assert found.matched == found.shared == shared(a, b)[0]
    assert found.expected == pytest.approx(law.mean(), abs=5 * law.std() / 4000**0.5)
    assert found.sd == pytest.approx(law.std(), rel=0.06)
    assert found.p == pytest.approx(law.sf(found.matched - 1), abs=0.04)
    assert found.z == pytest.approx((found.matched - found.expected) / found.sd)
    assert 10**found.log10_p == pytest.approx(found.p)


def test_total_adds_the_layers_up_and_the_seed_fixes_everything():
    rng = np.random.default_rng(5)
    a, b = ticket(LENET, 0.2, rng), ticket(LENET, 0.1, rng)
    links = chain_links(LENET)
    found = matched_overlap(a, b, links, rng=np.random.default_rng(6), draws=20)
    again = matched_overlap(a, b, links, rng=np.random.default_rng(6), draws=20)
    assert (again.layers, again.total) == (found.layers, found.total)
    for field in ("size", "kept_a", "kept_b", "shared", "matched"):
        assert getattr(found.total, field) == sum(getattr(row, field) for row in found.layers)
    assert found.total.expected == pytest.approx(sum(row.expected for row in found.layers))
    assert found.total.matched > found.total.shared
    assert found.total.expected > found.total.kept_a * found.total.kept_b / found.total.size


def test_a_relabelled_network_is_beyond_chance_and_nothing_is_never_significant():
    rng = np.random.default_rng(7)
    shapes = [(12, 30), (10, 12)]
    a = ticket(shapes, 0.3, rng)
    links = chain_links(shapes)
    b = relabel(a, [rng.permutation(12), None], links)
    found = matched_overlap(a, b, links, rng=rng, draws=99)
    assert found.total.p == 0.01
    assert found.total.z > 5
    nothing = [np.zeros(s, bool) for s in shapes]
    full = [np.ones(s, bool) for s in shapes]
    for mask in (nothing, full):
        trivial = matched_overlap(mask, mask, links, rng=rng, draws=9)
        assert (trivial.total.p, trivial.total.log10_p, trivial.total.z) == (1, 0, None)


@pytest.mark.slow
@pytest.mark.parametrize("sweeps", [0, 1])
def test_the_matched_null_rejects_at_its_rate(sweeps):
    rng = np.random.default_rng(8)
    shapes = [(8, 12), (9, 8), (4, 9)]
    links = chain_links(shapes)
    tests = 600
    found = [
        matched_overlap(
            ticket(shapes, 0.3, rng),
            ticket(shapes, 0.3, rng),
            links,
            rng=rng,
            draws=39,
            sweeps=sweeps,
        ).total
        for _ in range(tests)
    ]
    for level in (0.05, 0.1, 0.5):
        reach = 3.5 * (level * (1 - level) / tests) ** 0.5
        assert np.mean([f.p <= level + 1e-12 for f in found]) <= level + reach
    z = [f.z for f in found]  # p itself is coarse: a fifth of all overlaps are the median
    assert np.mean(z) == pytest.approx(0, abs=0.2)
    assert np.std(z) == pytest.approx(1, abs=0.15)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "density", "before", "after"),
    [((84, 120), 0.2, 0.20, 0.38), ((120, 400), 0.05, 0.051, 0.191)],
)
def test_matching_alone_raises_chance_as_the_design_says(shape, density, before, after):
    rng = np.random.default_rng(9)
    shapes = [shape, (10, shape[0])]
    a, b = ticket(shapes, density, rng), ticket(shapes, density, rng)
    found = matched_overlap(a, b, chain_links(shapes), rng=rng, draws=200).layers[0]
    assert found.kept_a * found.kept_b / found.size / found.kept_a == pytest.approx(
        before, abs=0.002
    )
    assert found.expected / found.kept_a == pytest.approx(after, abs=0.01)
    assert found.matched / found.kept_a == pytest.approx(after, abs=0.02)
    assert found.p > 0.01
