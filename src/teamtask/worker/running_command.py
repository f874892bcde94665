"""`RunningCommand`: one command from its start to its outcome: its process, its pipes and its end."""

from __future__ import annotations

import math
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from teamtask.worker.captured_output import NOTHING, Capture, Captured
from teamtask.worker.spawn import CommandNotExecutable, CommandNotFound, Refusal, check_command, refusal_of, spawn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from teamtask.worker.command_input import CommandInput

Tag = TypeVar("Tag")
Tag_co = TypeVar("Tag_co", covariant=True)

TIMED_OUT_EXIT: Final = 124  # as timeout(1) has it
SIGNAL_EXIT: Final = 128  # and the signal's number added, as shells have it
_UNKNOWN_EXIT: Final = 255
LAST_LINE_BYTES: Final = 1024


class Finished(NamedTuple, Generic[Tag_co]):
    """How a command ended.

    `exit` is its status (0..255); 128 + `signal` when a signal killed it, 124 when it ran into its timeout, 126 or 127
    when it could not be started (then `stderr` says why). `seconds` is how long it ran.
    """

    tag: Tag_co
    exit: int
    signal: int | None
    timed_out: bool
    seconds: float
    stdout: Captured
    stderr: Captured

    @property
    def ok(self) -> bool:
        """It did what it should."""
        return self.exit == 0

    def close(self) -> None:
        """Give back the temporary files of long output."""
        self.stdout.close()
        self.stderr.close()


def last_line(finished: Finished[Any]) -> str:
    """Give the last line of what a command wrote to stderr (of its first 64 KiB), 1 KiB of it at most."""
    return finished.stderr.kept.strip().rpartition(b"\n")[2][:LAST_LINE_BYTES].decode("utf-8", "replace")


class Request(NamedTuple, Generic[Tag]):
    """A command that is to be started."""

    tag: Tag
    argv: list[bytes]
    extra_env: Mapping[bytes, bytes] | None
    stdin: CommandInput | None

    def close(self) -> None:
        """It will not be started."""
        if self.stdin is not None:
            self.stdin.close()


class Surroundings:
    """What all commands of a run share: environment, stdin, and where programs were found."""

    def __init__(self, environment: Mapping[str, str], *, whole_output: bool) -> None:
        self.environment = {os.fsencode(name): os.fsencode(value) for name, value in environment.items()}
        self.whole_output = whole_output
        self.null = os.open(os.devnull, os.O_RDWR)
        # With stdin, stdout or stderr closed, a pipe would get its number, and be overwritten in the command.
        while self.null <= 2:  # noqa: PLR2004 - stderr
            self.null = os.open(os.devnull, os.O_RDWR)
        self._search_path = environment.get("PATH")
        self._paths: dict[bytes, bytes] = {}

    def path_of(self, program: bytes) -> bytes:
        """As `check_command`, remembered: looking through PATH costs as much as starting the command."""
        path = self._paths.get(program)
        if path is None:
            if len(self._paths) >= _PATHS_MAX:
                self._paths.clear()
            path = self._paths[program] = check_command(program, self._search_path)
        return path

    def forget(self, program: bytes) -> None:
        """Look for it anew the next time."""
        self._paths.pop(program, None)

    def close(self) -> None:
        """Give back what it holds."""
        os.close(self.null)


_PATHS_MAX: Final = 1000


