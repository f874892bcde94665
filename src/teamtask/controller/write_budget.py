"""`WriteBudget`: how many writes to the API server a list may cause, its workers' writes included.

A token bucket for each list and one for all of them. When the API server is slow or says 429 the one for all refills at
half the rate, then at a little more each second: additive increase, multiplicative decrease (Chiu and Jain, 1989).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

LIST_WRITES_PER_SECOND = 50.0
WRITES_PER_SECOND = 200.0
RATE_MIN = 5.0
DEBT_SECONDS = 2.0
RECOVERED_PER_SECOND = 5.0
SLOW_SECONDS = 1.0  # a write that takes longer than this is slow
HALVED_SECONDS = 2.0  # the rate is halved this often at most

_Key = TypeVar("_Key")


class Bucket:
    """Holds one second's tokens at most; may go below zero, but by DEBT_SECONDS, as what has happened has happened."""

    def __init__(self, rate: float, now: float) -> None:
        """Begin full; `rate` in tokens a second."""
        self.rate = rate
        self._tokens, self._at = rate, now

    def tokens(self, now: float) -> float:
        """Give how many there are."""
        return min(self.rate, self._tokens + self.rate * max(0.0, now - self._at))

    def spend(self, writes: float, now: float) -> float:
        """Take tokens, as far as the debt may go; give how many."""
        before = self.tokens(now)
        self._tokens, self._at = max(before - writes, -DEBT_SECONDS * self.rate), now
        return before - self._tokens

    def refill_at(self, rate: float, now: float) -> None:
        """Go on at another rate."""
        self._tokens, self._at = self.tokens(now), now
        self.rate = rate


class WriteBudget(Generic[_Key]):
    """The buckets, by list. Not for several threads."""

    def __init__(self, list_rate: float, rate: float, now: float) -> None:
        """Begin full; rates in writes a second."""
        self.list_rate, self.rate = list_rate, rate
        self._all = Bucket(rate, now)
        self._lists: dict[_Key, Bucket] = {}
        self._halved_at = -HALVED_SECONDS
        self._recovered_at = now

    def of_list(
        self, key: _Key, now: float, ahead: Iterable[tuple[_Key, int]] = (), rate: float | None = None
    ) -> float:
        """Give how many writes a list may cause now, with so many a second from now on, or the most that a list may.

        Those `ahead` of it wait for so many each.
        """
        self._recover(now)
        bucket = self._lists.setdefault(key, Bucket(self.list_rate, now))
        bucket.refill_at(self.list_rate if rate is None else rate, now)
        theirs = sum(min(wanted, max(0.0, self._own(other, now))) for other, wanted in ahead)
        return min(self._all.tokens(now) - theirs, bucket.tokens(now))

    def _own(self, key: _Key, now: float) -> float:
        one = self._lists.get(key)
        return self.list_rate if one is None else one.tokens(now)

    def spend(self, key: _Key, writes: float, now: float) -> None:
        """Count writes that a list caused; of those past its own rate the others are not made to pay."""
        self._all.spend(self._lists.setdefault(key, Bucket(self.list_rate, now)).spend(writes, now), now)

    def share(self, weight: float, others: float) -> float:
        """Give the writes a second that a list may cause when others, of so much weight together, want as much."""
        return min(self.list_rate, self._all.rate * weight / (weight + others))

    def was_slow(self, now: float) -> None:
        """Halve the rate: the API server was slow, or refused a write for being one too many."""
        if now - self._halved_at >= HALVED_SECONDS:
            self._halved_at = self._recovered_at = now
            self._all.refill_at(max(RATE_MIN, self._all.rate / 2), now)

    def forget(self, key: _Key) -> None:
        """Forget a list."""
        self._lists.pop(key, None)

    def _recover(self, now: float) -> None:
        gained = RECOVERED_PER_SECOND * (now - self._recovered_at)
        if gained >= 1.0:
            self._all.refill_at(min(self.rate, self._all.rate + gained), now)
            self._recovered_at = now
