"""What the API shows, as JSON."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from teamtask.wire.views import Items, Page, Range, wire_form, wire_integer, wire_integers, wire_item


@given(st.integers())
def test_an_integer_is_a_number_below_2_to_the_53rd_and_text_from_there_on(number: int) -> None:
    assert wire_integer(number) == (number if abs(number) < 2**53 else str(number))


def test_our_integers_are_written_so_and_the_owners_json_is_left_alone() -> None:
    page = Page((Range(2**60, 1), Range(0, 2**53)))
    assert wire_form(page) == {
        "items": [{"index": str(2**60), "size": 1}, {"index": 0, "size": str(2**53)}],
        "next": None,
    }
    items = Items(2**53, [{"rate": 2**60}, [2**60], wire_item(2**60), True])
    assert wire_form(items) == {"index": str(2**53), "items": [{"rate": 2**60}, [2**60], str(2**60), True]}


def test_a_fold_is_ours_through_and_through() -> None:
    assert wire_integers({"top": [2**60, 1.5, True, None]}) == {"top": [str(2**60), 1.5, True, None]}
