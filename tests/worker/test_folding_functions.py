"""`FunctionWork` with a fold: of all results, once each, also when a lease is lost on the way."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from function_bench import Bench, is_odd

from teamtask.ledger.folds import fold_of
from teamtask.ledger.interval_set import IntervalSet
from teamtask.wire.messages import Exchange, Reply, Report, Want
from teamtask.worker.work_functions import ReportRefused

FOLDS = ["count", "sum", "min", "max", "any", "all", {"top": 5}, {"histogram": [10, 100.5, 2000]}]


@pytest.mark.parametrize("rule", FOLDS, ids=str)
def test_a_fold_is_that_of_all_results(rule: Any) -> None:
    bench = Bench(3000, fold=rule)
    bench.run(lambda number: number * 7919 % 3001)
    ledger = bench.ledger
    assert ledger.fold == fold_of(rule, [number * 7919 % 3001 for number in range(3000)])
    assert (ledger.state, ledger.results) == ("complete", 0)


def test_a_fold_without_an_item_that_fails_is_that_of_the_others() -> None:
    def function(number: int) -> Any:
        if number == 17:
            raise ValueError("no 17")
        return "text" if number == 1000 else float("nan") if number == 2000 else number

    bench = Bench(3000, fold="sum", attempts=1)
    work = bench.run(function)
    ledger = bench.ledger
    assert ledger.fold == sum(range(3000)) - 17 - 1000 - 2000
    assert {index: parked.error for index, parked in ledger.parked.items()} == {
        17: "ValueError: no 17",
        1000: "NoNumber: The fold takes numbers, and the function returned one of type str.",
        2000: "NoNumber: The fold takes finite numbers, and the function returned nan.",
    }
    assert sorted(bench.refusals) == [17, 1000, 2000]
    assert work.failed == 3


def test_truths_are_numbers_where_a_fold_takes_numbers() -> None:
    bench = Bench(100, fold="max")
    bench.run(lambda number: number == 50)
    assert bench.ledger.fold == 1
    assert type(bench.ledger.fold) is int


def test_a_fold_that_the_list_refuses_ends_the_work() -> None:
    bench = Bench(10, fold="sum")
    with pytest.raises(ReportRefused, match="fold"):
        bench.run(lambda _number: 10**3999 * 9)
    assert not bench.ledger.leases


def test_a_function_of_ones_own_folds_in_order_of_index() -> None:
    bench = Bench(2000, fold="count")
    bench.run(str, merge=lambda one, other: one + other)
    assert "".join(bench.values()) == "".join(map(str, range(2000)))
    assert bench.ledger.fold == 2000


def test_a_fold_function_that_raises_ends_the_work() -> None:
    def merge(_one: int, _other: int) -> int:
        raise ZeroDivisionError("no merge")

    bench = Bench(1000, fold="count")
    with pytest.raises(ZeroDivisionError, match="no merge"):
        bench.run(is_odd, merge=merge)
    assert not bench.ledger.leases


def test_a_fold_function_that_raises_where_reports_are_made_ends_the_work_too() -> None:
    here = os.getpid()

    def merge(one: int, other: int) -> int:
        if os.getpid() == here:
            raise ZeroDivisionError("no merge here")
        return one + other

    def slow(number: int) -> int:
        time.sleep(0.002)
        return number

    bench = Bench(1000, fold="count")
    with pytest.raises(ZeroDivisionError, match="no merge here"):
        bench.run(slow, merge=merge, report_seconds=0.5)
    assert not bench.ledger.leases, "what cannot be told is given back"


@pytest.mark.parametrize("own", [False, True])
def test_nothing_is_folded_twice_when_a_lease_is_taken_away_and_partly_done_by_another(own: bool) -> None:  # noqa: FBT001
    bench = Bench(4000, fold="count" if own else "sum")
    merge = (lambda one, other: one + other) if own else None
    stolen: list[tuple[int, int]] = []

    def exchange(message: Exchange) -> Reply:
        if message.reports and len(stolen) < 5:
            bench.service.take_back(bench.list_id, [lease.id for lease in bench.ledger.leases.values()])
            for lease in bench.service.exchange(bench.list_id, "local", Exchange("other/1", want=Want())).leases:
                start, stop = lease.index, lease.index + lease.size
                fold = stop - start if own else sum(range(start, stop))
                report = Report(lease.lease, start, stop, fold=fold)
                bench.service.exchange(bench.list_id, "local", Exchange("other/1", reports=(report,)))
                stolen.append((start, stop))
        return bench.exchange(message)

    bench.run(lambda number: number, merge=merge, exchange=exchange)
    assert stolen
    ledger = bench.ledger
    assert ledger.done == IntervalSet.of(0, 4000)
    if own:
        theirs = sum(sum(range(start, stop)) for start, stop in stolen)
        assert sum(bench.values()) + theirs == sum(range(4000))
        assert ledger.fold == 4000
    else:
        assert ledger.fold == sum(range(4000))
