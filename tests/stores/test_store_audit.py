"""The audit trail: entries whose numbers rise for ever, read from the newest, forgotten from the oldest."""

from __future__ import annotations

from itertools import pairwise

import pytest

from teamtask.ledger.errors import TooMany
from teamtask.stores.store import DOCUMENT_BYTES_MAX, AuditEntry, Store


def add(store: Store, *dates: float) -> None:
    with store.write() as writer:
        for date in dates:
            writer.add_audit(date, b"at %d" % date)


def dates(store: Store) -> list[float]:
    with store.read() as reader:
        return [entry.date for entry in reader.audit(None, 1_000)]


def test_entries_are_read_newest_first_page_by_page(store: Store) -> None:
    add(store, *range(10))
    with store.read() as reader:
        entries = reader.audit(None, 1_000)
        assert [(entry.date, entry.entry) for entry in entries] == [(at, b"at %d" % at) for at in range(9, -1, -1)]
        assert all(later.no > earlier.no for later, earlier in pairwise(entries))
        pages: list[list[AuditEntry]] = [reader.audit(None, 4)]
        while page := reader.audit(pages[-1][-1].no, 4):
            pages.append(page)
        assert [len(page) for page in pages] == [4, 4, 2]
        assert [entry for page in pages for entry in page] == entries
        assert reader.audit(None, 0) == []
        for beyond in (1 << 70, entries[0].no + 1):
            assert reader.audit(beyond, 1 << 70) == entries
        for before_all in (0, -(1 << 70), entries[-1].no):
            assert reader.audit(before_all, 9) == []


def test_the_number_of_an_entry_is_never_used_again(store: Store) -> None:
    used: set[int] = set()
    for _ in range(3):
        add(store, 1.0, 2.0)
        with store.write() as writer:
            numbers = [entry.no for entry in writer.audit(None, 9)]
            assert min(numbers) > max(used, default=0)
            used.update(numbers)
            assert writer.forget_audit(3.0, 9) == 2
    assert dates(store) == []


def test_the_oldest_entries_are_forgotten_first_and_few_at_a_time(store: Store) -> None:
    add(store, 5.0, 3.0, 9.0, 4.0, 3.0)
    with store.write() as writer:
        assert writer.forget_audit(3.0, 9) == 0
        assert writer.forget_audit(9.0, 0) == 0
        assert writer.forget_audit(9.0, 3) == 3
    assert dates(store) == [9.0, 5.0]
    with store.write() as writer:
        assert writer.forget_audit(9.0, 1 << 64) == 1
    assert dates(store) == [9.0]


def test_a_failed_transaction_leaves_no_entry_and_a_reader_sees_one_moment(store: Store) -> None:
    def fails() -> None:
        with store.write() as writer:
            writer.add_audit(2.0, b"")
            writer.forget_audit(2.0, 9)
            assert [entry.date for entry in writer.audit(None, 9)] == [2.0]
            raise KeyError

    add(store, 1.0)
    with store.read() as reader:
        with pytest.raises(KeyError):
            fails()
        assert dates(store) == [1.0]
        add(store, 3.0)
        assert [entry.date for entry in reader.audit(None, 9)] == [1.0]
    assert dates(store) == [3.0, 1.0]


def test_an_entry_that_is_too_long_is_refused_and_the_transaction_goes_on(store: Store) -> None:
    with store.write() as writer:
        with pytest.raises(TooMany):
            writer.add_audit(1.0, bytes(DOCUMENT_BYTES_MAX + 1))
        writer.add_audit(2.0, bytes(DOCUMENT_BYTES_MAX))
    assert dates(store) == [2.0]
