"""What a list and its Blocks say of their pods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pods_in_memory import QUOTA, ObjectsAndPods

if TYPE_CHECKING:
    from teamtask.kube import objects as o


def begun(quota: int = 10_000) -> ObjectsAndPods:
    objects = ObjectsAndPods(2, source={"kind": "range", "stop": 9}, block={"size": 1}, leaseSeconds=60)
    objects.quota = quota
    for _ in range(6):
        objects.see()
        objects.look()
    return objects


def workers_ready(objects: ObjectsAndPods) -> o.Condition:
    return next(one for one in objects.worklist.status.conditions if one.type == "WorkersReady")


def test_a_list_says_how_many_pods_it_has_and_why_there_are_no_more() -> None:
    status = begun().worklist.status
    assert (status.worker_pods, status.worker_selector) == (2, "teamtask.io/worklist=list")
    assert workers_ready(begun()).status == "True"
    refused = begun(quota=1)
    told = workers_ready(refused)
    assert (told.status, told.reason, told.message) == ("False", *QUOTA)
    assert refused.worklist.status.worker_pods == 1


def test_a_list_without_workers_says_nothing_of_them() -> None:
    objects = begun()
    objects.change(workers=None)
    objects.look()
    assert "WorkersReady" not in [one.type for one in objects.worklist.status.conditions]


def test_a_block_says_why_it_has_no_pod_once_and_until_it_has_one() -> None:
    objects = begun(quota=1)
    status = objects.blocks["list-1"].status
    assert (status.phase, status.ready) == ("Ready", "0/1")
    assert [(one.status, one.reason, one.message) for one in status.conditions] == [("False", *QUOTA)]
    before = dict(objects.blocks)
    objects.look()
    assert objects.blocks == before
    objects.quota = 2
    for _ in range(3):
        objects.look()
    status = objects.blocks["list-1"].status
    assert (status.ready, status.conditions[0].reason) == ("1/1", "Assigned")


def test_the_lease_of_a_blocks_pod_is_renewed_without_a_write() -> None:
    objects = begun()
    before = dict(objects.blocks)
    for _ in range(9):
        objects.now += 30
        objects.look()
    assert objects.blocks == before
