"""`parse_jobs`: how many commands run at once; `ensure_open_files`: whether the system lets so many."""

from __future__ import annotations

import os
import re
import resource
from typing import Any, Final, NamedTuple

from teamtask.ledger.errors import InvalidField

JOBS_MAX: Final = 100_000
FILES_PER_SLOT: Final = 10  # two pipes of two ends, one more for stdin, a pidfd, long output of this one and the last
_FILES_OF_OUR_OWN: Final = 64  # the store, the terminal, sockets

_JOBS = re.compile(r"([0-9]{1,9})(%?)")


class OpenFiles(NamedTuple):
    """How many slots are possible, and the sentence that says so when these are fewer than wanted."""

    slots: int
    sentence: str | None


def cpu_count() -> int:
    """How many CPUs this process may use."""
    process_cpu_count: Any = getattr(os, "process_cpu_count", None)  # Python 3.13
    if process_cpu_count is not None:
        return process_cpu_count() or 1
    sched_getaffinity: Any = getattr(os, "sched_getaffinity", None)  # Linux
    return len(sched_getaffinity(0)) if sched_getaffinity is not None else os.cpu_count() or 1


def parse_jobs(text: str | None, cpus: int | None = None) -> int:
    """The value of `-j`: a number, or a percentage of the CPUs ("200%"; at least one job). None: as many as CPUs.

    Raises InvalidField.
    """
    cpus = cpu_count() if cpus is None else cpus
    if text is None:
        return cpus
    match = _JOBS.fullmatch(text.strip())
    if match is None or not 1 <= int(match[1]) <= JOBS_MAX:
        raise InvalidField(
            f"-j takes a number from 1 to {JOBS_MAX:,} or a percentage of the CPUs, not {text[:40]!r}.",
            hint=f"Leave -j out for one command per CPU ({cpus} here), or write -j 8 or -j 200%.",
            field="jobs",
        )
    return max(1, min(JOBS_MAX, cpus * int(match[1]) // 100)) if match[2] else int(match[1])


def ensure_open_files(slots: int) -> OpenFiles:
    """Raise the soft limit on open files as far as `slots` commands at once need, and the hard one allows.

    Commands inherit it; so it is raised no further, and not at all where it suffices.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    others = _open_files() + _FILES_OF_OUR_OWN
    needed = others + slots * FILES_PER_SLOT
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return OpenFiles(slots, None)
    limit = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    # macOS has a further limit, which it does not name: there the half is tried, and the half of that.
    while limit > soft:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        except (ValueError, OSError):
            limit = max(soft, limit // 2)
        else:
            break
    possible = max(1, min(slots, (limit - others) // FILES_PER_SLOT))
    if possible == slots:
        return OpenFiles(slots, None)
    return OpenFiles(
        possible,
        f"Only {possible:,} of {slots:,} commands run at once: the limit on open files is {limit:,}. "
        f"`ulimit -n {needed}` in the shell raises it, where the system's hard limit allows.",
    )


def _open_files() -> int:
    try:
        return len(os.listdir("/dev/fd"))  # noqa: PTH208 - only counted
    except OSError:
        return 0
