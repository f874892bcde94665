"""Creating and changing: what a body says is what the list is made with, and what it leaves out stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict

from teamtask.ledger.errors import InvalidField, TeamtaskError
from teamtask.ledger.rules import BLOCK_SECONDS_MAX, Limits, Rules
from teamtask.service.creating import changed_definition, changed_rules, made_list
from teamtask.service.definition import decode_definition
from teamtask.service.service import Service
from teamtask.stores.memory import MemoryStore
from teamtask.stores.store import StoreDamaged
from teamtask.wire.requests import ListChange, NewList, decode_body, invalid_body

if TYPE_CHECKING:
    from teamtask.service.creating import MadeList

RANGE = {"kind": "range", "start": 0, "stop": 100}
POSITIVE = st.integers(1, 10**40)
block = st.fixed_dictionaries({"size": POSITIVE | POSITIVE.map(str)}) | st.fixed_dictionaries(
    {}, optional={"seconds": st.floats(0.001, BLOCK_SECONDS_MAX), "max": POSITIVE | POSITIVE.map(str)}
)
limits = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("blocks_per_worker", "blocks_per_principal", "workers_per_principal", "workers"), POSITIVE),
        "items_per_second": st.none() | st.floats(0, 1e300, exclude_min=True),
        "parked": st.integers(0, 10_000),
    },
)
text = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20)
changes = st.fixed_dictionaries(
    {},
    optional={
        "block": block,
        "limits": limits,
        "lease_seconds": st.floats(1, 86_400 * 30),
        "attempts": st.integers(1, 100),
        "item_seconds": st.none() | st.floats(0, 1e300, exclude_min=True),
        "stop_after_results": st.none() | POSITIVE | POSITIVE.map(str),
        "priority": st.integers(-1_000, 1_000),
        "weight": st.floats(0.001, 1_000_000),
        "labels": st.dictionaries(text, text | st.just(""), max_size=3),
        "roles": st.dictionaries(st.sampled_from(["viewer", "worker", "owner"]), st.lists(text, max_size=3)),
    },
)


def made(**fields: Any) -> MadeList:
    body = decode_body(msgspec.json.encode({"name": "n", "source": RANGE, **fields}), NewList)
    return made_list(body, "token:o")


def change(fields: dict[str, Any]) -> ListChange:
    return decode_body(msgspec.json.encode(fields), ListChange)


def test_what_is_left_out_has_its_default() -> None:
    rules = made().rules
    assert rules == Rules(growable=True)
    assert (rules.limits, rules.block.seconds, rules.lease_seconds) == (Limits(), 30.0, 60.0)
    definition = made().definition
    assert (definition.owner, definition.priority, definition.weight, definition.local) == ("token:o", 0, 1.0, None)


@given(changes)
def test_a_list_is_the_same_whether_it_is_made_so_or_changed_so(fields: dict[str, Any]) -> None:
    at_once, before = made(**fields), made()
    assert changed_rules(before.rules, change(fields)) == at_once.rules
    assert changed_definition(before.definition, change(fields)) == at_once.definition


@given(changes)
def test_what_is_accepted_can_be_kept_and_read_again(fields: dict[str, Any]) -> None:
    service = Service(MemoryStore())
    one = made(**fields)
    list_id = service.create(one.name, one.definition, one.rules, one.size, None)
    with service.view(service.find("n")) as view:
        assert (view.ledger.rules, view.definition) == (one.rules, one.definition)
    service.change_rules(list_id, lambda rules: changed_rules(rules, change(fields)))
    with service.view(service.find("n")) as view:
        assert view.ledger.rules == one.rules


@given(changes, changes)
def test_what_a_change_leaves_out_stays_as_it_is(first: dict[str, Any], second: dict[str, Any]) -> None:
    before = changed_rules(made().rules, change(first))
    after = changed_rules(before, change(second))
    for name, value in asdict(after).items():
        if name not in second:
            assert value == getattr(before, name), name
    for name, value in asdict(after.limits).items():
        if name not in second.get("limits", {}):
            assert value == getattr(before.limits, name), name
    assert changed_rules(after, change({})) == after
    assert changed_rules(after, change(second)) == after


def read(values: dict[str, Any], kind: type[Any]) -> Any:
    """A body of values that no JSON can carry."""
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise invalid_body(error) from error


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan"), 0.0, -1.0])
@pytest.mark.parametrize(
    "field", ["lease_seconds", "item_seconds", "weight", "block.seconds", "limits.items_per_second"]
)
def test_numbers_that_are_none_are_refused_however_they_came(field: str, number: float) -> None:
    outer, _, inner = field.partition(".")
    values = {outer: {inner: number} if inner else number}
    for make in (
        lambda: made_list(read({"name": "n", "source": RANGE, **values}, NewList), "o"),
        lambda: (
            changed_rules(Rules(), read(values, ListChange)),
            changed_definition(made().definition, read(values, ListChange)),
        ),
    ):
        with pytest.raises(InvalidField) as refusal:
            make()
        assert refusal.value.field == field


def test_lines_in_the_body_and_lines_to_come() -> None:
    here = made(source={"kind": "lines", "items": ["a", "b"]})
    assert (here.lines, here.size, here.definition.source["count"]) == ([b"a", b"b"], 2, 2)
    assert "items" not in here.definition.source, "they are kept as lines"
    to_come = made(source={"kind": "lines", "shuffle": 5})
    assert (to_come.lines, to_come.size, to_come.definition.fingerprint) == (None, 0, "")
    assert to_come.definition.source["shuffle"] == 5
    assert (here.rules.growable, to_come.rules.growable) == (True, False)
    with pytest.raises(TeamtaskError) as refusal:
        made(source={"kind": "lines", "colour": "red"})
    assert refusal.value.field == "source.colour"


def test_only_a_range_or_lines_can_grow() -> None:
    assert made().rules.growable
    for source in (
        {**RANGE, "shuffle": 1},
        {"kind": "strings", "alphabet": "ab", "length": 3},
        {"kind": "permutations", "items": "abc"},
        {"kind": "lines", "items": ["a"], "shuffle": 1},
    ):
        assert not made(source=source).rules.growable, source


@pytest.mark.parametrize("text", [b"", b"[]", b"\xff", b"{}", b'{"source":3,"fingerprint":""}', b"[" * 100_000])
def test_what_is_no_definition_is_damage(text: bytes) -> None:
    with pytest.raises(StoreDamaged):
        decode_definition(text)
