"""The states of a list: one table, state x command, and everything that moves a list stands in it."""

from __future__ import annotations

from enum import StrEnum

from teamtask.ledger.errors import WrongState


class ListState(StrEnum):
    """What a list is doing."""

    AWAITING_ITEMS = "awaiting_items"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    STOPPED = "stopped"
    COMPLETE = "complete"
    COMPLETE_EXCEPT = "complete_except"


class Move(StrEnum):
    """What can move a list; the first four are the owner's, the rest follows from what happens."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    REOPEN = "reopen"  # rerun, unpark or grow gave it work
    AWAIT = "await"  # resumed before its items came
    ITEMS = "items"  # the upload is attached
    STOP = "stop"  # enough results
    PARK = "park"  # more parked indices than the limit
    FINISH = "finish"  # everything is done
    FINISH_EXCEPT = "finish_except"  # everything is done or parked


_S, _M = ListState, Move

# An owner's move that is missing is refused; a derived one that is missing leaves the state as it is.
TRANSITIONS: dict[ListState, dict[Move, ListState]] = {
    _S.AWAITING_ITEMS: {_M.CANCEL: _S.CANCELLED, _M.ITEMS: _S.RUNNING},
    _S.RUNNING: {
        _M.PAUSE: _S.PAUSED,
        _M.RESUME: _S.RUNNING,
        _M.CANCEL: _S.CANCELLED,
        _M.REOPEN: _S.RUNNING,
        _M.STOP: _S.STOPPED,
        _M.PARK: _S.PAUSED,
        _M.FINISH: _S.COMPLETE,
        _M.FINISH_EXCEPT: _S.COMPLETE_EXCEPT,
    },
    _S.PAUSED: {
        _M.PAUSE: _S.PAUSED,
        _M.RESUME: _S.RUNNING,
        _M.CANCEL: _S.CANCELLED,
        _M.REOPEN: _S.PAUSED,
        _M.FINISH: _S.COMPLETE,
        _M.FINISH_EXCEPT: _S.COMPLETE_EXCEPT,
    },
    _S.CANCELLED: {
        _M.RESUME: _S.RUNNING,
        _M.AWAIT: _S.AWAITING_ITEMS,
        _M.CANCEL: _S.CANCELLED,
        _M.REOPEN: _S.CANCELLED,
        _M.FINISH: _S.COMPLETE,
        _M.FINISH_EXCEPT: _S.COMPLETE_EXCEPT,
    },
    _S.STOPPED: {
        _M.RESUME: _S.RUNNING,
        _M.CANCEL: _S.CANCELLED,
        _M.REOPEN: _S.STOPPED,
        _M.FINISH: _S.COMPLETE,
        _M.FINISH_EXCEPT: _S.COMPLETE_EXCEPT,
    },
    _S.COMPLETE: {_M.REOPEN: _S.RUNNING},
    _S.COMPLETE_EXCEPT: {_M.REOPEN: _S.RUNNING},
}

OWNERS_MOVES = frozenset({Move.PAUSE, Move.RESUME, Move.CANCEL, Move.REOPEN})
CLAIMABLE = (ListState.RUNNING,)
EXTENDING = (ListState.RUNNING, ListState.PAUSED)  # states in which a report extends its lease
FINISHED = frozenset({ListState.COMPLETE, ListState.COMPLETE_EXCEPT})

_WAY_OUT = {
    ListState.AWAITING_ITEMS: "Upload its items first.",
    ListState.COMPLETE: "It is finished; rerun what you want worked again.",
    ListState.COMPLETE_EXCEPT: "It is finished but for its parked indices; unpark them to have them worked again.",
}

_IS = {
    ListState.AWAITING_ITEMS: "awaits its items",
    ListState.COMPLETE_EXCEPT: "is complete but for parked items",
}


def moved(state: ListState, move: Move) -> ListState:
    """Give the state after a move. Raises WrongState for an owner's move that the state does not know."""
    after = TRANSITIONS[state].get(move)
    if after is not None:
        return after
    if move in OWNERS_MOVES:
        message = f"A list that {_IS.get(state, f'is {state}')} cannot be {_PAST[move]}."
        raise WrongState(message, hint=_WAY_OUT.get(state, "Resume it first."), state=str(state))
    return state


_PAST = {Move.PAUSE: "paused", Move.RESUME: "resumed", Move.CANCEL: "cancelled", Move.REOPEN: "reopened"}
