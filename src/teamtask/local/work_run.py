"""Working an opened run in this process: wires the service to a worker and watches over both."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from teamtask.local.open_run import take_back_dead
from teamtask.local.processes import worker_name
from teamtask.worker.placeholders import compile_template
from teamtask.worker.port import InlinePort
from teamtask.worker.spawn import check_command
from teamtask.worker.work_blocks import BlockWork
from teamtask.worker.work_items import ItemWork

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamtask.local.open_run import OpenedRun
    from teamtask.local.run_request import RunRequest
    from teamtask.wire.messages import Exchange, Reply
    from teamtask.worker.placeholders import Template
    from teamtask.worker.run_command import CommandRunner
    from teamtask.worker.worker_loop import Watcher

PRINCIPAL = "local"
ASK_SECONDS_MAX = 0.5  # how long a process waits before it looks again for what others give back


@dataclass(frozen=True)
class WorkOptions:
    """How the items are worked; none of it makes it another run."""

    jobs: int
    retries: int = 0
    timeout_seconds: float | None = None
    halt_after: int | None = None
    whole_output: bool = True


def exchange_of(opened: OpenedRun) -> Callable[[Exchange], Reply]:
    """Give the worker's exchange, in process; a claim that finds nothing looks for leases of dead processes."""
    looked_at = time.monotonic()

    def exchange(message: Exchange) -> Reply:
        nonlocal looked_at
        reply = opened.service.exchange(opened.id, PRINCIPAL, message)
        if message.want is None or reply.leases or time.monotonic() - looked_at < ASK_SECONDS_MAX:
            return reply
        looked_at = time.monotonic()
        take_back_dead(opened.service, opened.record)
        return reply

    return exchange


def template_of(request: RunRequest) -> Template:
    """Compile the command of a run. Raises NoCommand, UnknownPlaceholder, CommandNotFound, CommandNotExecutable."""
    axes = [] if request.arguments or request.source is None else request.source.get("axes", [])
    template = compile_template(
        request.command,
        shell=request.shell,
        per_block=request.per_block,
        columns=_columns(request),
        fields=[str(name) for name, _ in axes],
    )
    if template.program is not None:
        check_command(template.program, os.environ.get("PATH"))
    return template


def _columns(request: RunRequest) -> int:
    """Give how many values an item has: one, or as many as a list of them."""
    source = request.source or {}
    if source.get("kind") == "permutations":
        return len(source["items"])
    if source.get("kind") == "combinations":
        return int(source["k"])
    return max(1, len(request.arguments))


def command_work(
    opened: OpenedRun, request: RunRequest, template: Template, runner: CommandRunner[Any], watcher: Watcher,
    options: WorkOptions,
) -> ItemWork | BlockWork:  # fmt: skip
    """Make the work of a run with commands, one per item or one per block."""
    with opened.service.view(opened.record) as view:
        lease_seconds = view.ledger.rules.lease_seconds
        fold = view.ledger.rules.fold is not None
    loop = (InlinePort(exchange_of(opened)), worker_name(), runner, watcher)
    settings: dict[str, Any] = {
        "source": opened.source,
        "template": template,
        "list_name": opened.record.name,
        "retries": options.retries,
        "halt_after": options.halt_after,
        "lease_seconds": lease_seconds,
        "ask_seconds_max": ASK_SECONDS_MAX,
        "waits": False,
    }
    if request.per_block:
        return BlockWork(*loop, separator=request.separator.encode(), fold=fold, **settings)
    return ItemWork(*loop, **settings)
