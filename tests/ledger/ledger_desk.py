"""`Desk`: a ledger as a server keeps it, whose promises are checked after every command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from teamtask.ledger.commands import Exchange, Facts, Report, Sweep, TakeBack, Want
from teamtask.ledger.decide import carry_out
from teamtask.ledger.events import Created, WorkerKey, decode_events, encode_events
from teamtask.ledger.invariants import check_invariants
from teamtask.ledger.ledger import Ledger, apply
from teamtask.ledger.list_state import ListState
from teamtask.ledger.rules import BlockRule, Limits, Rules
from teamtask.ledger.snapshot import load_ledger, save_ledger

if TYPE_CHECKING:
    from teamtask.ledger.commands import Command, Reply, ReportReply
    from teamtask.ledger.events import Event
    from teamtask.ledger.ledger import Lease

LEASE_SECONDS = 60.0


def state_of(ledger: Ledger) -> list[Any]:
    """Everything that is kept of a ledger, but for `looked_at`: who only looks writes nothing."""
    state: list[Any] = msgspec.json.decode(save_ledger(ledger))
    return state[:-1]


class Desk:
    """A working ledger, its journal, and a clock of its own.

    `shadow` is what another server makes of the journal. With `checked=False` nothing is checked between commands.
    """

    def __init__(
        self,
        size: int = 100,
        *,
        start: int = 0,
        state: ListState = ListState.RUNNING,
        block: int | BlockRule | None = 10,
        limits: Limits | None = None,
        checked: bool = True,
        **rules: Any,
    ) -> None:
        rules["block"] = block if isinstance(block, BlockRule) else BlockRule(size=block)
        self.now = 1000.0
        self.epoch = "boot-1"
        self.checked = checked
        self.exchange_seconds = 0.0
        many = Limits(blocks_per_worker=1_000)
        created = Created(
            Rules(lease_seconds=LEASE_SECONDS, limits=limits or many, **rules), start, size, state, self.now, self.epoch
        )
        self.ledger = Ledger(created)
        self.journal = [encode_events([created])]
        self.shadow = _replayed(self.journal)
        self.granted = 0
        self.events: list[Event] = []  # of the last command

    def carry_out(self, command: Command) -> Reply:
        """Decide and apply a command, and check everything."""
        self.granted += 1
        facts = Facts(
            f"lease-{self.granted}",
            f"n{self.granted}",
            0.5,
            self.exchange_seconds,
            self.epoch,
            date=float(self.granted),
        )
        before = save_ledger(self.ledger) if self.checked else b""
        self.events = []
        try:
            self.events, reply = carry_out(self.ledger, command, self.now, facts)
        except Exception:
            if self.checked:
                self.ledger.looked_at = msgspec.json.decode(before)[-1]
                assert save_ledger(self.ledger) == before, "a command that is refused changes nothing"
            raise
        if self.events:
            self.journal.append(encode_events(self.events))
        if self.checked:
            self.check()
        return reply

    def check(self) -> None:
        """Check the invariants, and that the journal and the snapshot both give this state."""
        check_invariants(self.ledger)
        if self.events:
            row = self.journal[-1]
            decoded = decode_events(row)
            assert decoded == self.events, "events are read as they were written"
            for event in decoded:
                apply(self.shadow, event)
        state = state_of(self.ledger)
        check_invariants(self.shadow)
        assert state_of(self.shadow) == state, "the journal gives the same state"
        saved = save_ledger(self.ledger)
        loaded = load_ledger(saved)
        check_invariants(loaded)
        assert save_ledger(loaded) == saved, "a snapshot gives the same state"

    def check_replay(self) -> None:
        """Check that the journal from its beginning gives this state."""
        assert state_of(_replayed(self.journal)) == state_of(self.ledger)

    def restart(self) -> None:
        """Go on with what a snapshot gives."""
        self.ledger = load_ledger(save_ledger(self.ledger))

    def exchange(
        self,
        worker: str = "ann",
        *reports: Report,
        principal: str = "p",
        want: bool = False,
        seconds: float | None = None,
        request: str | None = None,
    ) -> Reply:
        """Carry out an exchange."""
        command = Exchange(WorkerKey(principal, worker), reports, Want(seconds) if want else None, request)
        return self.carry_out(command)

    def claim(self, worker: str = "ann", **more: Any) -> Lease:
        """Claim, and be given a lease."""
        reply = self.exchange(worker, want=True, **more)
        assert reply.lease is not None, reply.reason
        return self.ledger.leases[reply.lease]

    def refused(self, worker: str = "ann", **more: Any) -> str:
        """Claim, and be given a reason instead."""
        reply = self.exchange(worker, want=True, **more)
        assert reply.lease is None
        assert reply.reason is not None
        return reply.reason

    def report(
        self,
        lease: Lease,
        upto: int | None = None,
        *,
        worker: str | None = None,
        principal: str | None = None,
        **fields: Any,
    ) -> ReportReply:
        """Report on a lease: all of it is done, if nothing else is said."""
        fields.setdefault("index", lease.start)
        report = Report(lease.id, upto=lease.stop if upto is None else upto, **fields)
        worker, principal = worker or lease.key.worker, principal or lease.key.principal
        return self.exchange(worker, report, principal=principal).reports[0]

    def sweep(self, seconds: float = 0.0) -> None:
        """Let time pass, looking often enough, and expire what is due."""
        while seconds > 0:
            step = min(seconds, LEASE_SECONDS / 2)
            self.now += step
            seconds -= step
            self.carry_out(Sweep())
        self.carry_out(Sweep())

    def expire(self, lease: Lease) -> None:
        """Let the time of a lease pass."""
        assert lease.id in self.ledger.leases
        self.sweep(lease.expires - self.now)
        assert lease.id not in self.ledger.leases

    def take_back(self, *leases: Lease) -> Reply:
        """Take leases back."""
        return self.carry_out(TakeBack(tuple(lease.id for lease in leases)))

    @property
    def history(self) -> list[Event]:
        return [event for row in self.journal for event in decode_events(row)]

    @property
    def done(self) -> list[tuple[int, int]]:
        return list(self.ledger.done)

    @property
    def returned(self) -> list[tuple[int, int]]:
        return [(piece.start, piece.stop) for piece in self.ledger.returned]


def _replayed(journal: list[bytes]) -> Ledger:
    events = [event for row in journal for event in decode_events(row)]
    assert isinstance(events[0], Created)
    ledger = Ledger(events[0])
    for event in events[1:]:
        apply(ledger, event)
    return ledger
