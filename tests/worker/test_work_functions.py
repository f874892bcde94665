"""`FunctionWork` with real processes: what comes of items, how work is shared, and how it stops."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from function_bench import Bench, Log, is_odd
from hypothesis import given, settings
from hypothesis import strategies as st

from teamtask.ledger.interval_set import IntervalSet
from teamtask.wire.messages import Lease, Reply, ReportStatus

if TYPE_CHECKING:
    from pathlib import Path

    from teamtask.wire.messages import Exchange


# --- outcomes


@settings(max_examples=12)
@given(st.integers(1, 3000), st.integers(1, 3), st.sampled_from([None, 1, 7, 500]))
def test_every_result_is_kept_at_its_index(size: int, processes: int, block: int | None) -> None:
    bench = Bench(size, block=block)
    work = bench.run(lambda number: number * 3, processes)
    assert bench.values() == [number * 3 for number in range(size)]
    assert bench.ledger.done == IntervalSet.of(0, size)
    assert (bench.ledger.state, work.failed) == ("complete", 0)
    assert all(result.seconds is not None and result.seconds >= 0 for result in bench.results())


def test_exact_python_objects_are_kept() -> None:
    bench = Bench(3)
    bench.run(lambda number: [None, {"a": {1, 2}}, (1.5, b"x")][number])
    assert bench.values() == [None, {"a": {1, 2}}, (1.5, b"x")]


def test_a_call_is_never_repeated_when_others_around_it_raise(log: Log) -> None:
    def function(number: int) -> int:
        log.write(number)
        if number % 7 == 3:
            raise ValueError(f"not {number}")
        return number

    bench = Bench(2000)
    work = bench.run(function)
    assert Counter(log.items()) == Counter(range(2000))
    results = bench.results()
    assert [result.index for result in results if not result.ok] == [n for n in range(2000) if n % 7 == 3]
    assert [result.value for result in results if result.ok] == [n for n in range(2000) if n % 7 != 3]
    errors = [result.value for result in results if not result.ok]
    assert all(isinstance(error, ValueError) for error in errors)
    assert str(errors[1]) == "not 10"
    assert 'raise ValueError(f"not {number}")' in errors[1].__notes__[0]
    assert work.failed == bench.ledger.failed == len(errors)


@pytest.mark.parametrize("kind", [StopIteration, SystemExit, KeyboardInterrupt, GeneratorExit, RecursionError])
def test_whatever_is_raised_is_an_outcome(kind: type[BaseException]) -> None:
    def function(number: int) -> int:
        if number in (0, 500, 999):
            raise kind("stop")
        return number

    bench = Bench(1000)
    bench.run(function)
    results = bench.results()
    assert [result.index for result in results if not result.ok] == [0, 500, 999]
    assert all(isinstance(result.value, kind) for result in results if not result.ok)
    assert len(results) == 1000


class Stubborn(Exception):
    """Can be written but not read."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def test_what_cannot_be_pickled_is_not_ok_and_says_so() -> None:
    def function(number: int) -> object:
        if number == 2:
            raise Stubborn(1, 2)
        return (lambda: 0) if number == 1 else number

    bench = Bench(4)
    bench.run(function, 1)
    results = bench.results()
    assert [result.ok for result in results] == [True, False, False, True]
    assert "The result, of type function, cannot be pickled" in str(results[1].value)
    assert isinstance(results[2].value, RuntimeError)
    assert str(results[2].value) == "Stubborn: 1 and 2"


def test_a_failed_call_is_tried_again(log: Log) -> None:
    def function(number: int) -> int:
        log.write(number)
        if log.items().count(number) <= number:
            raise ValueError
        return number

    bench = Bench(5)
    bench.run(function, 1, retries=3)
    assert [result.ok for result in bench.results()] == [True, True, True, True, False]
    assert Counter(log.items()) == {0: 1, 1: 2, 2: 3, 3: 4, 4: 4}


def test_the_seconds_of_a_slow_call_are_its_own() -> None:
    bench = Bench(3)
    bench.run(lambda number: time.sleep(0.05 if number == 1 else 0.01))
    seconds = [result.seconds or 0.0 for result in bench.results()]
    assert seconds[1] >= 0.05
    assert seconds[0] >= 0.01


