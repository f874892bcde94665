"""`read_lines_map`: the lines of a list that stand in a ConfigMap, which may not change: an index means one item."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from teamtask.kube.kubernetes_error import NOT_FOUND, KubernetesError
from teamtask.ledger.errors import InvalidSource
from teamtask.sources.lines_source import lines_in_memory
from teamtask.sources.shuffled_source import Shuffled
from teamtask.wire.line_splitter import LineSplitter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from teamtask.kube.api_server import ApiServer
    from teamtask.sources.source import Source

LINES_KEY: Final = "lines"  # of those that we make
_FIELDS: Final = ("kind", "configMap", "key", "shuffle")
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_KEYS_SHOWN: Final = 5
_EXAMPLE: Final = "For example {kind: lines, configMap: hosts}."


class LinesMapRefused(InvalidSource):
    """The ConfigMap of the lines cannot be used."""


class LinesMapMissing(LinesMapRefused):
    """There is no ConfigMap with the lines."""


class LinesPlace(NamedTuple):
    """Where a source says that its lines are."""

    name: str
    key: str | None  # None: the only one
    shuffle: int | str | None = None


def is_map_name(name: str) -> bool:
    """Tell whether a ConfigMap may have this name; any other has no place in a path."""
    return _NAME.fullmatch(name) is not None


def maps_path(namespace: str) -> str:
    """Give where the ConfigMaps of a namespace are."""
    return f"/api/v1/namespaces/{namespace}/configmaps"


def lines_place(definition: Mapping[str, Any]) -> LinesPlace | None:
    """Give the place that a source names, None if it names none. Raises InvalidSource."""
    if definition.get("kind") != "lines" or definition.get("configMap") is None:
        return None
    given = {name: value for name, value in definition.items() if value is not None}
    for name in given:
        if name not in _FIELDS:
            message = f"A source of lines has configMap or {name:.80}, and not both."
            raise InvalidSource(message, field="source", hint=f"With configMap it has {', '.join(_FIELDS)}.")
    name, key, shuffle = given["configMap"], given.get("key"), given.get("shuffle")
    if not isinstance(name, str) or not is_map_name(name):
        raise InvalidSource(f"{name!r:.80} is no name of a ConfigMap.", field="source", hint=_EXAMPLE)
    if key is not None and not isinstance(key, str):
        raise InvalidSource("The key of a ConfigMap is text.", field="source", hint=_EXAMPLE)
    if shuffle is not None and (isinstance(shuffle, bool) or not isinstance(shuffle, (int, str))):
        raise InvalidSource("The field shuffle must be a number or text.", field="source", hint=_EXAMPLE)
    return LinesPlace(name, key, shuffle)


def read_lines_map(server: ApiServer, namespace: str, place: LinesPlace) -> Source[str]:
    """Read the lines. Raises LinesMapRefused, LinesMapMissing, KubernetesError."""
    try:
        found = server.call("GET", f"{maps_path(namespace)}/{place.name}")
    except KubernetesError as error:
        if error.status != NOT_FOUND:
            raise
        message = f"There is no ConfigMap {place.name}, which is to have the lines."
        hint = "Make it, with `immutable: true`; it is looked for again."
        raise LinesMapMissing(message, field="source", hint=hint) from error
    return source_of_map(found, place)


def source_of_map(found: Mapping[str, Any], place: LinesPlace) -> Source[str]:
    """Give the source that a ConfigMap has. Raises LinesMapRefused, InvalidSource."""
    what = f"The ConfigMap {place.name}"
    if found.get("immutable") is not True:
        message = f"{what} may change, but an index has to mean the same item for ever."
        hint = f"""Say `kubectl patch configmap {place.name} -p '{{"immutable": true}}'`; it is looked at again."""
        raise LinesMapRefused(message, field="source", hint=hint)
    data, binary = found.get("data") or {}, found.get("binaryData") or {}
    keys = sorted({*data, *binary})
    key = place.key if place.key is not None else keys[0] if len(keys) == 1 else None
    if key is None and keys:
        message, hint = f"{what} has {len(keys)} keys.", f"Name one of them in `key`: {_shown(keys)}."
        raise LinesMapRefused(message, field="source", hint=hint)
    if key is not None and key in binary:
        raise LinesMapRefused(f"{what} has no text in UTF-8 as its {key:.80}.", field="source", hint=_one_a_line(place))
    if key is not None and key not in data:
        message = f"{what} has no key {key!r:.80}."
        raise LinesMapRefused(message, field="source", hint=f"It has {_shown(keys)}." if keys else _one_a_line(place))
    splitter = LineSplitter()
    text = data[key].encode("utf-8", "surrogatepass") if key is not None else b""
    lines = splitter.feed(text) + splitter.finish()
    if not lines:
        raise LinesMapRefused(f"{what} has no lines.", field="source", hint=_one_a_line(place))
    source = lines_in_memory(lines)
    return source if place.shuffle is None else Shuffled(source, place.shuffle)


def _one_a_line(place: LinesPlace) -> str:
    return f"Make it again, of a file with one item a line: `kubectl create configmap {place.name} --from-file=FILE`."


def _shown(keys: list[str]) -> str:
    return ", ".join(keys[:_KEYS_SHOWN]) + (", ..." if len(keys) > _KEYS_SHOWN else "")
