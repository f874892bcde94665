"""Large bodies: nobody else waits while one is decoded, and what they ask for is done."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from serving import WAIT_SECONDS, refused

from teamtask.api.call import DECODED_AT_ONCE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from serving import Http, Reply, Served

LARGE = "x" * DECODED_AT_ONCE_BYTES


class Slow:
    """A decoder that takes its time over a large body, until it is let go on."""

    def __init__(self, decode: Callable[..., Any]) -> None:
        self._decode = decode
        self.begun, self.may_go_on = threading.Event(), threading.Event()
        self.in_vain = False  # nobody else could do anything meanwhile

    def __call__(self, body: bytes, *more: Any) -> Any:
        if len(body) > DECODED_AT_ONCE_BYTES:
            self.begun.set()
            self.in_vain = not self.may_go_on.wait(WAIT_SECONDS / 3)
        return self._decode(body, *more)


def exchange(client: Http, name: str, lease: dict[str, Any]) -> Reply:
    report = {"lease": lease["lease"], "index": 0, "upto": 10, "results": [[3, LARGE]]}
    return client.post(f"/v1/lists/{name}/exchange", {"worker": "w", "reports": [report], "want": {"items": True}})


def site_exchange(client: Http, name: str, lease: dict[str, Any]) -> Reply:
    report = {"list": name, "lease": lease["lease"], "index": 0, "upto": 10, "results": [[3, LARGE]]}
    return client.post("/v1/exchange", {"worker": "w", "reports": [report]})


def plain_report(client: Http, name: str, lease: dict[str, Any]) -> Reply:
    return client.post(f"/v1/lists/{name}/blocks/{lease['lease']}", {"done": True, "results": [[3, LARGE]]})


@pytest.mark.parametrize(
    ("decoder", "call"),
    [
        ("teamtask.api.work_routes.decode_exchange", exchange),
        ("teamtask.api.site_exchange.decode_site_exchange", site_exchange),
        ("teamtask.api.work_routes.decode_report", plain_report),
    ],
)
def test_nobody_waits_while_a_large_report_is_decoded(
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
    decoder: str,
    call: Callable[[Http, str, dict[str, Any]], Reply],
) -> None:
    large, small = served.client(), served.client()
    name = large.new_list(20, block={"size": 10})
    lease = large.claim(name)
    module, _, function = decoder.rpartition(".")
    slow = Slow(getattr(__import__(module, fromlist=["x"]), function))
    monkeypatch.setattr(decoder, slow)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(call, large, name, lease)
        try:
            assert slow.begun.wait(WAIT_SECONDS)
            assert small.exchange(name, "other")["state"] == "running"
            assert small.show(name)["done"] == 0
            assert not slow.in_vain
        finally:
            slow.may_go_on.set()
        assert answer.result(WAIT_SECONDS).status == 200
    (result,) = small.results(name)
    assert (result["index"], result["result"]) == (3, LARGE)


def test_nobody_waits_while_a_large_list_is_decoded(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    large, small = served.client(), served.client()
    name = small.new_list(20)
    slow = Slow(__import__("teamtask.api.call", fromlist=["x"]).decode_body)
    monkeypatch.setattr("teamtask.api.call.decode_body", slow)
    body = {"name": "large", "source": {"kind": "lines", "items": [LARGE, "y"]}}
    with ThreadPoolExecutor(1) as pool:
        made = [pool.submit(large.post, "/v1/lists", body, idempotency_key="k")]
        try:
            assert slow.begun.wait(WAIT_SECONDS)
            assert small.exchange(name)["state"] == "running"
            assert not slow.in_vain
        finally:
            slow.may_go_on.set()
        made.append(pool.submit(large.post, "/v1/lists", body, idempotency_key="k"))
        assert [answer.result(WAIT_SECONDS).status for answer in made] == [201, 201]
    assert small.show("large")["size"] == 2


def test_what_is_wrong_with_a_large_body_is_said_as_ever(admin: Http) -> None:
    name = admin.new_list(20)
    path = f"/v1/lists/{name}/exchange"
    for _ in range(2):  # the connection goes on
        refused(admin.post(path, {"worker": LARGE}), field="worker")
        refused(admin.call("POST", path, LARGE), field="body")
        refused(admin.call("POST", path, "[" * len(LARGE)), field="body")
        refused(admin.post("/v1/lists/nowhere/exchange", {"worker": "w", "reports": [], "request": LARGE}))
        refused(admin.post("/v1/lists/nowhere/exchange", {"worker": "w" + " " * 3} | {"x": LARGE}), field="x")
    body = json.dumps({"worker": "w", "want": {}}) + " " * len(LARGE)
    refused(admin.call("POST", "/v1/lists/nowhere/exchange", body), 404)
    assert admin.call("POST", path, body).json["leases"]


def test_a_client_that_goes_away_while_its_body_is_decoded_is_heard_all_the_same(
    served: Served, admin: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = admin.new_list(10, block={"size": 10})
    lease = admin.claim(name)
    slow = Slow(__import__("teamtask.api.work_routes", fromlist=["x"]).decode_exchange)
    monkeypatch.setattr("teamtask.api.work_routes.decode_exchange", slow)
    report = {"lease": lease["lease"], "index": 0, "upto": 10, "results": [[3, LARGE]]}
    body = json.dumps({"worker": "w", "reports": [report]}).encode()
    head = f"POST /v1/lists/{name}/exchange HTTP/1.1\r\nhost: here\r\nauthorization: Bearer {admin.token}\r\n"
    with served.connect() as sock:
        sock.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        assert slow.begun.wait(WAIT_SECONDS)
    slow.may_go_on.set()
    ended = threading.Event()
    for _ in range(1_000):
        if admin.show(name)["state"] == "complete":
            break
        ended.wait(0.01)
    assert admin.show(name)["done"] == 10
