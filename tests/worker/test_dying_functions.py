"""`FunctionWork` when processes die, hang, or cannot be begun."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import subprocess
import time
from collections import Counter
from itertools import count
from typing import Any

import pytest
from function_bench import Bench, Log, is_odd

from teamtask.worker.function_pool import NoProcess


def segfault() -> None:
    faulthandler.disable()  # it is meant
    ctypes.string_at(0)


@pytest.mark.parametrize("bad", [0, 7, 4_000])
def test_an_item_that_kills_its_process_is_parked_and_the_others_are_done(bad: int, log: Log) -> None:
    def function(number: int) -> int:
        if number == bad:
            log.write(number)
            segfault()
        return number

    bench = Bench(5_000)
    bench.run(function)
    ledger = bench.ledger
    assert set(ledger.parked) == {bad}
    assert "killed by signal 11 (SIGSEGV)" in ledger.parked[bad].error
    assert bench.values() == [number for number in range(5_000) if number != bad]
    assert ledger.state == "complete_except"
    assert 3 <= len(log.items()) <= 5, "as often as the list has attempts, and once or twice to find it"


def test_a_slow_item_that_kills_its_process_takes_no_other_call_with_it(log: Log) -> None:
    def function(number: int) -> int:
        log.write(number)
        time.sleep(0.01)
        if number == 13:
            os._exit(3)
        return number

    bench = Bench(30, attempts=2)
    bench.run(function)
    assert "ended with exit status 3" in bench.ledger.parked[13].error
    assert Counter(log.items()) == Counter(range(30)) + Counter([13])


def test_a_process_that_somebody_kills_costs_nothing_but_its_item(log: Log) -> None:
    def function(number: int) -> int:
        log.write(number)
        time.sleep(0.02)
        return number

    bench = Bench(60)
    killed: list[int] = []

    def kill() -> None:
        if len(log.items()) > 10 and not killed:
            killed.append(log.processes().pop())
            os.kill(killed[0], signal.SIGKILL)

    bench.on_tick = kill
    bench.run(function)
    assert killed
    assert bench.values() == list(range(60))
    assert sum(Counter(log.items()).values()) <= 61


def test_a_call_that_takes_too_long_fails_and_the_others_are_done(log: Log, wait_until: Any, is_alive: Any) -> None:
    def function(number: int) -> int:
        if number == 500:
            child = subprocess.Popen(["sleep", "600"])
            log.write(child.pid)
            child.wait()
        return number

    bench = Bench(1000)
    work = bench.run(function, timeout_seconds=0.3)
    results = bench.results()
    assert [result.index for result in results if not result.ok] == [500]
    assert isinstance(results[500].value, TimeoutError)
    assert (results[500].seconds or 0) >= 0.3
    assert [result.value for result in results if result.ok] == [n for n in range(1000) if n != 500]
    assert work.failed == 1
    wait_until(lambda: not any(map(is_alive, log.items())))


def test_a_call_that_holds_the_interpreter_is_ended_too(log: Log) -> None:
    def function(number: int) -> int:
        log.write(number)
        if number == 40:
            sum(count())  # in C, without a break
        return number

    bench = Bench(80)
    bench.run(function, timeout_seconds=0.3, retries=1)
    results = bench.results()
    assert [result.index for result in results if not result.ok] == [40]
    assert log.items().count(40) == 2, "it is tried again"


def test_a_system_without_room_is_worked_with_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    forks = count()
    fork = os.fork

    def full() -> int:
        if next(forks) >= 1:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return fork()

    monkeypatch.setattr(os, "fork", full)
    bench = Bench(200)
    bench.run(lambda number: number, 4)
    assert bench.values() == list(range(200))
    with pytest.raises(NoProcess, match="Resource temporarily unavailable"):
        Bench(5).run(is_odd)


def test_processes_that_all_die_at_once_end_the_work() -> None:
    bench = Bench(10)
    bench.source = None  # type: ignore[assignment]  # then a process waits for items that nobody sends
    with pytest.raises(EOFError):
        bench.run(is_odd)
    assert not bench.ledger.leases
