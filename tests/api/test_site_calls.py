"""The calls about the site: who am I, the trail of changes, workers, metrics; and a store that is away."""

from __future__ import annotations

import importlib
import json
import pkgutil
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from serving import Served, refused

import teamtask
from teamtask.api.error_responses import STATUS_LINES, STATUS_OF_CODE
from teamtask.ledger.errors import TeamtaskError
from teamtask.stores.store import StoreFull
from teamtask.wire.limits import LIMITS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from serving import Http

    from teamtask.stores.store import Writer


def test_everybody_may_ask_who_they_are(served: Served, admin: Http) -> None:
    scope = {"role": "worker", "lists": ["b", "a"], "site_roles": ["creator"]}
    client = served.client(admin.new_token("me", **scope))
    assert client.get("/v1/me").json == {
        "principal": "token:me", "groups": [], "site_roles": ["creator"], "role": "worker", "lists": ["a", "b"],
    }  # fmt: skip
    assert admin.get("/v1/me").json["lists"] is None


def test_the_version_comes_with_the_limits(admin: Http) -> None:
    shown = admin.get("/v1/version").json
    assert (shown["version"], shown["api"]) == (teamtask.__version__, "v1")
    assert shown["limits"] == LIMITS | {"body_bytes": 16 << 20}


def test_tokens_are_made_shown_and_revoked(served: Served, admin: Http) -> None:
    made = admin.post("/v1/tokens", {"name": "once", "expires_in_seconds": 60}).json
    assert made["expires_at"] > made["created_at"]
    shown = {token["id"]: token for token in admin.get("/v1/tokens?limit=1000").json["items"]}
    assert shown[made["id"]] == {name: value for name, value in made.items() if name != "token"}
    client = served.client(made["token"])
    assert client.get("/v1/me").status == 200
    assert admin.call("DELETE", f"/v1/tokens/{made['id']}").status == 204
    assert client.get("/v1/me").status == 401
    assert client.post("/v1/lists/x/exchange", {"worker": "w"}).status == 401


# --- the trail

LINES = {"kind": "lines"}
RANGE = {"kind": "range", "start": 0, "stop": 20}


def _call(admin: Http, method: str, path: str, body: Any) -> None:
    answer = admin.call(method, path, body) if isinstance(body, bytes) else admin.send(method, path, body)
    assert answer.status < 300, answer


def test_every_change_is_in_the_trail(admin: Http) -> None:
    _call(admin, "POST", "/v1/lists", {"name": "audited", "source": RANGE, "block": {"size": 5}})
    lease = admin.claim("audited")
    other = admin.claim("audited")
    admin.finish("audited", lease)
    _call(admin, "PATCH", "/v1/lists/audited", {"roles": {"viewer": ["everyone"]}})
    for move in ("pause", "resume", "cancel", "resume"):
        _call(admin, "POST", f"/v1/lists/audited/{move}", None)
    _call(admin, "POST", "/v1/lists/audited/rerun", {"ranges": "0-"})
    _call(admin, "POST", "/v1/lists/audited/unpark", {})
    _call(admin, "POST", "/v1/lists/audited/grow", {"size": 30})
    _call(admin, "DELETE", f"/v1/lists/audited/blocks/{other['name']}", None)
    _call(admin, "DELETE", "/v1/lists/audited", None)
    _call(admin, "POST", "/v1/lists", {"name": "uploaded", "source": LINES})
    _call(admin, "PUT", "/v1/lists/uploaded/items", b"a\nb")
    _call(admin, "POST", "/v1/lists/uploaded/grow", {"items": ["c"]})
    entries = admin.get("/v1/audit?limit=14").json["items"]
    assert [(entry["action"], entry["list"]) for entry in reversed(entries)] == [
        ("create", "audited"), ("change", "audited"),
        ("pause", "audited"), ("resume", "audited"), ("cancel", "audited"), ("resume", "audited"),
        ("rerun", "audited"), ("unpark", "audited"), ("grow", "audited"), ("take_back", "audited"),
        ("delete", "audited"), ("create", "uploaded"), ("upload", "uploaded"), ("grow", "uploaded"),
    ]  # fmt: skip
    assert {entry["principal"] for entry in entries} == {"token:admin"}
    assert entries[4]["detail"] == {"block": other["name"]}
    assert entries[1]["detail"] == {"items": 2}


