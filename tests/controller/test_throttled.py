"""What a list hands out when it may not write as much as it would."""

from __future__ import annotations

from msgspec.structs import replace
from objects_in_memory import Objects

from teamtask.controller.assigning import Allowed
from teamtask.controller.reconcile import begin, reconcile


def look(objects: Objects, allowed: Allowed) -> int:
    """Reconcile within an allowance and write it all; give how many writes that cost."""
    blocks = list(objects.blocks.values())
    if objects.working is None:
        objects.working = begin(objects.worklist, blocks, objects.results, objects.now)
    plan = reconcile(objects.working, objects.worklist, blocks, objects.now, allowed)
    objects.worklist = replace(objects.worklist, status=plan.worklist)
    for name, status in plan.blocks.items():
        objects.blocks[name] = replace(objects.blocks[name], status=status)
    return plan.writes


def ready(objects: Objects) -> list[str]:
    return [name for name, block in sorted(objects.blocks.items()) if block.status.phase == "Ready"]


def test_no_more_is_handed_out_than_may_be_written_and_who_asked_first_is_first() -> None:
    objects = Objects(source={"kind": "range", "stop": 1_000}, block={"size": 10})
    for name in "abcdef":
        objects.create(name)
    assert look(objects, Allowed(0, 3)) == 7, "the blocks that were made, and that of the list"
    assert look(objects, Allowed(3, 3)) == 3, "that of the list, and two blocks"
    assert ready(objects) == ["a", "b"]
    for name in "ab":
        objects.report(name, "Completed")
    objects.now += 1
    assert look(objects, Allowed(5, 5)) == 5, "two reports, that of the list, and two blocks"
    assert objects.worklist.status.completed == "0-19", "what has happened counts in any case"
    assert [objects.blocks[name].status.sequence for name in "abcd"] == [1, 1, 1, 1]


def test_a_list_that_is_throttled_says_so_with_the_numbers_and_no_longer_than_it_lasts() -> None:
    objects = Objects(source={"kind": "range", "stop": 1_000}, block={"size": 10})
    for name in "abc":
        objects.create(name)
    for _ in range(8):
        look(objects, Allowed(1, 50))
        objects.now += 1
    throttled = next(c for c in objects.worklist.status.conditions if c.type == "Throttled")
    assert (throttled.status, throttled.reason) == ("True", "WriteBudget")
    assert "50 writes a second" in throttled.message
    assert "3 of 3 blocks wait" in throttled.message
    for _ in range(8):
        look(objects, Allowed(50, 50))
        objects.now += 1
    throttled = next(c for c in objects.worklist.status.conditions if c.type == "Throttled")
    assert throttled.status == "False"
    assert ready(objects) == ["a", "b", "c"]


def test_short_of_writes_fixed_blocks_come_several_at_once_and_adaptive_ones_larger() -> None:
    for block, pieces in (({"size": 1}, 16), ({"seconds": 0.1, "max": 1_000}, 1)):
        objects = Objects(source={"kind": "range", "stop": 10**12}, block=block)
        names = [f"block-{number}" for number in range(20)]
        for name in names:
            objects.create(name)
        for _ in range(40):
            look(objects, Allowed(1_000, 4))
            objects.now += 0.1
            for name in names:
                objects.report(name, "Completed")
        assignments = objects.blocks["block-0"].status.assignments
        assert len(assignments) == pieces
        assert sum(one.size for one in assignments) >= 16
        assert objects.blocks["block-0"].status.restarts == 0
