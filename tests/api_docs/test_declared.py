"""What the route table declares of a call is what a server does: its query, kinds of bodies, answers and errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from json_schema import mismatches

from teamtask.api.app import ROUTES
from teamtask.api.openapi import document, error_codes, operation_id
from teamtask.api.route import JSON_TYPE, SIGNED_IN, Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from serving import Http, Reply

    from teamtask.api.route import ApiRoute, Query

BY_ID = {operation_id(route.method, route.path): route for route in ROUTES}
OPERATIONS: dict[str, dict[str, Any]] = {
    operation["operationId"]: operation for item in document()["paths"].values() for operation in item.values()
}
QUERIES = [
    pytest.param(route, query, id=f"{name}-{query.name}") for name, route in BY_ID.items() for query in route.query
]
WRONG = {"integer": "1.5", "boolean": "yes"}  # "string" takes anything, but for one of several


def make(client: Http, route: ApiRoute, query: str = "", **headers: str) -> Reply:
    """Make a call with nothing in its body, to things that may not be there."""
    path = route.path.replace("{list}", client.new_list(20)) if "{list}" in route.path else route.path
    for part in ("{block}", "{lease}", "{worker}", "{token}"):
        path = path.replace(part, "nothing")
    return client.call(route.method, path + query, **headers)


def with_values(route: ApiRoute, **values: object) -> str:
    """A query with what the call requires, and these values."""
    given = {query.name: str(query.low) for query in route.query if query.required} | values
    return "?" + "&".join(f"{name}={value}" for name, value in given.items())


@pytest.mark.parametrize("route", BY_ID.values(), ids=BY_ID)
def test_a_query_that_is_not_declared_is_refused(admin: Http, route: ApiRoute) -> None:
    refused = make(admin, route, "?nonsense=1")
    assert (refused.status, refused.field) == (422, "nonsense")


@pytest.mark.parametrize(("route", "query"), QUERIES)
def test_a_value_of_a_query_is_of_the_declared_kind_and_within_the_declared_bounds(
    admin: Http, route: ApiRoute, query: Query
) -> None:
    wrong = [WRONG[query.kind]] if query.kind in WRONG else []
    wrong += ["nonsense"] if query.values else []
    wrong += [] if query.low is None else [query.low - 1]
    wrong += [] if query.high is None else [query.high + 1]
    for value in wrong:
        refused = make(admin, route, with_values(route, **{query.name: value}))
        assert (refused.status, refused.field) == (422, query.name), value
    right: list[Any] = [*query.values] + [bound for bound in (query.low, query.high) if bound is not None]
    right += ["true", "false"] if query.kind == "boolean" else []
    for value in right:
        assert make(admin, route, with_values(route, **{query.name: value})).status == 200, value


@pytest.mark.parametrize(("route", "query"), [one for one in QUERIES if one.values[1].required])
def test_what_a_query_must_have_is_missed(admin: Http, route: ApiRoute, query: Query) -> None:
    others = "&".join(f"{other.name}=1" for other in route.query if other.name != query.name)
    refused = make(admin, route, f"?{others}")
    assert (refused.status, refused.field) == (422, query.name)


@pytest.mark.parametrize(("route", "query"), [one for one in QUERIES if one.values[1].default is not None])
def test_the_declared_default_is_what_holds_without_a_value(admin: Http, route: ApiRoute, query: Query) -> None:
    name = admin.new_list(20, block={"size": 2})
    admin.finish(name, admin.claim(name), [[0, True]])
    admin.claim(name, "another")
    path = route.path.replace("{list}", name)
    given, left_out = admin.get(f"{path}?{query.name}={query.default}"), admin.get(path)
    assert given.status == left_out.status == 200
    if "items" in given.body.decode():
        assert len(given.json["items"]) == len(left_out.json["items"])
    else:
        assert given.body == left_out.body


@pytest.mark.parametrize("route", [route for route in ROUTES if route.body is not None])
def test_a_body_of_a_kind_that_is_not_declared_is_refused(admin: Http, route: ApiRoute) -> None:
    refused = make(admin, route, content_type="application/xml")
    assert (refused.status, refused.error["code"]) == (415, "unsupported_media_type")
    content = OPERATIONS[operation_id(route.method, route.path)]["requestBody"]["content"]
    assert tuple(content) == route.media_types
    for media_type in content:
        assert make(admin, route, content_type=media_type).status != 415


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if isinstance(route.answer, Stream) and len(route.answer.media_types) == 1]
)
def test_a_stream_is_of_the_declared_kind(admin: Http, route: ApiRoute) -> None:
    assert isinstance(route.answer, Stream)
    path = route.path.replace("{list}", admin.new_list(5))
    answer = admin.call("GET", path, read=False)
    assert answer.headers["content-type"].partition(";")[0] == route.answer.media_types[0]


def test_results_are_of_the_kind_that_is_asked_for(admin: Http) -> None:
    stream = BY_ID["get_list_results"].answer
    assert isinstance(stream, Stream)
    name = admin.new_list(5)
    for media_type in stream.media_types:
        answer = admin.get(f"/v1/lists/{name}/results", accept=media_type)
        assert answer.headers["content-type"].partition(";")[0] == media_type


def test_numbers_beyond_floats_are_answered_as_the_document_says(admin: Http) -> None:
    name = admin.new_list(10**30, block={"size": 10**29})
    lease = admin.claim(name)
    answers = {
        "get_list": admin.get(f"/v1/lists/{name}"),
        "get_lists": admin.get("/v1/lists"),
        "get_list_blocks": admin.get(f"/v1/lists/{name}/blocks"),
        "get_list_ranges": admin.get(f"/v1/lists/{name}/ranges?state=leased"),
        "get_workers": admin.get(f"/v1/workers?list={name}"),
        "post_list_lease": admin.post(f"/v1/lists/{name}/blocks/{lease['lease']}", {"upto": str(10**28)}),
        "post_list_blocks": admin.post(f"/v1/lists/{name}/blocks", {"worker": "another"}),
        "post_list_cancel": admin.call("POST", f"/v1/lists/{name}/cancel"),
    }
    assert answers["get_list"].json["size"] == str(10**30)
    for call, answer in answers.items():
        content = OPERATIONS[call]["responses"][str(answer.status)]["content"]
        assert not list(mismatches(content[JSON_TYPE]["schema"], answer.json)), call


# --- errors


class Refused(NamedTuple):
    """A call that is refused with an error that its route declares."""

    call: str
    code: str
    make: Callable[[Http], Reply]


def _primes(**fields: Any) -> dict[str, Any]:
    return {"name": "primes", "source": {"kind": "range", "start": 0, "stop": 10}, **fields}


def _twice(client: Http, path: str, *bodies: Any, **headers: str) -> Reply:
    for body in bodies[:-1]:
        client.post(path, body, **headers)
    return client.post(path, bodies[-1], **headers)


def _cancelled(client: Http, call: str, body: Any = None) -> Reply:
    name = client.new_list(10)
    client.call("POST", f"/v1/lists/{name}/cancel")
    return client.post(f"/v1/lists/{name}/{call}", body)


def _complete(client: Http, call: str, body: Any = None) -> Reply:
    name = client.new_list(10, block={"size": 10})
    client.finish(name, client.claim(name))
    return client.post(f"/v1/lists/{name}/{call}", body)


def _of_list(client: Http, call: str, body: Any, **fields: Any) -> Reply:
    return client.post(f"/v1/lists/{client.new_list(10, **fields)}/{call}", body)


def _rerun_in_part(client: Http) -> Reply:
    name = client.new_list(10, block={"size": 10}, fold="count")
    client.report(name, client.claim(name), upto=10, fold=10)
    return client.post(f"/v1/lists/{name}/rerun", {"ranges": "0-4"})


def _rerun_of_one(client: Http, call: str) -> Reply:
    return _of_list(client, call, {"ranges": [[0, 1]] * 100_001})


def _uploaded(client: Http, body: bytes, media_type: str) -> Reply:
    name = client.new_list(source={"kind": "lines"})
    return client.call("PUT", f"/v1/lists/{name}/items", body, content_type=media_type)


def _foreign_report(client: Http) -> Reply:
    name = client.new_list(10)
    lease = client.claim(name)
    return client.post(f"/v1/lists/{name}/blocks/{lease['lease']}", {"results": [[9999, 1]], "upto": 1})


_REPORTS = {"worker": "w", "reports": [{"lease": "l", "index": 0, "upto": 0, "list": "a"}] * 1_001}
_MANY = {"worker": "w", "reports": [{"lease": "l", "index": 0, "upto": 0}] * 1_001}
_KEY = {"idempotency_key": "a-key-of-these-tests"}
REFUSED = (
    Refused("post_lists", "name_taken", lambda client: _twice(client, "/v1/lists", _primes(), _primes())),
    Refused("post_lists", "invalid_source", lambda client: client.post("/v1/lists", _primes(source={"kind": "x"}))),
    Refused(
        "post_lists",
        "idempotency_key_reused",
        lambda client: _twice(client, "/v1/lists", _primes(name="key"), _primes(name="other"), **_KEY),
    ),
    Refused("put_list_items", "wrong_state", lambda client: make(client, BY_ID["put_list_items"])),
    Refused("put_list_items", "invalid_source", lambda client: _uploaded(client, b"{", "application/x-ndjson")),
    Refused("post_list_pause", "wrong_state", lambda client: _cancelled(client, "pause")),
    Refused("post_list_resume", "wrong_state", lambda client: _complete(client, "resume")),
    Refused("post_list_cancel", "wrong_state", lambda client: _complete(client, "cancel")),
    Refused("post_list_rerun", "fold_cannot_be_divided", _rerun_in_part),
    Refused("post_list_rerun", "too_many", lambda client: _rerun_of_one(client, "rerun")),
    Refused("post_list_unpark", "too_many", lambda client: _rerun_of_one(client, "unpark")),
    Refused(
        "post_list_grow",
        "wrong_state",
        lambda client: _of_list(
            client, "grow", {"size": 20}, source={"kind": "range", "start": 0, "stop": 9, "shuffle": 1}
        ),
    ),
    Refused("post_list_exchange", "too_many", lambda client: _of_list(client, "exchange", _MANY)),
    Refused("post_exchange", "too_many", lambda client: client.post("/v1/exchange", _REPORTS)),
    Refused("post_list_blocks", "list_finished", lambda client: _complete(client, "blocks", {"worker": "w"})),
    Refused("post_list_lease", "report_refused", _foreign_report),
    Refused("get_workers", "not_found", lambda client: client.get("/v1/workers?list=nothing")),
    Refused("delete_worker_quarantine", "not_found", lambda client: make(client, BY_ID["delete_worker_quarantine"])),
    Refused("delete_token", "not_found", lambda client: make(client, BY_ID["delete_token"])),
    Refused(
        "post_tokens",
        "token_made_before",
        lambda client: _twice(client, "/v1/tokens", {"name": "twice"}, {"name": "twice"}, idempotency_key="twice"),
    ),
)
# What takes two callers at the same moment, a list of objects, or more streams than a test opens; others test it.
NOT_HERE = {"stale_version", "items_not_kept", "overloaded"}
NOT_HERE_OF_CALLS = {
    ("post_lists", "not_found"),  # a key whose list has been deleted since
    ("post_list_lease", "too_many"),
    ("delete_worker_quarantine", "forbidden"),
}


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: f"{refused.call}-{refused.code}")
def test_an_error_that_is_declared_happens_and_looks_as_documented(admin: Http, refused: Refused) -> None:
    answer = refused.make(admin)
    assert answer.error["code"] == refused.code
    response = OPERATIONS[refused.call]["responses"][str(answer.status)]
    assert refused.code in response["x-codes"]
    assert not list(mismatches(response["content"][JSON_TYPE]["schema"], answer.json))


def test_no_error_is_declared_that_is_not_tried() -> None:
    declared = {(name, code) for name, route in BY_ID.items() for code in route.errors if code not in NOT_HERE}
    assert declared - NOT_HERE_OF_CALLS == {
        (one.call, one.code) for one in REFUSED if one.code != "idempotency_key_reused"
    }


def test_only_a_call_that_a_stranger_may_make_says_nothing_of_being_forbidden() -> None:
    for route in ROUTES:
        codes = error_codes(route)
        if route.needs == SIGNED_IN:
            assert ("forbidden" in codes) == ("forbidden" in route.errors)
        elif route.needs != "view":
            assert "forbidden" in codes


def test_a_call_without_a_token_is_answered_as_documented(admin: Http) -> None:
    answer = admin.get("/v1/me", authorization="Bearer nonsense")
    assert answer.status == 401
    response = OPERATIONS["get_me"]["responses"]["401"]
    assert not list(mismatches(response["content"][JSON_TYPE]["schema"], json.loads(answer.body)))
    assert set(response["headers"]) <= {name.title().replace("Www", "WWW") for name in answer.headers}
