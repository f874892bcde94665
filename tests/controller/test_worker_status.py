"""What a list and its Blocks say of their pods."""

from __future__ import annotations

from msgspec.structs import replace
from pods_in_memory import ObjectsAndPods

from teamtask.controller.worker_status import Crew, with_pods, with_workers

NOW = 1_000_000.0
QUOTA = ("QuotaExceeded", "exceeded quota: few")


def begun() -> ObjectsAndPods:
    objects = ObjectsAndPods(1, source={"kind": "range", "stop": 9}, block={"size": 1})
    for _ in range(4):
        objects.see()
        objects.look()
    return objects


def test_a_list_says_why_its_pods_do_not_come() -> None:
    worklist = begun().worklist
    said = with_workers(worklist.status, worklist, Crew(count=2, trouble=QUOTA), NOW)
    told = said.conditions[-1]
    assert (told.type, told.status, told.reason, told.message) == ("WorkersReady", "False", *QUOTA)
    assert (said.worker_pods, said.worker_selector) == (2, "teamtask.io/worklist=list")
    again = with_workers(worklist.status, replace(worklist, status=said), Crew(count=2, trouble=QUOTA), NOW + 9)
    assert again == said, "the date is that of the change"


def test_a_list_without_workers_says_nothing_of_them() -> None:
    worklist = begun().worklist
    worklist = replace(worklist, spec=replace(worklist.spec, workers=None))
    assert with_workers(worklist.status, worklist, Crew(), NOW) == worklist.status


def test_a_block_says_why_it_has_no_pod_and_once() -> None:
    block = begun().blocks["list-0"]
    crew = Crew(own=["list-0"], without_pod={"list-0": QUOTA})
    planned = with_pods({}, [block], crew, NOW)
    status = planned["list-0"]
    assert (status.phase, status.ready) == ("Ready", "0/1")
    assert [(one.type, one.status, one.reason, one.message) for one in status.conditions] == [
        ("Ready", "False", *QUOTA)
    ]
    written = replace(block, status=status)
    assert with_pods({"list-0": block.status}, [written], crew, NOW + 9) == {}
    back = with_pods({"list-0": block.status}, [written], Crew(own=["list-0"]), NOW + 9)
    assert back["list-0"].ready == "1/1"


def test_the_lease_of_a_blocks_pod_is_renewed_without_a_write() -> None:
    block = begun().blocks["list-0"]
    later = replace(block.status, expires_at="2036-01-31T12:00:00Z")
    assert with_pods({"list-0": later}, [block], Crew(own=["list-0"]), NOW) == {}
    assert with_pods({"list-0": later}, [block], Crew(), NOW) == {"list-0": later}, "but a stranger's with one"
