"""A definition from outside becomes a source, or an error that names the field and a way out."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask import sources
from teamtask.ledger.errors import InvalidSource
from teamtask.sources import lines_in_memory, source_from_definition

HUGE = 10**4000
MANY = [0] * 100_001
NESTED: list[Any] = []
for _ in range(40):
    NESTED = [NESTED]
CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)
HALF = "\ud800"


@pytest.mark.parametrize(
    "source",
    [
        sources.range(2, 10**50, 7),
        sources.range(5, -5, -1),
        sources.strings("abc", length=5),
        sources.strings("abc", min_length=0, max_length=5),
        sources.permutations("abc"),
        sources.permutations([1, "a", None, [True]]),
        sources.combinations("abcd", 2),
        sources.combinations([1.5, 2, {"a": 1}], 2),
        sources.product(rate=[0.1, 0.2], depth=[1, 2, 3]),
        sources.mask("ABC", "0123456789"),
        sources.shuffled(sources.range(2, 100), 7),
        sources.shuffled(sources.mask("ABC", "0123456789"), "seed"),
    ],
    ids=lambda source: json.dumps(source.definition()),
)
def test_a_definition_travels_as_json_and_makes_the_same_source(source: sources.Source[Any]) -> None:
    copy = source_from_definition(json.loads(json.dumps(source.definition())))
    assert copy.definition() == source.definition()
    assert copy.fingerprint == source.fingerprint
    assert copy.kind == source.kind
    assert list(copy.items(0, min(copy.size, 20))) == list(source.items(0, min(copy.size, 20)))


def test_whole_numbers_may_be_decimal_text() -> None:
    source = source_from_definition({"kind": "range", "start": "-3", "stop": str(10**60), "step": "2"})
    assert source.definition() == {"kind": "range", "start": -3, "stop": 10**60, "step": 2}


def test_null_is_the_same_as_a_field_left_out() -> None:
    source = source_from_definition(
        {"kind": "strings", "alphabet": "ab", "length": 3, "min_length": None, "max_length": None, "shuffle": None}
    )
    assert source.definition() == {"kind": "strings", "alphabet": "ab", "length": 3}


def test_lines_come_from_a_store_or_in_the_definition() -> None:
    inline = source_from_definition({"kind": "lines", "items": ["a", "b"]})
    stored = source_from_definition(inline.definition(), lambda index, size: iter([b"a", b"b"][index : index + size]))
    assert list(inline.items(0, 2)) == list(stored.items(0, 2)) == ["a", "b"]
    assert stored.fingerprint == inline.fingerprint


def test_lines_that_grew_keep_the_fingerprint_of_the_first_ones() -> None:
    fingerprint = lines_in_memory([b"a", b"b"]).fingerprint
    grown = source_from_definition(
        {"kind": "lines", "count": 3, "fingerprint": fingerprint}, lambda _index, size: iter([b"x"] * size)
    )
    assert grown.size == 3
    assert grown.fingerprint == fingerprint


BAD: list[tuple[object, str]] = [
    (None, "source"),
    ("range", "source"),
    ([], "source"),
    ({}, "kind"),
    ({"kind": None}, "kind"),
    ({"kind": 5}, "kind"),
    ({"kind": ["range"]}, "kind"),
    ({"kind": "rang"}, "kind"),
    ({"kind": "objects", "count": 1, "fingerprint": "x"}, "kind"),
    ({"kind": "range"}, "stop"),
    ({"kind": "range", "stop": 5, "stride": 2}, "stride"),
    ({"kind": "range", "stop": 5, "x" * 10_000: 2}, "x" * 10_000),
    ({"kind": "range", "stop": 5, 7: 2}, "'int'"),
    ({"kind": "range", "stop": 5.0}, "stop"),
    ({"kind": "range", "stop": True}, "stop"),
    ({"kind": "range", "stop": [5]}, "stop"),
    ({"kind": "range", "stop": "five"}, "stop"),
    ({"kind": "range", "stop": "1_000"}, "stop"),
    ({"kind": "range", "stop": " 5"}, "stop"),
    ({"kind": "range", "stop": "\u0665"}, "stop"),
    ({"kind": "range", "stop": "9" * 4_001}, "stop"),
    ({"kind": "range", "stop": HUGE}, "stop"),
    ({"kind": "range", "stop": 10**5_000}, "stop"),
    ({"kind": "range", "start": -HUGE + 1, "stop": HUGE - 1}, "stop"),
    ({"kind": "range", "start": -HUGE, "stop": 5}, "start"),
    ({"kind": "range", "start": "x", "stop": 5}, "start"),
    ({"kind": "range", "stop": 5, "step": 0}, "step"),
    ({"kind": "range", "stop": 5, "step": HUGE}, "step"),
    ({"kind": "range", "start": 5, "stop": 5}, "stop"),
    ({"kind": "range", "start": 5, "stop": 1}, "stop"),
    ({"kind": "range", "start": 1, "stop": 5, "step": -1}, "stop"),
    ({"kind": "range", "stop": 5, "shuffle": True}, "shuffle"),
    ({"kind": "range", "stop": 5, "shuffle": 1.5}, "shuffle"),
    ({"kind": "range", "stop": 5, "shuffle": [1]}, "shuffle"),
    ({"kind": "range", "stop": 5, "shuffle": HUGE}, "shuffle"),
    ({"kind": "range", "stop": 5, "shuffle": "x" * 5_000}, "shuffle"),
    ({"kind": "range", "stop": 5, "shuffle": HALF}, "shuffle"),
    ({"kind": "strings", "length": 3}, "alphabet"),
    ({"kind": "strings", "alphabet": "", "length": 3}, "alphabet"),
    ({"kind": "strings", "alphabet": "abca", "length": 3}, "alphabet"),
    ({"kind": "strings", "alphabet": ["a", "b"], "length": 3}, "alphabet"),
    ({"kind": "strings", "alphabet": "a" + HALF, "length": 3}, "alphabet"),
    ({"kind": "strings", "alphabet": "".join(map(chr, range(0x10000, 0x20001))), "length": 3}, "alphabet"),
    ({"kind": "strings", "alphabet": "ab"}, "length"),
    ({"kind": "strings", "alphabet": "ab", "min_length": 1}, "max_length"),
    ({"kind": "strings", "alphabet": "ab", "length": 0}, "length"),
    ({"kind": "strings", "alphabet": "ab", "length": -1}, "length"),
    ({"kind": "strings", "alphabet": "ab", "length": 20_001}, "length"),
    ({"kind": "strings", "alphabet": "ab", "length": 10**100}, "length"),
    ({"kind": "strings", "alphabet": "ab", "length": 13_288}, "length"),
    ({"kind": "strings", "alphabet": "ab", "length": 20_000}, "length"),
    ({"kind": "strings", "alphabet": "ab", "length": "3.0"}, "length"),
    ({"kind": "strings", "alphabet": "ab", "length": 3, "min_length": 3}, "min_length"),
    ({"kind": "strings", "alphabet": "ab", "length": 3, "max_length": 3}, "max_length"),
    ({"kind": "strings", "alphabet": "ab", "min_length": -1, "max_length": 3}, "min_length"),
    ({"kind": "strings", "alphabet": "ab", "min_length": 4, "max_length": 3}, "max_length"),
    ({"kind": "strings", "alphabet": "ab", "min_length": 0, "max_length": 0}, "length"),
    ({"kind": "strings", "alphabet": "ab", "max_length": 13_288}, "max_length"),
    ({"kind": "permutations"}, "items"),
    ({"kind": "permutations", "items": ""}, "items"),
    ({"kind": "permutations", "items": []}, "items"),
    ({"kind": "permutations", "items": 5}, "items"),
    ({"kind": "permutations", "items": {"a": 1}}, "items"),
    ({"kind": "permutations", "items": [0] * 1_500}, "items"),
    ({"kind": "permutations", "items": MANY}, "items"),
    ({"kind": "permutations", "items": [math.nan]}, "items"),
    ({"kind": "permutations", "items": [math.inf]}, "items"),
    ({"kind": "permutations", "items": [(1, 2)]}, "items"),
    ({"kind": "permutations", "items": [{1: 2}]}, "items"),
    ({"kind": "permutations", "items": [b"x"]}, "items"),
    ({"kind": "permutations", "items": [HUGE]}, "items"),
    ({"kind": "permutations", "items": [HALF]}, "items"),
    ({"kind": "permutations", "items": [{HALF: 1}]}, "items"),
    ({"kind": "permutations", "items": "a" + HALF}, "items"),
    ({"kind": "permutations", "items": NESTED}, "items"),
    ({"kind": "permutations", "items": CIRCLE}, "items"),
    ({"kind": "permutations", "items": ["x" * 1_000_001]}, "items"),
    ({"kind": "permutations", "items": [[0] * 1_000_001]}, "items"),
    ({"kind": "permutations", "items": ["ab"], "k": 1}, "k"),
    ({"kind": "combinations", "items": "abc"}, "k"),
    ({"kind": "combinations", "k": 2}, "items"),
    ({"kind": "combinations", "items": [], "k": 0}, "items"),
    ({"kind": "combinations", "items": "abc", "k": 0}, "k"),
    ({"kind": "combinations", "items": "abc", "k": -1}, "k"),
    ({"kind": "combinations", "items": "abc", "k": 4}, "k"),
    ({"kind": "combinations", "items": "abc", "k": 10**100}, "k"),
    ({"kind": "combinations", "items": "abc", "k": 10**5_000}, "k"),
    ({"kind": "combinations", "items": "abc", "k": 1.5}, "k"),
    ({"kind": "combinations", "items": [0] * 100_000, "k": 50_000}, "k"),
    ({"kind": "combinations", "items": [0] * 13_300, "k": 6_650}, "k"),
    ({"kind": "combinations", "items": MANY, "k": 2}, "items"),
    ({"kind": "combinations", "items": [object()], "k": 1}, "items"),
    ({"kind": "product"}, "axes"),
    ({"kind": "product", "axes": []}, "axes"),
    ({"kind": "product", "axes": {"a": [1]}}, "axes"),
    ({"kind": "product", "axes": ["a"]}, "axes"),
    ({"kind": "product", "axes": [["a"]]}, "axes"),
    ({"kind": "product", "axes": [["a", 1]]}, "axes"),
    ({"kind": "product", "axes": [["a", "xyz"]]}, "axes"),
    ({"kind": "product", "axes": [["a", [1], 2]]}, "axes"),
    ({"kind": "product", "axes": [[1, [1]]]}, "axes"),
    ({"kind": "product", "axes": [["a", []]]}, "axes"),
    ({"kind": "product", "axes": [["a", [1]], ["a", [2]]]}, "axes"),
    ({"kind": "product", "axes": [["a", MANY]]}, "axes"),
    ({"kind": "product", "axes": [["a", [math.nan]]]}, "axes"),
    ({"kind": "product", "axes": [[HALF, [1]]]}, "axes"),
    ({"kind": "product", "axes": [[f"{n}", [1]] for n in range(1_001)]}, "axes"),
    ({"kind": "product", "axes": [[f"{n}", [0] * 99_000] for n in range(12)]}, "axes"),
    ({"kind": "product", "axes": [[f"{n}", [0] * 900] for n in range(1_000)] + [["x", [0] * 99_000]]}, "axes"),
    ({"kind": "product", "axes": [["a", [10**3_999] * 300]]}, "axes"),
    ({"kind": "mask"}, "alphabets"),
    ({"kind": "mask", "alphabets": []}, "alphabets"),
    ({"kind": "mask", "alphabets": "abc"}, "alphabets"),
    ({"kind": "mask", "alphabets": ["abc", ""]}, "alphabets"),
    ({"kind": "mask", "alphabets": ["abc", "aa"]}, "alphabets"),
    ({"kind": "mask", "alphabets": ["abc", 5]}, "alphabets"),
    ({"kind": "mask", "alphabets": ["abc", HALF]}, "alphabets"),
    ({"kind": "mask", "alphabets": ["a"] * 20_001}, "alphabets"),
    ({"kind": "mask", "alphabets": ["ab"] * 13_288}, "alphabets"),
    ({"kind": "mask", "alphabets": ["".join(map(chr, range(0x20, 0x820)))] * 1_000}, "alphabets"),
    ({"kind": "lines"}, "count"),
    ({"kind": "lines", "count": 5}, "fingerprint"),
    ({"kind": "lines", "count": 5, "fingerprint": "5:" + "0" * 32}, "items"),
    ({"kind": "lines", "items": []}, "items"),
    ({"kind": "lines", "items": "abc"}, "items"),
    ({"kind": "lines", "items": ["a", 5]}, "items"),
    ({"kind": "lines", "items": ["a", HALF]}, "items"),
    ({"kind": "lines", "items": ["a"] * 100_001}, "items"),
    ({"kind": "lines", "items": ["a"], "count": 1}, "count"),
    ({"kind": "lines", "items": ["a"], "fingerprint": "x"}, "fingerprint"),
]


@pytest.mark.parametrize(
    ("definition", "field"), BAD, ids=[f"{number} {field[:20]}" for number, (_, field) in enumerate(BAD)]
)
def test_a_bad_definition_is_refused_with_field_and_hint(definition: object, field: str) -> None:
    with pytest.raises(InvalidSource) as raised:
        source_from_definition(definition)
    assert raised.value.field == field
    assert raised.value.hint
    assert raised.value.code == "invalid_source"
    assert len(raised.value.message) < 200


@pytest.mark.parametrize(
    ("count", "fingerprint", "field"),
    [
        (0, "1:" + "0" * 32, "count"),
        (-1, "1:" + "0" * 32, "count"),
        (HUGE, "1:" + "0" * 32, "count"),
        ("x", "1:" + "0" * 32, "count"),
        (5, "6:" + "0" * 32, "fingerprint"),
        (5, "0:" + "0" * 32, "fingerprint"),
        (5, "nonsense", "fingerprint"),
        (5, 5, "fingerprint"),
    ],
)
def test_stored_lines_with_a_wrong_count_or_fingerprint_are_refused(
    count: object, fingerprint: object, field: str
) -> None:
    with pytest.raises(InvalidSource) as raised:
        source_from_definition(
            {"kind": "lines", "count": count, "fingerprint": fingerprint}, lambda _index, _size: iter(())
        )
    assert raised.value.field == field


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: sources.range(1.5), "stop"),  # type: ignore[arg-type]  # wrong on purpose, as all below
        (lambda: sources.range(0), "stop"),
        (lambda: sources.strings("abc"), "length"),
        (lambda: sources.strings(5, length=2), "alphabet"),  # type: ignore[arg-type]
        (sources.mask, "alphabets"),
        (lambda: sources.mask("ab", 5), "alphabets"),  # type: ignore[arg-type]
        (lambda: sources.permutations(5), "items"),  # type: ignore[call-overload]
        (lambda: sources.permutations(iter(())), "items"),
        (lambda: sources.permutations(iter(int, 1)), "items"),
        (lambda: sources.combinations("ab", "x"), "k"),  # type: ignore[call-overload]
        (sources.product, "axes"),
        (lambda: sources.product(5), "axes"),  # type: ignore[arg-type]
        (lambda: sources.product("ab"), "axes"),  # type: ignore[arg-type]
        (lambda: sources.product(a=5), "axes"),  # type: ignore[arg-type]
        (lambda: sources.product(a="xyz"), "axes"),
        (lambda: sources.product({"a": [1]}, a=[2]), "axes"),
        (lambda: sources.product([("a", [1], 2)]), "axes"),  # type: ignore[list-item]
        (lambda: sources.shuffled(sources.range(5), None), "shuffle"),  # type: ignore[arg-type]
        (lambda: sources.shuffled(sources.range(5), True), "shuffle"),  # noqa: FBT003 - wrong on purpose
    ],
    ids=range(19),
)
def test_a_constructor_refuses_what_the_definition_would(call: Any, field: str) -> None:
    with pytest.raises(InvalidSource) as raised:
        call()
    assert raised.value.field == field
    assert raised.value.hint


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 20) | st.floats() | st.sampled_from(["", "abc", "7", "aa", HALF]),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.sampled_from(["a", "kind"]), parts, max_size=2),
    max_leaves=5,
)
FIELDS = ["start", "stop", "step", "alphabet", "length", "min_length", "max_length", "items", "k", "axes"]
FIELDS += ["alphabets", "count", "fingerprint", "shuffle", "other"]
KINDS = ["range", "lines", "strings", "permutations", "combinations", "product", "mask"]


@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=4))
def test_nonsense_is_a_source_or_an_error_of_ours(kind: str, fields: dict[str, object]) -> None:
    try:
        source = source_from_definition({**fields, "kind": kind})
    except InvalidSource as error:
        told = (error.field, error.hint)
    else:
        assert source.item(0) == next(source.items(0, 1))
        return
    assert told[0] in FIELDS
    assert told[1]
