"""When the queue of pieces is low, and what of a lease it forgets."""

from __future__ import annotations

from teamtask.wire.messages import Lease
from teamtask.worker.held_ranges import HeldRange
from teamtask.worker.piece_queue import PieceQueue, Range


def held(size: int) -> HeldRange:
    return HeldRange(Lease("lease", "list", "id", "name", 0, size, size, 1, 60.0, "fingerprint"), 0.0)


def test_a_queue_is_low_when_it_does_not_last_so_long() -> None:
    queue = PieceQueue(2)
    queue.measure(0.01)
    queue.add(Range(held(150), 0, 150))
    assert not queue.is_low()
    assert not queue.is_low(0.7)  # 140 items
    assert queue.is_low(0.8)  # 160


def test_a_queue_of_huge_size_is_not_low() -> None:
    queue = PieceQueue(2)
    queue.measure(1e-9)
    queue.add(Range(held(10**400), 0, 10**400))
    assert not queue.is_low(2.0)


def test_what_lies_behind_the_new_end_of_a_lease_is_forgotten() -> None:
    queue, one, other = PieceQueue(1), held(100), held(100)
    queue.add(Range(one, 0, 10))
    queue.add(Range(other, 0, 100))
    queue.add(Range(one, 20, 20))
    one.end = 25
    queue.cut(one)
    queue.put_back(Range(one, 24, 5))
    queue.put_back(Range(one, 30, 5))
    assert queue.size == 1 + 10 + 100 + 5
    taken: list[int] = []
    while queue.size:
        some = queue.take()
        if some.held is one:
            taken += range(some.index, some.index + some.size)
    assert taken == [24, *range(10), *range(20, 25)]
