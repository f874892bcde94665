"""Lines pass through unharmed, whatever their bytes; their fingerprint knows a list that only grew."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask.ledger.errors import InvalidField, InvalidSource
from teamtask.sources import ItemNotFound, LinesFingerprint, line_bytes, lines_in_memory, prefix_count

some_lines = st.lists(st.binary(max_size=12), min_size=1, max_size=30)


def fingerprint_of(lines: list[bytes]) -> str:
    fingerprint = LinesFingerprint()
    fingerprint.update(lines)
    return fingerprint.fingerprint


@given(some_lines)
def test_any_bytes_come_back_the_same(lines: list[bytes]) -> None:
    source = lines_in_memory(lines)
    assert [line_bytes(item) for item in source.items(0, len(lines))] == lines
    assert line_bytes(source.item(len(lines) - 1)) == lines[-1]


@given(some_lines, st.lists(st.integers(0, 29), max_size=60))
def test_lines_at_any_indices_come_in_their_order(lines: list[bytes], indices: list[int]) -> None:
    asked = [index % len(lines) for index in indices]
    assert [line_bytes(item) for item in lines_in_memory(lines).items_at(iter(asked))] == [
        lines[index] for index in asked
    ]


@pytest.mark.parametrize("index", [-1, 3])
def test_there_is_no_line_past_the_ends(index: int) -> None:
    with pytest.raises(InvalidField):
        list(lines_in_memory([b"a", b"b", b"c"]).items_at(iter([0, index])))


def test_utf_8_is_read_as_text() -> None:
    assert lines_in_memory(["grün".encode()]).item(0) == "grün"


@given(some_lines, st.lists(st.integers(0, 10), max_size=8))
def test_the_pieces_in_which_lines_arrive_leave_no_mark(lines: list[bytes], sizes: list[int]) -> None:
    fingerprint, taken = LinesFingerprint(), 0
    for size in sizes:
        fingerprint.update(lines[taken : taken + size])
        taken += size
    fingerprint.update(lines[taken:])
    assert fingerprint.count == len(lines)
    assert fingerprint.fingerprint == fingerprint_of(lines) == lines_in_memory(lines).fingerprint


@given(some_lines, some_lines)
def test_different_lines_have_different_fingerprints(one: list[bytes], other: list[bytes]) -> None:
    assert (fingerprint_of(one) == fingerprint_of(other)) == (one == other)


def test_it_matters_where_a_line_ends() -> None:
    assert len({fingerprint_of([b"ab", b"c"]), fingerprint_of([b"a", b"bc"]), fingerprint_of([b"abc", b""])}) == 3


@given(some_lines, st.lists(st.binary(max_size=5)), st.integers(1, 7))
def test_a_list_that_only_grew_is_known_again(lines: list[bytes], more: list[bytes], piece: int) -> None:
    known = LinesFingerprint(fingerprint_of(lines))
    grown = lines + more
    for start in range(0, len(grown), piece):
        known.update(grown[start : start + piece])
    assert known.known_is_prefix
    assert known.fingerprint == fingerprint_of(grown)
    assert prefix_count(fingerprint_of(lines)) == len(lines)


@given(some_lines, st.data())
def test_a_list_that_changed_or_shrank_is_not_known(lines: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(lines) - 1))
    changed = [*lines[:at], lines[at] + b"x", *lines[at + 1 :], b"more"]
    for now in (changed, lines[:-1], lines[1:]):
        known = LinesFingerprint(fingerprint_of(lines))
        known.update(now)
        assert not known.known_is_prefix


@pytest.mark.parametrize("text", ["", "x", "0:" + "0" * 32, "1:" + "g" * 32, "1:" + "0" * 31, "-1:" + "0" * 32, "1:\n"])
def test_what_is_no_fingerprint_is_refused(text: str) -> None:
    with pytest.raises(InvalidSource) as raised:
        LinesFingerprint(text)
    assert raised.value.field == "fingerprint"


def test_lines_are_not_searched() -> None:
    with pytest.raises(ItemNotFound):
        lines_in_memory([b"a"]).index_of("a")


def test_no_lines_are_no_list() -> None:
    with pytest.raises(InvalidSource):
        lines_in_memory([])
