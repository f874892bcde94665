"""`move`: everything of one store arrives in another, or nobody takes what has arrived for all of it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from teamtask.ledger.errors import InvalidField
from teamtask.ledger.ids import ListId, UploadId
from teamtask.stores.memory import MemoryStore
from teamtask.stores.moving import MoveUnfinished, NotArrived, TargetNotEmpty, check_moved, move
from teamtask.stores.store import ListRecord, ResultRow, Withdrawn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from teamtask.stores.store import Store

PAIRS = [("sqlite", "postgres"), ("postgres", "sqlite"), ("sqlite", "sqlite")]
HUGE = 10**40


@pytest.fixture(params=PAIRS, ids=" to ".join)
def pair(
    request: pytest.FixtureRequest, make_place: Callable[..., Any], tmp_path: Path
) -> Iterator[tuple[Store, Store]]:
    with ExitStack() as stack:
        stores = []
        for number, kind in enumerate(request.param):
            folder = tmp_path / str(number)
            folder.mkdir()
            stores.append(make_place(kind, folder, stack).open())
        yield stores[0], stores[1]


def fill(store: Store) -> None:
    """Keep something of everything."""
    with store.write() as writer:
        for number, name in enumerate(("alpha", "b\u00e9ta", "z" * 200)):
            record = ListRecord(ListId(f"id-{number}"), name, b'{"kind": "range"}', 5.5 + number)
            writer.create_list(record)
            writer.append(record.id, 0, b"created")
            writer.append(record.id, 1, bytes(range(256)))
            writer.put_results(
                record.id, [ResultRow(seq, HUGE * seq, 10, 1, 0, "w/1", b"result") for seq in range(2_500)]
            )
            writer.withdraw_results(record.id, [Withdrawn(0, HUGE, 3)])
        writer.put_snapshot(ListId("id-1"), 1, b"state")
        writer.append(ListId("id-1"), 2, b"more")
        writer.put_lines(UploadId("up"), 0, [b"line %d" % number for number in range(3_000)])
        writer.attach_lines(ListId("id-2"), UploadId("up"), 0)
        writer.put_document("token", "key", b"\0secret")
        writer.put_document("answer", "other", b"{}")
        for number in range(250):
            writer.add_audit(1_000.0 + number, b"entry %d" % number)


def contents(store: Store) -> dict[str, Any]:
    """Give all that a store says."""
    with store.read() as reader:
        found: dict[str, Any] = {
            "documents": list(reader.every_document()), "audit": reader.audit(None, 1_000), "lists": reader.lists(),
        }  # fmt: skip
        for record in reader.lists():
            found[record.id] = [
                reader.journal(record.id, -1), list(reader.results(record.id)), reader.withdrawn(record.id),
                list(reader.lines(record.id, 0, 10_000)),
            ]  # fmt: skip
    return found


def test_everything_arrives_and_the_source_stays_as_it_was(pair: tuple[Store, Store]) -> None:
    source, target = pair
    fill(source)
    before = contents(source)
    told: list[str] = []
    moved = move(source, target, told.append)
    assert contents(source) == contents(target) == before
    assert told == ["alpha", "b\u00e9ta", "z" * 200]
    assert moved == (3, 2, 250)
    assert target.verify() == []
    check_moved(target)


def test_numbers_of_the_audit_trail_go_on_where_the_source_was(pair: tuple[Store, Store]) -> None:
    source, target = pair
    fill(source)
    move(source, target, lambda _: None)
    with source.read() as reader:
        last = reader.audit(None, 1)[0].no
    with target.write() as writer:
        writer.add_audit(2_000.0, b"after")
    with target.read() as reader:
        assert reader.audit(None, 1)[0].no > last


def test_a_move_that_was_broken_off_is_no_store_and_begins_anew(pair: tuple[Store, Store]) -> None:
    source, target = pair
    fill(source)

    def break_off(name: str) -> None:
        if name.startswith("b"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move(source, target, break_off)
    with pytest.raises(MoveUnfinished, match="not finished"):
        check_moved(target)
    with pytest.raises(MoveUnfinished):
        move(target, source, lambda _: None)
    with source.write([ListId("id-0")]) as writer:  # the source may have moved on
        writer.delete_list(ListId("id-0"))
    move(source, target, lambda _: None)
    assert contents(target) == contents(source)
    check_moved(target)


@pytest.mark.parametrize("what", ["list", "journal", "document", "audit"])
def test_a_source_that_changes_meanwhile_is_noticed(pair: tuple[Store, Store], what: str) -> None:
    source, target = pair
    fill(source)

    def change(name: str) -> None:
        if name != "alpha":
            return
        with source.write([ListId("id-0")]) as writer:
            if what == "list":
                writer.create_list(ListRecord(ListId("new"), "new", b"", 0.0))
            elif what == "journal":
                writer.append(ListId("id-0"), 2, b"another")
            elif what == "document":
                writer.put_document("token", "key", b"revoked")
            else:
                writer.add_audit(3_000.0, b"another")

    with pytest.raises(NotArrived):
        move(source, target, change)
    with pytest.raises(MoveUnfinished):
        check_moved(target)
    move(source, target, lambda _: None)
    assert contents(target) == contents(source)


def test_what_a_server_of_the_target_made_meanwhile_is_not_removed(pair: tuple[Store, Store]) -> None:
    source, target = pair
    fill(source)

    def make(name: str) -> None:
        if name == "alpha":
            with target.write() as writer:
                writer.create_list(ListRecord(ListId("mine"), "mine", b"", 0.0))

    with pytest.raises(NotArrived):
        move(source, target, make)
    with pytest.raises(TargetNotEmpty):
        move(source, target, lambda _: None)
    with target.read() as reader:
        assert reader.list_named("mine") is not None


def test_of_two_moves_at_once_one_gives_way(pair: tuple[Store, Store]) -> None:
    source, target = pair
    fill(source)
    with pytest.raises(NotArrived, match="Somebody else"):
        move(source, target, lambda name: name == "alpha" and move(source, target, lambda _: None))
    assert contents(target) == contents(source)
    check_moved(target)


def test_a_list_that_another_move_was_about_to_bring_is_called_that(pair: tuple[Store, Store]) -> None:
    source, target = pair
    fill(source)

    def bring(_name: str) -> None:
        with source.read() as reader, target.write() as writer:
            writer.create_list(reader.lists()[0])

    with pytest.raises(NotArrived, match="Somebody else"):
        move(source, target, bring)


def test_nothing_is_moved_to_memory(pair: tuple[Store, Store]) -> None:
    with pytest.raises(InvalidField, match="gone at once"):
        move(pair[0], MemoryStore(), lambda _: None)


@pytest.mark.parametrize("what", ["list", "document", "audit"])
def test_a_target_with_something_in_it_is_left_alone(pair: tuple[Store, Store], what: str) -> None:
    source, target = pair
    fill(source)
    with target.write() as writer:
        if what == "list":
            writer.create_list(ListRecord(ListId("mine"), "mine", b"", 0.0))
        elif what == "document":
            writer.put_document("token", "key", b"mine")
        else:
            writer.add_audit(1.0, b"mine")
    before = contents(target)
    with pytest.raises(TargetNotEmpty):
        move(source, target, lambda _: None)
    assert contents(target) == before
    check_moved(target)
