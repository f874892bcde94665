"""What becomes of the Job of a pool."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from teamtask.controller.manifests import job_of
from teamtask.controller.pool_job import JobSteps, decide_job, has_only_ended, missing_pods
from teamtask.kube import objects as o
from teamtask.kube import workloads as w
from teamtask.wire.dates import rfc_3339, seconds_of

NOW = 1_000_000.0


def worklist(mode: str = "Pool", status: dict[str, Any] | None = None, **spec: Any) -> o.Worklist:
    workers = {"mode": mode, "replicas": 3, "template": {"spec": {"containers": [{"name": "main"}]}}}
    spec = {"source": {"kind": "range", "stop": 9}, "workers": workers} | spec
    return o.read_worklist({"metadata": {"name": "pings", "uid": "w"}, "spec": spec, "status": status or {}})


def job(of: o.Worklist, **status: Any) -> w.Job:
    """Give the Job that was made for a list, 100 seconds ago."""
    document = job_of(of, suspend=status.pop("suspend", False))
    document["metadata"]["creationTimestamp"] = rfc_3339(NOW - 100)
    return w.read_job(document | {"status": status})


def test_a_list_with_a_pool_has_a_job_unless_it_is_finished() -> None:
    assert decide_job(worklist(), [], NOW).create is not None
    assert decide_job(worklist(status={"completionTime": rfc_3339(NOW)}), [], NOW) == JobSteps()
    assert decide_job(worklist("PodPerBlock"), [], NOW) == JobSteps()
    assert decide_job(worklist(workers=None), [], NOW) == JobSteps()


def test_nothing_is_done_for_a_job_that_is_as_it_should_be() -> None:
    assert decide_job(worklist(), [job(worklist())], NOW) == JobSteps()


def test_a_job_of_another_list_that_had_this_name_is_not_taken_for_ours() -> None:
    old = job(worklist())
    steps = decide_job(replace(worklist(), metadata=replace(worklist().metadata, uid="x")), [old], NOW)
    assert steps.create is not None


def scaled(replicas: int) -> o.Worklist:
    spec = worklist().spec
    assert spec.workers is not None
    return replace(worklist(), spec=replace(spec, workers=replace(spec.workers, replicas=replicas)))


def test_replicas_are_the_jobs_indices_all_worked_at_once() -> None:
    assert decide_job(scaled(7), [job(worklist())], NOW).patch == {"spec": {"parallelism": 7, "completions": 7}}


def test_a_list_that_is_scaled_to_nothing_has_a_suspended_job() -> None:
    assert decide_job(scaled(0), [job(worklist())], NOW).patch == {"spec": {"suspend": True}}
    created = decide_job(scaled(0), [], NOW).create
    assert created is not None
    assert (created["spec"]["suspend"], created["spec"]["completions"]) == (True, 1)
    back = {"spec": {"parallelism": 3, "completions": 3, "suspend": False}}
    assert decide_job(worklist(), [job(scaled(0), suspend=True)], NOW).patch == back


def test_a_suspended_lists_job_is_suspended_when_nothing_is_worked_any_more() -> None:
    busy = worklist(suspend=True, status={"activeBlocks": 2})
    assert decide_job(busy, [job(worklist())], NOW) == JobSteps()
    assert decide_job(worklist(suspend=True), [job(worklist())], NOW).patch == {"spec": {"suspend": True}}
    assert decide_job(worklist(), [job(worklist(), suspend=True)], NOW).patch == {"spec": {"suspend": False}}


def test_a_job_goes_for_another_template_or_another_mode() -> None:
    made = job(worklist())
    other = {"mode": "Pool", "replicas": 3, "template": {"spec": {"containers": [{"name": "other"}]}}}
    assert decide_job(worklist(workers=other), [made], NOW).delete == made
    assert decide_job(worklist("PodPerBlock"), [made], NOW).delete == made
    going = replace(made, metadata=replace(made.metadata, deletion_timestamp=rfc_3339(NOW)))
    assert decide_job(worklist(workers=other), [going], NOW) == JobSteps()


def test_a_job_that_ended_before_its_list_is_made_anew_but_not_at_once() -> None:
    ended = job(worklist(), conditions=[{"type": "Complete", "status": "True"}])
    assert decide_job(worklist(), [ended], NOW).delete == ended
    assert ended.metadata.creation_timestamp is not None
    soon = seconds_of(ended.metadata.creation_timestamp) + 10
    assert decide_job(worklist(), [ended], soon) == JobSteps(wake_seconds=20)


def test_a_job_whose_pods_have_all_ended_and_are_not_replaced_is_made_anew() -> None:
    made = job(worklist())
    assert decide_job(worklist(), [made], NOW, NOW - 59) == JobSteps(wake_seconds=1)
    assert decide_job(worklist(), [made], NOW, NOW - 60).delete == made
    owner = {"apiVersion": "batch/v1", "kind": "Job", "uid": "j", "controller": True}
    ended, runs = (
        w.read_pod({"metadata": {"name": "a", "ownerReferences": [owner]}, "status": status})
        for status in ({"phase": "Failed"}, {"phase": "Running"})
    )
    of_pods = replace(made, metadata=replace(made.metadata, uid="j"))
    assert has_only_ended(of_pods, [ended])
    assert not has_only_ended(of_pods, [ended, runs])
    assert not has_only_ended(of_pods, [])
    assert not has_only_ended(made, [ended]), "those of another Job"


def test_workers_that_do_not_see_the_end_of_their_list_are_ended() -> None:
    finished = worklist(status={"completionTime": rfc_3339(NOW)})
    assert decide_job(finished, [job(worklist())], NOW + 5) == JobSteps(wake_seconds=10)
    assert decide_job(finished, [job(worklist())], NOW + 15).patch == {"spec": {"suspend": True}}
    ended = job(worklist(), conditions=[{"type": "Complete", "status": "True"}])
    assert decide_job(finished, [ended], NOW + 15) == JobSteps()


def test_a_job_that_has_been_made_without_a_pod_is_looked_at_again() -> None:
    made = job(worklist())
    assert decide_job(worklist(), [made], NOW - 96) == JobSteps(wake_seconds=6)
    assert decide_job(worklist(), [job(worklist(), active=3)], NOW - 96) == JobSteps()


def test_pods_that_a_job_does_not_have_are_told() -> None:
    assert missing_pods(job(worklist(), active=3), NOW) is None
    assert missing_pods(job(worklist(), active=1), NOW - 95) is None, "it has only just been made"
    told = missing_pods(job(worklist(), active=1, failed=2), NOW)
    assert told is not None
    assert told[0] == "PodsMissing"
    assert "has 1 of 3 pods, 2 have failed" in told[1]
