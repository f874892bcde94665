"""What is wrong with an exchange is refused, and named by its place."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from teamtask.ledger.errors import InvalidField, TooMany
from teamtask.ledger.rules import DIGITS_MAX, NUMBER_END, RANGES_MAX
from teamtask.wire.exchange_json import decode_exchange, decode_report, encode_exchange
from teamtask.wire.limits import ERROR_TEXT_BYTES_MAX, ID_CHARACTERS_MAX, REPORTS_MAX, WORKER_CHARACTERS_MAX
from teamtask.wire.messages import Exchange, Report

NO_INDEX = [
    "true", "1.0", '"1e3"', '" 7"', '"+7"', '"-1"', "-1", "null", '""', '"\u0663"', "[]",
    str(NUMBER_END), f'"{NUMBER_END}"', "9" * 9_999, '"' + "9" * 9_999 + '"',
]  # fmt: skip


def body(**changed: Any) -> bytes:
    return json.dumps({"worker": "w"} | changed).encode()


def reporting(**changed: Any) -> bytes:
    return body(reports=[{"lease": "a", "index": 0, "upto": 0}, {"lease": "b", "index": 0, "upto": 5} | changed])


def refused(text: bytes) -> InvalidField | TooMany:
    with pytest.raises((InvalidField, TooMany)) as raised:
        decode_exchange(text)
    return raised.value


@pytest.mark.parametrize("wrong", NO_INDEX)
@pytest.mark.parametrize(
    ("report", "field"),
    [
        ('"index":0,"upto":X', "upto"),
        ('"index":X,"upto":0', "index"),
        ('"index":0,"upto":0,"ranges":[[0,1],[X,1]]', "ranges[1][0]"),
        ('"index":0,"upto":0,"ranges":[[0,X]]', "ranges[0][1]"),
        ('"index":0,"upto":0,"failed":[[X,"no"]]', "failed[0][0]"),
        ('"index":0,"upto":0,"results":[[0,1],[X,1]]', "results[1][0]"),
    ],
)
def test_what_is_no_index_is_refused_by_its_place(report: str, field: str, wrong: str) -> None:
    text = f'{{"worker":"w","reports":[{{"lease":"a",{report.replace("X", wrong)}}}]}}'
    assert refused(text.encode()).field == f"reports[0].{field}"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (body(worker=""), "worker"),
        (body(worker="w" * (WORKER_CHARACTERS_MAX + 1)), "worker"),
        (body(worker="a\nb"), "worker"),
        (body(worker="a\0b"), "worker"),
        (body(worker="a\x85b"), "worker"),
        (body(worker=1), "worker"),
        (b"{}", "worker"),
        (body(request="r" * (ID_CHARACTERS_MAX + 1)), "request"),
        (body(request="\0"), "request"),
        (body(want=True), "want"),
        (body(want={"seconds": 0}), "want.seconds"),
        (body(want={"seconds": -1.5}), "want.seconds"),
        (body(want={"seconds": "30"}), "want.seconds"),
        (body(want={"seconds": True}), "want.seconds"),
        (body(want={"seconds": 10**400}), "want.seconds"),
        (body(want={"items": 1}), "want.items"),
        (body(want={"second": 1}), "want.second"),
        (body(reports={}), "reports"),
        (body(reports=None), "reports"),
        (body(reports=[{"index": 0, "upto": 0}]), "reports[0].lease"),
        (body(claim={}), "claim"),
        (reporting(lease="l" * (ID_CHARACTERS_MAX + 1)), "reports[1].lease"),
        (reporting(lease="\x1b"), "reports[1].lease"),
        (reporting(ranges=[[0]]), "reports[1].ranges[0]"),
        (reporting(ranges=[[0, 1, 2]]), "reports[1].ranges[0]"),
        (reporting(ranges=[[0, 1]] * (RANGES_MAX + 1)), "reports[1].ranges"),
        (reporting(failed=[[0, 5]]), "reports[1].failed[0][1]"),
        (reporting(failed=[[0, "no"]] * (RANGES_MAX + 1)), "reports[1].failed"),
        (reporting(failed=[[0, "x" * (ERROR_TEXT_BYTES_MAX + 1)]]), "reports[1].failed[0][1]"),
        (reporting(error={"message": "\u20ac" * ERROR_TEXT_BYTES_MAX}), "reports[1].error.message"),
        (reporting(error={"message": "no", "index": -1}), "reports[1].error.index"),
        (reporting(error={}), "reports[1].error.message"),
        (reporting(release=1), "reports[1].release"),
        (reporting(end="x"), "reports[1].end"),
        (reporting(**{"from": -1}), "reports[1].from"),
        (reporting(fold="9" * (DIGITS_MAX + 1)), "reports[1].fold"),
        (reporting(fold=[NUMBER_END]), "reports[1].fold"),
        (reporting(done=True), "reports[1].done"),
        (body(reports=[{"lease": "a", "index": 0, "upto": 0}] * (REPORTS_MAX + 1)), "reports"),
        (b"", "worker"),
        (b"[]", "body"),
        (b'{"worker":"w"', "body"),
        (b'{"worker":"\xff"}', "body"),
        (b'{"worker":"\\ud800"}', "body"),
        (b'{"worker":"w","want":{"seconds":NaN}}', "body"),
        (b'{"worker":"w","want":{"seconds":-Infinity}}', "body"),
        (b'{"worker":"w","reports":[[' + b"[" * 100_000, "reports[0]"),
        (b'{"worker":"w","reports":[{"fold":' + b"[" * 100_000, "body"),
    ],
)
def test_what_is_wrong_is_named(text: bytes, field: str) -> None:
    assert refused(text).field == field


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (body(wants={}), "Known are worker, request, want, reports."),
        (body(want={"size": 1}), "Known are seconds, items."),
        (reporting(error={"message": "no", "at": 1}), "Known are message, index."),
        (reporting(state=1), "Known are lease, index, upto, from, ranges, failed, results, fold, error, release, end."),
    ],
)
def test_an_unknown_field_is_answered_with_those_that_are_known(text: bytes, hint: str) -> None:
    error = refused(text)
    assert error.message.startswith("Object contains unknown field")
    assert error.hint == hint


def test_more_than_one_exchange_carries_is_too_many() -> None:
    assert isinstance(refused(reporting(ranges=[[0, 1]] * (RANGES_MAX + 1))), TooMany)
    full = decode_exchange(reporting(ranges=[[0, 1]] * RANGES_MAX, failed=[[0, "no"]] * RANGES_MAX))
    assert len(full.reports[1].ranges) == len(full.reports[1].failed) == RANGES_MAX


@pytest.mark.parametrize("fold", [math.nan, math.inf, [1, -math.inf], NUMBER_END])
def test_a_fold_that_json_cannot_say_is_refused_where_it_is_made(fold: Any) -> None:
    with pytest.raises(InvalidField) as raised:
        encode_exchange(Exchange("w", reports=(Report("a", 0, 1, fold=fold),)))
    assert raised.value.field == "reports[0].fold"


@pytest.mark.parametrize("worker", ["", "a\tb", "a\udce9", "w" * (WORKER_CHARACTERS_MAX + 1)])
def test_a_name_that_is_none_is_refused_before_it_travels(worker: str) -> None:
    with pytest.raises(InvalidField) as raised:
        encode_exchange(Exchange(worker))
    assert raised.value.field == "worker"


@pytest.mark.parametrize(
    ("text", "lease", "field"),
    [
        (b"{}", "\0", "lease"),
        (b"{}", "\udce9", "lease"),
        (b"{}", "l" * (ID_CHARACTERS_MAX + 1), "lease"),
        (b'{"lease":"b"}', "a", "lease"),
        (b'{"done":true,"upto":5}', "a", "done"),
        (b'{"upto":-5}', "a", "upto"),
        (b'{"ranges":[[1.5,1]]}', "a", "ranges[0][0]"),
        (b'{"error":{"index":1}}', "a", "error.message"),
        (b"[", "a", "body"),
    ],
)
def test_what_is_wrong_with_a_plain_report_is_named(text: bytes, lease: str, field: str) -> None:
    with pytest.raises(InvalidField) as raised:
        decode_report(text, lease)
    assert raised.value.field == field
