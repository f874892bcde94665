"""`carry_out`: what a command does to a list, as events for the journal and a reply for whoever asked.

Each step (a report, an expiry, a claim, an owner's wish) is decided by a pure function and applied before the next
one is decided. A command takes its reports, then expires, then claims: a lease whose report is in hand is alive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from teamtask.ledger import owner
from teamtask.ledger.applying import APPLY
from teamtask.ledger.big_numbers import counted, shown
from teamtask.ledger.claims import NoGrant, decide_claim
from teamtask.ledger.commands import ChangeRules, Exchange, Grow, MoveList, Reply, RerunDone, Sweep, TakeBack, Unpark
from teamtask.ledger.events import Granted, LeasesRenewed, Moved, WorkersRefreshed
from teamtask.ledger.list_state import Move, moved
from teamtask.ledger.owner import awaits_items, past_parked_limit
from teamtask.ledger.reports import Pace, decide_report
from teamtask.ledger.returning import expire, take_back

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from teamtask.ledger.commands import Command, Facts, ReportReply
    from teamtask.ledger.events import Event
    from teamtask.ledger.ledger import Ledger

REFRESH_SECONDS = 1.0  # who finds no room makes the workers be counted anew, this often at most


def carry_out(ledger: Ledger, command: Command, now: float, facts: Facts) -> tuple[list[Event], Reply]:
    """Decide a command on the working ledger and apply it; `now` in seconds of the store's clock.

    Raises a TeamtaskError (WrongState, InvalidField, TooMany, FoldCannotBeDivided) for what cannot be done; then
    nothing has changed.
    """
    ledger.date = facts.date
    if not isinstance(command, Exchange):
        return _carry_out_wish(ledger, command, now, facts)
    events: list[Event] = []
    if not 0 <= now - ledger.looked_at <= ledger.rules.lease_seconds or facts.epoch != ledger.epoch:
        _renew(ledger, events, now, facts)
    ledger.looked_at = now
    key, reports = command.key, command.reports
    pace = Pace(ledger.workers.by_key.get(key)) if len(reports) > 1 else None
    replies: list[ReportReply] = []
    for report in reports:
        decided, answer = decide_report(ledger, key, report, now, pace)
        for event in decided:
            APPLY[type(event)](ledger, event)
        events += decided
        replies.append(answer)
    if now >= ledger.next_expiry:
        _expire(ledger, events, now)
    if events and (ledger.parked or not ledger.leases or ledger.rules.stop_after_results is not None):
        _apply(ledger, events, settle(ledger))  # else it would find nothing
    if command.want is None:
        return events, Reply(replies, ledger.state)
    claimed = decide_claim(ledger, command, now, facts)
    if isinstance(claimed, NoGrant) and claimed.crowded and now - ledger.workers.refreshed_at >= REFRESH_SECONDS:
        _apply(ledger, events, [WorkersRefreshed(now)])
        claimed = decide_claim(ledger, command, now, facts)
    if isinstance(claimed, Granted):
        APPLY[Granted](ledger, claimed)
        events.append(claimed)
        return events, Reply(replies, ledger.state, claimed.lease)
    _apply(ledger, events, claimed.events)
    return events, Reply(replies, ledger.state, claimed.lease, claimed.retry_in_seconds, claimed.reason)


def _carry_out_wish(ledger: Ledger, command: Command, now: float, facts: Facts) -> tuple[list[Event], Reply]:
    """Carry out what an owner wants, or a sweep."""
    decision = _DECIDE[type(command)](ledger, command)  # first of all: it may raise
    events: list[Event] = []
    _renew(ledger, events, now, facts)
    ledger.looked_at = now
    _apply(ledger, events, decision.events)
    _expire(ledger, events, now)
    _apply(ledger, events, settle(ledger))
    return events, Reply([], ledger.state, changed=decision.changed, left=decision.left)


def _renew(ledger: Ledger, events: list[Event], now: float, facts: Facts) -> None:
    """Renew all leases if nobody could have reported: nobody looked for a lease length, or the clock began anew."""
    away, length = now - ledger.looked_at, ledger.rules.lease_seconds
    anew = away < -length or facts.epoch != ledger.epoch
    if anew or (away > length and ledger.leases):
        _apply(ledger, events, [LeasesRenewed(now, facts.epoch, anew)])


def _apply(ledger: Ledger, events: list[Event], decided: Iterable[Event]) -> None:
    for event in decided:
        APPLY[type(event)](ledger, event)
        events.append(event)


def _expire(ledger: Ledger, events: list[Event], now: float) -> None:
    if now >= ledger.next_expiry:
        _apply(ledger, events, expire(ledger, now))
        if now - ledger.workers.refreshed_at > ledger.rules.lease_seconds:
            _apply(ledger, events, [WorkersRefreshed(now)])
        ledger.next_expiry = min((lease.expires for lease in ledger.leases.values()), default=float("inf"))


def settle(ledger: Ledger) -> list[Event]:
    """Derive completion, the stop and the pause of a list; the one place where that is done."""
    parked, stop = len(ledger.parked), ledger.rules.stop_after_results
    empty = ledger.frontier == ledger.end and not ledger.leases and not ledger.returned.pieces
    if empty and not awaits_items(ledger):
        move = Move.FINISH_EXCEPT if parked else Move.FINISH
        reason = f"{counted(parked, 'item is', 'items are')} parked." if parked else None
    elif parked > ledger.rules.limits.parked:
        move, reason = Move.PARK, f"{past_parked_limit(ledger)} Unpark them or raise limits.parked, then resume."
    elif stop is not None and ledger.results >= stop:
        move = Move.STOP
        reason = f"It has {counted(ledger.results, 'result', 'results')}; it was to stop after {shown(stop)}."
    else:
        return []
    state = moved(ledger.state, move)
    return [Moved(state, reason, ledger.date)] if state is not ledger.state else []


def _take_back(ledger: Ledger, command: TakeBack) -> owner.Decision:
    return owner.Decision(take_back(ledger, command.leases))


def _sweep(_ledger: Ledger, _command: Sweep) -> owner.Decision:
    return owner.Decision([])


_DECIDE: dict[type, Callable[[Ledger, Any], owner.Decision]] = {
    Sweep: _sweep,
    TakeBack: _take_back,
    MoveList: owner.decide_move,
    ChangeRules: owner.decide_rules,
    Grow: owner.decide_grow,
    Unpark: owner.decide_unpark,
    RerunDone: owner.decide_rerun,
}
