"""What the owner of a Worklist can ask for: some indices only, again, and an end by time."""

from __future__ import annotations

import json

import pytest
from objects_in_memory import Objects

from teamtask.kube import objects as o
from teamtask.ledger.errors import InvalidField
from teamtask.ledger.invariants import check_invariants

RANGE = {"kind": "range", "stop": 30}


def work_all(objects: Objects) -> None:
    if "me" not in objects.blocks:
        objects.create("me")
    for _ in range(40):
        objects.reconcile()
        if objects.blocks["me"].status.phase == "Closed":
            return
        assigned = [
            i for one in objects.blocks["me"].status.assignments for i in range(one.index, one.index + one.size)
        ]
        objects.report("me", "Completed", results=[o.ReportedResult(index, "done") for index in assigned])
    raise AssertionError(objects.worklist.status)


def test_only_the_indices_that_are_named_are_handed_out() -> None:
    objects = Objects(source=RANGE, block={"size": 10}, only="3-5,20")
    work_all(objects)
    assert sorted(map(int, objects.results)) == [3, 4, 5, 20]
    assert (objects.worklist.status.phase, objects.worklist.status.completed) == ("Complete", "0-29")


def test_what_is_done_is_worked_again_once_for_each_revision() -> None:
    objects = Objects(source=RANGE, block={"size": 10})
    work_all(objects)
    objects.change(rerun=o.Rerun(1, "5-6,29"))
    objects.reconcile()
    status = objects.worklist.status
    assert (status.completed, status.results, status.rerun_revision, status.phase) == ("0-4,7-28", 27, 1, "Running")
    assert "5" not in objects.results
    objects.working = None
    objects.blocks.clear()
    work_all(objects)
    assert (objects.worklist.status.completed, objects.worklist.status.results) == ("0-29", 30)
    assert json.loads(objects.results["5"])["seq"] > 28
    objects.change(suspend=False)
    objects.reconcile()
    assert objects.worklist.status.phase == "Complete"


def test_a_rerun_brings_back_parked_items_too_and_a_suspended_list_goes_on() -> None:
    objects = Objects(source={"kind": "range", "stop": 2}, block={"size": 1}, attempts=1, maxParked=0)
    objects.create("me")
    objects.reconcile()
    objects.report("me", "Failed")
    objects.reconcile()
    assert (objects.worklist.status.phase, objects.worklist.status.parked) == ("Suspended", "0")
    objects.change(rerun=o.Rerun(1, "0-"))
    objects.reconcile()
    objects.reconcile()
    assert (objects.worklist.status.phase, objects.worklist.status.parked) == ("Running", "")
    assert objects.working is not None
    check_invariants(objects.working.ledger)


def test_a_rerun_that_cannot_be_is_told_and_the_list_goes_on() -> None:
    objects = Objects(source=RANGE, block={"size": 10})
    objects.change(rerun=o.Rerun(1, "40-50"))
    objects.reconcile()
    accepted = objects.worklist.status.conditions[0]
    assert (accepted.status, accepted.reason) == ("False", "RerunRefused")
    assert "40-50" in accepted.message
    work_all(objects)
    objects.change(rerun=o.Rerun(2, "0"))
    objects.reconcile()
    assert objects.worklist.status.conditions[0].status == "True"


def test_a_list_ends_at_its_deadline_and_goes_on_when_it_is_lifted() -> None:
    objects = Objects(source=RANGE, block={"size": 10}, activeDeadlineSeconds=100)
    objects.create("me")
    assert (objects.reconcile().wake_seconds or 0) + 70 > 90
    objects.now += 101
    objects.reconcile()
    status = objects.worklist.status
    assert status.phase == "Cancelled"
    true = {condition.type: condition.reason for condition in status.conditions if condition.status == "True"}
    assert true["Failed"] == "DeadlineExceeded"
    assert true["Finished"] == "Finished"
    objects.change(active_deadline_seconds=None)
    objects.reconcile()
    assert objects.worklist.status.phase == "Running"


def test_a_finished_list_goes_when_it_has_been_kept_long_enough() -> None:
    objects = Objects(source=RANGE, block={"size": 10}, ttlSecondsAfterFinished=60)
    work_all(objects)
    plan = objects.reconcile()
    assert not plan.is_over
    assert plan.wake_seconds is not None
    objects.now += plan.wake_seconds
    assert objects.reconcile().is_over


def test_a_range_may_grow_while_it_is_worked_and_when_it_is_done_and_never_shrinks() -> None:
    objects = Objects(source=RANGE, block={"size": 10})
    work_all(objects)
    for is_new_controller in (False, True):
        stop = 50 if is_new_controller else 40
        objects.change(source={"kind": "range", "stop": stop})
        objects.working = None if is_new_controller else objects.working
        objects.reconcile()
        assert (objects.worklist.status.phase, objects.worklist.status.size) == ("Running", stop)
        work_all(objects)
        assert objects.worklist.status.completed == f"0-{stop - 1}"
    for source in (RANGE, {"kind": "range", "stop": 60, "step": 2}, {"kind": "range", "stop": 60, "shuffle": 1}):
        objects.change(source=source)
        for working in (objects.working, None):
            objects.working = working
            with pytest.raises(InvalidField):
                objects.reconcile()
    objects.change(source={"kind": "range", "stop": 50})
    objects.working = None
    objects.reconcile()
    assert objects.worklist.status.phase == "Complete"
