"""The journal: what a working ledger lacks, whatever the snapshots have replaced meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teamtask.stores.store import Journal, StaleVersion

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Place

    from teamtask.ledger.ids import ListId
    from teamtask.stores.store import Store


def append(store: Store, list_id: ListId, *versions: int) -> None:
    with store.write([list_id]) as writer:
        for version in versions:
            writer.append(list_id, version, b"events %d" % version)


def rows(*versions: int) -> list[tuple[int, bytes]]:
    return [(version, b"events %d" % version) for version in versions]


def test_a_new_list_has_an_empty_journal(store: Store, primes: ListId) -> None:
    with store.read() as reader:
        assert reader.journal(primes, -1) == Journal(None, [])


@pytest.mark.parametrize(
    ("after", "versions"), [(-1, [0, 1, 2]), (0, [1, 2]), (1, [2]), (2, []), (3, []), (10**30, [])]
)
def test_only_what_follows_the_asked_version_comes(
    store: Store, primes: ListId, after: int, versions: list[int]
) -> None:
    append(store, primes, 0, 1, 2)
    with store.read() as reader:
        assert reader.journal(primes, after) == Journal(None, rows(*versions))


@pytest.mark.parametrize(
    ("after", "snapshot", "versions"),
    [(-1, True, [3]), (0, True, [3]), (1, True, [3]), (2, False, [3]), (3, False, [])],
)
def test_a_snapshot_comes_only_when_the_rows_that_it_replaced_are_asked_for(
    *, store: Store, primes: ListId, after: int, snapshot: bool, versions: list[int]
) -> None:
    append(store, primes, 0, 1, 2, 3)
    with store.write([primes]) as writer:
        writer.put_snapshot(primes, 2, b"state")
    with store.read() as reader:
        assert reader.journal(primes, after) == Journal((2, b"state") if snapshot else None, rows(*versions))


def test_a_snapshot_may_stand_in_for_rows_that_were_never_written(store: Store, primes: ListId) -> None:
    with store.write([primes]) as writer:
        writer.put_snapshot(primes, 5, b"state")
    append(store, primes, 6)
    with store.read() as reader:
        assert reader.journal(primes, -1) == Journal((5, b"state"), rows(6))
        assert reader.journal(primes, 5) == Journal(None, rows(6))


def test_a_snapshot_replaces_an_older_one_and_never_a_newer_one(store: Store, primes: ListId) -> None:
    append(store, primes, 0, 1, 2)
    for version in (0, 1, 1):
        with store.write([primes]) as writer:
            writer.put_snapshot(primes, version, b"state %d" % version)
    with pytest.raises(StaleVersion), store.write([primes]) as writer:
        writer.put_snapshot(primes, 0, b"older")
    with store.read() as reader:
        assert reader.journal(primes, -1) == Journal((1, b"state 1"), rows(2))


@pytest.mark.parametrize("version", [-1, 0, 1, 2, 4, 10**30])
@pytest.mark.parametrize("asks_first", [True, False])
def test_versions_rise_by_one(*, store: Store, primes: ListId, version: int, asks_first: bool) -> None:
    append(store, primes, 0, 1, 2)
    with pytest.raises(StaleVersion), store.write([primes]) as writer:  # noqa: PT012 - the last line raises
        if asks_first:
            writer.journal(primes, version - 1)
        writer.append(primes, version, b"")
    append(store, primes, 3, 4)
    with store.read() as reader:
        assert reader.journal(primes, 2) == Journal(None, rows(3, 4))


def test_the_first_version_is_0(store: Store, primes: ListId) -> None:
    with pytest.raises(StaleVersion), store.write([primes]) as writer:
        writer.append(primes, 1, b"")
    append(store, primes, 0)


def test_what_is_appended_is_read_in_the_same_transaction(store: Store, primes: ListId) -> None:
    with store.write([primes]) as writer:
        writer.append(primes, 0, b"events 0")
        assert writer.journal(primes, -1).rows == rows(0)
        writer.put_snapshot(primes, 0, b"state")
        writer.append(primes, 1, b"events 1")
        assert writer.journal(primes, -1) == Journal((0, b"state"), rows(1))
        assert writer.journal(primes, 0) == Journal(None, rows(1))


def test_empty_events_and_states_are_kept(store: Store, primes: ListId) -> None:
    with store.write([primes]) as writer:
        writer.put_snapshot(primes, 0, b"")
        writer.append(primes, 1, b"")
    with store.read() as reader:
        assert reader.journal(primes, -1) == Journal((0, b""), [(1, b"")])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(data=st.data())
def test_a_ledger_that_catches_up_now_and_then_arrives_where_the_writer_is(
    place: Place, new_list: Callable[[Store], ListId], data: st.DataObject
) -> None:
    """The state is the versions seen; a snapshot is their count, so that any gap or repeat shows."""
    store, other = place.open(), place.open()
    list_id = new_list(store)
    known = latest = -1
    for step in data.draw(st.lists(st.sampled_from(["append", "snapshot", "catch up"]), max_size=30)):
        if step == "append":
            latest += 1
            append(store, list_id, latest)
        elif step == "snapshot" and latest >= 0:
            with store.write([list_id]) as writer:
                writer.put_snapshot(list_id, latest, b"%d" % latest)
        elif step == "catch up":
            with other.read() as reader:
                journal = reader.journal(list_id, known)
            if journal.snapshot:
                assert journal.snapshot == (journal.snapshot[0], b"%d" % journal.snapshot[0])
                assert journal.snapshot[0] > known
                known = journal.snapshot[0]
            assert journal.rows == rows(*range(known + 1, latest + 1))
            known = latest
