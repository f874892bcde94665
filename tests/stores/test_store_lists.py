"""Lists and transactions: what is kept, what is seen, and by whom."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teamtask.ledger.errors import InvalidField, TooMany
from teamtask.ledger.ids import ListId, UploadId
from teamtask.stores.store import (
    VALUE_BYTES_MAX,
    ListGone,
    ListRecord,
    NameTaken,
    StaleVersion,
    StoreUnavailable,
    UnknownUpload,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Place

    from teamtask.stores.store import Reader, Store, Writer


def record(name: str, definition: bytes = b"{}") -> ListRecord:
    return ListRecord(ListId(f"id-{name}"), name, definition, 1.25)


def test_a_created_list_is_found_by_name_as_it_was_given(store: Store) -> None:
    definition = bytes(range(256)) * 300
    with store.write() as writer:
        writer.create_list(record("primes", definition))
        assert writer.list_named("primes") == record("primes", definition)
    with store.read() as reader:
        assert reader.list_named("primes") == record("primes", definition)
        assert reader.list_named("Primes") is None


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.sets(NAMES, min_size=1, max_size=8), after=NAMES, limit=st.integers(0, 5) | st.sampled_from([1 << 64]))
def test_lists_come_in_order_of_code_points_whatever_their_names(
    store: Store, names: set[str], after: str, limit: int
) -> None:
    with store.write() as writer:
        fresh = [name for name in names if writer.list_named(name) is None]
        for name in fresh:
            writer.create_list(record(name))
    with store.read() as reader:
        found = [found.name for found in reader.lists()]
        assert set(fresh) <= set(found)
        assert found == sorted(found)
        for name in (after, *names):
            later = [record for record in reader.lists() if not name or record.name > name]
            assert reader.lists(name) == later
            assert reader.lists(name, limit) == later[:limit]


def test_a_list_is_found_by_its_id(store: Store, primes: ListId) -> None:
    with store.write() as writer:
        writer.create_list(record("hosts"))
        assert writer.list_by_id(primes).name == "primes"
    with store.read() as reader:
        assert reader.list_by_id(ListId("id-hosts")) == record("hosts")
        with pytest.raises(ListGone):
            reader.list_by_id(ListId("hosts"))


def test_a_definition_is_replaced_and_nothing_else_of_the_list(store: Store, primes: ListId) -> None:
    with store.write([primes]) as writer:
        writer.create_list(record("hosts"))
        writer.append(primes, 0, b"events")
        before = writer.list_by_id(primes)
        writer.replace_definition(primes, b"new" * 1_000)
        assert writer.list_by_id(primes).definition == b"new" * 1_000
    with store.read() as reader:
        assert reader.lists() == [record("hosts"), before._replace(definition=b"new" * 1_000)]
        assert reader.journal(primes, -1).rows == [(0, b"events")]


def test_a_name_is_taken_once_and_the_transaction_goes_on(store: Store) -> None:
    with store.write() as writer:
        writer.create_list(record("primes"))
        with pytest.raises(NameTaken, match="primes"):
            writer.create_list(ListRecord(ListId("another"), "primes", b"", 2.0))
        with pytest.raises(NameTaken):
            writer.create_list(record("primes")._replace(name="same id"))
        writer.create_list(record("hosts"))
    with store.read() as reader:
        assert [found.name for found in reader.lists()] == ["hosts", "primes"]


def test_the_name_of_a_deleted_list_is_free_and_nothing_of_it_is_inherited(store: Store, primes: ListId) -> None:
    with store.write([primes]) as writer:
        writer.append(primes, 0, b"events")
    with store.write([primes]) as writer:
        writer.delete_list(primes)
        assert writer.lists() == []
        writer.create_list(ListRecord(ListId("second"), "primes", b"", 2.0))
    with store.read() as reader:
        assert [found.id for found in reader.lists()] == ["second"]
        assert reader.journal(ListId("second"), -1) == (None, [])


READS: dict[str, Callable[[Reader, ListId], object]] = {
    "list_by_id": lambda reader, gone: reader.list_by_id(gone),
    "journal": lambda reader, gone: reader.journal(gone, -1),
    "results": lambda reader, gone: reader.results(gone),
    "results_since": lambda reader, gone: list(reader.results_since(gone, 0)),
    "withdrawn": lambda reader, gone: reader.withdrawn(gone),
    "lines": lambda reader, gone: list(reader.lines(gone, 0, 1)),
}
WRITES: dict[str, Callable[[Writer, ListId], object]] = {
    "replace_definition": lambda writer, gone: writer.replace_definition(gone, b""),
    "delete_list": lambda writer, gone: writer.delete_list(gone),
    "append": lambda writer, gone: writer.append(gone, 0, b""),
    "put_snapshot": lambda writer, gone: writer.put_snapshot(gone, 0, b""),
    "put_results": lambda writer, gone: writer.put_results(gone, []),
    "withdraw_results": lambda writer, gone: writer.withdraw_results(gone, []),
    "replace_results": lambda writer, gone: writer.replace_results(gone, 0, []),
    "forget_withdrawn": lambda writer, gone: writer.forget_withdrawn(gone, []),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_whoever_reads_a_deleted_list_is_told(store: Store, primes: ListId, read: Callable[..., object]) -> None:
    with store.write([primes]) as writer:
        writer.delete_list(primes)
    with store.read() as reader, pytest.raises(ListGone):
        read(reader, primes)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_whoever_changes_a_deleted_list_is_told_and_can_go_on_with_others(
    store: Store, primes: ListId, write: Callable[..., object]
) -> None:
    with store.write([primes]) as writer:
        writer.delete_list(primes)
    with store.write([primes]) as writer:
        writer.create_list(record("hosts"))
        with pytest.raises(ListGone):
            write(writer, primes)
    with store.read() as reader:
        assert [found.name for found in reader.lists()] == ["hosts"]


def test_a_list_that_was_not_locked_is_not_changed(store: Store, primes: ListId) -> None:
    with pytest.raises(AssertionError, match="lock"), store.write() as writer:
        writer.append(primes, 0, b"")
    with pytest.raises(AssertionError, match="lock"), store.write() as writer:
        writer.replace_definition(primes, b"")
    with store.read() as reader:
        assert reader.journal(primes, -1).rows == []
        assert reader.list_by_id(primes).definition


def test_an_exception_inside_a_transaction_leaves_nothing_of_it(store: Store, primes: ListId) -> None:
    def fails() -> None:
        with store.write([primes]) as writer:
            writer.append(primes, 0, b"events")
            writer.create_list(record("hosts"))
            writer.delete_list(primes)
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    with store.read() as reader:
        assert [found.name for found in reader.lists()] == ["primes"]
        assert reader.journal(primes, -1).rows == []
    with store.write([primes]) as writer:  # the lock was given back
        writer.append(primes, 0, b"events")


def test_a_reader_sees_one_moment_whatever_is_committed_meanwhile(store: Store, primes: ListId) -> None:
    with store.read() as before:
        with store.write([primes]) as writer:
            writer.append(primes, 0, b"events")
            writer.create_list(record("hosts"))
            with store.read() as during:
                assert during.journal(primes, -1).rows == []
        with store.write([primes]) as writer:
            writer.delete_list(primes)
        assert [found.name for found in before.lists()] == ["primes"]
        assert before.journal(primes, -1).rows == []
        assert during is not before
    with store.read() as after:
        assert [found.name for found in after.lists()] == ["hosts"]


def test_a_view_ends_with_its_with(store: Store, primes: ListId) -> None:
    with store.read() as reader:
        rows = reader.results(primes)
        lines = reader.lines(primes, 0, 1)
    for use in (reader.lists, lambda: list(rows), lambda: list(lines)):
        with pytest.raises(AssertionError):
            use()
    with store.write() as writer:
        pass
    with pytest.raises(AssertionError):
        writer.create_list(record("late"))


def test_writers_wait_for_one_another(store: Store, primes: ListId) -> None:
    def add(times: int) -> None:
        for _ in range(times):
            with store.write([primes]) as writer:
                rows = writer.journal(primes, -1).rows
                writer.append(primes, len(rows), b"%d" % len(rows))

    threads = [threading.Thread(target=add, args=(25,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as reader:
        assert reader.journal(primes, -1).rows == [(version, b"%d" % version) for version in range(100)]


def test_a_writer_that_waits_too_long_for_a_list_is_told(place: Place) -> None:
    held, hasty = place.open(busy_seconds=0.05), place.open(busy_seconds=0.05)
    hosts = record("hosts")
    with held.write() as writer:
        writer.create_list(hosts)
    with held.write([hosts.id]), pytest.raises(StoreUnavailable), hasty.write([hosts.id]):
        pass
    with hasty.write([hosts.id]) as writer:
        writer.create_list(record("later"))


def test_an_error_that_dooms_a_transaction_comes_again_at_its_end(store: Store, primes: ListId) -> None:
    def swallows() -> None:
        with store.write([primes]) as writer:
            writer.create_list(record("hosts"))
            with pytest.raises(StaleVersion):
                writer.append(primes, 7, b"")

    with pytest.raises(StaleVersion):
        swallows()
    with store.read() as reader:
        assert reader.list_named("hosts") is None


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "é\0"], ids=["NUL", "surrogate", "NUL after é"])
def test_text_that_no_database_keeps_is_refused(store: Store, name: str) -> None:
    with store.write() as writer:
        with pytest.raises(InvalidField):
            writer.create_list(record("x")._replace(name=name))
        with pytest.raises(InvalidField):
            writer.lists(name)
        writer.create_list(record("ß → 漢字 🎉"))
    with store.read() as reader:
        assert [found.name for found in reader.lists()] == ["ß → 漢字 🎉"]


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "é\0"], ids=["NUL", "surrogate", "NUL after é"])
def test_no_list_has_such_a_text_for_its_name_or_id(store: Store, primes: ListId, text: str) -> None:
    no_id = ListId(text)
    with store.read() as reader:
        assert reader.list_named(text) is None
        for look in (reader.list_by_id, reader.results, reader.withdrawn, lambda gone: reader.journal(gone, -1)):
            with pytest.raises(ListGone):
                look(no_id)
        assert reader.list_by_id(primes).name == "primes"
    with store.write([primes, no_id]) as writer:
        assert writer.list_named(text) is None
        with pytest.raises(UnknownUpload):
            writer.attach_lines(primes, UploadId(text), 0)
        writer.append(primes, 0, b"goes on")

    def appends() -> None:
        with store.write([no_id]) as writer:
            writer.append(no_id, 0, b"")

    with pytest.raises(ListGone):
        appends()


def test_a_value_that_is_too_long_is_refused_and_changes_nothing(store: Store, primes: ListId) -> None:
    too_long = bytes(VALUE_BYTES_MAX + 1)
    with store.write([primes]) as writer:
        with pytest.raises(TooMany):
            writer.append(primes, 0, too_long)
        with pytest.raises(TooMany):
            writer.put_snapshot(primes, 0, too_long)
        with pytest.raises(TooMany):
            writer.create_list(record("long", too_long))
        with pytest.raises(TooMany):
            writer.replace_definition(primes, too_long)
        with pytest.raises(TooMany):
            writer.put_lines("upload", 0, [b"short", too_long])  # type: ignore[arg-type] # a NewType of str
        writer.append(primes, 0, b"short")
    with store.read() as reader:
        assert reader.journal(primes, -1) == (None, [(0, b"short")])


def test_the_clock_is_the_one_that_the_store_was_given(place: Place) -> None:
    store = place.open()
    with store.read() as reader, store.write() as writer:
        assert reader.clock() == writer.clock() == (1_000.0, "first")
        place.clock.now += 2.5
        assert writer.clock().now == 1_002.5


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"), store.read():
        pass
    with pytest.raises(StoreUnavailable, match="closed"), store.write():
        pass


def test_a_store_may_be_closed_while_it_is_in_use(store: Store, primes: ListId) -> None:
    with store.read() as reader, store.write([primes]) as writer:
        writer.append(primes, 0, b"")
        store.close()
        assert reader.list_named("primes")
    with pytest.raises(StoreUnavailable), store.write():
        pass
