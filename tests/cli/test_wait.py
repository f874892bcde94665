"""`teamtask wait`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from teamtask.cli import output
from teamtask.ledger.list_state import Move
from teamtask.ledger.rules import BlockRule, Rules
from teamtask.wire.messages import Exchange, Report

if TYPE_CHECKING:
    from pathlib import Path

both = pytest.mark.parametrize("lists", ["local", "server"], indirect=True)
RANGE = {"kind": "range", "start": 0, "stop": 10}


@both
def test_a_complete_list_ends_the_waiting_with_0(lists: Any, teamtask: Any) -> None:
    lists.work(*lists.create("nums", RANGE), failed=lambda index: index == 3)
    done = teamtask("wait", "nums")
    assert (done.code, done.out, done.err) == (0, b"", "nums is complete: 10 done, 1 failed.\n")


@both
def test_what_has_ended_otherwise_is_1(lists: Any, teamtask: Any) -> None:
    service, list_id = lists.create("parked", RANGE, rules=Rules(block=BlockRule(size=10), attempts=1))
    lease = lists.claim(service, list_id)
    report = Report(lease.lease, 0, 10, failed=((4, "broken"),))
    service.exchange(list_id, "local", Exchange("host-a/1", reports=(report,)))
    service, list_id = lists.create("cancelled", RANGE)
    service.move(list_id, Move.CANCEL)
    stopped = lists.create("stopped", RANGE, rules=Rules(block=BlockRule(size=5), stop_after_results=5))
    lists.work(*stopped)
    for name, said in (
        ("parked", "is complete_except: 9 done, 1 parked."),
        ("cancelled", "is cancelled: 0 done."),
        ("stopped", "is stopped: 5 done."),
    ):
        done = teamtask("wait", name)
        assert (done.code, done.out, done.err) == (1, b"", f"{name} {said}\n")


@both
def test_when_the_time_is_over_it_is_1(lists: Any, teamtask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "WATCH_SECONDS", 0.01)
    service, list_id = lists.create("nums", RANGE, rules=Rules(block=BlockRule(size=5)))
    lists.work(service, list_id, leases=1)
    service.move(list_id, Move.PAUSE)
    for seconds in ("0", "0.05"):
        done = teamtask("wait", "nums", "--timeout", seconds)
        assert (done.code, done.out, done.err) == (1, b"", "nums is paused still: 5 of 10 done.\n")
    assert teamtask("wait", "nums", "--timeout", "-1").code == 2
    assert teamtask("wait", "none", "--timeout", "0").code == 1


@both
def test_it_waits_until_the_last_item_is_done(lists: Any) -> None:
    found = lists.create("nums", RANGE, rules=Rules(block=BlockRule(size=5)))
    lists.work(*found, leases=1)
    command = [sys.executable, "-m", "teamtask", "wait", "nums"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        lists.work(*found)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "nums is complete: 10 done.\n")


def serve(folder: Path, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "teamtask", "serve", "--bind", f"127.0.0.1:{port}", "--store", "sqlite:lists"]
    environment = {**os.environ, "TEAMTASK_ADMIN_TOKEN": "the-token-of-the-tests"}
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE)
    assert process.stderr is not None
    assert b"Serving" in process.stderr.readline()
    return process


def test_a_server_that_is_killed_and_started_anew_ends_nobodys_waiting(
    lists: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    monkeypatch.setenv("TEAMTASK_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("TEAMTASK_TOKEN", "the-token-of-the-tests")
    lists.path = lambda _name: tmp_path / "lists"
    with serve(tmp_path, port) as killed:
        found = lists.create("nums", RANGE, rules=Rules(block=BlockRule(size=5)))
        command = [sys.executable, "-m", "teamtask", "wait", "nums"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as waiting:
            with pytest.raises(subprocess.TimeoutExpired):
                waiting.wait(1)
            killed.kill()
            killed.wait()
            with pytest.raises(subprocess.TimeoutExpired):
                waiting.wait(1.5)
            lists.work(*found)
            with serve(tmp_path, port) as again:
                _, said = waiting.communicate(timeout=60)
                again.terminate()
    assert (waiting.returncode, said) == (0, "nums is complete: 10 done.\n")


@both
def test_a_terminal_sees_how_far_it_is(lists: Any, on_terminal: Any) -> None:
    lists.work(*lists.create("nums", RANGE, rules=Rules(block=BlockRule(size=5))), leases=1)
    lists.close()
    shown = on_terminal("wait", "nums", "--timeout", "0.5", typed=b"")
    assert " 5/10 " in shown
    assert shown.endswith("nums is running still: 5 of 10 done.\n")
