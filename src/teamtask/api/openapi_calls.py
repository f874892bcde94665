"""`calls` and `types`: the OpenAPI document as rows of text, for whoever makes a page of it (HTML, Markdown)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from teamtask.api.openapi import EVERYWHERE, document, status_of
from teamtask.api.openapi_examples import packed
from teamtask.api.openapi_words import ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator

    Json = dict[str, Any]

_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
    "object": "object",
}


class TypeName(str):
    """The name of a type that has an entry of its own."""

    __slots__ = ()


Kind = tuple[str, ...]  # pieces of text; a TypeName among them can be a link


class Row(NamedTuple):
    """A parameter, or a field of a type; `where` is path, query, header or nothing, `note` whether it must be there."""

    name: str
    kind: Kind
    about: str
    note: str
    where: str = ""


class Part(NamedTuple):
    """A body, or an answer with its status; `media_types` has none where there is nothing."""

    status: str
    about: str
    media_types: tuple[str, ...] = ()
    kind: Kind = ()


class Shown(NamedTuple):
    """An example: the shell line, and what comes back."""

    about: str
    line: str
    answer: str


class Call(NamedTuple):
    """A call; `errors` are the codes, with their statuses, that not every call can be answered with."""

    id: str
    tag: str
    method: str
    path: str
    summary: str
    about: str
    needs: str
    parameters: list[Row]
    body: Part | None
    answers: list[Part]
    errors: list[tuple[int, str]]
    examples: list[Shown]


class Type(NamedTuple):
    """A type: its fields, or its kind where it has none; and examples as JSON."""

    name: str
    about: str
    fields: list[Row]
    kind: Kind
    examples: list[str]


def calls() -> list[Call]:
    """Give all calls, as they stand in the document."""
    return [
        _call(method, path, operation)
        for path, item in document()["paths"].items()
        for method, operation in item.items()
    ]


def types() -> list[Type]:
    """Give all types by name."""
    found = document()["components"]["schemas"]
    return [_type(name, found[name]) for name in sorted(found)]


def about_errors() -> str:
    """Say which errors stand with no call."""
    codes = ", ".join(f"`{code}`" for code in EVERYWHERE)
    return f"Every call with a token can be answered with {codes}. What else it can be answered with stands with it."


def errors() -> list[tuple[str, int, str]]:
    """Give all errors: code, status, meaning."""
    return [(code, status_of(code), words) for code, words in sorted(ERRORS.items())]


def _call(method: str, path: str, operation: Json) -> Call:
    answers = [
        _part(status, response) for status, response in operation["responses"].items() if "x-codes" not in response
    ]
    return Call(
        operation["operationId"],
        operation["tags"][0],
        method.upper(),
        path,
        operation["summary"],
        operation.get("description", ""),
        operation["x-needs"],
        [_parameter(one) for one in operation.get("parameters", ())],
        _part("", operation["requestBody"]) if "requestBody" in operation else None,
        answers,
        [
            (int(status), code)
            for status, response in operation["responses"].items()
            for code in response.get("x-codes", ())
            if code not in EVERYWHERE
        ],
        list(_examples(operation)),
    )


def _parameter(one: Json) -> Row:
    about = one["description"]
    if "default" in one["schema"]:
        about += f" By default {one['schema']['default']}."
    note = "required" if one.get("required") and one["in"] != "path" else ""
    return Row(one["name"], kind_of(one["schema"]), about, note, one["in"])


def _part(status: str, part: Json) -> Part:
    content = part.get("content", {})
    if not content:
        return Part(status, part["description"])
    schema = next(iter(content.values()))["schema"]
    about = schema.get("description", "") if schema.get("type") in ("string", "object") else ""
    return Part(
        status, about, tuple(content), ("lines of ", _name(schema["x-line"])) if "x-line" in schema else kind_of(schema)
    )


def _examples(operation: Json) -> Iterator[Shown]:
    answers = {
        name: example
        for response in operation["responses"].values()
        for content in response.get("content", {}).values()
        for name, example in content.get("examples", {}).items()
    }
    summaries = {
        name: example["summary"]
        for content in operation.get("requestBody", {}).get("content", {}).values()
        for name, example in content.get("examples", {}).items()
    }
    for sample in operation.get("x-codeSamples", ()):
        name = sample["label"]
        answer = answers.get(name, {"value": ""})
        value = answer["value"]
        about = answer.get("summary") or summaries.get(name) or ""
        yield Shown(about, sample["source"], value.rstrip("\n") if isinstance(value, str) else packed(value))


def _type(name: str, schema: Json) -> Type:
    rows = list(_fields(schema, "required" if schema.get("additionalProperties") is False else ""))
    examples = [json.dumps(example) for example in schema.get("examples", ())]
    return Type(name, schema["description"], rows, () if rows else kind_of(schema), examples)


def _fields(schema: Json, required: str, before: str = "") -> Iterator[Row]:
    """Give the fields of an object and of the objects in it; what an answer has always is not said to be required."""
    for field, part in schema.get("properties", {}).items():
        is_required = field in schema.get("required", ())
        default = part.get("default")
        about = part.get("description", "")
        if default not in (None, [], {}, False):
            about += f" By default {json.dumps(default)}."
        note = required if is_required else "" if required else "may be missing"
        yield Row(before + field, kind_of(part), about, note)
        yield from _fields(part, required, f"{before}{field}.")


def kind_of(schema: Json) -> Kind:
    """Say what a schema allows."""
    if "$ref" in schema:
        return (_name(schema),)
    if "enum" in schema:
        return (", ".join(map(str, schema["enum"])),)
    for alternatives in ("anyOf", "oneOf"):
        if alternatives in schema:
            pieces: list[str] = []
            for part in schema[alternatives]:
                pieces += [" or ", *kind_of(part)]
            return tuple(pieces[1:])
    if schema.get("type") == "array":
        return _array(schema)
    if isinstance(schema.get("additionalProperties"), dict):
        return ("object of ", *kind_of(schema["additionalProperties"]))
    if "items" in schema.get("properties", {}):
        return ("a page of ", *kind_of(schema["properties"]["items"]["items"]))
    if schema.get("format") == "date-time":
        return ("time",)
    return (_WORDS.get(schema.get("type", ""), "any JSON"),)


def _array(schema: Json) -> Kind:
    if "prefixItems" in schema:
        pieces = [piece for part in schema["prefixItems"] for piece in (", ", *kind_of(part))]
        return ("[", *pieces[1:], "]")
    return ("list of ", *kind_of(schema.get("items", {})))


def _name(schema: Json) -> TypeName:
    return TypeName(schema["$ref"].rpartition("/")[2])
