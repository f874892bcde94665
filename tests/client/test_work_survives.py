"""Work goes on when the server dies, and comes back when the program does: everything is recorded once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from teamtask.client import work_session
from teamtask.client.connection import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.client.conftest import ServerProcess

    from teamtask.sdk import Client

SOON_SECONDS = 20.0


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + SOON_SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def spooled(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "state" / "teamtask" / "spool").glob("*.spool"))


@pytest.mark.parametrize("kill_at", [0, 37, 99])
def test_a_server_that_is_killed_and_started_again_has_everything_once(
    own_server: ServerProcess, client_of: Callable[[ServerProcess], Client], kill_at: int
) -> None:
    client = client_of(own_server)
    made = client.create("numbers", range(100), block={"size": 10}, lease_seconds=2)
    for block in client.work("numbers"):
        for index, number in enumerate(block, block.index):
            if number == kill_at:
                own_server.kill()
            block.result(index, number)
            if number == kill_at + 5 or number == 99 == kill_at:
                own_server.start()
        block.done()
    made.refresh()
    assert (made.state, made.done, made.view.results) == ("complete", 100, 100)
    assert [result.result for result in made.results()] == list(range(100))


def test_what_a_program_could_not_tell_the_next_one_delivers(
    own_server: ServerProcess, client_of: Callable[[ServerProcess], Client], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(work_session, "LAST_WORDS_SECONDS", 0.3)
    client = client_of(own_server)
    made = client.create("numbers", range(20), block={"size": 10}, lease_seconds=2)
    for block in client.work("numbers"):
        own_server.kill()
        for index, number in enumerate(block, block.index):
            if number == 7:
                break
            block.result(index, number)
        break
    assert len(spooled(tmp_path)) == 1
    own_server.start()
    seen: list[int] = []
    for block in client.work("numbers"):
        if not seen:
            assert [result.result for result in made.results()] == list(range(7))
        for index, number in enumerate(block, block.index):
            seen.append(number)
            block.result(index, number)
        block.done()
    assert sorted(seen) == list(range(7, 20))
    assert [result.result for result in made.results()] == list(range(20))
    assert spooled(tmp_path) == []
    assert caplog.records == []


def test_items_that_are_fetched_while_the_server_is_away_come_when_it_is_back(
    own_server: ServerProcess, client_of: Callable[[ServerProcess], Client]
) -> None:
    client = client_of(own_server)
    client.create("lines", (f"line {number}" for number in range(10_020)), block={"size": 10_020})
    seen: list[str] = []
    for block in client.work("lines"):
        block._items._fetch_ahead = lambda *_: None  # type: ignore[method-assign] # not before it is away
        for item in block:
            seen.append(item)
            if len(seen) == 10_000:
                own_server.kill()
                threading.Timer(0.5, own_server.start).start()
        block.done()
    assert seen == [f"line {number}" for number in range(10_020)]


def test_who_waits_for_items_of_a_server_that_is_away_can_be_stopped(
    own_server: ServerProcess, client_of: Callable[[ServerProcess], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_session, "LAST_WORDS_SECONDS", 0.3)
    client = client_of(own_server)
    client.create("lines", (f"line {number}" for number in range(10_020)), block={"size": 10_020})
    work = client.work("lines")
    seen = 0
    for block in work:
        block._items._fetch_ahead = lambda *_: None  # type: ignore[method-assign] # not before it is away
        for _ in block:
            seen += 1
            if seen == 10_000:
                own_server.kill()
                threading.Timer(0.3, work.stop).start()
        block.done()
    assert seen == 10_000


def test_items_that_cannot_be_had_are_no_items_fault(client: Client, name: str) -> None:
    made = client.create(name, [f"line {number}" for number in range(10_020)], block={"size": 10_020}, attempts=1)

    def work() -> None:
        for block in client.work(name):
            block._items._fetch_ahead = lambda *_: None  # type: ignore[method-assign] # not before it is broken
            for item in block:
                block.result(block.item_in_hand or 0, item)
                if item == "line 9999":
                    block._items._name = "no-such-list"

    with pytest.raises(ApiError):
        work()
    made.refresh()
    assert (made.done, made.leased, made.parked) == (10_000, 0, 0)


PROGRAM = """
import os, signal, sys, time
import teamtask
client = teamtask.Client(sys.argv[1], sys.argv[2])
action = sys.argv[4]
for block in client.work(sys.argv[3]):
    for item in block:
        if item == 5:
            if action == "fork":
                child = os.fork()
                if not child:
                    raise SystemExit
                os.waitpid(child, 0)
                print("held" if client.get(sys.argv[3]).leased else "lost", flush=True)
            elif action == "hang":
                os.kill(os.getpid(), signal.SIGTERM)
                print("goes on", flush=True)
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(60)
            else:
                os.kill(os.getpid(), getattr(signal, action))
                time.sleep(0.01)
        print(item, flush=True)
        block.progress()
    block.done()
