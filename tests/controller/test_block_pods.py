"""Which Blocks and pods there are to be for a list with a pod for each block."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from pods_in_memory import ObjectsAndPods

from teamtask.controller.block_pods import AT_ONCE_MAX, Names, Steps, decide_pods, own_blocks
from teamtask.kube import objects as o
from teamtask.kube import workloads as w
from teamtask.wire.dates import rfc_3339

ENDED = w.ContainerStatus("main", w.ContainerState(terminated=w.Terminated(exit_code=0, message='"fine"')))


def look(objects: ObjectsAndPods, times: int = 1) -> Steps:
    """Look so often, each time with all that there is in sight; give the last steps."""
    steps = Steps()
    for _ in range(times):
        objects.see()
        steps = objects.look()
    return steps


def begun(stop: int = 9, size: int = 1, replicas: int = 2, **spec: Any) -> ObjectsAndPods:
    """Give a list of which the first pods are there."""
    objects = ObjectsAndPods(replicas, source={"kind": "range", "stop": stop}, block={"size": size}, **spec)
    look(objects, 5)
    return objects


def test_a_block_and_a_pod_are_made_for_each_replica() -> None:
    objects = begun()
    assert sorted(objects.blocks) == ["list-0", "list-1"]
    assert sorted(objects.pods) == ["list-0-1", "list-1-1"]
    assert objects.blocks["list-0"].spec.holder == "controller"


def test_no_more_blocks_are_made_than_there_are_items() -> None:
    assert len(begun(stop=3, replicas=50).blocks) == 3


def test_not_all_of_very_many_are_made_at_one_look() -> None:
    objects = ObjectsAndPods(5_000, source={"kind": "range", "stop": 10_000}, block={"size": 1})
    look(objects, 1)
    assert len(look(objects, 1).blocks) == AT_ONCE_MAX


def test_a_pod_that_has_ended_well_completes_its_block_and_goes() -> None:
    objects = begun()
    objects.end("list-0-1", container_statuses=[ENDED])
    look(objects, 3)
    assert objects.worklist.status.completed == "0"
    assert '"result":"fine"' in objects.results["0"]
    assert sorted(objects.pods) == ["list-0-2", "list-1-1"]


def test_a_pod_that_is_there_is_not_made_again_though_no_watch_has_shown_it() -> None:
    objects = ObjectsAndPods(2, source={"kind": "range", "stop": 9}, block={"size": 1})
    look(objects)
    assert objects.look().blocks == ["list-0", "list-1"]
    assert objects.look().blocks == []
    objects.see()
    objects.look()
    assert objects.look().pods == ["list-0", "list-1"]
    assert objects.look().pods == []


def test_a_lease_does_not_end_while_its_pod_works() -> None:
    objects = begun(leaseSeconds=60)
    for _ in range(20):
        objects.now += 30
        look(objects)
    assert {block.status.sequence for block in objects.blocks.values()} == {1}
    objects.end("list-0-1")
    look(objects, 2)
    assert objects.worklist.status.completed == "0"


def test_a_pod_that_is_deleted_is_followed_by_another_when_it_has_ended() -> None:
    objects = begun(attempts=1)
    objects.delete_pod("list-0-1")
    look(objects, 2)
    assert sorted(objects.pods) == ["list-0-1", "list-1-1"], "it may still be at work"
    objects.end("list-0-1", "Failed", container_statuses=[w.ContainerStatus("main")])
    look(objects, 3)
    assert sorted(objects.live()) == ["list-0-2", "list-1-1"]
    assert objects.worklist.status.parked_items == 0
    del objects.pods["list-0-2"]  # with force, before anybody looked
    look(objects)
    assert sorted(objects.live()) == ["list-0-2", "list-1-1"]


def test_a_pod_on_a_node_that_does_not_answer_is_not_waited_for() -> None:
    objects = begun(attempts=1)
    objects.delete_pod("list-0-1")
    objects.now += 61
    look(objects, 3)
    assert sorted(objects.pods) == ["list-0-1", "list-0-2", "list-1-1"]


def test_a_block_whose_earlier_pod_is_still_at_work_gets_no_other() -> None:
    objects = begun(replicas=1)
    owners = objects.pods["list-0-1"].metadata.owner_references
    going = w.Metadata("list-0-0", owner_references=owners, deletion_timestamp=rfc_3339(objects.now))
    objects.pods = {"list-0-0": w.Pod(going)}
    steps = look(objects)
    assert (steps.pods, steps.idle) == ([], set())


def test_a_block_that_only_looks_as_if_the_controller_had_made_it_is_somebody_elses() -> None:
    objects = ObjectsAndPods(2, source={"kind": "range", "stop": 9})
    ours = {"uid": "w", "api_version": o.API_VERSION, "kind": "Worklist", "controller": True}

    def is_own(name: str = "list-0", **differs: Any) -> bool:
        metadata = o.Metadata(name, owner_references=[o.OwnerReference(**ours | differs)])
        return bool(own_blocks(objects.worklist, [o.Block(metadata, o.BlockSpec(o.ListReference("list")))]))

    assert is_own()
    assert is_own("list-123456789")
    for differs in ({"uid": "x"}, {"kind": "WorkList"}, {"api_version": "v1"}, {"controller": False}):
        assert not is_own(**differs), differs
    for name in ("list-", "list", "list-00", "list-a", "list-0-1", "other-0", "list-1234567890", "list-" + "1" * 70):
        assert not is_own(name), name


def test_what_the_controllers_account_before_held_is_given_back_without_a_failure_and_goes() -> None:
    objects = begun(attempts=1)
    objects.account = "another"
    objects.restart()
    look(objects, 6)
    assert {block.spec.holder for block in objects.blocks.values()} == {"another"}
    assert sorted(objects.live()) == ["list-2-1", "list-3-1"]
    status = objects.worklist.status
    assert (status.active_blocks, status.parked_items, status.failed_items) == (2, 0, 0)


def test_names_that_blocks_of_other_lists_have_are_passed_over() -> None:
    objects = ObjectsAndPods(2, source={"kind": "range", "stop": 9}, block={"size": 1})
    objects.of_others = {"list-0", "list-1", "list-3"}
    look(objects, 8)
    assert sorted(objects.blocks) == ["list-2", "list-4"]
    assert sorted(objects.pods) == ["list-2-1", "list-4-1"]


def test_a_pod_that_is_refused_keeps_no_other_waiting() -> None:
    objects = ObjectsAndPods(2, source={"kind": "range", "stop": 9}, block={"size": 1})
    objects.refused = {"list-0-1"}
    look(objects, 4)
    assert objects.live() == ["list-1-1"]
    steps = look(objects)
    assert (steps.idle, steps.pods) == ({"list-0"}, [])
    objects.refused = set()
    look(objects, 2)
    assert sorted(objects.live()) == ["list-0-1", "list-1-1"]


def test_pods_of_somebody_else_are_left_alone() -> None:
    objects = begun(replicas=1)
    labels = {w.WORKLIST_LABEL: "list", w.BLOCK_LABEL: "list-0", w.SEQUENCE_LABEL: "7"}
    uid = objects.blocks["list-0"].metadata.uid
    owner = o.OwnerReference(uid, "stranger.io/v1", "Block", controller=True)
    for name, owners in (("stranger", []), ("impostor", [owner])):
        objects.pods[name] = w.Pod(w.Metadata(name, labels=labels, owner_references=owners))
    assert look(objects).ended_pods == []


def test_with_fewer_replicas_those_that_work_go_on_to_their_end() -> None:
    objects = begun(replicas=3)
    objects.scale(1)
    look(objects, 3)
    assert len(objects.pods) == 3
    for name in objects.live():
        objects.end(name)
    look(objects, 3)
    assert len(objects.blocks) == 1
    assert objects.worklist.status.completed == "0-2"
    assert len(objects.live()) == 1


def test_with_fewer_replicas_what_has_no_pod_is_given_back_without_a_failure() -> None:
    objects = ObjectsAndPods(3, source={"kind": "range", "stop": 9}, block={"size": 1}, attempts=1)
    look(objects, 3)
    objects.scale(1)
    look(objects, 3)
    assert len(objects.blocks) == 1
    assert len(objects.live()) == 1
    assert (objects.worklist.status.active_blocks, objects.worklist.status.parked_items) == (1, 0)


def test_a_suspended_list_gives_back_what_has_no_pod() -> None:
    objects = ObjectsAndPods(2, source={"kind": "range", "stop": 9}, block={"size": 1}, attempts=1)
    look(objects, 3)
    assert {block.status.phase for block in objects.blocks.values()} == {"Ready"}
    objects.change(suspend=True)
    look(objects, 3)
    assert objects.pods == {}
    assert {block.status.phase for block in objects.blocks.values()} == {"Pending"}
    objects.change(suspend=False)
    look(objects, 3)
    assert len(objects.live()) == 2


@pytest.mark.parametrize("ending", ["finished", "without workers"])
def test_of_a_list_that_needs_no_pods_nothing_is_left(ending: str) -> None:
    objects = begun(stop=2)
    if ending == "without workers":
        objects.change(workers=None)
    for name in objects.live():
        objects.end(name)
    look(objects, 5)
    assert objects.worklist.status.phase == "Complete"
    assert (objects.blocks, objects.pods) == ({}, {})


def test_what_has_a_deadline_is_not_waited_for() -> None:
    objects = begun(activeDeadlineSeconds=100)
    objects.now += 101
    look(objects, 5)
    assert objects.worklist.status.phase == "Cancelled"
    assert (objects.blocks, objects.pods) == ({}, {})


def test_a_list_that_is_being_deleted_gets_no_more_of_them() -> None:
    objects = begun()
    going = replace(objects.worklist, metadata=replace(objects.worklist.metadata, deletion_timestamp="now"))
    steps = decide_pods(going, [], [], Names(), "controller", objects.now)
    assert (steps.blocks, steps.pods) == ([], [])


def test_a_list_that_suspends_itself_for_its_parked_items_starts_no_pod() -> None:
    objects = begun(attempts=1, maxParked=0)
    objects.end("list-0-1", "Failed")
    look(objects, 4)
    assert objects.worklist.status.phase == "Suspended"
    assert objects.live() == ["list-1-1"]


def test_what_was_made_for_a_list_that_had_this_name_is_none_of_ours() -> None:
    objects = begun()
    objects.recreate()
    own = own_blocks(objects.worklist, objects.blocks.values())
    steps = decide_pods(objects.worklist, own, objects.pods.values(), Names(), "controller", objects.now)
    assert (steps.reports, steps.pods, steps.ended_pods) == ({}, [], [])


def test_a_fold_is_made_of_what_the_pods_leave() -> None:
    objects = begun(stop=2, fold="sum")
    for name, value in (("list-0-1", "3"), ("list-1-1", "4")):
        ended = w.ContainerState(terminated=w.Terminated(message=value))
        objects.end(name, container_statuses=[w.ContainerStatus("main", ended)])
    look(objects, 2)
    assert objects.worklist.status.fold == 7


def test_a_pod_whose_result_no_fold_can_take_has_failed() -> None:
    objects = begun(stop=2, fold="sum", attempts=1)
    for name in objects.live():
        objects.end(name)
    look(objects, 3)
    assert objects.worklist.status.parked == "0-1"
