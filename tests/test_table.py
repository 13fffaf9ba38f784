import json

import numpy as np
import pytest

from maskstat.table import Column, Table, json_schema

COLUMNS = {
    "layer": Column("text", "layer"),
    "n": Column("integer", "count"),
    "z": Column("number", "score"),
    "ok": Column("flag", "whether"),
}


def table(**data):
    return Table(schema="maskstat.test/1", columns=COLUMNS, data=data)


def test_rows_hold_plain_python_and_no_infinities():
    rows = table(
        layer=["fc", "total"],
        n=np.array([1, 2]),
        z=np.array([np.nan, np.inf]),
        ok=np.array([True, False]),
    ).rows()
    assert rows == [
        {"layer": "fc", "n": 1, "z": None, "ok": True},
        {"layer": "total", "n": 2, "z": None, "ok": False},
    ]
    assert type(rows[0]["n"]) is int
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows


def test_rows_can_be_picked_by_value():
    result = table(layer=["fc", "total"], n=[1, 2], z=[0.5, None], ok=[True, True])
    assert result.where(layer="total")[0]["n"] == 2
    assert result.column("z") == [0.5, None]
    assert len(result) == 2
    assert len(table(layer=[], n=[], z=[], ok=[])) == 0


def test_columns_of_unequal_length_are_no_table():
    with pytest.raises(ValueError, match="shorter"):
        table(layer=["fc"], n=[], z=[], ok=[]).rows()


def test_a_notebook_shows_escaped_cells():
    html = table(layer=["<b>"], n=[1], z=[0.123456], ok=[True])._repr_html_()
    assert "&lt;b&gt;" in html
    assert "0.1235" in html


def test_the_schema_names_every_column():
    schema = json_schema("maskstat.test/1", COLUMNS)
    items = schema["properties"]["rows"]["items"]
    assert items["properties"]["n"]["type"] == ["integer", "null"]
    assert set(items["properties"]) == set(COLUMNS)
    assert schema["properties"]["schema"] == {"const": "maskstat.test/1"}
