"""Commands end when they are told to, with their children; and a wait for them can be interrupted."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeRunner = Callable[..., Any]
    IsAlive = Callable[[int], bool]
    WaitUntil = Callable[[Callable[[], bool]], None]

LONG_SECONDS = 20.0  # longer than anything here takes


def open_files() -> list[str]:
    return sorted(path.name for path in Path("/dev/fd").iterdir())


# Timeouts and ending


def test_at_its_timeout_a_command_and_its_grandchildren_are_ended(
    make_runner: MakeRunner, is_alive: IsAlive, wait_until: WaitUntil
) -> None:
    runner = make_runner(timeout_seconds=0.8)
    one = runner.run("sh", "-c", "sh -c 'sleep 60 & echo $!; wait' & echo $!; wait")
    assert (one.exit, one.signal, one.timed_out, one.ok) == (124, signal.SIGTERM, True, False)
    assert one.seconds < 10
    pids = one.stdout.kept.split()
    assert len(pids) == 2
    wait_until(lambda: not any(is_alive(int(pid)) for pid in pids))


def test_a_command_that_ignores_sigterm_is_killed_after_the_grace(make_runner: MakeRunner) -> None:
    runner = make_runner(timeout_seconds=0.6, kill_grace_seconds=0.3)
    one = runner.run("sh", "-c", "trap '' TERM; while :; do sleep 0.05; done")
    assert (one.exit, one.signal, one.timed_out) == (124, signal.SIGKILL, True)
    assert 0.9 <= one.seconds < 10


def test_a_grandchild_that_ignores_sigterm_has_the_grace_too_and_is_killed_then(
    make_runner: MakeRunner, is_alive: IsAlive, wait_until: WaitUntil
) -> None:
    runner = make_runner(timeout_seconds=0.6, kill_grace_seconds=0.8)
    script = 'trap "" TERM; echo $$; while sleep 0.1; do echo still; done'
    started_at = time.monotonic()
    one = runner.run("sh", "-c", f"sh -c '{script}' & wait")
    took = time.monotonic() - started_at
    assert took >= 1.4
    assert one.seconds < took - 0.3  # the command itself ended at SIGTERM
    pid, *said = one.stdout.kept.split()
    assert said  # which was read until the end
    wait_until(lambda: not is_alive(int(pid)))


def test_a_command_that_cleans_up_in_the_grace_is_not_killed(make_runner: MakeRunner) -> None:
    runner = make_runner(timeout_seconds=0.8, kill_grace_seconds=LONG_SECONDS)
    script = "trap 'sleep 0.1; echo cleaned; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    one = runner.run("sh", "-c", script)
    assert (one.exit, one.signal, one.timed_out) == (124, None, True)
    assert one.stdout.kept == b"ready\ncleaned\n"


def test_a_stopped_command_does_not_outlive_its_timeout(make_runner: MakeRunner) -> None:
    one = make_runner(timeout_seconds=0.2).run("sh", "-c", "kill -STOP $$")
    assert (one.exit, one.signal) == (124, signal.SIGTERM)


def test_a_timeout_concerns_late_commands_only(make_runner: MakeRunner) -> None:
    runner = make_runner(timeout_seconds=0.5)
    for number, seconds in enumerate([b"60", b"0.01", b"60", b"0.01"]):
        runner.start(number, [b"sleep", seconds])
    assert [one.timed_out for one in runner.finish_all()] == [True, False, True, False]


def test_all_commands_can_be_told_to_end_and_the_stubborn_are_killed(
    make_runner: MakeRunner, tmp_path: Path, wait_until: WaitUntil
) -> None:
    runner = make_runner(kill_grace_seconds=0.3)
    ready = tmp_path / "ready"
    runner.start(0, [b"sleep", b"60"])
    runner.start(1, [b"sh", b"-c", b"trap '' TERM; : >%s; while :; do sleep 0.05; done" % bytes(ready)])
    wait_until(ready.exists)
    runner.terminate_all()
    assert [(one.exit, one.signal, one.timed_out) for one in runner.finish_all()] == [(143, 15, False), (137, 9, False)]


def test_all_commands_can_be_killed_at_once_with_their_children(
    make_runner: MakeRunner, tmp_path: Path, is_alive: IsAlive, wait_until: WaitUntil
) -> None:
    runner = make_runner(kill_grace_seconds=LONG_SECONDS)
    for number in range(4):
        ready = b"%s/%d" % (bytes(tmp_path), number)
        runner.start(number, [b"sh", b"-c", b"trap '' TERM; sleep 60 & echo $!; : >%s; wait" % ready])
    wait_until(lambda: len(list(tmp_path.iterdir())) == 4)
    runner.kill_all()
    killed = runner.finish_all()
    assert [one.signal for one in killed] == [9] * 4
    wait_until(lambda: not any(is_alive(int(one.stdout.kept)) for one in killed))


def test_closing_kills_what_runs_and_leaves_no_descriptor(
    make_runner: MakeRunner, is_alive: IsAlive, children: Any
) -> None:
    others = children()
    before = open_files()
    runner = make_runner(100)
    for number in range(100):
        runner.start(number, [b"sleep", b"60"])
    pids = [command.pid for command in runner._running]
    runner.close()
    runner.close()
    runner.wakeup()
    assert not any(is_alive(pid) for pid in pids[:10])
    assert children() <= others
    assert open_files() == before
    assert runner.running == 0


# Waiting


def test_a_signal_handler_can_interrupt_the_wait(make_runner: MakeRunner) -> None:
    runner = make_runner()
    runner.start(0, [b"sleep", b"60"])
    before = signal.signal(signal.SIGUSR1, lambda *_: runner.wakeup())
    try:
        threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
        began_at = time.monotonic()
        assert runner.wait(LONG_SECONDS) == []
        assert time.monotonic() - began_at < LONG_SECONDS / 2
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_another_thread_can_interrupt_the_wait_and_as_often_as_it_likes(make_runner: MakeRunner) -> None:
    runner = make_runner()
    runner.start(0, [b"sleep", b"60"])
    threading.Timer(0.1, runner.wakeup).start()
    assert runner.wait() == []
    for _ in range(100_000):  # more than the pipe holds
        runner.wakeup()
    assert runner.wait() == []


def test_waiting_ends_after_its_time_and_at_once_when_nothing_could_happen(make_runner: MakeRunner) -> None:
    runner = make_runner()
    assert runner.wait() == []
    began_at = time.monotonic()
    assert runner.wait(0.2) == []
    assert time.monotonic() - began_at >= 0.2
    runner.start(0, [b"sleep", b"60"])
    assert runner.wait(0) == []
    assert runner.wait(0.1) == []


def test_commands_can_be_run_off_the_main_thread(make_runner: MakeRunner) -> None:
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(make_runner().run("sh", "-c", "exit 4").exit))
    thread.start()
    thread.join()
    assert seen == [4]


def test_a_command_that_ended_before_we_looked_is_not_late(make_runner: MakeRunner) -> None:
    runner = make_runner(timeout_seconds=0.5)
    runner.start(0, [b"sh", b"-c", b"exit 3"])
    time.sleep(0.8)
    (one,) = runner.finish_all()
    assert not one.timed_out
    assert one.exit == 3
