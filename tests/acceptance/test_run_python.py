"""`run --python`: a function instead of a command, with results or a fold; killed, interrupted, shared."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from run_helpers import Shell

FUNCTIONS = """
import os, signal, sys, time

def note(number):
    descriptor = os.open("log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{number}\\n".encode())
    os.close(descriptor)

def is_even(number):
    return number % 2 == 0

def noted(number):
    note(number)
    return number

def slow(number):
    note(number)
    time.sleep(0.02)
    return number

def some_fail(number):
    note(number)
    if number % 10 == 3 and not os.path.exists("mended"):
        raise ValueError(f"not {number}")
    return number

def crashes(number):
    if number == 13:
        os.kill(os.getpid(), signal.SIGSEGV)
    return number

def hangs(number):
    if number == 5:
        time.sleep(600)
    return number

def length(line):
    return len(line)

def shown(item):
    print("item", item)
    return item

def unfriendly(number):
    return object() if number == 1 else {number}
"""


@pytest.fixture
def functions(shell: Shell) -> Shell:
    shell.write("mine.py", FUNCTIONS)
    return shell


def log(shell: Shell) -> list[int]:
    path = shell.folder / "log"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def results(shell: Shell) -> list[Any]:
    done = shell.run("results", *shell.names(), "-o", "ndjson")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_function_of_the_current_folder_is_called_for_each_item_and_results_are_kept(functions: Shell) -> None:
    command = ("run", "-j2", "--range", "0:1000", "--python", "mine:is_even")
    done = functions.run(*command)
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    assert b"1000 ok, 0 failed" in done.stderr, "what is false is no failure"
    kept = results(functions)
    assert [one["index"] for one in kept] == list(range(1000))
    assert [one["result"] for one in kept] == [number % 2 == 0 for number in range(1000)]
    again = functions.run(*command)
    assert again.returncode == 0
    assert b"Nothing to do" in again.stderr


def test_lines_pipes_arguments_and_axes_are_items(functions: Shell) -> None:
    functions.write("items", b"one\nth\xffree\n")
    for words, stdin, expected in (
        (("items",), b"", [3, 6]),
        (("-",), b"a\nbb\nccc", [1, 2, 3]),
        (("--axis", "a=1,2", "--axis", "b=3"), b"", [2, 2]),
    ):
        name = f"run-{len(functions.names())}"
        done = functions.run("run", "--name", name, *words, "--python", "mine:length", stdin=stdin)
        assert done.returncode == 0, done.stderr
        shown = functions.run("results", name, "-o", "ndjson").stdout
        assert [json.loads(line)["result"] for line in shown.splitlines()] == expected


def test_a_fold_is_printed_and_nothing_else_is_kept(functions: Shell) -> None:
    command = ("run", "-j2", "--range", "0:100000", "--python", "mine:is_even", "--fold", "count")
    for _ in range(2):
        done = functions.run(*command)
        assert (done.returncode, done.stdout) == (0, b"50000\n"), done.stderr
    assert results(functions) == []
    done = functions.run("run", "--range", "0:50", "--python", "mine:is_even", "--fold", "top=3")
    assert done.stdout == b"[1, 1, 1]\n"


def test_an_exception_is_a_failed_item_that_can_be_tried_again(functions: Shell) -> None:
    command = ("--range", "0:100", "--python", "mine:some_fail")
    done = functions.run("run", *command)
    assert done.returncode == 10
    assert b"ValueError: not 13" in done.stderr
    assert b"teamtask run --retry-failed --range 0:100 --python mine:some_fail" in done.stderr
    (functions.folder / "mended").touch()
    assert functions.run("run", "--retry-failed", *command).returncode == 0
    assert Counter(log(functions)) == Counter([*range(100), *range(3, 100, 10)])


def test_with_a_fold_an_exception_is_set_aside_and_can_be_tried_again(functions: Shell) -> None:
    command = ("--range", "0:100", "--python", "mine:some_fail", "--fold", "sum")
    done = functions.run("run", *command)
    assert done.returncode == 10
    assert int(done.stdout) == sum(range(100)) - sum(range(3, 100, 10))
    assert b"ValueError: not 13" in done.stderr
    (functions.folder / "mended").touch()
    done = functions.run("run", "--retry-failed", *command)
    assert (done.returncode, done.stdout) == (0, b"%d\n" % sum(range(100)))
    assert Counter(log(functions)) == Counter([*range(100), *range(3, 100, 10)])


def test_a_crash_is_found_and_a_timeout_kept(functions: Shell) -> None:
    done = functions.run("run", "--range", "0:50", "--python", "mine:crashes")
    assert done.returncode == 1
    assert b"killed by signal 11 (SIGSEGV)" in done.stderr
    done = functions.run("run", "--range", "0:50", "--timeout", "0.3", "--python", "mine:hangs")
    assert done.returncode == 1
    assert b"did not return within 0.3 s" in done.stderr


def test_halt_after_and_retries_are_kept(functions: Shell) -> None:
    done = functions.run(
        "run", "-j1", "--range", "0:1000", "--halt-after", "2", "--python", "mine:some_fail", "--retries", "1"
    )
    assert 2 <= done.returncode < 100
    assert b"Stopped after failures" in done.stderr
    counts = Counter(log(functions))
    assert counts[3] == 2
    assert counts[4] == 1


def test_killed_in_the_middle_it_goes_on_and_repeats_only_what_was_in_hand(functions: Shell, wait_until: Any) -> None:
    command = ("run", "-j2", "--range", "0:150", "--python", "mine:slow")
    process = functions.start(*command, start_new_session=True)
    wait_until(lambda: len(log(functions)) > 40)
    time.sleep(0.1)
    process.kill()
    process.wait()
    assert functions.run(*command).returncode == 0
    counts = Counter(log(functions))
    assert set(counts) == set(range(150))
    assert sum(counts.values()) <= 150 + 6


def test_ctrl_c_finishes_what_is_in_hand_and_the_same_command_goes_on(functions: Shell, wait_until: Any) -> None:
    command = ("run", "-j2", "--range", "0:100", "--python", "mine:slow")
    process = functions.start(*command, start_new_session=True, stderr=-1)
    wait_until(lambda: len(log(functions)) > 20)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"left; the same command goes on where it stopped" in said
    assert b"Traceback" not in said
    assert len(log(functions)) < 100
    assert functions.run(*command).returncode == 0
    assert Counter(log(functions)) == Counter(range(100))


def test_a_second_ctrl_c_kills(functions: Shell, wait_until: Any) -> None:
    functions.write("long.py", "import time, mine\ndef work(number):\n    mine.note(number)\n    time.sleep(600)\n")
    process = functions.start(
        "run", "-j2", "--range", "0:5", "--python", "long:work", start_new_session=True, stderr=-1
    )
    wait_until(lambda: len(log(functions)) == 2)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None, "it waits for what is in hand"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=10)
    assert process.returncode == 130
    assert b"5 left" in said


def test_two_copies_at_once_share_the_work(functions: Shell) -> None:
    command = ("run", "-j2", "--range", "0:200", "--python", "mine:slow")
    one, other = functions.start(*command), functions.start(*command)
    assert one.wait(timeout=60) == 0
    assert other.wait(timeout=60) == 0
    assert Counter(log(functions)) == Counter(range(200))


def test_results_that_are_no_json_are_shown_as_python_shows_them(functions: Shell) -> None:
    done = functions.run("run", "--range", "0:3", "--python", "mine:unfriendly")
    assert done.returncode == 0, done.stderr
    kept = results(functions)
    assert [kept[0]["result"], kept[2]["result"]] == ["{0}", "{2}"]
    assert kept[1]["result"].startswith("<object object")


def test_dry_run_shows_calls_and_makes_none(functions: Shell) -> None:
    done = functions.run("run", "--dry-run", "--range", "0:20", "--python", "mine:noted")
    assert done.stdout.splitlines() == [b"mine:noted(%d)" % number for number in range(10)]
    assert not log(functions)
    assert not functions.names()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--python", "mine:nothing"), b"There is no 'nothing' in mine"),
        (("--python", "nothing:nothing"), b"There is no module nothing"),
        (("--python", "mine"), b"is not MODULE:FUNCTION"),
        (("--python", "mine:is_even", "-k"), b"--keep-order is for commands"),
        (("--python", "mine:is_even", "--per-block"), b"--per-block is for commands"),
        (("--python", "mine:is_even", "--fold", "mean"), b"There is no fold 'mean'"),
        (("--python", "mine:is_even", "--", "true"), b"Give a command or --python"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_begun(functions: Shell, words: tuple[str, ...], message: bytes) -> None:
    done = functions.run("run", "--range", "0:3", *words)
    assert done.returncode == 255
    assert message in done.stderr
    assert b"Traceback" not in done.stderr
    assert not functions.names()


@pytest.fixture
def wait_until() -> Any:
    def wait(condition: Any) -> None:
        until = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < until
            time.sleep(0.01)

    return wait
