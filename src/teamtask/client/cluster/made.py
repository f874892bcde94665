"""`worklist_of`, `patch_of`: a Worklist from what the web API's call to create has, and what a change makes of one.

What a Worklist cannot hold is refused by its field's name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import UNSET
from msgspec.structs import asdict

from teamtask.client.cluster.refusals import NotInKubernetes
from teamtask.kube import objects as o
from teamtask.ledger.errors import InvalidField, TeamtaskError
from teamtask.ledger.folds import check_fold_rule
from teamtask.sources import source_from_definition
from teamtask.sources.range_source import Range
from teamtask.wire.requests import ListChange, NewList, integer, invalid_body
from teamtask.wire.views import wire_integer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from teamtask.wire.requests import BlockBody, LimitsBody

_NAME_CHARACTERS_MAX: Final = 253
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_LIMITS: Final = {
    "blocks_per_principal": "blocksPerHolder",
    "workers": "maxActiveBlocks",
    "items_per_second": "itemsPerSecond",
    "parked": "maxParked",
}
_USUAL: Final[dict[str, Any]] = {
    "item_seconds": None,
    "roles": {},
}  # and nothing else, in Kubernetes


def worklist_of(body: NewList) -> dict[str, Any]:
    """Give the object to be created. Raises InvalidField, InvalidSource, NotInKubernetes, TooMany."""
    check_worklist_name(body.name)
    _check_unknown({name: getattr(body, name) for name in _USUAL})
    check_fold_rule(body.fold)
    source = _checked_source(body.source)
    spec = {
        "source": source,
        "startIndex": integer(body.start, "start", low=0),
        "block": _given(_block(body.block)),
        "leaseSeconds": body.lease_seconds,
        "priority": body.priority or None,
        "weight": None if body.weight == 1.0 else body.weight,
        "attempts": body.attempts,
        "fold": body.fold,
        "stopAfterResults": _number(body.stop_after_results, "stop_after_results"),
        **_limits(body.limits),
    }
    spec = _given(spec)
    try:
        msgspec.convert(spec, o.WorklistSpec)
    except msgspec.ValidationError as error:
        raise invalid_body(error) from error
    metadata: dict[str, Any] = {"name": body.name}
    if body.labels:
        metadata["labels"] = dict(body.labels)
    return {"apiVersion": o.API_VERSION, "kind": "Worklist", "metadata": metadata, "spec": spec}


def patch_of(change: ListChange, labels: Mapping[str, str]) -> dict[str, Any]:
    """Give the merge patch of a change; `labels` are the present ones. Raises InvalidField, NotInKubernetes."""
    given = {name: value for name, value in asdict(change).items() if value is not UNSET}
    _check_unknown({name: value for name, value in given.items() if name in _USUAL})
    spec: dict[str, Any] = {}
    if change.block is not UNSET:
        spec["block"] = _block(change.block)
    if change.limits is not UNSET:
        spec |= _limits(change.limits)
    if change.lease_seconds is not UNSET:
        spec["leaseSeconds"] = change.lease_seconds
    if change.priority is not UNSET:
        spec["priority"] = change.priority
    if change.weight is not UNSET:
        spec["weight"] = change.weight
    if change.attempts is not UNSET:
        spec["attempts"] = change.attempts
    if change.stop_after_results is not UNSET:
        spec["stopAfterResults"] = _number(change.stop_after_results, "stop_after_results")
    patch: dict[str, Any] = {"spec": spec} if spec else {}
    if change.labels is not UNSET:
        patch["metadata"] = {"labels": {**dict.fromkeys(labels), **change.labels}}  # null takes one away
    return patch


def grown(spec: o.WorklistSpec, size: int | None) -> tuple[dict[str, Any], int]:
    """Give the merge patch of a spec whose range is to have so many items, and how many come.

    Raises NotInKubernetes for any other source, InvalidField for fewer items than there are.
    """
    source = source_from_definition(spec.source)
    if size is None or not isinstance(source, Range):  # a shuffled one is none
        raise NotInKubernetes("Only a range grows in Kubernetes.", hint="Make another Worklist for the new items.")
    if size < source.size:
        raise InvalidField(f"The list has {source.size} items already.", field="size", hint="A list only grows.")
    if spec.start_index + size > o.INDEX_MAX:
        raise InvalidField("The list would go past index 2^53-1.", field="size")
    return {"source": {"stop": wire_integer(source.start + size * source.step)}}, size - source.size


def check_worklist_name(name: str) -> None:
    """Refuse what Kubernetes takes for no name. Raises InvalidField."""
    if len(name) > _NAME_CHARACTERS_MAX or not _NAME.fullmatch(name):
        raise InvalidField(
            f"{name!r:.80} is no name of an object of Kubernetes.",
            field="name",
            hint="Take lower-case letters, digits, dots and dashes, a letter or digit first and last.",
        )


def _checked_source(source: dict[str, Any]) -> dict[str, Any]:
    try:
        is_awaiting = source.get("kind") == "lines" and source.get("items") is None
        source_from_definition({**source, "items": ["checked"]} if is_awaiting else source)
    except TeamtaskError as error:
        field = (error.field or "").removeprefix("source.")
        error.field = f"source.{field}" if field else "source"
        raise
    return {name: value for name, value in source.items() if value is not None}


def _check_unknown(given: dict[str, Any]) -> None:
    for name, value in given.items():
        if value != _USUAL[name]:
            raise NotInKubernetes(f"A Worklist in Kubernetes has no `{name}`.", field=name)


def _block(block: BlockBody) -> dict[str, Any]:
    if block.size is not None and (block.seconds is not None or block.max is not None):
        raise InvalidField("A block has a size, or seconds and a maximum, and not both.", field="block")
    return {
        "size": _number(block.size, "block.size"),
        "seconds": block.seconds,
        "max": _number(block.max, "block.max"),
    }


def _limits(limits: LimitsBody) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in asdict(limits).items():
        if value is UNSET or (name == "blocks_per_worker" and value == 1):
            continue
        if name not in _LIMITS:
            hint = (
                "A worker has one block, which may span several: blocks_per_principal limits how many an account has."
            )
            raise NotInKubernetes(f"A Worklist in Kubernetes has no limit `{name}`.", field=f"limits.{name}", hint=hint)
        found[_LIMITS[name]] = value
    return found


def _number(value: int | str | None, field: str) -> int | None:
    return None if value is None else integer(value, field, low=1)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
