"""`Service`: every use case of a list, over one store; takes and returns wire messages."""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from teamtask.ledger import commands as c
from teamtask.ledger.decide import settle
from teamtask.ledger.errors import InvalidField, TeamtaskError
from teamtask.ledger.events import Created, Event, encode_events
from teamtask.ledger.folds import check_fold_rule
from teamtask.ledger.ids import ListId, UploadId
from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.ledger import Ledger
from teamtask.ledger.list_state import ListState, Move
from teamtask.ledger.owner import rerun_ranges_max
from teamtask.ledger.rules import Rules
from teamtask.service.conversions import to_asked, to_reply
from teamtask.service.definition import Definition, decode_definition, encode_definition
from teamtask.service.ledgers import Answer, Asked, Ledgers
from teamtask.service.results import Withdrawals, counts_within, failed_indices, rewritten
from teamtask.stores.store import ListRecord, StaleVersion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from teamtask.stores.store import Reader, ResultRow, Store, Writer
    from teamtask.wire import messages as wire

    Then = Callable[[Writer], None]


class NoSuchList(TeamtaskError):
    """There is no such list."""

    code = "not_found"
    hint = "`teamtask ls` shows those there are."


class ListView(NamedTuple):
    """A list and everything that is known of it at one moment."""

    record: ListRecord
    definition: Definition
    ledger: Ledger
    now: float
    reader: Reader


class Progress(NamedTuple):
    """How far a list is, as this process knows it."""

    size: int
    done: int
    results: int
    failed: int


REWRITTEN_AT_ONCE = 1_000  # rows of results in one transaction


def _check_rules(rules: Rules) -> None:
    """Refuse what could be written but not read again: a number that is none. Raises InvalidField."""
    try:
        msgspec.json.decode(msgspec.json.encode(rules), type=Rules)
    except msgspec.ValidationError as error:
        raise InvalidField(f"The rules of the list are not allowed: {error}.", field="rules") from error


