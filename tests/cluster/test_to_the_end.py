"""Lists are worked to their end, each index counted once, whatever happens to controllers, pods and the node.

A run prints its seed, and goes the same way with TEAMTASK_SEED, as far as a cluster does anything twice.
"""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import files
import pytest
from conftest import Controller
from storm import Storm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Cluster

pytestmark = pytest.mark.skipif(
    not files.is_ours(), reason="this drains the node of `make cluster`, and KUBECONFIG names none or another cluster"
)

NAMES = POOL, SINGLE = "pool-to-the-end", "single-to-the-end"
POOL_ITEMS, POOL_PODS, BLOCK_SIZE = 4_000, 20, 5
SINGLE_ITEMS, SINGLE_PODS = 80, 4
KILLS = 3
END_SECONDS = 240
FACTOR, MODULUS = 2654435761, 2**31  # an index gives a value that no few others add up to
POOL_WORKER = f"""
import os, time, teamtask
record = open("/record/" + os.environ["POD_NAME"], "a", buffering=1)
for block in teamtask.Client("k8s://").work(os.environ["TEAMTASK_LIST"]):
    total = 0
    for item in block:
        time.sleep(0.2)
        print(item, file=record)
        total += item * {FACTOR} % {MODULUS}
    block.done(fold=total)
"""
# Every other pod's first process is a shell, which hears no SIGTERM: its worker dies with no word to say.
POOL_COMMAND = 'test $((JOB_COMPLETION_INDEX % 2)) = 0 && exec python -c "$0"; python -c "$0"'
SINGLE_WORKER = f"""
echo $TEAMTASK_INDEX >> /record/$HOSTNAME
sleep 2.5
echo $((TEAMTASK_INDEX * {FACTOR} % {MODULUS})) > /dev/termination-log
"""


def total(items: int) -> int:
    return sum(item * FACTOR % MODULUS for item in range(items))


def workers(mode: str, replicas: int, image: str, record: Path, command: list[str]) -> dict[str, Any]:
    mounts = [{"name": "record", "mountPath": "/record"}]
    container = {"name": "main", "image": image, "command": command, "volumeMounts": mounts}
    spec = {
        "serviceAccountName": "to-the-end",
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": [{"name": "record", "hostPath": {"path": str(record)}}],
    }
    return {"mode": mode, "replicas": replicas, "template": {"spec": spec}}


def create(cluster: Cluster, image: str, records: dict[str, Path]) -> None:
    """Create a list with a pool, and one with a pod for each item."""
    cluster.kubectl("create", "serviceaccount", "to-the-end")
    subject = f"--serviceaccount={cluster.namespace}:to-the-end"
    cluster.kubectl("create", "rolebinding", "to-the-end", "--clusterrole=teamtask-worker", subject)
    for record in records.values():
        record.mkdir()
        record.chmod(0o777)  # the image's user is another one
    pool = workers("Pool", POOL_PODS, image, records[POOL], ["sh", "-c", POOL_COMMAND, POOL_WORKER])
    single = workers("PodPerBlock", SINGLE_PODS, image, records[SINGLE], ["sh", "-c", SINGLE_WORKER])
    for name, items, size, made in (
        (POOL, POOL_ITEMS, BLOCK_SIZE, pool),
        (SINGLE, SINGLE_ITEMS, 1, single),
    ):
        # An item that is in hand while its pod is killed may be what killed it: so often as here it is not.
        cluster.create_list(
            name, source={"kind": "range", "stop": items}, block={"size": size}, fold="sum", attempts=20,
            leaseSeconds=15, workers=made,
        )  # fmt: skip


class Story(NamedTuple):
    """How it ended: statuses of the lists, events by list, and how often each index was worked."""

    status: dict[str, dict[str, Any]]
    events: dict[str, Counter[str]]
    worked: dict[str, Counter[int]]


