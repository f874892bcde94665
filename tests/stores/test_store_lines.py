"""Lines: uploaded in pieces, attached at once, read by range; no byte of them means anything."""

from __future__ import annotations

import random
from itertools import islice
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teamtask.ledger.ids import ListId, UploadId
from teamtask.stores.store import LinesNotAdjacent, ListRecord, UnknownUpload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from teamtask.stores.store import Store

FIRST, SECOND = UploadId("first"), UploadId("second")


def upload(store: Store, name: UploadId, lines: Sequence[bytes], at: int = 0) -> None:
    with store.write() as writer:
        writer.put_lines(name, at, lines)


def attach(store: Store, list_id: ListId, name: UploadId, at: int = 0) -> None:
    with store.write([list_id]) as writer:
        writer.attach_lines(list_id, name, at)


def read(store: Store, list_id: ListId, index: int = 0, size: int = 10**30) -> list[bytes]:
    with store.read() as reader:
        return list(reader.lines(list_id, index, size))


def test_a_list_has_no_lines_until_an_upload_is_attached(store: Store, primes: ListId) -> None:
    upload(store, FIRST, [b"a", b"b"])
    assert read(store, primes) == []
    attach(store, primes, FIRST)
    assert read(store, primes) == [b"a", b"b"]


def test_an_upload_grows_call_by_call(store: Store, primes: ListId) -> None:
    with store.write() as writer:
        writer.put_lines(FIRST, 0, [b"a", b"b"])
        writer.put_lines(FIRST, 2, [])
        writer.put_lines(FIRST, 2, [b"c"])
    upload(store, FIRST, [b"d"], 3)
    attach(store, primes, FIRST)
    assert read(store, primes) == [b"a", b"b", b"c", b"d"]


@pytest.mark.parametrize("at", [0, 1, 3, 10**30])
def test_a_call_begins_where_the_last_one_ended(store: Store, primes: ListId, at: int) -> None:
    upload(store, FIRST, [b"a", b"b"])
    with store.write() as writer:
        with pytest.raises(LinesNotAdjacent):
            writer.put_lines(FIRST, at, [b"x"])
        writer.put_lines(FIRST, 2, [b"c"])
    attach(store, primes, FIRST)
    assert read(store, primes) == [b"a", b"b", b"c"]


def test_an_upload_begins_at_0(store: Store) -> None:
    with store.write() as writer, pytest.raises(UnknownUpload):
        writer.put_lines(FIRST, 1, [b"x"])


def test_an_upload_is_attached_once(store: Store, primes: ListId) -> None:
    upload(store, FIRST, [b"a"])
    attach(store, primes, FIRST)
    for at in (0, 1):
        with pytest.raises(UnknownUpload):
            attach(store, primes, FIRST, at)
        with pytest.raises(UnknownUpload):
            upload(store, FIRST, [b"b"], at)
    with pytest.raises(UnknownUpload):
        attach(store, primes, SECOND)
    assert read(store, primes) == [b"a"]


def test_a_grown_list_reads_through_from_upload_to_upload(store: Store, primes: ListId) -> None:
    lines = [b"line %d" % number for number in range(25)]
    upload(store, FIRST, lines[:10])
    upload(store, SECOND, lines[10:24])
    attach(store, primes, FIRST)
    for at in (0, 9, 11):
        with pytest.raises(LinesNotAdjacent):
            attach(store, primes, SECOND, at)
    attach(store, primes, SECOND, 10)
    upload(store, UploadId("third"), lines[24:])
    attach(store, primes, UploadId("third"), 24)
    assert read(store, primes) == lines
    assert read(store, primes, 8, 17) == lines[8:]
    assert read(store, primes, 9, 2) == lines[9:11]


def test_an_empty_upload_adds_nothing_whenever_it_was_begun(store: Store, primes: ListId) -> None:
    names = [UploadId(name) for name in ("empty 1", "x", "y", "empty 2", "empty 3")]
    lines = [[], [b"x"], [b"y"], [], []]
    for name, uploaded in zip(names, lines, strict=True):
        upload(store, name, uploaded)
    for number, at in ((0, 0), (1, 0), (3, 1), (2, 1), (4, 2)):
        attach(store, primes, names[number], at)
    assert read(store, primes) == [b"x", b"y"]
    assert store.verify() == []


