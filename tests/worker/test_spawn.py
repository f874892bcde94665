"""What cannot be started is said once beforehand, or is the outcome of the one item that it concerns."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from teamtask.worker import room
from teamtask.worker.room import CannotStartCommand, Room
from teamtask.worker.spawn import CommandNotExecutable, CommandNotFound, check_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    MakeRunner = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which we are, with a program `good`, a plain file `plain`, and folders `bin` and `bin/measure`."""
    (tmp_path / "good").write_text("#!/bin/sh\necho good $1\n")
    (tmp_path / "good").chmod(0o755)
    (tmp_path / "plain").write_text("echo never\n")
    (tmp_path / "bin" / "measure").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# Beforehand


def test_a_command_is_found_by_path_or_on_path(folder: Path) -> None:
    assert check_command(b"./good") == b"./good"
    assert check_command(b"good", f"/nonexistent:{folder}:/bin") == os.fsencode(folder / "good")
    assert check_command(b"good", "/nonexistent:") == b"./good"  # an empty entry is the folder in which we are
    found = shutil.which("sh")
    assert found is not None
    assert check_command(b"sh") == found.encode()


@pytest.mark.parametrize(
    ("program", "hint"),
    [
        (b"good", "write ./good"),
        (b"no-such", "spelling and PATH"),
        (b"./no-such", "Check the path"),
        (b"ping -c1 {}", "--shell"),
        (b"", "empty"),
        (b"measure", "spelling and PATH"),  # a folder on PATH is not what was meant
        (b"bro\0ken", "spelling"),
        (b"x" * 10_000, "spelling"),
    ],
)
def test_a_command_that_does_not_exist_is_one_error_with_a_way_out(folder: Path, program: bytes, hint: str) -> None:
    with pytest.raises(CommandNotFound) as caught:
        check_command(program, f"/bin:{folder}/bin")
    assert caught.value.code == "command_not_found"
    assert hint in (caught.value.hint or "")
    assert len(caught.value.message) < 300


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("program", "message", "hint"),
    [(b"./plain", "not executable", "chmod +x ./plain"), (b"./bin", "folder", "Name a program"), (b"/", "folder", "")],
)
def test_a_file_that_is_no_program_is_one_error_with_a_way_out(program: bytes, message: str, hint: str) -> None:
    with pytest.raises(CommandNotExecutable, match=message) as caught:
        check_command(program)
    assert hint in (caught.value.hint or "")


def test_a_program_further_down_path_goes_before_a_plain_file(folder: Path) -> None:
    (folder / "first").mkdir()
    (folder / "first" / "good").write_text("plain")
    assert check_command(b"good", f"{folder}/first:{folder}") == os.fsencode(folder / "good")
    with pytest.raises(CommandNotExecutable):
        check_command(b"good", f"{folder}/first:/nonexistent")


# As the outcome of an item


@pytest.mark.parametrize(
    ("argv", "exit_status", "said"),
    [
        ([b"./no-such"], 127, b"no command that can be found"),
        ([b"no-such"], 127, b"no command that can be found"),
        ([b"./plain"], 126, b"not executable"),
        ([b"./bin"], 126, b"is a folder"),
        ([b"echo", b"nul\0inside"], 126, b"NUL byte"),
        ([b"echo", b"x" * 5_000_000], 126, b"too long for the system (5,000,004 bytes, the longest 5,000,000)"),
        ([b"x" * 10_000], 127, b"..."),
        ([b""], 127, b""),
    ],
)
@pytest.mark.usefixtures("folder")
def test_an_item_whose_command_cannot_start_has_that_as_its_outcome(
    make_runner: MakeRunner, argv: list[bytes], exit_status: int, said: bytes
) -> None:
    runner = make_runner(2)
    runner.start("bad", argv)
    assert runner.free_slots == 1  # it takes its slot until it is returned, like any other
    runner.start("good", [b"./good", b"indeed"])
    bad, good = runner.finish_all()
    assert (bad.tag, bad.exit, bad.signal, bad.stdout.size) == ("bad", exit_status, None, 0)
    assert said in bad.stderr.kept
    assert bad.stderr.kept.startswith(b"teamtask: ")
    assert bad.stderr.kept.count(b"\n") == 1
    assert good.stdout.kept == b"good indeed\n"


def test_a_script_without_a_first_line_is_run_by_sh(make_runner: MakeRunner, folder: Path) -> None:
    (folder / "script").write_text('echo "$0: $1"\n')
    (folder / "script").chmod(0o755)
    assert make_runner().run("./script", "a b").stdout.kept == b"./script: a b\n"


def test_an_interpreter_that_does_not_exist_is_named_as_the_reason(make_runner: MakeRunner, folder: Path) -> None:
    (folder / "script").write_text("#!/no/such/interpreter\n")
    (folder / "script").chmod(0o755)
    one = make_runner().run("./script")
    assert one.exit == 126
    assert b"first line" in one.stderr.kept


def test_a_program_that_goes_and_comes_back_elsewhere_is_found_again(make_runner: MakeRunner, folder: Path) -> None:
    runner = make_runner(environment={"PATH": f"{folder}:{folder}/bin"})
    assert runner.run("good").exit == 0
    (folder / "good").rename(folder / "bin" / "good")
    assert runner.run("good").exit == 127
    assert runner.run("good").exit == 0


