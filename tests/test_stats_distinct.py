from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from maskstat.stats._distinct import distinct_rows


@given(st.integers(0, 3), st.lists(st.lists(st.integers(0, 2), min_size=3, max_size=3)))
def test_rows_are_those_of_unique(columns, rows):
    rows = np.array(rows, dtype=np.float64).reshape(-1, 3)[:, :columns]
    first, number = distinct_rows(rows)
    assert np.array_equal(rows[first][number], rows)
    assert np.all(np.diff(first) > 0)
    assert first.size == len({tuple(row) for row in rows.tolist()})
