"""`GroupCommit`: gathers the commands that wait at the same moment, and carries each group out in one thread.

While one group is committed the next one gathers, so the more clients there are the more commands share a commit.
"""

from __future__ import annotations

import time
from collections import deque
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from teamtask.stores.store import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamtask.service.ledgers import Answer, Asked, Ledgers

GROUP_MAX: Final = 1_000  # commands in one transaction
WAITING_MAX: Final = 100_000  # commands that wait; who comes then is sent away
SHUTTING_DOWN: Final = "The server is shutting down."
_WEIGHT = 0.1  # of the last group in the measured cost of an exchange


class Overloaded(StoreUnavailable):
    """The server has more to do than it can."""

    code = "overloaded"
    hint = "Ask again in a moment; nothing was changed."


class Answered(NamedTuple):
    """What a command came to, for whoever asked with this `ticket`: an answer, or why there is none."""

    ticket: Any
    answer: Answer | BaseException


class GroupCommit:
    """One thread that commits. `deliver` is called in it with the answers of each group, in order."""

    def __init__(self, ledgers: Ledgers, deliver: Callable[[list[Answered]], None]) -> None:
        self._ledgers = ledgers
        self._deliver = deliver
        self._waiting: deque[tuple[Any, Asked]] = deque()
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    def submit(self, ticket: object, asked: Asked) -> None:
        """Have a command carried out. Raises Overloaded, also after `close`."""
        with self._changed:  # so that nobody slips in behind the last look before the end
            if self._closed:
                raise Overloaded(SHUTTING_DOWN)
            if len(self._waiting) >= WAITING_MAX:
                raise Overloaded
            self._waiting.append((ticket, asked))
            self._changed.notify()

    def close(self) -> None:
        """Carry out what waits, take nothing more, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        waiting = self._waiting
        while True:
            if not waiting:
                with self._changed:
                    while not waiting:
                        if self._closed:
                            return
                        self._changed.wait()
            group = [waiting.popleft() for _ in range(min(len(waiting), GROUP_MAX))]
            began = time.perf_counter()
            self._deliver(self._carried_out(group))
            seconds = (time.perf_counter() - began) / len(group)
            self._ledgers.exchange_seconds += _WEIGHT * (seconds - self._ledgers.exchange_seconds)

    def _carried_out(self, group: list[tuple[Any, Asked]]) -> list[Answered]:
        try:
            answers = self._ledgers.carry_out([asked for _, asked in group])
        except StoreUnavailable as error:
            return _all_of(group, error)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, and the thread must live
            # One list that is gone or damaged spoils the whole group: it is found by halves.
            if len(group) == 1:
                return _all_of(group, error)
            middle = len(group) // 2
            return [*self._carried_out(group[:middle]), *self._carried_out(group[middle:])]
        return [Answered(ticket, answer) for (ticket, _), answer in zip(group, answers, strict=True)]


def _all_of(group: list[tuple[Any, Asked]], error: BaseException) -> list[Answered]:
    return [Answered(ticket, error) for ticket, _ in group]
