"""Blocks whose pods have ended without a word."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from objects_in_memory import Objects

from teamtask.controller.working import LAST_WORDS_SECONDS


@pytest.fixture
def objects() -> Objects:
    objects = Objects(source={"kind": "range", "stop": 100}, block={"size": 10}, leaseSeconds=600)
    block = objects.create("pod")
    objects.blocks["pod"] = replace(block, spec=replace(block.spec, holder_pod="pod"))
    objects.reconcile()
    objects.create("other")
    return objects


def end_pod(objects: Objects) -> None:
    assert objects.working is not None
    objects.working.note_ended_pods(["pod"], objects.now)


def test_what_a_pod_held_that_has_ended_is_handed_out_again_long_before_its_lease_is_over(objects: Objects) -> None:
    end_pod(objects)
    plan = objects.reconcile()
    assert objects.blocks["pod"].status.phase == "Ready", "its last report may be on the way"
    assert plan.wake_seconds is not None
    assert plan.wake_seconds <= LAST_WORDS_SECONDS
    objects.report("other", "Completed")
    objects.now += LAST_WORDS_SECONDS
    end_pod(objects)
    objects.reconcile()
    assert objects.blocks["pod"].status.phase == "Expired"
    assert "has ended" in objects.blocks["pod"].status.conditions[0].message
    assert (objects.blocks["other"].status.index, objects.blocks["other"].status.attempt) == (0, 2)


def test_the_last_words_of_a_pod_count(objects: Objects) -> None:
    end_pod(objects)
    objects.now += LAST_WORDS_SECONDS
    objects.report("pod", "Working", done="0-3")
    objects.reconcile()
    assert objects.worklist.status.completed == "0-3"
    assert objects.blocks["pod"].status.phase == "Expired", "nobody is there to be given more"
    status = objects.blocks["other"].status
    assert (status.index, status.attempt) == (4, 1), "whoever got on was not killed by his first item"


def test_a_pod_that_ends_after_all_was_reported_changes_nothing(objects: Objects) -> None:
    objects.report("pod", "Completed")
    objects.reconcile()
    objects.report("pod", "Released")
    end_pod(objects)
    objects.now += LAST_WORDS_SECONDS
    objects.reconcile()
    assert objects.worklist.status.failed_ranges == []
    assert objects.worklist.status.completed == "0-9"
