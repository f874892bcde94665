"""A server that is killed, stopped or frozen loses nothing that it has answered, and workers go on when it is back."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from server_helpers import ended, wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from server_helpers import WorkShell

FUNCTIONS = """
import os, time

LAST = 20

def note(word):
    descriptor = os.open("log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{word}\\n".encode())
    os.close(descriptor)

def quick(number):
    note(number)
    time.sleep(0.005)
    while number % 3000 >= 3000 - LAST and not os.path.exists("go-on"):
        time.sleep(0.05)
    return number

def waits(number):
    note(number)
    while not os.path.exists("go-on"):
        time.sleep(0.02)
    return number

def one(number):
    time.sleep(0.001)
    return 1
"""
ITEMS = 3_000
KILLS = 10
WAITS = "until test -e go-on; do sleep 0.02; done"
COMMANDS = {
    "items": ("--", "sh", "-c", f"echo $0 >>log; {WAITS}; echo $0"),
    "blocks": (
        *("--per-block", "--", "sh", "-c"),
        f'echo $TEAMTASK_INDEX >>log; {WAITS}; echo "result $TEAMTASK_INDEX 1" >>"$TEAMTASK_REPORT"',
    ),
    "functions": ("--python", "mine:waits"),
}


@pytest.fixture
def away(own: WorkShell) -> Iterator[WorkShell]:
    own.write("mine.py", FUNCTIONS)
    yield own
    own.write("go-on", "")


def logged(shell: WorkShell) -> Counter[str]:
    return Counter((shell.folder / "log").read_text().split())


def test_ten_kills_of_the_server_lose_nothing_and_double_nothing(away: WorkShell) -> None:
    """The last items wait until the last kill, so that all of them find the list in mid-work."""
    server = away.server
    name = server.numbers(ITEMS, block={"size": 20}, lease_seconds=5)
    command = f"echo $0 >>log; test $0 -lt {ITEMS - 20} || {WAITS}"
    ways = (
        ("-j2", "--python", "mine:quick"),
        ("-j1", "--python", "mine:quick"),
        ("-j2", "-q", "--", "sh", "-c", command),
    )
    workers = [away.begin_work(name, *way) for way in ways]
    chance = random.Random(10)
    wait_until(lambda: away.count("log") > 50)
    for kill in range(KILLS):
        time.sleep(chance.uniform(0, 0.3))
        server.close() if kill == KILLS // 2 else server.kill()
        time.sleep(chance.uniform(0, 0.2))
        server.start()
    assert server.show(name)["state"] == "running"
    away.write("go-on", "")
    for worker in workers:
        code, said = ended(worker)
        assert code == 0, said
        assert "Traceback" not in said
    server.check(name, ITEMS)
    assert set(logged(away)) == {str(number) for number in range(ITEMS)}
    assert away.spooled() == []


def test_kills_of_the_server_leave_a_fold_exact(away: WorkShell) -> None:
    server = away.server
    name = server.numbers(3_000, fold="sum", lease_seconds=5)
    worker = away.begin_work(name, "-j2", "--python", "mine:one")
    for _ in range(2):
        before = server.show(name)["done"]
        wait_until(lambda done=before: server.show(name)["done"] > done or server.show(name)["state"] == "complete")
        server.kill()
        server.start()
    assert ended(worker)[0] == 0
    shown = server.show(name)
    assert (shown["state"], shown["done"], shown["fold"]) == ("complete", 3_000, 3_000)
    server.verify()


def test_a_server_that_stands_still_for_longer_than_a_lease(away: WorkShell) -> None:
    server = away.server
    name = server.numbers(120, block={"size": 10}, lease_seconds=1)
    script = "echo $0 >>log; sleep 0.05"
    workers = [away.begin_work(name, "-j2", "-q", "--", "sh", "-c", script) for _ in range(2)]
    wait_until(lambda: away.count("log") > 10)
    for seconds in (2.5, 1.5):
        server.freeze()
        time.sleep(seconds)
        server.thaw()
        time.sleep(0.3)
    for worker in workers:
        code, said = ended(worker)
        assert code == 0, said
    server.check(name, 120)


def end_while_away(begun: list[tuple[WorkShell, subprocess.Popen[bytes]]]) -> None:
    """Have what is in hand, and nothing else, finished while the server is away, and then the workers end."""
    begun[0][0].server.kill()
    for _, process in begun:
        process.send_signal(signal.SIGINT)
    time.sleep(0.3)  # so that it is heard
    for shell, _ in begun:
        shell.write("go-on", "")
    time.sleep(0.7)  # what is in hand ends
    for _, process in begun:
        process.send_signal(signal.SIGINT)  # nobody wants to wait 10 s for the server
    for _, process in begun:
        code, said = ended(process)
        assert code == 130, said
        assert "What was finished is kept here" in said
        assert "Traceback" not in said


def test_what_could_not_be_delivered_the_next_worker_delivers(away: WorkShell) -> None:
    server = away.server
    names, begun = [], []
    for kind, command in COMMANDS.items():
        shell = server.shell(away.folder / kind)
        shell.folder.mkdir()
        shell.write("mine.py", FUNCTIONS)
        names.append(server.numbers(6, block={"size": 1}, lease_seconds=600, limits={"blocks_per_worker": 2}))
        begun.append((shell, shell.begin_work(names[-1], "--worker", "gone", "-j2", *command)))
    for shell, _ in begun:
        wait_until(lambda shell=shell: shell.count("log") >= 2)
    end_while_away(begun)
    assert [spool.stat().st_mode & 0o777 for spool in away.spooled()] == [0o600] * 3
    server.start()
    for name, (shell, _), command in zip(names, begun, COMMANDS.values(), strict=True):
        done = shell.work(name, "--worker", "next", "-j2", *command)
        assert done.returncode == 0, done.stderr
        server.check(name, 6)
        by = Counter(result["worker"] for result in server.results(name))
        assert by == {"gone": 2, "next": 4}
        assert set(logged(shell).values()) == {1}, "nothing was worked twice"
    assert away.spooled() == []


def test_what_a_killed_worker_could_not_deliver_is_delivered_and_counts_once(away: WorkShell) -> None:
    server = away.server
    name = server.numbers(20, block={"size": 20}, lease_seconds=2)
    process = away.begin_work(name, "--worker", "gone", "-j2", *COMMANDS["items"])
    wait_until(lambda: away.count("log") >= 2)
    server.kill()
    away.write("go-on", "")
    wait_until(away.spooled)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    (spool,) = away.spooled()
    kept = shutil.copy(spool, away.folder / "kept")
    server.start()
    done = away.work(name, "--worker", "next", "-j2", *COMMANDS["items"])
    assert done.returncode == 0, done.stderr
    server.check(name, 20)
    before = server.results(name)
    assert {result["worker"] for result in before} == {"gone", "next"}
    shutil.copy(kept, spool)
    assert away.work(name, "-q", "--", "true").returncode == 0
    assert away.spooled() == []
    assert server.results(name) == before, "it was delivered again, and counts once"


def test_what_is_delivered_after_others_have_done_it_counts_once(away: WorkShell) -> None:
    server = away.server
    name = server.numbers(10, block={"size": 10}, lease_seconds=1)
    process = away.begin_work(name, "--worker", "gone", "-j2", *COMMANDS["items"])
    wait_until(lambda: away.count("log") >= 2)
    end_while_away([(away, process)])
    server.start()
    elsewhere = server.shell(away.folder)
    elsewhere.state = away.folder / "elsewhere"  # which knows nothing of what is kept here
    place = ("--url", server.url, "--token", server.token)
    done = elsewhere.work(name, "--worker", "next", *place, *COMMANDS["items"])
    assert done.returncode == 0, done.stderr
    assert {result["worker"] for result in server.results(name)} == {"next"}
    assert len(away.spooled()) == 1
    assert away.work(name, "-q", "--", "true").returncode == 0
    assert away.spooled() == []
    server.check(name, 10)
    assert {result["worker"] for result in server.results(name)} == {"next"}
