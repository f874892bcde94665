"""Quotas on blocks and on pods: whoever meets one waits for it, says so and goes on when there is room."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from conftest import Cluster, Controller, controllers_account
from lists_with_pods import ITEMS, condition, create, template, wait_for_end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BLOCKS = "count/blocks.teamtask.io"
ONE_BLOCK = f"exceeded quota: few, requested: {BLOCKS}=1, used: {BLOCKS}=1, limited: {BLOCKS}=1"
LOOP = """
import sys, teamtask
for block in teamtask.Client(sys.argv[2], token=sys.argv[4]).work("waited"):
    for item in block:
        block.result(item, item)
    block.done()
"""
WORKERS = {
    "command": ["-m", "teamtask", "work", "waited", "--quiet", "--url", "{url}", "--token", "{token}", "--", "echo"],
    "loop": ["-c", LOOP, "--url", "{url}", "--token", "{token}"],
}


@pytest.fixture(scope="module")
def there(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Give a namespace with a controller, whose quotas meet nobody else."""
    there = Cluster()
    there.namespace = f"{cluster.namespace}-quotas"
    there.kubectl("create", "namespace", there.namespace)
    folder = tmp_path_factory.mktemp("quotas")
    controller = Controller(there.namespace, controllers_account(there, folder), folder / "log")
    there.kubectl("create", "serviceaccount", "worker")
    account = f"--serviceaccount={there.namespace}:worker"
    there.kubectl("create", "rolebinding", "worker", "--clusterrole=teamtask-worker", account)
    yield there
    there.kubectl("delete", "worklists,blocks", "--all", "--timeout=60s", "--request-timeout=70s")
    there.kubectl("delete", "namespace", there.namespace, "--wait=false")
    assert controller.stop() == 0, controller.said()
    assert "Traceback" not in controller.said()


@pytest.fixture
def limit(there: Cluster) -> Iterator[Callable[..., None]]:
    """Have no more than so many objects of a kind; again, to have more of them."""

    def limit(what: str, most: int) -> None:
        quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}}
        there.kubectl("apply", "-f", "-", given=quota | {"spec": {"hard": {what: str(most)}}})
        there.wait(lambda: there.status("quota", "few").get("hard", {}).get(what) == str(most))

    yield limit
    there.kubectl("delete", "quota", "few")


