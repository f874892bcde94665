"""`Working`: what the controller knows of a list between two looks at it, and `Plan`: what it is to write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from teamtask.controller.kept_results import KeptResults
from teamtask.controller.restored import EPOCH
from teamtask.kube import objects as o
from teamtask.ledger.commands import Facts
from teamtask.ledger.decide import carry_out
from teamtask.ledger.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamtask.ledger.commands import Command, Reply


SHORT_SECONDS = 5.0
LAST_WORDS_SECONDS = 2.0  # so long after the end of a pod its last report may still be on the way

Trouble = tuple[str, str]  # a reason in one word, and a sentence


class Crew(Struct):
    """How the pods stand that the controller makes for a list."""

    count: int = 0
    trouble: Trouble | None = None  # why there are not as many as there are to be
    without_pod: dict[str, Trouble] = field(default_factory=dict)  # the same of blocks that have work, by uid
    writes: int = 0
    wake_seconds: float | None = None


class Slot(Struct):
    """What the controller knows of a block beyond the object, which may be older than what was written last."""

    sequence: int
    generation: int  # of the spec that was taken into account
    reason: str = ""  # why it has no work, or what is wrong with its report
    asked_at: float | None = None  # since when it asks for work in vain
    message: str = ""  # in a sentence, where the reason alone does not say it
    is_ours: bool = False  # the controller holds the block itself, for a pod of its own
    trouble: Trouble | None = None  # why that pod does not run
    is_lost: bool = False  # the pod that holds it has ended


class Working(Struct):
    """A list that is being worked through: its ledger, and the slots by the uids of their blocks."""

    worklist: o.Worklist  # as it was when the ledger was made
    ledger: Ledger
    written: o.WorklistStatus  # what the object says, as far as it is known here
    kept: KeptResults
    slots: dict[str, Slot] = field(default_factory=dict)
    priority: int = 0  # of the spec that was looked at last
    weight: float = 1.0
    ended_pods: dict[str, float] = field(default_factory=dict)  # by name: since when that is known
    crew: Crew = field(default_factory=Crew)
    stale: list[int] = field(default_factory=list)  # results of what is not done: a controller ended before it was
    is_full: bool = False  # results wait that find no room
    writes_per_second: float = 0.0  # that the list may cause
    is_behind: bool = False  # lists of a higher priority go first
    waiting: int = 0  # blocks that have no work because nothing more may be written now
    waited: int = 0  # of these, when last there were any
    short_since: float | None = None  # of writes, without a break of SHORT_SECONDS
    short_at: float = 0.0
    restarts: int = 0  # ranges that were handed out again
    rerun_revision: int = 0  # of the last rerun that was looked at
    rerun_refused: str = ""  # why it was not carried out

    @property
    def is_active(self) -> bool:
        """Whether anybody works on it, or waits for the write budget to do so."""
        return bool(self.ledger.leases or self.waiting)

    def note_ended_pods(self, names: Iterable[str], now: float) -> None:
        """Remember which of the list's pods have ended, and since when that is known."""
        self.ended_pods = {name: self.ended_pods.get(name, now) for name in names}

    def has_lost_pod(self, block: o.Block, now: float) -> bool:
        """Tell whether the pod that holds a block has ended, and has had the time for its last words."""
        since = self.ended_pods.get(block.spec.holder_pod or "")
        return since is not None and now - since >= LAST_WORDS_SECONDS

    def note_shortage(self, now: float) -> None:
        """Remember since when blocks wait for the write budget; a moment without counts as none."""
        if self.waiting:
            self.short_at, self.waited = now, self.waiting
            self.short_since = now if self.short_since is None else self.short_since
        elif now - self.short_at > SHORT_SECONDS:
            self.short_since = None

    def is_short(self, now: float) -> bool:
        """Tell whether blocks have been waiting for so long that it is worth saying."""
        return self.short_since is not None and now - self.short_since > SHORT_SECONDS


class Plan(Struct):
    """What is to be written, in this order; `wake_seconds` is when to look again though nothing happens."""

    worklist: o.WorklistStatus
    results: dict[int, str] = field(default_factory=dict)  # new rows, by index: before the list
    withdrawn: list[int] = field(default_factory=list)  # results that are gone: after the list, which changes then
    blocks: dict[str, o.BlockStatus] = field(default_factory=dict)
    counted: list[str] = field(default_factory=list)  # blocks whose finalizer can go
    writes: int = 0  # to the API server, those of holders included
    put_off: int = 0  # block statuses that are to be written later
    is_over: bool = False  # the list has been finished for as long as it was to stay
    wake_seconds: float | None = None


def decide(ledger: Ledger, command: Command, now: float, facts: Facts | None = None) -> Reply:
    """Carry out a command; the clock is the date. Raises as `carry_out`."""
    return carry_out(ledger, command, now, facts or Facts(epoch=EPOCH, date=now))[1]
