"""Events: facts about one list, in the order in which they happened; `apply` turns them into the ledger.

They are written as JSON arrays, tag first, so a journal stays small. A field is only ever added at the end, with a
default; an event that this version does not know, or knows with fewer fields, is refused and never skipped.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from teamtask.ledger.errors import UnknownFormat
from teamtask.ledger.lease_state import Cause
from teamtask.ledger.list_state import ListState
from teamtask.ledger.rules import Rules

Range = tuple[int, int]  # [start, stop)


class WorkerKey(NamedTuple):
    """Who works: the principal is proven, the worker's name is what it says of itself."""

    principal: str
    worker: str


class Written(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """What is kept as a JSON array; it can be in no cycle, so the collector need not look for one."""


class Memory(Written, frozen=True):
    """A lease that has ended and the range it was given: what it reports late may still count there."""

    lease: str
    key: WorkerKey
    start: int
    stop: int


class Piece(Written, frozen=True):
    """A range [start, stop) that was handed out and came back."""

    start: int
    stop: int
    failures: int = 0
    failed_by: tuple[WorkerKey, ...] = ()  # the last two
    restarts: int = 0  # how often it came back
    memories: tuple[Memory, ...] = ()


class Created(Written, frozen=True, tag="new"):
    """A list began."""

    rules: Rules
    start: int
    size: int
    state: ListState
    at: float
    epoch: str


class Granted(Written, frozen=True, tag="grant"):
    """A worker was given [start, stop) until `expires`."""

    lease: str
    name: str
    key: WorkerKey
    request: str | None
    start: int
    stop: int
    block_size: int
    returned: bool  # it was a returned piece, else the frontier
    wanted: int  # the size that its speed asked for, the base of the next step
    at: float
    expires: float


class Completed(Written, frozen=True, tag="done"):
    """All that was left of a lease was recorded."""

    lease: str
    at: float
    speed: float
    results: int = 0
    failed: int = 0
    fold: Any = None


class Recorded(Written, frozen=True, tag="part"):
    """Some of a lease was recorded, and it was extended."""

    lease: str
    ranges: tuple[Range, ...]
    at: float
    expires: float
    speed: float
    results: int = 0
    failed: int = 0
    fold: Any = None


class RecordedLate(Written, frozen=True, tag="late"):
    """Ranges of returned pieces and of other leases were recorded by an ended lease that they remember."""

    lease: str
    key: WorkerKey
    ranges: tuple[Range, ...]
    at: float
    results: int = 0
    failed: int = 0
    fold: Any = None


class Extended(Written, frozen=True, tag="beat"):
    """A lease was extended."""

    lease: str
    expires: float


class Returned(Written, frozen=True, tag="back"):
    """Parts of a lease came back."""

    lease: str
    pieces: tuple[Piece, ...]


class Parked(Written, frozen=True, tag="park"):
    """An index of a lease was set aside."""

    lease: str
    index: int
    failures: int
    error: str


class Ended(Written, frozen=True, tag="end"):
    """A lease is over; what was left of it has come back before."""

    lease: str
    cause: Cause


class Cut(Written, frozen=True, tag="cut"):
    """A lease ends earlier now; the tail has come back before."""

    lease: str
    stop: int


class LeasesRenewed(Written, frozen=True, tag="renew"):
    """Nobody could have reported: every lease expires one lease length after `at`."""

    at: float
    epoch: str
    anew: bool = False  # the clock began anew: no time of before can be compared with `at`


class WorkerSeen(Written, frozen=True, tag="seen"):
    """A worker asked for work and there was none."""

    key: WorkerKey
    at: float


class WorkersRefreshed(Written, frozen=True, tag="idle"):
    """Who was no longer active at `at` stopped counting, and the oldest of them were forgotten."""

    at: float


class Moved(Written, frozen=True, tag="state"):
    """The list went into a state, for a reason that a person can read."""

    state: ListState
    reason: str | None
    date: float = 0.0  # seconds since 1970


class RulesChanged(Written, frozen=True, tag="rules"):
    """The owner changed the rules."""

    rules: Rules


class Grown(Written, frozen=True, tag="grow"):
    """The list has `size` items now."""

    size: int


class Unparked(Written, frozen=True, tag="unpark"):
    """Parked indices came back, their failures forgotten."""

    ranges: tuple[Range, ...]


class Rerun(Written, frozen=True, tag="rerun"):
    """Done indices came back, and the counts of their results with them: those numbered below `before_seq`."""

    ranges: tuple[Range, ...]
    results: int
    failed: int
    before_seq: int = 0


Event = (
    Created | Granted | Completed | Recorded | RecordedLate | Extended | Returned | Parked | Ended | Cut
    | LeasesRenewed | WorkerSeen | WorkersRefreshed | Moved | RulesChanged | Grown | Unparked | Rerun
)  # fmt: skip

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Event]).decode


def encode_events(events: list[Event]) -> bytes:
    """Write the events of one journal row."""
    return _encode(events)


def decode_events(row: bytes) -> list[Event]:
    """Read the events of one journal row. Raises UnknownFormat for one that this version does not know."""
    try:
        return _decode(row)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:  # ValueError: what is no UTF-8
        message = "The journal of the list has an event that this version of Teamtask does not know."
        raise UnknownFormat(message) from error
