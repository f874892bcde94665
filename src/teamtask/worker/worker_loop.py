"""`WorkerLoop`: what all ways of working commands share: begin, wait, report, claim, and stop in good order.

What it says goes through a port, one message at a time; while one is in flight, work goes on, and what becomes due goes
with the next.
"""

from __future__ import annotations

import secrets
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, Protocol

from teamtask.ledger.big_numbers import counted
from teamtask.ledger.errors import TeamtaskError
from teamtask.wire.messages import Exchange, Want
from teamtask.worker.port import how_many_fit
from teamtask.worker.running_command import Tag

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamtask.wire.messages import Lease, Reply, Report, ReportStatus
    from teamtask.worker.port import Port, Sent
    from teamtask.worker.run_command import CommandRunner
    from teamtask.worker.running_command import Finished

REPORT_SECONDS: Final = 0.02  # an outcome waits no longer for others to be reported with it
TROUBLE_SECONDS: Final = 1.0  # an exchange that failed is tried again after so long
TICK_SECONDS: Final = 0.1  # how often whoever watches is told the time
KILLED_SECONDS: Final = 3.0  # how long the end waits for answers after `kill`, which give back what was killed
LEASE_SECONDS_MIN: Final = 1.0  # what is left of one may be less; looking at it more often does not help
WAITING_BYTES_MAX: Final = 64 << 20  # of results that wait to be reported; then nothing new is begun
OUTCOME_BYTES: Final = 256  # what keeping an outcome costs beside its own bytes
EXCHANGES_AHEAD: Final = 2  # so many exchanges before there is nothing to do more is claimed
_EXCHANGE_SECONDS_MAX: Final = 2.0  # what takes longer is an outage, and no reason to claim more
OVER = frozenset({"complete", "complete_except", "stopped", "cancelled"})
ALIVE = frozenset({"held", "already_done"})  # a lease with these statuses goes on, if it has not expired


class NotDelivered(TeamtaskError):
    """The end of the work could not be told."""

    code = "not_delivered"
    hint = "What was not recorded comes back when its leases expire, and is worked again."


class Watcher(Protocol):
    """Who is told what happens: it shows progress and writes output."""

    def finished(self, index: int, item: object, finished: Finished[object]) -> None:
        """Look at an outcome; `finished` is closed afterwards."""
        ...

    def tick(self, running: int) -> None:
        """Look at the clock; so many commands are running."""
        ...


class InFlight(NamedTuple):
    """What was said at that time and is not answered."""

    sent: list[Sent[Any, Any]]
    claims: bool
    at: float


