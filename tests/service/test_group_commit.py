"""The group commit: who waits at the same moment shares a commit, and an error reaches those whom it concerns."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from teamtask.ledger import commands as c
from teamtask.ledger.errors import UnknownFormat, WrongState
from teamtask.ledger.list_state import ListState, Move
from teamtask.ledger.rules import BlockRule, Rules
from teamtask.service.conversions import to_asked
from teamtask.service.definition import Definition
from teamtask.service.group_commit import Answered, GroupCommit, Overloaded
from teamtask.service.ledgers import Answer, Asked
from teamtask.service.service import Service
from teamtask.stores.sqlite.sqlite_store import SqliteStore
from teamtask.stores.store import ListGone, StoreFull
from teamtask.wire.messages import Exchange, Report, Want
from teamtask.wire.result_batch import pack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamtask.ledger.ids import ListId
    from teamtask.ledger.ledger import Ledger
    from teamtask.stores.store import Writer


class Desk:
    """A group commit over a real store; `hold` keeps its thread busy, so that what is asked meanwhile is one group."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = SqliteStore(str(path))
        self.service = Service(self.store)
        self.commits = 0
        self.answers: dict[object, Answer | BaseException] = {}
        self.order: list[object] = []
        self._arrived: dict[object, Event] = {}
        self._write = self.store.write
        self.store.write = self._counted  # type: ignore[method-assign]
        self.failure: Exception | None = None
        self.group = GroupCommit(self.service.ledgers, self._deliver)

    def new_list(self, name: str, **rules: Any) -> ListId:
        definition = Definition({"kind": "range", "start": 0, "stop": 100}, "f")
        return self.service.create(name, definition, Rules(block=BlockRule(size=10), **rules), 100, None)

    def submit(self, ticket: object, asked: Asked) -> None:
        self._arrived[ticket] = Event()
        self.group.submit(ticket, asked)

    def claim(self, ticket: object, list_id: ListId, worker: str = "w") -> None:
        self.submit(ticket, to_asked(list_id, "me", Exchange(worker, None, Want())))

    def answer(self, ticket: object) -> Answer | BaseException:
        assert self._arrived[ticket].wait(30), ticket
        return self.answers[ticket]

    def lease(self, ticket: object) -> int | None:
        answer = self.answer(ticket)
        assert isinstance(answer, Answer), answer
        return None if answer.lease is None else answer.lease.index

    @contextmanager
    def hold(self, list_id: ListId) -> Iterator[None]:
        begun, go = Event(), Event()

        def prepare(_writer: Writer, _ledger: Ledger) -> c.Command:
            begun.set()
            assert go.wait(30)
            return c.Sweep()

        self.submit("hold", Asked(list_id, None, prepare=prepare))
        assert begun.wait(30)
        self.commits = 0
        try:
            yield
        finally:
            go.set()

    @contextmanager
    def _counted(self, list_ids: Any = ()) -> Iterator[Writer]:
        self.commits += 1
        with self._write(list_ids) as writer:
            yield writer
            if self.failure is not None:
                raise self.failure

    def _deliver(self, answered: list[Answered]) -> None:
        for ticket, answer in answered:
            self.answers[ticket] = answer
            self.order.append(ticket)
            self._arrived[ticket].set()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "state")
    yield made
    made.group.close()
    made.store.close()


