"""`kept_results`: the results of a list from the ConfigMap that keeps them, as the web API gives them."""

from __future__ import annotations

import json
from contextlib import suppress
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping


class KeptResult(Struct, frozen=True):
    """A result; `seq` rises by arrival."""

    seq: int
    index: int
    item: Any = None
    result: Any = None
    ok: bool = True
    worker: str = ""


def kept_results(config_map: Mapping[str, Any], worklist_uid: str) -> list[KeptResult]:
    """Read all of them, by index, from the ConfigMap of this list; what somebody else has put there is passed by."""
    owners = config_map["metadata"].get("ownerReferences") or []
    if worklist_uid not in [owner["uid"] for owner in owners]:
        return []
    found = []
    for key, text in (config_map.get("data") or {}).items():
        with suppress(ValueError, RecursionError, msgspec.ValidationError):
            result = msgspec.convert(json.loads(text), KeptResult)
            if key == str(result.index):
                found.append(result)
    return sorted(found, key=attrgetter("index"))


def asked_for(
    results: list[KeptResult], *, start: int = 0, since: int | None = None, ok: bool | None = None
) -> list[KeptResult]:
    """Give those from an index on, or with `since` in order of arrival those from that one on."""
    if since is None:
        found = [one for one in results if one.index >= start]
    else:
        found = sorted((one for one in results if one.seq >= since), key=attrgetter("seq"))
    return found if ok is None else [one for one in found if one.ok is ok]


def line_of(result: KeptResult) -> bytes:
    """Give a line of ndjson, without its newline."""
    return json.dumps(msgspec.structs.asdict(result), separators=(",", ":")).encode()
