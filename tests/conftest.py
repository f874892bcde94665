"""How property tests run: bounded, without deadlines, in more depth where CI asks for it; and that Ctrl-C is heard."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Callable

# A job that a shell starts in the background ignores SIGINT, and so would everything that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: a slow machine is not a wrong program. Seeds stay random, so that every run looks somewhere new;
# a failure prints the blob that repeats it.
settings.register_profile(
    "dev",
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("ci", settings.get_profile("dev"), max_examples=200, stateful_step_count=50)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture
def children() -> Callable[[], set[int]]:
    """The children of this process, dead ones that nobody has asked for included; tests may share a server."""

    def ask() -> set[int]:
        with subprocess.Popen(["ps", "-A", "-o", "pid=,ppid="], stdout=subprocess.PIPE, text=True) as ps:
            pairs = [line.split() for line in ps.communicate()[0].splitlines()]
        return {int(pid) for pid, parent in pairs if int(parent) == os.getpid()} - {ps.pid}

    return ask
