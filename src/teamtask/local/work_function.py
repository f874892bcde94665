"""`function_work`: working an opened run with a Python function, in processes of its own."""

from __future__ import annotations

import pickle
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from teamtask.local.processes import worker_name
from teamtask.local.work_run import ASK_SECONDS_MAX, exchange_of
from teamtask.wire.messages import Exchange
from teamtask.worker.function_folds import FoldOfResults
from teamtask.worker.function_loop import FunctionTask
from teamtask.worker.function_pool import FunctionPool
from teamtask.worker.held_ranges import KeepFold, KeepOutcomes, KeepPartialFolds
from teamtask.worker.port import InlinePort
from teamtask.worker.work_functions import FunctionWork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from teamtask.local.open_run import OpenedRun
    from teamtask.local.work_run import WorkOptions
    from teamtask.wire.messages import Reply
    from teamtask.worker.channel import Channel
    from teamtask.worker.held_ranges import Keeping
    from teamtask.worker.work_functions import FunctionWatcher


@contextmanager
def function_work(
    opened: OpenedRun,
    function: Callable[[Any], Any],
    watcher: FunctionWatcher,
    options: WorkOptions,
    *,
    merge: Callable[[Any, Any], Any] | None = None,
    inherited: tuple[Channel, ...] = (),
) -> Iterator[FunctionWork]:
    """Make the work of a run with a function; its processes end with the `with`.

    `merge` folds results where the list's own fold only counts; `inherited` are channels that processes must not keep.
    """
    with opened.service.view(opened.record) as view:
        rules = view.ledger.rules
    fold = FoldOfResults(merge=merge) if merge else FoldOfResults(rules.fold) if rules.fold is not None else None
    # Lines lie in the store, which no fork may use: so their items are read here, and sent.
    stored = opened.definition.source["kind"] == "lines"
    task = FunctionTask(
        function, None if stored else opened.source, fold, options.retries, exact=options.timeout_seconds is not None
    )
    with FunctionPool(task, options.jobs, inherited) as pool:
        yield FunctionWork(
            InlinePort(_exchange(opened)),
            worker_name(),
            pool,
            watcher,
            keeping=_keeping(fold),
            items_of=_items_of(opened) if stored else None,
            timeout_seconds=options.timeout_seconds,
            retries=options.retries,
            halt_after=options.halt_after,
            lease_seconds=rules.lease_seconds,
            ask_seconds_max=ASK_SECONDS_MAX,
            waits=False,
        )


def _exchange(opened: OpenedRun) -> Callable[[Exchange], Reply]:
    """Give the worker's exchange; what failed with this worker is also asked for under other names.

    A list keeps such a piece for another worker as long as one is about; that may be a process that has just ended.
    """
    exchange = exchange_of(opened)

    def exchange_as_any(message: Exchange) -> Reply:
        reply = exchange(message)
        if message.want is None or reply.leases or "failed with this worker" not in (reply.reason or ""):
            return reply
        for number in (2, 3):
            other = exchange(Exchange(f"{message.worker}/{number}", want=message.want))
            if other.leases:
                return replace(reply, leases=other.leases)
        return reply

    return exchange_as_any


def _keeping(fold: FoldOfResults | None) -> Keeping:
    if fold is None:
        return KeepOutcomes()
    return KeepFold(fold) if fold.merge is None else KeepPartialFolds(fold)


def _items_of(opened: OpenedRun) -> Callable[[int, int], bytes]:
    def items_of(index: int, size: int) -> bytes:
        return pickle.dumps(list(opened.source.items(index, size)), pickle.HIGHEST_PROTOCOL)

    return items_of