def test_the_trail_comes_in_pages_newest_first(admin: Http) -> None:
    for number in range(7):
        admin.new_token(f"t{number}")
    whole = admin.get("/v1/audit?limit=1000").json
    assert whole["next"] is None
    numbers = [entry["no"] for entry in whole["items"]]
    assert numbers == sorted(numbers, reverse=True)
    found: list[Any] = []
    cursor = ""
    while cursor is not None:
        page = admin.get(f"/v1/audit?limit=3{cursor and f'&cursor={cursor}'}").json
        found += page["items"]
        cursor = page["next"]
    assert found == whole["items"]


def test_what_was_refused_is_not_in_the_trail(served: Served, admin: Http) -> None:
    name = admin.new_list(3, roles={"viewer": ["everyone"]})
    viewer = served.client(admin.new_token("viewer"))
    before = admin.get("/v1/audit?limit=1").json
    assert viewer.post(f"/v1/lists/{name}/pause").status == 403
    assert viewer.call("DELETE", f"/v1/lists/{name}").status == 403
    assert admin.post(f"/v1/lists/{name}/grow", {"size": 1}).status == 422
    assert admin.post("/v1/lists", {"name": name, "source": RANGE}).status == 409
    assert admin.call("DELETE", "/v1/lists/nowhere").status == 404
    assert admin.get("/v1/audit?limit=1").json == before


# --- workers, metrics


def test_workers_are_shown_page_by_page(admin: Http) -> None:
    names = [admin.new_list(100, block={"size": 1}) for _ in range(2)]
    for name in names:
        for number in range(5):
            admin.claim(name, f"w{number}")
    shown = admin.get(f"/v1/workers?list={names[0]}").json["items"]
    assert sorted(worker["name"] for worker in shown) == [f"w{number}" for number in range(5)]
    assert {(worker["state"], worker["blocks"], worker["principal"]) for worker in shown} == {
        ("active", 1, "token:admin")
    }
    found: list[Any] = []
    cursor = ""
    while cursor is not None:
        page = admin.get(f"/v1/workers?limit=3&cursor={cursor.replace(' ', '%20')}").json
        found += page["items"]
        cursor = page["next"]
    ours = [(worker["list"], worker["name"]) for worker in found if worker["list"] in names]
    assert sorted(ours) == sorted((name, f"w{number}") for name in names for number in range(5))
    lifted = admin.call("DELETE", f"/v1/workers/{shown[0]['id']}/quarantine")
    assert (lifted.status, lifted.json["name"]) == (200, shown[0]["name"])


def test_blocks_and_ranges_come_in_pages(admin: Http) -> None:
    name = admin.new_list(20, block={"size": 1}, limits={"blocks_per_worker": 100})
    leases = [admin.claim(name) for _ in range(20)]
    for lease in leases[::2]:
        admin.finish(name, lease)
    for path, expected in (("blocks?", range(1, 20, 2)), ("ranges?state=done&", range(0, 20, 2))):
        found: list[int] = []
        cursor = ""
        while cursor is not None:
            page = admin.get(f"/v1/lists/{name}/{path}limit=3{cursor and f'&cursor={cursor}'}").json
            assert len(page["items"]) <= 3
            found += [shown["index"] for shown in page["items"]]
            cursor = page["next"]
        assert found == list(expected)


def test_lists_are_found_by_state_and_label(admin: Http) -> None:
    red = admin.new_list(3, labels={"found-by": "red"})
    blue = admin.new_list(3, labels={"found-by": "blue", "x": ""})
    admin.post(f"/v1/lists/{blue}/pause")

    def found(query: str) -> set[str]:
        return {shown["name"] for shown in admin.get(f"/v1/lists?limit=1000&{query}").json["items"]}

    assert found("label=found-by") == {red, blue}
    assert found("label=found-by%3Dred") == {red}
    assert found("label=found-by%3D") == set()
    assert found("label=x%3D") == {blue}
    assert found("state=paused") == {blue}
    assert found("state=paused&label=found-by%3Dred") == set()


