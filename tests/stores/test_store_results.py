"""Results: in order of index, in order of arrival, and withdrawn."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teamtask.ledger.errors import InvalidField
from teamtask.ledger.ids import ListId
from teamtask.stores.store import ListRecord, ResultRow, StaleVersion, Withdrawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamtask.stores.store import Store

BIG = 10**39  # forty digits


def row(seq: int, index: int, size: int = 1, *, count: int = 1, payload: bytes = b"[]") -> ResultRow:
    return ResultRow(seq, index, size, count, 0, "host/1", payload)


def put(store: Store, list_id: ListId, *rows: ResultRow) -> None:
    with store.write([list_id]) as writer:
        writer.put_results(list_id, rows)


def by_index(store: Store, list_id: ListId, index: int = 0) -> list[ResultRow]:
    with store.read() as reader:
        return list(reader.results(list_id, index=index))


def since(store: Store, list_id: ListId, seq: int) -> list[ResultRow]:
    with store.read() as reader:
        return list(reader.results_since(list_id, seq))


def test_a_row_comes_back_as_it_was_given(store: Store, primes: ListId) -> None:
    given_row = ResultRow(7, 10**3_999, 9 * 10**3_999, 12, 5, "höst/1 ☃", bytes(range(256)) * 1_000)
    put(store, primes, given_row)
    assert by_index(store, primes) == [given_row] == since(store, primes, 0)


def test_an_index_above_4000_digits_is_refused(store: Store, primes: ListId) -> None:
    with pytest.raises(InvalidField):
        put(store, primes, row(0, 10**4_001))
    with pytest.raises(InvalidField):
        by_index(store, primes, 10**4_001)
    assert by_index(store, primes) == []


def test_rows_of_forty_digits_come_in_order_of_index_then_seq(store: Store, primes: ListId) -> None:
    rows = [row(seq, index) for seq, index in enumerate([BIG + 256, 255, BIG - 1, 256, 0, BIG, 255, BIG + 255, 10])]
    put(store, primes, *rows)
    assert by_index(store, primes) == sorted(rows, key=lambda found: (found.index, found.seq))
    assert since(store, primes, 0) == rows


def test_a_row_that_reaches_beyond_the_asked_index_comes_too(store: Store, primes: ListId) -> None:
    rows = [row(0, BIG, 100), row(1, BIG + 20, 5), row(2, BIG + 50), row(3, BIG + 24), row(4, BIG + 99, 2)]
    put(store, primes, *rows)
    assert [found.seq for found in by_index(store, primes, BIG + 25)] == [0, 2, 4]
    assert [found.seq for found in by_index(store, primes, BIG + 100)] == [4]
    assert by_index(store, primes, BIG + 101) == []
    assert by_index(store, primes, 10 * BIG) == []


def test_rows_overlap_where_a_rerun_worked_the_same_indices(store: Store, primes: ListId) -> None:
    put(store, primes, row(0, 0, 10, count=10), row(10, 5, 10, count=10), row(20, 0, 10, count=10))
    assert [found.seq for found in by_index(store, primes)] == [0, 20, 10]
    assert [found.seq for found in by_index(store, primes, 12)] == [10]


def test_the_row_that_holds_the_asked_seq_comes_first(store: Store, primes: ListId) -> None:
    rows = [row(0, 50, 10, count=10), row(10, 0, 5, count=5), row(15, 20, 5, count=3), row(40, 30)]
    put(store, primes, *rows)
    for seq, first in ((0, 0), (9, 0), (10, 1), (14, 1), (17, 2), (18, 3), (30, 3), (40, 3), (41, 4), (10**30, 4)):
        assert since(store, primes, seq) == rows[first:], seq


def test_more_rows_than_a_page_holds_come_once_each(store: Store, primes: ListId) -> None:
    rows = [row(seq, (seq * 7_919) % 1_000) for seq in range(1_000)]
    put(store, primes, *rows)
    assert by_index(store, primes) == sorted(rows, key=lambda found: (found.index, found.seq))
    assert since(store, primes, 0) == rows
    with store.read() as reader:
        several = zip(reader.results(primes), reader.results(primes, index=0), strict=True)
        assert all(left == right for left, right in several)


def test_numbers_may_be_small_first_and_large_later(store: Store, primes: ListId) -> None:
    rows = [
        row(seq, seq, seq + 1, count=seq + 1) for bits in (0, 7, 15, 31, 40) for seq in ((1 << bits) - 1, 1 << bits)
    ][1:]
    for one in rows:
        put(store, primes, one)  # each over a connection that knows the statement by then
    put(store, primes, *[one._replace(seq=one.seq + (1 << 41)) for one in rows])
    assert since(store, primes, 0) == [*rows, *[one._replace(seq=one.seq + (1 << 41)) for one in rows]]
    marks = [Withdrawn(one.index, 1, one.seq) for one in rows[1:]]
    for mark in marks:
        with store.write([primes]) as writer:
            writer.withdraw_results(primes, [mark])
    with store.read() as reader:
        assert sorted(reader.withdrawn(primes)) == marks


def test_a_seq_is_kept_once(store: Store, primes: ListId) -> None:
    put(store, primes, row(0, 0), row(1, 1))
    with pytest.raises(StaleVersion):
        put(store, primes, row(2, 2), row(1, 9))
    with pytest.raises(StaleVersion):
        put(store, primes, row(3, 3), row(3, 4))
    assert [found.seq for found in by_index(store, primes)] == [0, 1]


def test_lists_do_not_share_results(store: Store, primes: ListId) -> None:
    hosts = ListId("hosts")
    with store.write([primes]) as writer:
        writer.create_list(ListRecord(hosts, "hosts", b"", 0.0))
        writer.put_results(primes, [row(0, 1)])
        writer.put_results(hosts, [row(0, 2)])
        writer.withdraw_results(hosts, [Withdrawn(0, 5, 1)])
    assert by_index(store, primes) == [row(0, 1)]
    assert by_index(store, hosts) == [row(0, 2)]
    with store.read() as reader:
        assert reader.withdrawn(primes) == []


def test_a_row_is_replaced_by_any_number_of_others(store: Store, primes: ListId) -> None:
    put(store, primes, row(0, 0, 10, count=10), row(10, 10), row(11, 11))
    with store.write([primes]) as writer:
        writer.replace_results(primes, 0, [row(0, 0, 2, count=2), row(7, 7, 3, count=3)])
        writer.replace_results(primes, 10, [])
        writer.replace_results(primes, 11, [row(11, 11, payload=b"[1]")])
    assert [(found.seq, found.index) for found in by_index(store, primes)] == [(0, 0), (7, 7), (11, 11)]
    assert [found.seq for found in since(store, primes, 0)] == [0, 7, 11]
    assert since(store, primes, 11) == [row(11, 11, payload=b"[1]")]


def test_a_row_that_is_gone_cannot_be_replaced(store: Store, primes: ListId) -> None:
    put(store, primes, row(0, 0))
    with pytest.raises(StaleVersion), store.write([primes]) as writer:  # noqa: PT012 - the last line raises
        writer.replace_results(primes, 0, [])
        writer.replace_results(primes, 0, [row(0, 5)])
    assert by_index(store, primes) == [row(0, 0)]


def test_a_writer_may_replace_each_row_as_it_is_given(store: Store, primes: ListId) -> None:
    rows = [row(seq, seq) for seq in range(700)]
    put(store, primes, *rows)
    with store.write([primes]) as writer:
        seen = []
        for found in writer.results(primes):
            if found.payload == b"[]":
                seen.append(found.seq)
                writer.replace_results(primes, found.seq, [found._replace(payload=b"new")] if found.seq % 2 else [])
    assert seen == list(range(700))
    assert by_index(store, primes) == [row(seq, seq, payload=b"new") for seq in range(1, 700, 2)]


def test_marks_are_kept_until_they_are_forgotten(store: Store, primes: ListId) -> None:
    marks = [Withdrawn(BIG, 5, 10), Withdrawn(0, 5, 10), Withdrawn(0, 300, 10), Withdrawn(0, 5, 9)]
    with store.write([primes]) as writer:
        writer.withdraw_results(primes, marks)
        writer.withdraw_results(primes, marks[:1])
        assert writer.withdrawn(primes) == sorted(marks)
    with store.write([primes]) as writer:
        writer.forget_withdrawn(primes, [marks[1], Withdrawn(77, 1, 1)])
    with store.read() as reader:
        assert reader.withdrawn(primes) == sorted([marks[0], *marks[2:]])


indices = st.one_of(st.integers(0, 300), st.integers(BIG - 3, BIG + 300), st.integers(0, 10**4_000 - 1))
sizes = st.one_of(st.integers(1, 5), st.integers(1, 400), st.integers(1, 2 * BIG))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    spans=st.lists(st.tuples(indices, sizes), max_size=30),
    asked=indices,
    seq=st.integers(0, 90),
    batches=st.integers(1, 3),
)
def test_what_reaches_beyond_an_index_is_found_whatever_the_sizes(
    *,
    store: Store,
    new_list: Callable[[Store], ListId],
    spans: list[tuple[int, int]],
    asked: int,
    seq: int,
    batches: int,
) -> None:
    list_id = new_list(store)
    rows = [row(3 * at, index, size, count=min(size, 3)) for at, (index, size) in enumerate(spans)]
    for batch in range(batches):
        put(store, list_id, *rows[batch::batches])
    ordered = sorted(rows, key=lambda found: (found.index, found.seq))
    assert by_index(store, list_id) == ordered
    assert by_index(store, list_id, asked) == [found for found in ordered if found.index + found.size > asked]
    assert since(store, list_id, seq) == [found for found in rows if found.seq + found.count > seq]
    with store.read() as reader:
        assert (
            list(islice(reader.results(list_id, index=asked), 1))
            == [found for found in ordered if found.index + found.size > asked][:1]
        )
