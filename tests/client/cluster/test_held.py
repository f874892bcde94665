"""What a worker says of a lease, as reports of a Block."""

from __future__ import annotations

import json
from typing import Any

import pytest

from teamtask.client.cluster.held import Ending, Held, block_of_lease, lease_id
from teamtask.kube import objects as o
from teamtask.ledger.interval_set import IntervalSet
from teamtask.wire.messages import Report, ReportError
from teamtask.wire.result_batch import pack_encoded


def block(*sizes: int, start: int = 0, name: str = "b") -> o.Block:
    assignments = []
    for size in sizes:
        assignments.append(o.Assignment(start, size))
        start += size
    status = o.BlockStatus(phase="Ready", sequence=7, worklist_uid="w", attempt=2, assignments=assignments)
    return o.Block(o.Metadata(name, uid="u"), o.BlockSpec(o.ListReference("list"), "me"), status)


def held(*sizes: int, fold: Any = None, done: tuple[int, int] | None = None) -> Held:
    return Held(block(*sizes, start=100), fold, IntervalSet([done] if done else ()))


def report(upto: int, **fields: Any) -> Report:
    return Report("b/u/7", 100, upto, **fields)


def results(values: dict[int, Any], failed: tuple[int, ...] = ()) -> Any:
    indices = sorted(values)
    text = "[" + ",".join(json.dumps(values[index]) for index in indices) + "]"
    return pack_encoded(indices, text.encode(), failed=[indices.index(index) for index in failed])


def documents(of: Held, *reports: Report) -> list[dict[str, Any]]:
    ending, refused = of.hear(reports)
    assert refused == [None] * len(reports)
    parts = of.parts(ending)
    for part in parts:
        of.taken_in(part)
    return [part.document for part in parts]


def test_adjacent_blocks_are_one_lease_worked_in_blocks() -> None:
    lease = held(10, 10, 5).as_lease("list", "w", "b", "hash", 60.0)
    assert (lease.lease, lease.index, lease.size, lease.block_size, lease.attempt) == ("b/u/7", 100, 25, 10, 2)
    assert (lease.list_id, lease.name, lease.fingerprint, lease.expires_in_seconds) == ("w", "b", "hash", 60.0)
    assert lease.rest is None


def test_of_an_assignment_that_is_done_in_part_the_rest_is_worked() -> None:
    lease = held(10, done=(100, 104)).as_lease("list", "w", "b", "hash", 60.0)
    assert (lease.index, lease.size, lease.rest) == (100, 10, ((104, 6),))


def test_progress_is_told_from_the_beginning_and_the_end_completes() -> None:
    one = held(10)
    assert documents(one, report(103)) == [{"sequence": 7, "state": "Working", "done": "100-102"}]
    assert documents(one, report(110)) == [{"sequence": 7, "state": "Completed", "done": "100-109"}]


def test_what_is_done_behind_a_gap_waits_until_the_gap_is_closed() -> None:
    one = held(10)
    first = documents(one, report(102, ranges=((105, 2),), results=results({101: "a", 105: "b"})))
    assert first[0] == {
        "sequence": 7, "state": "Working", "done": "100-101", "results": [{"index": 101, "value": "a", "ok": True}],
    }  # fmt: skip
    then = documents(one, report(105, results=results({103: "c"})))
    assert (then[0]["done"], [row["index"] for row in then[0]["results"]]) == ("100-106", [103, 105])
    left = held(10)
    assert documents(left, report(102, ranges=((105, 2),), release=True))[0]["done"] == "100-101,105-106"


def test_a_sign_of_life_says_nothing_new() -> None:
    assert documents(held(10), report(100)) == [{"sequence": 7, "state": "Working", "done": ""}]


def test_what_is_left_is_released_and_what_is_done_stays() -> None:
    assert documents(held(10), report(104, release=True)) == [{"sequence": 7, "state": "Released", "done": "100-103"}]


def test_an_error_fails_the_block_at_its_index() -> None:
    said = documents(held(10), report(104, error=ReportError("no such host", 104)))
    assert said == [
        {"sequence": 7, "state": "Failed", "done": "100-103", "message": "no such host", "failedAt": 104},
    ]
    assert "failedAt" not in documents(held(10), report(104, error=ReportError("x" * 2_000)))[0]


def test_items_that_could_not_be_worked_are_told_when_the_others_are_done() -> None:
    one = held(10)
    assert documents(one, report(103, failed=((103, "killed"), (104, "too"))))[0]["state"] == "Working"
    said = documents(one, report(100, ranges=((105, 5),)))
    assert said == [
        {"sequence": 7, "state": "Failed", "done": "100-102,105-109", "message": "killed", "failedAt": 103},
    ]


