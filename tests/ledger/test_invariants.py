"""`check_invariants` finds what is wrong with a ledger, and says it in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ledger_desk import Desk

from teamtask.ledger.commands import Failure, Outcomes
from teamtask.ledger.events import Memory, Piece, WorkerKey
from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.invariants import check_invariants
from teamtask.ledger.ledger import Lease, Ledger, ParkedIndex
from teamtask.ledger.list_state import ListState
from teamtask.ledger.workers import Totals

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = WorkerKey("p", "ann")


def sound() -> Ledger:
    """A ledger with something of everything: done, leased, returned and parked."""
    desk = Desk(100, attempts=2)
    held = [desk.claim(name, request=name) for name in ("ann", "bob", "cy", "dan")]
    desk.report(held[0], 4, ranges=((6, 7),), outcomes=Outcomes(((0, 4),), (1,)))
    desk.report(held[1], 10, error=Failure("killed"))
    desk.report(held[2], 20, failed=((23, "bad"),))
    desk.report(desk.claim("ann"), 10, error=Failure("killed"))
    desk.take_back(held[3])
    desk.report(desk.claim("bob"), 23, error=Failure("killed"))
    assert (desk.returned, [*desk.ledger.parked]) == ([(10, 15), (15, 20), (30, 40)], [23])
    desk.claim("dan")
    return desk.ledger


def first_lease(ledger: Ledger) -> Lease:
    return next(iter(ledger.leases.values()))


def lose_an_index(ledger: Ledger) -> None:
    ledger.done.remove(0, 1)
    ledger.results = 0
    ledger.failed = 0


def do_twice(ledger: Ledger) -> None:
    start = first_lease(ledger).rest.starts[0]
    ledger.done.add(start, start + 1)


def split_siblings(ledger: Ledger) -> None:
    ledger.done.starts[:1], ledger.done.stops[:1] = [0, 2], [2, 4]


def duplicate_a_piece(ledger: Ledger) -> None:
    pieces = ledger.returned
    pieces.pieces.append(pieces.pieces[-1])
    pieces.size += pieces.pieces[-1].stop - pieces.pieces[-1].start


def remember_too_much(ledger: Ledger) -> None:
    ledger.remembered["gone"] = 1


def forget_a_memory(ledger: Ledger) -> None:
    ledger.remembered.popitem()


def forget_a_request(ledger: Ledger) -> None:
    ledger.requests.popitem()


def replace_piece(ledger: Ledger, **change: object) -> None:
    piece = ledger.returned.pieces[-1]
    values = {field: getattr(piece, field) for field in Piece.__struct_fields__} | change
    ledger.returned.pieces[-1] = Piece(**values)  # type: ignore[arg-type]  # the test breaks it on purpose


DAMAGES: dict[str, Callable[[Ledger], object]] = {
    "done, leased": lose_an_index,
    "two states": do_twice,
    "siblings are one": split_siblings,
    "size of done": lambda ledger: setattr(ledger.done, "size", 1),
    "no range of done is empty": lambda ledger: ledger.done.stops.__setitem__(0, 0),
    "as many starts as stops": lambda ledger: ledger.done.stops.append(99),
    "something left": lambda ledger: setattr(first_lease(ledger), "part", IntervalSet()),
    "lies in its range": lambda ledger: setattr(first_lease(ledger), "stop", 5),
    "holes in rests are counted": lambda ledger: setattr(ledger, "holes", 7),
    "blocks of lease": lambda ledger: setattr(first_lease(ledger), "block_size", 0),
    "under its id": lambda ledger: setattr(first_lease(ledger), "id", "other"),
    "before it is looked for": lambda ledger: setattr(ledger, "next_expiry", 1e12),
    "worker of lease": lambda ledger: ledger.workers.by_key.pop(first_lease(ledger).key),
    "last two": lambda ledger: setattr(first_lease(ledger), "failed_by", (KEY, KEY, KEY)),
    "do not overlap": duplicate_a_piece,
    "size of what is returned": lambda ledger: setattr(ledger.returned, "size", 1),
    "some worker's": lambda ledger: replace_piece(ledger, failures=3),
    "returned piece is empty": lambda ledger: replace_piece(ledger, stop=0),
    "bounded number of leases": lambda ledger: replace_piece(
        ledger, memories=tuple(Memory("x", KEY, 0, 1) for _ in range(65))
    ),
    "is short": lambda ledger: ledger.parked.update({1_000: ParkedIndex(1, "x" * 1_025)}),
    "has failed": lambda ledger: ledger.parked.update({1_000: ParkedIndex(0, "")}),
    "frontier lies": lambda ledger: setattr(ledger, "frontier", 101),
    "failed outcomes are results": lambda ledger: setattr(ledger, "failed", 5),
    "one result at most": lambda ledger: (setattr(ledger, "results", 99), setattr(ledger, "seq", 99)),
    "only a list with a fold": lambda ledger: setattr(ledger, "fold", 3),
    "nothing is kept": remember_too_much,
    "an ended lease but by its pieces": forget_a_memory,
    "known by its request": forget_a_request,
    "leases of worker": lambda ledger: setattr(first_lease(ledger).worker, "leases", 5),
    "active while": lambda ledger: setattr(first_lease(ledger).worker, "active", False),
    "under its key": lambda ledger: setattr(first_lease(ledger).worker, "key", KEY._replace(worker="x")),
    "counts for its principal": lambda ledger: setattr(first_lease(ledger).worker, "totals", Totals()),
    "of a principal hold": lambda ledger: setattr(first_lease(ledger).worker.totals, "leases", 0),
    "active workers are counted": lambda ledger: setattr(ledger.workers, "active", 0),
    "known speeds": lambda ledger: setattr(ledger.workers, "speeds", 99),
    "nothing left to do": lambda ledger: setattr(ledger, "state", ListState.COMPLETE),
}


def test_a_sound_ledger_passes() -> None:
    check_invariants(sound())


@pytest.mark.parametrize("words", DAMAGES)
def test_each_damage_is_found_and_named(words: str) -> None:
    ledger = sound()
    DAMAGES[words](ledger)
    with pytest.raises(AssertionError, match=words):
        check_invariants(ledger)


def test_parked_indices_make_a_list_complete_except() -> None:
    desk = Desk(1, attempts=1)
    desk.report(desk.claim(), 0, failed=((0, "bad"),))
    desk.ledger.state = ListState.COMPLETE
    with pytest.raises(AssertionError, match="complete_except when some is parked"):
        check_invariants(desk.ledger)


def test_the_fold_of_nothing_is_found() -> None:
    desk = Desk(1, fold="sum")
    desk.ledger.fold = 0
    with pytest.raises(AssertionError, match="of what is done"):
        check_invariants(desk.ledger)


def test_pieces_without_failures_that_touch_are_found() -> None:
    desk = Desk(20)
    desk.take_back(desk.claim(), desk.claim())
    desk.ledger.returned.pieces[:] = [Piece(0, 5), Piece(5, 10), Piece(10, 20)]
    with pytest.raises(AssertionError, match="one where they touch"):
        check_invariants(desk.ledger)
