"""`read_logs`: what the load generator's workers sent, and what of it was acknowledged."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from teamtask.ledger.interval_set import IntervalSet

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Part:
    """[start, stop) as a worker sent it at `sent_at`, and how far it was acknowledged, when."""

    start: int
    stop: int
    sent_at: float
    acknowledged_stop: int | None = None
    acknowledged_at: float = math.inf


def read_logs(folder: Path) -> dict[str, Part]:
    """Give all that was sent, by the value that its results have."""
    parts: dict[str, Part] = {}
    for path in folder.glob("*.log"):
        text = path.read_text()
        for line in text[: text.rfind("\n") + 1].splitlines():  # the last one may have been cut by a kill
            word, number, start, stop, at = line.split()
            value = f"{path.stem}:{number}"
            if word == "sent":
                parts[value] = Part(int(start), int(stop), float(at))
            else:
                parts[value].acknowledged_stop = int(stop)
                parts[value].acknowledged_at = float(at)
    return parts


def acknowledged(parts: dict[str, Part]) -> IntervalSet:
    """Give what the server has acknowledged."""
    return IntervalSet(
        (part.start, part.acknowledged_stop)
        for part in parts.values()
        if part.acknowledged_stop is not None and part.acknowledged_stop > part.start
    )


def first_acknowledged_after(folder: Path, moment: float) -> float | None:
    """Tell when something was acknowledged first that was sent after a moment; None when nothing was yet."""
    times = [part.acknowledged_at for part in read_logs(folder).values() if part.sent_at > moment]
    found = min(times, default=math.inf)
    return None if math.isinf(found) else found
