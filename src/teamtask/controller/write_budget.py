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
TOKENS_MIN = 4.0  # a bucket has room for an exchange, however slowly it refills
SCARCE_SECONDS = 0.5
SLOW_SECONDS = 1.0  # a write that takes longer than this is slow
HALVED_SECONDS = 2.0  # the rate is halved this often at most

_Key = TypeVar("_Key")


class Bucket:
    """Holds one second's tokens at most, or those of an exchange.

    May go below zero, but by DEBT_SECONDS, as what has happened has happened.
    """

    def __init__(self, rate: float, now: float) -> None:
        """Begin full; `rate` in tokens a second."""
        self.rate = rate
        self._tokens, self._at = rate, now

    def tokens(self, now: float) -> float:
        """Give how many there are."""
        return min(max(self.rate, TOKENS_MIN), self._tokens + self.rate * max(0.0, now - self._at))

    def spend(self, writes: float, now: float) -> float:
        """Take tokens, as far as the debt may go; give how many."""
        before = self.tokens(now)
        self._tokens, self._at = max(before - writes, -DEBT_SECONDS * self.rate), now
        return before - self._tokens

    def refill_at(self, rate: float, now: float) -> None:
        """Go on at another rate."""
        self._tokens, self._at = self.tokens(now), now
        self.rate = rate


class _Share:
    """What one list may write at most, and its part of what all may, which counts while that is scarce."""

    def __init__(self, list_rate: float, now: float) -> None:
        self.most = Bucket(list_rate, now)
        self.part = Bucket(list_rate, now)


class WriteBudget(Generic[_Key]):
    """The buckets, by list. Not for several threads."""

    def __init__(self, list_rate: float, rate: float, now: float) -> None:
        """Begin full; rates in writes a second."""
        self.list_rate, self.rate = list_rate, rate
        self._all = Bucket(rate, now)
        self._lists: dict[_Key, _Share] = {}
        self._halved_at = -HALVED_SECONDS
        self._recovered_at = now

    def of_list(
        self, key: _Key, now: float, part: float | None = None, ahead: Iterable[tuple[_Key, int]] = ()
    ) -> float:
        """Give how many writes a list may cause now.

        Its `part` is so many a second, the most that a list may if not given; it counts while less is left for all than
        half a second's worth, so that nothing is kept for those who do not use it. Those `ahead` wait for so many each.
        """
        self._recover(now)
        one = self._one(key, now)
        one.part.refill_at(self.list_rate if part is None else part, now)
        left = self._all.tokens(now)
        is_scarce = left < self._all.rate * SCARCE_SECONDS
        left -= sum(min(wanted, max(0.0, self._one(other, now).most.tokens(now))) for other, wanted in ahead)
        return min(left, one.most.tokens(now), one.part.tokens(now) if is_scarce else left)

    def spend(self, key: _Key, writes: float, now: float) -> None:
        """Count writes that a list caused; of those past its own rate the others are not made to pay."""
        one = self._one(key, now)
        one.part.spend(writes, now)
        self._all.spend(one.most.spend(writes, now), now)

    def part(self, weight: float, others: float, groups: int = 1) -> float:
        """Give the writes a second of a list beside others, of so much weight together, of one of so many groups."""
        return min(self.list_rate, self._all.rate / groups * weight / (weight + others))

    def _one(self, key: _Key, now: float) -> _Share:
        return self._lists.setdefault(key, _Share(self.list_rate, now))

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
