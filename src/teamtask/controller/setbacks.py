"""`Setbacks`: what the API server has refused of a list's pods and blocks, its words, and when that is tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from teamtask.controller.working import Trouble
from teamtask.kube import objects as o
from teamtask.kube.kubernetes_error import FORBIDDEN, NOT_FOUND

if TYPE_CHECKING:
    from teamtask.kube.kubernetes_error import KubernetesError

FIRST_SECONDS = 1.0
MOST_SECONDS = 30.0
DOUBLINGS_MAX = 6
KEPT_SECONDS = 120.0  # what was not refused again for so long begins anew


class Setback(Struct):
    """Why something was refused, how often in a row, and until when it is not tried again."""

    trouble: Trouble
    failures: int
    until: float


class Setbacks:
    """By what was to be written; nothing that may not be forgotten."""

    def __init__(self) -> None:
        """Begin without any."""
        self._by_what: dict[str, Setback] = {}

    def note(self, what: str, trouble: Trouble, now: float, most_seconds: float = MOST_SECONDS) -> int:
        """Remember a refusal and wait, twice as long each time; give how often in a row it was."""
        before = self._by_what.get(what)
        failures = before.failures if before is not None else 0
        until = now + min(most_seconds, FIRST_SECONDS * 2 ** min(failures, DOUBLINGS_MAX))
        self._by_what[what] = Setback(trouble, failures + 1, until)
        return failures + 1

    def clear(self, what: str) -> None:
        """Forget what has been written since, or is to be tried at once."""
        self._by_what.pop(what, None)

    def waits(self, what: str, now: float) -> bool:
        """Tell whether it is too early to try again."""
        return self.trouble_with(what, now) is not None

    def waiting(self, now: float) -> set[str]:
        """Give all that it is too early to try again."""
        return {what for what, one in self._by_what.items() if one.until > now}

    def trouble_with(self, what: str, now: float) -> Trouble | None:
        """Give why something waits."""
        setback = self._by_what.get(what)
        return setback.trouble if setback is not None and setback.until > now else None

    def first_trouble(self, now: float) -> Trouble | None:
        """Give why something waits, of several what has been in trouble for longest."""
        return next((one.trouble for one in self._by_what.values() if one.until > now), None)

    def wake_seconds(self, now: float) -> float | None:
        """Give after how long the first of them is to be tried again."""
        return min((one.until - now for one in self._by_what.values() if one.until > now), default=None)

    def forget_old(self, now: float) -> None:
        """Forget what nobody has tried for long: it is not wanted any more."""
        self._by_what = {what: one for what, one in self._by_what.items() if now < one.until + KEPT_SECONDS}


def trouble_of_refusal(error: KubernetesError) -> Trouble:
    """Give what a refusal means in a word, and the words of the API server."""
    if error.quota_words:
        return "QuotaExceeded", error.quota_words[: o.MESSAGE_CHARACTERS_MAX]
    words = str(error)[: o.MESSAGE_CHARACTERS_MAX]
    if error.status == FORBIDDEN:
        return "Forbidden", words
    return ("NotAnswered" if error.may_pass or error.status == NOT_FOUND else "Refused"), words
