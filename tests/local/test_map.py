"""`teamtask.map`: outcomes in order, kept, resumed; what is raised; leaving the loop."""

from __future__ import annotations

import faulthandler
import functools
import os
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import teamtask
from teamtask.ledger.errors import InvalidField, InvalidSource
from teamtask.local.item_lines import RunChanged
from teamtask.local.outcome import ItemParked
from teamtask.local.state_files import open_state

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Log

MANY = settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])


def double(number: int) -> int:
    return 2 * number


def results(**options: Any) -> list[Any]:
    return [outcome.result for outcome in teamtask.map(double, range(10), **options)]


# --- what is yielded


@MANY
@given(st.lists(st.one_of(st.integers(), st.text(max_size=5), st.none()), min_size=1, max_size=500), st.integers(1, 3))
def test_there_is_an_outcome_for_each_item_in_order(items: list[Any], processes: int) -> None:
    outcomes = list(teamtask.map(repr, items, processes=processes, fresh=True))
    assert [outcome.index for outcome in outcomes] == list(range(len(items)))
    assert [outcome.item for outcome in outcomes] == items
    assert [outcome.result for outcome in outcomes] == list(map(repr, items))
    assert all(outcome.ok and outcome.error is None and (outcome.seconds or 0) >= 0 for outcome in outcomes)


def test_every_kind_of_source_is_worked() -> None:
    for source in (
        teamtask.strings("ab", length=3),
        teamtask.permutations("abc"),
        teamtask.combinations([1, 2, 3], 2),
        teamtask.product(rate=[0.1, 0.2], depth=[1, 2]),
        teamtask.mask("AB", "01"),
        teamtask.range(5, 50, 5),
        teamtask.shuffled(teamtask.range(20), 7),
        range(3, 0, -1),
        (str(number) for number in range(5)),
        {"key": 1}.items(),
    ):
        kept = list(source) if not hasattr(source, "items") or isinstance(source, (range, dict)) else None
        kept = list(source.items(0, source.size)) if kept is None else kept
        given = source if hasattr(source, "fingerprint") else kept
        assert [outcome.result for outcome in teamtask.map(repr, given)] == list(map(repr, kept))


