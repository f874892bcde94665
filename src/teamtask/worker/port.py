"""`Port`: a worker says something and hears the answer, at once (`InlinePort`) or while it goes on (`ThreadPort`)."""

from __future__ import annotations

from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, Protocol, TypeVar

from teamtask.ledger.errors import TeamtaskError
from teamtask.wire.limits import REPORTS_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from teamtask.wire.messages import Exchange, Reply, Report

MESSAGE_BYTES_MAX: Final = 8 << 20  # of one message, about, unless a single report is larger
NUMBER_BYTES: Final = 16  # what a number costs beside its digits

Held = TypeVar("Held")
Told = TypeVar("Told")


class NoThread(TeamtaskError):
    """The system has no room for another thread."""

    code = "no_thread"
    hint = "End other programs, or raise the limit on processes (ulimit -u shows it)."


class Sent(NamedTuple, Generic[Held, Told]):
    """A report on what is held, with what it tells, so that this can be told again if the report does not arrive."""

    held: Held
    report: Report
    told: Told


def digits_of(index: int) -> int:
    """Give about how many bytes an index takes in a message."""
    return index.bit_length() // 3 + NUMBER_BYTES


def bytes_of(report: Report) -> int:
    """Give about how many bytes a report takes in a message."""
    results = report.results
    numbers = 4 + 2 * len(report.ranges) + len(report.failed) + (0 if results is None else results.count)
    size = numbers * digits_of(report.upto) + sum(len(message) for _, message in report.failed)
    return size if results is None else size + len(results.values)


def how_many_fit(sent: Sequence[Sent[Any, Any]]) -> int:
    """Tell how many of these reports, the first ones, go into one message."""
    size = 0
    for number, one in enumerate(sent[:REPORTS_MAX]):
        size += bytes_of(one.report)
        if size > MESSAGE_BYTES_MAX and number:
            return number
    return min(len(sent), REPORTS_MAX)


class Port(Protocol):
    """One message at a time: after `post`, `take` until there is an answer."""

    @property
    def repeats(self) -> bool:
        """Whether a message may be carried out more than once, so that claims need an id."""
        ...

    @property
    def last_words_seconds(self) -> float:
        """How long the end of the work waits for answers."""
        ...

    def post(self, message: Exchange, wakeup: Callable[[], None]) -> None:
        """Send a message; `wakeup` is called, in any thread, when `take` has the answer. Raises NoThread."""
        ...

    def take(self) -> Reply | None:
        """Give the answer; None as long as there is none. Raises what went wrong instead."""
        ...

    def hurry(self) -> None:
        """Have a message that waits for work be answered now: the work ends."""
        ...

    def close(self) -> None:
        """Wake nobody any more."""
        ...


class InlinePort:
    """Carries a message out when its answer is taken, in the caller's thread: right where that is a matter of a commit.

    `exchange` raises StoreUnavailable and the like.
    """

    repeats = False
    last_words_seconds = 0.0  # nothing is ever in flight

    def __init__(self, exchange: Callable[[Exchange], Reply]) -> None:
        self._exchange = exchange
        self._message: Exchange | None = None

    def post(self, message: Exchange, wakeup: Callable[[], None]) -> None:  # noqa: ARG002 - Port's; nobody sleeps
        """See Port."""
        self._message = message

    def take(self) -> Reply | None:
        """See Port."""
        message, self._message = self._message, None
        return None if message is None else self._exchange(message)

    def hurry(self) -> None:
        """See Port."""

    def close(self) -> None:
        """See Port."""


class ThreadPort:
    """Carries a message out in a thread of its own, which may take minutes.

    `exchange` repeats a message, the very same one, until it is answered, with one status for each report; what it
    raises ends the work. There is a thread only while a message is in flight: whoever forks can wait until there is
    none.
    """

    repeats = True

    def __init__(
        self,
        exchange: Callable[[Exchange], Reply],
        *,
        last_words_seconds: float = 10.0,
        hurry: Callable[[], None] = lambda: None,
    ) -> None:
        self.last_words_seconds = last_words_seconds
        self._exchange = exchange
        self._hurry = hurry
        self._thread: Thread | None = None
        self._answer: Reply | BaseException | None = None
        self._lock = Lock()  # of `_closed` and waking
        self._closed = False

    def post(self, message: Exchange, wakeup: Callable[[], None]) -> None:
        """See Port."""
        assert self._thread is None, "one message at a time"
        thread = Thread(target=self._carry_out, args=(message, wakeup), name="teamtask-exchange", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise NoThread from error
        self._thread = thread

    def take(self) -> Reply | None:
        """See Port."""
        answer = self._answer
        if answer is None or self._thread is None:
            return None
        self._thread.join()
        self._thread = self._answer = None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def hurry(self) -> None:
        """See Port."""
        self._hurry()

    def close(self) -> None:
        """See Port. A message in flight may still arrive."""
        with self._lock:
            self._closed = True

    def _carry_out(self, message: Exchange, wakeup: Callable[[], None]) -> None:
        try:
            self._answer = self._exchange(message)
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is taken
            self._answer = error
        with self._lock:
            if not self._closed:
                wakeup()
