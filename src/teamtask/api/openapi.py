"""`document_bytes`: the OpenAPI 3.1 document of the API, from the route table and the messages of the wire."""

from __future__ import annotations

import inspect
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import fields

from teamtask import __version__
from teamtask.access import NEEDED, SITE_NEEDED, Action, SiteAction
from teamtask.api.app import PUBLIC, ROUTES
from teamtask.api.error_responses import STATUS_OF_CODE
from teamtask.api.openapi_examples import examples_of, samples_of
from teamtask.api.openapi_links import links_of
from teamtask.api.openapi_schemas import reference, schemas
from teamtask.api.openapi_words import ABOUT, ERRORS, IDEMPOTENCY_KEY, PATHS, TAGS
from teamtask.api.route import JSON_TYPE, PageOf, Stream
from teamtask.service.idempotency import KEY_CHARACTERS_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from msgspec import Struct

    from teamtask.api.route import Answer, ApiRoute, PublicRoute, Query

Json = dict[str, Any]

EVERYWHERE: Final = (
    "invalid_request", "unauthorized", "invalid_field", "head_too_large", "internal_error", "store_damaged",
    "store_unavailable",
)  # fmt: skip
_OF_BODIES: Final = ("request_timed_out", "unsupported_media_type")
_PART: Final = re.compile(r"\{(\w+)\}")  # of a path
_OK: Final = 200
_NO_CONTENT: Final = 204
_RETRY_AFTER: Final[Json] = {
    "Retry-After": {"description": "When to ask again.", "schema": {"type": "integer"}, "required": True}
}
_HEADERS: Final[dict[int, Json]] = {
    401: {"WWW-Authenticate": {"description": "Bearer.", "schema": {"type": "string"}, "required": True}},
    503: _RETRY_AFTER,
}


@cache
def document_bytes() -> bytes:
    """Give the document as JSON; made when it is first asked for."""
    return msgspec.json.encode(_document())


@cache
def document() -> Json:
    """Give the document as it is read; nobody may change it."""
    found: Json = msgspec.json.decode(document_bytes())
    return found


def _document() -> Json:
    paths: dict[str, Json] = {}
    for route in ROUTES:
        template = _template(route.path)
        paths.setdefault(template, {})[route.method.lower()] = _operation(route, template)
    for shown in PUBLIC:
        paths.setdefault(shown.path, {})["get"] = _public_operation(shown)
    kinds = {kind for route in ROUTES for kind in _kinds(route.answer, route.body)}
    kinds |= {kind for shown in PUBLIC for kind in _kinds(*shown.answers.values())}
    return {
        "openapi": "3.1.1",
        "info": {"title": "Teamtask", "version": __version__, "description": ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [{"name": name, "description": words} for name, words in TAGS.items()],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": "An API token."}},
            "schemas": schemas(sorted(kinds, key=lambda kind: kind.__name__)),
        },
    }


def _template(path: str) -> str:
    """Give the path under which a path stands: those that differ in the names of their parts only are one there."""
    shape = _PART.sub("{}", path)
    return next(route.path for route in ROUTES if _PART.sub("{}", route.path) == shape)


def operation_id(method: str, path: str) -> str:
    """Give the name of a call: `GET /v1/lists/{list}/items` is get_list_items."""
    words = re.sub(r"[a-z]+/\{(\w+)\}", r"\1", path.removeprefix("/v1")).strip("/")
    return f"{method.lower()}_{re.sub('[^a-z]+', '_', words)}"


def error_codes(route: ApiRoute) -> list[str]:
    """Give all errors that a call can be answered with."""
    codes = {*EVERYWHERE, *route.errors}
    if isinstance(route.needs, Action):
        codes |= {"not_found", "forbidden"} - ({"forbidden"} if route.needs is Action.VIEW else set())
    elif isinstance(route.needs, SiteAction):
        codes.add("forbidden")
    if route.body is not None:
        codes |= {*_OF_BODIES, *(() if isinstance(route.body, Stream) else ("body_too_large",))}
    if route.method != "GET":
        codes.add("store_full")
    if route.creates:
        codes.add("idempotency_key_reused")
    if route.needs is Action.WORK:
        codes.add("overloaded")
    return sorted(codes, key=list(ERRORS).index)


def status_of(code: str) -> int:
    """Give the HTTP status of an error."""
    return STATUS_OF_CODE.get(code, 500)


def _operation(route: ApiRoute, template: str) -> Json:
    name = operation_id(route.method, route.path)
    made: Json = {
        "operationId": name,
        "tags": [_tag(route)],
        **_said(route.handler),
        "x-needs": _needs(route.needs),
        "parameters": [*_path_parameters(route.path, template), *map(_query_parameter, route.query)],
    }
    if route.creates:
        length = {"type": "string", "minLength": 1, "maxLength": KEY_CHARACTERS_MAX}
        key = {"name": "Idempotency-Key", "in": "header", "description": IDEMPOTENCY_KEY, "schema": length}
        made["parameters"].append(key)
    if route.body is not None:
        required = isinstance(route.body, Stream) or any(field.required for field in fields(route.body))
        made["requestBody"] = {"required": required, "content": _content(route.body, examples_of(name, "body"))}
    made["responses"] = dict(_responses(route, name))
    return made | samples_of(name, route.method, route.path)