def test_what_is_done_is_kept_while_the_next_call_takes_long(tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    bench = Bench(50_000)
    slow = 30_000

    def function(number: int) -> int:
        while number == slow and not go_on.exists():
            time.sleep(0.001)
        return number

    def look() -> None:
        ledger = bench.service.ledgers.known(bench.list_id)
        if ledger is not None and slow not in ledger.done and slow - 1 in ledger.done and not ledger.remaining:
            go_on.touch()

    bench.on_tick = look
    bench.run(function, 1)
    assert go_on.exists(), "the item before the slow one was recorded before the slow one was done"
    assert bench.values() == list(range(50_000))


def test_a_process_that_has_much_shares_it(log: Log) -> None:
    def function(number: int) -> None:
        if number >= 40_000:  # those before are so quick that a piece of them is large
            log.write(number)
            time.sleep(0.1)

    bench = Bench(40_012)
    bench.run(function)
    assert len(log.processes()) == 2
    assert Counter(log.items()) == Counter(range(40_000, 40_012))


def test_huge_indices_are_worked_like_small_ones() -> None:
    bench = Bench(10**30)
    seen: list[int] = []

    def stop() -> None:
        if bench.ledger.done.size > 1000 and bench.work is not None:
            seen.append(1)
            bench.work.stop()

    bench.on_tick = stop
    bench.run(is_odd)
    assert seen
    done = bench.ledger.done
    assert bench.values() == [number & 1 for start, stop in done for number in range(start, stop)]


# --- stopping


def test_stop_finishes_what_is_in_hand_and_gives_the_rest_back(log: Log) -> None:
    def function(number: int) -> int:
        log.write(number)
        time.sleep(0.02)
        return number

    bench = Bench(100)

    def stop() -> None:
        if bench.work is not None and len(log.items()) > 20:
            bench.work.stop()

    bench.on_tick = stop
    bench.run(function)
    ledger = bench.ledger
    assert Counter(log.items()) == Counter(bench.values()), "what was begun is recorded, and nothing else"
    assert 20 < ledger.done.size < 100
    assert not ledger.leases
    bench.on_tick = lambda: None
    bench.run(function)
    assert Counter(log.items()) == Counter(range(100))


def test_kill_ends_processes_and_what_they_have_begun(log: Log, wait_until: Any, is_alive: Any) -> None:
    def function(_number: int) -> None:
        child = subprocess.Popen(["sleep", "600"])
        log.write(child.pid)
        child.wait()

    bench = Bench(10)

    def kill() -> None:
        if bench.work is not None and len(log.items()) == 2:
            bench.work.kill()

    bench.on_tick = kill
    bench.run(function)
    assert not bench.ledger.done.size
    assert not bench.ledger.leases
    assert not bench.ledger.parked
    wait_until(lambda: not any(map(is_alive, [*log.items(), *log.processes()])))


def test_halt_after_so_many_failed_items() -> None:
    def function(number: int) -> None:
        raise ValueError(number)

    bench = Bench(100_000)
    work = bench.run(function, halt_after=5)
    assert work.halted
    assert 5 <= work.failed < 100_000
    assert bench.ledger.failed == work.failed
    assert not bench.ledger.leases


def test_no_process_is_left_behind(log: Log, is_alive: Any, children: Any) -> None:
    others = children()
    Bench(50).run(log.write, 3)
    assert not any(map(is_alive, log.processes()))
    assert children() <= others


def test_outcomes_are_kept_once_when_a_lease_is_taken_away() -> None:
    bench = Bench(3000)
    taken = count()

    def exchange(message: Exchange) -> Reply:
        if message.reports and next(taken) < 5:
            bench.service.take_back(bench.list_id, [lease.id for lease in bench.ledger.leases.values()])
        return bench.exchange(message)

    bench.run(lambda number: number, exchange=exchange)
    assert bench.values() == list(range(3000))
    assert bench.ledger.results == 3000


def test_a_lease_is_worked_only_up_to_its_new_end() -> None:
    leases = [Lease("lease", "numbers", "id", "name", 0, 10**12, 10**12, 1, 60.0, "fingerprint")]
    ends: list[int] = []

    def exchange(message: Exchange) -> Reply:
        ends.extend(report.upto for report in message.reports)
        statuses = tuple(ReportStatus("lease", "held", 0, 1000, 60.0) for _ in message.reports)
        granted = (leases.pop(),) if message.want is not None and leases else ()
        return Reply(statuses, granted, "running", 0.0 if granted else None)

    Bench(10**12).run(lambda number: number, exchange=exchange)
    assert max(ends) >= 1000


def test_what_a_function_prints_is_written_once(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from function_bench import Bench\n"
        "print('before')\n"
        "Bench(20).run(lambda number: print('item', number))\n"
        "print('after')\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(__file__)}  # noqa: PTH120 - as the variable has it
    environment.pop("PYTHONUNBUFFERED", None)  # then lines of several processes would mix
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, env=environment)
    lines = done.stdout.splitlines()
    assert (lines[0], lines[-1]) == ("before", "after")
    assert Counter(lines[1:-1]) == Counter(f"item {number}" for number in range(20))
