"""Results, folds and what owners ask for, on a real API server with the controller's own role."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Cluster

pytestmark = pytest.mark.usefixtures("controller")


def test_results_are_read_with_kubectl_and_go_with_their_list(cluster: Cluster) -> None:
    cluster.create_list("kept", source={"kind": "lines", "items": ["a", "b", "c"]}, block={"size": 3})
    cluster.create_block("one", "kept")
    cluster.wait_for_assignment("one", 1)
    results = [{"index": 1, "value": None, "ok": False}, {"index": 0, "value": {"word": "ä", "n": [1, None]}}]
    cluster.report("one", 1, "Completed", results=results)
    cluster.kubectl("wait", "--for=condition=Complete", "worklist/kept", "--timeout=20s")
    rows = json.loads(cluster.kubectl("get", "configmap", "kept-results", "-o", "jsonpath={.data}"))
    assert json.loads(rows["0"]) == {
        "seq": 0, "index": 0, "item": "a", "result": {"word": "ä", "n": [1, None]}, "ok": True, "worker": "one"
    }  # fmt: skip
    assert json.loads(rows["1"])["result"] is None
    assert cluster.kubectl("get", "lists", "kept", "--no-headers").split()[1:5] == ["Complete", "3/3", "0", "1"]
    change = {"spec": {"rerun": {"revision": 1, "ranges": "1"}}}
    cluster.kubectl("patch", "worklist", "kept", "--type=merge", "-p", json.dumps(change))
    assert cluster.wait_for_assignment("one", 2)["index"] == 1
    cluster.report("one", 2, "Completed", results=[{"index": 1, "value": "again"}])
    cluster.wait(lambda: cluster.status("worklist", "kept")["phase"] == "Complete")
    rows = json.loads(cluster.kubectl("get", "configmap", "kept-results", "-o", "jsonpath={.data}"))
    assert json.loads(rows["1"])["result"] == "again"
    cluster.kubectl("delete", "block", "one")
    cluster.kubectl("delete", "worklist", "kept")
    cluster.wait(lambda: "NotFound" in cluster.kubectl("get", "configmap", "kept-results", check=False))


def test_a_list_that_keeps_failed_results_alone_is_told_so_by_a_patch(cluster: Cluster) -> None:
    cluster.create_list("few-kept", source={"kind": "range", "stop": 4}, block={"size": 2}, results={"keep": "None"})
    cluster.create_block("keeper", "few-kept")
    cluster.wait_for_assignment("keeper", 1)
    cluster.report("keeper", 1, "Completed", results=[{"index": 0, "value": "lost", "ok": False}])
    cluster.wait_for_assignment("keeper", 2)
    wrong = cluster.kubectl(
        "patch", "worklist", "few-kept", "--type=merge", '-p={"spec": {"results": {"keep": "Some"}}}', check=False
    )
    assert "spec.results.keep" in wrong
    never = cluster.kubectl(
        "patch", "worklist", "few-kept", "--type=merge", '-p={"spec": {"stopAfterResults": 1}}', check=False
    )
    assert "stopAfterResults would never be reached" in never
    cluster.kubectl("patch", "worklist", "few-kept", "--type=merge", '-p={"spec": {"results": {"keep": "Failed"}}}')
    results = [{"index": 2, "value": "fine"}, {"index": 3, "value": "down", "ok": False}]
    cluster.report("keeper", 2, "Completed", results=results)
    cluster.kubectl("wait", "--for=condition=Complete", "worklist/few-kept", "--timeout=20s")
    rows = json.loads(cluster.kubectl("get", "configmap", "few-kept-results", "-o", "jsonpath={.data}"))
    assert list(rows) == ["3"]
    assert cluster.status("worklist", "few-kept")["results"] == 1
    cluster.kubectl("delete", "block", "keeper")
    cluster.kubectl("delete", "worklist", "few-kept")


def test_a_config_map_of_somebody_else_is_not_written_to(cluster: Cluster) -> None:
    cluster.kubectl("create", "configmap", "foreign", "--from-literal=mine=1")
    cluster.create_list("thief", source={"kind": "range", "stop": 3}, results={"configMap": "foreign"})
    cluster.kubectl("wait", "--for=condition=Accepted=False", "worklist/thief", "--timeout=20s")
    assert "not of this list" in cluster.status("worklist", "thief")["conditions"][0]["message"]
    change = {"spec": {"results": {"configMap": "thief-results"}}}
    cluster.kubectl("patch", "worklist", "thief", "--type=merge", "-p", json.dumps(change))
    cluster.kubectl("wait", "--for=condition=Accepted", "worklist/thief", "--timeout=20s")
    cluster.kubectl("delete", "worklist", "thief")
    cluster.kubectl("delete", "configmap", "foreign")


def test_a_fold_is_in_the_status_and_a_finished_list_goes_in_time(cluster: Cluster) -> None:
    cluster.create_list(
        "with-fold", source={"kind": "range", "stop": 6}, block={"size": 3}, fold={"top": 2}, ttlSecondsAfterFinished=2
    )
    cluster.create_block("one", "with-fold")
    cluster.wait_for_assignment("one", 1)
    cluster.report("one", 1, "Completed", fold=[2, 1])
    cluster.wait_for_assignment("one", 2)
    assert cluster.status("worklist", "with-fold")["fold"] == [2, 1]
    cluster.report("one", 2, "Completed", fold=[5, 4])
    cluster.wait(lambda: "NotFound" in cluster.kubectl("get", "worklist", "with-fold", check=False))
    cluster.kubectl("delete", "block", "one")


def test_a_list_with_a_deadline_ends_there(cluster: Cluster) -> None:
    cluster.create_list("late", source={"kind": "range", "stop": 6}, block={"size": 3}, activeDeadlineSeconds=2)
    cluster.create_block("one", "late")
    cluster.wait_for_assignment("one", 1)
    cluster.kubectl("wait", "--for=condition=Finished", "worklist/late", "--timeout=20s")
    failed = next(one for one in cluster.status("worklist", "late")["conditions"] if one["type"] == "Failed")
    assert (failed["status"], failed["reason"]) == ("True", "DeadlineExceeded")
    cluster.kubectl("delete", "block", "one")
    cluster.kubectl("delete", "worklist", "late")


def test_results_that_the_namespace_may_not_keep_are_waited_for_and_said(cluster: Cluster) -> None:
    spec = {"hard": {"count/configmaps": "0"}}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": spec}
    cluster.kubectl("create", "-f", "-", given=quota)
    cluster.wait(lambda: "used" in json.loads(cluster.kubectl("get", "quota", "none", "-o", "json"))["status"])
    cluster.create_list("unkept", source={"kind": "range", "stop": 2}, block={"size": 2})
    cluster.create_block("one", "unkept")
    cluster.wait_for_assignment("one", 1)
    cluster.report("one", 1, "Completed", results=[{"index": 0, "value": 1}])
    cluster.kubectl("wait", "--for=condition=Throttled", "worklist/unkept", "--timeout=20s")
    throttled = next(one for one in cluster.status("worklist", "unkept")["conditions"] if one["type"] == "Throttled")
    assert throttled["reason"] == "ResultsRefused"
    assert "exceeded quota: none" in throttled["message"]
    cluster.kubectl("delete", "quota", "none")
    cluster.kubectl("wait", "--for=condition=Complete", "worklist/unkept", "--timeout=30s")
    assert '"result":1' in cluster.kubectl("get", "configmap", "unkept-results", "-o", "jsonpath={.data.0}")
    cluster.kubectl("delete", "block", "one")
    cluster.kubectl("delete", "worklist", "unkept")
