"""What the API server refuses by itself: another's block, another pod's, a report on what is over."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Cluster

pytestmark = pytest.mark.usefixtures("controller")


def block(name: str, of: str, holder: str, **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "finalizers": ["teamtask.io/uncounted"]} | fields.pop("metadata", {})
    spec = {"listRef": {"name": of}, "holder": holder} | fields
    return {"apiVersion": "teamtask.io/v1alpha1", "kind": "Block", "metadata": metadata, "spec": spec}


def report(sequence: int) -> str:
    return json.dumps({"spec": {"report": {"sequence": sequence, "state": "Completed"}}})


@pytest.fixture(scope="module")
def workers(cluster: Cluster) -> dict[str, Callable[..., str]]:
    """Give kubectl as each of two accounts that may work, and no more."""
    cluster.kubectl("create", "rolebinding", "workers", "--clusterrole=teamtask-worker",
                    *(f"--serviceaccount={cluster.namespace}:{name}" for name in ("one", "two")))  # fmt: skip
    found = {}
    for name in ("one", "two"):
        cluster.kubectl("create", "serviceaccount", name)
        token = cluster.kubectl("create", "token", name).strip()
        found[name] = as_whoever_has(cluster, token)
    return found


def as_whoever_has(cluster: Cluster, token: str) -> Callable[..., str]:
    def run(*arguments: str, given: object = None) -> str:
        return cluster.kubectl(f"--token={token}", *arguments, given=given, check=False)

    return run


def user(cluster: Cluster, name: str) -> str:
    return f"system:serviceaccount:{cluster.namespace}:{name}"


def test_a_worker_makes_reports_on_and_deletes_its_own_block(cluster: Cluster, workers: Any) -> None:
    cluster.create_list("own", source={"kind": "range", "stop": 10}, block={"size": 5})
    one = workers["one"]
    assert "created" in one("create", "-f", "-", given=block("own-1", "own", user(cluster, "one")))
    cluster.wait_for_assignment("own-1", 1)
    assert "patched" in one("patch", "block", "own-1", "--type=merge", "-p", report(1))
    cluster.wait_for_assignment("own-1", 2)
    assert "deleted" in one("delete", "block", "own-1")
    assert cluster.status("worklist", "own")["completed"] == "0-4"


def test_nobody_holds_a_block_in_anothers_name(cluster: Cluster, workers: Any) -> None:
    said = workers["one"]("create", "-f", "-", given=block("false", "own", user(cluster, "two")))
    assert "A block belongs to its holder" in said


def test_nobody_reports_on_anothers_block_or_takes_it_away(cluster: Cluster, workers: Any) -> None:
    cluster.create_list("theirs", source={"kind": "range", "stop": 10}, block={"size": 5})
    workers["two"]("create", "-f", "-", given=block("theirs-1", "theirs", user(cluster, "two")))
    cluster.wait_for_assignment("theirs-1", 1)
    one = workers["one"]
    assert "A block belongs to its holder" in one("patch", "block", "theirs-1", "--type=merge", "-p", report(1))
    assert "A block belongs to its holder" in one("delete", "block", "theirs-1")
    mine = json.dumps({"spec": {"holder": user(cluster, "one")}})
    assert "keeps its list and its holder" in one("patch", "block", "theirs-1", "--type=merge", "-p", mine)
    time.sleep(1)
    assert cluster.status("worklist", "theirs")["completed"] == ""


def test_a_report_on_an_assignment_that_is_over_is_refused(cluster: Cluster, workers: Any) -> None:
    cluster.create_list("over", source={"kind": "range", "stop": 10}, block={"size": 5})
    one = workers["one"]
    one("create", "-f", "-", given=block("over-1", "over", user(cluster, "one")))
    cluster.wait_for_assignment("over-1", 1)
    assert "patched" in one("patch", "block", "over-1", "--type=merge", "-p", report(1))
    cluster.wait_for_assignment("over-1", 2)
    late = json.dumps({"spec": {"report": {"sequence": 1, "state": "Failed"}}})
    assert "on an assignment that is over" in one("patch", "block", "over-1", "--type=merge", "-p", late)
    assert cluster.status("worklist", "over")["completed"] == "0-4"


@pytest.mark.parametrize("patch", [{"metadata": {"finalizers": []}}, {"metadata": {"finalizers": None}}])
def test_a_block_is_counted_before_it_goes(cluster: Cluster, workers: Any, patch: dict[str, Any]) -> None:
    one = workers["one"]
    without = block("uncounted", "own", user(cluster, "one"), metadata={"finalizers": []})
    assert "has the finalizer" in one("create", "-f", "-", given=without)
    one("create", "-f", "-", given=block("uncounted", "own", user(cluster, "one")))
    assert "has the finalizer" in one("patch", "block", "uncounted", "--type=merge", "-p", json.dumps(patch))
    one("delete", "block", "uncounted")


def test_a_pod_holds_the_block_of_its_name_and_no_other(cluster: Cluster, workers: Any) -> None:
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod-a"},
        "spec": {"serviceAccountName": "one", "schedulerName": "none", "containers": [{"name": "a", "image": "none"}]},
    }  # fmt: skip
    cluster.kubectl("create", "-f", "-", given=pod)
    token = cluster.kubectl("create", "token", "one", "--bound-object-kind=Pod", "--bound-object-name=pod-a").strip()
    inside, holder = as_whoever_has(cluster, token), user(cluster, "one")
    said = inside("create", "-f", "-", given=block("pod-b", "own", holder, holderPod="pod-a"))
    assert "has the pod's name" in said
    assert "holds its own block" in inside("create", "-f", "-", given=block("pod-a", "own", holder, holderPod="pod-b"))
    assert "holds its own block" in inside("create", "-f", "-", given=block("pod-a", "own", holder))
    outside = workers["one"]("create", "-f", "-", given=block("pod-a", "own", holder, holderPod="pod-a"))
    assert "holds its own block" in outside
    assert "created" in inside("create", "-f", "-", given=block("pod-a", "own", holder, holderPod="pod-a"))
    inside("delete", "block", "pod-a")


def test_a_worker_writes_no_status_and_no_list(cluster: Cluster, workers: Any) -> None:
    one = workers["one"]
    status = json.dumps({"status": {"phase": "Ready"}})
    assert "is forbidden" in one("patch", "worklist", "own", "--subresource=status", "--type=merge", "-p", status)
    assert "cannot delete resource" in one("delete", "worklist", "own")
    one("create", "-f", "-", given=block("own-2", "own", user(cluster, "one")))
    said = one("patch", "block", "own-2", "--subresource=status", "--type=merge", "-p", status)
    assert "is forbidden" in said
    one("delete", "block", "own-2")


def test_a_list_that_names_its_workers_gives_work_to_them_alone(cluster: Cluster, workers: Any) -> None:
    group = f"system:serviceaccounts:{cluster.namespace}"
    for name, access in (
        ("account", {"kind": "ServiceAccount", "name": "one"}),
        ("group", {"kind": "Group", "name": group}),
    ):
        cluster.create_list(f"for-{name}", source={"kind": "range", "stop": 10}, block={"size": 5}, access=[access])
    workers["two"]("create", "-f", "-", given=block("two-a", "for-account", user(cluster, "two")))
    workers["one"]("create", "-f", "-", given=block("one-a", "for-account", user(cluster, "one")))
    workers["two"]("create", "-f", "-", given=block("two-g", "for-group", user(cluster, "two")))
    workers["one"]("create", "-f", "-", given=block("one-g", "for-group", user(cluster, "one"), holderGroups=[group]))
    for name in ("one-a", "one-g"):
        cluster.wait_for_assignment(name, 1)
    for name in ("two-a", "two-g"):
        assert cluster.status("block", name)["conditions"][0]["reason"] == "NotPermitted"
    said = workers["two"](
        "create", "-f", "-", given=block("no", "for-group", user(cluster, "two"), holderGroups=["root"])
    )
    assert "groups of the user who makes the block" in said
    later = json.dumps({"spec": {"holderGroups": [group]}})
    assert "keeps its list and its holder" in workers["two"]("patch", "block", "two-g", "--type=merge", "-p", later)


@pytest.mark.parametrize(
    "owner",
    [
        {"kind": "Worklist", "controller": True},
        {"kind": "WorkList", "controller": True},
        {"kind": "Worklist"},
        {"apiVersion": "v1", "kind": "Pod", "name": "sly", "controller": True},
        {"apiVersion": "v1", "kind": "Pod", "name": "sly"},
    ],
)
def test_nobody_has_a_pod_made_by_giving_a_block_to_its_list(
    cluster: Cluster, workers: Any, podless: str, owner: dict[str, Any]
) -> None:
    one, holder = workers["one"], user(cluster, "one")
    owners = [{"apiVersion": "teamtask.io/v1alpha1", "name": "podless", "uid": podless} | owner]
    metadata = {"name": "sly", "ownerReferences": owners}
    said = one("create", "-f", "-", given=block("sly", "podless", holder, metadata=metadata))
    assert "belongs to its Worklist is the controller's" in said
    one("create", "-f", "-", given=block("later", "podless", holder))
    patch = json.dumps({"metadata": {"ownerReferences": owners}})
    assert "belongs to its Worklist is the controller's" in one("patch", "block", "later", "--type=merge", "-p", patch)
    one("delete", "block", "later")


@pytest.fixture(scope="module")
def podless(cluster: Cluster) -> str:
    """Make a list; give its uid."""
    cluster.create_list("podless", source={"kind": "range", "stop": 10}, block={"size": 5})
    return str(json.loads(cluster.kubectl("get", "worklist", "podless", "-o", "json"))["metadata"]["uid"])


def test_a_pods_block_may_go_with_its_pod_and_with_no_other(cluster: Cluster, workers: Any, podless: str) -> None:
    assert workers
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod-o"},
        "spec": {"serviceAccountName": "one", "schedulerName": "none", "containers": [{"name": "a", "image": "none"}]},
    }  # fmt: skip
    cluster.kubectl("create", "-f", "-", given=pod)
    uid = json.loads(cluster.kubectl("get", "pod", "pod-o", "-o", "json"))["metadata"]["uid"]
    token = cluster.kubectl("create", "token", "one", "--bound-object-kind=Pod", "--bound-object-name=pod-o").strip()
    inside = as_whoever_has(cluster, token)

    def made(*owners: dict[str, Any]) -> str:
        metadata = {"name": "pod-o", "ownerReferences": list(owners)}
        given = block("pod-o", "podless", user(cluster, "one"), holderPod="pod-o", metadata=metadata)
        return inside("create", "-f", "-", given=given)

    own = {"apiVersion": "v1", "kind": "Pod", "name": "pod-o", "uid": uid}
    refusal = "belongs to its Worklist is the controller's"
    assert refusal in made(own | {"controller": True})
    assert refusal in made(own | {"apiVersion": "teamtask.io/v1alpha1"})
    assert refusal in made(own, own | {"name": "pod-p", "uid": podless})
    assert "created" in made(own)
    inside("delete", "block", "pod-o")


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("system:kube-controller-manager", '"collected" deleted'),
        ("system:serviceaccount:kube-system:generic-garbage-collector", '"collected" deleted'),
        ("system:kube-scheduler", "A block belongs to its holder"),
    ],
)
def test_kubernetes_own_controllers_take_blocks_away_and_no_other_of_its_accounts(
    cluster: Cluster, workers: Any, podless: str, name: str, answer: str
) -> None:
    assert podless
    workers["one"]("create", "-f", "-", given=block("collected", "podless", user(cluster, "one")))
    cluster.kubectl("create", "rolebinding", "collector", "--clusterrole=teamtask-worker", f"--user={name}")
    try:
        delete = ("delete", "block", "collected", f"--as={name}")
        cluster.wait(lambda: answer in cluster.kubectl(*delete, check=False))  # once the role binding has come around
    finally:
        cluster.kubectl("delete", "rolebinding", "collector")
        workers["one"]("delete", "block", "collected", "--ignore-not-found")


def test_which_indices_a_list_works_is_said_once(cluster: Cluster) -> None:
    cluster.create_list("few", source={"kind": "range", "stop": 10}, only="3-4")
    change = json.dumps({"spec": {"only": "3-5"}})
    said = cluster.kubectl("patch", "worklist", "few", "--type=merge", "-p", change, check=False)
    assert "when a list is made" in said
