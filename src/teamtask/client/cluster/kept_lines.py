"""`kept_lines`: where the lines of a new list are kept: in the Worklist, or in a ConfigMap where they are too many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from teamtask.kube.lines_map import LINES_KEY, is_map_name
from teamtask.ledger.errors import InvalidField, InvalidSource, TooMany

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ITEMS_MAX: Final = 1_000  # of the lines that a Worklist holds
ITEMS_BYTES_MAX: Final = 262_144
MAP_BYTES_MAX: Final = 1_000_000  # of the lines that a ConfigMap holds, which is 1 MiB at most
_HINT: Final = "Serve them with `teamtask serve`, make several lists, or make items that can be computed."


def kept_lines(name: str, source: Mapping[str, Any], lines: list[str]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Give the source of lines of a list, and the ConfigMap that it needs, if any.

    Raises TooMany for more than a ConfigMap holds, InvalidSource for what is no line there, InvalidField for a name.
    """
    if len(lines) <= ITEMS_MAX and sum(_size(line) for line in lines) <= ITEMS_BYTES_MAX:
        return {**source, "items": lines}, None
    _check_lines(lines)
    text = "\n".join([*lines, ""])
    size = _size(text)
    if size > MAP_BYTES_MAX:
        raise TooMany(
            f"A list in Kubernetes holds {MAP_BYTES_MAX:,} bytes of lines at most: these are {len(lines):,} lines with "
            f"{size:,} bytes.",
            field="source.items",
            hint=_HINT,
        )
    map_name = f"{name}-lines"
    if not is_map_name(map_name):
        raise InvalidField(f"The ConfigMap of the lines cannot be named {map_name!r:.300}.", field="name")
    document = {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": map_name}, "immutable": True,
        "data": {LINES_KEY: text},
    }  # fmt: skip
    others = {field: value for field, value in source.items() if field != "items"}
    return {**others, "configMap": map_name}, document


def _check_lines(lines: Iterable[str]) -> None:
    """See that each would come back as it is. Raises InvalidSource."""
    for number, line in enumerate(lines, start=1):
        if "\n" in line or line.endswith("\r") or not line or line.encode("utf-8", "surrogatepass").isspace():
            message = f"Item {number:,} is blank, or more than a line: so many are kept as lines of a ConfigMap."
            raise InvalidSource(message, field="source.items", hint="Leave it out, or give items of one line each.")


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
