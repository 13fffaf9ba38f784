from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat.stats.intersection_path import IntersectionPaths
from maskstat.stats.roots import increasing_roots


@st.composite
def sizes_of(draw, N, fewest):
    k = draw(st.integers(fewest, 6))
    sizes = draw(st.lists(st.integers(1, N - 1), min_size=k, max_size=k))
    return sorted(sizes, reverse=True)


@st.composite
def layers(draw, fewest=2):
    N = draw(st.integers(2, 10 ** draw(st.integers(1, 10))))
    return N, draw(sizes_of(N, fewest))


def solved_votes(N, sizes, tilt):
    """Running intersections from the votes' odds, found by proportional fitting of the sizes."""
    odds = np.array([n / (N - n) for n in sizes])
    gain = math.exp(tilt)
    for _ in range(20_000):
        before = odds.copy()
        for i, n in enumerate(sizes):
            others = np.delete(odds, i)
            apart, shared = np.prod(1 + others), np.prod(others)
            weight = apart + (gain - 1) * shared  # of the weights that mask i keeps
            odds[i] = n / (N - n) * apart / weight
        if np.allclose(odds, before, rtol=1e-13, atol=0):
            break
    whole = np.prod(1 + odds) + (gain - 1) * np.prod(odds)
    parts = [np.prod(odds[: i + 1]) * np.prod(1 + odds[i + 1 :]) for i in range(len(sizes))] + (
        gain - 1
    ) * np.prod(odds)
    return N * parts / whole


@pytest.mark.parametrize("tilt", [-2.0, -0.3, 0.0, 0.5, 3.0])
@pytest.mark.parametrize(
    ("N", "sizes"), [(100, [50, 40]), (1000, [900, 500, 300]), (10**6, [10**5, 9 * 10**4, 10**4])]
)
def test_paths_are_those_of_independent_votes(N, sizes, tilt):
    path = IntersectionPaths((N, sizes)).under(tilt)
    np.testing.assert_allclose(path.running[0], solved_votes(N, sizes, tilt), rtol=1e-7)
    assert path.tilt[0] == pytest.approx(tilt, abs=1e-9)


@given(layers(), st.floats(-5, 20))
def test_paths_to_a_size_and_under_its_tilt_are_the_same(layer, tilt):
    N, sizes = layer
    paths = IntersectionPaths(layer)
    x = paths.under(tilt).running[:, -1]
    low, high = max(0, N - sum(N - n for n in sizes)), min(sizes)
    if low + 0.5 <= x[0] <= high - 0.5:
        np.testing.assert_allclose(paths.to(x).running[:, -1], x, rtol=1e-6)
        np.testing.assert_allclose(paths.to(x).tilt, tilt, rtol=1e-3, atol=1e-3)


@given(st.lists(layers(), min_size=1, max_size=5), st.floats(-3, 20))
def test_layers_at_once_are_layers_alone(several, tilt):
    together = IntersectionPaths(*several).under(tilt)
    for i, (N, sizes) in enumerate(several):
        alone = IntersectionPaths((N, sizes)).under(tilt)
        running = together.running[i, -len(sizes) :]
        np.testing.assert_allclose(running, alone.running[0], rtol=1e-7, atol=1e-5)
        np.testing.assert_allclose(together.sd[i], alone.sd[0], rtol=1e-3, atol=1e-3)


@given(layers(3), st.lists(st.floats(0.01, 0.99), min_size=1, max_size=5))
def test_points_at_once_are_points_alone(layer, places):
    N, sizes = layer
    low, high = max(0, N - sum(N - n for n in sizes)), min(sizes)
    x = low + (high - low) * np.array(places)
    paths = IntersectionPaths(layer)
    together = paths.to(x)
    spreads = paths.hidden_spread(together.running)
    for i, v in enumerate(x):
        alone = paths.to(np.array([v]))
        np.testing.assert_allclose(together.running[i], alone.running[0], rtol=1e-7, atol=1e-5)
        each = paths.hidden_spread(together.running[i : i + 1])
        for ours, theirs in zip(spreads, each, strict=True):
            np.testing.assert_array_equal(ours[i], theirs[0])


@given(layers(3), st.floats(0.1, 0.9))
def test_spread_is_that_of_the_curvature(layer, place):
    N, sizes = layer
    low, high = max(0, N - sum(N - n for n in sizes)), min(sizes)
    paths = IntersectionPaths(layer)
    running = paths.to(np.array([low + (high - low) * place])).running
    m = running[0]

    def inverse(cells):
        return 1 / np.maximum(cells, 0.5)

    into = np.array(sizes[1:], dtype=float)
    link = inverse(m[:-1] - m[1:]) + inverse(N - m[:-1] - into + m[1:])
    leak = np.maximum(inverse(into[:-1] - m[1:-1]) - inverse(N - m[1:-1]), 0)
    matrix = np.diag(link[:-1] + link[1:] + leak)
    matrix -= np.diag(link[1:-1], 1) + np.diag(link[1:-1], -1)
    given_x, given_neighbours = paths.hidden_spread(running)
    scale = np.sqrt(np.diag(matrix))
    exact = np.sqrt(np.diag(np.linalg.inv(matrix / np.outer(scale, scale)))) / scale
    np.testing.assert_allclose(given_x[0], exact, rtol=1e-5)
    np.testing.assert_allclose(given_neighbours[0], 1 / scale, rtol=1e-12)


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=4))
def test_increasing_roots(cubes):
    cubes = np.array(cubes)
    roots = increasing_roots(lambda v: (v**3 - cubes, 3 * v**2), np.ones_like(cubes), 0.0, 1e3)
    np.testing.assert_allclose(roots**3, cubes, rtol=1e-9)


def test_increasing_roots_halve_where_newton_leaves_the_bracket():
    roots = increasing_roots(
        lambda v: (np.arctan(v - 5.0), 1 / (1 + (v - 5.0) ** 2)), np.array([90.0]), -100.0, 100.0
    )
    assert roots[0] == pytest.approx(5.0, abs=1e-9)
