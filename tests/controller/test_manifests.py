"""The pods and Jobs that are made from a template."""

from __future__ import annotations

from typing import Any

import pytest

from teamtask.controller.manifests import ALWAYS, job_of, pod_of, template_hash, trial_pod
from teamtask.kube import objects as o


def worklist(template: dict[str, Any], mode: str = "PodPerBlock", replicas: int = 3) -> o.Worklist:
    workers = {"mode": mode, "replicas": replicas, "template": template}
    spec = {"source": {"kind": "range", "stop": 9}, "workers": workers}
    return o.read_worklist({"metadata": {"name": "pings", "uid": "w"}, "spec": spec})


def block(index: int = 4, size: int = 1) -> o.Block:
    status = o.BlockStatus(phase="Ready", sequence=2, assignments=[o.Assignment(index, size)])
    return o.Block(o.Metadata("pings-0", uid="b"), o.BlockSpec(o.ListReference("pings")), status)


def env(container: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container["env"]}


def test_a_blocks_pod_knows_what_it_is_to_work_and_goes_with_the_block() -> None:
    template = {
        "metadata": {"labels": {"app": "ping"}, "annotations": {"a": "b"}, "name": "not kept"},
        "spec": {"containers": [{"name": "main", "image": "ping"}], "initContainers": [{"name": "first"}]},
    }
    pod = pod_of(worklist(template), block(), "host$(X)$")
    said = {"TEAMTASK_INDEX": "4", "TEAMTASK_SIZE": "1", "TEAMTASK_LIST": "pings", "TEAMTASK_ITEM": "host$$(X)$$"}
    assert env(pod["spec"]["containers"][0]) == env(pod["spec"]["initContainers"][0]) == said
    assert pod["spec"]["restartPolicy"] == "Never"
    assert pod["metadata"] == {
        "name": "pings-0-2",
        "labels": {
            "app": "ping", "teamtask.io/worklist": "pings", "teamtask.io/block": "pings-0", "teamtask.io/sequence": "2",
        },
        "annotations": {"a": "b"},
        "ownerReferences": [
            {"apiVersion": "teamtask.io/v1alpha1", "kind": "Block", "name": "pings-0", "uid": "b", "controller": True}
        ],
    }  # fmt: skip
    assert template["spec"]["containers"] == [{"name": "main", "image": "ping"}], "the template is as it was"


def test_what_is_worked_cannot_be_set_by_the_template_but_used() -> None:
    theirs = [{"name": "TEAMTASK_INDEX", "value": "9"}, {"name": "URL", "value": "http://$(TEAMTASK_ITEM)"}]
    pod = pod_of(worklist({"spec": {"containers": [{"name": "main", "env": theirs}]}}), block(), "host")
    names = [one["name"] for one in pod["spec"]["containers"][0]["env"]]
    assert names == ["TEAMTASK_INDEX", "TEAMTASK_SIZE", "TEAMTASK_LIST", "TEAMTASK_ITEM", "URL"]
    assert env(pod["spec"]["containers"][0])["TEAMTASK_INDEX"] == "4"


def test_who_fails_leaves_the_end_of_its_log_unless_the_template_says_otherwise() -> None:
    containers = [{"name": "a"}, {"name": "b", "terminationMessagePolicy": "File"}]
    pod = trial_pod(worklist({"spec": {"containers": containers}}))
    assert [one["terminationMessagePolicy"] for one in pod["spec"]["containers"]] == ["FallbackToLogsOnError", "File"]


def test_the_job_of_a_pool_replaces_each_pod_by_itself_until_it_ends_well() -> None:
    template = {"spec": {"containers": [{"name": "main", "env": [{"name": "TEAMTASK_URL", "value": "http://mine"}]}]}}
    job = job_of(worklist(template, "Pool"), suspend=True)
    assert job["metadata"]["name"] == "pings"
    assert job["metadata"]["ownerReferences"][0]["uid"] == "w"
    spec = job["spec"]
    assert (spec["parallelism"], spec["backoffLimit"], spec["suspend"]) == (3, ALWAYS, True)
    assert (spec["completionMode"], spec["completions"], spec["backoffLimitPerIndex"]) == ("Indexed", 3, ALWAYS)
    assert spec["podFailurePolicy"]["rules"][0]["action"] == "Ignore"
    assert env(spec["template"]["spec"]["containers"][0]) == {
        "TEAMTASK_URL": "http://mine",
        "TEAMTASK_LIST": "pings",
        "POD_NAME": {"fieldRef": {"fieldPath": "metadata.name"}},
    }


@pytest.mark.parametrize(
    "template",
    [
        {},
        {"spec": 1},
        {"spec": {"containers": 1}},
        {"spec": {"containers": [1, {"env": 2}]}},
        {"metadata": {"labels": 1}, "spec": {"containers": []}},
        {"metadata": []},
    ],
)
def test_what_is_no_template_is_left_for_the_api_server_to_refuse(template: dict[str, Any]) -> None:
    theirs = template["spec"].get("containers") if isinstance(template.get("spec"), dict) else None
    made = trial_pod(worklist(template))["spec"].get("containers")
    assert made is theirs or [one for one in made if isinstance(one, dict)] == [
        {"env": 2, "terminationMessagePolicy": "FallbackToLogsOnError"} for one in theirs if isinstance(one, dict)
    ]
    assert job_of(worklist(template), suspend=False)["spec"]["template"]["metadata"]["labels"]


def test_templates_are_told_apart() -> None:
    one, other = worklist({"spec": {"a": 1, "b": 2}}), worklist({"spec": {"b": 2, "a": 1}})
    assert template_hash(one) == template_hash(other) != template_hash(worklist({"spec": {"a": 2}}))
