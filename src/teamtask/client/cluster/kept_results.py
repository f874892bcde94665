"""`kept_results`: the results of a list from the ConfigMap that keeps them, as the web API gives them."""

from __future__ import annotations

import json
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from teamtask.ledger.errors import UnknownFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from teamtask.kube import objects as o


class KeptResult(Struct, frozen=True):
    """A result; `seq` rises by arrival."""

    seq: int
    index: int
    item: Any = None
    result: Any = None
    ok: bool = True
    worker: str = ""


def config_map_of(worklist: o.Worklist) -> str:
    """Give the name of the ConfigMap that keeps the results of a list."""
    return worklist.spec.results.config_map or f"{worklist.metadata.name}-results"


def kept_results(data: Mapping[str, str]) -> list[KeptResult]:
    """Read all of them, by index. Raises UnknownFormat."""
    found = []
    for key, text in data.items():
        try:
            found.append(msgspec.convert(json.loads(text), KeptResult))
        except (ValueError, RecursionError, msgspec.ValidationError) as error:
            raise UnknownFormat(f"The result {key:.80} in the ConfigMap cannot be read: {error}.") from error
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
