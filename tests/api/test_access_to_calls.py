"""Who may call what: every route of the API against every kind of principal, by what the route says it needs."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from teamtask.access import NEEDED, Action, Role, SiteAction
from teamtask.api.app import PUBLIC, ROUTES
from teamtask.api.route import SIGNED_IN

if TYPE_CHECKING:
    from collections.abc import Callable

    from serving import Http, Reply, Served

    from teamtask.api.route import ApiRoute

ROLES = {"viewer": ["token:viewer", "token:looker"], "worker": ["token:worker"], "owner": ["token:coowner"]}


class Token(NamedTuple):
    """A token as it is made, what it is to a list of token:owner's with these roles, and what it may at the site."""

    fields: dict[str, Any]
    role: Role | None
    site: frozenset[SiteAction] = frozenset()


_EVERYTHING = frozenset(SiteAction)
_CREATES = frozenset({SiteAction.CREATE_LISTS})
_AUDITS = frozenset({SiteAction.READ_AUDIT, SiteAction.READ_METRICS})
TOKENS = {
    "stranger": Token({"name": "stranger"}, None),
    "viewer": Token({"name": "viewer"}, Role.VIEWER),
    "worker": Token({"name": "worker"}, Role.WORKER),
    "coowner": Token({"name": "coowner"}, Role.OWNER),
    "owner": Token({"name": "owner", "site_roles": ["creator"]}, Role.OWNER, _CREATES),
    "owner to look": Token({"name": "owner", "role": "viewer"}, Role.VIEWER),
    "owner to work": Token({"name": "owner", "role": "worker"}, Role.WORKER),
    "owner of others": Token({"name": "owner", "lists": ["another"]}, None),
    "viewer as owner": Token({"name": "viewer", "role": "owner"}, Role.VIEWER),
    "creator": Token({"name": "creator", "site_roles": ["creator"]}, None, _CREATES),
    "auditor": Token({"name": "auditor", "site_roles": ["auditor"]}, None, _AUDITS),
    "looking auditor": Token({"name": "looker", "site_roles": ["auditor", "creator"]}, Role.VIEWER, _AUDITS | _CREATES),
    "admin": Token({"name": "root", "site_roles": ["admin"]}, Role.OWNER, _EVERYTHING),
    "admin to look": Token({"name": "root", "site_roles": ["admin"], "role": "viewer"}, Role.VIEWER, _EVERYTHING),
    "admin of others": Token({"name": "root", "site_roles": ["admin"], "lists": ["another"]}, None, _EVERYTHING),
}


class Sample(NamedTuple):
    """A call that does something for whoever may: its body and query, and what its path names."""

    body: Callable[[], Any] = lambda: None
    query: str = ""
    status: int = 200
    within: Callable[[Http, str], str] = lambda _owner, _name: "nothing"
    lines: bool = False


_NAMES = iter(range(1_000_000))


def _new_body() -> dict[str, Any]:
    return {"name": f"new-{next(_NAMES)}", "source": {"kind": "range", "start": 0, "stop": 3}}


def _block(owner: Http, name: str) -> str:
    lease = owner.claim(name)
    return str(lease["name"])


# How each route is called; a route that is missing here fails the tests.
SAMPLES: dict[tuple[str, str], Sample] = {
    ("POST", "/v1/lists"): Sample(_new_body, status=201),
    ("GET", "/v1/lists"): Sample(),
    ("GET", "/v1/lists/{list}"): Sample(),
    ("PATCH", "/v1/lists/{list}"): Sample(lambda: {"priority": 7}),
    ("DELETE", "/v1/lists/{list}"): Sample(status=204),
    ("PUT", "/v1/lists/{list}/items"): Sample(lines=True, status=409),
    ("GET", "/v1/lists/{list}/items"): Sample(query="?index=0&size=3"),
    ("POST", "/v1/lists/{list}/pause"): Sample(),
    ("POST", "/v1/lists/{list}/resume"): Sample(),
    ("POST", "/v1/lists/{list}/cancel"): Sample(),
    ("POST", "/v1/lists/{list}/rerun"): Sample(lambda: {"ranges": "0-"}),
    ("POST", "/v1/lists/{list}/unpark"): Sample(dict),
    ("POST", "/v1/lists/{list}/grow"): Sample(lambda: {"size": 60}),
    ("GET", "/v1/lists/{list}/blocks"): Sample(),
    ("DELETE", "/v1/lists/{list}/blocks/{block}"): Sample(status=204, within=_block),
    ("GET", "/v1/lists/{list}/ranges"): Sample(),
    ("GET", "/v1/lists/{list}/results"): Sample(),
    ("GET", "/v1/lists/{list}/events"): Sample(),
    ("POST", "/v1/lists/{list}/exchange"): Sample(lambda: {"worker": "w", "want": {}}),
    ("POST", "/v1/lists/{list}/blocks"): Sample(lambda: {"worker": "w"}, status=201),
    ("POST", "/v1/lists/{list}/blocks/{lease}"): Sample(lambda: {"done": True}),
    ("POST", "/v1/exchange"): Sample(lambda: {"worker": "w", "want": {}}),
    ("GET", "/v1/workers"): Sample(),
    ("DELETE", "/v1/workers/{worker}/quarantine"): Sample(status=404),
    ("GET", "/v1/me"): Sample(),
    ("GET", "/v1/version"): Sample(),
    ("POST", "/v1/tokens"): Sample(lambda: {"name": f"new-{next(_NAMES)}"}, status=201),
    ("GET", "/v1/tokens"): Sample(),
    ("DELETE", "/v1/tokens/{token}"): Sample(status=404),
    ("GET", "/v1/audit"): Sample(),
    ("GET", "/metrics"): Sample(),
}


