"""A list with a pool of workers in pods, which the controller makes by a Job."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import files
import images
import pytest
from conftest import Controller

if TYPE_CHECKING:
    from conftest import Cluster

pytestmark = pytest.mark.usefixtures("controller")

IMAGE = images.BASE if os.environ.get("KUBECONFIG") == str(files.KUBECONFIG) else "python:3.12-slim"
WORKER = Path(__file__).with_name("worker_in_a_pod.py").read_text()
IDLE = ["sh", "-c", "sleep 1000"]


def workers(command: list[str], replicas: int = 2, **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": command}
    pod = {"terminationGracePeriodSeconds": 1, "containers": [container]} | spec
    return {"replicas": replicas, "template": {"metadata": {"labels": {"app": "pool"}}, "spec": pod}}


def pods(cluster: Cluster, name: str) -> list[dict[str, Any]]:
    """Give the pods of a list that have not ended."""
    label = f"teamtask.io/worklist={name},app=pool"
    found = json.loads(cluster.kubectl("get", "pods", "-l", label, "-o", "json"))["items"]
    return [pod for pod in found if pod["status"]["phase"] in {"Pending", "Running"}]


def job(cluster: Cluster, name: str) -> dict[str, Any]:
    text = cluster.kubectl("get", "job", name, "-o", "json", check=False)
    return dict(json.loads(text)) if text.startswith("{") else {}


def change(cluster: Cluster, name: str, **spec: Any) -> None:
    cluster.kubectl("patch", "worklist", name, "--type=merge", "-p", json.dumps({"spec": spec}))


def test_a_pool_works_a_list_to_its_end_and_goes(cluster: Cluster) -> None:
    cluster.kubectl("create", "rolebinding", "pool", "--clusterrole=teamtask-worker",
                    f"--serviceaccount={cluster.namespace}:default")  # fmt: skip
    cluster.create_list(
        "pool", source={"kind": "range", "stop": 40}, block={"size": 1}, workers=workers(["python3", "-c", WORKER])
    )
    cluster.wait(lambda: cluster.status("worklist", "pool").get("completedItems", 0) > 0)
    cluster.kubectl("scale", "worklist", "pool", "--replicas=3")
    cluster.wait(lambda: job(cluster, "pool")["spec"]["parallelism"] == 3)
    patient = ("--timeout=90s", "--request-timeout=100s")
    cluster.kubectl("wait", "--for=condition=Complete", "worklist/pool", *patient)
    cluster.kubectl("wait", "--for=condition=Complete", "job/pool", *patient)
    assert cluster.status("worklist", "pool")["completed"] == "0-39"
    cluster.wait(lambda: cluster.status("worklist", "pool")["workerPods"] == 0)
    kept = json.loads(cluster.kubectl("get", "configmap", "pool-results", "-o", "json"))["data"]
    assert len({json.loads(row)["result"] for row in kept.values()}) >= 2, "several pods have worked"


def test_what_a_pod_held_that_was_killed_is_worked_by_another_long_before_the_lease_is_over(cluster: Cluster) -> None:
    killed = WORKER.replace("report = {", "os.kill(os.getpid(), 9)\n            report = {")
    command = ["sh", "-c", 'test $JOB_COMPLETION_INDEX = 0 && { python3 -c "$0"; exit 1; }; exec python3 -c "$1"']
    cluster.create_list(
        "killed-pool", source={"kind": "range", "stop": 30}, block={"size": 1}, leaseSeconds=600,
        workers=workers([*command, killed, WORKER]),
    )  # fmt: skip
    patient = ("--timeout=120s", "--request-timeout=130s")
    cluster.kubectl("wait", "--for=condition=Complete", "worklist/killed-pool", *patient)
    assert cluster.status("worklist", "killed-pool")["restarts"] > 0
    cluster.kubectl("delete", "worklist", "killed-pool")


def test_pods_go_when_a_list_is_suspended_and_come_again(cluster: Cluster) -> None:
    cluster.create_list("paused-pool", source={"kind": "range", "stop": 60}, workers=workers(IDLE))
    cluster.wait(lambda: len(pods(cluster, "paused-pool")) == 2)
    change(cluster, "paused-pool", suspend=True)
    cluster.wait(lambda: not pods(cluster, "paused-pool"))
    change(cluster, "paused-pool", suspend=False, workers={"replicas": 1})
    cluster.wait(lambda: len(pods(cluster, "paused-pool")) == 1)
    assert cluster.kubectl("get", "lists", "paused-pool", "--no-headers").split()[1] == "Running"
    cluster.kubectl("delete", "worklist", "paused-pool")
    cluster.wait(lambda: not job(cluster, "paused-pool") and not pods(cluster, "paused-pool"))


def test_another_template_makes_other_pods(cluster: Cluster) -> None:
    cluster.create_list("changed-pool", source={"kind": "range", "stop": 60}, workers=workers(IDLE, replicas=1))
    cluster.wait(lambda: len(pods(cluster, "changed-pool")) == 1)
    change(cluster, "changed-pool", workers={"template": {"metadata": {"annotations": {"version": "2"}}}})
    cluster.wait(
        lambda: (
            [pod["metadata"].get("annotations", {}).get("version") for pod in pods(cluster, "changed-pool")] == ["2"]
        )
    )
    cluster.kubectl("delete", "worklist", "changed-pool")


def test_a_list_that_is_finished_leaves_no_pods_though_they_do_not_end(cluster: Cluster) -> None:
    cluster.create_list(
        "left-pool", source={"kind": "range", "stop": 5}, block={"size": 5}, workers=workers(IDLE, replicas=1)
    )
    cluster.wait(lambda: len(pods(cluster, "left-pool")) == 1)
    cluster.create_block("by-hand", "left-pool")
    cluster.wait_for_assignment("by-hand", 1)
    cluster.report("by-hand", 1, "Completed")
    cluster.kubectl("wait", "--for=condition=Complete", "worklist/left-pool", "--timeout=20s")
    assert len(pods(cluster, "left-pool")) == 1, "it may see by itself that the list is finished"
    cluster.wait(lambda: not pods(cluster, "left-pool"))
    cluster.kubectl("delete", "block", "by-hand")
    cluster.kubectl("delete", "worklist", "left-pool")


@pytest.mark.parametrize(
    ("made", "reason", "said"),
    [
        (workers(IDLE, restartPolicy="Always"), "TemplateRefused", "restartPolicy"),
        ({"template": {}}, "TemplateRefused", "spec.template.spec.containers: Required value"),
    ],
)
def test_a_pool_that_the_api_server_refuses_is_said(
    cluster: Cluster, made: dict[str, Any], reason: str, said: str
) -> None:
    cluster.create_list("no-pool", source={"kind": "range", "stop": 5}, workers=made)
    cluster.kubectl("wait", "--for=condition=WorkersReady=False", "worklist/no-pool", "--timeout=20s")
    told = next(one for one in cluster.status("worklist", "no-pool")["conditions"] if one["type"] == "WorkersReady")
    assert told["reason"] == reason
    assert said in told["message"]
    cluster.kubectl("delete", "worklist", "no-pool")


def test_a_namespace_with_a_pool_goes_while_a_controller_runs(cluster: Cluster, tmp_path: Path) -> None:
    namespace = f"{cluster.namespace}-pool"
    there = f"--namespace={namespace}"
    cluster.kubectl("create", "namespace", namespace)
    controller = Controller(namespace, Path(os.environ["KUBECONFIG"]), tmp_path / "log")
    try:
        spec = {"source": {"kind": "range", "stop": 5}, "workers": workers(IDLE)}
        version = {"apiVersion": "teamtask.io/v1alpha1", "kind": "Worklist"}
        cluster.kubectl("create", "-f", "-", there, given=version | {"metadata": {"name": "going"}, "spec": spec})
        cluster.wait(lambda: cluster.kubectl("get", "pods", there).count("Running") == 2)
        patient = ("--timeout=120s", "--request-timeout=0")
        cluster.kubectl("delete", "namespace", namespace, *patient)
    finally:
        controller.stop(signal.SIGKILL)


def test_a_pod_of_a_pool_may_be_restarted_in_its_place(cluster: Cluster) -> None:
    again = workers(IDLE, replicas=1, restartPolicy="OnFailure")
    cluster.create_list("restarting", source={"kind": "range", "stop": 5}, workers=again)
    cluster.wait(lambda: len(pods(cluster, "restarting")) == 1)
    assert "podFailurePolicy" not in job(cluster, "restarting")["spec"]
    cluster.kubectl("delete", "worklist", "restarting")
