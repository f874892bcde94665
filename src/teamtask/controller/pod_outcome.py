"""`report_of_pod`: what became of a block's pod, as the report that any holder would make."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from teamtask.kube import objects as o
from teamtask.ledger.errors import InvalidField
from teamtask.ledger.folds import check_fold, fold_of
from teamtask.wire.exchange_fields import wire_fold
from teamtask.wire.limits import RESULT_DEPTH_MAX

if TYPE_CHECKING:
    from teamtask.kube import workloads as w

NO_OBJECT = "The pod left a message that is no JSON object of the block's indices and their results; it is not kept."
NO_FOLD = "The list has a fold, and the pod left no result in /dev/termination-log that it can take."
UNFIT = "The item is too long for the environment of a program, or has a character that none can have."
ITEM_BYTES_MAX = 100_000  # Linux takes 128 KiB in one variable
_INTEGER_END = 2**63
_DIGITS_MAX = 20  # with a sign
_HAPPENED_TO_IT = {"Evicted", "NodeShutdown", "Shutdown", "Terminated", "NodeLost"}


class NotKept(Exception):
    """Why what a pod said is no result."""


def report_of_pod(block: o.Block, pod: w.Pod, fold: Any) -> o.Report | None:  # noqa: ANN401 - as in the spec
    """Give the report on a block whose pod has ended, None if it has not; `fold` is the list's."""
    sequence = block.status.sequence
    match pod.status.phase:
        case "Succeeded":
            return _completed(block, pod, fold)
        case "Failed" if _was_taken_away(pod):
            return o.Report(sequence, "Released", message=_cut(_why(pod)))
        case "Failed":
            return failed(block, _why(pod))
    return None


def failed(block: o.Block, message: str) -> o.Report:
    """Give the report on a block that could not be worked; of one item that one is to blame."""
    assignment = block.status.assignments[0]
    at = assignment.index if assignment.size == 1 else None
    return o.Report(block.status.sequence, "Failed", failed_at=at, message=_cut(message))


def _completed(block: o.Block, pod: w.Pod, fold: Any) -> o.Report:  # noqa: ANN401 - as in the spec
    text, why = _message(pod), ""
    results: list[o.ReportedResult] = []
    if text:
        try:
            results = _results(text, block.status.assignments[0])
        except NotKept as error:
            why = str(error)
    value = None
    if fold is not None:
        try:
            value = fold_of(fold, [one.value for one in results]) if results else None
            check_fold(fold, value)
        except (TypeError, ValueError, OverflowError, InvalidField):
            value = None
        if value is None:
            return failed(block, why or NO_FOLD)
    return o.Report(block.status.sequence, "Completed", results=results, fold=wire_fold(value), message=why)


def _results(text: str, assignment: o.Assignment) -> list[o.ReportedResult]:
    if assignment.size == 1:
        try:
            value = _read_json(text, RESULT_DEPTH_MAX)
        except (ValueError, RecursionError):
            value = text  # a word is a result too
        return [o.ReportedResult(assignment.index, value)]
    try:
        said = _read_json(text, RESULT_DEPTH_MAX + 1)
        found = {int(index): value for index, value in said.items()} if isinstance(said, dict) else {-1: said}
    except (ValueError, RecursionError):
        raise NotKept(NO_OBJECT) from None
    stop = assignment.index + assignment.size
    if not all(assignment.index <= index < stop for index in found):
        raise NotKept(NO_OBJECT)
    return [o.ReportedResult(index, value) for index, value in sorted(found.items())]


def _read_json(text: str, depth: int) -> Any:  # noqa: ANN401 - any JSON
    """Read what the API server keeps as it is, with lists and objects so deep inside each other at most.

    Of an integer past 64 bits it would lose digits, or refuse it: that is read as text. Raises ValueError,
    RecursionError.
    """
    value = json.loads(text, parse_constant=_refuse, parse_int=_integer)
    if not _is_flat(value, depth):
        raise ValueError(text)
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()  # finds infinity, and half characters
    return value


def _integer(digits: str) -> int | str:
    if len(digits) > _DIGITS_MAX:
        return digits
    value = int(digits)
    return value if -_INTEGER_END <= value < _INTEGER_END else digits


def _is_flat(value: Any, depth: int) -> bool:  # noqa: ANN401 - any JSON
    if not isinstance(value, (dict, list)):
        return True
    parts = value.values() if isinstance(value, dict) else value
    return depth > 0 and all(_is_flat(part, depth - 1) for part in parts)


def _refuse(word: str) -> None:
    raise ValueError(word)


def _was_taken_away(pod: w.Pod) -> bool:
    """Tell whether a pod ended by no fault of what it worked: deleted, evicted, preempted, or never begun."""
    status = pod.status
    disrupted = any(one.type == "DisruptionTarget" and one.status == "True" for one in status.conditions)
    never_began = not any(one.state.terminated for one in (*status.init_container_statuses, *status.container_statuses))
    return (
        pod.metadata.deletion_timestamp is not None
        or disrupted
        or status.reason in _HAPPENED_TO_IT
        or (never_began and status.reason not in {"", "DeadlineExceeded"})
    )


def _message(pod: w.Pod) -> str:
    """Give what the pod's first container left, or else another one."""
    left = {
        one.name: one.state.terminated.message.strip()
        for one in pod.status.container_statuses
        if one.state.terminated is not None
    }
    first = left.get(pod.spec.containers[0].name, "") if pod.spec.containers else ""
    return first or next(filter(None, left.values()), "")


def _why(pod: w.Pod) -> str:
    """Say in a sentence how a pod failed, with its last words."""
    status = pod.status
    words = ": ".join(filter(None, (status.reason, status.message)))
    for one in (*status.init_container_statuses, *status.container_statuses):
        ended = one.state.terminated
        if ended is not None and ended.exit_code:
            reason = "" if ended.reason in {"", "Error"} else f"{ended.reason}, "
            last = ended.message.strip()
            words = f"{reason}exit code {ended.exit_code}" + (f": {_end_of(last)}" if last else "")
            break
    return f"The pod {pod.metadata.name} failed: {words or 'nobody said why'}"


def _end_of(text: str) -> str:
    """Give the end of a text, which says most: half as much as a message may have."""
    return text if len(text) <= o.MESSAGE_CHARACTERS_MAX // 2 else "..." + text[-o.MESSAGE_CHARACTERS_MAX // 2 :]


def _cut(text: str) -> str:
    return text[: o.MESSAGE_CHARACTERS_MAX]


def trouble_of(pod: w.Pod) -> tuple[str, str] | None:
    """Give why a pod does not come to run, as a reason and a sentence, if Kubernetes says so."""
    if pod.has_ended:
        return None
    for one in pod.status.conditions:
        if one.type == "PodScheduled" and one.status == "False":
            return one.reason or "Unschedulable", _cut(one.message)
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        waiting = status.state.waiting
        if waiting is not None and waiting.reason not in {"", "ContainerCreating", "PodInitializing"}:
            return waiting.reason, _cut(waiting.message)
    return None


def is_fit(item: str) -> bool:
    """Tell whether a program can have this in its environment."""
    return "\0" not in item and len(item.encode("utf-8", "replace")) <= ITEM_BYTES_MAX
