"""Any sequence of what clients do, and of controllers that end between any two writes: each index counts once."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from objects_in_memory import Objects

from teamtask.controller.restored import restored_ledger
from teamtask.kube import objects as o
from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.invariants import check_invariants
from teamtask.wire.interval_text import interval_text, parse_intervals

SIZE = 60


def results(indices: set[int]) -> list[o.ReportedResult]:
    return [o.ReportedResult(index, {"square": index**2}, ok=index % 3 > 0) for index in indices]


NAMES = st.sampled_from("abcdef")


class ControllerMachine(RuleBasedStateMachine):
    """Its truth is a plain set of the indices that somebody reported done on an assignment of his."""

    def __init__(self) -> None:
        super().__init__()
        self.objects = Objects(source={"kind": "range", "stop": SIZE}, block={"size": 7}, attempts=2)
        self.reported: set[int] = set()

    def held(self, name: str) -> list[int]:
        block = self.objects.blocks.get(name)
        if block is None or block.metadata.deletion_timestamp is not None:
            return []
        return [index for one in block.status.assignments for index in range(one.index, one.index + one.size)]

    @rule(name=NAMES, holder=st.sampled_from(["one", "two"]))
    def create(self, name: str, holder: str) -> None:
        if name not in self.objects.blocks:
            self.objects.create(name, holder)

    @rule(name=NAMES)
    def complete(self, name: str) -> None:
        if held := self.held(name):
            self.objects.report(name, "Completed", results=results(set(held)))
            self.reported |= set(held)

    @rule(name=NAMES, state=st.sampled_from(["Working", "Failed", "Released"]), data=st.data())
    def report(self, name: str, state: str, data: st.DataObject) -> None:
        held = self.held(name)
        if not held:
            return
        done = set(data.draw(st.lists(st.sampled_from(held))))
        text = interval_text(IntervalSet((index, index + 1) for index in done))
        at = data.draw(st.none() | st.sampled_from(held)) if state == "Failed" else None
        self.objects.report(name, state, done=text, failed_at=at, results=results(done))
        self.reported |= done

    @rule(name=NAMES)
    def report_on_what_is_over(self, name: str) -> None:
        if self.held(name):
            self.objects.report(name, "Completed", sequence=self.objects.blocks[name].status.sequence - 1)

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        if name in self.objects.blocks:
            self.objects.delete(name)

    @rule(seconds=st.sampled_from([1.0, 31.0, 59.0, 200.0]))
    def time_passes(self, seconds: float) -> None:
        self.objects.now += seconds

    @rule(suspend=st.booleans())
    def suspend(self, *, suspend: bool) -> None:
        self.objects.change(suspend=suspend)

    @rule(first=st.integers(0, SIZE - 1), size=st.integers(1, 20))
    def rerun(self, first: int, size: int) -> None:
        before = self.objects.worklist.spec.rerun
        ranges = f"{first}-{min(first + size, SIZE) - 1}"
        self.objects.change(rerun=o.Rerun(before.revision + 1 if before else 1, ranges))

    @rule()
    def reconcile(self) -> None:
        plan = self.objects.reconcile()
        working = self.objects.working
        assert working is not None
        assert plan.wake_seconds or not (working.ledger.leases or working.ledger.returned.pieces), "nobody would look"
        check_invariants(working.ledger)
        again = restored_ledger(self.objects.worklist, list(self.objects.blocks.values()), self.objects.now)
        assert again.done == working.ledger.done
        assert again.parked.keys() == working.ledger.parked.keys()

    @rule(writes=st.integers(0, 6))
    def end_between_two_writes(self, writes: int) -> None:
        self.objects.reconcile(writes)
        again = restored_ledger(self.objects.worklist, list(self.objects.blocks.values()), self.objects.now)
        check_invariants(again)

    @precondition(lambda self: self.objects.worklist.status.completed)
    @invariant()
    def what_is_done_was_reported_and_stays_within_the_list(self) -> None:
        done = parse_intervals(self.objects.worklist.status.completed, 0, SIZE)
        assert {index for start, stop in done for index in range(start, stop)} <= self.reported
        assert done.size == self.objects.worklist.status.completed_items

    def teardown(self) -> None:
        """Honest holders end every list, whatever happened before."""
        self.objects.change(suspend=False)
        for name in ("last-1", "last-2"):
            self.objects.create(name, name)
        for _ in range(2 * SIZE):
            self.objects.reconcile()
            if self.objects.worklist.status.completion_time:
                break
            self.objects.now += 31
            for name in ("last-1", "last-2"):
                self.complete(name)
        status = self.objects.worklist.status
        assert status.completed_items + status.parked_items == SIZE
        assert status.phase == ("CompleteExcept" if status.parked_items else "Complete")
        done = parse_intervals(status.completed, 0, SIZE) if status.completed else IntervalSet()
        kept = {int(index) for index in self.objects.results}
        assert kept == {index for start, stop in done for index in range(start, stop)}, "each has its result"
        assert status.results == len(kept)
        assert status.failed_items == status.parked_items + sum(index % 3 == 0 for index in kept)


TestControllerMachine = ControllerMachine.TestCase
