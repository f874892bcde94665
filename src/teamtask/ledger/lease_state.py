"""The life of a lease: one table; everything that ends a lease, and what becomes of its rest, stands in it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class LeaseState(StrEnum):
    """What a worker is told of its lease; only a held one is in the ledger."""

    HELD = "held"
    DONE = "done"
    FAILED = "failed"
    RELEASED = "released"
    EXPIRED = "expired"


class Cause(StrEnum):
    """What happens to a lease."""

    PROGRESS = "progress"  # a report, and something is left
    COMPLETE = "complete"  # a report, and nothing is left
    ERROR = "error"  # the worker gives up on the whole
    ERROR_AT = "error_at"  # the worker gives up and says at which index
    RELEASE = "release"  # the worker gives it back untried
    EXPIRE_IDLE = "expire_idle"  # not renewed, and nothing recorded since the grant
    EXPIRE = "expire"  # not renewed, but it got on; or not the one to blame
    TAKE_BACK = "take_back"  # its owner, or its process is seen to be dead


class Ending(NamedTuple):
    """Where a cause leads, and how the rest of the lease comes back."""

    state: LeaseState
    counts_failure: bool = False  # of every index of the rest
    keeps_failures: bool = True  # those that the lease was made with
    remembered: bool = True  # a late report may still record it


_S, _C = LeaseState, Cause

TRANSITIONS: dict[LeaseState, dict[Cause, Ending]] = {
    _S.HELD: {
        _C.PROGRESS: Ending(_S.HELD),
        _C.COMPLETE: Ending(_S.DONE),
        _C.ERROR: Ending(_S.FAILED, counts_failure=True),
        _C.ERROR_AT: Ending(_S.FAILED, keeps_failures=False, remembered=False),
        _C.RELEASE: Ending(_S.RELEASED),
        _C.EXPIRE_IDLE: Ending(_S.EXPIRED, counts_failure=True),
        _C.EXPIRE: Ending(_S.EXPIRED),
        _C.TAKE_BACK: Ending(_S.RELEASED),
    },
    # What has ended stays ended: a late report is judged by the pieces that remember the lease.
    _S.DONE: {},
    _S.FAILED: {},
    _S.RELEASED: {},
    _S.EXPIRED: {},
}


def ending(cause: Cause) -> Ending:
    """Give what a cause does to a held lease."""
    return TRANSITIONS[LeaseState.HELD][cause]