def test_who_waits_at_the_same_moment_shares_one_commit(desk: Desk) -> None:
    lists = [desk.new_list(f"n{number}") for number in range(3)]
    with desk.hold(lists[0]):
        for number in range(30):
            desk.claim(number, lists[number % 3], f"w{number}")
    assert [desk.lease(number) for number in range(30)] == [number // 3 * 10 for number in range(30)]
    assert desk.commits == 1
    assert desk.order == ["hold", *range(30)]


def test_what_is_answered_is_in_the_store(desk: Desk) -> None:
    list_id = desk.new_list("n")
    desk.claim("claim", list_id)
    answer = desk.answer("claim")
    assert isinstance(answer, Answer)
    assert answer.lease is not None
    report = Report(answer.lease.lease, 0, 10, results=pack(range(10), ["x"] * 10))
    desk.submit("report", to_asked(list_id, "me", Exchange("w", reports=(report,))))
    desk.answer("report")
    with closing(SqliteStore(str(desk.path))) as other, other.read() as reader:
        assert list(Service(other).ledgers.read(reader, list_id).done) == [(0, 10)]
        assert [row.count for row in reader.results(list_id)] == [10]


def test_a_list_that_is_gone_does_not_spoil_the_others(desk: Desk) -> None:
    lists = [desk.new_list(f"n{number}") for number in range(8)]
    gone = lists[3]
    desk.claim("before", gone)
    desk.answer("before")
    with closing(SqliteStore(str(desk.path))) as another:
        Service(another).delete(gone)
    with desk.hold(lists[0]):
        for number in range(40):
            desk.claim(number, lists[number % 8], f"w{number}")
    for number in range(40):
        if number % 8 == 3:
            assert isinstance(desk.answer(number), ListGone)
        else:
            assert desk.lease(number) == number // 8 * 10


def test_a_list_that_a_newer_version_wrote_does_not_spoil_the_others(desk: Desk) -> None:
    well, newer = desk.new_list("well"), desk.new_list("newer")
    with closing(sqlite3.connect(desk.path, isolation_level=None)) as connection:
        connection.execute(
            "UPDATE journal SET events = x'00' WHERE list_no = (SELECT no FROM lists WHERE id = ?)", (newer,)
        )
    with desk.hold(well):
        for ticket in range(6):
            desk.claim(ticket, (well, newer)[ticket % 2], f"w{ticket}")
    for ticket in range(6):
        if ticket % 2:
            assert isinstance(desk.answer(ticket), UnknownFormat)
        else:
            assert desk.lease(ticket) == ticket // 2 * 10


def test_a_command_that_cannot_be_carried_out_does_not_spoil_the_others(desk: Desk) -> None:
    list_id = desk.new_list("n")
    with desk.hold(list_id):
        desk.claim(0, list_id)
        desk.submit(1, Asked(list_id, c.Grow(5)))
        desk.submit(2, Asked(list_id, c.MoveList(Move.PAUSE)))
        desk.submit(3, Asked(list_id, c.MoveList(Move.CANCEL)))
        desk.submit(4, Asked(list_id, c.MoveList(Move.PAUSE)))
        desk.claim(5, list_id)
    assert desk.lease(0) == 0
    assert isinstance(desk.answer(1), WrongState)
    assert isinstance(desk.answer(4), WrongState)
    assert desk.lease(5) is None
    assert desk.commits == 1
    assert desk.service.ledgers.known(list_id).state is ListState.CANCELLED  # type: ignore[union-attr]


def test_an_error_of_ours_reaches_its_own_and_the_thread_lives(desk: Desk) -> None:
    list_id = desk.new_list("n")

    def broken(_writer: Writer, _ledger: Ledger) -> c.Command:
        raise ZeroDivisionError

    with desk.hold(list_id):
        desk.claim(0, list_id, "w0")
        desk.submit(1, Asked(list_id, None, prepare=broken))
        desk.claim(2, list_id, "w2")
    assert isinstance(desk.answer(1), ZeroDivisionError)
    assert (desk.lease(0), desk.lease(2)) == (0, 10)


def test_a_store_that_is_away_is_told_to_all_of_the_group(desk: Desk) -> None:
    list_id = desk.new_list("n")
    with desk.hold(list_id):
        for number in range(5):
            desk.claim(number, list_id, f"w{number}")
        desk.failure = StoreFull()
    for number in range(5):
        assert isinstance(desk.answer(number), StoreFull)
    desk.failure = None
    desk.claim("again", list_id)
    assert desk.lease("again") == 0, "nothing of that group is believed"


def test_closing_carries_out_what_waits(desk: Desk) -> None:
    list_id = desk.new_list("n")
    with desk.hold(list_id):
        for number in range(3):
            desk.claim(number, list_id, f"w{number}")
    desk.group.close()
    assert sorted(desk.answers, key=str) == [0, 1, 2, "hold"]
    with pytest.raises(Overloaded):
        desk.claim("late", list_id)


def test_who_comes_when_too_many_wait_is_sent_away(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teamtask.service.group_commit.WAITING_MAX", 3)
    list_id = desk.new_list("n")
    with desk.hold(list_id):
        for number in range(3):
            desk.claim(number, list_id, f"w{number}")
        with pytest.raises(Overloaded):
            desk.claim(3, list_id)
    assert [desk.lease(number) for number in range(3)] == [0, 10, 20]
    desk.claim(4, list_id)
    assert desk.lease(4) == 30


def test_a_group_has_a_limit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teamtask.service.group_commit.GROUP_MAX", 4)
    list_id = desk.new_list("n")
    with desk.hold(list_id):
        for number in range(10):
            desk.claim(number, list_id, f"w{number}")
    assert [desk.lease(number) for number in range(10)] == list(range(0, 100, 10))
    assert desk.commits == 3