class Service:
    """Carries out what workers and owners want. Safe for threads."""

    def __init__(self, store: Store) -> None:
        """Serve the lists of this store."""
        self.store = store
        self.ledgers = Ledgers(store)

    # --- owners

    def create(
        self,
        name: str,
        definition: Definition,
        rules: Rules,
        size: int,
        upload: UploadId | None,
        *,
        start: int = 0,
        then: Callable[[Writer, ListId], None] | None = None,
    ) -> ListId:
        """Create a list of `size` items (0: it awaits them), with the lines of an upload.

        `then` writes what belongs to it in the same transaction. Raises NameTaken, InvalidField.
        """
        check_fold_rule(rules.fold)
        _check_rules(rules)
        list_id = ListId(secrets.token_hex(8))
        record = ListRecord(list_id, name, encode_definition(definition), time.time())
        with self.store.write() as writer:
            writer.create_list(record)
            if upload is not None:
                writer.attach_lines(list_id, upload, 0)
            clock = writer.clock()
            state = ListState.RUNNING if size else ListState.AWAITING_ITEMS
            created = Created(rules, start, size, state, clock.now, clock.epoch)
            ledger = Ledger(created)
            ledger.date = time.time()
            events: list[Event] = [created, *settle(ledger)]
            writer.append(list_id, 0, encode_events(events))
            if then is not None:
                then(writer, list_id)
        return list_id

    def find(self, name: str) -> ListRecord:
        """Give the list of that name. Raises NoSuchList."""
        with self.store.read() as reader:
            record = reader.list_named(name)
        if record is None:
            raise NoSuchList(f"There is no list {name!r:.200}.")
        return record

    def lists(self) -> list[ListRecord]:
        """Give every list, by name."""
        with self.store.read() as reader:
            return reader.lists()

    @contextmanager
    def view(self, record: ListRecord) -> Iterator[ListView]:
        """Show a list as it is committed, with a reader of the same moment."""
        with self.store.read() as reader:
            ledger = self.ledgers.read(reader, record.id)
            kept = reader.list_by_id(record.id)._replace(name=record.name)
            yield ListView(kept, decode_definition(kept.definition), ledger, reader.clock().now, reader)

    def progress(self, list_id: ListId) -> Progress:
        """Tell how far a list is, without asking the store."""
        ledger = self.ledgers.known(list_id)
        if ledger is None:
            with self.store.read() as reader:
                ledger = self.ledgers.read(reader, list_id)
        return Progress(ledger.size, ledger.done.size, ledger.results, ledger.failed)

    # `then` writes what belongs to a command in its transaction.

    def move(self, list_id: ListId, move: Move, then: Then | None = None) -> c.Reply:
        """Pause, resume or cancel. Raises WrongState."""
        return self._answer(Asked(list_id, c.MoveList(move), then=then)).reply

    def change_rules(self, list_id: ListId, change: Callable[[Rules], Rules], then: Then | None = None) -> c.Reply:
        """Put other rules in force. Raises InvalidField."""
        return self._prepared(list_id, lambda _writer, ledger: c.ChangeRules(change(ledger.rules)), then)

    def take_back(self, list_id: ListId, leases: Sequence[str], then: Then | None = None) -> c.Reply:
        """End leases without a failure."""
        return self._answer(Asked(list_id, c.TakeBack(tuple(leases)), then=then)).reply

    def grow(
        self,
        list_id: ListId,
        size: int,
        upload: UploadId | None = None,
        *,
        size_before: int | None = None,
        then: Then | None = None,
    ) -> c.Reply:
        """Make a list longer, with the lines of an upload behind `size_before` others.

        Raises StaleVersion when it has another size by now, WrongState, InvalidField.
        """

        def prepare(_writer: Writer, ledger: Ledger) -> c.Command:
            if size_before is not None and ledger.size != size_before:
                raise StaleVersion(hint="Somebody else has added items meanwhile; give the same command again.")
            return c.Grow(size)

        def attach(writer: Writer) -> None:
            if upload is not None and size_before is not None:
                writer.attach_lines(list_id, upload, size_before)
            if then is not None:
                then(writer)

        return self._answer(Asked(list_id, None, prepare=prepare, then=attach)).reply

    def unpark(self, list_id: ListId, ranges: IntervalSet | None, then: Then | None = None) -> c.Reply:
        """Bring parked indices back; None for all."""
        command = c.Unpark(tuple(ranges) if ranges is not None else None)
        return self._answer(Asked(list_id, command, then=then)).reply

    def rerun(self, list_id: ListId, ranges: IntervalSet | None, *, failed: bool, then: Then | None = None) -> c.Reply:
        """Bring done indices back, all or those in ranges, all outcomes or only those that are not ok.

        100,000 ranges at most; the reply says how many indices came back and how many ranges are left.
        """
        left = 0

        def prepare(writer: Writer, ledger: Ledger) -> c.Command:
            nonlocal left
            asked = ranges if ranges is not None else IntervalSet([(ledger.start, ledger.end)])
            if failed:
                asked = asked.intersection(failed_indices(writer, list_id))
            asked = asked.intersection(ledger.done)
            most = max(1, rerun_ranges_max(ledger))  # not even one is for the ledger to refuse
            left = max(0, len(asked) - most)
            first = tuple(asked)[:most]
            results, not_ok = counts_within(writer, list_id, IntervalSet(first)) if first else (0, 0)
            return c.RerunDone(first, results, not_ok)

        reply = self._prepared(list_id, prepare, then)
        reply.left = left
        self.remove_withdrawn(list_id)
        return reply

    def delete(self, list_id: ListId, then: Then | None = None) -> None:
        """Forget a list."""
        with self.store.write([list_id]) as writer:
            writer.delete_list(list_id)
            if then is not None:
                then(writer)
        self.ledgers.forget(list_id)

    def remove_withdrawn(self, list_id: ListId) -> None:
        """Rewrite the rows of results that were withdrawn, some in a transaction, so that others get their turn."""
        index: int | None = 0
        while index is not None:
            with self.store.write([list_id]) as writer:
                index = self._rewrite_some(writer, list_id, index)

    def _rewrite_some(self, writer: Writer, list_id: ListId, index: int) -> int | None:
        """Rewrite rows from an index on; give the one to go on with, None when all is done."""
        marks = writer.withdrawn(list_id)
        withdrawals = Withdrawals(marks)
        changed: list[tuple[int, list[ResultRow]]] = []
        for row in writer.results(list_id, index=index) if marks else ():
            rows = rewritten(row, withdrawals)
            if rows is not None:
                changed.append((row.seq, rows))
                if len(changed) == REWRITTEN_AT_ONCE:
                    break
        for seq, rows in changed:
            writer.replace_results(list_id, seq, rows)
        if len(changed) == REWRITTEN_AT_ONCE:
            return row.index
        writer.forget_withdrawn(list_id, marks)
        return None

    # --- workers

    def exchange(self, list_id: ListId, principal: str, exchange: wire.Exchange) -> wire.Reply:
        """Take a worker's reports and give it a lease. Raises StoreUnavailable; then it may ask again."""
        return to_reply(self._answer(to_asked(list_id, principal, exchange)))

    def _prepared(
        self, list_id: ListId, prepare: Callable[[Writer, Ledger], c.Command], then: Then | None = None
    ) -> c.Reply:
        return self._answer(Asked(list_id, None, prepare=prepare, then=then)).reply

    def _answer(self, asked: Asked) -> Answer:
        answer = self.ledgers.carry_out([asked])[0]
        if isinstance(answer, TeamtaskError):
            raise answer
        return answer
