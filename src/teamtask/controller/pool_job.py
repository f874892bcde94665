"""`decide_job`: for a list with a pool of workers, whether its Job is to come, to change or to go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from teamtask.controller.block_pods import is_finished, is_suspended
from teamtask.controller.manifests import job_of, replicas_of, template_hash
from teamtask.kube import workloads as w
from teamtask.wire.dates import seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamtask.kube import objects as o

POOL = "Pool"
LEAVE_SECONDS = 15.0  # so long after the end of the list its workers may take to see it
BEGIN_SECONDS = 10.0  # a Job has so long to make its first pods before it is said that they are missing
AGAIN_SECONDS = 30.0  # a Job that ended before its list is made anew so long after it was made
STUCK_SECONDS = 60.0  # a Job all of whose pods have ended may take so long to make others


class JobSteps(Struct):
    """What is to be done with a list's Job; one at most of these."""

    create: dict[str, Any] | None = None
    patch: dict[str, Any] | None = None
    delete: w.Job | None = None
    wake_seconds: float | None = None


def own_job(worklist: o.Worklist, jobs: Iterable[w.Job]) -> w.Job | None:
    """Find the Job that was made for a list."""
    return next((job for job in jobs if w.is_owned_by(job.metadata, worklist.metadata.uid)), None)


def decide_job(worklist: o.Worklist, jobs: Iterable[w.Job], now: float, ended_since: float | None = None) -> JobSteps:
    """Decide for a list; its pods go when it is suspended and nothing is worked any more, or finished.

    Since `ended_since` its Job has had pods, and none that has not ended.
    """
    workers, job = worklist.spec.workers, own_job(worklist, jobs)
    wanted = workers is not None and workers.mode == POOL
    is_going = worklist.metadata.deletion_timestamp is not None
    if job is None:
        if is_going or not wanted or is_finished(worklist):
            return JobSteps()
        return JobSteps(create=job_of(worklist, suspend=is_suspended(worklist)))
    if is_going or job.metadata.deletion_timestamp is not None:
        return JobSteps()
    if not wanted:
        return JobSteps(delete=job)
    if is_finished(worklist):
        return _after_the_end(worklist, job, now)
    # Its failed pods stay until they are replaced, which in a namespace that is being deleted they never are.
    is_stuck = ended_since is not None and now - ended_since >= STUCK_SECONDS
    if is_stuck or job.metadata.annotations.get(w.TEMPLATE_ANNOTATION) != template_hash(worklist):
        return JobSteps(delete=job)  # a Job keeps its template
    if job.has_ended:
        left = AGAIN_SECONDS - _age(job, now)
        return JobSteps(delete=job) if left <= 0 else JobSteps(wake_seconds=left)
    # What is being worked goes on to its end, so the pods stay until then.
    suspend = is_suspended(worklist) and (job.spec.suspend or not worklist.status.active_blocks)
    replicas = replicas_of(worklist)
    steps = _changed(job, size=replicas or job.spec.parallelism, suspend=suspend or not replicas)
    if ended_since is not None:
        steps.wake_seconds = ended_since + STUCK_SECONDS - now
    elif job.status.active < job.spec.parallelism and (left := BEGIN_SECONDS - _age(job, now)) > 0:
        steps.wake_seconds = left  # a Job that gets no pod at all does not change again
    return steps


def _age(job: w.Job, now: float) -> float:
    created = job.metadata.creation_timestamp
    return now - seconds_of(created) if created else AGAIN_SECONDS


def _after_the_end(worklist: o.Worklist, job: w.Job, now: float) -> JobSteps:
    if job.has_ended:
        return JobSteps()
    since = now - seconds_of(worklist.status.completion_time or "")
    if since < LEAVE_SECONDS:
        return JobSteps(wake_seconds=LEAVE_SECONDS - since)
    return _changed(job, size=job.spec.parallelism, suspend=True)


def _changed(job: w.Job, *, size: int, suspend: bool) -> JobSteps:
    differs: dict[str, int | bool] = {}
    if job.spec.parallelism != size:
        differs = {"parallelism": size, "completions": size}  # of a Job with indices they change together
    if job.spec.suspend != suspend:
        differs["suspend"] = suspend
    return JobSteps(patch={"spec": differs} if differs else None)


def has_only_ended(job: w.Job, pods: Iterable[w.Pod]) -> bool:
    """Tell whether a Job has pods and all of them have ended, though its work goes on."""
    own = [pod for pod in pods if w.is_owned_by(pod.metadata, job.metadata.uid, w.JOB)]
    return bool(own) and not job.spec.suspend and not job.has_ended and all(pod.has_ended for pod in own)


def missing_pods(job: w.Job, now: float) -> tuple[str, str] | None:
    """Give why a Job has fewer pods than it is to have, as a reason and a sentence, as far as the Job knows."""
    if _age(job, now) < BEGIN_SECONDS:
        return None
    wanted, there = job.spec.parallelism, job.status.active
    if job.spec.suspend or job.has_ended or there >= wanted:
        return None
    failed = f", {job.status.failed} have failed" if job.status.failed else ""
    message = f"The Job {job.metadata.name} has {there} of {wanted} pods{failed}: `kubectl describe job` says more."
    return "PodsMissing", message
