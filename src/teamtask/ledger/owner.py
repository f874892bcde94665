"""Deciding what a list's owner wants: move it, change its rules, grow it, bring indices back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from teamtask.ledger.big_numbers import check_number, check_range, counted, shown
from teamtask.ledger.errors import FoldCannotBeDivided, InvalidField, TooMany, WrongState
from teamtask.ledger.events import Grown, Moved, Rerun, RulesChanged, Unparked
from teamtask.ledger.folds import check_fold_rule
from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.list_state import ListState, Move, moved
from teamtask.ledger.rules import OWNER_RANGES_MAX, PIECES_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from teamtask.ledger.commands import ChangeRules, Grow, MoveList, RerunDone, Unpark
    from teamtask.ledger.events import Event, Range
    from teamtask.ledger.ledger import Ledger


class Decision(NamedTuple):
    """Events, how many indices came back, and how many ranges are left for another call."""

    events: list[Event]
    changed: int = 0
    left: int = 0


def decide_move(ledger: Ledger, command: MoveList) -> Decision:
    """Pause, resume or cancel. Raises WrongState."""
    move = command.move
    assert move in _DID, f"{move} follows from what happens; nobody asks for it"
    if move is Move.RESUME and ledger.state is ListState.CANCELLED and awaits_items(ledger):
        move = Move.AWAIT
    state = moved(ledger.state, move)
    if state is ledger.state:
        return Decision([])
    events: list[Event] = []
    if move is Move.RESUME:
        if len(ledger.parked) > ledger.rules.limits.parked:
            raise WrongState(past_parked_limit(ledger), hint="Unpark them or raise limits.parked, then resume.")
        stop = ledger.rules.stop_after_results
        if ledger.state is ListState.STOPPED and stop is not None and ledger.results >= stop:
            events.append(RulesChanged(replace(ledger.rules, stop_after_results=None)))  # else it would stop at once
    reason = None if state is ListState.RUNNING else f"Its owner {_DID[command.move]} it."
    return Decision([*events, Moved(state, reason, ledger.date)])


def decide_rules(ledger: Ledger, command: ChangeRules) -> Decision:
    """Take other rules. Raises InvalidField for a change of the fold."""
    check_fold_rule(command.rules.fold)
    if command.rules.fold != ledger.rules.fold:
        raise InvalidField("The fold of a list cannot be changed.", field="fold", hint="Create another list.")
    if command.rules == ledger.rules:
        return Decision([])
    return Decision(
        [RulesChanged(command.rules), *_no_longer_past(ledger, len(ledger.parked), command.rules.limits.parked)]
    )


def decide_grow(ledger: Ledger, command: Grow) -> Decision:
    """Make the list longer, or give it the items that it awaits. Raises WrongState and InvalidField."""
    awaiting = ledger.state is ListState.AWAITING_ITEMS
    if not ledger.rules.growable and not awaiting:
        raise WrongState("Only a range or lines that are not shuffled can grow.", hint="Create another list.")
    check_number(ledger.start + command.size, "size")
    if awaiting and command.size < 1:
        raise InvalidField("There are no items.", field="size", hint="Upload at least one.")
    if command.size < ledger.size:
        message = f"The list has {counted(ledger.size, 'item', 'items')}; it cannot shrink to {shown(command.size)}."
        raise InvalidField(message, field="size")
    if command.size == ledger.size and not awaiting:
        return Decision([])
    reopened = _after(ledger, Move.ITEMS if awaiting else Move.REOPEN)
    return Decision([Grown(command.size), *reopened], command.size - ledger.size)


def decide_unpark(ledger: Ledger, command: Unpark) -> Decision:
    """Bring parked indices back with their failures forgotten. Raises TooMany and InvalidField."""
    parked = IntervalSet((index, index + 1) for index in sorted(ledger.parked))
    if command.ranges is not None:
        parked = parked.intersection(_asked(command.ranges))
    if not parked.size:
        return Decision([])
    still = _no_longer_past(ledger, len(ledger.parked) - parked.size, ledger.rules.limits.parked)
    return Decision([Unparked(tuple(parked)), *_after(ledger, Move.REOPEN), *still], parked.size)


def decide_rerun(ledger: Ledger, command: RerunDone) -> Decision:
    """Bring done indices back. Raises FoldCannotBeDivided when a list with a fold is not rerun whole, and TooMany."""
    done = ledger.done.intersection(_asked(command.ranges))
    if not done.size:
        return Decision([])
    if ledger.rules.fold is not None and done != ledger.done:
        raise FoldCannotBeDivided
    ranges = tuple(done)
    if len(ranges) > rerun_ranges_max(ledger):
        message = f"The list is in {ledger.pieces:,} pieces already; {len(ranges):,} more would be too many."
        raise TooMany(message, hint="Rerun fewer ranges, or wait until some are done.")
    rerun = Rerun(ranges, command.results, command.failed, ledger.seq)
    return Decision([rerun, *_after(ledger, Move.REOPEN)], done.size)


def rerun_ranges_max(ledger: Ledger) -> int:
    """Give how many done ranges one rerun may bring back now."""
    return max(0, min(OWNER_RANGES_MAX, PIECES_MAX - ledger.pieces))


def awaits_items(ledger: Ledger) -> bool:
    """Tell whether the items of a list have not come yet, be it that the list was cancelled meanwhile."""
    return ledger.end == ledger.start and ledger.state in (ListState.AWAITING_ITEMS, ListState.CANCELLED)


def past_parked_limit(ledger: Ledger) -> str:
    """Say that too many indices are parked."""
    items = counted(len(ledger.parked), "item is", "items are")
    return f"{items} parked, more than the limit of {ledger.rules.limits.parked}."


def _no_longer_past(ledger: Ledger, parked: int, limit: int) -> list[Event]:
    """Give a list that paused itself another reason when its own is gone; it goes on when its owner says so."""
    if ledger.state is ListState.PAUSED and len(ledger.parked) > ledger.rules.limits.parked and parked <= limit:
        return [Moved(ledger.state, "Too many items were parked, which is mended: resume it.", ledger.date)]
    return []


def _asked(ranges: Sequence[Range]) -> IntervalSet:
    if len(ranges) > OWNER_RANGES_MAX:
        message = f"One call carries {OWNER_RANGES_MAX:,} ranges at most, not {len(ranges):,}."
        raise TooMany(message, field="ranges", hint="Send them in several calls.")
    for start, stop in ranges:
        check_range(start, stop, "ranges")
    return IntervalSet(ranges)


def _after(ledger: Ledger, move: Move) -> list[Event]:
    state = moved(ledger.state, move)
    return [Moved(state, None, ledger.date)] if state is not ledger.state else []


_DID = {Move.PAUSE: "paused", Move.RESUME: "resumed", Move.CANCEL: "cancelled"}