@pytest.fixture(scope="module")
def second(cluster: Cluster, account: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    second = Controller(cluster.namespace, account, tmp_path_factory.mktemp("second") / "log")
    yield second
    if second.process.poll() is None:
        second.stop(signal.SIGKILL)


@pytest.fixture(scope="module")
def story(
    cluster: Cluster, image: str, controller: Controller, second: Controller, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Story]:
    records = {name: tmp_path_factory.mktemp("records") / name for name in NAMES}
    try:
        create(cluster, image, records)
        endure(cluster, [controller, second])
        yield Story(
            {name: cluster.status("worklist", name) for name in NAMES},
            {name: events_of(cluster, name) for name in NAMES},
            {name: Counter(worked(record)) for name, record in records.items()},
        )
    finally:
        cluster.kubectl("delete", "worklist", *NAMES, "--ignore-not-found", "--wait=false")


def endure(cluster: Cluster, controllers: list[Controller]) -> None:
    """Have all of it happen to the lists, and see them end; the first controller leads in the end."""
    seed = int(os.environ.get("TEAMTASK_SEED") or random.randrange(1_000_000))
    print(f"TEAMTASK_SEED={seed}")
    storm = Storm(cluster, list(NAMES), seed)
    storm.wait(lambda: cluster.status("worklist", POOL).get("activeBlocks") == POOL_PODS)
    with storm:
        for _ in range(KILLS):
            storm.kill_leader(controllers)
            print(f"after {storm.seconds_without_leader[-1]:.1f} s one leads again")
            storm.wait(partial(has_done, cluster, POOL, done_of(cluster, POOL) + POOL_PODS * BLOCK_SIZE))
        storm.drain()
        for name in NAMES:
            cluster.kubectl("wait", "--for=condition=Finished", f"worklist/{name}", f"--timeout={END_SECONDS}s",
                            "--request-timeout=0")  # fmt: skip
    print(f"{storm.deleted} pods were deleted, {storm.forced} of them by force")
    first, second = controllers
    assert second.stop() == 0
    storm.wait(lambda: first.leads() and not storm.pods("Pending", "Running"))


def done_of(cluster: Cluster, name: str) -> int:
    return int(cluster.status("worklist", name)["completedItems"])


def has_done(cluster: Cluster, name: str, items: int) -> bool:
    return done_of(cluster, name) >= items


def worked(record: Path) -> Iterator[int]:
    for file in record.iterdir():
        yield from map(int, file.read_text().split())


def events_of(cluster: Cluster, name: str) -> Counter[str]:
    columns = "jsonpath={range .items[*]}{.reason}{'\\n'}{end}"
    selector = f"--field-selector=involvedObject.name={name},involvedObject.kind=Worklist"
    return Counter(cluster.kubectl("get", "events", selector, "-o", columns).split())


def left(cluster: Cluster, kinds: str = "blocks,jobs,pods,configmaps") -> set[str]:
    """Give the names of what there still is of the lists."""
    found = cluster.kubectl("get", kinds, "-o", "name").split()
    return {one.rpartition("/")[2] for one in found if "-to-the-end" in one}


@pytest.mark.parametrize(("name", "items"), [(POOL, POOL_ITEMS), (SINGLE, SINGLE_ITEMS)])
def test_a_list_ends_as_one_range_and_counts_each_index_once(story: Story, name: str, items: int) -> None:
    status = story.status[name]
    assert (status["phase"], status["completed"], status["parked"]) == ("Complete", f"0-{items - 1}", "")
    assert (status["completedItems"], status["fold"]) == (items, total(items))
    often = story.worked[name]
    assert set(often) == set(range(items)), "each was worked, as its workers say themselves"
    print(f"{name}: {often.total() - items} of {items} were worked again, {max(often.values())} times at most")
    assert story.events[name] >= Counter(["Accepted", "Unschedulable", "Complete", "Finished"])


def test_some_items_were_worked_more_than_once_as_pods_died_without_a_word(story: Story) -> None:
    assert story.worked[POOL].total() > POOL_ITEMS


@pytest.mark.usefixtures("story")
def test_blocks_go_with_the_end_of_a_list_and_all_else_with_the_list(cluster: Cluster) -> None:
    # A pod that was killed just before the end is kept by its Job, which would have tried its index again, and with it
    # its block.
    cluster.wait(lambda: left(cluster, "blocks") <= left(cluster, "pods"))
    cluster.kubectl("delete", "worklist", *NAMES)
    cluster.wait(lambda: not left(cluster))
