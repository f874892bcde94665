"""`work` that is stopped gives back what it has not begun at once; what is killed comes back when its lease expires."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from server_helpers import ended, wait_until

if TYPE_CHECKING:
    import subprocess

    from server_helpers import WorkShell

FUNCTIONS = """
import os, time

def note(word):
    descriptor = os.open("log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{word}\\n".encode())
    os.close(descriptor)

def waits(number):
    note(number)
    while not os.path.exists("go-on"):
        time.sleep(0.02)
    return number
"""
WAITS = "until test -e go-on; do sleep 0.02; done"
HOW = {
    "items": ("--", "sh", "-c", f"echo $0 >>log; {WAITS}; echo $0"),
    "blocks": ("--per-block", "--", "sh", "-c", f"echo $TEAMTASK_INDEX >>log; {WAITS}"),
    "functions": ("--python", "mine:waits"),
}


def begun(worker: WorkShell, name: str, how: str, count: int = 2) -> subprocess.Popen[bytes]:
    """Begin work with two in hand, that end once there is a file `go-on`."""
    worker.write("mine.py", FUNCTIONS)
    process = worker.begin_work(name, "-j2", *HOW[how])
    wait_until(lambda: worker.count("log") >= count)
    return process


def signals(process: subprocess.Popen[bytes], what: str) -> int:
    """Give a mask of signals of a process, as the system has it."""
    (line,) = [line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if line.startswith(what)]
    return int(line.split()[1], 16)


def logged(worker: WorkShell) -> Counter[str]:
    return Counter((worker.folder / "log").read_text().split())


@pytest.mark.parametrize(
    ("how", "number"),
    [*((how, signal.SIGINT) for how in HOW), ("items", signal.SIGTERM)],
    ids=lambda value: value if isinstance(value, str) else signal.Signals(value).name,
)
def test_what_is_in_hand_is_finished_and_the_rest_given_back_at_once(worker: WorkShell, how: str, number: int) -> None:
    size = 1 if how == "blocks" else 30
    name = worker.server.numbers(30, block={"size": size}, lease_seconds=600)
    process = begun(worker, name, how)
    process.send_signal(number)
    worker.write("go-on", "")
    code, said = ended(process)
    assert code == 130, said
    assert "Traceback" not in said
    shown = worker.server.show(name)
    in_hand = sum(logged(worker).values())
    assert (shown["state"], shown["leased"], shown["done"]) == ("running", 0, in_hand)
    assert 2 <= in_hand < 10, "nothing more was begun"
    assert worker.work(name, *HOW[how]).returncode == 0
    shown = worker.server.show(name)
    assert (shown["state"], shown["done"], shown["parked"]) == ("complete", 30, 0)
    assert set(logged(worker).values()) == {1}, "nothing was worked twice"


@pytest.mark.parametrize("how", HOW)
def test_a_second_ctrl_c_kills_what_is_in_hand_which_is_given_back_too(worker: WorkShell, how: str) -> None:
    name = worker.server.numbers(10, block={"size": 1 if how == "blocks" else 10}, lease_seconds=600, attempts=1)
    process = begun(worker, name, how)
    process.send_signal(signal.SIGINT)
    wait_until(lambda: not signals(process, "ShdPnd") & 1 << (signal.SIGINT - 1))
    time.sleep(1)  # two signals that Python has not yet looked at are one to it
    assert process.poll() is None, "it waits for what is in hand"
    process.send_signal(signal.SIGINT)
    code, said = ended(process)
    assert code == 130, said
    assert "Traceback" not in said
    shown = worker.server.show(name)
    assert (shown["state"], shown["leased"], shown["done"], shown["parked"]) == ("running", 0, 0, 0)
    worker.write("go-on", "")
    assert worker.work(name, *HOW[how]).returncode == 0
    assert worker.server.show(name)["state"] == "complete"


def test_after_ctrl_c_no_reason_is_given_why_nothing_more_was_to_be_had(worker: WorkShell) -> None:
    name = worker.server.numbers(9, block={"size": 3}, limits={"blocks_per_worker": 1})
    process = begun(worker, name, "items")
    time.sleep(1)  # so that it has asked for more, in vain
    process.send_signal(signal.SIGINT)
    worker.write("go-on", "")
    code, said = ended(process)
    assert code == 130
    assert "as many as it may" not in said


def test_another_worker_gets_what_is_given_back_without_waiting_for_the_lease(worker: WorkShell) -> None:
    name = worker.server.numbers(20, block={"size": 20}, lease_seconds=600)
    leaving = begun(worker, name, "items")
    staying = worker.begin_work(name, "-j2", *HOW["items"])
    leaving.send_signal(signal.SIGINT)
    worker.write("go-on", "")
    assert ended(leaving)[0] == 130
    assert ended(staying)[0] == 0
    worker.server.check(name, 20)
    assert set(logged(worker).values()) == {1}


@pytest.mark.parametrize("how", ["items", "functions"])
def test_ctrl_c_of_a_terminal_reaches_the_commands_too_and_nothing_of_them_is_recorded_wrongly(
    worker: WorkShell, how: str
) -> None:
    name = worker.server.numbers(10, block={"size": 10}, lease_seconds=600, attempts=1)
    process = begun(worker, name, how)
    os.killpg(process.pid, signal.SIGINT)
    worker.write("go-on", "")
    assert ended(process)[0] == 130
    shown = worker.server.show(name)
    assert (shown["state"], shown["leased"], shown["failed"], shown["parked"]) == ("running", 0, 0, 0)
    assert shown["done"] >= 2


@pytest.mark.parametrize("how", HOW)
def test_what_a_killed_worker_held_is_done_by_another_and_recorded_once(worker: WorkShell, how: str) -> None:
    name = worker.server.numbers(12, block={"size": 3}, lease_seconds=1, attempts=5)
    killed = begun(worker, name, how)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    worker.write("go-on", "")
    done = worker.work(name, "-j2", *HOW[how])
    assert done.returncode == 0, done.stderr
    shown = worker.server.show(name)
    assert (shown["state"], shown["done"], shown["leased"], shown["returned"]) == ("complete", 12, 0, 0)
    if how != "blocks":
        worker.server.check(name, 12)


def test_output_that_nobody_reads_ends_the_work_with_1_and_gives_back_the_rest(worker: WorkShell) -> None:
    name = worker.server.numbers(1000, lease_seconds=600)
    with Path("/dev/full").open("wb") as full:
        process = worker.begin_work(name, "-j2", "--", "echo", stdout=full)
        code, said = ended(process)
    assert code == 1
    assert "stdout cannot be written" in said
    assert worker.server.show(name)["leased"] == 0


def test_without_a_command_in_hand_ctrl_c_ends_the_wait(worker: WorkShell) -> None:
    name = worker.server.numbers(3)
    worker.server.move(name, "pause")
    process = worker.begin_work(name, "--worker", "waits", "-q", "--", "true")
    wait_until(lambda: signals(process, "SigCgt") & 1 << (signal.SIGTERM - 1))  # nobody else takes that
    process.send_signal(signal.SIGINT)
    assert ended(process)[0] == 130
