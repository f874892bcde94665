"""Packed results say what was put in, whole and in parts."""

from __future__ import annotations

from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask.ledger.errors import InvalidField, UnknownFormat
from teamtask.wire.result_batch import JSON, PICKLE, ResultBatch, from_payload, pack, to_payload

# JSON has no infinity; pickle keeps everything.
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.none() | st.integers() | st.text() | FLOATS | st.lists(st.booleans(), max_size=3)


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[int], list[Any], list[int], str]:
    start = draw(st.integers(0, 10**40))
    gaps = draw(st.lists(st.integers(1, 10**30) | st.just(1), min_size=1, max_size=30))
    indices = [start + sum(gaps[: at + 1]) for at in range(len(gaps))]
    values = draw(st.lists(VALUES, min_size=len(indices), max_size=len(indices)))
    failed = draw(st.lists(st.integers(0, len(indices) - 1), unique=True).map(sorted))
    return indices, values, failed, draw(st.sampled_from([JSON, PICKLE]))


@given(batches())
def test_a_batch_comes_back_from_its_payload(made: tuple[list[int], list[Any], list[int], str]) -> None:
    indices, values, failed, codec = made
    batch = pack(indices, values, failed=failed, codec=codec)
    read = from_payload(batch.index, to_payload(batch))
    assert read == batch
    results = list(read.results())
    assert [result.index for result in results] == indices
    assert [result.value for result in results] == values
    assert [position for position, result in enumerate(results) if not result.ok] == failed
    assert [index for start, stop in read.ranges() for index in range(start, stop)] == indices


@given(batches(), st.data())
def test_a_part_of_a_batch_is_what_lies_in_the_ranges(
    made: tuple[list[int], list[Any], list[int], str], data: st.DataObject
) -> None:
    indices, values, failed, codec = made
    times = array("f", range(len(indices))).tobytes()
    batch = pack(indices, values, failed=failed, codec=codec, seconds=times)
    start = data.draw(st.sampled_from(indices))
    stop = data.draw(st.sampled_from([index + 1 for index in indices if index >= start]))
    ((first, last),) = batch.positions([(start, stop)])
    whole = list(batch.results())
    assert list(batch.part(first, last).results()) == [result for result in whole if start <= result.index < stop]


def test_an_index_twice_or_out_of_order_is_refused() -> None:
    with pytest.raises(InvalidField):
        pack([1, 1], ["a", "b"])
    with pytest.raises(InvalidField):
        pack([2, 1], ["a", "b"])


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\xc1", b"\x90", to_payload(pack([1], ["a"]))[:-2]])
def test_what_is_no_payload_is_refused(payload: bytes) -> None:
    with pytest.raises(UnknownFormat):
        from_payload(7, payload)


@pytest.mark.parametrize(
    "batch",
    [
        ResultBatch(7, 0, b"[]"),
        ResultBatch(7, 2, b"[1]"),
        ResultBatch(7, 2, b"[1,2"),
        ResultBatch(7, 2, b"[1,2]", "yaml"),
        ResultBatch(7, 2, b"[1,2]", failed=(2,)),
        ResultBatch(7, 2, b"[1,2]", failed=(-1,)),
        ResultBatch(7, 2, b"[1,2]", failed=(1, 1)),
        ResultBatch(7, 2, b"[1,2]", offsets=b"[0]"),
        ResultBatch(7, 2, b"[1,2]", offsets=b"[1,2]"),
        ResultBatch(7, 2, b"[1,2]", offsets=b"[0,0]"),
        ResultBatch(7, 2, b"[1,2]", offsets=b'[0,"1"]'),
        ResultBatch(7, 2, b"[1,2]", seconds=bytes(9)),
        ResultBatch(7, 2, b"[1," + b"[" * 5_000 + b"]" * 5_000 + b"]"),
    ],
)
def test_a_damaged_batch_is_refused_and_never_read_as_another(batch: ResultBatch) -> None:
    with pytest.raises(UnknownFormat):
        list(from_payload(7, to_payload(batch)).results())