def test_a_tail_that_is_given_back_is_released_in_the_end() -> None:
    one = held(10)
    documents(one, report(102, end=105))
    assert list(one.open) == [(102, 105)]
    assert documents(one, report(105)) == [{"sequence": 7, "state": "Released", "done": "100-104"}]


def test_results_go_with_their_ranges_and_no_report_has_more_than_a_thousand() -> None:
    one = held(3_000)
    said = documents(one, report(2_600, results=results({index: index for index in range(100, 2_600)})))
    assert [len(document["results"]) for document in said] == [1_000, 1_000, 500]
    assert [document["done"] for document in said] == ["100-1099", "100-2099", "100-2599"]
    assert said[0]["results"][0] == {"index": 100, "value": 100, "ok": True}
    assert one.results == {}


def test_large_results_go_in_several_reports_and_only_the_last_one_ends() -> None:
    said = documents(held(4), report(104, results=results(dict.fromkeys(range(100, 104), "x" * 200000), (101,))))
    assert [(document["state"], document["done"]) for document in said] == [
        ("Working", "100"), ("Working", "100-101"), ("Working", "100-102"), ("Completed", "100-103"),
    ]  # fmt: skip
    assert [document["results"][0]["ok"] for document in said] == [True, False, True, True]


def test_what_was_not_taken_in_is_told_again_and_what_was_is_not() -> None:
    one = held(10)
    said = report(103, results=results({101: "a"}))
    ending, _ = one.hear([said])
    first = one.parts(ending)
    ending, _ = one.hear([said])
    assert one.parts(ending) == first
    one.taken_in(first[0])
    assert "results" not in documents(one, report(103))[0]


def test_a_result_outside_of_what_is_told_is_dropped() -> None:
    assert "results" not in documents(held(10), report(101, results=results({105: "early"})))[0]


def test_a_list_with_a_fold_hears_the_fold_of_all_in_the_end() -> None:
    one = held(10, fold="sum")
    assert documents(one, report(104, fold=6)) == [{"sequence": 7, "state": "Working"}]
    assert documents(one, report(104, fold=6)) == [{"sequence": 7, "state": "Working"}], "again: it counts once"
    said = documents(one, report(110, begin=104, fold=39, results=results({105: 5})))
    assert said == [
        {
            "sequence": 7, "state": "Completed", "done": "100-109", "fold": 45,
            "results": [{"index": 105, "value": 5, "ok": True}],
        },
    ]  # fmt: skip


def test_a_fold_of_what_is_told_in_part_is_to_be_divided() -> None:
    one = held(10, fold="sum")
    one.hear([report(104, fold=6)])
    _, refused = one.hear([report(106, fold=15)])
    assert refused[0] is not None
    assert (refused[0].status, refused[0].rest) == ("cut", ((104, 6),))


def test_a_list_with_a_fold_that_is_left_keeps_the_fold_of_what_is_done() -> None:
    said = documents(held(10, fold="sum"), report(104, fold=6, release=True))
    assert said == [{"sequence": 7, "state": "Released", "done": "100-103", "fold": 6}]


@pytest.mark.parametrize(
    ("value", "said"), [("x" * 300_000, "300,002 bytes"), ({"a": [2**63]}, "would lose digits"), (-(2**70), "digits")]
)
def test_a_result_that_kubernetes_would_not_keep_is_refused(value: Any, said: str) -> None:
    one = held(10)
    _, refused = one.hear([report(101, results=results({100: value}))])
    assert refused[0] is not None
    assert refused[0].status == "error"
    assert said in str(refused[0].error)
    assert not one.told, "it changes nothing"


def test_too_many_results_for_the_one_report_of_a_fold_are_refused() -> None:
    one = held(2_000, fold="count")
    _, refused = one.hear([report(1_200, fold=1_100, results=results(dict.fromkeys(range(100, 1200), 1)))])
    assert refused[0] is not None
    assert "Make blocks smaller" in str(refused[0].error)


def test_many_scattered_ranges_are_told_without_those_before() -> None:
    one = held(10_000)
    one.done = IntervalSet((index, index + 1) for index in range(100, 2_200, 2))
    said = documents(one, report(100, ranges=((3_000, 5),), release=True))
    assert said[0]["done"] == "3000-3004"


def test_what_is_not_of_the_lease_is_refused() -> None:
    _, refused = held(10).hear([report(111)])
    assert refused[0] is not None
    assert refused[0].status == "error"


def test_a_lease_says_whose_assignment_it_is() -> None:
    metadata = o.Metadata("b", uid="u")
    assert block_of_lease(lease_id(metadata, 7)) == ("b", "u", 7)
    long = lease_id(o.Metadata("b" * 200, uid="u"), 7)
    assert len(long) <= 128
    assert block_of_lease(long) is None


def test_the_first_reason_to_end_counts() -> None:
    ending, _ = held(10).hear([report(102, release=True), report(103)])
    assert ending == Ending("Released")