def test_outcomes_may_come_as_they_are_done(tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"

    def function(number: int) -> int:
        while number == 0 and not go_on.exists():
            time.sleep(0.01)
        return number

    indices = []
    for outcome in teamtask.map(function, range(100), processes=2, ordered=False):
        indices.append(outcome.index)
        if len(indices) == 50:
            go_on.touch()
    assert sorted(indices) == list(range(100))
    assert indices[0] != 0


def test_a_slow_first_item_does_not_keep_the_others_from_being_worked(log: Log) -> None:
    def function(number: int) -> int:
        log.write(number)
        while number == 0 and len(log.items()) < 1000:
            time.sleep(0.01)
        return number

    assert [outcome.index for outcome in teamtask.map(function, range(1000), processes=2)] == list(range(1000))


def test_closures_lambdas_methods_and_partials_work() -> None:
    class Adder:
        def __init__(self, number: int) -> None:
            self.number = number

        def add(self, other: int) -> int:
            return self.number + other

        def __call__(self, other: int) -> int:
            return self.number - other

    three = 3
    for function in (
        lambda number: number + three,
        Adder(3).add,
        Adder(3),
        functools.partial(pow, 3),
        hex,
        str.upper,
    ):
        items: list[Any] = ["a", "b"] if function is str.upper else list(range(5))
        assert [outcome.result for outcome in teamtask.map(function, items)] == [function(item) for item in items]


def test_large_results_arrive_whole() -> None:
    outcomes = teamtask.map(lambda number: bytes([number]) * 3_000_000, range(30), processes=2)
    assert all(outcome.result == bytes([outcome.index]) * 3_000_000 for outcome in outcomes)


# --- resuming


def test_what_was_kept_is_yielded_again_without_a_call(log: Log) -> None:
    def function(number: int) -> dict[str, Any]:
        log.write(number)
        return {"number": number, "set": {number}}

    first = list(teamtask.map(function, range(300), processes=2))
    again = list(teamtask.map(function, range(300), processes=2))
    assert [(outcome.index, outcome.result) for outcome in again] == [(one.index, one.result) for one in first]
    assert again[7].seconds == first[7].seconds
    assert Counter(log.items()) == Counter(range(300))


def test_fresh_forgets_what_was_kept(log: Log) -> None:
    for _ in range(2):
        assert len(list(teamtask.map(log.write, range(5), name="again", fresh=True))) == 5
    assert Counter(log.items()) == Counter(dict.fromkeys(range(5), 2))


def test_other_items_or_another_closure_are_another_run(state: Path) -> None:
    def adder(one: int) -> Any:
        return lambda other: one + other

    assert [outcome.result for outcome in teamtask.map(adder(1), [1, 2])] == [2, 3]
    assert [outcome.result for outcome in teamtask.map(adder(2), [1, 2])] == [3, 4]
    assert [outcome.result for outcome in teamtask.map(adder(1), [1, 3])] == [2, 4]
    assert len(list(state.glob("*.teamtask"))) == 3


def test_a_name_of_ones_own_keeps_the_run_whatever_the_code_and_refuses_other_items(log: Log) -> None:
    def made(factor: int) -> Any:
        def function(number: int) -> int:
            log.write(number)
            return number * factor

        return function

    for factor in (1, 2):
        assert [one.result for one in teamtask.map(made(factor), range(10), name="mine")] == list(range(10))
    assert Counter(log.items()) == Counter(range(10))
    for function, items in ((made(1), range(11)), (double, range(10))):
        with pytest.raises(RunChanged) as raised:
            next(teamtask.map(function, items, name="mine"))
        assert "fresh=True" in (raised.value.hint or "")


def test_a_run_appears_in_the_state_folder_under_the_name_of_the_function(state: Path) -> None:
    results()
    (path,) = state.glob("*.teamtask")
    assert path.name.startswith("double-")


# --- failures


def test_an_exception_is_raised_at_its_item_and_the_next_call_tries_it_again(log: Log, tmp_path: Path) -> None:
    mended = tmp_path / "mended"

    def function(number: int) -> int:
        log.write(number)
        if number == 50 and not mended.exists():
            raise LookupError(f"no {number}")
        return number

    outcomes = teamtask.map(function, range(100), processes=2)
    assert [next(outcomes).index for _ in range(50)] == list(range(50))
    with pytest.raises(LookupError, match="no 50") as raised:
        next(outcomes)
    assert 'raise LookupError(f"no {number}")' in raised.value.__notes__[0]
    with pytest.raises(LookupError, match="no 50"):
        list(teamtask.map(function, range(100), processes=2))
    mended.touch()
    assert [outcome.result for outcome in teamtask.map(function, range(100), processes=2)] == list(range(100))
    counts = Counter(log.items())
    assert counts.pop(50) == 3
    assert set(counts.values()) == {1}


def test_exceptions_are_yielded_where_that_is_asked_for_and_kept(log: Log) -> None:
    def function(number: int) -> int:
        log.write(number)
        if number % 3 == 0:
            raise ValueError(number)
        return number

    for _ in range(2):
        outcomes = list(teamtask.map(function, range(30), errors="yield", processes=2))
        assert [outcome.index for outcome in outcomes] == list(range(30))
        assert [outcome.index for outcome in outcomes if not outcome.ok] == list(range(0, 30, 3))
        assert all(isinstance(outcome.error, ValueError) and outcome.result is None for outcome in outcomes[::3])
    assert Counter(log.items()) == Counter(range(30))


def test_an_item_that_kills_its_process_is_yielded_in_its_place() -> None:
    def function(number: int) -> int:
        if number == 13:
            faulthandler.disable()
            os.kill(os.getpid(), signal.SIGSEGV)
        return number

    for _ in range(2):
        outcomes = list(teamtask.map(function, range(100), errors="yield", processes=2))
        assert [outcome.index for outcome in outcomes] == list(range(100))
        assert [outcome.index for outcome in outcomes if not outcome.ok] == [13]
        assert isinstance(outcomes[13].error, ItemParked)
        assert "SIGSEGV" in str(outcomes[13].error)
    with pytest.raises(ItemParked):
        list(teamtask.map(function, range(100), processes=2))


# --- leaving, and backpressure


def test_nothing_happens_before_the_first_outcome_is_asked_for(log: Log, state: Path) -> None:
    outcomes = teamtask.map(log.write, range(10))
    assert not state.exists()
    outcomes.close()
    assert not log.items()
    assert next(teamtask.map(log.write, range(10))).index == 0


def test_leaving_the_loop_stops_the_processes_and_keeps_what_is_finished(log: Log, is_alive: Any) -> None:
    def function(number: int) -> int:
        log.write(number)
        time.sleep(0.01)
        return number

    for outcome in teamtask.map(function, range(200), processes=2):
        if outcome.index == 20:
            break
    del outcome
    assert not any(map(is_alive, log.processes()))
    assert 20 < len(log.items()) < 200
    assert [outcome.result for outcome in teamtask.map(function, range(200), processes=2)] == list(range(200))
    assert Counter(log.items()) == Counter(range(200)), "what was in hand had time to finish"


def test_leaving_the_loop_ends_an_item_that_takes_long(log: Log, is_alive: Any) -> None:
    def function(number: int) -> int:
        log.write(number)
        if number:
            time.sleep(600)
        return number

    outcomes = teamtask.map(function, range(10), processes=2)
    assert next(outcomes).index == 0
    outcomes.close()
    assert not any(map(is_alive, log.processes()))


def test_nothing_new_is_begun_while_nobody_takes_what_is_done(log: Log) -> None:
    def function(number: int) -> bytes:
        log.write(number)
        return bytes(1_000_000)

    outcomes = teamtask.map(function, range(200), processes=2)
    next(outcomes)
    begun = -1
    while begun != (begun := len(log.items())):
        time.sleep(0.3)
    assert 0 < begun < 100
    assert sum(1 for _ in outcomes) == 199


def test_what_is_done_is_kept_while_the_program_is_busy(log: Log, state: Path, wait_until: Any) -> None:
    outcomes = teamtask.map(log.write, range(50), name="busy", processes=2)
    next(outcomes)

    def is_complete() -> bool:
        service = open_state(state / "busy.teamtask")
        try:
            with service.view(service.find("busy")) as view:
                return view.ledger.state == "complete"
        finally:
            service.store.close()

    wait_until(is_complete)
    assert sum(1 for _ in outcomes) == 49


def test_two_maps_of_one_run_in_one_program_share_the_work(log: Log) -> None:
    def function(number: int) -> int:
        log.write(number)
        time.sleep(0.002)
        return number

    one, other = (teamtask.map(function, range(100), processes=1, name="shared") for _ in range(2))
    seen: list[list[int]] = [[], []]
    for pair in zip(one, other, strict=True):
        for indices, outcome in zip(seen, pair, strict=True):
            indices.append(outcome.index)
    assert seen == [list(range(100)), list(range(100))]
    assert Counter(log.items()) == Counter(range(100))


# --- bad input


def test_bad_input_is_refused_at_once_and_nothing_is_touched(state: Path) -> None:
    for call, error in (
        (lambda: teamtask.map(3, range(5)), InvalidField),  # type: ignore[arg-type, type-var]  # that is the point
        (lambda: teamtask.map(double, []), InvalidSource),
        (lambda: teamtask.map(double, 5), InvalidSource),  # type: ignore[arg-type]  # as above
        (lambda: teamtask.map(double, range(5), processes=0), InvalidField),
        (lambda: teamtask.map(double, range(5), processes=2.5), InvalidField),  # type: ignore[arg-type]  # as above
        (lambda: teamtask.map(double, range(5), errors="ignore"), InvalidField),  # type: ignore[arg-type]  # as above
        (lambda: teamtask.map(double, [lambda: 0]), InvalidSource),
        (lambda: teamtask.fold(double, range(5), "mean"), InvalidField),
        (lambda: teamtask.lines("/no/such/file"), InvalidSource),
    ):
        with pytest.raises(error):
            call()
    with pytest.raises(InvalidField):
        next(teamtask.map(double, range(5), name="no/name"))
    assert not list(state.glob("*")) if state.exists() else True
