"""`FunctionRun`: a Python function over a list of a server, as `Client.run` has it."""

from __future__ import annotations

import logging
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from teamtask.client.end_by import end_by
from teamtask.client.worker_name import worker_name
from teamtask.ledger.errors import InvalidField
from teamtask.worker.interruptible import interruptible
from teamtask.worker.remote_list import RemoteList
from teamtask.worker.remote_work import RemoteOptions, Stopping, function_work, work_out
from teamtask.worker.slots import JOBS_MAX, cpu_count
from teamtask.worker.work_functions import FunctionWatcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamtask.client.connection import Connection

_log: Final = logging.getLogger("teamtask")


class FunctionRun:
    """Call it once; `stop` ends it early, after the items in hand."""

    def __init__(
        self,
        connection: Connection,
        name: str,
        function: Callable[[Any], Any],
        *,
        processes: int | None = None,
        retries: int = 0,
        timeout_seconds: float | None = None,
        worker: str | None = None,
        forever: bool = False,
    ) -> None:
        """Begin nothing yet. Raises InvalidField."""
        if not callable(function):
            raise InvalidField(f"A function is called for each item; {function!r:.80} is none.", field="function")
        self._connection = connection
        self._name = name
        self._function = function
        _check_timeout(timeout_seconds)
        self._worker = worker
        self._options = RemoteOptions(
            "",  # until it begins
            cpu_count() if processes is None else _whole(processes, "processes", 1),
            _whole(retries, "retries", 0),
            timeout_seconds,
            forever=forever,
        )
        self._is_stopping = False
        self._stopping: Stopping | None = None

    def __call__(self) -> None:
        """Work until the list is finished. Raises ApiError, ServerUnreachable, OtherItems, and the signal that came."""
        far = RemoteList(self._connection, self._name, _log.warning)
        with worker_name(self._worker) as worker:
            options = replace(self._options, worker=worker)
            with function_work(far, self._function, FunctionWatcher(), options) as work:
                stopping = self._stopping = Stopping(work, far, options.last_words_seconds)
                if self._is_stopping:
                    stopping.stop()
                with interruptible(stopping) as received:
                    trouble = work_out(work, far, worker)
        if received:
            end_by(max(received, key=lambda number: number != signal.SIGINT))  # what nobody may outlive
        if trouble is not None:
            raise trouble

    def stop(self) -> None:
        """Finish the items in hand and give back the rest. May be called in any thread."""
        self._is_stopping = True
        if self._stopping is not None:
            self._stopping.stop()


def _check_timeout(value: Any) -> None:  # noqa: ANN401 - whatever was given
    if value is not None and not (isinstance(value, int | float) and value > 0):
        raise InvalidField(f"A timeout is some seconds, not {value!r:.40}.", field="timeout_seconds")


def _whole(value: Any, field: str, least: int) -> int:  # noqa: ANN401 - whatever was given
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= JOBS_MAX:
        raise InvalidField(f"A number from {least} to {JOBS_MAX:,}, not {value!r:.40}.", field=field)
    return value
