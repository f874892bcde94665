"""Worklists and Blocks as the web API shows lists."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from teamtask.client.cluster.kept_results import asked_for, kept_results, line_of
from teamtask.client.cluster.shown import ranges_in, shown_blocks, shown_list, shown_workers
from teamtask.kube import objects as o
from teamtask.ledger.errors import InvalidField
from teamtask.sources import source_from_definition

if TYPE_CHECKING:
    from teamtask.wire.views import Worklist

SPEC = {"source": {"kind": "range", "stop": 100}, "block": {"size": 10}, "startIndex": 1000}
STATUS = {
    "phase": "Running", "size": 100, "frontier": 1050, "completed": "1000-1019,1030-1034", "completedItems": 25,
    "parked": "1040", "parkedItems": 1, "activeBlocks": 1, "failedItems": 2, "rate": "12.5/s", "results": 25,
}  # fmt: skip


def worklist(spec: dict[str, Any] = SPEC, status: dict[str, Any] = STATUS, generation: int = 1) -> o.Worklist:
    metadata = {"name": "primes", "uid": "w", "creationTimestamp": "2026-01-01T00:00:00Z", "generation": generation}
    return o.read_worklist({"metadata": metadata, "spec": spec, "status": status})


def block(index: int, size: int, *, uid: str = "w", phase: str = "Ready") -> o.Block:
    return o.read_block(
        {
            "metadata": {"name": f"b-{index}", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"listRef": {"name": "primes"}, "holder": "me"},
            "status": {
                "phase": phase, "sequence": 1, "worklistUid": uid, "attempt": 1, "restarts": 2,
                "expiresAt": "1970-01-01T00:01:40Z", "assignments": [{"index": index, "size": size}],
            },
        }
    )  # fmt: skip


def shown(of: o.Worklist, blocks: list[o.Block] | None = None) -> Worklist:
    return shown_list(of, {"team": "maths"}, source_from_definition(of.spec.source), blocks)


def test_a_list_adds_up() -> None:
    found = shown(worklist(), [block(1030, 10)])
    assert (found.id, found.name, found.state, found.start, found.size) == ("w", "primes", "running", 1000, 100)
    assert (found.done, found.leased, found.returned, found.parked, found.failed) == (25, 5, 19, 1, 1)
    assert found.done + found.leased + found.returned + found.parked + 1100 - found.frontier == found.size
    assert (found.rate, found.eta_seconds, found.workers) == (12.5, pytest.approx(5.92), 1)
    assert (found.block, found.labels, found.limits["blocks_per_worker"]) == ({"size": 10}, {"team": "maths"}, 1)


def test_without_its_blocks_all_that_is_out_is_leased_while_any_is_active() -> None:
    assert (shown(worklist()).leased, shown(worklist()).returned) == (24, 0)
    idle = shown(worklist(status=STATUS | {"activeBlocks": 0}))
    assert (idle.leased, idle.returned) == (0, 24)


@pytest.mark.parametrize(
    ("phase", "suspend", "state"),
    [
        ("", False, "running"),
        ("", True, "paused"),
        ("Running", True, "paused"),
        ("Suspended", True, "paused"),
        ("Suspended", False, "running"),
        ("Complete", True, "complete"),
        ("CompleteExcept", False, "complete_except"),
        ("Stopped", False, "stopped"),
        ("Cancelled", False, "cancelled"),
        ("Invalid", False, "paused"),
        ("Later", False, "running"),
    ],
)
def test_phases_are_states(phase: str, suspend: bool, state: str) -> None:  # noqa: FBT001 - a case's value
    status = STATUS | {"phase": phase, "observedGeneration": 1}
    assert shown(worklist(SPEC | {"suspend": suspend}, status, generation=2)).state == state


def test_a_phase_that_is_not_known_may_be_an_end() -> None:
    finished = {
        "type": "Finished",
        "status": "True",
        "reason": "Deadline",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    assert shown(worklist(status=STATUS | {"phase": "Deadline", "conditions": [finished]})).state == "stopped"


def test_a_list_that_is_refused_says_why() -> None:
    accepted = {
        "type": "Accepted", "status": "False", "reason": "Invalid", "message": "The field length is missing.",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    refused = worklist({"source": {"kind": "strings"}}, {"phase": "Invalid", "conditions": [accepted]})
    found = shown_list(refused, {}, None, None)
    assert (found.state, found.reason, found.size) == ("paused", "The field length is missing.", 0)


def test_the_lines_of_a_list_are_its_items_and_not_its_source() -> None:
    lines = worklist({"source": {"kind": "lines", "items": ["a", "b"], "shuffle": 3}}, {})
    found = shown(lines)
    assert found.source == {"kind": "lines", "count": 2, "fingerprint": found.fingerprint, "shuffle": 3}


def test_lines_of_a_config_map_are_shown_as_the_controller_knows_them() -> None:
    source = {"kind": "lines", "configMap": "hosts", "shuffle": 3}
    found = shown_list(worklist({"source": source}, {"size": 2, "fingerprint": "0:2:abc"}), {}, None, None)
    assert (found.size, found.fingerprint) == (2, "2:abc")
    assert found.source == {"kind": "lines", "count": 2, "fingerprint": "2:abc", "shuffle": 3}
    assert shown_list(worklist({"source": source}, {}), {}, None, None).source == source, "nobody has read it yet"


def test_every_index_that_was_handed_out_is_in_one_state() -> None:
    blocks = [block(1030, 10), block(1045, 5, uid="of another list"), block(1020, 2, phase="Expired")]
    assert list(ranges_in(worklist(), blocks, "done")) == [(1000, 1020), (1030, 1035)]
    assert list(ranges_in(worklist(), blocks, "leased")) == [(1035, 1040)]
    assert list(ranges_in(worklist(), blocks, "returned")) == [(1020, 1030), (1041, 1050)]
    assert list(ranges_in(worklist(), blocks, "parked")) == [(1040, 1041)]
    with pytest.raises(InvalidField):
        ranges_in(worklist(), blocks, "lost")


def test_blocks_that_are_worked_on_are_shown_and_of_a_finished_list_what_became_of_it() -> None:
    (found,) = shown_blocks(worklist(), [block(1030, 10), block(1000, 5, phase="Pending")], None, 90.0)
    assert (found.name, found.index, found.size, found.done, found.restarts) == ("b-1030", 1030, 10, 5, 2)
    assert (found.principal, found.expires_in_seconds) == ("me", 10.0)
    ended = worklist(status=STATUS | {"phase": "CompleteExcept"})
    assert [each.name for each in shown_blocks(ended, [], None, 0.0)] == ["primes-1000", "primes-1030", "primes-1040"]


def test_workers_are_those_who_hold_or_wait() -> None:
    found = shown_workers(worklist(), [block(1030, 10), block(1000, 5, phase="Closed")])
    assert [(each.name, each.blocks, each.state) for each in found] == [("b-1030", 1, "active"), ("b-1000", 0, "idle")]


def entry(index: int, seq: int, *, ok: bool = True) -> str:
    return json.dumps({"index": index, "item": "a", "ok": ok, "result": [1], "seq": seq, "worker": "b"})


def config_map(data: dict[str, str]) -> dict[str, Any]:
    return {"metadata": {"ownerReferences": [{"uid": "w"}]}, "data": data}


def test_results_come_by_index_or_by_arrival() -> None:
    kept = kept_results(config_map({"10": entry(10, 1), "9": entry(9, 3, ok=False), "2": entry(2, 2)}), "w")
    assert [one.index for one in kept] == [2, 9, 10]
    assert [one.index for one in asked_for(kept, start=9)] == [9, 10]
    assert [one.seq for one in asked_for(kept, since=2)] == [2, 3]
    assert [one.index for one in asked_for(kept, ok=False)] == [9]
    assert json.loads(line_of(kept[0])) == json.loads(entry(2, 2))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"index": "a"}', '{"index": 1}', entry(2, 5)])
def test_what_somebody_else_has_put_there_is_passed_by(text: str) -> None:
    assert [one.index for one in kept_results(config_map({"1": text, "3": entry(3, 1)}), "w")] == [3]
    assert kept_results(config_map({"3": entry(3, 1)}), "another list") == []
