"""Commands run as promised: everything captured, nothing left behind, whatever they do. All processes are real."""

from __future__ import annotations

import os
import pty
import resource
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from teamtask.worker.run_command import StatusLost

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeRunner = Callable[..., Any]
    IsAlive = Callable[[int], bool]
    WaitUntil = Callable[[Callable[[], bool]], None]


def whole(captured: Any) -> bytes:
    return b"".join(captured.chunks())


def open_files() -> list[str]:
    return sorted(path.name for path in Path("/dev/fd").iterdir())


def is_inheritable(descriptor: int) -> bool:
    try:
        return os.get_inheritable(descriptor)
    except OSError:  # it was for the listing only
        return False


# Outcomes


def test_exit_status_output_and_time_are_the_outcome(make_runner: MakeRunner) -> None:
    one = make_runner().run("sh", "-c", "echo out; echo err >&2; sleep 0.1; exit 3")
    assert (one.exit, one.signal, one.timed_out, one.ok) == (3, None, False, False)
    assert (one.stdout.kept, one.stderr.kept) == (b"out\n", b"err\n")
    assert 0.1 <= one.seconds < 20


def test_a_command_that_says_nothing_and_succeeds_is_ok(make_runner: MakeRunner) -> None:
    one = make_runner().run("true")
    assert (one.exit, one.ok, one.stdout.size, one.stderr.kept) == (0, True, 0, b"")


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGTERM])
def test_a_death_by_signal_is_told(make_runner: MakeRunner, number: signal.Signals) -> None:
    one = make_runner().run("sh", "-c", f"echo last; kill -{int(number)} $$; sleep 9")
    assert (one.exit, one.signal, one.stdout.kept, one.timed_out) == (128 + number, number, b"last\n", False)


def test_binary_output_comes_through_unharmed(make_runner: MakeRunner) -> None:
    program = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 100); sys.stderr.buffer.write(b'\\0\\xff')"
    one = make_runner().run(sys.executable, "-c", program)
    assert one.stdout.kept == bytes(range(256)) * 100
    assert one.stderr.kept == b"\0\xff"


def test_many_small_writes_are_one_output(make_runner: MakeRunner) -> None:
    one = make_runner().run("sh", "-c", "i=0; while [ $i -lt 500 ]; do echo $i; i=$((i+1)); done")
    assert one.stdout.kept == b"".join(b"%d\n" % number for number in range(500))


