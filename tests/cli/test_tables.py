"""Tables, and numbers in them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from teamtask.cli.tables import Layout, cell_width, percentage, rate_text, seconds_text, table

rows = st.integers(1, 5).flatmap(
    lambda columns: st.lists(st.lists(st.text(max_size=40), min_size=columns, max_size=columns), min_size=1, max_size=6)
)


@given(rows, st.integers(1, 120))
def test_a_table_fits_its_terminal_or_stacks_its_cells(rows: list[list[str]], width: int) -> None:
    columns = [f"C{number}" for number in range(len(rows[0]))]
    lines = table(columns, rows, width).split("\n")
    stacked = not Layout(columns, rows, width).head()
    assert stacked or all(cell_width(line) <= width for line in lines)
    assert all(line.isprintable() for line in lines)
    assert len(lines) == (len(rows) * (len(columns) + 1) if stacked else len(rows) + 1) + 1


@given(rows)
def test_without_a_terminal_nothing_is_cut(rows: list[list[str]]) -> None:
    columns = [f"C{number}" for number in range(len(rows[0]))]
    lines = table(columns, rows, None).splitlines()
    assert len(lines) == len(rows) + 1
    for line, row in zip(lines[1:], rows, strict=True):
        for text in row:
            assert not text.isprintable() or text.rstrip() in line


def test_wide_characters_take_two_columns() -> None:
    assert table(["NAME", "X"], [["日本", "1"], ["e\u0301", "2"]], None) == "NAME  X\n日本  1\ne\u0301     2\n"
    assert table(["NAME", "X"], [["日本語の長い名前です", "1"]], 16) == "NAME           X\n日本語の長い…  1\n"


def test_all_is_100_percent_and_nothing_else_is() -> None:
    assert percentage(10**30, 10**30) == "100 %"
    assert percentage(10**30 - 1, 10**30) == "99.9 %"
    assert percentage(0, 10**30) == "0 %"
    assert percentage(412, 1000) == "41.2 %"


def test_rates_and_times_stay_short() -> None:
    shown = [rate_text(rate) for rate in (0.0, 0.3, 12.44, 999.0, 3.1e6, 1e200)]
    assert shown == ["-", "0.3/s", "12.4/s", "999/s", "3.1M/s", "1e+200/s"]
    assert [seconds_text(seconds) for seconds in (None, 0.0, 23.6, 190.0, 1e300)] == [
        "-",
        "0s",
        "24s",
        "3m10s",
        ">300y",
    ]
