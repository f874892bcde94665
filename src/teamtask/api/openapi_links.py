"""`links_of`: what one can go on with after a call that made something, as the links of an OpenAPI document.

They say that a list goes by its name, a lease and a token by their ids: generated clients and testers need not guess.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    Json = dict[str, Any]


class _Made(NamedTuple):
    """A call that makes something: which addresses are that of what it made, and where their parts come from."""

    address: re.Pattern[str]
    values: tuple[str, ...]


_MADE: Final = {
    ("POST", "/v1/lists"): _Made(re.compile(r"/v1/lists/\{list\}(/\w+)?"), ("$response.body#/name",)),
    ("POST", "/v1/lists/{list}/blocks"): _Made(
        re.compile(r"/v1/lists/\{list\}/blocks/\{lease\}"), ("$request.path.list", "$response.body#/lease")
    ),
    ("POST", "/v1/tokens"): _Made(re.compile(r"/v1/tokens/\{token\}"), ("$response.body#/id",)),
}


def links_of(method: str, path: str, calls: Iterable[tuple[str, str, tuple[str, ...]]]) -> Json:
    """Give the links of a call, none for most; `calls` are all: operation, path, names of its parameters there."""
    made = _MADE.get((method, path))
    if made is None:
        return {}
    return {
        operation: {"operationId": operation, "parameters": dict(zip(names, made.values, strict=True))}
        for operation, there, names in calls
        if made.address.fullmatch(there)
    }
