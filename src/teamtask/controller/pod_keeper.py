"""`PodKeeper`: makes and takes away the pods, Blocks and Jobs of `spec.workers`, and reports on what became of them."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from msgspec import Struct, field

from teamtask.controller.block_pods import POD_PER_BLOCK, Steps, decide_pods
from teamtask.controller.manifests import (
    NAME_CHARACTERS_MAX,
    block_of,
    pod_of,
    template_hash,
    trial_pod,
)  # fmt: skip
from teamtask.controller.pod_outcome import UNFIT, failed, is_fit, trouble_of
from teamtask.controller.pool_job import POOL, decide_job, missing_pods, own_job
from teamtask.controller.working import Crew, Trouble
from teamtask.kube import objects as o
from teamtask.kube import workloads as w
from teamtask.kube.api_server import CONFLICT, NOT_FOUND, KubernetesError
from teamtask.sources.parse import source_from_definition
from teamtask.worker.placeholders import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from teamtask.controller.observed import ListKey, Observed
    from teamtask.kube.api_server import ApiServer

    Together = Callable[[Sequence[Callable[[], None]]], None]

FORBIDDEN, UNPROCESSABLE = 403, 422
UNSEEN_SECONDS = 10.0  # so long what was created is taken to be there, though no watch has shown it
BACKOFF_SECONDS = 1.0
BACKOFF_MAX_SECONDS = 30.0
DOUBLINGS_MAX = 6
QUOTA = "exceeded quota"
LONG_NAME = (
    f"The name of a list with workers has {NAME_CHARACTERS_MAX} characters at most: it is a label of their pods."
)
_SELF = "/apis/authentication.k8s.io/v1/selfsubjectreviews"

_log = structlog.get_logger()


class _Memory(Struct):
    """What is remembered of a list between two looks at it; nothing that may not be forgotten."""

    asked: dict[str, float] = field(default_factory=dict)  # what was created, and when
    taken: str = ""  # the template that the API server has taken
    refused: str = ""  # the one that it has not
    trouble: Trouble | None = None
    failures: int = 0
    wait_until: float = 0.0
    live: int = 0
    writes: int = 0  # of this look


class PodKeeper:
    """Used by the one thread that decides; writes go to several at once."""

    def __init__(self, server: ApiServer, observed: Observed, together: Together) -> None:
        """Use `together` to carry out calls."""
        self._server = server
        self._observed = observed
        self._together = together
        self._memories: dict[ListKey, _Memory] = {}
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
        memory = self._memories.setdefault(key, _Memory())
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
        self, crew: Crew, memory: _Memory, worklist: o.Worklist, steps: Steps,
        pods: Iterable[w.Pod], own: list[o.Block], jobs: Iterable[w.Job],
    ) -> None:  # fmt: skip
        if worklist.spec.workers is None:
            return
        pods, missing = sorted(pods, key=lambda pod: pod.metadata.name), None
        if worklist.spec.workers.mode == POOL:
            job = own_job(worklist, jobs)
            pods = [pod for pod in pods if job is not None and w.is_owned_by(pod.metadata, job.metadata.uid)]
            crew.count = sum(not pod.has_ended for pod in pods)
            missing = missing_pods(job) if job is not None else None
        troubles = {pod.metadata.name: trouble for pod in pods if (trouble := trouble_of(pod)) is not None}
        crew.trouble = memory.trouble or next(iter(troubles.values()), missing)
        for block in own:
            name = block.metadata.name
            trouble = memory.trouble if name in steps.idle else troubles.get(f"{name}-{block.status.sequence}")
            if trouble is not None:
                crew.without_pod[block.metadata.uid] = trouble

    def _keep_job(
        self, memory: _Memory, worklist: o.Worklist, jobs: Iterable[w.Job], now: float
    ) -> float | None:  # fmt: skip
        steps = decide_job(worklist, jobs, now)
        path, name = w.jobs_path(worklist.metadata.namespace), worklist.metadata.name
        if steps.delete is not None:
            self._delete(f"{path}/{steps.delete.metadata.name}", steps.delete.metadata.uid)
        elif steps.patch is not None:
            self._try(memory, now, partial(self._server.call, "PATCH", f"{path}/{name}", steps.patch))
        elif steps.create is not None and now >= memory.wait_until and name not in memory.asked:
            self._create_job(memory, worklist, steps.create, now)
        return steps.wake_seconds

    def _create_job(self, memory: _Memory, worklist: o.Worklist, job: dict[str, Any], now: float) -> None:
        if memory.refused == template_hash(worklist):
            return
        path = w.jobs_path(worklist.metadata.namespace)
        try:
            self._server.call("POST", path, job, {"fieldValidation": "Strict"})
        except KubernetesError as error:
            if error.status == CONFLICT:
                self._have_trouble(memory, now, "NameTaken", f"There is another Job of this name: {error}")
            else:
                self._take_refusal(memory, worklist, error, now)
        else:
            memory.trouble, memory.failures = None, 0
            memory.asked[worklist.metadata.name] = now

    def _keep_pods(
        self, memory: _Memory, worklist: o.Worklist, own: list[o.Block], steps: Steps, now: float
    ) -> None:  # fmt: skip
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
        if now < memory.wait_until or not (steps.blocks or steps.pods) or not self._is_taken(memory, worklist, now):
            return
        blocks_path = o.path("blocks", worklist.metadata.namespace)
        blocks = [(name, block_of(worklist, name, self._own_name())) for name in steps.blocks]
        self._create(memory, worklist, blocks_path, blocks, now)
        self._create(memory, worklist, pods_path, self._pods(worklist, by_name, steps.pods), now)

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

    def _is_taken(self, memory: _Memory, worklist: o.Worklist, now: float) -> bool:
        """Ask the API server once for each template whether it would take such a pod."""
        template = template_hash(worklist)
        if memory.taken == template:
            return True
        if memory.refused == template:
            return False
        query = {"dryRun": "All", "fieldValidation": "Strict"}
        try:
            self._server.call("POST", w.pods_path(worklist.metadata.namespace), trial_pod(worklist), query)
        except KubernetesError as error:
            self._take_refusal(memory, worklist, error, now)
            return False
        memory.taken, memory.refused, memory.trouble, memory.failures = template, "", None, 0
        return True

    def _create(
        self, memory: _Memory, worklist: o.Worklist, path: str, documents: list[tuple[str, dict[str, Any]]], now: float
    ) -> None:
        """Create these, one, then two, then four at once, until one is refused: with the others it is the same."""
        refusals: list[KubernetesError] = []
        begun, size = 0, 1
        while begun < len(documents) and not refusals:
            some = documents[begun : begun + size]
            memory.writes += len(some)
            self._together([partial(self._create_one, memory, path, one, now, refusals) for one in some])
            begun, size = begun + size, 2 * size
        if refusals:
            self._take_refusal(memory, worklist, refusals[0], now)
        elif documents:
            memory.trouble, memory.failures = None, 0

    def _create_one(
        self, memory: _Memory, path: str, one: tuple[str, dict[str, Any]], now: float, refusals: list[KubernetesError]
    ) -> None:
        name, document = one
        try:
            self._server.call("POST", path, document)
        except KubernetesError as error:
            if error.status != CONFLICT:
                refusals.append(error)
                return
            theirs = self._of_another(f"{path}/{name}", document["metadata"]["ownerReferences"][0]["uid"])
            if theirs:
                refusals.append(KubernetesError(f"There is another {document['kind']} {name}.", CONFLICT))
                return
        memory.asked[name] = now

    def _of_another(self, path: str, uid: str) -> bool:
        """Tell whether what has this name was not made for that object."""
        try:
            found = msgspec.convert(self._server.call("GET", path), o.Named)
        except KubernetesError as error:
            if error.status != NOT_FOUND:
                raise
            return False
        return not w.is_owned_by(found.metadata, uid)

    def _take_refusal(self, memory: _Memory, worklist: o.Worklist, error: KubernetesError, now: float) -> None:
        """Remember why nothing can be made, and when to try again."""
        words = str(error)[: o.MESSAGE_CHARACTERS_MAX]
        if QUOTA in words:
            self._have_trouble(memory, now, "QuotaExceeded", words[words.index(QUOTA) :])
        elif error.status == CONFLICT:
            self._have_trouble(memory, now, "NameTaken", words)
        elif error.status in (400, UNPROCESSABLE):
            memory.refused, memory.trouble = template_hash(worklist), ("TemplateRefused", words)
        elif error.status == FORBIDDEN:
            self._have_trouble(memory, now, "Forbidden", words)
        elif error.may_pass or error.status == NOT_FOUND:
            self._have_trouble(memory, now, "NotAnswered", words)
        else:
            raise error

    def _have_trouble(self, memory: _Memory, now: float, reason: str, words: str) -> None:
        memory.trouble = (reason, words)
        seconds = min(BACKOFF_MAX_SECONDS, BACKOFF_SECONDS * 2 ** min(memory.failures, DOUBLINGS_MAX))
        memory.failures += 1
        memory.wait_until = now + seconds

    def _try(self, memory: _Memory, now: float, call: Callable[[], object]) -> None:
        try:
            call()
        except KubernetesError as error:
            if error.status not in (NOT_FOUND, CONFLICT):
                self._have_trouble(memory, now, "NotAnswered", str(error)[: o.MESSAGE_CHARACTERS_MAX])

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
