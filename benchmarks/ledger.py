"""How long the ledger takes to decide and apply, and how small it stays.

A pair is one `carry_out` of an exchange that completes a lease and claims the next: decide and apply together, with the
events and the reply that come of it; commands and facts are made beforehand. Leases complete in random order. CPU time,
garbage collection included; the best of several rounds that take turns. On a busy machine even CPU time varies, so each
round also runs a fixed loop of plain Python: a pair is given in microseconds and in steps of that loop.
"""

from __future__ import annotations

import random
import time
from typing import NamedTuple

from teamtask.ledger.commands import Exchange, Facts, Report, Want
from teamtask.ledger.decide import carry_out
from teamtask.ledger.events import Created, WorkerKey, encode_events
from teamtask.ledger.invariants import check_invariants
from teamtask.ledger.ledger import Ledger
from teamtask.ledger.list_state import ListState
from teamtask.ledger.rules import BlockRule, Limits, Rules
from teamtask.ledger.snapshot import load_ledger, save_ledger

ROUNDS = 9
PAIRS = 10_000
LOOP_STEPS = 200_000
MILLION = 1_000_000
IN_FLIGHT = 10_000
WORKERS = 200
EPOCH = "boot"
FIXED, ADAPTIVE = BlockRule(size=1), BlockRule(seconds=30.0, max=1_000)
MANY = Limits(blocks_per_worker=MILLION, blocks_per_principal=MILLION, workers_per_principal=MILLION, workers=MILLION)


class Case(NamedTuple):
    """A list, and how many workers hold a lease of it each."""

    name: str
    block: BlockRule
    size: int
    leases: int


Step = tuple[Exchange, float, Facts]

CASES = [
    Case(f"{name}, 10^{len(str(size)) - 1} items", block, size, leases)
    for name, block in (("size 1", FIXED), ("adaptive", ADAPTIVE))
    for leases, sizes in ((200, (10**3, 10**6, 10**30)), (10_000, (10**6, 10**30)))
    for size in sizes
    if block is FIXED or size > 10**6  # a short list ends too soon, in blocks of a thousand
]


def new_list(block: BlockRule, size: int) -> Ledger:
    """Begin a list without limits."""
    rules = Rules(block=block, lease_seconds=86_400.0, limits=MANY)
    return Ledger(Created(rules, 0, size, ListState.RUNNING, 0.0, EPOCH))


def play(case: Case, pairs: int, seed: int) -> tuple[Ledger, list[Step]]:
    """Hand out the leases; then decide pairs, and give the ledger as it was before them, and the commands."""
    chance = random.Random(seed)
    ledger = new_list(case.block, case.size)
    keys = [WorkerKey(f"team-{number % 7}", f"host-{number}/1") for number in range(case.leases)]
    want = Want()
    now = 0.0
    held = []
    for number, key in enumerate(keys):
        reply = carry_out(ledger, Exchange(key, want=want), now, Facts(f"a{number}", "n", epoch=EPOCH))[1]
        held.append(ledger.leases[reply.lease or ""])
    before = save_ledger(ledger)
    steps: list[Step] = []
    for number in range(pairs):
        now += 0.5
        at = chance.randrange(case.leases)
        lease = held[at]
        command = Exchange(keys[at], (Report(lease.id, lease.start, lease.stop),), want)
        step = (command, now, Facts(f"b{number}", "n", epoch=EPOCH))
        reply = carry_out(ledger, *step)[1]
        if reply.lease is None:
            break
        held[at] = ledger.leases[reply.lease]
        steps.append(step)
    return load_ledger(before), steps


def measure_pairs(case: Case, seed: int) -> float:
    """Give the microseconds that a pair takes."""
    wanted, spent, made = PAIRS, 0.0, 0
    while made < wanted:
        ledger, steps = play(case, wanted - made, seed + made)
        begin = time.process_time()
        for command, now, facts in steps:
            carry_out(ledger, command, now, facts)
        spent += time.process_time() - begin
        made += len(steps)
    return spent / made * 1e6


class _Point:
    __slots__ = ("x",)

    def __init__(self) -> None:
        self.x = 0


def _step(point: _Point, seen: dict[int, int], number: int) -> int:
    point.x += number
    seen[number & 1023] = point.x
    return point.x if number % 3 else -point.x


def measure_loop() -> float:
    """Give the microseconds of one step of a fixed loop: a call, an attribute, a dictionary, some arithmetic."""
    point, seen = _Point(), dict[int, int]()
    begin = time.process_time()
    for number in range(LOOP_STEPS):
        _step(point, seen, number)
    return (time.process_time() - begin) / LOOP_STEPS * 1e6


def print_pairs() -> None:
    """Measure every case in turns, and print the best round of each."""
    best = dict.fromkeys(CASES, float("inf"))
    loop = float("inf")
    for number in range(ROUNDS):
        for case in CASES:
            loop = min(loop, measure_loop())
            best[case] = min(best[case], measure_pairs(case, number))
    print(f"{'a claim-and-complete pair':32}{'leases':>8}{'us a pair':>12}{'loop steps':>12}")
    for case in CASES:
        print(f"{case.name:32}{case.leases:>8,}{best[case]:>12.2f}{best[case] / loop:>12.1f}")


def print_journal() -> None:
    """Print what an exchange adds to the journal."""
    ledger, steps = play(CASES[0]._replace(size=10**9), 1_000, 0)
    rows = [len(encode_events(carry_out(ledger, *step)[0])) for step in steps]
    snapshot = len(save_ledger(ledger))
    print(f"journal: {sum(rows) / len(rows):.0f} bytes an exchange; snapshot with 200 leases: {snapshot:,}")


def print_million() -> None:
    """Complete a million blocks of size one in random order, many in flight, and print how large the state is."""
    chance = random.Random(1)
    ledger = new_list(FIXED, MILLION)
    keys = [WorkerKey("team", f"host-{number}/1") for number in range(WORKERS)]
    held: list[Report] = []
    now, largest, ranges, given = 0.0, 0, 0, 0
    begin = time.process_time()
    while ledger.state is ListState.RUNNING:
        now += 0.01
        key = keys[given % WORKERS]
        reports: tuple[Report, ...] = ()
        if len(held) >= IN_FLIGHT or ledger.frontier == ledger.end:
            at = chance.randrange(len(held))
            held[at], held[-1] = held[-1], held[at]
            reports = (held.pop(),)
        given += 1
        facts = Facts(f"l{given}", "n", epoch=EPOCH)
        reply = carry_out(ledger, Exchange(key, reports, Want()), now, facts)[1]
        if reply.lease is not None:
            lease = ledger.leases[reply.lease]
            held.append(Report(lease.id, lease.start, lease.stop))
        ranges = max(ranges, len(ledger.done))
        if given % 100_000 == 0:
            largest = max(largest, len(save_ledger(ledger)))
    seconds = time.process_time() - begin
    check_invariants(ledger)
    how = f"{IN_FLIGHT:,} in flight, {WORKERS} workers"
    print(f"a million blocks of size one in random order, {how}: {seconds:.1f} s of CPU")
    print(f"  on the way {ranges:,} done ranges and {largest:,} bytes of state at most")
    last, state = next(iter(ledger.done)), len(save_ledger(ledger))
    print(f"  at the end {len(ledger.done)} done range, {last}, and {state:,} bytes of state")


def main() -> None:
    """Print all tables."""
    print_pairs()
    print()
    print_journal()
    print()
    print_million()


if __name__ == "__main__":
    main()
