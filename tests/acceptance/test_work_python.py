"""`work --python`: a function of one's own on a list of a server, with the outcomes that `run` would keep."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from server_helpers import ended, wait_until

if TYPE_CHECKING:
    from server_helpers import WorkShell

FUNCTIONS = """
import os, signal, sys, time

def note(word):
    descriptor = os.open("log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{word}\\n".encode())
    os.close(descriptor)

def is_even(number):
    return number % 2 == 0

def slow(number):
    note(number)
    time.sleep(0.02)
    return number

def awkward(number):
    if number == 3:
        raise ValueError("it's no \\udce9\\x00 good")
    if number == 4:
        return float("nan")
    if number == 5:
        return {number}
    if number == 6:
        return b"bytes"
    if number == 7:
        return {"deep": [1, (2, 3)], 4: None}
    if number == 8:
        return 2**70
    if number == 9:
        sys.exit("no")
    return number

def too_much(number):
    return {0: "x" * 2_000_000, 1: eval("[" * 90 + "]" * 90), 2: "y" * 1_000_000}.get(number, nested(150))

def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value

def itself(item):
    return item

def length(line):
    return len(line)

def tries(number):
    note(number)
    if number == 2 or (number == 1 and open("log").read().split().count("1") < 3):
        raise RuntimeError("not yet")
    return number

def crashes(number):
    if number == 13:
        os.kill(os.getpid(), signal.SIGSEGV)
    return number

def hangs(number):
    if number == 5:
        note("hangs")
        time.sleep(600)
    return number

def depth_of(item):
    return item["depth"] * item["rate"]
