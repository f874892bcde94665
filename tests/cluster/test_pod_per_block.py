"""A list worked by pods of any image, one for each block, on a real cluster."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from lists_with_pods import GREET, ITEMS, condition, create, pods, results, template, wait_for_end, workers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Cluster, Controller

pytestmark = pytest.mark.usefixtures("controller")


def running(cluster: Cluster, name: str) -> list[str]:
    return [pod["metadata"]["name"] for pod in pods(cluster, name) if pod["status"]["phase"] == "Running"]


def nothing_is_left(cluster: Cluster, name: str) -> bool:
    blocks = [line.split("/")[1] for line in cluster.kubectl("get", "blocks", "-o", "name").split()]
    return not pods(cluster, name) and not any(block.startswith(f"{name}-") for block in blocks)


class Watched:
    """All that a watch has shown of the pods of a list."""

    def __init__(self, cluster: Cluster, name: str, log: Path) -> None:
        self._log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [cluster.program, f"--namespace={cluster.namespace}", "get", "pods", "--watch",
                 "-l", f"teamtask.io/worklist={name}", "--output-watch-events", "-o", "json"],
                stdout=out, stderr=subprocess.DEVNULL,
            )  # fmt: skip

    def most_at_once(self) -> int:
        """Give how many pods there were at most that had not ended."""
        there: set[str] = set()
        most = 0
        for event in self._events():
            pod = event["object"]
            over = event["type"] == "DELETED" or pod["status"].get("phase") in ("Succeeded", "Failed")
            (there.discard if over else there.add)(pod["metadata"]["name"])
            most = max(most, len(there))
        return most

    def _events(self) -> Iterator[dict[str, Any]]:
        text, decoder, at = self._log.read_text(), json.JSONDecoder(), 0
        while at < len(text.rstrip()):
            event, at = decoder.raw_decode(text, at)
            yield event
            while at < len(text) and text[at].isspace():
                at += 1


@pytest.fixture
def watched(cluster: Cluster, tmp_path: Path) -> Iterator[Any]:
    started: list[Watched] = []

    def watch(name: str) -> Watched:
        started.append(Watched(cluster, name, tmp_path / "watched"))
        return started[-1]

    yield watch
    for one in started:
        one.process.kill()
        one.process.wait()


def test_each_item_gets_a_pod_and_leaves_its_result(cluster: Cluster, watched: Any) -> None:
    seen = watched("greet")
    create(cluster, "greet", GREET)
    status = wait_for_end(cluster, "greet", "Complete")
    assert (status["completed"], status["completedItems"]) == ("0-19", 20)
    assert results(cluster, "greet") == {item: f"hello {item}" for item in ITEMS}
    cluster.wait(lambda: nothing_is_left(cluster, "greet"))
    assert 1 <= seen.most_at_once() <= 4


def test_an_item_that_fails_is_tried_again_and_parked_and_says_its_last_words(cluster: Cluster) -> None:
    create(
        cluster,
        "fails",
        'test "$TEAMTASK_ITEM" != b || { echo b is bad >&2; exit 3; }',
        ["a", "b", "c", "d"],
        attempts=2,
    )
    said: set[str] = set()

    def ends() -> bool:
        for block in json.loads(cluster.kubectl("get", "blocks", "-o", "json"))["items"]:
            said.add(block["spec"].get("report", {}).get("message", ""))
        return condition(cluster.status("worklist", "fails"), "Finished").get("status") == "True"

    cluster.wait(ends)
    status = cluster.status("worklist", "fails")
    assert (status["phase"], status["parked"], status["completed"]) == ("CompleteExcept", "1", "0,2-3")
    assert any("failed: exit code 3: b is bad" in message for message in said), said


def test_a_pod_that_is_deleted_is_no_failure(cluster: Cluster) -> None:
    create(cluster, "deleted", "sleep 3", ["a", "b"], replicas=2, attempts=1)
    cluster.wait(lambda: len(running(cluster, "deleted")) == 2)
    for name in running(cluster, "deleted"):
        cluster.kubectl("delete", "pod", name)
    status = wait_for_end(cluster, "deleted")
    assert (status["phase"], status["completed"]) == ("Complete", "0-1")


def test_a_quota_of_pods_is_kept_to_and_said(cluster: Cluster, watched: Any) -> None:
    quota = {
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"},
        "spec": {"hard": {"pods": str(3 + len(json.loads(cluster.kubectl("get", "pods", "-o", "json"))["items"]))}},
    }  # fmt: skip
    cluster.kubectl("create", "-f", "-", given=quota)
    cluster.wait(lambda: "pods" in cluster.status("resourcequota", "few").get("used", {}))
    seen = watched("quota")
    create(cluster, "quota", "sleep 1", ITEMS[:12], replicas=6)
    cluster.wait(
        lambda: condition(cluster.status("worklist", "quota"), "WorkersReady").get("reason") == "QuotaExceeded"
    )
    told = condition(cluster.status("worklist", "quota"), "WorkersReady")["message"]
    assert "exceeded quota: few" in told
    cluster.wait(lambda: "QuotaExceeded" in cluster.kubectl("get", "blocks", "-o", "json"))
    status = wait_for_end(cluster, "quota", "Complete")
    assert status["completed"] == "0-11"
    assert seen.most_at_once() == 3
    cluster.kubectl("delete", "resourcequota", "few")


def test_a_controller_that_is_killed_while_pods_work_loses_nothing(cluster: Cluster, controller: Controller) -> None:
    create(cluster, "killed-pods", f"sleep 1; {GREET}", attempts=1)
    cluster.wait(lambda: cluster.status("worklist", "killed-pods").get("completedItems", 0) >= 4)
    cluster.wait(lambda: running(cluster, "killed-pods"))
    controller.stop(signal.SIGKILL)
    cluster.wait(lambda: not running(cluster, "killed-pods"))  # they end, and nobody sees it
    controller.start()
    status = wait_for_end(cluster, "killed-pods", "Complete")
    assert (status["completed"], status["completedItems"]) == ("0-19", 20)
    assert results(cluster, "killed-pods") == {item: f"hello {item}" for item in ITEMS}


def test_a_suspended_list_starts_no_pod_and_lets_those_end_that_run(cluster: Cluster) -> None:
    create(cluster, "suspended", "sleep 4", ITEMS[:6], replicas=2)
    cluster.wait(lambda: len(running(cluster, "suspended")) == 2)
    cluster.kubectl("patch", "worklist", "suspended", "--type=merge", "-p", '{"spec": {"suspend": true}}')
    cluster.wait(lambda: cluster.status("worklist", "suspended")["completed"] == "0-1")
    time.sleep(2)
    assert pods(cluster, "suspended") == []
    cluster.kubectl("patch", "worklist", "suspended", "--type=merge", "-p", '{"spec": {"suspend": false}}')
    cluster.kubectl("scale", "worklist", "suspended", "--replicas=4")
    cluster.wait(lambda: len(pods(cluster, "suspended")) == 4)
    assert cluster.kubectl("get", "--raw", _scale_path(cluster, "suspended")).count('"replicas":4') == 2
    wait_for_end(cluster, "suspended", "Complete")


def _scale_path(cluster: Cluster, name: str) -> str:
    return f"/apis/teamtask.io/v1alpha1/namespaces/{cluster.namespace}/worklists/{name}/scale"


def test_a_pod_of_many_items_leaves_their_results_by_index(cluster: Cluster) -> None:
    say = 'echo "{\\"$TEAMTASK_INDEX\\": $TEAMTASK_SIZE}" > /dev/termination-log'
    create(cluster, "many", say, source={"kind": "range", "start": 100, "stop": 130}, block={"size": 10})
    wait_for_end(cluster, "many", "Complete")
    assert results(cluster, "many") == {100: 10, 110: 10, 120: 10}


def test_a_template_that_the_api_server_refuses_is_said_and_works_when_it_is_mended(cluster: Cluster) -> None:
    cluster.create_list(
        "typo", source={"kind": "range", "stop": 2}, block={"size": 1}, workers=workers("true", comand=["sh"])
    )
    cluster.kubectl("wait", "--for=condition=WorkersReady=False", "worklist/typo", "--timeout=20s")
    told = condition(cluster.status("worklist", "typo"), "WorkersReady")
    assert told["reason"] == "TemplateRefused"
    assert 'unknown field "spec.containers[0].comand"' in told["message"]
    mended = {"spec": {"workers": {"template": template("true")}}}
    cluster.kubectl("patch", "worklist", "typo", "--type=merge", "-p", json.dumps(mended))
    wait_for_end(cluster, "typo", "Complete")


def test_names_that_are_taken_are_said_and_waited_for(cluster: Cluster) -> None:
    taken = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "taken-0-1"},
        "spec": {"schedulerName": "none", "containers": [{"name": "main", "image": "none"}]},
    }  # fmt: skip
    cluster.kubectl("create", "-f", "-", given=taken)
    create(cluster, "taken", "true", ["a"])
    cluster.kubectl("wait", "--for=condition=WorkersReady=False", "worklist/taken", "--timeout=20s")
    told = condition(cluster.status("worklist", "taken"), "WorkersReady")
    assert (told["reason"], told["message"]) == ("NameTaken", "There is another Pod taken-0-1.")
    cluster.kubectl("delete", "pod", "taken-0-1")
    wait_for_end(cluster, "taken", "Complete")


def test_what_no_pod_can_be_given_is_said(cluster: Cluster) -> None:
    long = "a" * 60
    create(cluster, long, "true")
    cluster.kubectl("wait", "--for=condition=WorkersReady=False", f"worklist/{long}", "--timeout=20s")
    assert condition(cluster.status("worklist", long), "WorkersReady")["reason"] == "NameTooLong"
    cluster.kubectl("delete", "worklist", long)
    create(cluster, "unfit", "true", ["fits", "x" * 100_001], attempts=1)
    status = wait_for_end(cluster, "unfit")
    assert (status["completed"], status["parked"]) == ("0", "1")


def test_an_image_that_is_not_there_is_said(cluster: Cluster) -> None:
    missing = workers("true", image="teamtask.io/nothing:1", imagePullPolicy="Never")
    cluster.create_list("image", source={"kind": "range", "stop": 2}, block={"size": 1}, workers=missing)
    cluster.kubectl("wait", "--for=condition=WorkersReady=False", "worklist/image", "--timeout=20s")
    assert condition(cluster.status("worklist", "image"), "WorkersReady")["reason"] == "ErrImageNeverPull"
    cluster.wait(lambda: condition(cluster.status("block", "image-0"), "Ready").get("reason") == "ErrImageNeverPull")
    cluster.kubectl("delete", "worklist", "image")
    cluster.wait(lambda: nothing_is_left(cluster, "image"))