@pytest.mark.parametrize("size", [65535, 65536, 65537, 131072, 1_000_003])
def test_long_output_is_whole_and_its_first_64_kib_are_at_hand(make_runner: MakeRunner, size: int) -> None:
    one = make_runner().run("sh", "-c", f"yes abcdefghi | head -c {size}; yes 12345 | head -c {size} >&2")
    expected = (b"abcdefghi\n" * (size // 10 + 1))[:size]
    assert one.stdout.size == one.stderr.size == size
    assert one.stdout.kept == expected[:65536]
    assert whole(one.stdout) == expected
    assert whole(one.stderr)[:6] == b"12345\n"
    one.close()


def test_output_of_200_mb_takes_no_memory(make_runner: MakeRunner) -> None:
    size = 200_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    one = make_runner().run("sh", "-c", f"yes | head -c {size}")
    assert one.stdout.size == size
    with subprocess.Popen(["md5sum"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as digest:
        assert digest.stdin is not None
        one.stdout.copy_to(digest.stdin.fileno())
        mine = digest.communicate()[0]
    one.close()
    theirs = subprocess.run(["sh", "-c", f"yes | head -c {size} | md5sum"], capture_output=True, check=True).stdout
    assert mine == theirs
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * (1 if sys.platform == "darwin" else 1024) < 20_000_000


def test_without_whole_output_the_rest_is_counted_and_dropped(make_runner: MakeRunner) -> None:
    one = make_runner(whole_output=False).run("sh", "-c", "yes | head -c 300000")
    assert (one.stdout.size, len(whole(one.stdout))) == (300000, 65536)


def test_a_hundred_commands_run_at_once_and_keep_their_outputs_apart(make_runner: MakeRunner, tmp_path: Path) -> None:
    runner = make_runner(100)
    gate = tmp_path / "gate"
    for number in range(100):
        script = f"echo begun {number}; while [ ! -e '{gate}' ]; do sleep 0.05; done; echo {number} >&2; exit {number}"
        runner.start(number, [b"sh", b"-c", script.encode()])
    assert (runner.running, runner.free_slots) == (100, 0)
    assert runner.wait(0.2) == []  # none can end before all have begun
    gate.touch()
    for number, one in enumerate(runner.finish_all()):
        assert (one.tag, one.exit) == (number, number)
        assert (one.stdout.kept, one.stderr.kept) == (b"begun %d\n" % number, b"%d\n" % number)
    assert runner.free_slots == 100


# What a command finds


def test_a_command_has_an_empty_stdin(make_runner: MakeRunner) -> None:
    assert make_runner().run("cat").stdout.size == 0


def test_a_command_finds_the_environment_and_what_is_added_for_it(make_runner: MakeRunner) -> None:
    runner = make_runner(environment={"PATH": os.environ["PATH"], "HOUSE": "old", "BYTES": "\udcff"})
    one = runner.run("env", extra_env={b"TEAMTASK_INDEX": b"7", b"HOUSE": b"new"})
    assert {b"TEAMTASK_INDEX=7", b"HOUSE=new", b"BYTES=\xff"} <= set(one.stdout.kept.split(b"\n"))
    one = runner.run("env")
    assert b"HOUSE=old" in one.stdout.kept
    assert b"TEAMTASK" not in one.stdout.kept


def test_a_command_inherits_nothing_but_its_three_descriptors(make_runner: MakeRunner, tmp_path: Path) -> None:
    runner = make_runner()
    # Descriptors that somebody gave us to hand on are handed on, as by any program.
    handed_on = {name for name in open_files() if int(name) > 2 and is_inheritable(int(name))}
    with (tmp_path / "ours").open("w"):
        runner.start(0, [b"sleep", b"0.1"])
        list_files = "import os; print(*os.listdir('/dev/fd'))"
        runner.start(1, [os.fsencode(sys.executable), b"-c", list_files.encode()])
        _, one = runner.finish_all()
    assert len(set(one.stdout.kept.decode().split()) - handed_on) == 4  # the listing itself has one open


def test_a_command_finds_signals_unblocked_and_at_their_defaults_whatever_ours_are(make_runner: MakeRunner) -> None:
    numbers = {signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ}
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        runner = make_runner()
        for number in numbers:
            one = runner.run("sh", "-c", f"kill -{int(number)} $$; echo survived")
            assert (one.signal, one.stdout.kept) == (number, b"")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def test_each_command_leads_a_group_of_its_own(make_runner: MakeRunner) -> None:
    runner = make_runner()
    for number in range(2):
        runner.start(number, [b"sh", b"-c", b"echo $$ $(ps -o pgid= -p $$)"])
    groups = [one.stdout.kept.split() for one in runner.finish_all()]
    assert all(pid == group for pid, group in groups)
    assert len({group for _, group in groups} | {os.getpgrp()}) == 3


def test_a_command_that_asks_at_the_terminal_is_told_there_is_none_and_is_not_stopped_for_ever() -> None:
    program = (
        "import sys\n"
        "from teamtask.worker.run_command import CommandRunner\n"
        "with CommandRunner(1) as runner:\n"
        "    runner.start(0, [b'sh', b'-c', b'read answer </dev/tty; echo status $?'])\n"
        "    print([(one.exit, one.stdout.kept) for one in runner.wait(10)])\n"
    )
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", program])  # noqa: S606 - no shell is wanted
    said = b""
    with suppress(OSError):  # Linux's way of telling that nobody has the terminal open any more
        while chunk := os.read(terminal, 1000):
            said += chunk
    os.close(terminal)
    assert os.waitpid(pid, 0)[1] == 0
    assert b"b'status " in said
    assert b"b'status 0" not in said


# Children and descriptors that are left behind


def test_a_command_is_over_when_it_ends_although_its_children_hold_the_pipe(
    make_runner: MakeRunner, is_alive: IsAlive
) -> None:
    runner = make_runner(1)
    one = runner.run("sh", "-c", "sleep 30 & echo $!; echo hi")
    child, said = one.stdout.kept.split()
    assert said == b"hi"
    assert one.seconds < 10
    assert is_alive(int(child))
    os.kill(int(child), signal.SIGKILL)


def test_children_left_behind_do_not_write_into_the_next_output(make_runner: MakeRunner) -> None:
    runner = make_runner(1)
    for daemonize in ("", "setsid "):
        one = runner.run("sh", "-c", f"{daemonize}sh -c 'while sleep 0.01; do echo noise; done' & echo first")
        assert one.stdout.kept.replace(b"noise\n", b"") == b"first\n"
        for _ in range(10):
            assert runner.run("sh", "-c", "sleep 0.03; echo next").stdout.kept == b"next\n"


def test_a_child_left_behind_that_writes_without_end_does_not_keep_us(make_runner: MakeRunner) -> None:
    one = make_runner().run("sh", "-c", "yes & sleep 0.1")
    assert one.exit == 0
    assert one.stdout.size > 0
    one.close()


def test_a_command_may_close_its_output_and_go_on(make_runner: MakeRunner) -> None:
    runner = make_runner()
    one = runner.run("sh", "-c", "echo said; exec >&- 2>&-; sleep 0.3; exit 5")
    assert (one.exit, one.stdout.kept) == (5, b"said\n")
    assert one.seconds >= 0.3


def test_waiting_for_a_silent_command_is_no_busy_loop(make_runner: MakeRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = make_runner()
    turns: list[float] = []
    turn = runner._turn
    monkeypatch.setattr(runner, "_turn", lambda pause: (turns.append(pause), turn(pause)))
    runner.run("sh", "-c", "exec >&- 2>&-; sleep 0.5")
    assert len(turns) < 100


def test_a_stopped_command_is_waited_for_and_can_go_on(make_runner: MakeRunner, wait_until: WaitUntil) -> None:
    runner = make_runner()
    runner.start(0, [b"sh", b"-c", b"kill -STOP $$; echo resumed"])
    (command,) = runner._running
    state = ["ps", "-o", "stat=", "-p", str(command.pid)]
    wait_until(lambda: subprocess.run(state, capture_output=True, check=True).stdout.startswith(b"T"))
    assert runner.wait(0.1) == []
    os.kill(command.pid, signal.SIGCONT)
    (one,) = runner.finish_all()
    assert one.stdout.kept == b"resumed\n"


def test_after_2000_commands_there_is_no_zombie_and_no_descriptor_more(make_runner: MakeRunner, children: Any) -> None:
    others = children()
    runner = make_runner(4)
    runner.run("true")
    before = open_files()
    started = ended = 0
    while ended < 2000:
        while started < 2000 and runner.free_slots:
            # Some write, some have stdin, some leave a child behind, some cannot be started.
            kind = started % 50
            argv = [[b"true"], [b"echo", b"hi"], [b"cat"], [b"sh", b"-c", b"sleep 0.01 &"], [b"a/b/c"]][min(kind, 4)]
            runner.start(started, argv if kind < 5 else [b"true"], stdin=[b"x"] if kind == 2 else None)
            started += 1
        for one in runner.wait():
            one.close()
            ended += 1
    assert open_files() == before
    assert children() <= others


def test_a_child_that_is_not_ours_is_not_reaped(make_runner: MakeRunner) -> None:
    with subprocess.Popen(["sh", "-c", "exit 9"]) as other:
        runner = make_runner()
        for _ in range(20):
            runner.run("true")
        assert other.wait() == 9


def test_a_status_that_somebody_else_took_is_no_success(make_runner: MakeRunner) -> None:
    runner = make_runner()
    runner.start(0, [b"true"])
    os.waitpid(-1, 0)
    (one,) = runner.finish_all()
    assert one.exit == 255


def test_a_process_that_ignores_sigchld_does_not_lose_exit_statuses(make_runner: MakeRunner) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        raised: list[BaseException] = []

        def in_a_thread() -> None:
            try:
                make_runner()
            except StatusLost as error:
                raised.append(error)

        thread = threading.Thread(target=in_a_thread)
        thread.start()
        thread.join()
        assert len(raised) == 1
        assert make_runner().run("sh", "-c", "exit 7").exit == 7
    finally:
        signal.signal(signal.SIGCHLD, before)
