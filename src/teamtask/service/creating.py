"""`made_list`: from the body of a creating call to definition, rules and size; `changed_rules`: of a changing one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import UNSET
from msgspec.structs import asdict, replace

from teamtask.access import ROLES
from teamtask.ledger.big_numbers import check_number
from teamtask.ledger.errors import InvalidField, TeamtaskError
from teamtask.ledger.folds import check_fold_rule
from teamtask.ledger.rules import Limits, Rules
from teamtask.service.definition import Definition
from teamtask.sources import source_from_definition
from teamtask.sources.lines_source import LinesFingerprint, line_bytes
from teamtask.wire.requests import PRIORITY_MAX, WEIGHT_MAX, check_name, integer, invalid_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from teamtask.wire.requests import BlockBody, LimitsBody, ListChange, NewList

LABELS_MAX = 64
LABEL_CHARACTERS_MAX = 256
HOLDERS_MAX = 1_000  # principals, groups and users that one role of a list holds for
HOLDER_CHARACTERS_MAX = 256


class MadeList(NamedTuple):
    """What a list is created with; `lines` are its items where they came in the body. Size 0: it awaits its items."""

    name: str
    definition: Definition
    rules: Rules
    start: int
    size: int
    lines: list[bytes] | None


def made_list(body: NewList, owner: str) -> MadeList:
    """Check a new list. Raises InvalidField, InvalidSource."""
    name = check_name(body.name)
    start = integer(body.start, "start", low=0)
    try:
        source, fingerprint, size, alignment, lines = _items(body.source)
    except TeamtaskError as error:
        error.field = "source" if error.field is None else f"source.{error.field}"
        raise
    check_number(start + size, "start")
    rules = _rules(body, alignment, growable=source["kind"] in ("lines", "range") and "shuffle" not in source)
    definition = Definition(
        source,
        fingerprint,
        owner=owner,
        roles=checked_roles(body.roles),
        labels=checked_labels(body.labels),
        priority=_priority(body.priority),
        weight=_weight(body.weight),
    )
    return MadeList(name, definition, rules, start, size, lines)


def changed_rules(rules: Rules, change: ListChange) -> Rules:
    """Give the rules that a change leads to. Raises InvalidField."""
    values = _to_dict(rules)
    if change.block is not UNSET:
        values["block"] = _block(change.block)
    if change.limits is not UNSET:
        values["limits"] = {**values["limits"], **_given(change.limits)}
    for name in ("lease_seconds", "attempts", "item_seconds"):
        if getattr(change, name) is not UNSET:
            values[name] = getattr(change, name)
    if change.stop_after_results is not UNSET:
        stop = change.stop_after_results
        values["stop_after_results"] = None if stop is None else integer(stop, "stop_after_results")
    return _converted(values)


def changed_definition(definition: Definition, change: ListChange) -> Definition:
    """Give the definition that a change leads to. Raises InvalidField."""
    values: dict[str, Any] = {}
    if change.priority is not UNSET:
        values["priority"] = _priority(change.priority)
    if change.weight is not UNSET:
        values["weight"] = _weight(change.weight)
    if change.labels is not UNSET:
        values["labels"] = checked_labels(change.labels)
    if change.roles is not UNSET:
        values["roles"] = checked_roles(change.roles)
    return replace(definition, **values)


def checked_roles(roles: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    """Give roles and who holds them. Raises InvalidField."""
    for role, holders in roles.items():
        if role not in ROLES:
            raise InvalidField(
                f"{role!r:.80} is no role.", field="roles", hint=f"Roles of a list are {', '.join(ROLES)}."
            )
        if len(holders) > HOLDERS_MAX:
            raise InvalidField(f"A role is given to {HOLDERS_MAX:,} at most; use a group.", field=f"roles.{role}")
        for holder in holders:
            _check_text(holder, HOLDER_CHARACTERS_MAX, f"roles.{role}")
    return {role: tuple(dict.fromkeys(holders)) for role, holders in roles.items()}


def checked_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Give labels. Raises InvalidField."""
    if len(labels) > LABELS_MAX:
        raise InvalidField(f"A list has {LABELS_MAX} labels at most, not {len(labels)}.", field="labels")
    for label, value in labels.items():
        _check_text(label, LABEL_CHARACTERS_MAX, "labels")
        if value:
            _check_text(value, LABEL_CHARACTERS_MAX, f"labels.{label:.80}")
    return dict(labels)