@pytest.fixture(scope="module")
def clients(served: Served, admin: Http) -> dict[str, Http]:
    return {kind: served.client(admin.new_token(**token.fields)) for kind, token in TOKENS.items()}


@pytest.fixture(scope="module")
def owner(clients: dict[str, Http]) -> Http:
    return clients["owner"]


def new_list(owner: Http) -> str:
    return owner.new_list(50, block={"size": 10}, roles=ROLES)


def call(client: Http, route: ApiRoute, name: str, within: str = "nothing") -> Reply:
    """Make the sample call of a route, to the list of that name."""
    sample = SAMPLES[route.method, route.path]
    path = route.path.replace("{list}", name) + sample.query
    for part in ("{block}", "{lease}", "{worker}", "{token}"):
        path = path.replace(part, within)
    if sample.lines:
        return client.call(route.method, path, b"a\nb\n", content_type="text/plain")
    body = sample.body()
    if body is None:
        return client.call(route.method, path)
    return client.send(route.method, path, body)


def same(one: Reply, other: Reply, name: str, other_name: str) -> bool:
    """Tell whether two answers differ in nothing but the names of the lists, and their own numbers."""
    mine, others = (
        (
            reply.status,
            {key: value for key, value in reply.headers.items() if key not in ("x-request-id", "content-length")},
            reply.body.replace(its_name.encode(), b"NAME"),
        )
        for reply, its_name in ((one, name), (other, other_name))
    )
    return bool(mine == others)


def of_lists() -> list[ApiRoute]:
    return [route for route in ROUTES if isinstance(route.needs, Action)]


def _id(route: ApiRoute) -> str:
    return f"{route.method} {route.path}"


def test_every_route_has_a_sample_and_needs_something() -> None:
    assert {(route.method, route.path) for route in ROUTES} == set(SAMPLES)
    for route in ROUTES:
        assert isinstance(route.needs, (Action, SiteAction)) or route.needs == SIGNED_IN, route
        assert isinstance(route.needs, Action) == route.path.startswith("/v1/lists/{list}"), route
    assert {route.path for route in PUBLIC}.isdisjoint(route.path for route in ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=_id)
def test_without_credentials_that_hold_nothing_is_looked_up(served: Served, owner: Http, route: ApiRoute) -> None:
    name = new_list(owner)
    before = owner.show(name)
    expired = served.admin.new_token("gone", site_roles=["admin"], expires_in_seconds=0.001)
    time.sleep(0.002)
    tokens = (None, "", "tt_no-token-of-this-server", expired, "x" * 10_000, "é".encode().decode("latin-1"))
    answers = []
    for token in tokens:
        client = served.client(token)
        answers += [call(client, route, name), call(client, route, "nowhere")]
    for answer in answers:
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.error["code"] == "unauthorized"
        assert same(answer, answers[0], name, name), "and no two can be told apart"
    assert owner.show(name) == before


@pytest.mark.parametrize("header", ["Basic dGVzdDp0ZXN0", "Bearer", "Token TOKEN", "Bearer TOKEN x", "bearer  x"])
def test_another_kind_of_credentials_does_not_hold(served: Served, header: str) -> None:
    sent = header.replace("TOKEN", str(served.admin.token))
    for path in ("/v1/me", "/v1/lists/x/exchange"):
        method = "POST" if path.endswith("exchange") else "GET"
        assert served.client(None).call(method, path, authorization=sent).status == 401


def test_the_scheme_is_read_in_any_case(served: Served) -> None:
    for scheme in ("bearer", "BEARER", "Bearer "):
        assert served.client(None).get("/v1/me", authorization=f"{scheme} {served.admin.token}").status == 200


def test_what_is_no_call_is_not_told_to_strangers(served: Served) -> None:
    nobody = served.client(None)
    assert nobody.get("/v1/nothing").status == 401
    assert nobody.call("PUT", "/v1/me").status == 401
    assert nobody.post("/healthz").status == 405, "that it is there, everybody may know"
    assert served.admin.get("/v1/nothing").status == 404
    assert served.admin.call("PUT", "/v1/me").status == 405


