"""What this machine knows: the clock that counts since it started, and which processes are dead."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from uuid import uuid4

from teamtask.stores.store import Clock

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def machine_clock() -> Clock:
    """Seconds since this machine started, not counting sleep on Linux; the same for all its processes."""
    return Clock(time.monotonic(), boot_epoch())


@cache
def boot_epoch() -> str:
    """Return a name for the time since this machine started; of this process alone if the machine has none."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return _sysctl("kern.bootsessionuuid") or _sysctl("kern.boottime") or str(uuid4())


def this_process() -> str:
    """Return a name for this process that no other gets: its id can be used again, its start time cannot."""
    return _name_of_this(os.getpid())


def name_of_process(pid: int) -> str:
    """Return the name of a process of this machine: "NAMESPACE PID START", without a start when there is none."""
    return f"{_namespace()} {pid} {_started(pid)}"


def process_is_dead(process: str) -> bool:
    """Whether the process of that name is known to have ended; False when nobody can know.

    The name must have been given since this machine started.
    """
    namespace, pid, started = process.split(" ", 2)
    if namespace != _namespace():
        return False  # a process of another container: its id means nothing here
    now = _started(int(pid))
    return now != started if now and started else not _exists(int(pid))


@cache
def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - no file, only a name
    except OSError:
        return "-"


@cache
def _name_of_this(pid: int) -> str:
    return name_of_process(pid)


def _started(pid: int) -> str:
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        # The program's name stands in parentheses and may contain some; after it the state, and the start in ticks.
        fields = stat.rpartition(")")[2].split()
        return "ended" if fields[0] in "ZX" else fields[19]
    return _output("ps", "-o", "lstart=", "-p", str(pid))


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sysctl(name: str) -> str:
    return _output("sysctl", "-n", name)


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
