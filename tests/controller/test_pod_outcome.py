"""What a pod that has ended reports."""

from __future__ import annotations

from typing import Any

import pytest

from teamtask.controller.pod_outcome import is_fit, report_of_pod, trouble_of
from teamtask.kube import objects as o
from teamtask.kube import workloads as w


def block(index: int = 7, size: int = 1) -> o.Block:
    status = o.BlockStatus(phase="Ready", sequence=3, assignments=[o.Assignment(index, size)])
    return o.Block(o.Metadata("list-0"), o.BlockSpec(o.ListReference("list")), status)


def pod(phase: str, message: str = "", code: int = 0, how: str = "", **status: Any) -> w.Pod:
    ended = w.Terminated(exit_code=code, reason=how, message=message)
    containers = [w.ContainerStatus("main", w.ContainerState(terminated=ended))]
    metadata = w.Metadata("list-0-3", deletion_timestamp=status.pop("deleted", None))
    status = {"phase": phase, "container_statuses": containers} | status
    return w.Pod(metadata, w.PodSpec([w.Container("main")]), w.PodStatus(**status))


def nested(depth: int) -> list[Any]:
    return [nested(depth - 1)] if depth > 1 else []


def test_a_pod_that_runs_reports_nothing() -> None:
    assert report_of_pod(block(), pod("Running"), None) is None


@pytest.mark.parametrize(
    ("message", "value"),
    [
        ('{"ms": 3}\n', {"ms": 3}),
        ("12", 12),
        ("null", None),
        ("pong from host", "pong from host"),
        ("NaN", "NaN"),
        ("[" * 4_000, "[" * 4_000),
        ("[" * 100 + "]" * 100, nested(100)),
        ("[" * 101 + "]" * 101, "[" * 101 + "]" * 101),
        ("[" * 950 + "]" * 950, "[" * 950 + "]" * 950),
        (str(2**63 - 1), 2**63 - 1),
        (str(-(2**63)), -(2**63)),
        (str(2**63), str(2**63)),
        ("9" * 310, "9" * 310),
        ("-" + "9" * 4_000, "-" + "9" * 4_000),
        ('{"n": [18446744073709551616, 1]}', {"n": ["18446744073709551616", 1]}),
        ("1e400", "1e400"),
        ('"\\ud800"', '"\\ud800"'),
    ],
)
def test_what_a_pod_leaves_is_the_result_of_its_item(message: str, value: Any) -> None:
    report = report_of_pod(block(), pod("Succeeded", message), None)
    assert report == o.Report(3, "Completed", results=[o.ReportedResult(7, value)])


def test_a_pod_that_leaves_nothing_has_completed_too() -> None:
    assert report_of_pod(block(), pod("Succeeded"), None) == o.Report(3, "Completed")


def test_the_results_of_many_items_come_by_their_indices() -> None:
    report = report_of_pod(block(10, 5), pod("Succeeded", '{"12": "b", "10": "a"}'), None)
    assert report == o.Report(3, "Completed", results=[o.ReportedResult(10, "a"), o.ReportedResult(12, "b")])


def test_of_many_items_a_number_that_is_too_long_is_text_and_the_others_are_kept() -> None:
    report = report_of_pod(block(10, 5), pod("Succeeded", f'{{"10": {10**400}, "11": 1}}'), None)
    assert report is not None
    assert report.results == [o.ReportedResult(10, str(10**400)), o.ReportedResult(11, 1)]


def test_a_fold_that_is_larger_than_any_number_of_kubernetes_is_told_in_text() -> None:
    most = 2**63 - 1
    report = report_of_pod(block(10, 5), pod("Succeeded", f'{{"10": {most}, "11": {most}}}'), "sum")
    assert report is not None
    assert (report.state, report.fold) == ("Completed", str(2 * most))
    report = report_of_pod(block(), pod("Succeeded", str(2**63)), "sum")
    assert report is not None
    assert report.state == "Failed"


@pytest.mark.parametrize("message", ["[1, 2]", '{"9": 1}', '{"15": 1}', '{"a": 1}', "12", "no JSON", '{"-1": 0}'])
def test_what_is_no_object_of_the_blocks_indices_is_not_kept_and_said(message: str) -> None:
    report = report_of_pod(block(10, 5), pod("Succeeded", message), None)
    assert report is not None
    assert (report.state, report.results) == ("Completed", [])
    assert "no JSON object" in report.message


def test_a_pod_that_failed_says_how_and_its_last_words() -> None:
    report = report_of_pod(block(), pod("Failed", "first\nlast words\n", 3, "Error"), None)
    message = "The pod list-0-3 failed: exit code 3: first\nlast words"
    assert report == o.Report(3, "Failed", failed_at=7, message=message)


def test_of_many_items_none_is_to_blame() -> None:
    report = report_of_pod(block(10, 5), pod("Failed", code=1), None)
    assert report is not None
    assert (report.state, report.failed_at) == ("Failed", None)


def test_a_pod_that_took_too_much_memory_says_so() -> None:
    report = report_of_pod(block(), pod("Failed", code=137, how="OOMKilled"), None)
    assert report is not None
    assert report.message == "The pod list-0-3 failed: OOMKilled, exit code 137"


def test_very_long_last_words_are_cut_at_the_front() -> None:
    report = report_of_pod(block(), pod("Failed", "x" * 4_000 + "the end", 1), None)
    assert report is not None
    assert len(report.message) <= o.MESSAGE_CHARACTERS_MAX
    assert report.message.endswith("the end")


@pytest.mark.parametrize(
    "status",
    [
        {"deleted": "2026-01-31T12:00:00Z"},
        {"conditions": [w.Condition("DisruptionTarget", "True", "EvictionByEvictionAPI")]},
        {"reason": "Evicted"},
        {"reason": "OutOfcpu", "container_statuses": []},
    ],
)
def test_what_happened_to_a_pod_is_no_failure(status: dict[str, Any]) -> None:
    report = report_of_pod(block(), pod("Failed", code=137, **status), None)
    assert report is not None
    assert report.state == "Released"


def test_a_pod_that_worked_too_long_has_failed() -> None:
    late = w.PodStatus("Failed", reason="DeadlineExceeded", message="Pod was active too long")
    report = report_of_pod(block(), w.Pod(w.Metadata("list-0-3"), status=late), None)
    assert report is not None
    assert (report.state, report.failed_at) == ("Failed", 7)
    assert "DeadlineExceeded: Pod was active too long" in report.message


def test_trouble_is_what_keeps_a_pod_from_running() -> None:
    assert trouble_of(pod("Running", container_statuses=[w.ContainerStatus("main")])) is None
    unscheduled = w.Condition("PodScheduled", "False", "Unschedulable", "0/1 nodes are available.")
    assert trouble_of(w.Pod(w.Metadata("a"), status=w.PodStatus(conditions=[unscheduled]))) == (
        "Unschedulable", "0/1 nodes are available.",
    )  # fmt: skip
    for reason, trouble in (("ErrImagePull", ("ErrImagePull", "no such image")), ("ContainerCreating", None)):
        waits = w.ContainerState(waiting=w.Waiting(reason, "no such image"))
        of = w.Pod(w.Metadata("a"), status=w.PodStatus(container_statuses=[w.ContainerStatus("main", waits)]))
        assert trouble_of(of) == trouble


def test_no_program_has_everything_in_its_environment() -> None:
    assert is_fit("ü" * 50_000)
    assert not is_fit("ü" * 50_001)
    assert not is_fit("a\0b")
