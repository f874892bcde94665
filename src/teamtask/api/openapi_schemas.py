"""`schemas`: the JSON schemas of the messages of the API, from their Structs, with words for each field."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from teamtask.api import answers
from teamtask.api.openapi_words import FIELDS, VALUES
from teamtask.ledger.rules import DIGITS_MAX
from teamtask.sources.parse import EXAMPLES
from teamtask.wire import views
from teamtask.wire.views import SAFE_INTEGER_END

if TYPE_CHECKING:
    from collections.abc import Iterable

Schema = dict[str, Any]

_PREFIX: Final = "#/components/schemas/"
_INTEGER: Final[Schema] = {"type": "integer"}
_STRING: Final[Schema] = {"type": "string"}
_NULL: Final[Schema] = {"type": "null"}
_LIST: Final[Schema] = {"type": "array"}
_INTEGER_HERE: Final[Schema] = {"$ref": f"{_PREFIX}Integer"}
# `wire_form` writes these: every field of them, and their integers as `wire_integer` has it.
_VIEWS: Final = {
    name
    for module in (views, answers)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and issubclass(kind, Struct) and not kind.__struct_config__.omit_defaults
}

_OWN: Final[dict[str, Schema]] = {
    "Integer": {
        "description": "A number below 2^53, decimal text from there on; both forms are accepted.",
        "oneOf": [
            {"type": "integer", "minimum": 1 - SAFE_INTEGER_END, "maximum": SAFE_INTEGER_END - 1},
            {"type": "string", "pattern": f"^-?[0-9]{{1,{DIGITS_MAX}}}$"},
        ],
        "examples": [1000, str(SAFE_INTEGER_END)],
    },
    "Source": {
        "description": "What the items of a list are, by `kind`.",
        "type": "object",
        "properties": {
            "kind": {"type": "string", "enum": list(EXAMPLES), "description": "The kind of items."},
            "shuffle": {"anyOf": [_INTEGER, _STRING], "description": "A seed: the items come in an order of chance."},
            "start": _INTEGER_HERE | {"description": "Of a range: the first item.", "default": 0},
            "stop": _INTEGER_HERE | {"description": "Of a range: where it ends; that is no item of it."},
            "step": _INTEGER_HERE | {"description": "Of a range: from one item to the next.", "default": 1},
            "items": {
                "anyOf": [_LIST, _STRING],
                "description": "Of lines: texts; left out, they are uploaded later. Of permutations and combinations: "
                "a list of any JSON, whose items are lists, or a text, whose items are texts.",
            },
            "alphabet": _STRING | {"description": "Of strings: their characters."},
            "length": _INTEGER_HERE | {"description": "Of strings: how long they are."},
            "min_length": _INTEGER_HERE | {"description": "Of strings, without `length`.", "default": 1},
            "max_length": _INTEGER_HERE | {"description": "Of strings, without `length`; the shortest come first."},
            "k": _INTEGER_HERE | {"description": "Of combinations: how many are chosen."},
            "axes": _LIST | {"description": "Of a product: `[[name, [values]], ...]`; its items are objects."},
            "alphabets": {
                "type": "array",
                "items": _STRING,
                "description": "Of a mask: the characters of each position.",
            },
        },
        "required": ["kind"],
        "additionalProperties": False,
        "examples": [msgspec.json.decode(example) for example in EXAMPLES.values()],
    },
    "Error": {
        "description": "Why a call was refused; then nothing has changed.",
        "type": "object",
        "properties": {
            "error": {
                "description": "What is wrong.",
                "type": "object",
                "properties": {
                    "code": {"type": "string", "description": "What is wrong, for programs."},
                    "message": {"type": "string", "description": "The same for people."},
                    "hint": {"anyOf": [_STRING, _NULL], "description": "What to do."},
                    "detail": {"type": "object", "description": "More; `field` is the field that is wrong."},
                },
                "required": ["code", "message", "hint", "detail"],
            }
        },
        "required": ["error"],
    },
}


def reference(kind: type[Struct] | str) -> Schema:
    """Give a schema that points to the component of this name."""
    return {"$ref": _PREFIX + (kind if isinstance(kind, str) else kind.__name__)}


def schemas(kinds: Iterable[type[Struct]]) -> dict[str, Schema]:
    """Give the components of these Structs and of all that they are made of, and `Integer`, `Source`, `Error`."""
    _, found = msgspec.json.schema_components(kinds, ref_template=_PREFIX + "{name}")
    return _OWN | {name: _component(name, found[name]) for name in sorted(found)}


def _without_integers(schema: Schema) -> Schema:
    """Give a schema with `Integer` in the place of what is a number or text."""
    made = {name: _each(value) for name, value in schema.items()}
    parts = made.get("anyOf", [])
    if _INTEGER in parts and _STRING in parts:
        made["anyOf"] = [reference("Integer"), *(part for part in parts if part not in (_INTEGER, _STRING))]
    return _unwrapped(made)


def _each(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return _without_integers(value)
    return [_each(part) for part in value] if isinstance(value, list) else value


def _component(name: str, found: Schema) -> Schema:
    schema = _without_integers(found)
    del schema["title"]
    schema["description"] = re.sub(r"\bNone\b", "null", inspect.cleandoc(schema["description"]))
    if name == "ResultBody":  # `more` is only there to be refused
        return schema | {"description": "[index, value] or [index, value, ok].", "prefixItems": _three(schema)}
    view = name in _VIEWS
    for field, part in schema["properties"].items():
        schema["properties"][field] = _field(name, field, part, view=view)
    if view:
        schema["required"] = list(schema["properties"])
    return schema


def _three(schema: Schema) -> list[Schema]:
    return list(schema["prefixItems"][:3])


def _field(name: str, field: str, schema: Schema, *, view: bool) -> Schema:
    if view:
        schema.pop("default", None)
        schema = _wide(schema)
    elif isinstance(schema.get("default"), dict):  # a Struct of nothing but nulls
        schema["default"] = {}
    if field == "source" and not view:
        schema = reference("Source")
    if field == "at" or field.endswith("_at"):
        for part in schema.get("anyOf", [schema]):
            if part.get("type") == "string":
                part["format"] = "date-time"
    values = VALUES.get(f"{name}.{field}")
    if values is not None:
        (schema["items"] if schema["type"] == "array" else schema)["enum"] = [str(value) for value in values]
    return schema | {"description": FIELDS.get(f"{name}.{field}") or FIELDS[field]}


def _wide(schema: Schema) -> Schema:
    """Give the schema of a field of a view, whose integers may have become text."""
    if schema == _INTEGER:
        return reference("Integer")
    if "anyOf" in schema:
        return schema | {"anyOf": [_wide(part) for part in schema["anyOf"]]}
    return schema


def _unwrapped(schema: Schema) -> Schema:
    """Give `anyOf` of one thing as that thing."""
    parts = schema.get("anyOf", [])
    return {name: value for name, value in schema.items() if name != "anyOf"} | parts[0] if len(parts) == 1 else schema
