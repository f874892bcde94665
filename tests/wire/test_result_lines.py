"""Results as lines."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask.wire.result_batch import JSON, PICKLE
from teamtask.wire.result_lines import CSV_HEADER, ResultLine, csv_line, ndjson_line, plain

FORMULAS = "=+-@\t\r"
texts = st.text(max_size=20) | st.binary(max_size=8).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def line(item: Any, result: Any, index: int = 7, codec: str = JSON) -> ResultLine:
    return ResultLine(5, index, item, result, ok=True, worker="host/1", codec=codec)


@given(texts | st.integers(), values, st.integers(0, 10**40))
def test_an_ndjson_line_says_what_it_was_made_of(item: Any, result: Any, index: int) -> None:
    text = ndjson_line(line(item, result, index))
    assert text.count(b"\n") == 1
    found = json.loads(text)
    assert found["item"] == (item if isinstance(item, str) or abs(item) < 2**53 else str(item))
    assert found["index"] == (index if index < 2**53 else str(index))
    assert found["result"] == result


@given(texts, values)
def test_a_csv_line_is_read_back_and_no_text_in_it_is_a_formula(item: str, result: Any) -> None:
    text = csv_line(line(item, result)).decode("utf-8", "surrogateescape")
    (row,) = csv.reader(io.StringIO(text, newline=""))
    index, item_cell, ok, result_cell, worker, seq = row
    assert (index, ok, worker, seq) == ("7", "true", "host/1", "5")
    assert item_cell == ("'" + item if item.startswith(tuple(FORMULAS)) else item)
    if isinstance(result, str):
        assert result_cell.removeprefix("'").startswith(result.removeprefix("'"))
        assert not result_cell.startswith(tuple(FORMULAS))
    elif result is None:
        assert result_cell == ""
    else:
        assert json.loads(result_cell) == result


@pytest.mark.parametrize("sign", FORMULAS)
def test_text_that_would_be_a_formula_gets_an_apostrophe(sign: str) -> None:
    text = csv_line(line(sign + "1+1", sign + "cmd"))
    (row,) = csv.reader(io.StringIO(text.decode(), newline=""))
    assert (row[1], row[3]) == ("'" + sign + "1+1", "'" + sign + "cmd")


def test_numbers_are_no_formulas() -> None:
    assert csv_line(line(-5, -0.5)) == b"7,-5,true,-0.5,host/1,5\n"


def test_the_header_names_the_columns() -> None:
    assert CSV_HEADER == b"index,item,ok,result,worker,seq\n"
    assert len(CSV_HEADER.split(b",")) == len(csv_line(line("a", 1)).split(b","))


@given(values)
def test_what_json_can_carry_is_carried_from_python_too(value: Any) -> None:
    assert plain(value, PICKLE) == value


@pytest.mark.parametrize("value", [math.nan, {1, 2}, b"x", ValueError("no"), object, 1j])
def test_what_json_cannot_carry_is_shown_as_python_shows_it(value: object) -> None:
    assert plain(value, PICKLE) == repr(value)


def test_a_value_that_holds_itself_is_shown() -> None:
    value: list[Any] = []
    value.append(value)
    assert plain(value, PICKLE) == "[[...]]"
