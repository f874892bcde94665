"""`BlockWork`: a command per block; the items come on its stdin, and it may report in a file what it has done."""

from __future__ import annotations

import math
import os
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from teamtask.wire.messages import Report
from teamtask.worker.block_report import BlockReport
from teamtask.worker.held_blocks import HeldBlocks
from teamtask.worker.placeholders import encode, text_of
from teamtask.worker.port import Sent
from teamtask.worker.running_command import last_line
from teamtask.worker.worker_loop import OUTCOME_BYTES, WAITING_BYTES_MAX, WorkerLoop, goes_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamtask.wire.messages import Lease, ReportStatus
    from teamtask.worker.block_report import Told
    from teamtask.worker.items import Items
    from teamtask.worker.placeholders import Template
    from teamtask.worker.running_command import Finished

HOPELESS_BLOCKS: Final = 10  # so many failed and none done: the command itself is wrong
STDIN_BYTES: Final = 65_536


class Block(Struct):
    """A block that is being worked: [index, stop); `counted` is whether its command is counted as done or as failed."""

    hold: HeldBlocks
    index: int
    stop: int
    sequence: int
    report: BlockReport
    tries: int
    counted: bool | None = None


class BlockWork(WorkerLoop[Block]):
    """Works blocks, one lease at a time for each slot; a failed command gives its lease back with a failure."""

    def __init__(
        self,
        *loop: Any,  # noqa: ANN401 - those of WorkerLoop
        source: Items,
        template: Template,
        list_name: str,
        separator: bytes = b"\n",
        fold: bool = False,
        retries: int = 0,
        halt_after: int | None = None,
        **settings: Any,  # noqa: ANN401 - those of WorkerLoop
    ) -> None:
        super().__init__(*loop, **settings)
        self._source = source
        self._template = template
        self._separator = separator
        self._fold = fold
        self._retries = retries
        self._halt_after = halt_after
        self._list = list_name.encode("utf-8", "surrogateescape")
        self._folder = tempfile.TemporaryDirectory(prefix="teamtask-", ignore_cleanup_errors=True)
        self._holds: dict[str, HeldBlocks] = {}  # by lease: what is not worked to its end
        self._in_hand: dict[int, Block] = {}  # by sequence
        self._to_report: list[Sent[HeldBlocks, Block | None]] = []
        self._waiting_bytes = 0  # of it
        self._looked_at = 0.0
        self._sequence = 0
        self._done = 0
        self.failed = 0

    def run(self) -> None:
        """As WorkerLoop; the folder of the reports is removed afterwards."""
        with self._folder:
            super().run()

    # --- beginning blocks

    def _fill(self) -> None:
        while self._runner.free_slots and self._may_begin:
            hold = self._startable()
            if hold is None and self._may_claim(time.monotonic()):
                self._report(claim=True)
                hold = self._startable()
            if hold is None:
                break
            self._begin(hold, *hold.take())
        if self._ahead and self._wants_claim(time.monotonic()):
            self._report(claim=True)

    @property
    def _may_begin(self) -> bool:
        return not self._stopping and not self._over and self._waiting_bytes < WAITING_BYTES_MAX

    def _startable(self) -> HeldBlocks | None:
        """Find the oldest lease that has a block to be begun: one that nobody works, or, ahead, any."""
        for hold in self._holds.values():
            if hold.has_more and (self._ahead or not hold.in_hand):
                return hold
        return None

    def _wants_claim(self, now: float) -> bool:
        """Tell whether more is to be claimed: for a free slot, or ahead if no lease is ready to be begun."""
        if not self._may_claim(now) or not self._may_begin:
            return False
        if self._ahead:
            return all(hold.is_begun or hold.is_left for hold in self._holds.values())
        return self._runner.free_slots > 0 and self._startable() is None

    def _begin(self, hold: HeldBlocks, index: int, stop: int, tries: int) -> None:
        """Start a block of a lease."""
        self._sequence += 1
        report = BlockReport(Path(self._folder.name) / str(self._sequence), index, stop, fold=self._fold)
        block = Block(hold, index, stop, self._sequence, report, tries)
        hold.in_hand += 1
        self._in_hand[self._sequence] = block
        size = stop - index
        surroundings = {
            b"TEAMTASK_INDEX": str(index).encode(),
            b"TEAMTASK_SIZE": str(size).encode(),
            b"TEAMTASK_LIST": self._list,
            b"TEAMTASK_REPORT": os.fsencode(report.path),
        }
        argv = self._template.expand(None, index, self._sequence, size)
        self._runner.start(block, argv, extra_env=surroundings, stdin=self._stdin(index, size))

    def _stdin(self, index: int, size: int) -> Iterator[bytes]:
        chunk: list[bytes] = []
        length = 0
        for item in self._source.items(index, size):
            line = encode(text_of(item)) + self._separator
            chunk.append(line)
            length += len(line)
            if length >= STDIN_BYTES:
                yield b"".join(chunk)
                chunk, length = [], 0
        if chunk:
            yield b"".join(chunk)

    # --- ending them

    def _finish(self, finished: Finished[Block]) -> None:
        block = finished.tag
        hold = block.hold
        hold.in_hand -= 1
        del self._in_hand[block.sequence]
        self._tell(block, block.report.finish(ok=finished.ok))
        why = None if finished.ok else _why(finished)
        if why is None and block.report.invalid is not None:
            why = block.report.invalid.message
        self._watcher.finished(block.index, f"{hold.lease.name} {block.index}", finished)
        block.report.remove()
        if not hold.is_over and block.counted is None:
            self._count(block, why, interrupted=finished.signal == signal.SIGINT)
        if not hold.in_hand and not hold.has_more and not hold.is_left:
            self._holds.pop(hold.lease.lease, None)

    def _count(self, block: Block, why: str | None, *, interrupted: bool) -> None:
        """Take how a block ended, and go on with its lease."""
        hold, upto = block.hold, block.report.upto
        stop = min(block.stop, hold.end)
        if why is None:
            block.counted = True
            self._done += 1
        elif (self._stopping and interrupted) or (block.tries < self._retries and upto < stop):
            hold.put_back(upto, stop, block.tries + 1)  # when we stop it is given back, so that the next run tries it
        else:
            self._fail(block, why)
        if hold.has_more and self._may_begin and self._runner.free_slots:
            self._begin(hold, *hold.take())

    def _fail(self, block: Block, why: str) -> None:
        """Have a lease given back with a failure."""
        block.counted = False
        self._give_back(block.hold, why)
        self.failed += 1
        if not self._done and self.failed >= HOPELESS_BLOCKS:
            self.reason = f"The first {self.failed} blocks failed: the command seems to be wrong. The last one: {why}"
            self.halt()
        elif self._halt_after is not None and self.failed >= self._halt_after:
            self.halt()

    def _give_back(self, hold: HeldBlocks, why: str | None = None) -> None:
        hold.leave(why)
        if not hold.is_over:
            self._holds[hold.lease.lease] = hold  # also if all of it has been worked

    # --- reports

    def _tell(self, block: Block, told: list[Told]) -> None:
        lease = block.hold.lease
        for begin, upto, results, fold in told:
            report = Report(lease.lease, lease.index, upto, begin=begin, results=results, fold=fold)
            self._wait(Sent(block.hold, report, block), len(self._to_report))

    def _wait(self, sent: Sent[HeldBlocks, Block | None], position: int) -> None:
        self._to_report.insert(position, sent)
        results = sent.report.results
        self._waiting_bytes += OUTCOME_BYTES + (0 if results is None else len(results.values))

    def _due_at(self) -> float | None:
        return self._looked_at + self._report_seconds if self._to_report or self._holds else None

    def _report_if_due(self, now: float) -> None:
        if now - self._looked_at >= self._report_seconds:
            self._looked_at = now
            for block in self._in_hand.values():
                if self._waiting_bytes < WAITING_BYTES_MAX:  # else it waits in the file
                    self._tell(block, block.report.read())
            fails = any(hold.why is not None for hold in self._holds.values())
            self._report(claim=not fails and self._wants_claim(now))

    def _reports(self, now: float, *, claim: bool, release: bool) -> list[Sent[HeldBlocks, Block | None]]:
        sent, self._to_report = self._to_report, []
        self._waiting_bytes = 0
        for one in sent:
            one.held.reported_at = now
        for hold in list(self._holds.values()):
            # A failure is not told with a claim, which would be given the very same block.
            ends = release or (hold.is_left and not hold.in_hand and not (claim and hold.why is not None))
            if ends or now - hold.reported_at >= self._silent_seconds:
                hold.reported_at = now
                sent.append(Sent(hold, hold.say(ends=ends), None))
            if ends:
                del self._holds[hold.lease.lease]
        return sent

    def _put_back(self, sent: Sent[HeldBlocks, Block | None]) -> None:
        hold = sent.held
        hold.reported_at = -math.inf
        if sent.told is not None:
            self._wait(sent, 0)
        elif not hold.is_over and (hold.in_hand or hold.has_more or hold.is_left):
            self._holds[hold.lease.lease] = hold

    def _hold(self, lease: Lease, now: float) -> None:
        self._holds[lease.lease] = HeldBlocks(lease, now)

    def _answered(self, sent: Sent[HeldBlocks, Block | None], status: ReportStatus) -> None:
        hold = sent.held
        if status.status == "error":
            if sent.told is not None:
                self._refused(sent.told, str((status.error or {}).get("message", "The report was refused.")))
        elif status.status == "cut":
            self._give_back(hold)  # the fold counts nowhere; what of the lease is open is worked again
        elif not goes_on(status):
            hold.is_over = True
            hold.leave()
            self._holds.pop(hold.lease.lease, None)
        elif status.end is not None:
            hold.cut(status.end)

    def _refused(self, block: Block, why: str) -> None:
        if block.counted is False:
            return  # its lease is being given back already
        if block.counted:
            self._done -= 1
        self._fail(block, why)

    def _let_go(self) -> None:
        for hold in self._holds.values():
            hold.leave()


def _why(finished: Finished[Block]) -> str:
    last = last_line(finished)
    how = (
        f"timed out after {finished.seconds:.1f} s"
        if finished.timed_out
        else f"signal {finished.signal}"
        if finished.signal
        else f"exit {finished.exit}"
    )
    return f"{how}: {last}" if last else how
