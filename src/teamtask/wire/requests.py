"""`NewList`, `ListChange` and the bodies of other owners' calls; `decode_body` reads one and says what is wrong."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from teamtask.ledger.errors import InvalidField
from teamtask.ledger.rules import DIGITS_MAX, Attempts, BlockSeconds, LeaseSeconds, MoreThanNone, Parked, Positive

Integer = int | str  # from 2^53 on as decimal text, and accepted so at any size
Ranges = str | list[tuple[Integer, Integer]]  # interval text, or [index, size]

_T = TypeVar("_T")
_DECIMAL = re.compile(rf"-?[0-9]{{1,{DIGITS_MAX}}}")
_PATH = re.compile(r" - at `(key in )?\$\.?(.*)`$")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_BOUND = re.compile(r"Expected `(?:int|float)` (>=|>|<=|<) (\S+)")
_BOUNDS = {">=": "{} or more", ">": "more than {}", "<=": "{} at most", "<": "less than {}"}
_FIELD_NAMED = re.compile(r"(?:unknown|required) field `([^`]*)`")
PRIORITY_MAX = 1_000  # and down to minus that
WEIGHT_MAX = 1_000_000.0

# For the document of the API; what is refused, and in which words, is said where they are checked.
Name = Annotated[str, Meta(extra_json_schema={"pattern": f"^{_NAME.pattern}$"})]
Priority = Annotated[int, Meta(extra_json_schema={"minimum": -PRIORITY_MAX, "maximum": PRIORITY_MAX})]
Weight = Annotated[float, Meta(extra_json_schema={"exclusiveMinimum": 0, "maximum": WEIGHT_MAX})]


class BlockBody(Struct, frozen=True, forbid_unknown_fields=True):
    """How large blocks are: `size` items, or as many as take `seconds`, `max` at most."""

    size: Integer | None = None
    seconds: BlockSeconds | None = None
    max: Integer | None = None


class LimitsBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Limits on leases and workers; what is left out keeps its default or its value."""

    blocks_per_worker: Positive | UnsetType = UNSET
    blocks_per_principal: Positive | UnsetType = UNSET
    workers_per_principal: Positive | UnsetType = UNSET
    workers: Positive | UnsetType = UNSET
    items_per_second: MoreThanNone | UnsetType | None = UNSET
    parked: Parked | UnsetType = UNSET


class NewList(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/lists`; only `name` and `source` are required."""

    name: Name
    source: dict[str, Any]
    start: Integer = 0
    block: BlockBody = BlockBody()
    lease_seconds: LeaseSeconds = 60.0
    limits: LimitsBody = LimitsBody()
    attempts: Attempts = 3
    item_seconds: MoreThanNone | None = None
    fold: str | dict[str, Any] | None = None
    stop_after_results: Integer | None = None
    priority: Priority = 0
    weight: Weight = 1.0
    labels: dict[str, str] = {}
    roles: dict[str, list[str]] = {}


class ListChange(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `PATCH /v1/lists/{list}`: what is left out stays as it is."""

    block: BlockBody | UnsetType = UNSET
    lease_seconds: LeaseSeconds | UnsetType = UNSET
    limits: LimitsBody | UnsetType = UNSET
    attempts: Attempts | UnsetType = UNSET
    item_seconds: MoreThanNone | UnsetType | None = UNSET
    stop_after_results: Integer | UnsetType | None = UNSET
    priority: Priority | UnsetType = UNSET
    weight: Weight | UnsetType = UNSET
    labels: dict[str, str] | UnsetType = UNSET
    roles: dict[str, list[str]] | UnsetType = UNSET


class RerunBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Which done indices come back: those in `ranges`, with `failed` only the ones whose outcome is not ok."""

    ranges: Ranges | None = None
    failed: bool = False


class UnparkBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Which parked indices come back; all without `ranges`."""

    ranges: Ranges | None = None


class GrowBody(Struct, frozen=True, forbid_unknown_fields=True):
    """How many items a range has in all, or lines to be added."""

    size: Integer | None = None
    items: list[str] | None = None


class NewToken(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/tokens`: a scope of a role and maybe lists, site roles, and seconds until it expires."""

    name: Name
    role: str = "owner"
    lists: list[Name] | None = None
    site_roles: list[str] = []
    expires_in_seconds: float | None = None


def decode_body(body: bytes, kind: type[_T]) -> _T:
    """Read a JSON body; an empty one is `{}`. Raises InvalidField that names the field, `body` where there is none."""
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise invalid_body(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = "is nested too deeply" if isinstance(error, RecursionError) else f"is no JSON: {error}"
        raise InvalidField(f"The body {reason}.", field="body", hint="Send one JSON object.") from error


def invalid_body(error: msgspec.ValidationError) -> InvalidField:
    """Give our error for one of msgspec's, with the path of the field."""
    text = str(error)
    found = _PATH.search(text)
    path = found[2] if found else ""
    reason = _BOUND.sub(_bound, text[: found.start()] if found else text)
    named = _FIELD_NAMED.search(reason)
    if named:
        path = f"{path}.{named[1]}" if path else named[1]
    return InvalidField(f"{reason}.", field=path or "body")


def _bound(found: re.Match[str]) -> str:
    return f"It must be {_BOUNDS[found[1]].format(found[2])}"


def integer(value: Integer, field: str, *, low: int | None = None) -> int:
    """Give one of our integers. Raises InvalidField for what is none, or less than `low`."""
    if isinstance(value, str):
        if not _DECIMAL.fullmatch(value):
            raise InvalidField(f"That is no whole number of at most {DIGITS_MAX:,} digits.", field=field)
        value = int(value)
    if low is not None and value < low:
        raise InvalidField(f"It must be {low} or more.", field=field)
    return value


def check_name(name: str, field: str = "name") -> str:
    """Give the name if it may name a list or a token. Raises InvalidField."""
    if not _NAME.fullmatch(name):
        raise InvalidField(
            f"{name!r:.80} is no name.",
            field=field,
            hint="Take 1 to 63 letters, digits, dots, dashes and underscores, a letter or digit first.",
        )
    return name