def _public_operation(route: PublicRoute) -> Json:
    name = operation_id("get", route.path)
    return {
        "operationId": name,
        "tags": ["Public"],
        **_said(route.handler),
        "x-needs": "nothing",
        "security": [],
        "responses": {
            str(status): _response("As it is.", _content(answer, examples_of(name, "answer") if status == _OK else {}))
            for status, answer in route.answers.items()
        },
    } | samples_of(name, "GET", route.path, public=True)


def _said(handler: Callable[..., Any]) -> Json:
    """Give the summary and the description that a docstring is."""
    summary, _, rest = inspect.cleandoc(handler.__doc__ or "").partition("\n\n")
    said = {"summary": " ".join(summary.split()).removesuffix(".")}
    return said | ({"description": rest} if rest else {})


def _tag(route: ApiRoute) -> str:
    if route.needs is Action.WORK or route.path.endswith("/exchange"):
        return "Work"
    return "Lists" if route.path.startswith("/v1/lists") else "Site"


def _needs(needs: Action | SiteAction | str) -> str:
    if isinstance(needs, Action):
        return f"the role {NEEDED[needs].name.lower()} in the list"
    if isinstance(needs, SiteAction):
        return f"the site role {' or '.join(sorted(SITE_NEEDED[needs], reverse=True))}"
    return "any token"


def _path_parameters(path: str, template: str) -> Iterator[Json]:
    for name, shown in zip(_PART.findall(path), _PART.findall(template), strict=True):
        yield {"name": shown, "in": "path", "required": True, "description": PATHS[name], "schema": {"type": "string"}}


def _query_parameter(query: Query) -> Json:
    given = {"enum": list(query.values), "minimum": query.low, "maximum": query.high, "default": query.default}
    schema = {"type": query.kind} | {name: value for name, value in given.items() if value not in (None, [])}
    return {
        "name": query.name, "in": "query", "required": query.required, "description": query.about, "schema": schema
    }  # fmt: skip


def _responses(route: ApiRoute, name: str) -> Iterator[tuple[str, Json]]:
    if route.answer is None:
        yield str(_NO_CONTENT), _response("Done.")
    else:
        words = "Done." if route.status == _OK else "Created."
        links = links_of(route.method, route.path, _calls())
        response = _response(words, _content(route.answer, examples_of(name, "answer")))
        yield str(route.status), response | ({"links": links} if links else {})
    if route.may_have_nothing:
        yield str(_NO_CONTENT), _response("There is nothing now; ask again.") | {"headers": _RETRY_AFTER}
    by_status: dict[int, list[str]] = {}
    for code in error_codes(route):
        by_status.setdefault(status_of(code), []).append(code)
    for status, codes in sorted(by_status.items()):
        words = "\n".join(f"- `{code}`: {ERRORS[code]}" for code in codes)
        response = _response(words, {JSON_TYPE: {"schema": reference("Error")}})
        if status in _HEADERS:
            response["headers"] = _HEADERS[status]
        yield str(status), response | {"x-codes": codes}


def _calls() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for route in ROUTES:
        yield operation_id(route.method, route.path), route.path, tuple(_PART.findall(_template(route.path)))


def _response(words: str, content: Json | None = None) -> Json:
    return {"description": words} | ({} if content is None else {"content": content})


def _content(what: Answer, examples: dict[str, Json]) -> Json:
    """Give the content of a body or an answer; examples are by media type."""
    if isinstance(what, Stream):
        schema: Json = {"type": "string", "description": what.about}
        if what.media_types == (JSON_TYPE,):
            schema["type"] = "object"
        if what.line is not None:
            schema["x-line"] = reference(what.line)
        made = {media_type: {"schema": schema} for media_type in what.media_types}
    else:
        made = {JSON_TYPE: {"schema": _schema(what)}}
    for media_type, found in examples.items():
        made[media_type] = made[media_type] | {"examples": found}
    return made


def _schema(what: type[Struct] | PageOf | None) -> Json:
    if isinstance(what, PageOf):
        return {
            "type": "object",
            "properties": {
                "items": {"type": "array", "items": reference(what.kind)},
                "next": {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "The cursor of the rest."},
            },
            "required": ["items", "next"],
        }
    assert what is not None, "an answer of nothing has no content"
    return reference(what)


def _kinds(*whats: Answer) -> Iterable[type[Struct]]:
    for what in whats:
        if isinstance(what, PageOf):
            yield what.kind
        elif isinstance(what, Stream):
            yield from () if what.line is None else (what.line,)
        elif what is not None:
            yield what