@pytest.mark.parametrize("route", of_lists(), ids=_id)
def test_a_list_that_one_may_not_see_does_not_exist(clients: dict[str, Http], owner: Http, route: ApiRoute) -> None:
    name = new_list(owner)
    within = SAMPLES[route.method, route.path].within(owner, name)
    before = owner.get(f"/v1/lists/{name}/blocks").json, owner.show(name)["state"], owner.show(name)["priority"]
    for kind in (kind for kind, token in TOKENS.items() if token.role is None):
        answer = call(clients[kind], route, name, within)
        assert answer.status == 404, kind
        assert answer.error["code"] == "not_found"
        assert same(answer, call(clients[kind], route, "nowhere-at-all", within), name, "nowhere-at-all"), kind
    after = owner.get(f"/v1/lists/{name}/blocks").json, owner.show(name)["state"], owner.show(name)["priority"]
    assert [block["name"] for block in after[0]["items"]] == [block["name"] for block in before[0]["items"]]
    assert after[1:] == before[1:]


@pytest.mark.parametrize("route", of_lists(), ids=_id)
def test_in_a_list_that_one_sees_the_role_decides(clients: dict[str, Http], owner: Http, route: ApiRoute) -> None:
    assert isinstance(route.needs, Action)
    sample = SAMPLES[route.method, route.path]
    changes = route.needs is not Action.VIEW
    name = new_list(owner)
    for kind, token in TOKENS.items():
        if token.role is None:
            continue
        if token.role >= NEEDED[route.needs]:
            mine = new_list(owner) if changes else name
            answer = call(clients[kind], route, mine, sample.within(owner, mine) if changes else "nothing")
            assert answer.status == sample.status, (kind, answer)
        else:
            before = owner.show(name)
            answer = call(clients[kind], route, name)
            assert (answer.status, answer.error["code"]) == (403, "forbidden"), (kind, answer)
            assert answer.error["detail"] == {"role": NEEDED[route.needs].name.lower()}
            assert owner.show(name) == before


@pytest.mark.parametrize("route", [route for route in ROUTES if not isinstance(route.needs, Action)], ids=_id)
def test_at_the_site_the_site_role_decides(clients: dict[str, Http], route: ApiRoute) -> None:
    sample = SAMPLES[route.method, route.path]
    for kind, token in TOKENS.items():
        allowed = not isinstance(route.needs, SiteAction) or route.needs in token.site
        answer = call(clients[kind], route, "unused")
        assert answer.status == (sample.status if allowed else 403), (kind, answer)
        if not allowed:
            assert answer.error["code"] == "forbidden"


def test_lists_and_workers_are_shown_to_those_who_may_see_them(clients: dict[str, Http], owner: Http) -> None:
    name = new_list(owner)
    owner.claim(name, "a-worker-to-be-seen")
    for kind, token in TOKENS.items():
        client = clients[kind]
        listed = {shown["name"] for shown in client.get("/v1/lists?limit=1000").json["items"]}
        workers = {shown["list"] for shown in client.get("/v1/workers?limit=1000").json["items"]}
        assert (name in listed) == (token.role is not None), kind
        assert (name in workers) == (token.role is not None), kind
        answer = client.get(f"/v1/workers?list={name}")
        assert answer.status == (404 if token.role is None else 200), kind
        if token.role is None:
            assert same(answer, client.get("/v1/workers?list=nowhere-at-all"), name, "nowhere-at-all")


def test_pages_are_filled_with_what_one_may_see(served: Served, admin: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teamtask.service.site.LOOKED_AT_MAX", 3)
    seeing = served.client(admin.new_token("pager"))
    mine = [f"paged-{number:02}" for number in range(20) if number % 4 == 1]
    for number in range(20):
        name = f"paged-{number:02}"
        admin.new_list(1, name=name, roles={"viewer": ["token:pager"]} if name in mine else {})
    for limit in range(1, 8):
        found: list[str] = []
        cursor = ""
        while cursor is not None:
            page = seeing.get(f"/v1/lists?limit={limit}&cursor={cursor}").json
            assert len(page["items"]) <= limit
            found += [shown["name"] for shown in page["items"]]
            cursor = page["next"]
        assert found == mine, limit


def test_the_site_exchange_gives_work_of_lists_that_one_may_work_on(clients: dict[str, Http], owner: Http) -> None:
    name = new_list(owner)
    for kind, token in TOKENS.items():
        reply = clients[kind].post("/v1/exchange", {"worker": "w", "want": {}, "reports": [
            {"list": name, "lease": "unknown", "index": 0, "upto": 0},
            {"list": "nowhere-at-all", "lease": "unknown", "index": 0, "upto": 0},
        ]}).json  # fmt: skip
        (seen, unseen), leases = reply["reports"], reply["leases"]
        works = token.role is not None and token.role >= Role.WORKER
        if SiteAction.CREATE_LISTS not in token.site:  # else it may have lists of its own
            assert bool(leases) == works, kind
        assert unseen["error"]["code"] == "not_found"
        if works:
            assert seen["status"] == "stale", kind
        elif token.role is None:
            assert json.dumps(seen).replace(name, "nowhere-at-all") == json.dumps(unseen), kind
        else:
            assert seen["error"]["code"] == "forbidden", kind


def test_what_is_public_needs_no_credentials_and_tells_nothing(served: Served) -> None:
    nobody = served.client(None)
    assert (nobody.get("/healthz").status, nobody.get("/healthz").json) == (200, {"status": "ok"})
    assert (nobody.get("/readyz").status, nobody.get("/readyz").json) == (200, {"status": "ready"})