"""


@pytest.fixture
def functions(worker: WorkShell) -> WorkShell:
    worker.write("mine.py", FUNCTIONS)
    return worker


def test_outcomes_are_those_of_run(functions: WorkShell) -> None:
    name = functions.server.numbers(12)
    done = functions.work(name, "-j2", "--python", "mine:awkward")
    assert done.returncode == 0, done.stderr
    assert b"10 ok, 2 failed here" in done.stderr
    functions.run("run", "--state", "run.teamtask", "--range", "0:12", "--python", "mine:awkward")
    lines = functions.run("results", "--state", "run.teamtask", "-o", "ndjson").stdout.splitlines()
    as_run_has_it = [json.loads(line) for line in lines]
    recorded = functions.server.results(name)
    assert len(recorded) == 12
    for one, other in zip(recorded, as_run_has_it, strict=True):
        assert (one["index"], one["item"], one["ok"], one["result"]) == (
            other["index"], other["item"], other["ok"], other["result"]
        )  # fmt: skip


def test_results_that_are_more_than_a_server_takes_have_failed(functions: WorkShell) -> None:
    name = functions.server.numbers(4)
    done = functions.work(name, "-j1", "--python", "mine:too_much")
    assert done.returncode == 0, done.stderr
    assert b"2 ok, 2 failed here" in done.stderr
    results = functions.server.results(name)
    assert [result["ok"] for result in results] == [False, True, True, False]
    assert results[0]["result"] == "ValueError('The result takes 2,000,002 bytes as JSON; 1,048,576 can be kept.')"
    assert results[3]["result"] == "ValueError('The result is nested more than 100 levels deep.')"


@pytest.mark.parametrize(
    ("source", "function", "expected"),
    [
        ({"kind": "range", "start": 2**64, "stop": 2**64 + 3}, "itself", [2**64 + at for at in range(3)]),
        ({"kind": "strings", "alphabet": "ab", "length": 1}, "itself", ["a", "b"]),
        ({"kind": "permutations", "items": ["a", "b"]}, "itself", [["a", "b"], ["b", "a"]]),
        ({"kind": "product", "axes": [["rate", [0.5, 2]], ["depth", [1, 2]]]}, "depth_of", [0.5, 1.0, 2, 4]),
        ({"kind": "lines", "items": ["a", "bb", ""]}, "length", [1, 2, 0]),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_items_of_every_source_reach_the_function(
    functions: WorkShell, source: dict[str, Any], function: str, expected: list[Any]
) -> None:
    name = functions.server.create(source, start=1000)
    done = functions.work(name, "-j2", "--python", f"mine:{function}")
    assert done.returncode == 0, done.stderr
    assert functions.server.outcomes(name) == {1000 + at: value for at, value in enumerate(expected)}


def test_lines_of_many_pages_reach_the_function_bytes_that_are_no_utf_8_included(functions: WorkShell) -> None:
    count = 25_000
    text = b"".join(b"%d\n" % number for number in range(count)) + b"\xff\xfe last"
    name = functions.server.lines(text)
    done = functions.work(name, "-j2", "--python", "mine:itself")
    assert done.returncode == 0, done.stderr
    functions.server.check(name, count + 1)
    outcomes = functions.server.outcomes(name)
    assert outcomes.pop(count) == "\ufffd\ufffd last"
    assert list(outcomes.values()) == [str(number) for number in range(count)]


def test_a_fold_is_made_of_what_the_function_returns(functions: WorkShell) -> None:
    name = functions.server.numbers(100_000, fold="count", block={"size": 10_000})
    assert functions.work(name, "-j2", "--python", "mine:is_even").returncode == 0
    shown = functions.server.show(name)
    assert (shown["state"], shown["done"], shown["fold"], shown["results"]) == ("complete", 100_000, 50_000, 0)


def test_with_a_fold_an_exception_sets_its_item_aside(functions: WorkShell) -> None:
    name = functions.server.numbers(20, fold="sum", attempts=1)
    done = functions.work(name, "-j2", "--python", "mine:awkward")
    assert done.returncode == 0, done.stderr
    shown = functions.server.show(name)
    bad = {3, 4, 5, 6, 7, 9}
    assert (shown["state"], shown["done"], shown["parked"]) == ("complete_except", 20 - len(bad), len(bad))
    assert int(shown["fold"]) == sum(set(range(20)) - bad - {8}) + 2**70


def test_retries_are_made_before_an_item_has_failed(functions: WorkShell) -> None:
    name = functions.server.numbers(4)
    done = functions.work(name, "-j1", "--retries", "2", "--python", "mine:tries")
    assert done.returncode == 0, done.stderr
    results = functions.server.results(name)
    assert [result["ok"] for result in results] == [True, True, False, True]
    assert results[2]["result"] == "RuntimeError('not yet')"
    assert sorted((functions.folder / "log").read_text().split()) == list("01112223")


def test_a_crash_is_found_and_set_aside(functions: WorkShell) -> None:
    name = functions.server.numbers(50, attempts=1)
    done = functions.work(name, "-j2", "--python", "mine:crashes")
    assert done.returncode == 0, done.stderr
    shown = functions.server.show(name)
    assert (shown["state"], shown["done"], shown["parked"]) == ("complete_except", 49, 1)
    assert "killed by signal 11" in str(functions.server.call("GET", f"/v1/lists/{name}/blocks?state=parked"))


def test_a_timeout_is_an_outcome(functions: WorkShell) -> None:
    name = functions.server.numbers(20)
    done = functions.work(name, "-j2", "--timeout", "0.5", "--python", "mine:hangs")
    assert done.returncode == 0, done.stderr
    assert functions.server.outcomes(name)[5] == "TimeoutError('The function did not return within 0.5 s.')"
    shown = functions.server.show(name)
    assert (shown["state"], shown["done"], shown["failed"]) == ("complete", 20, 1)


def test_halt_after_stops_with_1_and_gives_back_the_rest(functions: WorkShell) -> None:
    name = functions.server.numbers(10_000)
    done = functions.work(name, "-j1", "--halt-after", "1", "--python", "mine:awkward")
    assert done.returncode == 1
    assert b"Stopped after failures" in done.stderr
    shown = functions.server.show(name)
    assert (shown["state"], shown["leased"]) == ("running", 0)
    assert shown["failed"] >= 1


def test_a_list_that_grows_is_worked_to_its_new_end(functions: WorkShell) -> None:
    name = functions.server.numbers(60, block={"size": 10})
    process = functions.begin_work(name, "-j2", "--forever", "--python", "mine:slow")
    wait_until(lambda: functions.count("log") >= 5)
    functions.server.call("POST", f"/v1/lists/{name}/grow", {"size": 100})
    wait_until(lambda: functions.server.show(name)["state"] == "complete")
    process.terminate()
    code, said = ended(process)
    assert code == 130, said
    functions.server.check(name, 100)
    assert functions.server.outcomes(name) == {number: number for number in range(100)}
