"""`Report`: what a campaign did and found, in sentences, and as a page of the docs."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from campaign import Round

BEGINNING = """<!-- written by make test-faults; do not edit -->

# Faults

`make test-faults` does this on your machine, and writes this page. In every round a list of numbers is worked by six
workers on two machines (network namespaces) while faults happen. The workers log what they send before they do, and
what is answered; in the end everything is held against these logs: nothing acknowledged may be lost or worked again,
each index must be recorded once, the fold must be the exact sum, the memory of each server must be what a new one reads
from the store, and the ledger's invariants must hold. Recovery is the time from the end of a fault to the next report
that is acknowledged; it is `inf` where none came any more, because the list was done.
"""


class Report:
    """Takes rounds."""

    def __init__(self) -> None:
        self.rounds: list[Round] = []

    @property
    def is_wrong(self) -> bool:
        """Whether anything was found."""
        return any(one.wrong for one in self.rounds)

    def add(self, one: Round) -> None:
        """Take a round."""
        self.rounds.append(one)

    def last(self) -> str:
        """Say what the last round was."""
        one = self.rounds[-1]
        plan = one.plan
        what = ", ".join(f"{count} {name}" for name, count in one.done.items()) or "nothing"
        told = f"{plan.items:,} items in {one.seconds:.0f} s, {one.sent - plan.items:,} sent more than once"
        lines = [
            f"seed {plan.seed}, {plan.store}, {plan.servers} server(s): {what}; {told}",
            *one.wrong,
        ]
        return "\n  WRONG: ".join(lines)

    def __str__(self) -> str:
        wrong = sum(1 for one in self.rounds if one.wrong)
        return f"{len(self.rounds)} rounds, {wrong} of them with something wrong."

    def page(self) -> str:
        """Give the page."""
        counts: Counter[tuple[str, int]] = Counter((one.plan.store, one.plan.servers) for one in self.rounds)
        rounds = "\n".join(f"| {store} | {servers} | {count} |" for (store, servers), count in sorted(counts.items()))
        wrong = [line for one in self.rounds for line in one.wrong]
        found = "\n".join(f"- {line}" for line in wrong) or "Nothing was wrong."
        where = f"{os.cpu_count()} CPUs ({platform.machine()}), Linux {platform.release()}, {time.strftime('%Y-%m-%d')}"
        items = sum(one.plan.items for one in self.rounds)
        return (
            f"{BEGINNING}\n{where}: {len(self.rounds)} rounds, {items:,} items. {found}\n\n"
            f"| store | servers | rounds |\n| --- | --- | --- |\n{rounds}\n\n{self._recoveries()}"
        )

    def _recoveries(self) -> str:
        seconds: defaultdict[str, list[float]] = defaultdict(list)
        times: Counter[str] = Counter()
        for one in self.rounds:
            times.update(one.done)
            for name, took in one.recovery_seconds:
                seconds[name].append(took)
        rows = [
            f"| {name} | {count} | "
            + (f"{statistics.median(seconds[name]):.2f} | {max(seconds[name]):.2f} |" if name in seconds else "- | - |")
            for name, count in sorted(times.items())
        ]
        head = "| fault | times | recovery, median s | longest s |\n| --- | --- | --- | --- |\n"
        return head + "\n".join(rows) + "\n"