def test_metrics_tell_how_requests_and_lists_stand(admin: Http) -> None:
    name = admin.new_list(25, block={"size": 10}, labels={"a": "b"})
    admin.finish(name, admin.claim(name), [[index, 0, index > 3] for index in range(10)])
    admin.claim(name)
    answer = admin.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    lines = dict(line.rsplit(" ", 1) for line in answer.body.decode().splitlines() if not line.startswith("#"))
    wanted = {"remaining_items": 15, "done_items": 10, "failed_items": 4, "leases": 1, "workers": 1}
    for metric, value in wanted.items():
        assert float(lines[f'teamtask_list_{metric}{{list="{name}"}}']) == value, metric
    assert float(lines[f'teamtask_list_remaining_blocks{{list="{name}"}}']) >= 1
    route = 'route="/v1/lists/{list}/exchange",status="200"'
    assert float(lines[f"teamtask_requests_total{{{route}}}"]) >= 3
    admin.get("/v1/lists/some-name-that-nobody-has")
    assert "some-name-that-nobody-has" not in admin.get("/metrics").body.decode()


# --- when something is wrong with the server


@contextmanager
def away(served: Served, monkeypatch: pytest.MonkeyPatch, *methods: str) -> Iterator[None]:
    @contextmanager
    def full(*_arguments: Any) -> Iterator[Writer]:
        raise StoreFull
        yield  # it never comes so far

    with monkeypatch.context() as patch:
        for method in methods:
            patch.setattr(served.store, method, full)
        yield


