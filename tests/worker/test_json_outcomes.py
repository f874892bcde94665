"""What a function returned or raised, as the JSON that a server takes."""

from __future__ import annotations

import json
import math
from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask.wire.exchange_json import decode_exchange, encode_exchange
from teamtask.wire.limits import RESULT_BYTES_MAX
from teamtask.wire.messages import Exchange, Lease
from teamtask.wire.result_batch import PICKLE
from teamtask.wire.result_lines import plain
from teamtask.worker.held_ranges import Finished, HeldRange
from teamtask.worker.json_outcomes import AsJson, KeepJson, json_of
from teamtask.worker.port import MESSAGE_BYTES_MAX, bytes_of
from teamtask.worker.portable import dumped

LEASE = Lease("l", "list", "id", "list-x", 100, 1_000, 1_000, 1, 60.0, "f")
texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary() | st.complex_numbers(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(texts | st.integers(), inner) | st.sets(texts),
    max_leaves=10,
)
outcomes = st.lists(values | values.map(lambda value: ValueError(repr(value)[:50])), min_size=1, max_size=20)


def finished_of(start: int, some: list[Any]) -> Finished:
    """Give what a process sends of some outcomes: exceptions are not ok."""
    called = [outcome if isinstance(outcome, Exception) else json_of(outcome) for outcome in some]
    failed = tuple(at for at, outcome in enumerate(some) if isinstance(outcome, Exception))
    return Finished(start, start + len(some), dumped(called), failed, array("f", [0.0] * len(some)).tobytes())


def reported(*some: Finished) -> dict[int, tuple[Any, bool]]:
    """Give value and ok by index, as a server reads them, and see that no report is too large."""
    held = HeldRange(LEASE, 0.0)
    held.finished = list(some)
    sent = list(KeepJson().reports(held))
    assert held.finished == []
    found: dict[int, tuple[Any, bool]] = {}
    for one in sent:
        assert bytes_of(one.report) < 2 * MESSAGE_BYTES_MAX
        (report,) = decode_exchange(encode_exchange(Exchange("me", reports=(one.report,)))).reports
        assert report.results is not None
        assert (report.begin, report.upto) == (one.told[0].start, one.told[-1].stop)
        for result in report.results.results():
            assert result.index not in found
            found[result.index] = result.value, result.ok
    return found


@given(values)
def test_a_value_is_written_as_a_local_run_shows_it(value: Any) -> None:
    assert json.loads(json_of(value)) == plain(value, PICKLE)


@pytest.mark.parametrize(
    ("value", "text"),
    [(math.nan, b'"nan"'), ({1}, b'"{1}"'), ("\udce9a", '"\ufffda"'.encode()), (10**5_000, b'"<int>"')],
    ids=["nan", "set", "half a pair", "digits"],
)
def test_what_json_cannot_say_is_said_otherwise(value: object, text: bytes) -> None:
    assert json_of(value) == text


@pytest.mark.parametrize(
    ("value", "message"),
    [("x" * RESULT_BYTES_MAX, "takes 1,048,578 bytes as JSON"), (json.loads("[" * 101 + "]" * 101), "100 levels")],
    ids=["size", "depth"],
)
def test_what_is_more_than_a_server_takes_is_an_error_of_the_item(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AsJson(lambda _: value)(0)


@given(outcomes, outcomes)
def test_outcomes_arrive_as_a_local_run_shows_them(one: list[Any], other: list[Any]) -> None:
    found = reported(finished_of(100, one), finished_of(100 + len(one), other))
    assert [found[100 + at] for at in range(len(found))] == [
        (plain(outcome, PICKLE), not isinstance(outcome, Exception)) for outcome in [*one, *other]
    ]


def test_a_great_deal_at_once_goes_into_several_reports() -> None:
    some: list[Any] = [ValueError("no") if at % 10 == 3 else "x" * 1_000_000 for at in range(40)]
    found = reported(finished_of(200, some))
    assert list(found) == list(range(200, 240))
    assert [ok for _, ok in found.values()] == [at % 10 != 3 for at in range(40)]


def test_what_a_long_exception_says_is_cut() -> None:
    found = reported(finished_of(100, [ValueError("x" * 5_000_000)]))
    value, ok = found[100]
    assert not ok
    assert value.startswith("ValueError('xxx")
    assert len(value) == 10_000
