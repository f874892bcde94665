"""`Backoff`: how long to wait before the next try, so that many who wait do not come back at once."""

from __future__ import annotations

import random
from typing import Final

FIRST_SECONDS: Final = 0.2
MOST_SECONDS: Final = 30.0


class Backoff:
    """Full jitter: anything between nothing and a bound that doubles with each try, 30 s at most."""

    # https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    def __init__(self) -> None:
        self._bound = FIRST_SECONDS

    def next(self, retry_after: float | None) -> float:
        """Give the seconds to wait, beyond what the server asked for."""
        bound, self._bound = self._bound, min(2 * self._bound, MOST_SECONDS)
        return (retry_after or 0.0) + random.uniform(0.0, bound)  # noqa: S311 - no secret: a jitter