def test_a_store_that_is_away_is_503_and_says_when_to_ask_again(
    served: Served, admin: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = admin.new_list(30, block={"size": 10})
    lease = admin.claim(name)
    report = {"lease": lease["lease"], "index": 0, "upto": 10}
    with away(served, monkeypatch, "write"):
        for answer in (
            admin.post(f"/v1/lists/{name}/exchange", {"worker": "w", "reports": [report]}),
            admin.post(f"/v1/lists/{name}/blocks", {"worker": "w"}),
            admin.post(f"/v1/lists/{name}/blocks/{lease['lease']}", {"done": True}),
            admin.post(f"/v1/lists/{name}/pause"),
            admin.post("/v1/lists", {"name": "new", "source": RANGE}),
            admin.post("/v1/exchange", {"worker": "w", "reports": [report | {"list": name}]}),
            admin.call("DELETE", f"/v1/lists/{name}"),
        ):
            refused(answer, 503)
            assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert (admin.show(name)["done"], admin.show(name)["state"]) == (0, "running")
    assert admin.finish(name, lease) == "done"
    served.complaints[:] = [line for line in served.complaints if " upkeep_" not in line]


def test_a_server_without_its_store_is_alive_and_not_ready(
    served: Served, admin: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    with away(served, monkeypatch, "read"):
        assert served.client(None).get("/healthz").status == 200
        ready = served.client(None).get("/readyz")
        assert ready.status == 503
        assert ready.json == {"status": "unavailable", "reason": "store_full"}, "and not where the store is"
        refused(served.client("tt_not-known-yet").get("/v1/me"), 503)
        refused(served.client("tt_not-known-yet").post("/v1/lists/x/exchange", {"worker": "w"}), 503)
    assert admin.get("/readyz").status == 200
    served.complaints[:] = [line for line in served.complaints if " upkeep_" not in line]


def test_a_list_that_cannot_be_read_does_not_hide_the_others(served: Served, admin: Http) -> None:
    newer, well = (admin.new_list(30, labels={"kind": "readable"}) for _ in range(2))
    for name in (newer, well):
        admin.claim(name)
    with closing(sqlite3.connect(served.path, isolation_level=None)) as connection:
        connection.execute(
            "UPDATE journal SET events = x'00' WHERE list_no = (SELECT no FROM lists WHERE name = ?)", (newer,)
        )
    answer = admin.get(f"/v1/lists/{newer}")
    refused(answer, 503)
    assert answer.error["code"] == "unknown_format"
    assert [shown["name"] for shown in admin.get("/v1/lists?label=kind").json["items"]] == [well]
    assert admin.get(f"/v1/workers?list={well}").json["items"]
    assert {shown["list"] for shown in admin.get("/v1/workers").json["items"]} >= {well}
    refused(admin.get(f"/v1/workers?list={newer}"), 503)
    assert {worker["list"] for worker in admin.get("/v1/workers?limit=1000").json["items"]} >= {well}
    assert f'teamtask_list_leases{{list="{well}"}} 1.0' in admin.get("/metrics").body.decode()
    assert admin.call("DELETE", f"/v1/lists/{newer}").status == 204, "and can be deleted"
    assert {line for line in served.complaints if "list_not_shown" not in line} == set()
    served.complaints.clear()


def test_an_error_of_ours_tells_its_id_and_nothing_else(
    served: Served, admin: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = admin.new_list(3)

    def broken(*_arguments: Any, **_named: Any) -> Any:
        message = "a secret of the server"
        raise RuntimeError(message)

    with monkeypatch.context() as patch:
        patch.setattr(served.parts.site, "show", broken)
        patch.setattr(served.parts.work, "ask", broken)
        shown = admin.get(f"/v1/lists/{name}", x_request_id="mine")
        exchanged = admin.post(f"/v1/lists/{name}/exchange", {"worker": "w"}, x_request_id="mine")
        other = admin.post(f"/v1/lists/{name}/exchange", {"worker": "w"})
    for answer in (shown, exchanged, other):
        refused(answer, 500)
        assert answer.error["code"] == "internal_error"
        assert b"secret" not in answer.body
        assert answer.error["detail"] == {"request_id": answer.headers["x-request-id"], "kind": "RuntimeError"}
    assert shown.headers["x-request-id"] == exchanged.headers["x-request-id"] == "mine"
    assert admin.claim(name)["size"] == 1, "the connection and the server go on"
    assert len(served.complaints) == 3
    assert all("request_failed" in line for line in served.complaints)
    served.complaints.clear()


@pytest.mark.parametrize("moment", ["while it ends", "when it has ended"])
def test_who_still_asks_a_server_that_is_shutting_down_is_told_to_come_again(tmp_path: Path, moment: str) -> None:
    ending = Served(tmp_path)
    name = ending.admin.new_list(10)
    commits = ending.parts.commits
    assert commits is not None
    commits._group.close()
    if moment == "when it has ended":
        ending.parts.commits = None
    for path, body in (
        (f"/v1/lists/{name}/exchange", {"worker": "w", "want": {}}),
        (f"/v1/lists/{name}/blocks", {"worker": "w"}),
        ("/v1/exchange", {"worker": "w", "want": {}}),
    ):
        answer = ending.admin.post(path, body)
        refused(answer, 503)
        assert answer.error["code"] == "overloaded", "nothing was changed: any call may be repeated"
        assert "shutting down" in answer.error["message"]
        assert 1 <= int(answer.headers["retry-after"]) <= 3
    assert ending.admin.show(name)["leased"] == 0
    ending.close()


def test_every_error_has_its_status() -> None:
    for module in pkgutil.walk_packages(teamtask.__path__, "teamtask."):
        if not module.name.endswith("__main__") and module.name.split(".")[1] in ("api", "auth", "service", "stores"):
            importlib.import_module(module.name)
    codes = {}
    waiting = [TeamtaskError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.split(".")[1] in ("api", "auth", "service", "stores", "sources", "ledger"):
            codes[kind.code] = kind
    # What is meant to be 500; what only opening or moving a store raises, or asking for the index of an item.
    unsaid = {
        "error", "internal_error", "store_too_new", "store_not_writable", "item_not_found", "move_unfinished",
        "not_arrived", "target_not_empty",
    }  # fmt: skip
    missing = {code: kind for code, kind in codes.items() if code not in STATUS_OF_CODE and code not in unsaid}
    assert missing == {}
    assert set(STATUS_OF_CODE.values()) <= set(STATUS_LINES)


def test_json_of_ours_is_utf_8_without_escapes(admin: Http) -> None:
    name = admin.new_list(3, labels={"é": "\U0001f600"})
    body = admin.get(f"/v1/lists/{name}").body
    assert "\U0001f600".encode() in body
    assert json.loads(body)["labels"] == {"é": "\U0001f600"}
