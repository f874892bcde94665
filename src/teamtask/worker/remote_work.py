"""The work of a list on a server, in this process and those that it begins: made, worked out, and stopped."""

from __future__ import annotations

import pickle
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from teamtask.client.answers import ApiError
from teamtask.client.exchanging import is_not_now
from teamtask.client.spool import SpoolFull, SpoolNotWritable
from teamtask.ledger.errors import TeamtaskError
from teamtask.worker.function_folds import FoldOfResults
from teamtask.worker.function_loop import FunctionTask
from teamtask.worker.function_pool import FunctionPool
from teamtask.worker.held_ranges import KeepFold
from teamtask.worker.json_outcomes import AsJson, KeepJson
from teamtask.worker.port import ThreadPort
from teamtask.worker.run_command import CommandRunner
from teamtask.worker.work_blocks import BlockWork
from teamtask.worker.work_functions import FunctionWork
from teamtask.worker.work_items import ItemWork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from teamtask.worker.placeholders import Template
    from teamtask.worker.remote_list import RemoteList
    from teamtask.worker.work_functions import FunctionWatcher
    from teamtask.worker.worker_loop import Watcher, WorkerLoop


@dataclass(frozen=True)
class RemoteOptions:
    """How a list on a server is worked here."""

    worker: str
    jobs: int
    retries: int = 0
    timeout_seconds: float | None = None
    halt_after: int | None = None
    forever: bool = False
    whole_output: bool = True
    last_words_seconds: float = 10.0

    def port(self, far: RemoteList) -> ThreadPort:
        """Give the way to the list."""
        return ThreadPort(far.exchange, last_words_seconds=self.last_words_seconds, hurry=far.exchanging.hurry)

    def loop(self, far: RemoteList) -> dict[str, Any]:
        """Give the settings of the worker loop."""
        return {
            "lease_seconds": float(far.shown["lease_seconds"]),
            "report_seconds": far.connection.report_seconds,
            "forever": self.forever,
            "ahead": True,
            "refused": far.refused,
            "retries": self.retries,
            "halt_after": self.halt_after,
        }


@dataclass(frozen=True)
class Stopping:
    """What a Ctrl-C stops; for `interruptible`."""

    work: WorkerLoop[Any]
    far: RemoteList
    last_words_seconds: float

    def stop(self) -> None:
        """Finish what is in hand."""
        self.far.give_up(self.last_words_seconds)
        self.work.stop()

    def kill(self) -> None:
        """Kill what is in hand."""
        self.far.give_up(0.0)
        self.work.kill()


def work_out(work: WorkerLoop[Any], far: RemoteList, worker: str) -> TeamtaskError | None:
    """Work to the end, keep what could not be delivered, and give what went wrong."""
    try:
        return _worked_out(work, far, worker)
    finally:
        far.exchanging.leave(worker)


def _worked_out(work: WorkerLoop[Any], far: RemoteList, worker: str) -> TeamtaskError | None:
    try:
        work.run()
    except TeamtaskError as error:
        if isinstance(error, ApiError) and not is_not_now(error):
            return error  # nobody will ever take it
        try:
            if far.exchanging.keep(worker, work.undelivered()):
                far.notify("What was finished is kept here: the next worker of this user on this list delivers it.")
        except (SpoolFull, SpoolNotWritable) as full:
            far.notify(f"{full.message} What was finished and not delivered is worked again.")
        return error
    return None


@contextmanager
def command_work(
    far: RemoteList, template: Template, watcher: Watcher, options: RemoteOptions, *, per_block: bool, separator: bytes
) -> Iterator[ItemWork | BlockWork]:
    """Make the work of a list with commands, one per item or one per block; its commands end with the `with`."""
    port = options.port(far)
    settings = {"source": far, "template": template, "list_name": far.name, **options.loop(far)}
    with CommandRunner[Any](
        options.jobs, timeout_seconds=options.timeout_seconds, whole_output=options.whole_output
    ) as runner:
        if per_block:
            fold = far.shown["fold_rule"] is not None
            yield BlockWork(port, options.worker, runner, watcher, separator=separator, fold=fold, **settings)
        else:
            yield ItemWork(port, options.worker, runner, watcher, **settings)


@contextmanager
def function_work(
    far: RemoteList, function: Callable[[Any], Any], watcher: FunctionWatcher, options: RemoteOptions
) -> Iterator[FunctionWork]:
    """Make the work of a list with a function, in processes of its own, which end with the `with`."""
    rule = far.shown["fold_rule"]
    fold = FoldOfResults(rule) if rule is not None else None
    # Items that only the server knows, or that came since, are sent by this process to those that work them.
    computed = far.computed
    called = function if fold is not None else AsJson(function)
    task = FunctionTask(called, computed, fold, options.retries, exact=options.timeout_seconds is not None)

    def items_of(index: int, size: int) -> bytes | None:
        if computed is not None and computed.covers(index, size):
            return None
        return pickle.dumps(list(far.items(index, size)), pickle.HIGHEST_PROTOCOL)

    with FunctionPool(task, options.jobs) as pool:
        work = FunctionWork(
            options.port(far),
            options.worker,
            pool,
            watcher,
            keeping=KeepJson() if fold is None else KeepFold(fold),
            items_of=items_of,
            timeout_seconds=options.timeout_seconds,
            **options.loop(far),
        )
        may_fork = pool.may_fork
        pool.may_fork = lambda: may_fork() and not far.is_busy
        yield work
