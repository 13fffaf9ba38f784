"""One pruning method has one colour in every figure; what differs looks different."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from maskstat.errors import InputError, UsageError
from maskstat.figures.accuracy import accuracy_over_sparsity
from maskstat.figures.contrast import contrast_over_iterations
from maskstat.figures.groups import group_names
from maskstat.figures.initial_weights import initial_weight_histograms, initial_weight_spread
from maskstat.figures.lines import looks
from maskstat.figures.overlap import overlap_beside_chance
from maskstat.figures.places import places
from maskstat.figures.style import style
from maskstat.mask import Mask
from maskstat.prune.methods import METHODS
from maskstat.run import Run, Weights
from maskstat.stats.accuracy import accuracy
from maskstat.stats.compare import compare
from maskstat.stats.contrast import contrast
from maskstat.stats.initial import initial

OURS = ["random-structured", "my.package:Mine", "l1-unstructured", "global-unstructured"]
NAMES = st.lists(
    st.sampled_from(
        [*METHODS, "mine", "mine, rewound", "seed 0", "seed 1", "layer-kind, rewound",
         "layer-kind, finetuned", "l1-structured and l2-structured", "digits: l1-structured"]
    ),
    unique=True,
)  # fmt: skip


def make(method, seed=0, dataset="digits"):
    rng = np.random.default_rng([seed, *map(ord, method + dataset)])
    masks = [Mask.from_arrays({"fc": rng.random((9, 9)) < 0.5**t}) for t in (1, 2)]
    return Run.from_masks(
        "r",
        masks,
        place=f"{method}-{seed}-{dataset}".replace("/", "-"),
        model="lenet",
        dataset=dataset,
        method=method,
        seed=seed,
        series={"test_accuracy": np.array([0.9, 0.8, 0.7])},
        weights={"initial": Weights(values=np.arange(81.0)[None], iterations=(0,))},
    )


def colours(figure):
    handles, texts = figure.legends[0].legend_handles, figure.legends[0].get_texts()
    return {
        text.get_text().split(":")[0]: to_hex(handle.get_color())
        for handle, text in zip(handles, texts, strict=True)
        if hasattr(handle, "get_color")
    }


def test_a_method_has_one_colour_in_every_figure():
    runs = [make(method, seed) for method in OURS for seed in (0, 1)]
    figures = [
        accuracy_over_sparsity(accuracy(*runs)),
        accuracy_over_sparsity(accuracy(*runs[::-1])),
        *(
            contrast_over_iterations(contrast(*runs, differ="method", baseline=baseline))
            for baseline in OURS
        ),
        overlap_beside_chance(compare(*runs, iteration="last"), group_by="method", side="within"),
    ]
    for method in ("random-structured", "l1-unstructured", "global-unstructured"):
        seen = {colours(figure)[method] for figure in figures[:2]}
        seen |= {found[method] for f in figures[2:6] if method in (found := colours(f))}
        assert len(seen) == 1, method
    lines = {colour for name, colour in colours(figures[0]).items() if name != "not pruned"}
    panel = figures[-1].axes[0]
    assert {to_hex(dots.get_facecolor()[0]) for dots in panel.collections} == lines


@given(NAMES)
def test_no_two_lines_look_the_same(names):
    found = looks(names)
    assert list(found) == names
    for one, other in combinations(found.values(), 2):
        assert one != other
    for method in set(names) & set(METHODS):
        assert places(names)[method] == places([method])[method]


def test_every_method_of_ours_has_a_place():
    found = places(list(METHODS))
    assert sorted(found.values()) == list(range(len(METHODS)))
    assert [found[name] for name in METHODS] == [places([name])[name] for name in METHODS]


def points(figure):
    return [
        (line.get_marker(), to_hex(line.get_markerfacecolor()) == "#ffffff")
        for line in figure.legends[0].legend_handles
    ]


@pytest.mark.parametrize("n", [7, 12, 20])
def test_points_of_many_tickets_differ_in_shape_alone(n):
    table = initial(*(make(f"m{i}") for i in range(n)), bins=5)
    seen = points(initial_weight_spread(table))
    assert len(set(seen)) == len(seen) == n + 2
    lines = initial_weight_histograms(table).legends[0].legend_handles[1:]
    assert len({(to_hex(one.get_color()), str(one._dash_pattern)) for one in lines}) == n + 1


def test_more_tickets_than_can_be_told_apart():
    table = initial(*(make(f"m{i}") for i in range(21)))
    with pytest.raises(UsageError) as caught:
        initial_weight_spread(table)
    assert caught.value.code == "too-many-lines"


def test_a_long_name_in_the_title_stays_on_the_page():
    name = "data/a-very-long-name-of-a-data-set-that-goes-on-and-on-for-ever.npz"
    figure = accuracy_over_sparsity(accuracy(make("l1", dataset=name)))
    (title,) = [text for text in figure.texts if "for-ever" in text.get_text()]
    with style():
        box = title.get_window_extent()
    assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
    short = accuracy_over_sparsity(accuracy(make("l1")))
    assert short.texts[0].get_fontsize() > title.get_fontsize()


def test_layers_of_one_weight_have_nothing_to_spread():
    stored = Weights(values=np.float32([[1, 2]]), iterations=(0,))
    masks = [Mask.from_arrays({"a": [1], "b": [1]})]
    run = Run.from_masks("r", masks, dataset="mnist", weights={"initial": stored})
    with pytest.raises(InputError) as caught:
        initial_weight_spread(initial(run))
    assert caught.value.code == "nothing-to-draw"


def test_tasks_of_one_file_name_are_not_taken_for_one():
    tasks = ["data/set-one/images.npz", "data/set-two/images.npz"]
    assert len(set(group_names(tasks, "dataset").values())) == 2
    figure = initial_weight_histograms(initial(*(make("l1", dataset=d) for d in tasks), bins=5))
    assert len(figure.legends[0].get_texts()) == 4
