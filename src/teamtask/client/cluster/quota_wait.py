"""`QuotaWait`: how long a worker waits until a ResourceQuota may have room for its block, and the words for that."""

from __future__ import annotations

import time
from typing import Final

from teamtask.client.backoff import Backoff

AGAIN_SECONDS: Final = 1.0  # and longer each time, up to half a minute more


class QuotaWait:
    """For one thread at a time; `words` may be read in any."""

    def __init__(self) -> None:
        self.words: str | None = None  # the API server's, while there is no room
        self._backoff = Backoff()
        self._until = 0.0

    @property
    def seconds(self) -> float:
        """How long it is too early to ask again."""
        return max(0.0, self._until - time.monotonic())

    def begin(self, words: str) -> None:
        """Wait, longer than the last time."""
        self.words = words
        self._until = time.monotonic() + self._backoff.next(AGAIN_SECONDS)

    def end(self) -> None:
        """Take note that there was room."""
        self.words, self._backoff, self._until = None, Backoff(), 0.0
