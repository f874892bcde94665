"""Commands: what somebody wants of one list, and the replies; plain values, checked where they enter."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from teamtask.ledger.errors import TeamtaskError
from teamtask.ledger.events import Range, WorkerKey
from teamtask.ledger.list_state import ListState, Move
from teamtask.ledger.rules import BLOCKS_PER_LEASE_MAX, Rules


class Facts(Struct, frozen=True, gc=False):
    """What a pure function cannot know."""

    lease: str = ""  # an id for the next lease, unguessable
    name: str = ""  # a public name for its block
    chance: float = 0.5  # in [0, 1), for jitter
    exchange_seconds: float = 0.0  # the measured cost of an exchange
    epoch: str = ""  # of the clock that `now` was read from
    date: float = 0.0  # seconds since 1970, for people; nothing is decided by it


class Outcomes(Struct, frozen=True, gc=False):
    """Which indices a report has results for: ranges [start, stop), disjoint and in order, and those not ok."""

    ranges: tuple[Range, ...]
    failed: tuple[int, ...] = ()


class Failure(Struct, frozen=True, gc=False):
    """Why a lease was given up, and at which index if that is known."""

    message: str
    index: int | None = None


class Report(Struct, frozen=True, gc=False):
    """What became of a lease; everything below `upto` (and in `ranges`) is done, but for `failed`.

    `index` is the lease's first index as it was leased; `begin` is the wire's `from`.
    """

    lease: str
    index: int
    upto: int
    begin: int | None = None
    ranges: tuple[Range, ...] = ()
    failed: tuple[tuple[int, str], ...] = ()
    outcomes: Outcomes | None = None
    fold: Any = None
    error: Failure | None = None
    release: bool = False
    end: int | None = None


class Want(Struct, frozen=True, gc=False):
    """What a claim asks for: blocks of so many seconds, if not the list's; so many fixed blocks at once at most."""

    seconds: float | None = None
    blocks: int = BLOCKS_PER_LEASE_MAX


class Exchange(Struct, frozen=True, gc=False):
    """Reports, then maybe a claim, of one worker."""

    key: WorkerKey
    reports: tuple[Report, ...] = ()
    want: Want | None = None
    request: str | None = None


class Sweep(Struct, frozen=True):
    """Expire what is due."""


class TakeBack(Struct, frozen=True):
    """Give leases back at once, without a failure: their owner says so, or their process is seen to be dead."""

    leases: tuple[str, ...]


class MoveList(Struct, frozen=True):
    """Pause, resume or cancel."""

    move: Move


class ChangeRules(Struct, frozen=True):
    """Put other rules (limits, block, stop) in the place of these."""

    rules: Rules


class Grow(Struct, frozen=True):
    """Make the list longer: `size` items in all; a list that awaits its items gets them so."""

    size: int


class Unpark(Struct, frozen=True):
    """Bring parked indices back; None for all."""

    ranges: tuple[Range, ...] | None


class RerunDone(Struct, frozen=True):
    """Bring done indices back. `results` and `failed` are the store's counts within them."""

    ranges: tuple[Range, ...]
    results: int = 0
    failed: int = 0


Command = Exchange | Sweep | TakeBack | MoveList | ChangeRules | Grow | Unpark | RerunDone


class ReportReply(Struct, frozen=True, gc=False):
    """What became of a report. `recorded` is what of its results is to be kept, None for all of them."""

    lease: str
    status: str  # held done failed released already_done stale cut error
    cursor: int | None = None
    end: int | None = None
    expires: float | None = None
    rest: tuple[Range, ...] | None = None
    error: TeamtaskError | None = None
    recorded: tuple[Range, ...] | None = ()
    seq: int = 0  # of the first result that is kept


class Reply(Struct, gc=False):
    """What a command came to: one entry a report, and for a claim a lease or the seconds to wait."""

    reports: list[ReportReply]
    state: ListState
    lease: str | None = None
    retry_in_seconds: float | None = None
    reason: str | None = None  # why there is no lease
    changed: int = 0  # indices that an owner's command brought back
    left: int = 0  # ranges that did not fit into one call
