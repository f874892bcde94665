"""`PodKeeper`: makes and takes away the pods, Blocks and Jobs of `spec.workers`, and reports on what became of them."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from teamtask.controller.block_pods import POD_PER_BLOCK, Names, Steps, decide_pods, is_finished
from teamtask.controller.making import BLOCKS, CREATING, POD_SETBACK, REFUSED, TEMPLATE, Maker, Memory, pod_setback
from teamtask.controller.manifests import NAME_CHARACTERS_MAX, block_of, pod_of
from teamtask.controller.pod_outcome import UNFIT, failed, is_fit, trouble_of
from teamtask.controller.pool_job import POOL, decide_job, has_only_ended, missing_pods, own_job
from teamtask.controller.restored import source_of
from teamtask.controller.setbacks import Setbacks, trouble_of_refusal
from teamtask.controller.working import Crew
from teamtask.kube import objects as o
from teamtask.kube import workloads as w
from teamtask.kube.api_server import CONFLICT, NOT_FOUND, KubernetesError
from teamtask.kube.identity import who_we_are
from teamtask.worker.placeholders import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from teamtask.controller.making import Together
    from teamtask.controller.observed import ListKey, Observed
    from teamtask.kube.api_server import ApiServer

OTHERS_SECONDS = 600.0  # so long a name is passed over that a Block of another list has
AGAIN_SECONDS = 0.1
UNSEEN_SECONDS = 10.0  # so long what was created is taken to be there, though no watch has shown it
LONG_NAME = (
    f"The name of a list with workers has {NAME_CHARACTERS_MAX} characters at most: it is a label of their pods."
)

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

        `own` are those of its blocks that the controller holds itself. What the API server refuses is said, and tried
        again later: nothing of that keeps a list from being reconciled.
        """
        now = time.time()
        jobs, pods = self._observed.jobs.of_list(key), self._observed.pods.of_list(key)
        if worklist.spec.workers is None and not (jobs or own):
            return Crew()
        memory = self._memories.setdefault(key, Memory())
        seen = {one.metadata.name for kind in (jobs, pods, blocks) for one in kind}
        memory.asked = {name: at for name, at in memory.asked.items() if now - at < UNSEEN_SECONDS and name not in seen}
        memory.others = {name: at for name, at in memory.others.items() if now - at < OTHERS_SECONDS}
        memory.setbacks.forget_old(now)
        if worklist.spec.workers is not None and len(worklist.metadata.name) > NAME_CHARACTERS_MAX:
            return Crew(trouble=("NameTooLong", LONG_NAME))
        memory.writes, met = 0, len(memory.others)
        job = own_job(worklist, jobs)
        is_idle = job is not None and has_only_ended(job, pods)
        memory.ended_since = (memory.ended_since or now) if is_idle else None
        job_wake = self._keep_job(memory, worklist, jobs, now)
        crew = Crew(count=memory.live)
        if self._attempt(memory, "own name", now, self._ask_own_name):
            taken = {block.metadata.name for block in blocks} | memory.others.keys()
            waiting = {what.removeprefix(POD_SETBACK) for what in memory.setbacks.waiting(now)}
            steps = decide_pods(worklist, own, pods, Names(memory.asked, taken, waiting), self._holder, now)
            self._keep_pods(memory, worklist, own, steps, now)
            crew.count = steps.count
            self._see_blocks_without_pod(crew, memory, own, steps, pods, now)
        self._see_troubles(crew, memory, worklist, pods, jobs, now)
        crew.writes = memory.writes
        due = (
            job_wake,
            memory.setbacks.wake_seconds(now),
            memory.trials.wake_seconds(now),
            UNSEEN_SECONDS if memory.asked else None,
            AGAIN_SECONDS if len(memory.others) > met else None,  # with the next numbers
        )
        crew.wake_seconds = min((seconds for seconds in due if seconds is not None), default=None)
        return crew

    def _see_troubles(
        self, crew: Crew, memory: Memory, worklist: o.Worklist, pods: Iterable[w.Pod], jobs: Iterable[w.Job], now: float
    ) -> None:
        """Find why pods do not come or do not run."""
        crew.trouble = memory.setbacks.first_trouble(now)
        if worklist.spec.workers is None:
            return
        pods, missing = sorted(pods, key=lambda pod: pod.metadata.name), None
        if worklist.spec.workers.mode == POOL:
            job = own_job(worklist, jobs)
            pods = [pod for pod in pods if job is not None and w.is_owned_by(pod.metadata, job.metadata.uid, w.JOB)]
            crew.count = sum(not pod.has_ended for pod in pods)
            missing = missing_pods(job, now) if job is not None and not is_finished(worklist) else None
            if missing is None:
                memory.trials = Setbacks()
            else:
                missing = self._maker.why_missing(memory, worklist, missing, now)
        crew.trouble = crew.trouble or next(filter(None, map(trouble_of, pods)), missing)

    def _see_blocks_without_pod(
        self, crew: Crew, memory: Memory, own: list[o.Block], steps: Steps, pods: Iterable[w.Pod], now: float
    ) -> None:
        """Find why the pods of blocks do not come or do not run."""
        troubles = {pod.metadata.name: trouble for pod in pods if (trouble := trouble_of(pod)) is not None}
        for block in own:
            pod = f"{block.metadata.name}-{block.status.sequence}"
            trouble = troubles.get(pod)
            if block.metadata.name in steps.idle:
                refused = (memory.setbacks.trouble_with(what, now) for what in (pod_setback(pod), CREATING, TEMPLATE))
                trouble = next(filter(None, refused), None)
            if trouble is not None:
                crew.without_pod[block.metadata.uid] = trouble

    def _keep_job(self, memory: Memory, worklist: o.Worklist, jobs: Iterable[w.Job], now: float) -> float | None:
        """Make, change or take away the Job of a pool; give the seconds after which to look again."""
        steps = decide_job(worklist, jobs, now, memory.ended_since)
        path, name = w.jobs_path(worklist.metadata.namespace), worklist.metadata.name
        if steps.delete is not None:
            delete = partial(self._delete, f"{path}/{name}", steps.delete.metadata.uid)
            self._attempt(memory, f"delete job {name}", now, delete)
        elif steps.patch is not None:
            change = partial(self._server.call, "PATCH", f"{path}/{name}", steps.patch)
            self._attempt(memory, f"change job {name}", now, change)
        elif steps.create is not None and name not in memory.asked and not self._maker.waits(memory, worklist, now):
            self._maker.create_job(memory, worklist, steps.create, now)
        return steps.wake_seconds

    def _keep_pods(self, memory: Memory, worklist: o.Worklist, own: list[o.Block], steps: Steps, now: float) -> None:
        """Carry out what was decided for a list with a pod for each block."""
        by_name = {block.metadata.name: block for block in own}
        told = self._report(memory, by_name, steps.reports, now)
        retired = [name for name in steps.retired if name in told or name not in steps.reports]
        writes = {f"delete block {name}": partial(self._retire, by_name[name]) for name in retired}
        pods_path = w.pods_path(worklist.metadata.namespace)
        for pod in (pod.metadata for pod in steps.ended_pods):
            writes[f"delete pod {pod.name}"] = partial(self._delete, f"{pods_path}/{pod.name}", pod.uid)
        self._attempt_all(memory, writes, now)
        if steps.count < memory.live:
            memory.setbacks.clear(CREATING)  # one of ours has gone: there may be room now, or soon
        memory.live = steps.count
        if worklist.spec.workers is None or worklist.spec.workers.mode != POD_PER_BLOCK:
            return
        if is_finished(worklist):
            memory.setbacks.clear(BLOCKS)
        if not (steps.blocks or steps.pods):
            memory.setbacks.clear(CREATING)
        elif not self._maker.waits(memory, worklist, now) and self._maker.takes_template(memory, worklist, now):
            self._create(memory, worklist, by_name, steps, now)

    def _create(
        self, memory: Memory, worklist: o.Worklist, by_name: dict[str, o.Block], steps: Steps, now: float
    ) -> None:
        """Create Blocks and pods; what cannot be given to a pod, or with it, fails its block at once."""
        if not memory.setbacks.waits(BLOCKS, now):
            blocks = [(name, block_of(worklist, name, self._holder)) for name in steps.blocks]
            self._maker.create_blocks(memory, o.path("blocks", worklist.metadata.namespace), blocks, now)
        made, reports = self._pods(worklist, by_name, steps.pods)
        pods = [(pod["metadata"]["name"], pod) for pod in made.values()]
        refused = self._maker.create_pods(memory, worklist, w.pods_path(worklist.metadata.namespace), pods, now)
        for name, pod in made.items():
            if (words := refused.get(pod["metadata"]["name"])) is not None:
                reports[name] = failed(by_name[name], f"The API server takes no such pod: {words}")
        self._report(memory, by_name, reports, now)

    def _pods(
        self, worklist: o.Worklist, by_name: dict[str, o.Block], names: list[str]
    ) -> tuple[dict[str, dict[str, Any]], dict[str, o.Report]]:
        """Give the manifests of these blocks' pods; an item that no program can be given is reported on instead."""
        source = source_of(worklist.spec) if names else None
        made, reports = {}, {}
        for name in names:
            block = by_name[name]
            assignment = block.status.assignments[0]
            item = None
            if source is not None and assignment.size == 1:
                item = text_of(source.item(assignment.index - worklist.spec.start_index))
                if not is_fit(item):
                    reports[name] = failed(block, UNFIT)
                    continue
            made[name] = pod_of(worklist, block, item)
        return made, reports

    def _attempt(self, memory: Memory, what: str, now: float, write: Callable[[], object]) -> bool:
        """Write, unless it was refused just now; tell whether it was done.

        What is gone, or has changed, comes again with its change.
        """
        if memory.setbacks.waits(what, now):
            return False
        try:
            write()
        except KubernetesError as error:
            if error.status in (NOT_FOUND, CONFLICT):
                memory.setbacks.clear(what)
            elif memory.setbacks.note(what, trouble_of_refusal(error), now) == 1:
                _log.warning("a write was refused", what=what, error=str(error))
            return False
        memory.setbacks.clear(what)
        return True

    def _attempt_all(self, memory: Memory, writes: Mapping[str, Callable[[], object]], now: float) -> set[str]:
        """Write all of these, several at once; give what was done."""
        done: set[str] = set()

        def attempt(what: str, write: Callable[[], object]) -> None:
            if self._attempt(memory, what, now, write):
                done.add(what)

        memory.writes += len(writes.keys() - memory.setbacks.waiting(now))
        self._together([partial(attempt, what, write) for what, write in writes.items()])
        return done

    def _report(
        self, memory: Memory, by_name: dict[str, o.Block], reports: dict[str, o.Report], now: float
    ) -> set[str]:
        """Write reports, by the names of blocks; give the blocks of those that were taken."""
        whats = {f"report on block {name}": name for name in reports}
        writes = {what: partial(self._report_one, by_name, name, reports[name]) for what, name in whats.items()}
        return {whats[what] for what in self._attempt_all(memory, writes, now)}

    def _report_one(self, by_name: dict[str, o.Block], name: str, report: o.Report) -> None:
        """Write a report whole, for a merge patch would keep what the last one said; what is refused has failed."""
        block = by_name[name]
        metadata = {"resourceVersion": block.metadata.resource_version}
        path = f"{o.path('blocks', block.metadata.namespace)}/{block.metadata.name}"
        try:
            said = msgspec.to_builtins(report)
            answer = self._server.call("PATCH", path, {"metadata": metadata, "spec": {"report": said}})
        except KubernetesError as error:
            if error.status not in REFUSED or report.state != "Completed":
                raise
            said = msgspec.to_builtins(failed(block, f"The API server does not take what the pod left: {error}"))
            answer = self._server.call("PATCH", path, {"metadata": metadata, "spec": {"report": said}})
        by_name[name] = o.read_block(answer)
        self._observed.blocks.put(answer, answer=True)

    def _retire(self, block: o.Block) -> None:
        """Delete a block that has said all, if nothing is new; it is counted in the same look at its list."""
        path = f"{o.path('blocks', block.metadata.namespace)}/{block.metadata.name}"
        preconditions = {"uid": block.metadata.uid, "resourceVersion": block.metadata.resource_version}
        answer = self._server.call("DELETE", path, {"preconditions": preconditions})
        if answer.get("kind") == "Block":
            self._observed.blocks.put(answer, answer=True)

    def _delete(self, path: str, uid: str) -> None:
        self._server.call("DELETE", path, {"propagationPolicy": "Background", "preconditions": {"uid": uid}})

    def _ask_own_name(self) -> None:
        """Ask the API server once under which name this controller writes."""
        if not self._holder:
            self._holder = who_we_are(self._server).user