def test_a_system_without_sessions_at_spawn_gives_a_group(make_runner: MakeRunner, monkeypatch: Any) -> None:
    def posix_spawn(*arguments: Any, setsid: bool = False, **options: Any) -> int:
        if setsid:
            raise NotImplementedError
        return real(*arguments, **options)

    real = os.posix_spawn
    monkeypatch.setattr(os, "posix_spawn", posix_spawn)
    pid, group = make_runner().run("sh", "-c", "echo $$ $(ps -o pgid= -p $$)").stdout.kept.split()
    assert pid == group


def test_with_stdin_stdout_and_stderr_closed_commands_still_have_theirs() -> None:
    program = (
        "import os\n"
        "from teamtask.worker.run_command import CommandRunner\n"
        "copy = os.dup(1)\n"
        "for descriptor in (0, 1, 2): os.close(descriptor)\n"
        "with CommandRunner(1) as runner:\n"
        "    assert runner._surroundings.null > 2\n"
        "    runner.start(0, [b'sh', b'-c', b'cat; echo out; echo err >&2'])\n"
        "    one, = runner.wait(10)\n"
        "os.write(copy, repr((one.exit, one.stdout.kept, one.stderr.kept)).encode())\n"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert answer.stdout == rb"(0, b'out\n', b'err\n')"


# When the system has no room


@pytest.fixture
def few_files() -> Iterator[Callable[[int], None]]:
    """Lets this process open only so many more files."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)

    def allow(more: int) -> None:
        descriptors = [os.open("/dev/null", os.O_RDONLY) for _ in range(more + 1)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors[-1], limits[1]))
        for descriptor in descriptors:
            os.close(descriptor)

    yield allow
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_with_few_files_fewer_commands_run_at_once_and_all_are_run(
    make_runner: MakeRunner, few_files: Callable[[int], None]
) -> None:
    runner = make_runner(8)
    few_files(16)
    started, ended, most = 0, [], 0
    while len(ended) < 60:
        while started < 60 and runner.free_slots:
            runner.start(started, [b"sh", b"-c", b"sleep 0.01; echo %d" % started])
            started += 1
        most = max(most, len(runner._running))
        ended += runner.wait(20)
    assert 1 <= most < 8
    assert {(one.tag, one.stdout.kept) for one in ended} == {(number, b"%d\n" % number) for number in range(60)}


def test_a_command_without_room_starts_as_soon_as_another_ends(
    make_runner: MakeRunner, few_files: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_RETRY_SECONDS", 1000.0)
    monkeypatch.setattr(room, "_RETRY_SECONDS_MAX", 1000.0)
    runner = make_runner(2)
    few_files(6)
    runner.start(0, [b"sleep", b"0.1"])
    runner.start(1, [b"true"])
    assert len(runner.finish_all()) == 2


def test_when_room_comes_back_all_slots_are_used_again(
    make_runner: MakeRunner, few_files: Callable[[int], None]
) -> None:
    runner = make_runner(6)
    few_files(9)
    while runner.free_slots:
        runner.start(runner.running, [b"sleep", b"0.1"])
    assert runner.running < 6
    assert {one.exit for one in runner.finish_all()} == {0}
    assert runner.free_slots < 6
    resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)[1:] * 2)
    for _ in range(40):
        runner.run("true")
    assert runner.free_slots == 6


def test_when_not_even_one_command_can_start_it_is_an_error_with_a_way_out(
    make_runner: MakeRunner, few_files: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_PATIENCE_SECONDS", 0.3)
    closed = []

    def items() -> Iterator[bytes]:
        try:
            yield b""
        finally:
            closed.append(True)

    stream = items()
    next(stream)
    runner = make_runner(2)
    few_files(1)
    runner.start(0, [b"true"], stdin=stream)
    runner.start(1, [b"true"]) if runner.free_slots else None
    with pytest.raises(CannotStartCommand) as caught:
        runner.wait(20)
    assert "ulimit -n" in (caught.value.hint or "")
    assert runner.running == 0
    assert closed == [True]


def test_commands_that_wait_for_room_end_with_all_others(
    make_runner: MakeRunner, few_files: Callable[[int], None]
) -> None:
    runner = make_runner(2)
    few_files(6)
    runner.start(0, [b"sleep", b"60"])
    runner.start(1, [b"sleep", b"60"])
    runner.terminate_all()
    assert [(one.tag, one.exit, one.signal) for one in runner.finish_all()] == [(0, 143, 15), (1, 143, 15)]


def test_room_shrinks_to_what_works_and_grows_slowly() -> None:
    space = Room(10)
    space.was_refused(OSError(errno.EAGAIN, "no"), busy=4, now=100.0)
    assert (space.limit, space.retry_at > 100.0) == (4, True)
    for _ in range(4):
        space.was_given()
    assert space.limit == 5
    for _ in range(100):
        space.was_given()
    assert space.limit == 10


def test_room_is_patient_for_a_while_only() -> None:
    space = Room(10)
    now = 0.0
    with pytest.raises(CannotStartCommand) as caught:  # noqa: PT012 - at which of the refusals is the question
        for _ in range(1000):
            space.was_refused(OSError(errno.EAGAIN, "no"), busy=0, now=now)
            now = space.retry_at
    assert 10 < now < 13
    assert "ulimit -u" in (caught.value.hint or "")
