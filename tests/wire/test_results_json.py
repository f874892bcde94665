"""Results as JSON: values travel as they are, byte by byte, and whatever could not be read again is refused."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask.ledger.errors import InvalidField, TooMany
from teamtask.wire.exchange_json import decode_exchange, encode_exchange
from teamtask.wire.limits import RESULT_BYTES_MAX, RESULT_DEPTH_MAX, RESULTS_MAX
from teamtask.wire.messages import Exchange, Report
from teamtask.wire.result_batch import PICKLE, ResultBatch, pack, to_payload
from teamtask.wire.result_lines import plain

indices = st.integers(0, 50) | st.integers(0, 10**40)
outcomes = st.dictionaries(indices, st.tuples(st.integers() | st.text(), st.booleans()), min_size=1, max_size=20)


def exchange_with(results: str) -> bytes:
    return f'{{"worker":"w","reports":[{{"lease":"a","index":0,"upto":0,"results":{results}}}]}}'.encode()


def read(results: str) -> ResultBatch | None:
    return decode_exchange(exchange_with(results)).reports[0].results


def written(batch: ResultBatch) -> bytes:
    return encode_exchange(Exchange("w", reports=(Report("a", 0, 0, results=batch),)))


def refused(results: str) -> InvalidField | TooMany:
    with pytest.raises((InvalidField, TooMany)) as raised:
        read(results)
    return raised.value


@given(outcomes, st.randoms())
def test_results_come_in_any_order_and_are_kept_in_order_of_index(outcomes: dict[int, Any], chance: Any) -> None:
    rows = [[index, value, ok] for index, (value, ok) in outcomes.items()]
    chance.shuffle(rows)
    batch = read(json.dumps(rows))
    assert batch is not None
    assert [(result.index, (result.value, result.ok)) for result in batch.results()] == sorted(outcomes.items())


@pytest.mark.parametrize(
    "value",
    [
        '{"b" : 1, "a":\t[1.50, 1E2] }',
        '"\\u00e9\\/"',
        '{"a":1,"a":2}',
        "123456789012345678901234567890.5",
        "-0",
        "null",
    ],
)
def test_a_value_is_kept_and_sent_on_as_the_very_bytes_that_came(value: str) -> None:
    batch = read(f'[ [9, {value} ,true], ["7",{value}, false] ]')
    assert batch == ResultBatch(7, 2, f"[{value},{value}]".encode(), failed=(0,), offsets=b"[0,2]")
    assert f'"results":[[7,{value},false],[9,{value}]]' in written(batch).decode()


def test_no_results_are_none() -> None:
    assert read("[]") is None
    assert read("null") is None


def test_how_long_items_took_does_not_travel() -> None:
    timed = pack([1], ["x"], seconds=b"\0\0\0\0")
    assert decode_exchange(written(timed)).reports[0].results == pack([1], ["x"])


@given(outcomes)
def test_what_a_function_returned_is_written_as_json(outcomes: dict[int, Any]) -> None:
    ordered = sorted(outcomes)
    failed = [at for at, index in enumerate(ordered) if not outcomes[index][1]]
    values = [(outcomes[index][0], {1: None}) for index in ordered]
    batch = decode_exchange(written(pack(ordered, values, failed=failed, codec=PICKLE))).reports[0].results
    assert batch is not None
    assert batch.decoded() == [plain(value, PICKLE) for value in values]
    assert (list(batch.indices()), list(batch.failed)) == (ordered, failed)


@pytest.mark.parametrize(
    "value",
    [math.nan, {1, 2}, b"x", 1j, "\udce9", 10**5_000, {(1, 2): 3}, "x" * RESULT_BYTES_MAX],
    ids=["nan", "set", "bytes", "complex", "half a pair", "digits", "keys", "size"],
)
def test_what_json_cannot_say_or_is_too_much_is_refused_by_its_index(value: object) -> None:
    with pytest.raises(InvalidField, match="The result of index 12 ") as raised:
        written(pack([11, 12], ["fine", value], codec=PICKLE))
    assert raised.value.field == "reports[0].results"


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(InvalidField, match="The result of index 0 "):
        written(pack([0], [value], codec=PICKLE))


@pytest.mark.parametrize(
    ("results", "field"),
    [
        ('[[1,"x"],["1","y"]]', "reports[0].results"),
        ("[[1]]", "reports[0].results[0]"),
        ('[[2,"x"],[1,"x",true,null]]', "reports[0].results[1]"),
        ('[[1,"x",true,1,2]]', "reports[0].results[0]"),
        ('[[1,"x",1]]', "reports[0].results[0][2]"),
        ('[{"index":1}]', "reports[0].results[0]"),
        ('"x"', "reports[0].results"),
        ("[[1,NaN]]", "body"),
        ('[[1,"\\ud800"]]', "body"),
        ('[[1,{"a":tru}]]', "body"),
        ("[[1," + "[" * 100_000 + "]" * 100_000 + "]]", "body"),
    ],
)
def test_what_is_wrong_with_results_is_named(results: str, field: str) -> None:
    assert refused(results).field == field


@pytest.mark.parametrize("value", ["1e999", "9" * 5_000, "[[-1e999]]"], ids=["float", "integer", "inside"])
def test_a_value_that_could_not_be_read_again_is_refused_by_its_index(value: str) -> None:
    error = refused(f"[[3,1],[9,{value}],[4,2]]")
    assert error.field == "reports[0].results"
    assert "The result of index 9 " in error.message


def test_a_value_of_bytes_that_are_no_text_is_refused_by_its_index() -> None:
    with pytest.raises(InvalidField, match="The result of index 5 cannot be kept"):
        decode_exchange(exchange_with('[[5,"?"]]').replace(b"?", b"\xff"))


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")], ids=["lists", "objects"])
def test_a_value_is_nested_a_hundred_levels_deep_at_most(opening: str, closing: str) -> None:
    def nested(levels: int) -> str:
        return opening * levels + "[]" + closing * levels

    assert read(f"[[1,{nested(RESULT_DEPTH_MAX - 1)}]]") is not None
    assert refused(f"[[0,0],[1,{nested(RESULT_DEPTH_MAX)}]]").message.startswith("The result of index 1 is nested")
    assert refused(f"[[1,{nested(900)}]]").message.startswith("The result of index 1 is nested")


def test_a_value_with_many_brackets_side_by_side_is_not_deep() -> None:
    batch = read(json.dumps([[1, [[{}, []]] * 1_000]]))
    assert batch is not None
    assert batch.decoded() == [[[{}, []]] * 1_000]


def test_there_is_a_limit_on_the_size_of_a_value_and_on_how_many() -> None:
    largest = '"' + "x" * (RESULT_BYTES_MAX - 2) + '"'
    assert read(f"[[1,{largest}]]") is not None
    assert "The result of index 1 has 1,048,577 bytes" in refused(f'[[1,{largest[:-1]}x"]]').message
    many = [[index, 0] for index in range(RESULTS_MAX + 1)]
    assert isinstance(refused(json.dumps(many)), TooMany)
    batch = read(json.dumps(many[:-1]))
    assert batch is not None
    assert (batch.count, batch.offsets) == (RESULTS_MAX, None)
    assert len(to_payload(batch)) < 3 * RESULTS_MAX
