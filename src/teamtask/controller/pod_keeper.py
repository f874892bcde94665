"""`PodKeeper`: makes and takes away the pods, Blocks and Jobs of `spec.workers`, and reports on what became of them."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from teamtask.controller.block_pods import POD_PER_BLOCK, Steps, decide_pods, is_finished
from teamtask.controller.making import Maker, Memory
from teamtask.controller.manifests import NAME_CHARACTERS_MAX, block_of, pod_of, template_hash
from teamtask.controller.pod_outcome import UNFIT, failed, is_fit, trouble_of
from teamtask.controller.pool_job import POOL, decide_job, missing_pods, own_job
from teamtask.controller.working import Crew
from teamtask.kube import objects as o
from teamtask.kube import workloads as w
from teamtask.kube.api_server import CONFLICT, NOT_FOUND, KubernetesError
from teamtask.sources.parse import source_from_definition
from teamtask.worker.placeholders import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamtask.controller.making import Together
    from teamtask.controller.observed import ListKey, Observed
    from teamtask.kube.api_server import ApiServer

UNSEEN_SECONDS = 10.0  # so long what was created is taken to be there, though no watch has shown it
LONG_NAME = (
    f"The name of a list with workers has {NAME_CHARACTERS_MAX} characters at most: it is a label of their pods."
)
_SELF = "/apis/authentication.k8s.io/v1/selfsubjectreviews"

_log = structlog.get_logger()


class PodKeeper:
    """Used by the one thread that decides; writes go to several at once."""

    def __init__(self, server: ApiServer, observed: Observed, together: Together) -> None:
        """Use `together` to carry out calls."""
        self._server = server
        self._observed = observed
        self._together = together
        self._maker = Maker(server, together)
        self._memories: dict[ListKey, Memory] = {}
        self._holder = ""

    def forget(self, key: ListKey) -> None:
        """Forget a list that is gone."""
        self._memories.pop(key, None)

    def look_after(self, key: ListKey, worklist: o.Worklist, blocks: list[o.Block], own: list[o.Block]) -> Crew:
        """Carry out what is due for the workers of a list; give what is to be said of them.

        `own` are those of its blocks that the controller holds itself. Raises KubernetesError.
        """
        now = time.time()
        jobs, pods = self._observed.jobs.of_list(key), self._observed.pods.of_list(key)
        if worklist.spec.workers is None and not (jobs or own):
            return Crew()
        memory = self._memories.setdefault(key, Memory())
        seen = {one.metadata.name for kind in (jobs, pods, blocks) for one in kind}
        memory.asked = {name: at for name, at in memory.asked.items() if now - at < UNSEEN_SECONDS and name not in seen}
        if worklist.spec.workers is not None and len(worklist.metadata.name) > NAME_CHARACTERS_MAX:
            return Crew(trouble=("NameTooLong", LONG_NAME))
        memory.writes = 0
        job_wake = self._keep_job(memory, worklist, jobs, now)
        steps = decide_pods(worklist, blocks, pods, memory.asked, now)
        self._keep_pods(memory, worklist, own, steps, now)
        crew = Crew(count=steps.count, writes=memory.writes)
        self._see_troubles(crew, memory, worklist, steps, pods, own, jobs)
        due = [job_wake] if job_wake is not None else []
        if memory.wait_until > now:
            due.append(memory.wait_until - now)
        elif memory.asked:
            due.append(UNSEEN_SECONDS)
        crew.wake_seconds = min(due, default=None)
        return crew

    def _see_troubles(
        self, crew: Crew, memory: Memory, worklist: o.Worklist, steps: Steps,
        pods: Iterable[w.Pod], own: list[o.Block], jobs: Iterable[w.Job],
    ) -> None:  # fmt: skip
        """Find why pods do not come or do not run."""
        if worklist.spec.workers is None:
            return
        pods, missing = sorted(pods, key=lambda pod: pod.metadata.name), None
        if worklist.spec.workers.mode == POOL:
            job = own_job(worklist, jobs)
            pods = [pod for pod in pods if job is not None and w.is_owned_by(pod.metadata, job.metadata.uid, w.JOB)]
            crew.count = sum(not pod.has_ended for pod in pods)
            missing = missing_pods(job, time.time()) if job is not None and not is_finished(worklist) else None
        troubles = {pod.metadata.name: trouble for pod in pods if (trouble := trouble_of(pod)) is not None}
        crew.trouble = memory.trouble or next(iter(troubles.values()), missing)
        for block in own:
            name = block.metadata.name
            trouble = memory.trouble if name in steps.idle else troubles.get(f"{name}-{block.status.sequence}")
            if trouble is not None:
                crew.without_pod[block.metadata.uid] = trouble

    def _keep_job(self, memory: Memory, worklist: o.Worklist, jobs: Iterable[w.Job], now: float) -> float | None:
        """Make, change or take away the Job of a pool; give the seconds after which to look again."""
        steps = decide_job(worklist, jobs, now)
        path, name = w.jobs_path(worklist.metadata.namespace), worklist.metadata.name
        if steps.delete is not None:
            self._delete(f"{path}/{steps.delete.metadata.name}", steps.delete.metadata.uid)
        elif steps.patch is not None:
            self._maker.change(memory, now, partial(self._server.call, "PATCH", f"{path}/{name}", steps.patch))
        elif steps.create is not None and now >= memory.wait_until and name not in memory.asked:
            self._maker.create_job(memory, worklist, steps.create, now)
        return steps.wake_seconds

    def _keep_pods(self, memory: Memory, worklist: o.Worklist, own: list[o.Block], steps: Steps, now: float) -> None:
        """Carry out what was decided for a list with a pod for each block."""
        by_name = {block.metadata.name: block for block in own}
        memory.writes += len(steps.reports) + len(steps.retired) + len(steps.ended_pods)
        self._report(by_name, steps.reports)
        self._together([partial(self._retire, by_name[name]) for name in steps.retired])
        pods_path = w.pods_path(worklist.metadata.namespace)
        ended = [pod.metadata for pod in steps.ended_pods]
        self._together([partial(self._delete, f"{pods_path}/{pod.name}", pod.uid) for pod in ended])
        if steps.count < memory.live and memory.trouble is not None:
            memory.wait_until, memory.failures = 0.0, 0  # one of ours has gone: there may be room now, or soon
        memory.live = steps.count
        if worklist.spec.workers is None or worklist.spec.workers.mode != POD_PER_BLOCK:
            return
        if not (steps.blocks or steps.pods) and memory.refused != template_hash(worklist):
            memory.trouble = None
        if now < memory.wait_until or not (steps.blocks or steps.pods):
            return
        if not self._maker.takes_template(memory, worklist, now):
            return
        blocks_path = o.path("blocks", worklist.metadata.namespace)
        blocks = [(name, block_of(worklist, name, self._own_name())) for name in steps.blocks]
        self._maker.create(memory, worklist, blocks_path, blocks, now)
        self._maker.create(memory, worklist, pods_path, self._pods(worklist, by_name, steps.pods), now)

    def _pods(
        self, worklist: o.Worklist, by_name: dict[str, o.Block], names: list[str]
    ) -> list[tuple[str, dict[str, Any]]]:
        """Give the manifests of these blocks' pods; an item that no program can be given fails at once."""
        source = source_from_definition(worklist.spec.source) if names else None
        made, reports = [], {}
        for name in names:
            block = by_name[name]
            assignment = block.status.assignments[0]
            item = None
            if source is not None and assignment.size == 1:
                item = text_of(source.item(assignment.index - worklist.spec.start_index))
                if not is_fit(item):
                    reports[name] = failed(block, UNFIT)
                    continue
            pod = pod_of(worklist, block, item)
            made.append((pod["metadata"]["name"], pod))
        self._report(by_name, reports)
        return made

    def _report(self, by_name: dict[str, o.Block], reports: dict[str, o.Report]) -> None:
        self._together([partial(self._report_one, by_name, name, report) for name, report in reports.items()])

    def _report_one(self, by_name: dict[str, o.Block], name: str, report: o.Report) -> None:
        """Write a report whole: a merge patch would keep what the last one said."""
        block = by_name[name]
        said = msgspec.to_builtins(report)
        metadata = {"resourceVersion": block.metadata.resource_version}
        path = f"{o.path('blocks', block.metadata.namespace)}/{block.metadata.name}"
        try:
            answer = self._server.call("PATCH", path, {"metadata": metadata, "spec": {"report": said}})
        except KubernetesError as error:
            if error.status not in (NOT_FOUND, CONFLICT):
                raise
        else:
            by_name[name] = o.read_block(answer)
            self._observed.blocks.put(answer, answer=True)

    def _retire(self, block: o.Block) -> None:
        """Delete a block that has said all, if nothing is new; it is counted in the same look at its list."""
        path = f"{o.path('blocks', block.metadata.namespace)}/{block.metadata.name}"
        preconditions = {"uid": block.metadata.uid, "resourceVersion": block.metadata.resource_version}
        try:
            answer = self._server.call("DELETE", path, {"preconditions": preconditions})
        except KubernetesError as error:
            if error.status not in (NOT_FOUND, CONFLICT):
                raise
        else:
            if answer.get("kind") == "Block":
                self._observed.blocks.put(answer, answer=True)

    def _delete(self, path: str, uid: str) -> None:
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            self._server.call("DELETE", path, body)
        except KubernetesError as error:
            if error.status not in (NOT_FOUND, CONFLICT):
                raise

    def _own_name(self) -> str:
        """Ask the API server once under which name this controller writes."""
        if not self._holder:
            review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
            self._holder = str(self._server.call("POST", _SELF, review)["status"]["userInfo"]["username"])
        return self._holder
