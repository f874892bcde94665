"""`Ledgers`: the working ledgers of a store, and the group commit that keeps what they decide.

Commands that wait at the same moment form a group: each is decided and applied in turn, the group's events are appended
in one transaction, one journal row a list, and only then does anybody hear of it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from teamtask.ledger.commands import Exchange, Facts
from teamtask.ledger.decide import carry_out
from teamtask.ledger.errors import TeamtaskError, UnknownFormat
from teamtask.ledger.events import Created, Event, Rerun, decode_events, encode_events
from teamtask.ledger.ledger import Ledger, apply
from teamtask.ledger.list_state import FINISHED
from teamtask.ledger.snapshot import load_ledger, save_ledger
from teamtask.service.chance import chance, new_block_name, new_lease_id
from teamtask.service.definition import decode_definition, encode_definition
from teamtask.stores.store import ResultRow, StoreDamaged, StoreUnavailable, Withdrawn
from teamtask.wire import messages as wire
from teamtask.wire.result_batch import ResultBatch, to_payload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from teamtask.ledger.commands import Command, Reply, ReportReply
    from teamtask.ledger.ids import ListId
    from teamtask.ledger.ledger import Lease
    from teamtask.stores.store import Journal, Reader, Store, Writer

SNAPSHOT_BYTES = 65_536  # of journal, at least, before a snapshot replaces it


class Asked(NamedTuple):
    """A command for a list, with the results that its reports carry.

    `prepare` makes the command inside the transaction, for one that needs to know what the store holds.
    """

    list_id: ListId
    command: Command | None
    batches: tuple[ResultBatch | None, ...] = ()
    prepare: Callable[[Writer, Ledger], Command] | None = None
    then: Callable[[Writer], None] | None = None  # writes what belongs to the command, once that is decided


@dataclass
class Copy:
    """A ledger with everything up to `version` applied.

    It goes on from there only while the store's clock has the same `epoch`: after a failover to a standby that lacked
    the last commits, or in a database that was put back, the same version may be that of another history.
    """

    ledger: Ledger
    version: int
    journal_bytes: int = 0
    snapshot_bytes: int = 0
    epoch: str = ""


class Answer(NamedTuple):
    """What a command came to, and the lease that it was given, as it stood then."""

    reply: Reply
    lease: wire.Lease | None
    now: float


class Ledgers:
    """The working ledgers of one process. Safe for threads: groups are carried out one after the other."""

    def __init__(self, store: Store) -> None:
        """Work over this store; nothing is read before it is needed."""
        self._store = store
        self._working: dict[ListId, Copy] = {}
        self._described: dict[ListId, tuple[str, str]] = {}  # name and fingerprint
        self._lock = Lock()
        self.exchange_seconds = 0.0  # what an exchange costs, as measured by whoever serves them

    def carry_out(self, group: Sequence[Asked]) -> list[Answer | TeamtaskError]:
        """Carry out a group of commands in one transaction; an answer for each, in order.

        Raises StoreUnavailable when the commit failed or nobody knows: then nothing of the group may be believed.
        """
        list_ids = sorted({asked.list_id for asked in group})
        with self._lock:
            try:
                with self._store.write(list_ids) as writer:
                    fresh = self._catch_up(writer, list_ids)
                    answers = self._within(writer, list_ids, group)
                    for list_id in fresh:
                        if not _is_fresh(self._working[list_id].ledger):
                            _note_start(writer, list_id)
                    return answers
            except BaseException:
                for list_id in list_ids:  # what was applied may not have been kept: read it again
                    self._working.pop(list_id, None)
                raise

    def read(self, reader: Reader, list_id: ListId) -> Ledger:
        """Give a ledger of its own as it is committed. Raises StoreDamaged, UnknownFormat."""
        return self.copy(reader, list_id, None).ledger

    def copy(self, reader: Reader, list_id: ListId, known: Copy | None) -> Copy:
        """Give a copy as it is committed; one that was given before is brought up to date. Raises as `read`."""
        return _caught_up(reader, list_id, known)

    def known(self, list_id: ListId) -> Ledger | None:
        """Give the working ledger of this process, to look at; None when it has none."""
        working = self._working.get(list_id)
        return working.ledger if working else None

    def due(self, now: float) -> list[ListId]:
        """Give the lists in work here that have leases and are to be looked at.

        The time of one is over, or half a lease length has passed without a look: after a whole one all would be
        renewed, as if nobody had been here to take reports.
        """
        ledgers = [(list_id, known.ledger) for list_id, known in list(self._working.items())]
        return [
            list_id
            for list_id, ledger in ledgers
            if ledger.leases and (ledger.next_expiry <= now or now - ledger.looked_at >= ledger.rules.lease_seconds / 2)
        ]

    def forget(self, list_id: ListId) -> None:
        """Let go of a list that is no more."""
        with self._lock:
            self._working.pop(list_id, None)
            self._described.pop(list_id, None)

    def _lease(self, reader: Reader, list_id: ListId, lease: Lease, now: float) -> wire.Lease:
        described = self._described.get(list_id)
        if described is None:
            record = reader.list_by_id(list_id)
            described = (record.name, decode_definition(record.definition).fingerprint)
            self._described[list_id] = described
        name, fingerprint = described
        touched = lease.rest.size < lease.stop - lease.start
        return wire.Lease(
            lease.id, name, list_id, f"{name}-{lease.name}", lease.start, lease.stop - lease.start, lease.block_size,
            lease.failures + 1, lease.expires - now, fingerprint,
            tuple((start, stop - start) for start, stop in lease.rest) if touched else None,
        )  # fmt: skip

    def _catch_up(self, writer: Writer, list_ids: Sequence[ListId]) -> list[ListId]:
        """Bring the working ledgers up to date; give the lists of which nothing was ever handed out."""
        for list_id in list_ids:
            self._working[list_id] = _caught_up(writer, list_id, self._working.get(list_id))
        return [list_id for list_id in list_ids if _is_fresh(self._working[list_id].ledger)]

    def _within(
        self, writer: Writer, list_ids: Sequence[ListId], group: Sequence[Asked]
    ) -> list[Answer | TeamtaskError]:
        clock = writer.clock()
        events: dict[ListId, list[Event]] = {list_id: [] for list_id in list_ids}
        answers: list[Answer | TeamtaskError] = []
        rows: dict[ListId, list[ResultRow]] = {}
        for asked in group:
            ledger = self._working[asked.list_id].ledger
            facts = Facts(
                new_lease_id(),
                new_block_name(),
                chance(),
                self.exchange_seconds,
                clock.epoch,
                time.time(),
            )
            try:
                command = asked.prepare(writer, ledger) if asked.prepare else asked.command
                assert command is not None, "an asking has a command or prepares one"
                happened, reply = carry_out(ledger, command, clock.now, facts)
            except (UnknownFormat, StoreDamaged, StoreUnavailable):
                raise
            except TeamtaskError as error:
                answers.append(error)
                continue
            if asked.then is not None:
                asked.then(writer)  # when it raises, nothing of the group is kept
            events[asked.list_id] += happened
            lease = self._lease(writer, asked.list_id, ledger.leases[reply.lease], clock.now) if reply.lease else None
            answers.append(Answer(reply, lease, clock.now))
            if asked.batches and isinstance(command, Exchange):
                rows.setdefault(asked.list_id, []).extend(
                    row
                    for batch, report in zip(asked.batches, reply.reports, strict=True)
                    if batch is not None
                    for row in _rows(batch, report, command.key.worker)
                )
        for list_id, happened in events.items():
            if happened:
                self._append(writer, list_id, happened)
        for list_id, results in rows.items():
            writer.put_results(list_id, results)
        return answers

    def _append(self, writer: Writer, list_id: ListId, events: list[Event]) -> None:
        working = self._working[list_id]
        row = encode_events(events)
        working.version += 1
        writer.append(list_id, working.version, row)
        working.journal_bytes += len(row)
        marks = [
            Withdrawn(start, stop - start, event.before_seq)
            for event in events
            if isinstance(event, Rerun)
            for start, stop in event.ranges
        ]
        if marks:
            writer.withdraw_results(list_id, marks)
        ended = working.ledger.state in FINISHED
        if ended or working.journal_bytes > max(SNAPSHOT_BYTES, 2 * working.snapshot_bytes):
            state = save_ledger(working.ledger)
            writer.put_snapshot(list_id, working.version, state)
            working.journal_bytes, working.snapshot_bytes = 0, len(state)


def _is_fresh(ledger: Ledger) -> bool:
    return ledger.frontier == ledger.start


def _note_start(writer: Writer, list_id: ListId) -> None:
    definition = decode_definition(writer.list_by_id(list_id).definition)
    writer.replace_definition(list_id, encode_definition(replace(definition, started_at=time.time())))


def _caught_up(reader: Reader, list_id: ListId, known: Copy | None) -> Copy:
    """Apply what others have written since. Raises StoreDamaged where that cannot be, UnknownFormat."""
    epoch = reader.clock().epoch
    if known is not None and known.epoch != epoch:
        known = None
    journal = reader.journal(list_id, known.version if known else -1)
    try:
        copy = _with_journal(known, journal)
    except (ArithmeticError, AssertionError, LookupError, TypeError) as error:
        raise StoreDamaged("The journal of a list contradicts itself.", hint="teamtask verify tells more.") from error
    copy.epoch = epoch
    return copy


def _with_journal(known: Copy | None, journal: Journal) -> Copy:
    if journal.snapshot is not None:
        version, state = journal.snapshot
        known = Copy(load_ledger(state), version, 0, len(state))
    for version, row in journal.rows:
        events = decode_events(row)
        if known is None:
            created = events.pop(0) if events else None
            if not isinstance(created, Created):
                raise StoreDamaged("The journal of a list does not begin with its beginning.")
            known = Copy(Ledger(created), version)
        for event in events:
            apply(known.ledger, event)
        known.version = version
        known.journal_bytes += len(row)
    if known is None:
        raise StoreDamaged("A list has no journal.")
    return known


def _rows(batch: ResultBatch, report: ReportReply, worker: str) -> list[ResultRow]:
    """Give the rows of what a report recorded of its results."""
    kept = [batch] if report.recorded is None else [batch.part(*run) for run in batch.positions(report.recorded)]
    rows = []
    seq = report.seq
    for part in kept:
        rows.append(ResultRow(seq, part.index, part.size, part.count, len(part.failed), worker, to_payload(part)))
        seq += part.count
    return rows
