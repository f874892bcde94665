"""`Room`: how many commands the system bears at once: fewer after it refused one, more again while all goes well."""

from __future__ import annotations

import errno
import math
from typing import Final

from teamtask.ledger.errors import TeamtaskError

_RETRY_SECONDS: Final = 0.05  # after a refusal; doubled up to
_RETRY_SECONDS_MAX: Final = 1.0
_PATIENCE_SECONDS: Final = 10.0  # for starting a single one

_HINTS: Final = {
    errno.EAGAIN: "The limit on processes is reached: ulimit -u shows it; other programs of this user count too.",
    errno.EMFILE: "The limit on open files is reached: ulimit -n shows it and can raise it.",
    errno.ENFILE: "Too many files are open on this machine; end other programs and give the same command again.",
    errno.ENOMEM: "Memory is short; end other programs and give the same command again.",
}


class CannotStartCommand(TeamtaskError):
    """The system has no room for even one more process."""

    code = "cannot_start_command"


class Room:
    """`limit` is how many commands may run at once, from 1 to `slots`; `retry_at` when to try a refused one again."""

    def __init__(self, slots: int) -> None:
        self.limit = slots
        self.retry_at = 0.0
        self._slots = slots
        self._given = 0
        self._retry_seconds = _RETRY_SECONDS
        self._refused_alone_at = math.inf

    def was_given(self) -> None:
        """A command was started."""
        self._retry_seconds = _RETRY_SECONDS
        self._refused_alone_at = math.inf
        if self.limit < self._slots:
            self._given += 1
            if self._given >= self.limit:
                self.limit += 1
                self._given = 0

    def was_refused(self, error: OSError, busy: int, now: float) -> None:
        """A command could not be started beside `busy` others.

        Raises CannotStartCommand when there was no room for a single one for ten seconds.
        """
        self.limit = max(1, busy)
        self._given = 0
        self.retry_at = now + self._retry_seconds
        self._retry_seconds = min(2 * self._retry_seconds, _RETRY_SECONDS_MAX)
        self._refused_alone_at = math.inf if busy else min(self._refused_alone_at, now)
        if now - self._refused_alone_at > _PATIENCE_SECONDS:
            self._refused_alone_at = math.inf
            raise CannotStartCommand(
                f"Not even one command can be started: {error.strerror}.", hint=_HINTS.get(error.errno or 0)
            ) from error