class RunningCommand(Generic[Tag]):
    """A process that leads its group. It is over when the process itself has ended.

    After `begin_to_end` it is over when nothing of its group is left, or has been killed.
    """

    __slots__ = (
        "deadline_at",
        "exit_descriptor",
        "given_up",
        "kill_at",
        "killed",
        "pid",
        "seconds",
        "started_at",
        "status",
        "stderr",
        "stdin",
        "stdout",
        "tag",
        "timed_out",
    )

    def __init__(self, request: Request[Tag], stdout: Capture, stderr: Capture, pid: int, started_at: float) -> None:
        self.tag = request.tag
        self.stdin = request.stdin
        self.stdout = stdout
        self.stderr = stderr
        self.pid = pid
        self.started_at = started_at
        self.deadline_at = math.inf
        self.kill_at = math.inf
        self.seconds = 0.0
        self.status: int | None = None  # as waitpid gives it
        self.timed_out = False
        self.killed = False  # nobody is waited for any longer
        self.given_up = False  # its outcome is of no use
        if self.stdin is not None:
            self.stdin.close_read_end()
        self.exit_descriptor = _open_exit_descriptor(pid)
        if self.exit_descriptor < 0:
            # Then the pipes' hanging up is the sign to look whether it has ended.
            stdout.close_write_end()
            stderr.close_write_end()

    def reap(self) -> bool:
        """Whether the process has ended. Never waits, and never for a process that is not ours."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:  # somebody else in this process waits for every child, and took its status
            pid, status = self.pid, _UNKNOWN_EXIT << 8
        if not pid:
            return False
        self.status = status
        self.seconds = time.monotonic() - self.started_at
        return True

    def group_lives(self) -> bool:
        """Whether anything of the process group of an ended command is left; a zombie that nobody reaps counts."""
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # it runs as somebody else
            return True
        return True

    def begin_to_end(self, kill_at: float) -> None:
        """Ask the whole group to end; `kill` has to follow at `kill_at`."""
        self.kill_at = kill_at
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)  # one that is stopped would not notice

    def kill(self) -> None:
        """Kill the whole group."""
        self.kill_at = math.inf
        self.killed = True
        self._signal(signal.SIGKILL)

    def finish(self) -> Finished[Tag]:
        """Take what is left in the pipes and close them. Raises OutputNotKept."""
        try:
            self.stdout.read_rest()
            self.stderr.read_rest()
        except BaseException:
            self.discard()
            raise
        self._close()
        return self._outcome()

    def discard(self) -> None:
        """Close the pipes and forget what came out of them."""
        self._close()
        self.stdout.captured().close()
        self.stderr.captured().close()

    def _outcome(self) -> Finished[Tag]:
        exit_or_signal = os.waitstatus_to_exitcode(self.status or 0)
        killed_by = -exit_or_signal if exit_or_signal < 0 else None
        exit_status = exit_or_signal if killed_by is None else SIGNAL_EXIT + killed_by
        return Finished(
            self.tag,
            TIMED_OUT_EXIT if self.timed_out else exit_status,
            killed_by,
            self.timed_out,
            self.seconds,
            self.stdout.captured(),
            self.stderr.captured(),
        )

    def _close(self) -> None:
        self.stdout.close()
        self.stderr.close()
        if self.stdin is not None:
            self.stdin.close()
        if self.exit_descriptor >= 0:
            os.close(self.exit_descriptor)
            self.exit_descriptor = -1

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def launch(request: Request[Tag], surroundings: Surroundings) -> RunningCommand[Tag] | Finished[Tag]:
    """Start a command; when it can never be started with this item, how that ended.

    Raises OSError with one of spawn.TRANSIENT; then nothing is left open, and nothing was drawn from its stdin.
    """
    try:
        path = surroundings.path_of(request.argv[0])
    except (CommandNotFound, CommandNotExecutable) as error:
        return _refused(request, refusal_of(error))
    environment = surroundings.environment
    if request.extra_env:
        environment = {**environment, **request.extra_env}
    stdin = request.stdin
    stdout = Capture(whole=surroundings.whole_output)
    stderr = Capture(whole=surroundings.whole_output)
    try:
        stdout.open()
        stderr.open()
        if stdin is not None:
            stdin.open()
        started_at = time.monotonic()
        started = spawn(
            path,
            request.argv,
            environment,
            surroundings.null if stdin is None else stdin.read_end,
            stdout.write_end,
            stderr.write_end,
        )
    except OSError:
        stdout.close()
        stderr.close()
        if stdin is not None:
            stdin.close_pipe()
        raise
    if isinstance(started, int):
        return RunningCommand(request, stdout, stderr, started, started_at)
    stdout.close()
    stderr.close()
    surroundings.forget(request.argv[0])
    return _refused(request, started)


def terminated_unstarted(request: Request[Tag]) -> Finished[Tag]:
    """What a command that was told to end before it could be started finished with."""
    request.close()
    return _unstarted(request, SIGNAL_EXIT + signal.SIGTERM, signal.SIGTERM, NOTHING)


def _refused(request: Request[Tag], refusal: Refusal) -> Finished[Tag]:
    request.close()
    return _unstarted(request, refusal.exit, None, Captured(f"teamtask: {refusal.sentence}\n".encode()))


def _unstarted(request: Request[Tag], exit_status: int, killed_by: int | None, stderr: Captured) -> Finished[Tag]:
    return Finished(request.tag, exit_status, killed_by, timed_out=False, seconds=0.0, stdout=NOTHING, stderr=stderr)


def _open_exit_descriptor(pid: int) -> int:
    """A descriptor that can be read when the process has ended; -1 where there is none."""
    pidfd_open: Any = getattr(os, "pidfd_open", None)  # Any: typeshed knows it on Linux only
    try:
        return -1 if pidfd_open is None else pidfd_open(pid)
    except OSError:  # Linux before 5.3, a sandbox, or too many open files
        return -1
