"""`run --share`: workers on other machines join the run; `worker_line` is what they have to type."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from teamtask.cli.output import say
from teamtask.cli.shell_text import shell_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from teamtask.local.open_run import OpenedRun
    from teamtask.local.share_access import Shared
    from teamtask.service.definition import LocalRun


@contextmanager
def shared_run_of_flags(opened: OpenedRun, flags: Mapping[str, Any]) -> Iterator[None]:
    """Share a run until the end of the `with`, if that was asked for, and say how others join. Raises SharingFailed."""
    if flags["share"] is None:
        yield
        return
    from teamtask.local.sharing_process import shared_run

    local = opened.definition.local
    assert local is not None, "a run knows what it works with"
    with shared_run(opened, flags["share"], say) as shared:
        say("Workers elsewhere join with:")
        say(worker_line(shared, local, flags))
        warn(shared)
        yield


def worker_line(shared: Shared, local: LocalRun, flags: Mapping[str, Any]) -> str:
    """Give the command line for a worker that does with an item what the run does; `flags` are the run's."""
    run = local.identity
    words = ["teamtask", "work", shared.name, "--url", shared.url, "--token", shared.token]
    if run["per_block"] and run["separator"] == "\0":
        words.append("-0")
    words += [f"--{name.replace('_', '-')}" for name in ("per_block", "shell") if run[name]]
    if flags["retries"]:
        words += ["--retries", str(flags["retries"])]
    if flags["timeout"] is not None:
        words += ["--timeout", str(flags["timeout"]).removesuffix(".0")]
    return shell_text([*words, "--python", run["python"]] if run["python"] else [*words, "--", *run["command"]])


def warn(shared: Shared) -> None:
    """Say what others can read on their way."""
    if not shared.is_loopback:
        say("  Without TLS whoever can listen on the network reads the token: share in a network that you trust.")