def _items(source: dict[str, Any]) -> tuple[dict[str, Any], str, int, int, list[bytes] | None]:
    """Give source, fingerprint, size, alignment and lines; a source of lines without items awaits them."""
    if source.get("kind") != "lines":
        found = source_from_definition(source)
        return dict(found.definition()), found.fingerprint, found.size, found.alignment, None
    shuffle = {"shuffle": source["shuffle"]} if source.get("shuffle") is not None else {}
    if source.get("items") is None:
        # Checked as it will be, so that a wrong field is refused now and not when the items have come.
        source_from_definition({**source, "items": ["checked"]})
        return {"kind": "lines", "count": 0, "fingerprint": "", **shuffle}, "", 0, 1, None
    found = source_from_definition(source)
    lines = [line_bytes(item) for item in source["items"]]
    fingerprint = LinesFingerprint()
    fingerprint.update(lines)
    kept = {"kind": "lines", "count": len(lines), "fingerprint": fingerprint.fingerprint, **shuffle}
    return kept, found.fingerprint, found.size, 1, lines


def _rules(body: NewList, alignment: int, *, growable: bool) -> Rules:
    check_fold_rule(body.fold)
    stop = body.stop_after_results
    return _converted(
        {
            "block": _block(body.block),
            "lease_seconds": body.lease_seconds,
            "limits": {**asdict(Limits()), **_given(body.limits)},
            "attempts": body.attempts,
            "item_seconds": body.item_seconds,
            "fold": body.fold,
            "stop_after_results": None if stop is None else integer(stop, "stop_after_results"),
            "alignment": alignment,
            "growable": growable,
        }
    )


def _converted(values: dict[str, Any]) -> Rules:
    for field in ("lease_seconds", "item_seconds"):
        _check_finite(values[field], field)
    _check_finite(values["block"].get("seconds"), "block.seconds")
    _check_finite(values["limits"].get("items_per_second"), "limits.items_per_second")
    try:
        return msgspec.convert(values, Rules)
    except msgspec.ValidationError as error:
        raise invalid_body(error) from error


def _to_dict(rules: Rules) -> dict[str, Any]:
    return {**asdict(rules), "block": asdict(rules.block), "limits": asdict(rules.limits)}


def _block(block: BlockBody) -> dict[str, Any]:
    if block.size is not None and (block.seconds is not None or block.max is not None):
        raise InvalidField("A block has a size, or seconds and a maximum, and not both.", field="block")
    given: dict[str, Any] = {}
    for name, value in (("size", block.size), ("max", block.max)):
        if value is not None:
            given[name] = integer(value, f"block.{name}", low=1)
            check_number(given[name], f"block.{name}")
    if block.seconds is not None:
        given["seconds"] = block.seconds
    return given


def _given(limits: LimitsBody) -> dict[str, Any]:
    return {name: value for name, value in asdict(limits).items() if value is not UNSET}


def _priority(priority: int) -> int:
    if not -PRIORITY_MAX <= priority <= PRIORITY_MAX:
        raise InvalidField(f"A priority lies between -{PRIORITY_MAX} and {PRIORITY_MAX}.", field="priority")
    return priority


def _weight(weight: float) -> float:
    if not 0 < weight <= WEIGHT_MAX:
        raise InvalidField(f"A weight is more than 0 and {WEIGHT_MAX:,.0f} at most.", field="weight")
    return float(weight)


def _check_finite(value: float | None, field: str) -> None:
    if value is not None and not math.isfinite(value):
        raise InvalidField("That is no finite number.", field=field)


def _check_text(text: str, characters_max: int, field: str) -> None:
    if not 0 < len(text) <= characters_max or not text.isprintable():
        raise InvalidField(
            f"It must have 1 to {characters_max} printable characters.",
            field=field,
        )
