"""Whatever is sent, the answer is an error in the documented form that names what is wrong, and nothing has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from serving import refused

from teamtask.api.app import ROUTES
from teamtask.api.route import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serving import Http

    from teamtask.api.route import ApiRoute

DEEP = 100_000
LONG = "9" * 5_000
FAR = "1" + "0" * 400  # beyond every float
RANGE = {"kind": "range", "start": 0, "stop": 10}


@pytest.fixture(scope="module")
def name(admin: Http) -> str:
    """Give a list in which everything has happened that can be looked at."""
    made = admin.new_list(100, block={"size": 10})
    lease, other = admin.claim(made), admin.claim(made)
    admin.finish(made, lease, [[index, index] for index in range(10)])
    admin.report(made, other, upto=10, failed=[[13, "no"]])
    return made


@pytest.fixture
def unchanged(admin: Http, name: str) -> Iterator[None]:
    """See that a test changes nothing, anywhere."""
    before = state(admin, name)
    yield
    assert state(admin, name) == before


def state(admin: Http, name: str) -> list[Any]:
    shown = admin.show(name)
    assert shown["done"] + shown["leased"] + shown["returned"] + shown["parked"] + 100 - shown["frontier"] == 100
    blocks = admin.get(f"/v1/lists/{name}/blocks").json["items"]
    return [
        {key: value for key, value in shown.items() if key not in ("rate", "eta_seconds")},
        [(block["name"], block["index"], block["size"], block["done"]) for block in blocks],
        admin.results(name),
        admin.get("/v1/lists?limit=1000").json["items"].__len__(),
        admin.get("/v1/tokens?limit=1000").json,
        admin.get("/v1/audit?limit=1000").json,
    ]


def with_json() -> list[ApiRoute]:
    return [route for route in ROUTES if route.body is not None and not isinstance(route.body, Stream)]


def path_of(route: ApiRoute, name: str) -> str:
    path = route.path.replace("{list}", name)
    for part in ("{block}", "{lease}", "{worker}", "{token}"):
        path = path.replace(part, "unknown")
    return path


def _id(route: ApiRoute) -> str:
    return f"{route.method} {route.path}"


NO_JSON = [
    b"{",
    b"[",
    b'{"name": "x"',
    b'{"name": "x"} {}',
    b"\xff\xfe{}",
    b'{"name": "\xc3\x28"}',
    b'{"name": "\\ud800"}',
    b"\x00",
    b"{name: 1}",
    b'{"name": NaN}',
    b'{"name": Infinity}',
    b'{"name": 1e999}',
    b"name=x&worker=w",
    b"<xml/>",
    b"[" * DEEP,
    b'{"name":' * DEEP,
    b"[" * DEEP + b"]" * DEEP,
    b'{"source":' + b"[" * DEEP + b"]" * DEEP + b"}",
    b'{"unknown":' + b"[" * DEEP + b"]" * DEEP + b"}",
    b'{"reports":' + b"[" * DEEP + b"]" * DEEP + b"}",
    b'{"results":' + b"[" * DEEP + b"]" * DEEP + b"}",
    b'{"fold":' + b"[" * DEEP + b"]" * DEEP + b"}",
    b"null",
    b"true",
    b"1",
    b'"text"',
    b"[]",
    b"[{}]",
    b'{"unknown": 1}',
    b'{"": 1}',
    b'{"%s": 1}' % (b"k" * 10_000),
]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("route", with_json(), ids=_id)
def test_what_is_not_the_body_of_a_call_is_refused(admin: Http, name: str, route: ApiRoute) -> None:
    for body in NO_JSON:
        refused(admin.call(route.method, path_of(route, name), body, content_type="application/json"))


# Per call, what is wrong with a body, and the field that the answer names. `...` stands for the path of the list.
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("POST /v1/lists", {}, "name"),
    ("POST /v1/lists", {"name": "n"}, "source"),
    ("POST /v1/lists", {"name": 1, "source": RANGE}, "name"),
    ("POST /v1/lists", {"name": "", "source": RANGE}, "name"),
    ("POST /v1/lists", {"name": "a/b", "source": RANGE}, "name"),
    ("POST /v1/lists", {"name": "a%2Fb", "source": RANGE}, "name"),
    ("POST /v1/lists", {"name": "a b", "source": RANGE}, "name"),
    ("POST /v1/lists", {"name": "a\n", "source": RANGE}, "name"),
    ("POST /v1/lists", {"name": "a\u0000", "source": RANGE}, "name"),
    ("POST /v1/lists", {"name": "\u0430", "source": RANGE}, "name"),
    ("POST /v1/lists", {"name": "..", "source": RANGE}, "name"),
    ("POST /v1/lists", {"name": "-x", "source": RANGE}, "name"),
    ("POST /v1/lists", {"name": "n" * 64, "source": RANGE}, "name"),
    ("POST /v1/lists", {"name": "n" * 10_000, "source": RANGE}, "name"),
    ("POST /v1/lists", {"name": "n", "source": "range"}, "source"),
    ("POST /v1/lists", {"name": "n", "source": {}}, "source.kind"),
    ("POST /v1/lists", {"name": "n", "source": {"kind": "nothing"}}, "source.kind"),
    ("POST /v1/lists", {"name": "n", "source": {**RANGE, "stop": "x"}}, "source.stop"),
    ("POST /v1/lists", {"name": "n", "source": {**RANGE, "stop": LONG}}, "source.stop"),
    ("POST /v1/lists", {"name": "n", "source": {**RANGE, "colour": "red"}}, "source.colour"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "start": -1}, "start"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "start": "-1"}, "start"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "start": LONG}, "start"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "start": "9" * 4_000}, "start"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "start": 1.5}, "start"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "start": True}, "start"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "block": 10}, "block"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "block": {"size": 0}}, "block.size"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "block": {"size": LONG}}, "block.size"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "block": {"max": 0}}, "block.max"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "block": {"seconds": 0}}, "block.seconds"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "block": {"size": 1, "seconds": 1}}, "block"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "block": {"sise": 1}}, "block.sise"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "lease_seconds": 0.5}, "lease_seconds"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "lease_seconds": "60"}, "lease_seconds"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "attempts": 0}, "attempts"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "attempts": 10**30}, "attempts"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "item_seconds": 0}, "item_seconds"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "limits": {"workers": 0}}, "limits.workers"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "limits": {"workers": "many"}}, "limits.workers"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "limits": {"worker": 1}}, "limits.worker"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "limits": {"items_per_second": 0}}, "limits.items_per_second"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "limits": {"parked": 10_001}}, "limits.parked"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "fold": "mean"}, "fold"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "fold": {"top": 0}}, "fold"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "fold": {"top": 10**30}}, "fold"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "fold": {"histogram": ["x"]}}, "fold"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "fold": ["sum"]}, "fold"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "stop_after_results": 0}, "stop_after_results"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "stop_after_results": "0"}, "stop_after_results"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "stop_after_results": LONG}, "stop_after_results"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "priority": 1_001}, "priority"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "priority": 0.5}, "priority"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "weight": 0}, "weight"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "weight": -1}, "weight"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "labels": {"a": 1}}, "labels[...]"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "labels": {"": "x"}}, "labels"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "labels": {"a": "\u0007"}}, "labels.a"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "labels": {str(n): "x" for n in range(65)}}, "labels"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "roles": {"boss": ["x"]}}, "roles"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "roles": {"worker": "x"}}, "roles[...]"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "roles": {"worker": [""]}}, "roles.worker"),
    ("POST /v1/lists", {"name": "n", "source": RANGE, "roles": {"worker": ["x"] * 1_001}}, "roles.worker"),
    ("PATCH ...", {"name": "other"}, "name"),
    ("PATCH ...", {"source": RANGE}, "source"),
    ("PATCH ...", {"fold": "sum"}, "fold"),
    ("PATCH ...", {"block": {"size": -5}}, "block.size"),
    ("PATCH ...", {"block": None}, "block"),
    ("PATCH ...", {"limits": {"blocks_per_worker": 0}}, "limits.blocks_per_worker"),
    ("PATCH ...", {"limits": {"items_per_second": -1}}, "limits.items_per_second"),
    ("PATCH ...", {"lease_seconds": None}, "lease_seconds"),
    ("PATCH ...", {"attempts": 101}, "attempts"),
    ("PATCH ...", {"stop_after_results": -1}, "stop_after_results"),
    ("PATCH ...", {"priority": -1_001}, "priority"),
    ("PATCH ...", {"weight": 1e300}, "weight"),
    ("PATCH ...", {"roles": {"worker": [1]}}, "roles[...][0]"),
    ("PATCH ...", {"roles": {"admin": ["x"]}}, "roles"),
    ("PATCH ...", {"labels": None}, "labels"),
    ("POST .../rerun", {}, "ranges"),
    ("POST .../rerun", {"ranges": "x"}, "ranges"),
    ("POST .../rerun", {"ranges": "0-1,"}, "ranges"),
    ("POST .../rerun", {"ranges": "5-200"}, "ranges"),
    ("POST .../rerun", {"ranges": [[0]]}, "ranges[0]"),
    ("POST .../rerun", {"ranges": [[0, 0]]}, "ranges"),
    ("POST .../rerun", {"ranges": [[-1, 5]]}, "ranges"),
    ("POST .../rerun", {"ranges": [[99, 2]]}, "ranges"),
    ("POST .../rerun", {"ranges": [[LONG, 1]]}, "ranges"),
    ("POST .../rerun", {"ranges": [["0", LONG]]}, "ranges"),
    ("POST .../rerun", {"failed": "yes"}, "failed"),
    ("POST .../rerun", {"ranges": [[0, 1]] * 100_001}, "ranges"),
    ("POST .../unpark", {"ranges": [[0, 1]] * 100_001}, "ranges"),
    ("POST .../unpark", {"ranges": 7}, "ranges"),
    ("POST .../unpark", {"ranges": [[0, 101]]}, "ranges"),
    ("POST .../grow", {}, "size"),
    ("POST .../grow", {"size": 0}, "size"),
    ("POST .../grow", {"size": 99}, "size"),
    ("POST .../grow", {"size": LONG}, "size"),
    ("POST .../grow", {"size": "9" * 4_001}, "size"),
    ("POST .../grow", {"items": ["a"]}, "size"),
    ("POST .../grow", {"size": 200, "items": ["a"]}, "size"),
    ("POST .../exchange", {}, "worker"),
    ("POST .../exchange", {"worker": ""}, "worker"),
    ("POST .../exchange", {"worker": "w" * 257}, "worker"),
    ("POST .../exchange", {"worker": "a\u0000"}, "worker"),
    ("POST .../exchange", {"worker": "w", "request": ""}, "request"),
    ("POST .../exchange", {"worker": "w", "request": "r" * 129}, "request"),
    ("POST .../exchange", {"worker": "w", "want": {"seconds": 0}}, "want.seconds"),
    ("POST .../exchange", {"worker": "w", "want": {"seconds": "1"}}, "want.seconds"),
    ("POST .../exchange", {"worker": "w", "want": {"items": 1}}, "want.items"),
    ("POST .../exchange", {"worker": "w", "want": True}, "want"),
    ("POST .../exchange", {"worker": "w", "reports": {}}, "reports"),
    ("POST .../exchange", {"worker": "w", "reports": [{}]}, "reports[0].lease"),
    ("POST .../exchange", {"worker": "w", "reports": [{"lease": "x", "index": -1, "upto": 1}]}, "reports[0].index"),
    ("POST .../exchange", {"worker": "w", "reports": [{"lease": "x", "index": 0, "upto": LONG}]}, "reports[0].upto"),
    ("POST .../exchange", {"worker": "w", "reports": [{"lease": "x", "index": 0, "upto": 0}] * 1_001}, "reports"),
    ("POST .../blocks", {}, "worker"),
    ("POST .../blocks", {"worker": 1}, "worker"),
    ("POST .../blocks", {"worker": "\u0085"}, "worker"),
    ("POST .../blocks", {"worker": "w", "want": {}}, "want"),
    ("POST .../blocks/lease", {"done": 1}, "done"),
    ("POST .../blocks/lease", {"done": True, "upto": 1}, "done"),
    ("POST .../blocks/lease", {"index": -1}, "index"),
    ("POST .../blocks/lease", {"upto": LONG}, "upto"),
    ("POST .../blocks/lease", {"results": [[0]]}, "results[0]"),
    ("POST .../blocks/lease", {"results": [[0, 1, True, 2]]}, "results[0]"),
    ("POST .../blocks/lease", {"results": [[0, 1], [0, 2]]}, "results"),
    ("POST .../blocks/lease", {"lease": "other"}, "lease"),
    ("POST /v1/exchange", {"worker": "w", "reports": [{"lease": "x", "index": 0, "upto": 0}]}, "reports[0].list"),
    ("POST /v1/tokens", {}, "name"),
    ("POST /v1/tokens", {"name": "a b"}, "name"),
    ("POST /v1/tokens", {"name": "t", "role": "admin"}, "role"),
    ("POST /v1/tokens", {"name": "t", "site_roles": ["root"]}, "site_roles"),
    ("POST /v1/tokens", {"name": "t", "lists": ["a/b"]}, "lists"),
    ("POST /v1/tokens", {"name": "t", "lists": ["a"] * 1_001}, "lists"),
    ("POST /v1/tokens", {"name": "t", "expires_in_seconds": 0}, "expires_in_seconds"),
    ("POST /v1/tokens", {"name": "t", "expires_in_seconds": -1}, "expires_in_seconds"),
    ("POST /v1/tokens", {"name": "t", "expires_in_seconds": 1e18}, "expires_in_seconds"),
]  # fmt: skip


@pytest.mark.usefixtures("unchanged")
def test_a_wrong_field_is_named(admin: Http, name: str) -> None:
    for call, body, field in WRONG:
        method, _, path = call.partition(" ")
        answer = admin.send(method, path.replace("...", f"/v1/lists/{name}"), body)
        assert answer.status == 422, (call, body, answer)
        assert answer.field == field, (call, body, answer)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("call", "fields"),
    [
        ("POST /v1/lists", ("start", "attempts", "lease_seconds", "item_seconds", "priority", "weight", "fold")),
        ("PATCH ...", ("lease_seconds", "item_seconds", "attempts", "priority", "weight", "block", "limits")),
        ("POST .../grow", ("size",)),
        ("POST .../exchange", ("worker", "want")),
        ("POST /v1/tokens", ("expires_in_seconds",)),
    ],
)
def test_a_number_that_is_none_is_refused(admin: Http, name: str, call: str, fields: tuple[str, ...]) -> None:
    method, _, path = call.partition(" ")
    begun = {"POST /v1/lists": '"name": "n", "source": {"kind": "range", "start": 0, "stop": 9}, '}.get(call, "")
    for field in fields:
        for number in ("NaN", "-Infinity", "1e999", "-1001", LONG, FAR + "0" * 4_000, "-" + LONG, "1e-999x", "0x10"):
            body = f'{{{begun}"{field}": {number}}}'
            refused(admin.call(method, path.replace("...", f"/v1/lists/{name}"), body))


QUERIES: list[tuple[str, str]] = [
    ("...?x=1", "x"),
    ("...?a%00=1", "a\u0000"),
    ("/v1/lists?state=walking", "state"),
    ("/v1/lists?state=running&state=running", "state"),
    ("/v1/lists?limit=0", "limit"),
    ("/v1/lists?limit=1001", "limit"),
    ("/v1/lists?limit=ten", "limit"),
    ("/v1/lists?limit=", "limit"),
    ("/v1/lists?limit=1.0", "limit"),
    ("/v1/lists?limit=+1", "limit"),
    ("/v1/lists?limit=%D9%A1", "limit"),
    (f"/v1/lists?limit={LONG}", "limit"),
    ("/v1/lists?limit=1&limit=2", "limit"),
    ("/v1/lists?page=2", "page"),
    ("/v1/lists?cursor=%00", "cursor"),
    (".../blocks?state=gone", "state"),
    (".../blocks?cursor=x", "cursor"),
    (".../blocks?cursor=-1", "cursor"),
    (".../ranges?state=", "state"),
    (f".../ranges?cursor={LONG}", "cursor"),
    (".../items", "index"),
    (".../items?index=0", "size"),
    (".../items?index=0&size=0", "size"),
    (".../items?index=0&size=10001", "size"),
    (".../items?index=-1&size=1", "index"),
    (".../items?index=100&size=1", "index"),
    (f".../items?index={'9' * 4_000}&size=1", "index"),
    (f".../items?index={LONG}&size=1", "index"),
    (".../items?index=0&size=1&state=done", "state"),
    (".../results?format=xml", "format"),
    (".../results?from=x", "from"),
    (".../results?from=-1", "from"),
    (".../results?ok=1", "ok"),
    (".../results?ok=True", "ok"),
    (".../results?since=1&from=1", "since"),
    (".../results?since=1&since=2", "since"),
    (".../results?since=x", "since"),
    (".../events?x=1", "x"),
    ("/v1/workers?cursor=%00", "cursor"),
    ("/v1/tokens?cursor=%00", "cursor"),
    ("/v1/audit?cursor=x", "cursor"),
    ("/v1/audit?cursor=-1", "cursor"),
    ("/v1/me?x=1", "x"),
    ("/v1/version?x=1", "x"),
    ("/metrics?x=1", "x"),
]


@pytest.mark.usefixtures("unchanged")
def test_a_wrong_parameter_of_the_query_is_named(admin: Http, name: str) -> None:
    for path, field in QUERIES:
        answer = admin.get(path.replace("...", f"/v1/lists/{name}"))
        assert answer.status == 422, (path, answer)
        assert answer.field == field, (path, answer)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("route", ROUTES, ids=_id)
def test_no_call_passes_by_a_parameter_that_it_does_not_know(admin: Http, name: str, route: ApiRoute) -> None:
    answer = admin.send(route.method, path_of(route, name) + "?colour=red", {"worker": "w"})
    refused(answer, field="colour")


@pytest.mark.usefixtures("unchanged")
def test_numbers_of_the_query_may_have_4000_digits(admin: Http, name: str) -> None:
    far = "9" * 4_000
    assert admin.get(f"/v1/lists/{name}/ranges?cursor={far}").json == {"items": [], "next": None}
    assert admin.get(f"/v1/lists/{name}/blocks?cursor={far}").json == {"items": [], "next": None}
    assert admin.results(name, f"?from={far}") == []
    assert admin.results(name, f"?since={far}") == []
    assert admin.get(f"/v1/audit?limit=3&cursor={far}").json == admin.get("/v1/audit?limit=3").json


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "odd", ["a%2Fb", "a%00b", "%0A", "%FF", "%C3%28", "..", "%2e%2e", "%F0%9F%98%80", "a%20b", "n" * 10_000, "%", "%zz"]
)
def test_odd_names_are_names_of_nothing(admin: Http, odd: str) -> None:
    for answer in (
        admin.get(f"/v1/lists/{odd}"),
        admin.post(f"/v1/lists/{odd}/exchange", {"worker": "w"}),
        admin.post(f"/v1/lists/{odd}/pause"),
        admin.call("DELETE", f"/v1/lists/{odd}"),
        admin.call("DELETE", f"/v1/tokens/{odd}"),
        admin.call("DELETE", f"/v1/workers/{odd}/quarantine"),
        admin.get(f"/v1/{odd}"),
    ):
        refused(answer, 404)
        assert len(answer.body) < 2_000, "and are not given back at length"


@pytest.mark.usefixtures("unchanged")
def test_odd_names_of_blocks_and_leases_are_names_of_nothing(admin: Http, name: str) -> None:
    for odd in ("a%00b", "%0A", "%FF", "n" * 10_000, "a%20b"):
        refused(admin.call("DELETE", f"/v1/lists/{name}/blocks/{odd}"), 404)
        answer = admin.post(f"/v1/lists/{name}/blocks/{odd}", {"done": True})
        assert answer.status in (200, 422), answer
        assert answer.field == "lease" if answer.status == 422 else answer.json["status"] == "stale"


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("path", sorted({path_of(route, "NAME") for route in ROUTES}))
def test_another_method_is_answered_with_those_that_are_taken(admin: Http, name: str, path: str) -> None:
    taken = {route.method for route in ROUTES if path_of(route, "NAME") == path}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - taken:
        answer = admin.call(method, path.replace("NAME", name))
        refused(answer, 405)
        assert set(answer.headers["allow"].split(", ")) == taken
    refused(admin.call("BREW", "/v1/me"), 400)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("route", [route for route in ROUTES if route.body is not None], ids=_id)
def test_another_kind_of_body_is_refused(admin: Http, name: str, route: ApiRoute) -> None:
    for kind in ("application/xml", "multipart/form-data; boundary=x", "text/html", "json", "application/json5"):
        answer = admin.call(route.method, path_of(route, name), b"{}", content_type=kind)
        refused(answer, 415)


def test_what_curl_sends_unasked_is_taken_for_json(admin: Http) -> None:
    name = admin.new_list(3, block={"size": 1})
    form = "application/x-www-form-urlencoded"
    for kind in ("application/json", "application/json; charset=utf-8", "APPLICATION/JSON", form):
        answer = admin.call("POST", f"/v1/lists/{name}/exchange", b'{"worker": "w"}', content_type=kind)
        assert answer.status == 200, answer
        answer = admin.call("PATCH", f"/v1/lists/{name}", b'{"priority": 1}', content_type=kind)
        assert answer.status == 200, answer
