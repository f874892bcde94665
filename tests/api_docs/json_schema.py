"""`mismatches`: what is wrong with a value by a JSON schema of the OpenAPI document.

Keywords that it does not know are errors. Strict: an object may have no field that its schema does not name, so that
nothing is sent that is not documented.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from teamtask.api.openapi import document

if TYPE_CHECKING:
    from collections.abc import Iterator

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
_ANNOTATIONS = {"description", "default", "examples", "format", "x-line"}
_KNOWN = _ANNOTATIONS | {
    "$ref", "anyOf", "oneOf", "type", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum",
    "exclusiveMinimum",
    "items", "prefixItems", "minItems", "maxItems", "properties", "required", "additionalProperties",
}  # fmt: skip


def resolved(reference: str) -> dict[str, Any]:
    """Give what a reference points to; KeyError if that is nothing."""
    found: Any = document()
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)


def mismatches(schema: dict[str, Any], value: Any, at: str = "$") -> Iterator[str]:
    """Give a line for each thing in a value that a schema does not allow."""
    assert set(schema) <= _KNOWN, f"{set(schema) - _KNOWN} at {at}"
    if "$ref" in schema:
        yield from mismatches(resolved(schema["$ref"]), value, at)
    yield from _of_alternatives(schema, value, at)
    if "type" in schema and not _is(value, schema["type"]):
        yield f"{at}: {value!r:.80} is no {schema['type']}"
    elif isinstance(value, list):
        yield from _of_list(schema, value, at)
    elif isinstance(value, dict):
        yield from _of_object(schema, value, at)
    else:
        yield from _of_scalar(schema, value, at)


def _of_alternatives(schema: dict[str, Any], value: Any, at: str) -> Iterator[str]:
    for some in ("anyOf", "oneOf"):
        if some in schema:
            wrong = [list(mismatches(part, value, at)) for part in schema[some]]
            fitting = sum(not lines for lines in wrong)
            if not fitting:
                yield f"{at}: {value!r:.80} fits none of {[lines[0] for lines in wrong]}"
            if some == "oneOf" and fitting > 1:
                yield f"{at}: {value!r:.80} fits several"


def _of_scalar(schema: dict[str, Any], value: Any, at: str) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r:.80} is none of {schema['enum']}"
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{at}: {value!r:.80} is not like {schema['pattern']}"
    if isinstance(value, str) and not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        yield f"{at}: so many characters are not allowed: {len(value)}"
    if _is(value, "number") and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{at}: {value} is out of bounds"
    if "exclusiveMinimum" in schema and _is(value, "number") and value <= schema["exclusiveMinimum"]:
        yield f"{at}: {value} is too small"


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool) and name != "boolean":
        return False
    return isinstance(value, _TYPES[name])


def _of_list(schema: dict[str, Any], value: list[Any], at: str) -> Iterator[str]:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        yield f"{at}: so many items are not allowed: {len(value)}"
    first = schema.get("prefixItems", [])
    rest = schema.get("items", {})
    for number, part in enumerate(value):
        inner = first[number] if number < len(first) else rest
        if inner is False:
            yield f"{at}[{number}] is too many"
        else:
            yield from mismatches(inner, part, f"{at}[{number}]")


def _of_object(schema: dict[str, Any], value: dict[str, Any], at: str) -> Iterator[str]:
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", not known)
    yield from (f"{at}.{name} is missing" for name in schema.get("required", ()) if name not in value)
    for name, part in value.items():
        if name in known:
            yield from mismatches(known[name], part, f"{at}.{name}")
        elif isinstance(others, dict):
            yield from mismatches(others, part, f"{at}.{name}")
        elif not others:
            yield f"{at}.{name} is not documented"
