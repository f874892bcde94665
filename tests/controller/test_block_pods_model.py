"""Any sequence of what pods and owners do, and of controllers that end between any two writes: each index is worked."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pods_in_memory import ObjectsAndPods

from teamtask.kube import workloads as w
from teamtask.ledger.invariants import check_invariants
from teamtask.wire.dates import seconds_of
from teamtask.wire.interval_text import parse_intervals

SIZE = 20
LOST = w.Condition("DisruptionTarget", "True")


class PodsMachine(RuleBasedStateMachine):
    """Its truth is a plain set of the indices that pods have worked."""

    def __init__(self) -> None:
        super().__init__()
        self.all = ObjectsAndPods(
            replicas=3, source={"kind": "range", "stop": SIZE}, block={"size": 3}, attempts=3, leaseSeconds=60
        )
        self.worked: set[int] = set()

    @rule(data=st.data(), phase=st.sampled_from(["Succeeded", "Failed"]), lost=st.booleans())
    def pod_ends(self, data: st.DataObject, phase: str, *, lost: bool) -> None:
        if not self.all.live():
            return
        name = data.draw(st.sampled_from(self.all.live()))
        self.all.end(name, phase, conditions=[LOST] if lost and phase == "Failed" else [])
        if phase == "Succeeded":
            self.worked |= set(self.all.worked[name])

    @rule(data=st.data())
    def pod_is_deleted(self, data: st.DataObject) -> None:
        if self.all.pods:
            self.all.delete_pod(data.draw(st.sampled_from(sorted(self.all.pods))))

    @rule(data=st.data())
    def pod_that_was_deleted_goes(self, data: st.DataObject) -> None:
        going = sorted(name for name, pod in self.all.pods.items() if pod.metadata.deletion_timestamp)
        if going:
            del self.all.pods[data.draw(st.sampled_from(going))]

    @rule(replicas=st.integers(0, 4))
    def scale(self, replicas: int) -> None:
        self.all.scale(replicas)

    @rule(suspend=st.booleans())
    def suspend(self, *, suspend: bool) -> None:
        self.all.change(suspend=suspend)

    @rule(seconds=st.sampled_from([1.0, 29.0, 31.0, 200.0]))
    def time_passes(self, seconds: float) -> None:
        self.all.now += seconds

    @rule()
    def see(self) -> None:
        self.all.see()

    @rule()
    def look(self) -> None:
        made = self.all.pods_made
        replicas = self.all.worklist.spec.workers.replicas  # type: ignore[union-attr] # it has some
        self.all.look()
        assert self.all.pods_made == made or len(self._there()) <= replicas
        assert self.all.working is not None
        check_invariants(self.all.working.ledger)

    @rule(writes=st.integers(0, 6))
    def end_between_two_writes(self, writes: int) -> None:
        self.all.look(writes)
        self.all.restart()

    def _there(self) -> list[str]:
        """Give the pods that run, as far as anybody can know: those on a node that does not answer may."""
        gone = {name: self.all.pods[name].metadata.deletion_timestamp for name in self.all.live()}
        return [name for name, at in gone.items() if at is None or self.all.now <= seconds_of(at) + 60]

    @invariant()
    def no_index_is_worked_by_two_pods_at_once(self) -> None:
        indices = [index for name in self._there() for index in self.all.worked[name]]
        assert len(indices) == len(set(indices))

    @invariant()
    def what_is_done_was_worked(self) -> None:
        text = self.all.worklist.status.completed
        done = parse_intervals(text, 0, SIZE) if text else ()
        assert {index for start, stop in done for index in range(start, stop)} <= self.worked

    def teardown(self) -> None:
        """Pods that end well end every list, and then nothing is left of them."""
        self.all.change(suspend=False)
        self.all.scale(2)
        for _ in range(20 * SIZE):
            for _ in range(2):
                self.all.see()
                self.all.look()
            present = {f"{name}-{block.status.sequence}" for name, block in self.all.blocks.items()}
            left = {name for name, pod in self.all.pods.items() if not pod.metadata.deletion_timestamp}
            assert left <= present, "what is counted is deleted"
            for name in self.all.live():
                self.all.end(name)
                self.worked |= set(self.all.worked[name])
            self.all.now += 1
            if self.all.worklist.status.completion_time:
                break
        status = self.all.worklist.status
        assert status.completed_items + status.parked_items == SIZE
        for _ in range(3):
            self.all.see()
            self.all.look()
        assert self.all.pods == {}, "they go with their blocks"
        assert self.all.blocks == {}


TestPodsMachine = PodsMachine.TestCase
