"""Objects in memory are a source too; the same objects have the same fingerprint in every process."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask import sources
from teamtask.ledger.errors import InvalidSource
from teamtask.sources import ItemNotFound

plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | st.binary()
nested = st.recursive(plain, lambda parts: st.lists(parts) | st.dictionaries(st.text(), parts), max_leaves=5)


@given(st.lists(nested, min_size=1, max_size=20), st.data())
def test_objects_come_as_they_are(objects: list[Any], data: st.DataObject) -> None:
    source = sources.as_source(objects)
    index = data.draw(st.integers(0, len(objects) - 1))
    size = data.draw(st.integers(0, len(objects) - index))
    assert source.size == len(objects)
    assert list(source.items(index, size)) == objects[index : index + size]
    assert source.item(index) is objects[index]
    assert objects[source.index_of(objects[index])] == objects[index]
    assert source.fingerprint == sources.as_source([*objects]).fingerprint


def test_a_long_list_is_iterated_whole() -> None:
    source = sources.as_source(iter([*range(10_000), "end"]))
    assert list(source.items(1, 10_000)) == [*range(1, 10_000), "end"]


def test_what_differs_has_another_fingerprint() -> None:
    objects: list[list[object]] = [
        [1], ["1"], [1.0], [True], [None], [[1]], [(1,)], [{1}], [frozenset({1})], [{1: 1}], [{"1": 1}], [b"1"],
        [1, 1], [["list", 1]], [10**5_000], [10**5_000 + 1], [Decimal(1)], [PurePosixPath("1")], [[[1]]], [[1], []],
    ]  # fmt: skip
    assert len({sources.as_source(some).fingerprint for some in objects}) == len(objects)


def test_sharing_and_the_order_of_sets_leave_no_mark() -> None:
    shared, apart = PurePosixPath("a"), [PurePosixPath("a"), PurePosixPath("a")]
    assert sources.as_source([[shared, shared]]).fingerprint == sources.as_source([apart]).fingerprint
    program = (
        "from teamtask.sources import as_source; from pathlib import PurePosixPath as P;"
        "print(as_source([{*'abcdefgh'}, frozenset('xyz'), {'b': {1}, 'a': {'q', 'r'}}, P('x/y')]).fingerprint)"
    )
    made = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(made) == 1


def test_a_python_range_becomes_a_range_and_a_source_stays_itself() -> None:
    assert sources.as_source(range(5, 50, 9)).definition() == sources.range(5, 50, 9).definition()
    source = sources.strings("ab", length=2)
    assert sources.as_source(source) is source


def test_the_definition_tells_of_the_objects_and_makes_none() -> None:
    definition = sources.as_source("ab").definition()
    assert definition["kind"] == "objects"
    assert definition["count"] == 2
    with pytest.raises(InvalidSource):
        sources.source_from_definition(definition)


def cyclic() -> list[Any]:
    cycle: list[Any] = []
    cycle.append(cycle)
    return cycle


class Cycle:
    def __init__(self) -> None:
        self.me = self


class Unwilling:
    def __reduce__(self) -> str:
        message = "no"
        raise RuntimeError(message)


@pytest.mark.parametrize(
    "objects",
    [[], [lambda: 1], [cyclic()], [Cycle()], [Unwilling()], 5, None, iter(())],
    ids=["nothing", "a function", "a list in itself", "an object in itself", "an error", "5", "None", "no more"],
)
def test_what_cannot_be_a_list_is_refused_with_a_way_out(objects: Any) -> None:
    with pytest.raises(InvalidSource) as raised:
        sources.as_source(objects)
    assert raised.value.field == "items"
    assert raised.value.hint


def test_an_endless_iterable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "OBJECTS_MAX", 1_000)
    with pytest.raises(InvalidSource, match="never ends"):
        sources.as_source(itertools.count())


def test_an_object_that_is_not_there_is_not_found() -> None:
    with pytest.raises(ItemNotFound):
        sources.as_source([1, 2]).index_of(True)  # noqa: FBT003 - that 1 == True is the point
