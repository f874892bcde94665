"""Chunks of lines: cut to size, read in part, refused when damaged."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from teamtask.stores.line_chunks import CHUNK_BYTES, chunks_of, lines_in

lines_lists = st.lists(
    st.one_of(st.binary(max_size=20), st.integers(0, CHUNK_BYTES * 2).map(lambda size: b"x" * size)), max_size=30
)


@given(lines_lists)
@example([b""])
@example([b"a\nb"])
@example([b"\n"])
@example([b"a" * CHUNK_BYTES, b"", b"b" * (CHUNK_BYTES - 1), b"c"])
def test_chunks_hold_every_line_in_order(lines: list[bytes]) -> None:
    found: list[bytes] = []
    for count, chunk in chunks_of(lines):
        assert count > 0
        assert len(chunk) <= 2 * CHUNK_BYTES or count == 1
        found += lines_in(chunk, count, 0, count)
    assert found == lines


@given(st.lists(st.binary(max_size=9), min_size=1, max_size=20), st.integers(0, 20), st.integers(0, 20))
def test_any_part_of_a_chunk_is_read(lines: list[bytes], start: int, stop: int) -> None:
    ((count, chunk),) = chunks_of(lines)
    start, stop = min(start, count), min(stop, count)
    assert lines_in(chunk, count, start, stop) == lines[start:stop]


def test_small_lines_share_chunks_of_about_the_same_size() -> None:
    sizes = [len(chunk) for _count, chunk in chunks_of([b"host%d.example.org" % number for number in range(50_000)])]
    assert all(CHUNK_BYTES - 100 < size <= CHUNK_BYTES for size in sizes[:-1])


@given(st.lists(st.binary(max_size=9), min_size=1, max_size=20), st.integers(0, 400), st.binary(max_size=3))
def test_a_damaged_chunk_is_refused_or_has_as_many_lines(lines: list[bytes], where: int, junk: bytes) -> None:
    ((count, chunk),) = chunks_of(lines)
    damaged = chunk[:where] + junk + chunk[where + 1 :]
    try:
        found = lines_in(damaged, count, 0, count)
    except ValueError:
        return
    assert len(found) == count


@pytest.mark.parametrize("chunk", [b"", b"x", b"\n", b"#", b"#\1\0\0\0", b"#\xff\xff\xff\xff\0\0\0\0a"])
def test_a_chunk_of_an_unknown_form_is_refused(chunk: bytes) -> None:
    with pytest.raises(ValueError, match="chunk"):
        lines_in(chunk, 2, 0, 2)