@pytest.fixture
def start(there: Cluster, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a worker on the list `waited`, whose words go to the file `said`."""
    words = {"url": f"k8s:///{there.namespace}", "token": there.kubectl("create", "token", "worker").strip()}
    started: list[subprocess.Popen[bytes]] = []

    def start(kind: str, token: str = words["token"]) -> subprocess.Popen[bytes]:
        own = words | {"token": token}
        command = [sys.executable, *(word.format(**own) if "{" in word[:1] else word for word in WORKERS[kind])]
        environment = os.environ | {"XDG_STATE_HOME": str(tmp_path)}
        with (tmp_path / "said").open("wb") as said:
            started.append(subprocess.Popen(command, env=environment, stdout=said, stderr=said))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.wait()


def occupy(there: Cluster) -> None:
    """Have one block there, and a list that has none."""
    there.create_list("other", source={"kind": "range", "stop": 9})
    there.create_block("occupant", "other")
    there.create_list("waited", source={"kind": "range", "stop": 6}, block={"size": 2})


def workers_ready(there: Cluster, name: str) -> tuple[str, str]:
    found = condition(there.status("worklist", name), "WorkersReady")
    return found.get("reason", ""), found.get("message", "")


@pytest.mark.parametrize("kind", list(WORKERS))
def test_a_worker_says_once_that_a_quota_has_no_room_for_its_block_and_works_when_it_has(
    there: Cluster, limit: Callable[..., None], start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path, kind: str
) -> None:
    limit(BLOCKS, 1)
    occupy(there)
    worker, said = start(kind), tmp_path / "said"
    sentence = f"No room for a block of this worker: {ONE_BLOCK}. Waiting until there is."
    there.wait(lambda: sentence in said.read_text())
    time.sleep(4)  # it is refused some more times
    there.kubectl("delete", "block", "occupant")
    assert worker.wait(60) == 0, said.read_text()
    assert said.read_text().count("No room") == 1
    assert "Traceback" not in said.read_text()
    assert there.status("worklist", "waited")["completed"] == "0-5"
    there.kubectl("delete", "worklist", "waited", "other")


def test_a_container_that_begins_again_has_its_pods_block_though_a_quota_has_no_room(
    there: Cluster, limit: Callable[..., None], start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    container = {"name": "a", "image": "none"}
    spec = {"serviceAccountName": "worker", "schedulerName": "none", "containers": [container]}
    there.kubectl(
        "create", "-f", "-", given={"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "again"}, "spec": spec}
    )
    bound = ("--bound-object-kind=Pod", "--bound-object-name=again")
    token = there.kubectl("create", "token", "worker", *bound).strip()
    limit(BLOCKS, 1)
    there.create_list("waited", source={"kind": "range", "stop": 6}, block={"size": 2})
    metadata = {"name": "again", "finalizers": ["teamtask.io/uncounted"]}
    block = {
        "listRef": {"name": "waited"},
        "holder": f"system:serviceaccount:{there.namespace}:worker",
        "holderPod": "again",
    }
    document = {"apiVersion": "teamtask.io/v1alpha1", "kind": "Block", "metadata": metadata, "spec": block}
    there.kubectl(f"--token={token}", "create", "-f", "-", given=document)
    assert start("command", token).wait(60) == 0
    assert "No room" not in (tmp_path / "said").read_text()
    assert there.status("worklist", "waited")["completed"] == "0-5"
    there.kubectl("delete", "pod", "again", "--force")
    there.kubectl("delete", "worklist", "waited")


def test_a_worker_that_waits_for_a_quota_ends_at_ctrl_c(
    there: Cluster, limit: Callable[..., None], start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    limit(BLOCKS, 1)
    occupy(there)
    worker = start("command")
    there.wait(lambda: "No room" in (tmp_path / "said").read_text())
    worker.send_signal(signal.SIGINT)
    assert worker.wait(5) == 130
    there.kubectl("delete", "block", "occupant")
    there.kubectl("delete", "worklist", "waited", "other")


def test_whoever_makes_blocks_by_kubectl_reads_what_the_quota_allows(
    there: Cluster, limit: Callable[..., None]
) -> None:
    limit(BLOCKS, 1)
    occupy(there)
    with pytest.raises(AssertionError, match=f'blocks.teamtask.io "one-more" is forbidden: {ONE_BLOCK}'):
        there.create_block("one-more", "waited")
    there.kubectl("delete", "block", "occupant")
    there.kubectl("delete", "worklist", "waited", "other")


def test_a_list_too_many_is_refused_with_what_the_quota_allows(there: Cluster, limit: Callable[..., None]) -> None:
    limit("count/worklists.teamtask.io", 0)
    create = ("create", "one-more", "--range", "0:3", "--url", f"k8s:///{there.namespace}")
    done = subprocess.run([sys.executable, "-m", "teamtask", *create], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'worklists.teamtask.io "one-more" is forbidden: exceeded quota: few' in done.stderr
    assert "kubectl describe quota" in done.stderr


def test_a_list_with_pods_works_with_as_many_blocks_as_a_quota_has_room_for(
    there: Cluster, limit: Callable[..., None]
) -> None:
    limit(BLOCKS, 1)
    create(there, "few-blocks", "sleep 1", ITEMS[:12], replicas=3)
    there.wait(lambda: workers_ready(there, "few-blocks") == ("QuotaExceeded", ONE_BLOCK))
    there.wait(lambda: there.status("worklist", "few-blocks").get("completedItems", 0) >= 2)
    assert len(there.kubectl("get", "blocks", "-o", "name").split()) == 1
    limit(BLOCKS, 3)
    there.wait(lambda: len(there.kubectl("get", "blocks", "-o", "name").split()) == 3)
    assert wait_for_end(there, "few-blocks", "Complete")["completed"] == "0-11"
    there.wait(lambda: workers_ready(there, "few-blocks")[0] == "NoneNeeded")
    there.kubectl("delete", "worklist", "few-blocks")


def test_a_pool_that_lacks_pods_says_which_quota_has_no_room_for_them(
    there: Cluster, limit: Callable[..., None]
) -> None:
    limit("pods", 0)
    workers = {"mode": "Pool", "replicas": 3, "template": template("sleep 1000")}
    there.create_list("few-pods", source={"kind": "range", "stop": 9}, workers=workers)
    words = "exceeded quota: few, requested: pods=1, used: pods=0, limited: pods=0"
    there.wait(lambda: workers_ready(there, "few-pods") == ("QuotaExceeded", words))
    limit("pods", 3)
    there.wait(lambda: workers_ready(there, "few-pods")[0] == "Running")
    assert there.status("worklist", "few-pods")["workerPods"] == 3
    there.kubectl("delete", "worklist", "few-pods")
    there.wait(lambda: not json.loads(there.kubectl("get", "pods", "-o", "json"))["items"])
