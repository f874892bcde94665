"""The OpenAPI document is one, and it names every call, field and error that there is, and nothing else."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from json_schema import mismatches, resolved

from teamtask.api.app import PUBLIC, ROUTES
from teamtask.api.error_responses import STATUS_OF_CODE
from teamtask.api.openapi import document, document_bytes, operation_id
from teamtask.api.openapi_words import ERRORS, FIELDS, PATHS, VALUES
from teamtask.api.route import JSON_TYPE
from teamtask.sources.parse import _KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

OPERATIONS = [
    pytest.param(path, method, operation, id=operation["operationId"])
    for path, item in document()["paths"].items()
    for method, operation in item.items()
]
# What has integers that never reach 2^53: by their limits, or as counts within an object; and a seed.
WITH_SMALL_INTEGERS = {"Integer", "NewList", "ListChange", "LimitsBody", "LeaseBody", "ListEvent", "Version", "Source"}
SCHEMAS: dict[str, dict[str, Any]] = document()["components"]["schemas"]


def shape(path: str) -> str:
    """A path without the names of its parts: by these alone no two paths of a document may differ."""
    return re.sub(r"\{\w+\}", "{}", path)


def inside(value: Any) -> Iterator[tuple[str, Any]]:
    """Every name in a JSON value with what it names."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield name, part
            yield from inside(part)
    elif isinstance(value, list):
        for part in value:
            yield from inside(part)


def test_the_document_names_every_route_and_what_is_public_and_nothing_else() -> None:
    told = [(method.upper(), shape(path)) for path, item in document()["paths"].items() for method in item]
    there = [(route.method, shape(route.path)) for route in ROUTES] + [("GET", route.path) for route in PUBLIC]
    assert sorted(told) == sorted(there)


def test_what_is_made_leads_to_all_calls_of_it() -> None:
    parameters = {
        operation["operationId"]: {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
        for _, _, operation in (parameters.values for parameters in OPERATIONS)
    }
    links = [link for name, found in inside(document()) if name == "links" for link in found.values()]
    for link in links:
        assert set(link["parameters"]) == parameters[link["operationId"]]
    reached = {link["operationId"] for link in links}
    assert {operation for operation, names in parameters.items() if names == {"list"} or "token" in names} <= reached
    assert "post_list_lease" in reached


def test_no_two_paths_are_the_same() -> None:
    shapes = [shape(path) for path in document()["paths"]]
    assert len(shapes) == len(set(shapes))


def test_every_call_has_an_id_of_its_own() -> None:
    ids = [parameters.values[2]["operationId"] for parameters in OPERATIONS]
    assert len(ids) == len(set(ids))
    assert operation_id("POST", "/v1/lists/{list}/blocks/{lease}") == "post_list_lease"


def test_every_reference_leads_somewhere_and_every_type_is_referred_to() -> None:
    references = {value for name, value in inside(document()) if name == "$ref"}
    assert references == {f"#/components/schemas/{name}" for name in SCHEMAS}
    assert all(map(resolved, references))


def test_what_is_sent_is_the_document() -> None:
    told = json.loads(document_bytes())
    assert told == document()
    assert told["openapi"].startswith("3.1.")
    assert set(told) >= {"info", "paths", "components", "security", "tags", "servers"}


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_a_call_is_described_as_openapi_wants_it(path: str, method: str, operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["x-needs"]
    assert not operation["summary"].endswith(".")
    (tag,) = operation["tags"]
    assert tag in {known["name"] for known in document()["tags"]}
    parameters = [(parameter["in"], parameter["name"]) for parameter in operation.get("parameters", ())]
    assert len(parameters) == len(set(parameters))
    assert [name for where, name in parameters if where == "path"] == re.findall(r"\{(\w+)\}", path)
    for parameter in operation.get("parameters", ()):
        assert set(parameter) >= {"name", "in", "description", "schema"}
        assert parameter["in"] != "path" or parameter["required"]
    assert ("requestBody" in operation) <= (method in ("post", "put", "patch"))
    assert any(status.startswith("2") for status in operation["responses"])
    for status, response in operation["responses"].items():
        assert re.fullmatch("[2-5][0-9][0-9]", status)
        assert response["description"]
        assert ("content" in response) == (status != "204")


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_a_call_tells_its_errors_with_the_status_that_they_have(
    path: str,
    method: str,  # noqa: ARG001 - it is part of the parameters
    operation: dict[str, Any],
) -> None:
    if path in {route.path for route in PUBLIC}:
        assert operation["security"] == [], "it needs no token"
        return
    assert "security" not in operation, "as the document says for all"
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            continue
        assert {STATUS_OF_CODE.get(code, 500) for code in response["x-codes"]} == {int(status)}
        assert response["content"] == {JSON_TYPE: {"schema": {"$ref": "#/components/schemas/Error"}}}
        assert all(f"`{code}`" in response["description"] for code in response["x-codes"])
    assert {"401", "422", "500", "503"} <= set(operation["responses"])
    assert "Retry-After" in operation["responses"]["503"]["headers"]


def test_every_error_of_the_words_is_one_that_is_answered() -> None:
    told = {code for name, codes in inside(document()["paths"]) if name == "x-codes" for code in codes}
    assert told | {"method_not_allowed"} == set(ERRORS)
    assert set(ERRORS) <= {*STATUS_OF_CODE, "internal_error"}


def test_every_field_has_words_and_no_words_are_left_over() -> None:
    used, of_all = set(), set()
    for name, schema in SCHEMAS.items():
        for field, part in schema.get("properties", {}).items():
            assert part["description"], f"{name}.{field}"
            of_all.add(f"{name}.{field}")
            used.add(f"{name}.{field}" if f"{name}.{field}" in FIELDS else field)
    assert set(FIELDS) <= used
    assert set(VALUES) <= of_all
    assert set(PATHS) == {name for route in ROUTES for name in re.findall(r"\{(\w+)\}", route.path)}


def test_a_source_is_described_with_all_fields_of_all_kinds() -> None:
    there = {field for kind in _KINDS.values() for field in kind.fields} - {"count", "fingerprint"}  # those of a view
    assert set(SCHEMAS["Source"]["properties"]) == there | {"kind", "shuffle"}


def test_every_integer_of_ours_is_described_once() -> None:
    for name, schema in SCHEMAS.items():
        assert ('"integer"' in json.dumps(schema)) <= (name in WITH_SMALL_INTEGERS), name
    assert not list(mismatches(SCHEMAS["Integer"], 2**53 - 1))
    assert not list(mismatches(SCHEMAS["Integer"], str(2**53)))
    assert list(mismatches(SCHEMAS["Integer"], 2**53))
    assert list(mismatches(SCHEMAS["Integer"], "1e3"))


def test_examples_and_defaults_in_types_are_what_the_types_allow() -> None:
    for name, schema in SCHEMAS.items():
        for example in schema.get("examples", ()):
            assert not list(mismatches(schema, example)), name
        for field, part in schema.get("properties", {}).items():
            if "default" in part:
                assert not list(mismatches(part, part["default"])), f"{name}.{field}"