print("at the end", flush=True)
"""


FIRST = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")


def run(server: ServerProcess, name: str, action: str, *by: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*by, sys.executable, "-c", PROGRAM, server.url, server.token, name, action],
        capture_output=True, text=True, check=False, timeout=60, env=os.environ,
    )  # fmt: skip


def test_sigterm_ends_the_work_after_the_item_in_hand_and_gives_back_the_rest(
    server: ServerProcess, client: Client, name: str
) -> None:
    made = client.create(name, range(10), block={"size": 10}, attempts=1)
    ended = run(server, name, "SIGTERM")
    assert ended.returncode == -signal.SIGTERM
    assert ended.stdout.split() == ["0", "1", "2", "3", "4", "5"]
    made.refresh()
    assert (made.state, made.done, made.leased, made.returned) == ("running", 6, 0, 4)


def test_a_second_sigterm_does_not_wait_for_the_item_in_hand(server: ServerProcess, client: Client, name: str) -> None:
    client.create(name, range(10), block={"size": 10})
    ended = run(server, name, "hang")
    assert ended.returncode == -signal.SIGTERM
    assert ended.stdout.split("\n")[-2] == "goes on"


def may_be_first() -> bool:
    return shutil.which("unshare") is not None and not subprocess.run([*FIRST, "true"], check=False).returncode


@pytest.mark.skipif(not may_be_first(), reason="this takes `unshare` and user namespaces")
@pytest.mark.parametrize(("action", "done"), [("SIGTERM", 6), ("hang", 5)])
def test_the_first_process_of_a_container_ends_by_sigterm_too(
    server: ServerProcess, client: Client, name: str, action: str, done: int
) -> None:
    made = client.create(name, range(10), block={"size": 10}, attempts=1)
    ended = run(server, name, action, *FIRST)
    assert (ended.returncode, "at the end" in ended.stdout) == (128 + signal.SIGTERM, False), ended.stderr
    assert made.refresh().done == done


def test_a_signal_that_the_program_handles_is_left_to_it(client: Client, name: str) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: heard.append(number))
    try:
        made = client.create(name, range(10), block={"size": 5})
        for block in client.work(name):
            os.kill(os.getpid(), signal.SIGTERM)
            block.done()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM] * 2
    assert made.refresh().state == "complete"


def test_signals_are_as_they_were_when_the_work_has_ended(client: Client, name: str) -> None:
    client.create(name, range(3))
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    for block in client.work(name):
        assert signal.getsignal(signal.SIGTERM) != before[0]
        block.done()
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_ctrl_c_gives_back_what_is_left_and_is_nobodys_fault(server: ServerProcess, client: Client, name: str) -> None:
    made = client.create(name, range(10), block={"size": 10}, attempts=1)
    ended = run(server, name, "SIGINT")
    assert "KeyboardInterrupt" in ended.stderr
    assert ended.stdout.split() == ["0", "1", "2", "3", "4"]
    made.refresh()
    assert (made.state, made.done, made.leased, made.returned, made.parked) == ("running", 5, 0, 5, 0)


def test_a_child_that_leaves_the_loop_leaves_the_work_to_its_parent(
    server: ServerProcess, client: Client, name: str
) -> None:
    made = client.create(name, range(10), block={"size": 10}, attempts=1)
    ended = run(server, name, "fork")
    assert (ended.returncode, "Traceback" in ended.stderr) == (0, False)
    assert ended.stdout.split() == ["0", "1", "2", "3", "4", "held", "5", "6", "7", "8", "9", "at", "the", "end"]
    assert made.refresh().state == "complete"


def test_a_program_that_is_killed_has_lost_its_lease_and_nothing_else(
    server: ServerProcess, client: Client, name: str
) -> None:
    made = client.create(name, range(10), block={"size": 10}, lease_seconds=1)
    killed = run(server, name, "SIGKILL")
    assert killed.returncode == -signal.SIGKILL
    for block in client.work(name):
        block.done()
    assert (made.refresh().state, made.done) == ("complete", 10)


def test_a_program_that_ends_within_its_loop_gives_back_what_it_holds(
    server: ServerProcess, client: Client, name: str
) -> None:
    made = client.create(name, range(10), block={"size": 10})
    program = (
        "import sys, teamtask\n"
        "client = teamtask.Client(sys.argv[1], sys.argv[2])\n"
        "blocks = iter(client.work(sys.argv[3]))\n"
        "block = next(blocks)\n"
        "block.progress(4)\n"
    )
    subprocess.run([sys.executable, "-c", program, server.url, server.token, name], check=True, timeout=60)
    made.refresh()
    assert (made.done, made.leased, made.returned) == (4, 0, 6)
