"""`teamtask.fold`: one value for all results, kept on the way, not divided, not doubled."""

from __future__ import annotations

import faulthandler
import os
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

import teamtask
from teamtask.ledger.folds import fold_of
from teamtask.local.outcome import ItemParked
from teamtask.local.state_files import open_state

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Log, Script


def scattered(number: int) -> int:
    return number * 7919 % 3001


@pytest.mark.parametrize(
    "rule", ["count", "sum", "min", "max", "any", "all", {"top": 3}, {"histogram": [9, 99.5]}], ids=str
)
def test_a_built_in_fold_is_that_of_all_results(rule: Any) -> None:
    assert teamtask.fold(scattered, range(3000), rule, processes=2) == fold_of(rule, map(scattered, range(3000)))


def test_a_function_of_ones_own_merges_in_order_of_index() -> None:
    assert teamtask.fold(str, range(2000), lambda one, other: one + other, processes=2) == "".join(
        map(str, range(2000))
    )
    assert teamtask.fold(lambda number: {number % 7}, range(100), set.union, processes=2) == set(range(7))


@pytest.mark.parametrize("own", [False, True], ids=["built-in", "own"])
def test_it_goes_on_where_it_stopped(own: bool, script: Script, wait_until: Any) -> None:  # noqa: FBT001
    fold = "lambda one, other: one + other" if own else "'sum'"
    script.write(
        "import os, time, teamtask\n"
        "def work(number):\n"
        "    descriptor = os.open('log', os.O_WRONLY | os.O_APPEND | os.O_CREAT)\n"
        "    os.write(descriptor, b'%d\\n' % number)\n"
        "    os.close(descriptor)\n"
        "    time.sleep(0.01)\n"
        "    return number\n"
        f"print(teamtask.fold(work, range(200), {fold}, processes=2))\n"
    )
    log = script.folder / "log"
    process = script.start(start_new_session=True)
    wait_until(lambda: log.exists() and log.read_text().count("\n") > 50)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert script.run() == f"{sum(range(200))}\n"
    assert script.run() == f"{sum(range(200))}\n"
    counts = Counter(log.read_text().split())
    assert set(counts) == set(map(str, range(200)))
    assert sum(counts.values()) <= 200 + 12


def test_results_are_not_kept(state: Path) -> None:
    teamtask.fold(scattered, range(1000), "sum", name="mine")
    service = open_state(state / "mine.teamtask")
    with service.view(service.find("mine")) as view:
        assert view.ledger.results == 0
        assert view.ledger.fold == sum(map(scattered, range(1000)))
    service.store.close()


def test_the_functions_own_exception_is_raised_and_the_next_call_goes_on(log: Log, tmp_path: Path) -> None:
    mended = tmp_path / "mended"

    def function(number: int) -> int:
        log.write(number)
        time.sleep(0.002)
        if number == 50 and not mended.exists():
            raise LookupError("no 50")
        return number

    for _ in range(4):  # more often than a list tries an item
        with pytest.raises(LookupError, match="no 50"):
            teamtask.fold(function, range(100), "sum", processes=2)
    mended.touch()
    assert teamtask.fold(function, range(100), "sum", processes=2) == sum(range(100))
    counts = Counter(log.items())
    assert counts.pop(50) >= 5
    assert set(counts.values()) == {1}


def test_a_result_that_the_fold_cannot_take_is_an_error_of_its_item() -> None:
    with pytest.raises(TypeError, match="takes numbers, and the function returned one of type str"):
        teamtask.fold(lambda number: "text" if number == 500 else number, range(1000), "sum", processes=2)


def test_an_item_that_kills_its_process_is_said_in_the_end() -> None:
    def function(number: int) -> int:
        if number == 13:
            faulthandler.disable()
            os.kill(os.getpid(), signal.SIGSEGV)
        return number

    with pytest.raises(RuntimeError, match="SIGSEGV"):
        teamtask.fold(function, range(100), "sum", processes=2)


def test_a_merging_function_that_raises_is_said() -> None:
    with pytest.raises(ZeroDivisionError):
        teamtask.fold(scattered, range(1000), lambda one, other: one // 0 + other)


def test_other_folds_of_the_same_items_are_other_runs() -> None:
    assert teamtask.fold(scattered, range(100), "min") == min(map(scattered, range(100)))
    assert teamtask.fold(scattered, range(100), "max") == max(map(scattered, range(100)))
    assert teamtask.fold(scattered, range(100), max) == max(map(scattered, range(100)))


def test_a_fold_of_one_item_is_its_result() -> None:
    assert teamtask.fold(str, [5], lambda one, other: one + other) == "5"
    assert teamtask.fold(abs, [-5], "min") == 5
    assert ItemParked.code == "item_parked"
