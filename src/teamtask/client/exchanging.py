"""`Exchanging`: a worker's exchanges with one list on a server, each repeated until it is answered.

While the server is away, what is finished lies in a spool too; what earlier processes left there is delivered first.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from threading import Event, Lock
from typing import TYPE_CHECKING, Final

from teamtask.client.answers import ApiError, ServerUnreachable
from teamtask.client.backoff import MOST_SECONDS, Backoff
from teamtask.client.connection import list_path
from teamtask.client.spool import KEPT_DAYS, SpoolNotWritable
from teamtask.ledger.big_numbers import counted
from teamtask.ledger.errors import InvalidField, TeamtaskError
from teamtask.wire.exchange_json import decode_reply, encode_exchange
from teamtask.wire.limits import REPORTS_MAX
from teamtask.wire.messages import Exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from teamtask.client.connection import Connection
    from teamtask.client.spool import Spool
    from teamtask.wire.messages import Reply, Report

AWAY_SECONDS: Final = 5.0  # a server that is away no longer is not worth a word
MESSAGE_BYTES_MAX: Final = 8 << 20  # of results in one message that is kept
_TOO_MANY_REQUESTS: Final = 429
_SERVER_ERRORS: Final = 500


class Exchanging:
    """Call it with an exchange, from one thread at a time, and it gives the reply: the port of a worker loop.

    It tries again, at most 30 s apart, while the server is away or answers 429 or 5xx; `notify` is told once when that
    takes longer than 5 s, and once when it is over. Raises ApiError for any other refusal, InvalidField for what cannot
    be said, SpoolFull, and ServerUnreachable once `give_up` is over, or at once for a certificate that was never good.
    """

    def __init__(
        self, connection: Connection, name: str, spool: Spool, notify: Callable[[str], None] = lambda _: None
    ) -> None:
        self._connection = connection
        self._name = name
        self._path = list_path(name, "exchange")
        self._spool = spool
        self._notify = notify
        self._until = math.inf
        self._hurry = Event()
        self._lock = Lock()  # of the spool, once another thread ends the work
        self._is_ended = False
        self._was_answered = False
        self._is_in_the_way = False  # something, and it was said
        self._looks_for_left = True
        self._has_tidied = False

    def __call__(self, exchange: Exchange) -> Reply:
        """Say it until it is answered."""
        body = encode_exchange(exchange)
        if self._looks_for_left:  # before a claim, which might be given what they have done
            self._looks_for_left = False
            self._deliver_left()
        reply = self._until_answered(body, exchange)
        if not self._has_tidied:
            self._has_tidied = True
            self._tidy()
        why = self._connection.in_the_way(self._name)
        if why is not None and not self._is_in_the_way:
            self._notify(why)
        self._is_in_the_way = why is not None
        return reply

    def give_up(self, seconds: float) -> None:
        """Have the message in hand, and later ones, fail if not answered within this time. May be called anywhere."""
        self._until = time.monotonic() + seconds
        self._hurry.set()
        self.hurry()

    def hurry(self) -> None:
        """Have a message that waits for work be answered now: the work ends. May be called anywhere."""
        self._connection.hurry(self._name)

    def leave(self, worker: str) -> None:
        """Say that the work has ended; whoever is not heard does not matter. No message is in hand."""
        with suppress(TeamtaskError):
            self._connection.leave(self._name, worker)

    def keep(self, worker: str, reports: Iterable[Report]) -> bool:
        """Leave the finished work in these reports to the next worker on this list; tell whether there is any.

        For the end of the work: what could not be delivered, a message that is still in hand included. Raises
        SpoolFull, SpoolNotWritable.
        """
        messages = list(_work_of(worker, reports))
        with self._lock:
            self._is_ended = True
            self._spool.clear()
            for message in messages:
                self._spool.keep(message)
            self._spool.close()
        return bool(messages)

    # --- one message

    def _until_answered(self, body: bytes, exchange: Exchange) -> Reply:
        backoff = Backoff()
        began = time.monotonic()
        is_kept = is_told = False
        while True:
            try:
                reply = self._once(body, len(exchange.reports))
            except (ApiError, ServerUnreachable) as error:
                self._missed(error, None if is_kept else exchange)
                is_kept = True  # if it can be
                if not is_told and time.monotonic() - began > AWAY_SECONDS:
                    is_told = True
                    self._notify(f"{error.message} Trying again until it answers.")
                if time.monotonic() >= self._until:
                    raise
                self._wait(min(backoff.next(error.retry_after), MOST_SECONDS))
                continue
            if is_told:
                self._notify(f"{self._connection.url} answers again.")
            if self._spool.has_kept:
                self._forget()
                self._looks_for_left = True  # others may have died meanwhile
            return reply

    def _wait(self, seconds: float) -> None:
        if not self._hurry.wait(seconds):
            return
        time.sleep(max(0.0, min(seconds, self._until - time.monotonic())))

    def _forget(self) -> None:
        with self._lock:
            if not self._is_ended:
                self._spool.clear()

    def _missed(self, error: ApiError | ServerUnreachable, exchange: Exchange | None) -> None:
        """Keep finished work that somebody may still deliver. Raises the error if trying again does not help."""
        passes = self._passes(error)
        if not passes and not is_not_now(error):
            self._forget()  # what was kept of this message would not be taken either
            raise error
        if exchange is not None:
            try:
                with self._lock:
                    for message in () if self._is_ended else _work_of(exchange.worker, exchange.reports):
                        self._spool.keep(message)
            except SpoolNotWritable as trouble:
                self._notify(f"{trouble.message} If this worker ends before its server is back, this is worked again.")
        if not passes:
            raise error

    def _once(self, body: bytes, count: int) -> Reply:
        answer = self._send(body)
        try:
            reply = decode_reply(answer)
        except InvalidField as error:
            message = f"{self._connection.url} answered with something that is no reply: {error.message}"
            raise ServerUnreachable(message, was_sent=True) from error
        if len(reply.reports) != count:
            message = f"{self._connection.url} answered {len(reply.reports)} reports, and there were {count}."
            raise ServerUnreachable(message, was_sent=True)
        self._was_answered = True
        return reply

    def _passes(self, error: ApiError | ServerUnreachable) -> bool:
        if isinstance(error, ServerUnreachable):
            return self._was_answered or not error.is_final
        return error.status >= _SERVER_ERRORS or error.status == _TOO_MANY_REQUESTS

    # --- what others left

    def _deliver_left(self) -> None:
        for left in self._spool.left_over():
            for exchange in left.exchanges():
                try:
                    self._send(exchange)
                except (ApiError, ServerUnreachable) as error:
                    if self._passes(error) or is_not_now(error):
                        self._looks_for_left = self._passes(error)
                        return
                    # nobody will ever take this one
            left.remove()

    def _tidy(self) -> None:
        try:
            count = self._spool.tidy(lambda: [shown["id"] for shown in self._connection.pages("/v1/lists")])
        except (TeamtaskError, OSError):
            return  # another time
        if count:
            self._notify(
                f"Tidied away {counted(count, 'file', 'files')} of reports that have waited for {KEPT_DAYS} days, "
                "for lists that are not on this server."
            )

    def _send(self, body: bytes) -> bytes:
        return self._connection.send(
            "POST", self._path, body=body, content_type="application/json", repeats=True, retry_seconds=0.0
        )


def is_not_now(error: TeamtaskError) -> bool:
    """Tell whether somebody with another token may do what was refused."""
    return isinstance(error, ApiError) and error.status in (401, 403)


def _work_of(worker: str, reports: Iterable[Report]) -> Iterator[bytes]:
    """Give exchanges with nothing but finished work, which may be delivered late, none too large for a server."""
    some: list[Report] = []
    size = 0
    for report in reports:
        if _has_work(report):
            more = 0 if report.results is None else len(report.results.values)
            if some and (size + more > MESSAGE_BYTES_MAX or len(some) == REPORTS_MAX):
                yield encode_exchange(Exchange(worker, reports=tuple(some)))
                some, size = [], 0
            some.append(report)
            size += more
    if some:
        yield encode_exchange(Exchange(worker, reports=tuple(some)))


def _has_work(report: Report) -> bool:
    begin = report.index if report.begin is None else report.begin
    return report.upto > begin or bool(report.ranges)
