"""`spawn` starts one command in a session of its own; `check_command` tells beforehand whether it can.

A session, because a command in a mere process group still has our terminal: an ssh that asks for a password there
would be stopped for ever. So it is told that there is no terminal, says why it failed, and that is its outcome.
"""

from __future__ import annotations

import errno
import os
import signal
import stat
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from teamtask.ledger.errors import TeamtaskError
from teamtask.worker.placeholders import SHELL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# A command expects these as they are for a shell; Python itself ignores SIGPIPE and SIGXFSZ.
_DEFAULT_SIGNALS: Final = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGQUIT", "SIGTERM", "SIGPIPE", "SIGCHLD", "SIGXFSZ")
    if hasattr(signal, name)
)
# Tried again with fewer commands at a time: too many processes, too little memory, too many open files.
TRANSIENT: Final = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})

NOT_FOUND_EXIT: Final = 127  # as shells have it
NOT_EXECUTABLE_EXIT: Final = 126


class CommandNotFound(TeamtaskError):
    """The command does not exist."""

    code = "command_not_found"


class CommandNotExecutable(TeamtaskError):
    """The command cannot be executed."""

    code = "command_not_executable"


class Refusal(NamedTuple):
    """Why a command could not be started for an item; this is the item's outcome."""

    exit: int  # 126 or 127
    sentence: str


def check_command(program: bytes, search_path: str | None = None) -> bytes:
    """The path of a program, looked for in `search_path` (PATH of the environment) unless its name has a slash.

    Raises CommandNotFound, CommandNotExecutable.
    """
    if b"/" in program:
        candidates = [program]
    else:
        folders = os.environ.get("PATH", os.defpath) if search_path is None else search_path
        candidates = [(folder or b".") + b"/" + program for folder in os.fsencode(folders).split(b":")]
    found = None
    for candidate in candidates:
        mode = _mode(candidate)
        if stat.S_ISREG(mode) and os.access(candidate, os.X_OK):
            return candidate
        # A folder on PATH that happens to be named like the program is not what was meant.
        if mode and not (stat.S_ISDIR(mode) and candidate is not program):
            found = found or candidate
    raise _not_found(program) if found is None else _not_executable(found)


def spawn(
    path: bytes, argv: list[bytes], environment: Mapping[bytes, bytes], stdin: int, stdout: int, stderr: int
) -> int | Refusal:
    """Start the program at `path`; the process id, which is that of its process group too.

    Nothing is inherited but the three descriptors. Signals have their default actions, none is blocked.
    Raises OSError with one of TRANSIENT when the system has no room for it now.
    """
    descriptors = ((os.POSIX_SPAWN_DUP2, stdin, 0), (os.POSIX_SPAWN_DUP2, stdout, 1), (os.POSIX_SPAWN_DUP2, stderr, 2))
    try:
        try:
            return _posix_spawn(path, argv, environment, descriptors)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
        # No `#!` line: a script for sh, as it is for execvp and every shell.
        return _posix_spawn(SHELL, [SHELL, path, *argv[1:]], environment, descriptors)
    except OSError as error:
        if error.errno in TRANSIENT:
            raise
        return _refusal(path, argv, error)
    except ValueError:
        return Refusal(NOT_EXECUTABLE_EXIT, "a NUL byte in the item: no command can be given one as an argument")


def _posix_spawn(
    path: bytes, argv: list[bytes], environment: Mapping[bytes, bytes], descriptors: Sequence[tuple[int, int, int]]
) -> int:
    start = partial(
        os.posix_spawn,
        path,
        argv,
        environment,
        file_actions=descriptors,
        setsigmask=(),
        setsigdef=_DEFAULT_SIGNALS,
    )
    try:
        return start(setsid=True)
    except NotImplementedError:
        return start(setpgroup=0)


def refusal_of(error: CommandNotFound | CommandNotExecutable) -> Refusal:
    """What `check_command` found, as the outcome of an item."""
    return Refusal(
        NOT_FOUND_EXIT if isinstance(error, CommandNotFound) else NOT_EXECUTABLE_EXIT,
        error.message,
    )


def _mode(path: bytes) -> int:
    """What kind of file that is; 0 for none."""
    try:
        return os.stat(path).st_mode  # noqa: PTH116 - pathlib has no paths of bytes
    except (OSError, ValueError):
        return 0


def _refusal(path: bytes, argv: list[bytes], error: OSError) -> Refusal:
    name = shown(path)
    if error.errno == errno.E2BIG:
        longest = max(len(argument) for argument in argv)
        return Refusal(
            NOT_EXECUTABLE_EXIT,
            f"the arguments are too long for the system ({sum(map(len, argv)):,} bytes, the longest {longest:,}); "
            "--per-block gives items on stdin, where they may be of any length",
        )
    if error.errno == errno.ENOENT:
        if _mode(path):
            return Refusal(NOT_EXECUTABLE_EXIT, f"{name}: the interpreter that its first line names does not exist")
        return Refusal(NOT_FOUND_EXIT, f"{name}: the command does not exist")
    return Refusal(NOT_EXECUTABLE_EXIT, f"{name}: {error.strerror}")


def _not_found(program: bytes) -> CommandNotFound:
    name = shown(program)
    if not program:
        hint = "The first word of the command is empty."
    elif b"/" in program:
        hint = "Check the path; it is taken from the folder in which you are."
    elif any(blank in program for blank in b" \t\n|&;<>"):
        hint = "Write its words without quotes around them all, or give --shell to have it run by /bin/sh."
    elif stat.S_ISREG(_mode(program)):
        hint = f"There is one in this folder: write ./{name}"
    else:
        hint = "Check the spelling and PATH. What only a shell knows (cd, aliases, functions) needs --shell."
    return CommandNotFound(f"{name!r} is no command that can be found.", hint=hint, field="command")


def _not_executable(path: bytes) -> CommandNotExecutable:
    name = shown(path)
    if stat.S_ISDIR(_mode(path)):
        return CommandNotExecutable(f"{name!r} is a folder, not a command.", hint="Name a program.", field="command")
    return CommandNotExecutable(
        f"{name!r} is not executable.",
        hint=f"If it is a program, type: chmod +x {name}",
        field="command",
    )


def shown(program: bytes) -> str:
    """A name for people: of any bytes, cut where it is very long."""
    text = program.decode("utf-8", "replace")
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."


_SHOWN_CHARACTERS: Final = 200
