"""`ObjectsAndPods`: a list with a pod for each block as the API server would keep it, with what runs in the pods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from objects_in_memory import Objects

from teamtask.controller.block_pods import Names, Steps, decide_pods, keep_alive, own_blocks
from teamtask.controller.manifests import block_of, pod_of
from teamtask.controller.reconcile import begin
from teamtask.controller.working import Crew
from teamtask.kube import objects as o
from teamtask.kube import workloads as w
from teamtask.wire.dates import rfc_3339

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamtask.controller.working import Trouble

QUOTA = ("QuotaExceeded", "exceeded quota: few")
TEMPLATE = {"spec": {"containers": [{"name": "main", "image": "any"}]}}


class ObjectsAndPods(Objects):
    """What the controller creates it sees only after `see`, as watches may be late."""

    def __init__(self, replicas: int = 2, **spec: Any) -> None:
        workers = {"mode": "PodPerBlock", "replicas": replicas, "template": TEMPLATE}
        super().__init__(workers=workers, **spec)
        self.pods: dict[str, w.Pod] = {}
        self.worked: dict[str, range] = {}  # by pod
        self.asked: set[str] = set()
        self.account = "controller"
        self.unseen: set[str] = set()
        self.of_others: set[str] = set()  # blocks of other lists
        self.met: set[str] = set()  # those of them that are known to be there
        self.refused: set[str] = set()  # pods that the API server does not take now
        self.pods_made = 0
        self.quota = 10_000
        self.trouble: Trouble | None = None

    def live(self) -> list[str]:
        """Give the pods that have not ended, seen or not."""
        return [name for name, pod in self.pods.items() if not pod.has_ended]

    def scale(self, replicas: int) -> None:
        """Have so many pods."""
        workers = self.worklist.spec.workers
        assert workers is not None
        self.change(workers=replace(workers, replicas=replicas))

    def end(self, name: str, phase: str = "Succeeded", **status: Any) -> None:
        """End a pod."""
        self._put_pod(name, status=w.PodStatus(phase, **status))

    def delete_pod(self, name: str) -> None:
        """Delete a pod: it stays until its node says that it has ended."""
        if self.pods[name].has_ended:
            del self.pods[name]
            return
        since = self.pods[name].metadata.deletion_timestamp or rfc_3339(self.now)
        metadata = replace(self.pods[name].metadata, deletion_timestamp=since)
        self._put_pod(name, metadata=metadata)

    def see(self) -> None:
        """See what was created."""
        self.unseen.clear()
        self.asked.clear()

    def restart(self) -> None:
        """Have another controller, which sees everything first of all."""
        self.see()
        self.working = None

    def look(self, writes: int | None = None) -> Steps:
        """Look after the pods, then reconcile, as the controller does; with `writes` it is ended after so many."""
        blocks = self._seen_blocks()
        if self.working is None:
            self.working = begin(self.worklist, blocks, self.results, self.now)
        keep_alive(self.working.ledger, own_blocks(self.worklist, blocks), self.now)
        pods = [pod for name, pod in self.pods.items() if name not in self.unseen]
        own = own_blocks(self.worklist, blocks)
        names = Names(self.asked, {block.metadata.name for block in blocks} | self.met, self.refused)
        steps = decide_pods(self.worklist, own, pods, names, self.account, self.now)
        todo = self._calls(steps)
        for call in todo[:writes]:
            call()
        if writes is not None and writes < len(todo):
            self.restart()
            return steps
        idle = [self.blocks[name].metadata.uid for name in steps.idle if self.trouble is not None]
        self.working.crew = Crew(steps.count, self.trouble, {uid: self.trouble for uid in idle if self.trouble})
        hidden = {name: self.blocks.pop(name) for name in self.unseen & self.blocks.keys()}
        self.reconcile(None if writes is None else writes - len(todo))
        self.blocks |= hidden
        return steps

    def _seen_blocks(self) -> list[o.Block]:
        return [block for name, block in self.blocks.items() if name not in self.unseen]

    def _calls(self, steps: Steps) -> list[Callable[[], None]]:
        calls: list[Callable[[], None]] = [
            lambda name=name, report=report: self._report(name, report) for name, report in steps.reports.items()
        ]
        calls += [lambda name=name: self.delete(name) for name in steps.retired]
        calls += [lambda pod=pod: self.delete_pod(pod.metadata.name) for pod in steps.ended_pods]
        calls += [lambda name=name: self._create_block(name) for name in steps.blocks]
        calls += [lambda name=name: self._create_pod(name) for name in steps.pods]
        return calls

    def _report(self, name: str, report: o.Report) -> None:
        fields = {field: getattr(report, field) for field in o.Report.__struct_fields__}
        self.report(name, fields.pop("state"), fields.pop("sequence"), **fields)

    def _create_block(self, name: str) -> None:
        if name in self.of_others:
            self.met.add(name)
            return
        self._made += 1
        document = block_of(self.worklist, name, self.account)
        document["metadata"] |= {
            "uid": f"uid-{self._made}", "generation": 1, "creationTimestamp": f"{self._made:09}",
        }  # fmt: skip
        self.asked.add(name)
        if name not in self.blocks:
            self.unseen.add(name)
            self.blocks[name] = o.read_block(document)

    def _create_pod(self, name: str) -> None:
        if len(self.live()) >= self.quota:
            self.trouble = QUOTA
            return
        self.trouble = None
        document = pod_of(self.worklist, self.blocks[name], None)
        assignment = self.blocks[name].status.assignments[0]
        pod = w.read_pod(document)
        self.asked.add(pod.metadata.name)
        if pod.metadata.name not in self.pods:
            self.unseen.add(pod.metadata.name)
            self.pods_made += 1
            self.pods[pod.metadata.name] = pod
            self.worked[pod.metadata.name] = range(assignment.index, assignment.index + assignment.size)

    def _put_pod(self, name: str, **changes: Any) -> None:
        self.pods[name] = replace(self.pods[name], **changes)

    def _let_go(self, name: str) -> None:
        """As the garbage collector: the pods of a block go with it."""
        uid = self.blocks[name].metadata.uid
        super()._let_go(name)
        for pod in [pod for pod in self.pods.values() if w.is_owned_by(pod.metadata, uid, w.BLOCK)]:
            del self.pods[pod.metadata.name]
