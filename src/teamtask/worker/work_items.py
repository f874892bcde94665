"""`ItemWork`: a command per item, so many at a time; what is finished is reported in groups."""

from __future__ import annotations

import signal
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from teamtask.worker.held_leases import HeldLease, HeldLeases
from teamtask.worker.running_command import last_line
from teamtask.worker.worker_loop import EXCHANGES_AHEAD, WAITING_BYTES_MAX, WorkerLoop

if TYPE_CHECKING:
    from teamtask.wire.messages import Lease, ReportStatus
    from teamtask.worker.held_leases import Outcomes
    from teamtask.worker.items import Items
    from teamtask.worker.placeholders import Template
    from teamtask.worker.port import Sent
    from teamtask.worker.running_command import Finished

KEPT_OUTPUT_BYTES: Final = 65_536
ITEM_SECONDS_MIN: Final = 0.001  # no command is faster


class Outcome(Struct, frozen=True, omit_defaults=True):
    """What came of an item's command, as it is kept; `seconds` to the microsecond, `output` up to 64 KiB.

    `error` is the last line that a failed one wrote to stderr, up to 1 KiB.
    """

    exit: int
    seconds: float
    output: str
    signal: int = 0
    timed_out: bool = False
    error: str = ""


class Began(Struct, frozen=True):
    """An item that is being worked, as the `sequence`-th, after so many tries."""

    held: HeldLease
    index: int
    item: object
    sequence: int
    tries: int


_encode = msgspec.json.Encoder().encode


class ItemWork(WorkerLoop[Began]):
    """Works items one by one; a failed one is tried `retries` times more, `halt_after` failed ones end the work."""

    def __init__(
        self,
        *loop: Any,  # noqa: ANN401 - those of WorkerLoop
        source: Items,
        template: Template,
        list_name: str,
        retries: int = 0,
        halt_after: int | None = None,
        **settings: Any,  # noqa: ANN401 - those of WorkerLoop
    ) -> None:
        super().__init__(*loop, **settings)
        self._template = template
        self._retries = retries
        self._halt_after = halt_after
        self._list = list_name.encode("utf-8", "surrogateescape")
        self._held = HeldLeases(source)
        self._again: deque[Began] = deque()
        self._sequence = 0
        self._item_seconds = 1.0  # about, once some have ended
        self.failed = 0

    def _fill(self) -> None:
        while self._runner.free_slots and not self._stopping and self._held.waiting_bytes < WAITING_BYTES_MAX:
            began = self._again.popleft() if self._again else self._next()
            if began is None:
                break
            surroundings = {
                b"TEAMTASK_INDEX": str(began.index).encode(),
                b"TEAMTASK_SIZE": b"1",
                b"TEAMTASK_LIST": self._list,
            }
            argv = self._template.expand(began.item, began.index, began.sequence)
            self._runner.start(began, argv, extra_env=surroundings)
        if self._ahead and self._wants_claim(time.monotonic()):
            self._report(claim=True)

    def _next(self) -> Began | None:
        found = self._held.next()
        if found is None and self._may_claim(time.monotonic()):
            self._report(claim=True)
            found = self._held.next()
        if found is None:
            return None
        self._sequence += 1
        return Began(*found, self._sequence, 0)

    def _wants_claim(self, now: float) -> bool:
        """Tell whether more is to be claimed: what is left is for the free slots, or ahead for the next exchanges."""
        if not self._may_claim(now) or self._held.waiting_bytes >= WAITING_BYTES_MAX:
            return False
        enough = self._runner.free_slots
        if self._ahead:
            enough = int(self._slots * (1 + EXCHANGES_AHEAD * self._exchange_seconds / self._item_seconds))
        return self._held.to_begin <= enough

    def _finish(self, finished: Finished[Began]) -> None:
        began = finished.tag
        if self._stopping and finished.signal == signal.SIGINT:
            return  # the Ctrl-C that stops us reached it before it had a process group of its own
        self._item_seconds = (self._item_seconds + max(finished.seconds, ITEM_SECONDS_MIN)) / 2
        if not finished.ok and began.tries < self._retries:
            if not self._stopping and began.held.is_open:
                self._again.append(Began(began.held, began.index, began.item, began.sequence, began.tries + 1))
            else:  # it is given back, so that the next run tries it
                began.held.in_hand -= 1
            return
        outcome = Outcome(
            finished.exit,
            round(finished.seconds, 6),
            finished.stdout.kept[:KEPT_OUTPUT_BYTES].decode("utf-8", "replace"),
            finished.signal or 0,
            finished.timed_out,
            "" if finished.ok else last_line(finished),
        )
        self._held.finish(began.held, began.index, _encode(outcome), ok=finished.ok)
        if not finished.ok:
            self.failed += 1
            if self._halt_after is not None and self.failed >= self._halt_after:
                self.halt()
        self._watcher.finished(began.index, began.item, finished)

    def _due_at(self) -> float | None:
        return self._reported_at + self._report_seconds if self._held.has_to_report else None

    def _report_if_due(self, now: float) -> None:
        if self._held.has_to_report:
            if now - self._reported_at >= self._report_seconds:
                self._report(claim=self._wants_claim(now))
        elif now - self._reported_at >= self._look_seconds:
            oldest = self._held.oldest_report()
            if oldest is not None and now - oldest >= self._silent_seconds:
                self._report()

    def _reports(
        self,
        now: float,
        *,
        claim: bool,  # noqa: ARG002 - WorkerLoop's
        release: bool,
    ) -> list[Sent[HeldLease, Outcomes]]:
        return self._held.reports(now, self._silent_seconds, release=release)

    def _put_back(self, sent: Sent[HeldLease, Outcomes]) -> None:
        self._held.put_back(sent)

    def _hold(self, lease: Lease, now: float) -> None:
        self._held.add(lease, now)

    def _answered(self, sent: Sent[HeldLease, Outcomes], status: ReportStatus) -> None:
        self._held.answered(sent.held, status)

    def _let_go(self) -> None:
        for began in self._again:
            began.held.in_hand -= 1
        self._again.clear()
        self._held.close()