class WorkerLoop(ABC, Generic[Tag]):
    """Claims, runs, reports, until the list has no more or somebody stops it.

    After `run`, `halted` tells whether it stopped for failures, `state` and `reason` how the list stood at the last
    exchange. With `waits` false, a paused list ends the work; with `forever`, nothing but `stop` and errors does. With
    `ahead` it claims before it has nothing to do. What is finished waits `report_seconds` for more.
    `refused` is told of each claim that was given nothing for now: so many leases are held, so many slots are free.
    """

    def __init__(  # noqa: PLR0913 - the settings of all ways of working
        self,
        port: Port,
        worker: str,
        runner: CommandRunner[Tag],
        watcher: Watcher,
        *,
        lease_seconds: float,
        ask_seconds_max: float = 5.0,
        report_seconds: float = REPORT_SECONDS,
        waits: bool = True,
        forever: bool = False,
        ahead: bool = False,
        refused: Callable[[int, int], None] = lambda _held, _free: None,
    ) -> None:
        self._port = port
        self._worker = worker
        self._runner = runner
        self._watcher = watcher
        self._lease_seconds = lease_seconds
        self._lease_lasts(lease_seconds)
        self._ask_seconds_max = ask_seconds_max
        self._report_seconds = report_seconds
        self._waits = waits
        self._forever = forever
        self._ahead = ahead
        self._told_refused = refused
        self._leases: set[str] = set()  # what is held, as the server has it
        self._in_flight: InFlight | None = None
        self._exchange_seconds = 0.0  # how long an exchange takes, about
        self._ask_at = 0.0
        self._reported_at = 0.0
        self._troubled_until = 0.0
        self._ended_at: float | None = None
        self._killed_at: float | None = None
        self._over = False
        self._stopping = False
        self.halted = False
        self.state = "running"
        self.reason: str | None = None

    def run(self) -> None:
        """Work until there is nothing more.

        Raises StoreUnavailable and the like once what is in hand is finished, and NotDelivered.
        """
        try:
            self._run()
        finally:
            self._port.close()

    def _run(self) -> None:
        trouble: TeamtaskError | None = None
        while True:
            try:
                if not self._turn():
                    break
            except TeamtaskError as error:
                trouble = trouble or error
                self.stop()
                if not self._runner.running:
                    break
        try:
            while self._report(release=True):  # the last chance also for what could not be reported before
                self._await_answer()
        except TeamtaskError as error:
            raise trouble or error from error
        if trouble is not None:
            raise trouble

    def _turn(self) -> bool:
        """Begin, wait, take, report; tell whether there is more to do."""
        self._take_answer()
        if self._killed_at is not None:
            self._runner.kill_all()
        elif not self._stopping:
            self._fill()
        if not self._runner.running and (self._stopping or self._over):
            self._await_answer()
            return False
        for finished in self._runner.wait(self._pause()):
            if self._killed_at is None:
                self._finish(finished)
            finished.close()
        self._watcher.tick(self._runner.running)
        now = time.monotonic()
        if self._may_report(now):
            self._report_if_due(now)
        return True

    def stop(self) -> None:
        """Begin nothing more, finish what is in hand. May be called from a signal handler."""
        self._stopping = True
        self._runner.wakeup()

    def kill(self) -> None:
        """Kill what is in hand; it is not done. May be called from a signal handler."""
        self._killed_at = self._killed_at or time.monotonic()
        self.stop()

    def halt(self) -> None:
        """Stop because of failures."""
        self.halted = self._stopping = True

    def undelivered(self) -> tuple[Report, ...]:
        """Give, after `run`, what did not arrive as far as anybody knows: in flight, waiting, or held and given back.

        The same reports may be sent later: what arrived all the same counts once.
        """
        waiting = self._reports(time.monotonic(), claim=False, release=True)
        for one in reversed(waiting):
            self._put_back(one)
        in_flight = [] if self._in_flight is None else self._in_flight.sent
        return tuple(one.report for one in (*in_flight, *waiting))

    # --- what the ways of working differ in

    @abstractmethod
    def _fill(self) -> None:
        """Begin as much as there is room for."""

    @abstractmethod
    def _finish(self, finished: Finished[Tag]) -> None:
        """Take what came of a command."""

    @abstractmethod
    def _due_at(self) -> float | None:
        """Give when `_report_if_due` has something to do; None when nothing waits."""

    @abstractmethod
    def _report_if_due(self, now: float) -> None:
        """Report what has waited long enough."""

    @abstractmethod
    def _reports(self, now: float, *, claim: bool, release: bool) -> list[Sent[Any, Any]]:
        """Take what there is to be said, leases that were silent for long included; with `release` give all back.

        `claim`: it is said together with a claim.
        """

    @abstractmethod
    def _put_back(self, sent: Sent[Any, Any]) -> None:
        """Take back what was not said, or maybe not heard, to be said before what was taken in before."""

    @abstractmethod
    def _hold(self, lease: Lease, now: float) -> None:
        """Take a lease, as old as this."""

    @abstractmethod
    def _answered(self, sent: Sent[Any, Any], status: ReportStatus) -> None:
        """Take the answer to a report: its lease goes on, ends earlier, or is over."""

    @abstractmethod
    def _let_go(self) -> None:
        """Begin nothing more of what is held, and give it back when what is in hand is finished: the list is over."""

    # --- saying and hearing

    @property
    def _slots(self) -> int:
        return self._runner.running + self._runner.free_slots

    def _may_claim(self, now: float) -> bool:
        return not self._stopping and not self._over and now >= self._ask_at and self._in_flight is None

    def _may_report(self, now: float) -> bool:
        return self._in_flight is None and now >= self._troubled_until

    def _report(self, *, claim: bool = False, release: bool = False) -> bool:
        """Say what there is to say, unless an answer is awaited; tell whether something was said.

        With `release` what is held is given back.
        """
        if self._in_flight is not None:
            return False
        now = time.monotonic()
        want = Want() if claim and not self._stopping and not self._over else None
        sent = self._reports(now, claim=want is not None, release=release)
        count = how_many_fit(sent)
        for later in reversed(sent[count:]):
            self._put_back(later)
        del sent[count:]
        if not sent and want is None:
            return False
        self._reported_at = now
        self._in_flight = InFlight(sent, want is not None, now)
        request = secrets.token_urlsafe(12) if want is not None and self._port.repeats else None
        message = Exchange(self._worker, request, want, tuple([one.report for one in sent]))
        try:
            self._port.post(message, self._runner.wakeup)
        except TeamtaskError:
            self._missed(self._in_flight)
            raise
        self._take_answer()
        return True

    def _take_answer(self) -> None:
        """Take the answer to what is in flight, if it is there."""
        said = self._in_flight
        if said is None:
            return
        try:
            reply = self._port.take()
        except BaseException:
            self._missed(said)
            raise
        if reply is not None:
            self._in_flight = None
            self._heed(said, reply)

    def _missed(self, said: InFlight) -> None:
        self._in_flight = None
        self._troubled_until = time.monotonic() + TROUBLE_SECONDS
        for one in reversed(said.sent):  # maybe it arrived: reports repeat safely
            self._put_back(one)

    def _heed(self, said: InFlight, reply: Reply) -> None:
        now = self._reported_at = time.monotonic()
        self._exchange_seconds = min((self._exchange_seconds + now - said.at) / 2, _EXCHANGE_SECONDS_MAX)
        self.state = reply.state
        self._learn_how_long_leases_last(reply)
        is_over = reply.state in OVER
        if is_over and not self._forever:
            self._over = True
        self._leases.update(lease.lease for lease in reply.leases)
        self._leases.difference_update(
            one.report.lease for one, status in zip(said.sent, reply.reports, strict=True) if not goes_on(status)
        )
        if said.claims and not reply.leases:
            self._refused_claim(reply, now)
        for lease in reply.leases:
            self._hold(lease, said.at)
        for one, status in zip(said.sent, reply.reports, strict=True):
            self._answered(one, status)
            if self._ahead and not said.claims and not goes_on(status):
                self._ask_at = 0.0  # who holds less may be given more
        if is_over:
            self._let_go()

    def _learn_how_long_leases_last(self, reply: Reply) -> None:
        """Renew in time also what ends sooner than leases did: the owner of the list may have changed that."""
        seconds = [lease.expires_in_seconds for lease in reply.leases]
        seconds += [one.expires_in_seconds for one in reply.reports if one.expires_in_seconds is not None]
        if seconds:
            self._lease_lasts(min(self._lease_seconds, max(LEASE_SECONDS_MIN, min(seconds))))

    def _lease_lasts(self, seconds: float) -> None:
        self._silent_seconds = seconds / 3  # after so long a lease is renewed,
        self._look_seconds = min(1.0, self._silent_seconds)  # and so often looked at

    def _refused_claim(self, reply: Reply, now: float) -> None:
        self.reason = reply.reason
        seconds = reply.retry_in_seconds
        if seconds is not None:
            self._told_refused(len(self._leases), self._runner.free_slots)
        if seconds is None and self._forever:
            seconds = self._ask_seconds_max
        elif self._ahead and seconds is not None and not self._runner.free_slots:
            seconds = self._ask_seconds_max  # there is no hurry
        self._over = self._over or seconds is None or (reply.state == "paused" and not self._waits)
        self._ask_at = now + min(seconds or 0.0, self._ask_seconds_max)

    def _await_answer(self) -> None:
        """Wait until nothing is in flight. Raises NotDelivered."""
        if self._in_flight is not None:
            self._port.hurry()
        while self._in_flight is not None:
            now = time.monotonic()
            self._ended_at = self._ended_at or now
            seconds = self._port.last_words_seconds
            until = self._ended_at + seconds
            if self._killed_at is not None:
                seconds = min(seconds, KILLED_SECONDS)
                until = min(until, max(self._ended_at, self._killed_at) + seconds)
            if now >= until:
                raise self._not_delivered(seconds)
            self._runner.wait(min(until - now, TICK_SECONDS))
            self._watcher.tick(self._runner.running)
            self._take_answer()

    def _not_delivered(self, seconds: float) -> NotDelivered:
        reports = self.undelivered()
        items = sum(
            report.upto - (report.index if report.begin is None else report.begin)
            + sum(size for _, size in report.ranges) + len(report.failed)
            for report in reports
        )  # fmt: skip
        leases = len({report.lease for report in reports if report.release})
        return NotDelivered(
            f"There was no answer within {seconds:g} s: nobody knows whether what came of "
            f"{counted(items, 'item', 'items')} has arrived, and {counted(leases, 'lease', 'leases')} could not be "
            "given back."
        )

    def _pause(self) -> float:
        now = time.monotonic()
        until = now + TICK_SECONDS
        if self._in_flight is None:
            due_at = self._due_at()
            if due_at is not None:
                until = min(until, max(due_at, self._troubled_until))
            elif self._runner.free_slots and not self._over and not self._stopping:
                until = min(until, self._ask_at)
        return max(0.0, until - now)


def goes_on(status: ReportStatus) -> bool:
    """Tell whether a lease is still held after this answer."""
    return status.status in ALIVE and status.expires_in_seconds is not None
