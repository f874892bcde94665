"""Lines come out of streams of every kind, and what cannot be read is said."""

from __future__ import annotations

import io
import os
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask.ledger.errors import InvalidSource
from teamtask.local.line_input import LineReader

items = st.lists(st.binary(max_size=4).map(lambda item: item.replace(b"\0", b" ")))


def read(data: bytes, separator: bytes = b"\n", *, keep_empty: bool = False) -> tuple[list[bytes], int]:
    reader = LineReader(io.BytesIO(data), separator, keep_empty=keep_empty)
    return [line for batch in reader.batches() for line in batch], reader.blank


@given(items)
def test_with_nul_only_the_empty_item_is_left_out(given_items: list[bytes]) -> None:
    found, blank = read(b"".join(item + b"\0" for item in given_items), b"\0")
    assert found == [item for item in given_items if item]
    assert blank == given_items.count(b"")


@given(items)
def test_arguments_are_kept_whatever_they_are(given_items: list[bytes]) -> None:
    assert read(b"".join(item + b"\0" for item in given_items), b"\0", keep_empty=True) == (given_items, 0)


def test_blank_lines_are_left_out_and_only_newlines_end_lines() -> None:
    found = [b"a\x0cb", "c\u2028d".encode(), b"e"]
    assert read(b"\r\n \n" + b"\r\n".join(found)) == (found, 2)


def test_a_stream_that_cannot_be_read_is_named() -> None:
    with (
        open("/proc/self/mem", "rb") as stream,  # noqa: PTH123 - a stream is what is tested
        pytest.raises(InvalidSource, match="/proc/self/mem cannot be read: Input/output error"),
    ):
        list(LineReader(stream).batches())


def test_a_pipe_that_does_not_block_is_waited_for() -> None:
    end, other = os.pipe()
    os.set_blocking(end, False)

    def write() -> None:
        for line in (b"a\n", b"b\n"):
            time.sleep(0.05)
            os.write(other, line)
        os.close(other)

    writer = threading.Thread(target=write)
    writer.start()
    with open(end, "rb") as stream:  # noqa: PTH123 - a descriptor has no path
        assert [line for batch in LineReader(stream).batches() for line in batch] == [b"a", b"b"]
    writer.join()