def test_lines_written_and_attached_in_one_transaction_are_read_in_it(store: Store) -> None:
    with store.write() as writer:
        writer.create_list(ListRecord(ListId("hosts"), "hosts", b"", 0.0))
        writer.put_lines(FIRST, 0, [b"a", b"b"])
        writer.attach_lines(ListId("hosts"), FIRST, 0)
        assert list(writer.lines(ListId("hosts"), 1, 5)) == [b"b"]


def test_a_rolled_back_upload_leaves_nothing(store: Store, primes: ListId) -> None:
    def fails() -> None:
        with store.write([primes]) as writer:
            writer.put_lines(FIRST, 0, [b"a"])
            writer.attach_lines(primes, FIRST, 0)
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert read(store, primes) == []
    upload(store, FIRST, [b"b"])
    attach(store, primes, FIRST)
    assert read(store, primes) == [b"b"]


@pytest.mark.parametrize(
    "lines",
    [
        [bytes([value]) for value in range(256)],
        [b"", b"", b""],
        [b""],
        [b"\n", b"\r\n", b"\0", b"a\nb", b""],
        [bytes(range(256)) * 4_096, b"x", b"", bytes(1 << 20)],
        [b"#" * 70_000, b"\n" * 70_000],
    ],
    ids=["every byte", "empty lines", "one empty line", "line ends", "a megabyte", "longer than a chunk"],
)
def test_lines_come_back_byte_for_byte(store: Store, primes: ListId, lines: list[bytes]) -> None:
    upload(store, FIRST, lines)
    attach(store, primes, FIRST)
    assert read(store, primes) == lines
    for index in range(len(lines)):
        assert read(store, primes, index, 1) == [lines[index]]


def test_every_range_across_many_chunks_is_read(store: Store, primes: ListId) -> None:
    chance = random.Random(5)
    lines = [chance.randbytes(chance.choice([0, 3, 200, 30_000])) for _ in range(400)]
    for at in range(0, 400, 150):
        upload(store, FIRST, lines[at : at + 150], at)
    attach(store, primes, FIRST)
    for _ in range(60):
        index, size = chance.randrange(420), chance.randrange(200)
        assert read(store, primes, index, size) == lines[index : index + size]


@pytest.mark.parametrize(("index", "size"), [(3, 1), (10**30, 5), (0, 0), (2**63 - 1, 2**64)])
def test_a_range_without_lines_gives_none(store: Store, primes: ListId, index: int, size: int) -> None:
    upload(store, FIRST, [b"a", b"b", b"c"])
    attach(store, primes, FIRST)
    assert read(store, primes, index, size) == []
    assert read(store, primes, 2, 10**4_000) == [b"c"]


def test_lines_are_read_no_further_than_they_are_taken(store: Store, primes: ListId) -> None:
    upload(store, FIRST, [b"%d" % number for number in range(50_000)])
    attach(store, primes, FIRST)
    with store.read() as reader:
        assert list(islice(reader.lines(primes, 20_000, 10**30), 2)) == [b"20000", b"20001"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    calls=st.lists(st.lists(st.binary(max_size=40), max_size=20), max_size=6),
    index=st.integers(0, 130),
    size=st.integers(0, 130),
)
def test_however_lines_are_uploaded_they_are_one_sequence(
    *, store: Store, new_list: Callable[[Store], ListId], calls: list[list[bytes]], index: int, size: int
) -> None:
    list_id = new_list(store)
    lines: list[bytes] = []
    with store.write([list_id]) as writer:
        for number, call in enumerate(calls):
            piece = UploadId(f"{list_id} {number // 2}")  # two calls an upload
            writer.put_lines(piece, len(calls[number - 1]) if number % 2 else 0, call)
            if number % 2 or number == len(calls) - 1:
                writer.attach_lines(list_id, piece, len(lines) - (len(calls[number - 1]) if number % 2 else 0))
            lines += call
    assert read(store, list_id) == lines
    assert read(store, list_id, index, size) == lines[index : index + size]
