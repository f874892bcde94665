"""Workers that speak the web API, on Blocks that the controller assigns: every index counts once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st
from objects_in_memory import Objects

from teamtask.client.cluster.held import Held
from teamtask.ledger.interval_set import IntervalSet
from teamtask.wire.messages import Report, ReportError

if TYPE_CHECKING:
    from teamtask.client.cluster.held import Part

SIZE = 60
SAYS = st.sampled_from(["progress", "scattered", "failed", "error", "release", "complete", "end", "again"])


class Worker:
    """One that says what chance wants of his assignment, until it ends."""

    def __init__(self, objects: Objects, name: str) -> None:
        self.objects = objects
        self.name = name
        self.held: Held | None = None
        self.said: Report | None = None
        self.done: set[int] = set()  # what he was told that it is taken in
        objects.create(name)

    def say(self, what: str, number: int) -> None:
        block = self.objects.blocks[self.name]
        if self.held is None or self.held.sequence != block.status.sequence:
            if block.status.phase != "Ready":
                return
            self.held = Held(block, None, IntervalSet())
            self.said = None
        held = self.held
        left = held.open
        if what != "again" or self.said is None:
            self.said = _report(held, what, left.starts[0], left.stops[-1], number)
        ending, refused = held.hear([self.said])
        assert refused == [None]
        for part in held.parts(ending):
            self.tell(held, part)
        if ending is not None:
            self.held = None

    def tell(self, held: Held, part: Part) -> None:
        document: dict[str, Any] = {
            {"failedAt": "failed_at"}.get(name, name): value for name, value in part.document.items()
        }
        sequence, state = document.pop("sequence"), document.pop("state")
        self.objects.report(self.name, state, sequence, **document)
        self.objects.reconcile()
        held.taken_in(part)
        self.done |= {index for start, stop in part.told for index in range(start, stop)}


def _report(held: Held, what: str, first: int, stop: int, number: int) -> Report:
    upto = min(stop, first + number)
    ranges = tuple((index, 1) for index in range(first, stop, 2) if (index * number) % 3)
    fields: dict[str, dict[str, Any]] = {
        "progress": {"begin": first, "upto": upto},
        "scattered": {"upto": held.start, "ranges": ranges},
        "failed": {"upto": held.start, "failed": ((first, "no"),)},
        "error": {
            "begin": first,
            "upto": upto,
            "error": ReportError("no", None if number % 2 else max(first, upto - 1)),
        },
        "release": {"begin": first, "upto": upto, "release": True},
        "complete": {"upto": held.stop},
        "end": {"upto": held.start, "end": max(upto, first + 1)},
    }
    return Report(held.lease, held.start, **fields.get(what, fields["complete"]))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), SAYS, st.integers(1, 9)), max_size=40), st.sampled_from([1, 4, 25]))
def test_every_index_that_was_told_is_done_and_nothing_else(steps: list[tuple[int, str, int]], size: int) -> None:
    objects = Objects(source={"kind": "range", "stop": SIZE}, block={"size": size}, attempts=100)
    workers = [Worker(objects, "one"), Worker(objects, "two")]
    objects.reconcile()
    for who, what, number in steps:
        workers[who].say(what, number)
        objects.now += 0.1
    counted = IntervalSet(
        (int(first), int(last or first) + 1)
        for first, _, last in (part.partition("-") for part in objects.worklist.status.completed.split(",") if part)
    )
    assert {index for start, stop in counted for index in range(start, stop)} == workers[0].done | workers[1].done
    for _ in range(200):
        for worker in workers:
            worker.say("complete", 1)
    assert objects.worklist.status.phase == "Complete", "whatever was said before, the list is worked to its end"


def test_a_holder_that_gives_his_range_back_and_goes_fails_nothing_that_he_was_given_meanwhile() -> None:
    objects = Objects(source={"kind": "range", "stop": 30}, block={"size": 10}, attempts=1)
    objects.create("leaving")
    objects.reconcile()
    objects.report("leaving", "Released", done="0-4")
    objects.reconcile()
    assert objects.blocks["leaving"].status.sequence == 2, "he has been given more"
    objects.delete("leaving")
    objects.reconcile()
    assert (objects.worklist.status.parked_items, objects.worklist.status.completed) == (0, "0-4")
    objects.create("next")
    objects.reconcile()
    assert objects.blocks["next"].status.attempt == 1
