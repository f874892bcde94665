"""What the JSON of an exchange costs each end: the typical one, one report and one lease, and one with results.

CPU time, the best of many short rounds that take turns: on a busy machine even CPU time varies.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from teamtask.wire.exchange_json import decode_exchange, decode_reply, encode_exchange, encode_reply
from teamtask.wire.messages import Exchange, Lease, Reply, Report, ReportStatus, Want
from teamtask.wire.result_batch import pack

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 40
ROUND_SECONDS = 0.01
RESULTS = 100
FAR = 10**30

Call = tuple[str, "Callable[[], object]"]


def messages(index: int, results: int) -> tuple[Exchange, Reply]:
    """Give an exchange that completes a lease and claims the next, and its reply."""
    size = 1_000
    batch = pack(range(index, index + results), ["prime"] * results) if results else None
    report = Report("Qd4kXr2mN8vW1sPz", index, index + size, results=batch)
    exchange = Exchange("host-a/1", "4f1c8a2b9d3e4f5a", Want(), (report,))
    status = ReportStatus(report.lease, "done", index + size, index + size)
    lease = Lease(
        "t7Yb3LqKf0ZcJ5xA", "primes", "4f1c8a2b9d3e4f5a", "primes-7f3k2", index + size, size, size, 1, 60.0,
        "9d3e4f5a4f1c8a2b9d3e4f5a4f1c8a2b",
    )  # fmt: skip
    return exchange, Reply((status,), (lease,), "running")


def calls(exchange: Exchange, reply: Reply) -> list[Call]:
    """Give the four calls, those of the server first."""
    asked, answered = encode_exchange(exchange), encode_reply(reply)
    return [
        ("decode_exchange", lambda: decode_exchange(asked)),
        ("encode_reply", lambda: encode_reply(reply)),
        ("encode_exchange", lambda: encode_exchange(exchange)),
        ("decode_reply", lambda: decode_reply(answered)),
    ]


def measure(call: Callable[[], object]) -> float:
    """Give the microseconds of one call."""
    made, begin = 0, time.process_time()
    while (spent := time.process_time() - begin) < ROUND_SECONDS:
        for _ in range(100):
            call()
        made += 100
    return spent / made * 1e6


def main() -> None:
    """Measure every message in turns, and print the best round of each call."""
    cases = {
        "one report, one lease": messages(12_000, 0),
        f"with {RESULTS} results": messages(12_000, RESULTS),
        "indices of 31 digits": messages(FAR, 0),
    }
    each = {name: calls(*case) for name, case in cases.items()}
    best = {(name, what): float("inf") for name, some in each.items() for what, _ in some}
    for _ in range(ROUNDS):
        for name, some in each.items():
            for what, call in some:
                best[name, what] = min(best[name, what], measure(call))
    print(f"{'microseconds':24}" + "".join(f"{what:>18}" for what, _ in each["one report, one lease"]))
    for name, some in each.items():
        print(f"{name:24}" + "".join(f"{best[name, what]:>18.2f}" for what, _ in some))
    server = sum(best["one report, one lease", what] for what in ("decode_exchange", "encode_reply"))
    print(f"the server's part of the first: {server:.2f} us")


if __name__ == "__main__":
    main()
