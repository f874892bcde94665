"""Results and folds that holders report, and where the controller keeps them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from objects_in_memory import Objects
from simulated_api import Line, SimulatedApi

from teamtask.controller import kept_results
from teamtask.controller.results_map import ResultsMap
from teamtask.kube import objects as o
from teamtask.kube.kubernetes_error import CONFLICT, KubernetesError

if TYPE_CHECKING:
    from teamtask.kube.api_server import ApiServer

LINES = {"kind": "lines", "items": ["a", "b", "c", "d"]}


def condition(of: o.WorklistStatus | o.BlockStatus, kind: str) -> tuple[str, str]:
    found = next(condition for condition in of.conditions if condition.type == kind)
    return found.status, found.reason


def result(index: int, value: Any, *, ok: bool = True) -> o.ReportedResult:
    return o.ReportedResult(index, value, ok)


def test_a_result_is_kept_under_its_index_with_its_item() -> None:
    objects = Objects(source=LINES, block={"size": 2}, startIndex=10)
    objects.create("me")
    objects.reconcile()
    objects.report("me", "Completed", results=[result(11, None, ok=False), result(10, [1, "x"])])
    objects.reconcile()
    assert [json.loads(objects.results[key]) for key in ("10", "11")] == [
        {"seq": 0, "index": 10, "item": "a", "result": [1, "x"], "ok": True, "worker": "me"},
        {"seq": 1, "index": 11, "item": "b", "result": None, "ok": False, "worker": "me"},
    ]
    assert (objects.worklist.status.results, objects.worklist.status.failed_items) == (2, 1)


def test_results_of_what_is_not_done_are_not_kept_yet() -> None:
    objects = Objects(source=LINES, block={"size": 4})
    objects.create("me")
    objects.reconcile()
    objects.report("me", "Working", done="0-1", results=[result(0, 0), result(3, 3)])
    objects.reconcile()
    assert list(objects.results) == ["0"]
    objects.report("me", "Completed", results=[result(3, 3)])
    objects.reconcile()
    assert list(objects.results) == ["0", "3"]
    assert json.loads(objects.results["3"])["seq"] == 1


@pytest.mark.parametrize(
    ("keep", "kept", "failed"), [("All", ["0", "1", "2"], 1), ("Failed", ["1"], 1), ("None", [], 0)]
)
def test_a_list_keeps_the_results_that_it_is_to_keep_and_counts_no_others(
    keep: str, kept: list[str], failed: int
) -> None:
    objects = Objects(source=LINES, block={"size": 3}, results={"keep": keep})
    objects.create("me")
    objects.reconcile()
    objects.report("me", "Completed", results=[result(0, 0), result(1, 1, ok=False), result(2, 2)])
    objects.reconcile()
    status = objects.worklist.status
    assert (list(objects.results), status.results, status.failed_items) == (kept, len(kept), failed)
    assert status.completed == "0-2"


def test_a_list_that_keeps_fewer_results_goes_on_where_there_was_no_room_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept_results, "RESULTS_BYTES_MAX", 500)
    objects = Objects(source={"kind": "range", "stop": 30}, block={"size": 10})
    for name in ("me", "other"):
        objects.create(name)
    objects.reconcile()
    objects.report("me", "Completed", results=[result(0, "x" * 300)])
    objects.report("other", "Completed", results=[result(10, "x" * 300)])
    objects.reconcile()
    assert condition(objects.worklist.status, "Throttled") == ("True", "ResultsFull")
    objects.change(results=o.ResultsPlace(keep="Failed"))
    objects.working = None  # as the controller does
    objects.reconcile()
    assert condition(objects.worklist.status, "Throttled")[0] == "False"
    assert objects.worklist.status.completed == "0-19"
    assert list(objects.results) == ["0"]


def test_whoever_comes_second_with_an_index_changes_nothing_of_its_result() -> None:
    objects = Objects(source=LINES, block={"size": 4}, leaseSeconds=60)
    objects.create("slow")
    objects.reconcile()
    objects.create("fast")
    for _ in range(3):
        objects.now += 31
        objects.reconcile()
    assert objects.blocks["fast"].status.phase == "Ready"
    objects.report("fast", "Completed", results=[result(0, "fast")])
    objects.reconcile()
    objects.report("slow", "Completed", results=[result(0, "slow"), result(1, "slow")])
    objects.reconcile()
    assert [json.loads(row)["result"] for row in objects.results.values()] == ["fast"]


def test_without_room_for_results_nothing_is_lost_and_nothing_new_is_handed_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept_results, "RESULTS_BYTES_MAX", 500)
    objects = Objects(source={"kind": "range", "stop": 100}, block={"size": 10}, leaseSeconds=60)
    objects.create("first")
    objects.reconcile()
    objects.report("first", "Completed", results=[result(0, "x" * 300)])
    objects.reconcile()
    objects.delete("first")
    objects.report("first", "Released")
    objects.reconcile()
    objects.create("me")
    objects.create("other")
    objects.reconcile()
    assert [objects.blocks[name].status.index for name in ("me", "other")] == [10, 20]
    objects.report("me", "Completed", results=[result(10, "x" * 300)])
    for _ in range(5):
        objects.reconcile()
        objects.now += 20
    status = objects.worklist.status
    assert (status.completed, condition(status, "Throttled")) == ("0-9", ("True", "ResultsFull"))
    assert condition(objects.blocks["me"].status, "Ready") == ("True", "ResultsFull")
    objects.report("other", "Completed", results=[result(20, "y")])
    objects.reconcile()
    assert condition(objects.blocks["other"].status, "Ready") == ("False", "ResultsFull")
    objects.change(results=o.ResultsPlace("more"))
    objects.working, objects.results = None, {}
    objects.reconcile()
    assert objects.worklist.status.completed == "0-29"
    assert condition(objects.worklist.status, "Throttled") == ("False", "NotThrottled")
    assert objects.blocks["me"].status.phase == "Ready"


def test_a_block_whose_results_find_no_room_does_not_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_results, "RESULTS_BYTES_MAX", 500)
    objects = Objects(source=LINES, block={"size": 2})
    objects.create("me")
    objects.reconcile()
    for index in (0, 2):
        objects.report("me", "Completed", results=[result(index, "x" * 300)])
        objects.reconcile()
    objects.delete("me")
    assert objects.reconcile().counted == []


def test_results_that_could_never_be_kept_are_refused_and_the_list_goes_on() -> None:
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    many = [result(index, "x" * 200_000) for index in range(6)]
    for results, said in (([result(0, "x" * 600_000)], "larger"), ([result(0, deep)], "nested"), (many, "several")):
        objects = Objects(source={"kind": "range", "stop": 20}, block={"size": 10})
        for name in ("me", "other"):
            objects.create(name)
        objects.reconcile()
        objects.report("me", "Completed", results=results)
        objects.report("other", "Completed")
        objects.reconcile()
        ready = objects.blocks["me"].status.conditions[0]
        assert (ready.reason, said in ready.message) == ("ReportRefused", True)
        assert (objects.worklist.status.completed, objects.results) == ("10-19", {})
        objects.delete("me")
        assert objects.reconcile().counted == ["me"]


def test_a_fold_counts_once_with_the_end_of_an_assignment() -> None:
    objects = Objects(source={"kind": "range", "stop": 10}, block={"size": 5}, fold="sum")
    objects.create("me")
    objects.reconcile()
    objects.report("me", "Working", done="0-2", fold=3)
    objects.reconcile()
    assert (objects.worklist.status.completed, objects.worklist.status.fold) == ("", None)
    objects.report("me", "Completed", fold="10")
    objects.reconcile()
    assert (objects.worklist.status.completed, objects.worklist.status.fold) == ("0-4", 10)
    objects.report("me", "Released", done="5-6", fold=2**60)
    objects.reconcile()
    objects.working = None
    objects.reconcile()
    assert (objects.worklist.status.completed, objects.worklist.status.fold) == ("0-6", str(2**60 + 10))


@pytest.mark.parametrize(("fold", "reason"), [(None, "FoldMissing"), ("much", "ReportRefused")])
def test_an_assignment_does_not_end_without_its_fold(fold: object, reason: str) -> None:
    objects = Objects(source={"kind": "range", "stop": 10}, block={"size": 5}, fold="sum")
    objects.create("me")
    objects.reconcile()
    objects.report("me", "Completed", fold=fold)
    objects.reconcile()
    assert objects.worklist.status.completed == ""
    assert condition(objects.blocks["me"].status, "Ready") == ("True", reason)
    objects.report("me", "Completed", fold=1)
    objects.reconcile()
    assert objects.worklist.status.completed == "0-4"


def test_a_list_stops_after_so_many_results_and_goes_on_with_a_larger_number() -> None:
    objects = Objects(source={"kind": "range", "stop": 10}, block={"size": 1}, stopAfterResults=1)
    objects.create("me")
    objects.reconcile()
    objects.report("me", "Completed", results=[result(0, "found")])
    objects.reconcile()
    status = objects.worklist.status
    assert (status.phase, condition(status, "Finished"), condition(status, "Complete")) == (
        "Stopped", ("True", "Finished"), ("False", "EnoughResults")
    )  # fmt: skip
    assert objects.blocks["me"].status.phase == "Closed"
    objects.working = None
    objects.change(stop_after_results=2)
    objects.reconcile()
    assert (objects.worklist.status.phase, objects.blocks["me"].status.index) == ("Running", 1)


def test_a_result_of_what_was_never_counted_goes_only_with_the_next_write_of_the_list() -> None:
    objects = Objects(source={"kind": "range", "stop": 30}, block={"size": 10})
    objects.create("me")
    objects.reconcile()
    objects.results["5"] = json.dumps({"seq": 0, "ok": True})  # of a controller that ended before it could count it
    objects.working = None
    assert objects.reconcile().withdrawn == []
    objects.report("me", "Completed")
    assert objects.reconcile().withdrawn == [5]
    assert objects.results == {}


def test_results_are_removed_from_the_map_only_as_it_was_read() -> None:
    line = Line(SimulatedApi(lambda _: None), 0, 1e-9)
    worklist = o.read_worklist(
        {"metadata": {"name": "list", "namespace": "default", "uid": "w"}, "spec": {"source": {}}}
    )
    one, other = ResultsMap(cast("ApiServer", line), worklist), ResultsMap(cast("ApiServer", line), worklist)
    one.write({1: "a", 2: "b"}, "10")
    assert other.read() == {"1": "a", "2": "b"}
    one.write({1: "a"}, "11")  # counted by the one meanwhile, after the list was written by the other
    with pytest.raises(KubernetesError) as error:
        other.remove([1])
    assert error.value.status == CONFLICT
    one.remove([2])
    assert other.read() == {"1": "a"}
