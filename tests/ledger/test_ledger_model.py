"""The ledger against a plain model: every command, in any order, from workers of every kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from ledger_desk import LEASE_SECONDS, Desk
from ledger_model import Model, expanded, runs_of, value_of
from msgspec.structs import replace

from teamtask.ledger.commands import (
    ChangeRules,
    Exchange,
    Failure,
    Grow,
    MoveList,
    Outcomes,
    Report,
    RerunDone,
    Sweep,
    TakeBack,
    Unpark,
    Want,
)
from teamtask.ledger.errors import FoldCannotBeDivided, WrongState
from teamtask.ledger.events import Granted, WorkerKey
from teamtask.ledger.list_state import ListState, Move
from teamtask.ledger.rules import BlockRule, Limits

if TYPE_CHECKING:
    from teamtask.ledger.commands import Command, Reply, ReportReply

KEYS = [WorkerKey("p", "ann"), WorkerKey("p", "bob"), WorkerKey("q", "ann"), WorkerKey("q", "cy")]
DEEDS = [
    "claim",
    "claim",
    "claim",
    "go_on",
    "go_on",
    "complete",
    "tell_anything",
    "fail_items",
    "end_lease",
    "repeat",
    "send_several",
]
AFTER = {Move.PAUSE: ListState.PAUSED, Move.RESUME: ListState.RUNNING, Move.CANCEL: ListState.CANCELLED}
WISHES = ["resume", "resume", "resume", "pause", "cancel", "change_rules", "grow", "unpark", "rerun", "take_back"]
keys = st.sampled_from(KEYS)
small = st.integers(0, 12)
deeds = st.lists(st.sampled_from(DEEDS), min_size=1, max_size=6)
few = st.lists(st.tuples(small, st.integers(0, 30)), max_size=3)


class LedgerMachine(RuleBasedStateMachine):
    """Workers and owners do what they like; model and ledger must agree after every step."""

    @initialize(
        shape=st.tuples(st.sampled_from([25, 40, 60, 60, 12, 3, 1]), st.sampled_from([0, 3, 10**30])),
        block=st.sampled_from([7, 4, 1, None]),
        attempts=st.integers(1, 4),
        fold=st.sampled_from([None, "sum"]),
        item_seconds=st.sampled_from([None, None, 30.0]),
        stop=st.sampled_from([None, None, None, 5]),
        limits=st.builds(
            Limits,
            blocks_per_worker=st.sampled_from([3, 3, 1]),
            workers=st.sampled_from([10, 10, 10, 2]),
            items_per_second=st.sampled_from([None, None, None, None, None, 3.0]),
            parked=st.sampled_from([1_000, 1_000, 2, 0]),
        ),
    )
    def begin(self, shape: tuple[int, int], block: int | None, limits: Limits, stop: int | None, **rules: Any) -> None:
        size, start = shape
        rules |= {"stop_after_results": stop, "growable": True}
        self.desk = Desk(size, start=start, block=block, limits=limits, **rules)
        self.model = Model(self.desk.ledger.rules, start, size, self.desk.now, self.desk.epoch)
        self.cursors: dict[str, int] = {}  # how far each lease's worker has told
        self.sent: list[tuple[WorkerKey, Report]] = []
        self.requests = 0

    # --- what happens

    def command(self, command: Command) -> Reply:
        """Carry out an owner's command; look and expiry first or last, as the design says."""
        reply = self.desk.carry_out(command)
        self.model.look(self.desk.now, self.desk.epoch)
        return reply

    def finish(self) -> None:
        self.model.expire()
        self.model.settle()
        self.model.compare(self.desk.ledger)

    def exchange(self, key: WorkerKey, reports: tuple[Report, ...], want: Want | None, request: str | None) -> Reply:
        self.desk.now += 2.0  # work takes its time, so blocks stay small
        ledger, model, now = self.desk.ledger, self.model, self.desk.now
        claimed_at = {worker.key: worker.claimed_at for worker in ledger.workers.by_key.values() if worker.active}
        reply = self.desk.carry_out(Exchange(key, reports, want, request))
        if model.look(now, self.desk.epoch):
            claimed_at = dict.fromkeys(claimed_at, now - LEASE_SECONDS)
        for report, answer in zip(reports, reply.reports, strict=True):
            seq = model.seq
            expected = model.report(key, report)
            self.compare_reply(report, answer, expected, seq)
        model.expire()
        model.settle()
        if want is not None:
            self.check_claim(key, request, reply, claimed_at)
        assert reply.state is model.state
        model.compare(ledger)
        return reply

    def compare_reply(self, report: Report, answer: ReportReply, expected: Any, seq: int) -> None:
        assert answer.lease == report.lease
        assert answer.status == expected.status, (answer, expected)
        assert (answer.error is not None) == (expected.status == "error")
        assert (answer.cursor, answer.end) == (expected.cursor, expected.end)
        if expected.rest is not None:
            assert answer.rest is not None
            assert {index for ends in answer.rest for index in range(*ends)} == expected.rest
        told = report.outcomes.ranges if report.outcomes else ()
        kept = told if answer.recorded is None else answer.recorded
        assert {index for ends in kept for index in range(*ends)} == expected.kept
        if expected.kept:
            assert answer.seq == seq

    def check_claim(
        self, key: WorkerKey, request: str | None, reply: Reply, claimed_at: dict[WorkerKey, float]
    ) -> None:
        ledger, model, now = self.desk.ledger, self.model, self.desk.now
        again = [
            lease_id
            for lease_id, lease in model.leases.items()
            if request is not None and (lease.key, lease.request) == (key, request)
        ]
        granted = [event for event in self.desk.events if isinstance(event, Granted)]
        if again:
            assert reply.lease == again[0]
            assert not granted
            return
        if model.state is not ListState.RUNNING:
            assert reply.lease is None
            assert (reply.retry_in_seconds is None) == (model.state is not ListState.PAUSED)
            return
        active = {
            other
            for other in claimed_at
            if any(lease.key == other for lease in model.leases.values()) or claimed_at[other] > now - 2 * LEASE_SECONDS
        }
        expected = model.eligible(key, active)
        limits = model.rules.limits
        held = sum(lease.key == key for lease in model.leases.values())
        if granted:
            assert reply.lease == granted[0].lease
            assert held < limits.blocks_per_worker
            assert ledger.workers.active <= limits.workers
            model.grant(granted[0], expected)
            self.check_block(granted[0])
            return
        assert reply.reason
        assert reply.retry_in_seconds is not None
        assert reply.retry_in_seconds > 0
        lately = ledger.workers.refreshed_at > now - 1.0  # they are counted anew once a second at most
        crowded = key not in active and (len(active) >= limits.workers or lately)
        slow = limits.items_per_second is not None and ledger.tokens_now(now) < 1
        assert expected is None or held >= limits.blocks_per_worker or crowded or slow, reply.reason

    def check_block(self, granted: Granted) -> None:
        size = granted.stop - granted.start
        block = self.model.rules.block.size
        assert granted.block_size <= size
        if block is not None:
            begun = (granted.start - self.model.start) % block
            assert size <= (block - begun if begun else block * 1_024)
            assert granted.block_size == min(size, block)

    # --- workers

    @rule(data=st.data(), names=deeds)
    def work(self, data: st.DataObject, names: list[str]) -> None:
        """Workers do one thing after another."""
        for name in names:
            living = self.model.leases or (self.cursors and name == "repeat")
            getattr(self, name if living else "claim")(data)

    @rule(data=st.data(), names=deeds)
    def work_more(self, data: st.DataObject, names: list[str]) -> None:
        """As above: this is what mostly happens."""
        self.work(data, names)

    @rule(data=st.data(), names=deeds)
    def work_late(self, data: st.DataObject, names: list[str]) -> None:
        """Some time passes, a lease or two may expire, and their workers report all the same."""
        self.look(59.0, 0)
        if self.cursors:
            for name in names:
                getattr(self, name if name != "complete" or self.model.leases else "go_on")(data)

    def claim(self, data: st.DataObject) -> None:
        key = data.draw(keys)
        self.requests += not data.draw(st.booleans())
        reply = self.exchange(key, (), Want(), f"r{self.requests}")
        self.took(reply)

    def took(self, reply: Reply) -> None:
        if reply.lease is not None:
            lease = self.desk.ledger.leases[reply.lease]
            self.cursors.setdefault(lease.id, lease.start)

    def a_lease(self, data: st.DataObject) -> tuple[str, int, int]:
        """One of all the leases that there have ever been, more often a living one."""
        living = self.model.leases if data.draw(st.integers(0, 3)) else None
        lease = data.draw(st.sampled_from(sorted(living or self.cursors)))
        return (lease, *self.model.ranges[lease])

    def made(self, data: st.DataObject, lease: str, **fields: Any) -> Report:
        """A report with what fits to what it tells: its fold, results for some of it."""
        start, _ = self.model.ranges[lease]
        report = Report(lease, **{"index": start, "upto": start, **fields})
        begin = report.index if report.begin is None else report.begin
        told = set(range(begin, report.upto)).union(*(range(*ends) for ends in report.ranges))
        told -= {index for index, _ in report.failed}
        if self.model.rules.fold is not None and told and data.draw(st.booleans() | st.just(value=True)):
            report = replace(report, fold=sum(map(value_of, told)))
        if told and data.draw(st.booleans()):
            some = {index for index in sorted(told) if data.draw(st.booleans())}
            ranges = tuple((run[0], run[-1] + 1) for run in runs_of(some))
            bad = tuple(index for index in sorted(some) if index % 3 == 0)
            report = replace(report, outcomes=Outcomes(ranges, bad))
        return report

    def send(self, key: WorkerKey, *reports: Report, want: bool = False) -> None:
        self.sent += [(key, report) for report in reports]
        self.requests += want
        reply = self.exchange(key, reports, Want() if want else None, f"r{self.requests}" if want else None)
        self.took(reply)

    def go_on(self, data: st.DataObject) -> None:
        """The next few are done: told alone, or all so far with them, over what was told to have failed."""
        lease, _, stop = self.a_lease(data)
        upto = min(stop, self.cursors[lease] + data.draw(st.integers(0, 4)))
        fields: dict[str, Any] = {"upto": upto}
        if data.draw(st.booleans()):
            fields["begin"] = self.cursors[lease]
        if data.draw(st.booleans()):  # else the reply is lost
            self.cursors[lease] = upto
        self.send(self.holder(data, lease), self.made(data, lease, **fields), want=data.draw(st.booleans()))

    def complete(self, data: st.DataObject) -> None:
        """All that is left is done."""
        lease = data.draw(st.sampled_from(sorted(self.model.leases)))
        rest = sorted(self.model.rest(lease))
        ranges = tuple((run[0], run[-1] + 1) for run in runs_of(set(rest)))
        self.cursors[lease] = rest[-1] + 1
        self.send(self.model.leases[lease].key, self.made(data, lease, ranges=ranges), want=data.draw(st.booleans()))

    def tell_anything(self, data: st.DataObject) -> None:
        """Ranges in any order, inside and outside of the lease, true or not."""
        lease, start, _ = self.a_lease(data)
        ends = data.draw(st.lists(st.tuples(st.integers(-2, 14), st.integers(0, 6)), max_size=4))
        ranges = tuple((start + index, start + index + size) for index, size in ends)
        fields: dict[str, Any] = {"ranges": ranges}
        if data.draw(st.booleans()):
            begin = start + data.draw(small)
            fields |= {"begin": begin, "upto": begin + data.draw(small)}
        self.send(self.holder(data, lease), self.made(data, lease, **fields))

    def fail_items(self, data: st.DataObject) -> None:
        """Some items could not be worked at all; `upto` may jump over those that were told before."""
        lease, start, stop = self.a_lease(data)
        indices = [start + index for index in data.draw(st.lists(st.integers(-1, 14), max_size=3))]
        upto = start
        if data.draw(st.booleans()):
            upto = self.cursors[lease] = min(stop, self.cursors[lease] + data.draw(st.integers(0, 4)))
        failed = tuple((index, f"no {index - start}") for index in indices)
        self.send(self.holder(data, lease), self.made(data, lease, upto=upto, failed=failed))

    def end_lease(self, data: st.DataObject) -> None:
        lease, start, stop = self.a_lease(data)
        how = data.draw(st.sampled_from(["error", "error", "error at", "release", "end", "wrong"]))
        upto = min(stop, self.cursors[lease] + data.draw(st.integers(0, 4)))
        at = data.draw(st.integers(start - 1, stop))
        fields: dict[str, Any] = {
            "error": {"error": Failure("broken")},
            "error at": {"error": Failure("broken", at)},
            "release": {"release": True},
            "end": {"end": at},
            "wrong": {"index": start + 1, "upto": data.draw(st.integers(start - 1, stop + 1))},
        }[how]
        self.send(self.holder(data, lease), self.made(data, lease, **{"upto": upto, **fields}))

    def holder(self, data: st.DataObject, lease: str) -> WorkerKey:
        """Whoever holds it, mostly; else another name of the same principal, or another principal."""
        principal = self.model.principals[lease]
        return data.draw(st.sampled_from([key for key in KEYS if key.principal == principal] * 3 + KEYS))

    def repeat(self, data: st.DataObject) -> None:
        """The reply was lost, or the message comes twice, or late."""
        if self.sent:
            key, report = data.draw(st.sampled_from(self.sent[-8:]))
            self.send(key, report, want=data.draw(st.booleans()))

    def send_several(self, data: st.DataObject) -> None:
        """One exchange with reports on several leases, good and bad ones."""
        if not self.sent:
            return
        chosen = data.draw(st.lists(st.sampled_from(self.sent[-8:]), min_size=2, max_size=3))
        fresh = [self.made(data, lease, upto=held.stop) for lease, held in list(self.model.leases.items())[:2]]
        self.send(chosen[0][0], *(report for _, report in chosen), *fresh, want=data.draw(st.booleans()))

    # --- time

    @rule(seconds=st.sampled_from([0.0, 1.0, 25.0, 45.0, 59.0, 59.0]), away=st.integers(0, 5))
    def look(self, seconds: float, away: int) -> None:
        """Time passes; now and then nobody looks for a while, and the clock may jump, or begin anew."""
        if away == 5:
            self.desk.now += 10 * seconds - 100
            self.desk.epoch += "+" * (seconds > 50)
            return
        self.desk.now += seconds
        self.command(Sweep())
        self.finish()

    @rule(from_snapshot=st.booleans())
    def restart(self, from_snapshot: bool) -> None:  # noqa: FBT001 - drawn
        """Another server goes on, with a snapshot or with the journal."""
        looked_at = self.desk.ledger.looked_at
        if from_snapshot:
            self.desk.restart()
        else:
            self.desk.ledger, self.desk.shadow = self.desk.shadow, self.desk.ledger
        self.desk.ledger.looked_at = looked_at

    # --- owners

    @rule(data=st.data(), wish=st.sampled_from(WISHES))
    def wish(self, data: st.DataObject, wish: str) -> None:
        """An owner wants something."""
        if wish in ("pause", "resume", "cancel"):
            self.move(Move(wish))
        else:
            getattr(self, wish)(data)

    def move(self, move: Move) -> None:
        model = self.model
        open_states = (ListState.RUNNING, ListState.PAUSED, ListState.CANCELLED, ListState.STOPPED)
        allowed = open_states[:2] if move is Move.PAUSE else open_states
        past = len(model.those("parked")) > model.rules.limits.parked
        past = past and move is Move.RESUME and model.state is not ListState.RUNNING
        try:
            self.command(MoveList(move))
        except WrongState:
            assert model.state not in allowed or past
            return
        assert model.state in allowed
        assert not past
        stop = model.rules.stop_after_results
        if move is Move.RESUME and model.state is ListState.STOPPED and stop and len(model.results) >= stop:
            model.rules = replace(model.rules, stop_after_results=None)
        model.state = AFTER[move]
        self.finish()

    def change_rules(self, data: st.DataObject) -> None:
        limits = replace(self.model.rules.limits, parked=data.draw(st.sampled_from([0, 1, 1_000])))
        rules = replace(
            self.model.rules,
            block=data.draw(st.sampled_from([BlockRule(size=1), BlockRule(size=5), BlockRule(max=3), BlockRule()])),
            attempts=data.draw(st.integers(1, 4)),
            stop_after_results=data.draw(st.sampled_from([None, 3, 20])),
            limits=limits,
        )
        self.command(ChangeRules(rules))
        self.model.rules = rules
        self.finish()

    def grow(self, data: st.DataObject) -> None:
        model = self.model
        more = data.draw(st.integers(0, 5))
        self.command(Grow(model.size + more))
        model.grow(more)
        self.finish()

    def unpark(self, data: st.DataObject) -> None:
        ranges = data.draw(st.none() | few.map(self.ranges))
        asked = set(self.model.items) if ranges is None else expanded(ranges)
        back = asked & self.model.those("parked")
        assert self.command(Unpark(ranges)).changed == len(back)
        self.model.bring_back(back)
        self.finish()

    def rerun(self, data: st.DataObject) -> None:
        model = self.model
        ranges = self.ranges([(0, model.size)] if data.draw(st.booleans()) else data.draw(few))
        back = expanded(ranges) & model.those("done")
        results = [model.results[index] for index in back & model.results.keys()]
        try:
            reply = self.command(RerunDone(ranges, len(results), results.count(False)))
        except FoldCannotBeDivided:
            assert model.rules.fold is not None
            assert back != model.those("done")
            return
        assert reply.changed == len(back)
        if back and model.rules.fold is not None:
            assert back == model.those("done")
            model.fold = None
        model.bring_back(back)
        self.finish()

    def take_back(self, data: st.DataObject) -> None:
        if self.model.leases:
            lease = data.draw(st.sampled_from(sorted(self.model.leases)))
            self.command(TakeBack((lease, "unknown")))
            self.model.come_back(lease, self.model.rest(lease))
            del self.model.leases[lease]
            self.finish()

    def ranges(self, ends: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
        start = self.model.start
        return tuple((start + index, start + index + size) for index, size in ends)

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            self.desk.check_replay()
            if self.model.rules.fold is not None:
                assert (self.model.fold or 0) == sum(map(value_of, self.model.those("done")))


TestLedgerMachine = LedgerMachine.TestCase
