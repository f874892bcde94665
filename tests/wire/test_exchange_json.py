"""Exchanges and replies as JSON: they come back as they were, and whatever else comes is refused by the field."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask.ledger.errors import InvalidField, TooMany
from teamtask.ledger.rules import DIGITS_MAX, ERROR_BYTES_MAX, NUMBER_END
from teamtask.wire.exchange_json import (
    decode_exchange,
    decode_reply,
    decode_report,
    encode_exchange,
    encode_lease,
    encode_reply,
    encode_status,
)
from teamtask.wire.limits import ERROR_TEXT_BYTES_MAX
from teamtask.wire.messages import Exchange, Lease, Reply, Report, ReportError, ReportStatus, Want
from teamtask.wire.result_batch import pack

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST = NUMBER_END - 1
numbers = st.integers(0, 100) | st.integers(2**53 - 3, 2**53 + 3) | st.integers(0, 10**40) | st.just(LARGEST)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
names = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)
floats = st.floats(allow_nan=False, allow_infinity=False)
seconds = st.floats(0, exclude_min=True, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | floats | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
ranges = st.lists(st.tuples(numbers, numbers), max_size=3).map(tuple)
fold_numbers = st.integers(-(10**40), 10**40) | st.integers(-LARGEST, LARGEST) | floats
folds = st.none() | st.booleans() | fold_numbers | st.lists(fold_numbers, max_size=5)


@st.composite
def batches(draw: st.DrawFn) -> Any:
    indices = sorted(draw(st.sets(numbers, min_size=1, max_size=6)))
    failed = sorted(draw(st.sets(st.integers(0, len(indices) - 1))))
    return pack(indices, [draw(values) for _ in indices], failed=failed)


reports = st.builds(
    Report,
    lease=names,
    index=numbers,
    upto=numbers,
    begin=st.none() | numbers,
    ranges=ranges,
    failed=st.lists(st.tuples(numbers, texts), max_size=3).map(tuple),
    results=st.none() | batches(),
    fold=folds,
    error=st.none() | st.builds(ReportError, texts, st.none() | numbers),
    release=st.booleans(),
    end=st.none() | numbers,
)
exchanges = st.builds(
    Exchange,
    worker=names,
    request=st.none() | names,
    want=st.none() | st.builds(Want, st.none() | seconds, st.booleans()),
    reports=st.lists(reports, max_size=3).map(tuple),
)
statuses = st.builds(
    ReportStatus,
    lease=names,
    status=st.sampled_from(["held", "done", "cut", "error"]),
    cursor=st.none() | numbers,
    end=st.none() | numbers,
    expires_in_seconds=st.none() | floats,
    rest=st.none() | ranges,
    error=st.none() | st.dictionaries(texts, texts | st.none(), max_size=3),
)
leases = st.builds(
    Lease, names, names, names, names, numbers, numbers, numbers, st.integers(1, 100), floats, names,
    rest=st.none() | ranges,
    items=st.none() | st.lists(st.integers(-100, 100) | texts | st.lists(values, max_size=2), max_size=3).map(tuple),
    items_url=st.none() | texts,
)  # fmt: skip
replies = st.builds(
    Reply,
    reports=st.lists(statuses, max_size=3).map(tuple),
    leases=st.lists(leases, max_size=1).map(tuple),
    state=names,
    retry_in_seconds=st.none() | floats,
    reason=st.none() | texts,
)


@given(exchanges)
def test_an_exchange_comes_back_as_it_was_said(exchange: Exchange) -> None:
    assert decode_exchange(encode_exchange(exchange)) == exchange


@given(replies)
def test_a_reply_comes_back_as_it_was_said(reply: Reply) -> None:
    assert decode_reply(encode_reply(reply)) == reply


@given(exchanges, replies)
def test_no_number_of_ours_is_one_that_a_json_parser_confuses(exchange: Exchange, reply: Reply) -> None:
    def check(name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, part in value.items():
                check(key, part)
        elif isinstance(value, list) and name not in ("results", "items"):
            for part in value:
                check(name, part)
        assert type(value) is not int or abs(value) < 2**53

    check("", json.loads(encode_exchange(exchange)))
    check("", json.loads(encode_reply(reply)))


def read_or_refused(decode: Callable[[bytes], Any], text: bytes) -> Any:
    """Give what is read, or None when it is refused with the name of a field; anything else is raised."""
    try:
        return decode(text)
    except (InvalidField, TooMany) as error:
        field = error.field
    assert field
    return None


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    for decode in (decode_exchange, decode_reply, lambda body: decode_report(body, "a")):
        read_or_refused(decode, text)


def with_one_part_changed(whole: Any, data: st.DataObject) -> Any:
    """Put another value into some place of a JSON document, or an unknown field, or leave something out."""
    if isinstance(whole, (dict, list)) and whole and data.draw(st.integers(0, 5)):
        places = sorted(whole) if isinstance(whole, dict) else range(len(whole))
        place = data.draw(st.sampled_from(places))
        whole[place] = with_one_part_changed(whole[place], data)
        return whole
    what = data.draw(st.sampled_from(["other", "more", "less"]))
    if isinstance(whole, dict) and what == "more":
        return whole | {data.draw(texts): data.draw(values)}
    if isinstance(whole, dict) and whole and what == "less":
        del whole[data.draw(st.sampled_from(sorted(whole)))]
        return whole
    strange = ["1e3", " 7", "+7", "-1", -1, 1.0, "9" * DIGITS_MAX, "9" * (DIGITS_MAX + 1), 10**DIGITS_MAX, "\0"]
    return data.draw(st.sampled_from(strange) | values)


@given(exchanges, st.data())
def test_an_exchange_with_one_thing_wrong_is_read_or_refused(exchange: Exchange, data: st.DataObject) -> None:
    whole = with_one_part_changed(json.loads(encode_exchange(exchange)), data)
    read = read_or_refused(decode_exchange, json.dumps(whole).encode())
    for report in read.reports if read else ():
        assert report.index >= 0
        assert report.results is None or len(list(report.results.results())) == report.results.count


@given(exchanges, st.data())
def test_an_exchange_with_broken_bytes_is_read_or_refused(exchange: Exchange, data: st.DataObject) -> None:
    text = encode_exchange(exchange)
    first = data.draw(st.integers(0, len(text)))
    last = data.draw(st.integers(first, min(len(text), first + 10)))
    broken = text[:first] + data.draw(st.binary(max_size=3) | st.sampled_from([b'"', b"[", b"}", b"0"])) + text[last:]
    read = read_or_refused(decode_exchange, broken)
    for report in read.reports if read else ():
        assert report.results is None or len(list(report.results.results())) == report.results.count


@given(replies, st.data())
def test_a_reply_with_one_thing_wrong_is_read_or_refused(reply: Reply, data: st.DataObject) -> None:
    whole = with_one_part_changed(json.loads(encode_reply(reply)), data)
    read_or_refused(decode_reply, json.dumps(whole).encode())


def test_the_example_of_the_design_is_read() -> None:
    text = (
        b'{"worker": "host-a/1", "request": "4f1c", "want": {"seconds": null, "items": false}, "reports": ['
        b'{"lease": "b7", "index": 1000, "upto": 2000, "from": 1000, "fold": 135, "results": [[1007, "prime"], '
        b'[1008, "no", false]]}, {"lease": "c1", "index": 5000, "upto": 5120, "error": {"message": "killed"}}, '
        b'{"lease": "d4", "index": 9000, "upto": 9400, "release": true}, {"lease": "f2", "index": 7000, "upto": 7100, '
        b'"ranges": [[7300, 50]], "failed": [[7301, "no such file"]], "end": 7500}]}'
    )
    first, second, third, fourth = decode_exchange(text).reports
    assert first == Report("b7", 1000, 2000, 1000, fold=135, results=pack([1007, 1008], ["prime", "no"], failed=[1]))
    assert second == Report("c1", 5000, 5120, error=ReportError("killed"))
    assert third == Report("d4", 9000, 9400, release=True)
    assert fourth == Report("f2", 7000, 7100, ranges=((7300, 50),), failed=((7301, "no such file"),), end=7500)


def test_a_claim_is_an_empty_want_and_none_is_left_out_or_null() -> None:
    assert decode_exchange(b'{"worker":"w","want":{}}').want == Want()
    assert decode_exchange(b'{"worker":"w","want":{"seconds":30,"items":true}}').want == Want(30.0, items=True)
    assert decode_exchange(b'{"worker":"w","want":null}').want is None
    assert decode_exchange(b'{"worker":"w"}') == Exchange("w")
    assert encode_exchange(Exchange("w", want=Want())) == b'{"worker":"w","want":{}}'


def test_a_reply_leaves_out_what_there_is_not_but_for_when_to_ask_again() -> None:
    status = ReportStatus("a", "done", 2000, 2**53)
    lease = Lease("b", "primes", "id", "primes-7f3k2", 2**53, 10, 10, 1, 60.0, "f", items=(2**53, "x", [2**53]))
    assert json.loads(encode_reply(Reply((status,), (lease,), "running"))) == {
        "reports": [{"lease": "a", "status": "done", "cursor": 2000, "end": str(2**53)}],
        "leases": [
            {
                "lease": "b", "list": "primes", "list_id": "id", "name": "primes-7f3k2", "index": str(2**53),
                "size": 10, "block_size": 10, "attempt": 1, "expires_in_seconds": 60.0, "fingerprint": "f",
                "items": [str(2**53), "x", [2**53]],
            }
        ],
        "state": "running",
        "retry_in_seconds": None,
    }  # fmt: skip
    waiting = encode_reply(Reply((), (), "paused", 2.5, "Its owner paused it."))
    paused = b'{"reports":[],"leases":[],"state":"paused","retry_in_seconds":2.5,"reason":"Its owner paused it."}'
    assert waiting == paused


def test_lines_that_are_no_utf8_reach_the_worker_as_they_are() -> None:
    item = b"caf\xe9".decode("utf-8", "surrogateescape")
    lease = Lease("b", "l", "id", "n", 0, 1, 1, 1, 60.0, "f", items=(item,))
    assert decode_reply(encode_reply(Reply((), (lease,), "running"))).leases == (lease,)
    assert json.loads(encode_lease(lease))["items"] == [item]


def test_a_lease_and_a_status_alone_are_written_as_in_a_reply() -> None:
    status = ReportStatus("a", "cut", end=2**53, rest=((5, 2**53),))
    lease = Lease("b", "l", "id", "n", 2**53, 1, 1, 1, 60.0, "f")
    whole = json.loads(encode_reply(Reply((status,), (lease,), "running")))
    assert whole["reports"] == [json.loads(encode_status(status))]
    assert whole["leases"] == [json.loads(encode_lease(lease))]


def test_a_worker_passes_by_what_a_newer_server_adds() -> None:
    text = b'{"reports":[{"lease":"a","status":"held","mood":1}],"leases":[],"state":"s","retry_in_seconds":1,"new":[]}'
    assert decode_reply(text) == Reply((ReportStatus("a", "held"),), (), "s", 1.0)


def test_an_index_is_taken_as_number_and_as_text_at_any_size() -> None:
    for number in (0, 7, 2**53, LARGEST):
        for said in (str(number), f'"{number}"'):
            text = (
                f'{{"worker":"w","reports":[{{"lease":"a","index":{said},"upto":{said},"ranges":[[{said},{said}]]}}]}}'
            )
            (report,) = decode_exchange(text.encode()).reports
            assert (report.index, report.upto, report.ranges) == (number, number, ((number, number),))


@pytest.mark.parametrize(
    ("said", "fold"),
    [
        (5, 5),
        (1.5, 1.5),
        (True, True),
        (str(2**60), 2**60),
        ("-7", -7),
        ([1, "2", 2.5, str(-(2**60))], [1, 2, 2.5, -(2**60)]),
        ("007x", "007x"),
        ("1e3", "1e3"),
        ({"a": "5"}, {"a": "5"}),
        ([["5"]], [["5"]]),
        (None, None),
    ],
)
def test_decimal_text_in_a_fold_is_an_integer_where_a_fold_has_numbers(said: Any, fold: Any) -> None:
    text = json.dumps({"worker": "w", "reports": [{"lease": "a", "index": 0, "upto": 1, "fold": said}]})
    assert decode_exchange(text.encode()).reports[0].fold == fold


def test_a_worker_says_no_more_of_an_error_than_is_kept() -> None:
    said = "\udce9" + "x" * ERROR_TEXT_BYTES_MAX
    exchange = Exchange("w", reports=(Report("a", 0, 1, failed=((0, said),), error=ReportError(said, 0)),))
    (report,) = decode_exchange(encode_exchange(exchange)).reports
    kept = "?" + "x" * (ERROR_BYTES_MAX - 1)
    assert report.failed == ((0, kept),)
    assert report.error == ReportError(kept, 0)


def test_a_plain_report_is_filled_in_from_its_lease() -> None:
    def told(text: bytes) -> Report:
        return decode_report(text, "a").report(100, 200)

    assert told(b'{"done":true}') == Report("a", 100, 200)
    assert told(b'{"upto":150}') == Report("a", 100, 150)
    assert told(b'{"index":90,"upto":"150","from":120}') == Report("a", 90, 150, 120)
    assert told(b'{"from":120,"ranges":[[150,5]]}') == Report("a", 100, 120, 120, ((150, 5),))
    assert told(b'{"release":true}') == Report("a", 100, 100, release=True)
    assert told(b'{"done":true,"fold":5,"results":[[7,"x"]]}') == Report(
        "a", 100, 200, fold=5, results=pack([7], ["x"])
    )
    assert told(b"{}") == Report("a", 100, 100)
    assert told(b"") == Report("a", 100, 100)
