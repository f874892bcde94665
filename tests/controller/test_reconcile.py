"""What the controller makes of Worklists and Blocks, without a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec.structs import replace
from objects_in_memory import Objects

from teamtask.controller.reconcile import Overtaken
from teamtask.ledger.errors import InvalidField, TeamtaskError

if TYPE_CHECKING:
    from teamtask.kube import objects as o

RANGE = {"kind": "range", "stop": 3_000}


@pytest.fixture
def objects() -> Objects:
    return Objects(source=RANGE, block={"size": 1_000})


def shown(objects: Objects) -> list[tuple[str, str, int | str, int | str]]:
    return [(name, b.status.phase, b.status.index, b.status.size) for name, b in sorted(objects.blocks.items())]


def test_blocks_are_given_ranges_in_the_order_in_which_they_were_made(objects: Objects) -> None:
    objects.create("b")
    objects.create("a")
    objects.reconcile()
    assert shown(objects) == [("a", "Ready", 1_000, 1_000), ("b", "Ready", 0, 1_000)]
    assert objects.worklist.status.active_blocks == 2


def test_siblings_merge_until_the_list_is_one_range_and_finished(objects: Objects) -> None:
    objects.create("a")
    objects.create("b")
    objects.reconcile()
    objects.report("b", "Completed")
    objects.reconcile()
    assert objects.worklist.status.completed == "1000-1999"
    assert shown(objects)[1] == ("b", "Ready", 2_000, 1_000)
    objects.report("a", "Completed")
    objects.reconcile()
    assert objects.worklist.status.completed == "0-1999"
    assert shown(objects)[0] == ("a", "Pending", "Pending", "Pending")
    assert condition(objects.blocks["a"], "Ready") == ("False", "NoWork")
    objects.report("b", "Completed")
    objects.reconcile()
    status = objects.worklist.status
    assert (status.completed, status.phase, status.progress) == ("0-2999", "Complete", "3000/3000")
    assert {c.type for c in status.conditions if c.status == "True"} == {"Accepted", "Complete", "Finished"}
    assert [phase for _, phase, _, _ in shown(objects)] == ["Closed", "Closed"]


def condition(block: o.Block, kind: str) -> tuple[str, str]:
    found = next(condition for condition in block.status.conditions if condition.type == kind)
    return found.status, found.reason


def test_a_report_of_an_assignment_that_is_over_changes_nothing(objects: Objects) -> None:
    objects.create("a")
    objects.reconcile()
    objects.report("a", "Completed")
    objects.reconcile()
    objects.report("a", "Completed", sequence=1)
    objects.reconcile()
    assert objects.worklist.status.completed == "0-999"
    assert shown(objects) == [("a", "Ready", 1_000, 1_000)]


def test_a_part_that_is_reported_done_is_not_given_to_the_next_one(objects: Objects) -> None:
    objects.create("a")
    objects.reconcile()
    objects.report("a", "Working", done="0-499,600")
    objects.reconcile()
    assert objects.worklist.status.completed == "0-499,600"
    objects.delete("a")
    objects.create("b")
    objects.reconcile()
    assert shown(objects) == [("b", "Ready", 500, 100)]


def test_a_block_that_nobody_reports_on_expires_and_its_range_is_given_to_another(objects: Objects) -> None:
    objects.create("a")
    objects.reconcile()
    for _ in range(3):
        objects.now += 30
        objects.reconcile()
    objects.create("b")
    objects.reconcile()
    assert shown(objects) == [("a", "Expired", 0, 1_000), ("b", "Ready", 0, 1_000)]
    assert objects.blocks["b"].status.restarts == 1
    assert objects.worklist.status.restarts == 1
    objects.report("a", "Completed")
    objects.reconcile()
    assert objects.worklist.status.completed == "0-999", "the work was done, if late"
    assert shown(objects) == [("a", "Ready", 1_000, 1_000), ("b", "Ready", 2_000, 1_000)]


def test_a_block_that_is_deleted_gives_its_range_back_and_goes(objects: Objects) -> None:
    objects.create("a")
    objects.reconcile()
    objects.delete("a")
    objects.reconcile()
    assert shown(objects) == []
    objects.create("b")
    objects.reconcile()
    assert shown(objects) == [("b", "Ready", 0, 1_000)]


def test_what_a_deleted_block_reported_counts_before_it_goes(objects: Objects) -> None:
    objects.create("a")
    objects.reconcile()
    objects.report("a", "Completed")
    objects.delete("a")
    objects.reconcile()
    assert shown(objects) == []
    assert objects.worklist.status.completed == "0-999"


def test_an_item_that_fails_again_and_again_is_parked_and_the_list_still_finishes() -> None:
    objects = Objects(source={"kind": "range", "stop": 4}, block={"size": 4}, attempts=3)
    objects.create("a")
    for _ in range(20):
        objects.reconcile()
        status = objects.blocks["a"].status
        if status.phase != "Ready":
            break
        held = range(int(status.index), int(status.index) + int(status.size))
        if 2 in held:
            objects.report("a", "Failed", message="it crashed", failed_at=2)
        else:
            objects.report("a", "Completed")
    status = objects.worklist.status
    assert (status.phase, status.completed, status.parked) == ("CompleteExcept", "0-1,3", "2")
    assert {c.type for c in status.conditions if c.status == "True"} == {"Accepted", "Failed", "Finished"}


def test_a_list_that_is_suspended_hands_out_nothing_until_it_is_resumed(objects: Objects) -> None:
    objects.change(suspend=True)
    objects.create("a")
    objects.reconcile()
    assert shown(objects) == [("a", "Pending", "Pending", "Pending")]
    assert condition(objects.blocks["a"], "Ready") == ("False", "Suspended")
    assert objects.worklist.status.phase == "Suspended"
    objects.change(suspend=False)
    objects.reconcile()
    assert shown(objects) == [("a", "Ready", 0, 1_000)]


def test_a_holder_has_as_many_blocks_as_it_may(objects: Objects) -> None:
    objects.change(blocks_per_holder=1)
    for name, holder in (("a", "one"), ("b", "one"), ("c", "two")):
        objects.create(name, holder)
    objects.reconcile()
    assert [phase for _, phase, _, _ in shown(objects)] == ["Ready", "Pending", "Ready"]
    assert condition(objects.blocks["b"], "Ready") == ("False", "LimitReached")


def test_no_more_blocks_are_handed_out_than_the_list_says(objects: Objects) -> None:
    objects.change(max_active_blocks=2)
    for name in "abc":
        objects.create(name, name)
    objects.reconcile()
    assert [phase for _, phase, _, _ in shown(objects)] == ["Ready", "Ready", "Pending"]


def test_what_was_assigned_but_never_written_is_assigned_again(objects: Objects) -> None:
    objects.create("a")
    objects.reconcile(writes=1)
    assert objects.worklist.status.frontier == 1_000
    assert shown(objects) == [("a", "Pending", "Pending", "Pending")]
    objects.reconcile()
    assert shown(objects) == [("a", "Ready", 0, 1_000)]


def test_what_was_counted_counts_once_though_the_controller_ended_before_the_next_assignment(objects: Objects) -> None:
    objects.create("a")
    objects.reconcile()
    objects.report("a", "Completed")
    objects.reconcile(writes=1)
    assert objects.worklist.status.completed == "0-999"
    objects.reconcile()
    assert objects.worklist.status.completed == "0-999"
    assert shown(objects) == [("a", "Ready", 1_000, 1_000)]


def test_whoever_reports_to_a_new_controller_does_not_seem_to_be_fast(objects: Objects) -> None:
    objects.create("a")
    objects.reconcile()
    objects.now += 20
    objects.working = None
    objects.report("a", "Completed")
    objects.reconcile()
    assert [one.size for one in objects.blocks["a"].status.assignments] == [1_000]


def test_an_object_that_is_older_than_what_was_written_is_not_acted_on(objects: Objects) -> None:
    objects.create("a")
    old = objects.blocks["a"]
    objects.reconcile()
    written = objects.blocks["a"]
    objects.blocks["a"] = old
    assert objects.reconcile().blocks == {}
    objects.blocks["a"] = written
    objects.report("a", "Completed")
    objects.reconcile()
    assert objects.worklist.status.completed == "0-999"


def test_a_report_that_cannot_be_read_changes_nothing_and_is_said(objects: Objects) -> None:
    objects.create("a")
    objects.reconcile()
    objects.report("a", "Working", done="5-99999")
    objects.reconcile()
    assert objects.worklist.status.completed == ""
    assert objects.blocks["a"].status.phase == "Ready"
    assert condition(objects.blocks["a"], "Ready") == ("True", "UnreadableReport")


def test_nothing_is_written_when_nothing_happened(objects: Objects) -> None:
    objects.create("a")
    objects.reconcile()
    plan = objects.reconcile()
    assert plan.blocks == {}
    assert plan.worklist == objects.worklist.status


def test_a_sign_of_life_keeps_a_block_from_expiring(objects: Objects) -> None:
    objects.create("a")
    objects.reconcile()
    for minute in range(5):
        objects.now += 45
        objects.report("a", "Working", renew_time=f"2026-01-31T12:0{minute}:00Z")
        objects.reconcile()
    assert shown(objects) == [("a", "Ready", 0, 1_000)]


@pytest.mark.parametrize("change", [{"source": {"kind": "range", "stop": 10}}, {"start_index": 5}])
def test_the_items_of_a_list_stay_what_they_were(objects: Objects, change: dict[str, Any]) -> None:
    objects.create("a")
    objects.reconcile()
    objects.change(**change)
    for _ in range(2):
        with pytest.raises(InvalidField, match="stay as they were"):
            objects.reconcile()
        objects.working = None  # and another controller, which never saw it otherwise, says so too


def test_a_list_in_too_many_ranges_hands_out_nothing_new_until_some_merge() -> None:
    objects = Objects(source={"kind": "range", "stop": 2**52}, block={"size": 2_000})
    objects.create("a")
    objects.reconcile()
    objects.report("a", "Working", done=",".join(map(str, range(1, 1_501, 2))))
    objects.reconcile()
    objects.create("b")
    objects.reconcile()
    assert condition(objects.blocks["b"], "Ready") == ("False", "Throttled")
    objects.report("a", "Completed")
    objects.reconcile()
    assert objects.worklist.status.completed == "0-1999"
    assert [phase for _, phase, _, _ in shown(objects)] == ["Ready", "Ready"]


def test_the_object_of_a_list_stays_small_however_many_blocks_are_done_out_of_order() -> None:
    size = 1_800
    objects = Objects(
        source={"kind": "range", "stop": size}, startIndex=2**52, block={"size": 1}, maxActiveBlocks=size,
        blocksPerHolder=size,
    )  # fmt: skip
    for number in range(size):
        objects.create(f"block-{number:04}")
    objects.reconcile()
    for first in (1, 0):
        for number in range(first, size, 2):
            objects.report(f"block-{number:04}", "Completed")
        for _ in range(3):
            objects.now += 30
            objects.reconcile()
            assert len(msgspec.json.encode(objects.worklist)) < 32_768
    assert (objects.worklist.status.phase, objects.worklist.status.completed_items) == ("Complete", size)


@pytest.mark.parametrize("goes", ["released", "deleted", "silent"])
def test_what_came_back_in_many_pieces_is_handed_out_again(goes: str) -> None:
    objects = Objects(source={"kind": "range", "stop": 2**52}, block={"size": 2_000})
    objects.create("a")
    objects.reconcile()
    odd = ",".join(map(str, range(1, 1_501, 2)))
    objects.report("a", "Released" if goes == "released" else "Working", done=odd)
    objects.reconcile()
    if goes == "deleted":
        objects.delete("a")
    objects.now += 30
    objects.reconcile()
    objects.now += 40
    objects.create("b")
    plan = objects.reconcile()
    assert (objects.blocks["b"].status.phase, objects.blocks["b"].status.index) in {("Ready", 0), ("Ready", 2)}
    assert plan.wake_seconds is not None


def test_a_list_with_the_name_of_a_deleted_one_counts_nothing_that_was_done_for_that(objects: Objects) -> None:
    objects.create("a")
    objects.reconcile()
    objects.recreate()
    objects.report("a", "Completed")
    objects.reconcile()
    assert objects.worklist.status.completed == ""
    assert shown(objects) == [("a", "Ready", 0, 1_000)]
    assert objects.blocks["a"].status.sequence == 2
    objects.report("a", "Completed", sequence=1)
    objects.reconcile()
    assert objects.worklist.status.completed == ""


def test_what_a_merge_patch_keeps_of_the_report_before_does_not_hide_a_sign_of_life(objects: Objects) -> None:
    objects.create("a")
    objects.reconcile()
    objects.report("a", "Completed")
    objects.reconcile()
    for minute in range(4):
        objects.now += 40
        objects.report("a", "Working", done="0-999", failed_at=5, renew_time=f"2026-01-31T12:0{minute}:00Z")
        objects.reconcile()
    assert shown(objects) == [("a", "Ready", 1_000, 1_000)]
    assert condition(objects.blocks["a"], "Ready") == ("True", "UnreadableReport")


@pytest.mark.parametrize("controllers", [1, 40])
def test_an_item_that_takes_its_holder_away_again_and_again_is_parked(controllers: int) -> None:
    objects = Objects(source={"kind": "range", "stop": 8}, block={"size": 8}, attempts=3)
    for pod in range(40):
        objects.create(f"pod-{pod:02}")
        if controllers > 1:
            objects.working = None
        objects.reconcile()
        status = objects.blocks[f"pod-{pod:02}"].status
        if status.phase != "Ready":
            break
        held = [one.index + offset for one in status.assignments for offset in range(one.size)]
        if 5 not in held:
            objects.report(f"pod-{pod:02}", "Completed")
        objects.delete(f"pod-{pod:02}")
        objects.reconcile()
    assert (objects.worklist.status.parked, objects.worklist.status.completed) == ("5", "0-4,6-7")


def test_somebody_elses_write_is_not_written_over(objects: Objects) -> None:
    objects.create("a")
    objects.reconcile()
    block = objects.blocks["a"]
    objects.blocks["a"] = replace(block, status=replace(block.status, sequence=7))
    with pytest.raises(Overtaken):
        objects.reconcile()


def test_no_more_items_are_handed_out_in_a_second_than_the_list_says() -> None:
    objects = Objects(source=RANGE, block={"size": 10}, itemsPerSecond=10)
    for name in "abc":
        objects.create(name)
    assert objects.reconcile().wake_seconds is not None
    assert [phase for _, phase, _, _ in shown(objects)].count("Ready") <= 1
    for _ in range(4):
        objects.now += 1
        objects.reconcile()
    assert [phase for _, phase, _, _ in shown(objects)] == ["Ready"] * 3


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"source": {"kind": "nothing"}}, "no source of kind"),
        ({"source": {"kind": "range", "stop": 2**53}}, "2\\^53"),
        ({"source": {"kind": "range", "stop": 2**53 - 1}, "startIndex": 5}, "2\\^53"),
    ],
)
def test_a_list_that_cannot_be_worked_is_refused(spec: dict[str, object], why: str) -> None:
    with pytest.raises(TeamtaskError, match=why):
        Objects(**spec).reconcile()
