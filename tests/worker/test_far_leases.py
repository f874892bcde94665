"""What becomes of the leases of a worker that is far from its list: taken ahead, refused, cancelled, lost."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from far_away import KINDS, Far, slowly

from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.list_state import Move
from teamtask.ledger.rules import Limits
from teamtask.worker.port import InlinePort, ThreadPort

if TYPE_CHECKING:
    from pathlib import Path

    from function_bench import Log


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_cancelled_list_nothing_is_begun_and_what_is_in_hand_is_recorded(
    kind: str, log: Log, tmp_path: Path
) -> None:
    far = Far(50, log, block=5, limits=Limits())
    begun, go_on = tmp_path / "begun", tmp_path / "go-on"

    def function(number: int) -> int:
        while number >= 5 and not go_on.exists():
            begun.touch()
            time.sleep(0.001)
        log.write(number)
        return number

    first = f"test $n -lt 5 || until test -e {go_on}; do touch {begun}; sleep 0.01; done;"
    with far.working(kind, first=first, function=function, lease_seconds=0.3) as work:  # it soon hears of it

        def gave_back() -> bool:
            """Tell whether processes have given back all but the item in hand, as they do when they hear of it."""
            return kind != "functions" or all(
                sum(piece.size - piece.at for piece in process.pieces) <= 1 for process in work.pool.processes
            )

        def look() -> None:
            if far.ledger.state == "running" and set(range(5)) <= set(log.items()) and begun.exists():
                far.service.move(far.list_id, Move.CANCEL)
            elif work.state == "cancelled" and gave_back():
                go_on.touch()

        far.on_tick = look
        work.run()
    assert Counter(log.items()) == Counter(far.recorded)
    assert {"items": 7, "blocks": 15, "functions": 7}[kind] >= len(log.items()) > 5
    assert (work.state, far.ledger.state, len(far.ledger.leases)) == ("cancelled", "cancelled", 0)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_in_hand_when_its_lease_is_lost_is_recorded_late(kind: str, log: Log, tmp_path: Path) -> None:
    far = Far(12, log, block=4, limits=Limits())
    far.network.away_after = 1
    go_on = tmp_path / "go-on"
    lost: list[int] = []

    def function(number: int) -> int:
        while not go_on.exists():
            time.sleep(0.001)
        log.write(number)
        return number

    first = f"until test -e {go_on}; do sleep 0.01; done;"
    with far.working(kind, first=first, function=function, lease_seconds=0.3) as work:

        def look() -> None:
            if far.network.is_awaited and work._runner.running:
                far.service.move(far.list_id, Move.PAUSE)  # so that nobody gets what comes back
                far.service.take_back(far.list_id, list(far.ledger.leases))
                far.network.come_back()
            elif work.state == "paused" and not go_on.exists():
                go_on.touch()
            elif go_on.exists() and not lost and not work._runner.running and far.recorded:
                lost.extend(far.recorded)
                far.service.move(far.list_id, Move.RESUME)

        far.on_tick = look
        work.run()
    assert lost
    assert Counter(log.items()) == Counter(far.recorded) == Counter(range(12))


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_that_stays_gives_back_what_is_cancelled_and_goes_on_when_the_list_does(kind: str, log: Log) -> None:
    far = Far(40, log, block=5, limits=Limits())
    seen: list[str] = []
    with far.working(kind, forever=True, first="sleep 0.02;", function=slowly(log), lease_seconds=0.3) as work:

        def look() -> None:
            ledger = far.ledger
            if not seen and ledger.results >= 5:
                far.service.move(far.list_id, Move.CANCEL)
                seen.append("cancelled")
            elif seen == ["cancelled"] and work.state == "cancelled" and not ledger.leases:
                far.service.move(far.list_id, Move.RESUME)
                seen.append("resumed")
            elif seen == ["cancelled", "resumed"] and work.state == "complete":
                far.service.rerun(far.list_id, IntervalSet.of(7, 9), failed=False)
                seen.append("rerun")
            elif seen[2:] == ["rerun"] and ledger.state == "complete" and work.state == "complete":
                work.stop()

        far.on_tick = look
        work.run()
    assert Counter(log.items()) == Counter([*range(40), 7, 8])
    assert far.recorded == list(range(40))
    assert not far.ledger.leases


@pytest.mark.parametrize(
    ("kind", "ahead", "held"),
    [("items", True, 2), ("items", False, 1), ("blocks", True, 3), ("blocks", False, 2)],
)
def test_leases_are_claimed_ahead_and_no_more_than_that(
    kind: str,
    ahead: bool,  # noqa: FBT001 - a parameter of the test
    held: int,
    log: Log,
    tmp_path: Path,
) -> None:
    far = Far(9, log, block=3)
    go_on = tmp_path / "go-on"
    counts: list[int] = []

    def look() -> None:
        if not go_on.exists():
            counts.append(len(far.ledger.leases))
        if counts[-5:] == [held] * 5:
            go_on.touch()

    far.on_tick = look
    far.run_far(kind, first=f"until test -e {go_on}; do sleep 0.01; done;", ahead=ahead)
    assert max(counts) == held
    assert far.recorded == list(range(9))


@pytest.mark.parametrize("kind", KINDS)
def test_who_may_hold_no_more_asks_again_when_a_lease_has_ended(kind: str, log: Log) -> None:
    far = Far(6, log, block=1, limits=Limits(blocks_per_worker=1))
    far.run_far(kind, slots=1, ask_seconds_max=3600.0)
    assert far.recorded == list(range(6))


@pytest.mark.parametrize("kind", KINDS)
def test_whoever_has_more_slots_than_his_leases_have_work_for_says_so(kind: str, log: Log, tmp_path: Path) -> None:
    far = Far(8, log, block=1, limits=Limits(blocks_per_worker=3))
    go_on = tmp_path / "go-on"
    told: list[tuple[int, int]] = []

    def refused(held: int, free: int) -> None:
        told.append((held, free))
        if told.count((3, 2)) == 3:
            go_on.touch()

    def function(number: int) -> int:
        while not go_on.exists():
            time.sleep(0.001)
        return log.write(number) or number

    first = f"until test -e {go_on}; do sleep 0.01; done;"
    far.run_far(kind, slots=5, first=first, function=function, refused=refused)
    assert far.recorded == list(range(8))


@pytest.mark.parametrize("way", [InlinePort, ThreadPort])
def test_a_block_that_failed_is_not_claimed_by_the_message_that_tells_of_it(
    way: type[InlinePort | ThreadPort], log: Log
) -> None:
    far = Far(1000, log, block=10, limits=Limits())
    work = far.run_far("blocks", first="exit 3;", port=way(far.network), ahead=way is ThreadPort)
    assert work.halted
    assert "the command seems to be wrong" in (work.reason or "")
    errors = [
        message.want
        for message in far.network.messages
        for report in message.reports
        if report.error is not None
    ]  # fmt: skip
    assert len(errors) == work.failed
    assert set(errors) == {None}
    assert not far.ledger.leases


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_what_was_worked_is_remembered(kind: str, log: Log) -> None:
    far = Far(60, log, block=1, limits=Limits())
    work = far.run_far(kind)
    assert far.recorded == list(range(60))
    empty = {
        "items": lambda: [work._held._held, list(work._held._to_begin), list(work._again)],
        "blocks": lambda: [work._holds, work._in_hand, work._to_report],
        "functions": lambda: [work._held._held, list(work._queue._ranges)],
    }[kind]()
    assert not any(empty)
