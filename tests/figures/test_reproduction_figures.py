"""Figures that only a reproduction draws: votes by method, overlap by the epoch of divergence."""

from itertools import pairwise

import pytest

from maskstat.errors import InputError
from maskstat.figures.divergence import overlap_by_divergence
from maskstat.figures.group_votes import votes_by_group
from maskstat.table import Column, Table


def table_of(rows):
    return Table(
        schema="toy",
        columns={name: Column("number", "") for name in rows[0]},
        data={name: [row[name] for row in rows] for name in rows[0]},
    )


def vote_rows(groups=("l1", "l2"), iterations=(1, 6), masks=5):
    return [
        {
            "group": group, "iteration": t, "masks": masks, "votes": votes, "size": 1000, "n": 3,
            "weights": 100.0 + votes + 10 * i, "sd": 4.0, "expected": 150.0,
        }
        for t in iterations
        for i, group in enumerate(groups)
        for votes in range(masks + 1)
    ]  # fmt: skip


def test_votes_have_a_bar_a_group_and_a_panel_an_iteration():
    figure = votes_by_group(table_of(vote_rows()))
    assert len(figure.axes) == 2
    for axes in figure.axes:
        heights = [round(bar.get_height(), 1) for bar in axes.patches]
        assert heights == [10.0, 10.1, 10.2, 10.3, 10.4, 10.5, 11.0, 11.1, 11.2, 11.3, 11.4, 11.5]
        expected = [line.get_ydata().tolist() for line in axes.get_lines() if len(line.get_xdata())]
        assert [15.0] * 6 in expected
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["l1", "l2", "expected by chance"]


def test_bars_of_groups_do_not_overlap():
    (axes,) = votes_by_group(table_of(vote_rows(groups=tuple("abcdefg"), iterations=(1,)))).axes
    edges = sorted((bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches)
    assert all(right <= left for (_, right), (left, _) in pairwise(edges))


def test_divergence_has_a_line_and_its_chance_for_each_iteration():
    rows = [
        {
            "diverge_at": at, "epochs": 15, "iteration": t, "density": 0.5 / t, "pairs": 9,
            "jaccard": at / 15, "expected_jaccard": 0.3 / t,
        }
        for at in (0, 5, 15)
        for t in (1, 2)
    ]  # fmt: skip
    (axes,) = overlap_by_divergence(table_of(rows)).axes
    lines = [line.get_ydata().tolist() for line in axes.get_lines()]
    assert lines == [[0, 1 / 3, 1], [0.3] * 3, [0, 1 / 3, 1], [0.15] * 3]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "5", "15"]


@pytest.mark.parametrize("draw", [votes_by_group, overlap_by_divergence])
def test_another_table_is_refused(draw):
    with pytest.raises(InputError, match="has no column"):
        draw(table_of([{"x": 1}]))
