"""Uploads: what comes whole is there, what is cut is not, and of two at once one wins."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from serving import read_all, refused

if TYPE_CHECKING:
    import socket

    from serving import Http, Reply, Served


@pytest.fixture
def name(admin: Http) -> str:
    return admin.new_list(source={"kind": "lines"})


def upload(client: Http, name: str, body: bytes, kind: str = "text/plain") -> Reply:
    return client.call("PUT", f"/v1/lists/{name}/items", body, content_type=kind)


def items(client: Http, name: str) -> list[str]:
    size = client.show(name)["size"]
    answer = client.get(f"/v1/lists/{name}/items?index=0&size={size}")
    assert answer.status == 200, answer
    return list(answer.json["items"])


def awaits(client: Http, name: str) -> bool:
    shown = client.show(name)
    return (shown["state"], shown["size"], shown["fingerprint"]) == ("awaiting_items", 0, "")


def begun(served: Served, name: str, length: int, *some: bytes) -> socket.socket:
    """Begin an upload of so many bytes."""
    sock = served.connect()
    head = f"PUT /v1/lists/{name}/items HTTP/1.1\r\nhost: here\r\nauthorization: Bearer {served.admin.token}\r\n"
    sock.sendall(f"{head}connection: close\r\ncontent-length: {length}\r\n\r\n".encode())
    for piece in some:
        sock.sendall(piece)
    return sock


def test_a_list_awaits_its_items_until_they_come(admin: Http, name: str) -> None:
    assert awaits(admin, name)
    reply = admin.exchange(name, want={})
    assert (reply["leases"], reply["state"]) == ([], "awaiting_items")
    assert reply["retry_in_seconds"] > 0
    refused(admin.get(f"/v1/lists/{name}/items?index=0&size=1"), field="index")
    answer = upload(admin, name, b"a\nb\nc")
    assert (answer.status, answer.json["state"], answer.json["size"]) == (200, "running", 3)
    assert answer.json == admin.show(name)
    lease = admin.exchange(name, want={"items": True})["leases"][0]
    assert lease["fingerprint"] == answer.json["fingerprint"] != ""


@pytest.mark.parametrize(
    ("body", "kind", "lines"),
    [
        (b"a\nb\nc\n", "text/plain", ["a", "b", "c"]),
        (b"a\nb\nc", "text/plain; charset=utf-8", ["a", "b", "c"]),
        (b"a\r\nb\r\nc", "text/plain", ["a", "b", "c"]),
        (b"a\r\nb\nc\r", "text/plain", ["a", "b", "c"]),
        (b"\n\na\n \n\t\nb\r\n\r\n", "text/plain", ["a", "b"]),
        (b" a \nb\tc\n", "text/plain", [" a ", "b\tc"]),
        (b"a\na\na", "text/plain", ["a", "a", "a"]),
        (b"a\x00b\nc", "text/plain", ["a\x00b", "c"]),
        (b'"a"\n', "text/plain", ['"a"']),
        ("é\n\U0001f600".encode(), "text/plain", ["é", "\U0001f600"]),
        (b"x" * 3_000_000 + b"\ny", "text/plain", ["x" * 3_000_000, "y"]),
        (b'"a"\n"b"', "application/x-ndjson", ["a", "b"]),
        (b'"a"\r\n\r\n"b\\nc"\n"\\u00e9\\u0000"\n', "application/jsonl", ["a", "b\nc", "é\x00"]),
    ],
)
def test_lines_come_as_they_are(admin: Http, name: str, body: bytes, kind: str, lines: list[str]) -> None:
    assert upload(admin, name, body, kind).status == 200
    assert items(admin, name) == lines


def test_bytes_that_are_no_text_are_kept(admin: Http, name: str) -> None:
    assert upload(admin, name, b"a\xff\xfe\nb").status == 200
    assert [item.encode("utf-8", "surrogateescape") for item in items(admin, name)] == [b"a\xff\xfe", b"b"]
    lease = admin.post(f"/v1/lists/{name}/blocks", {"worker": "w"}).json
    assert lease["items"][0].encode("utf-8", "surrogateescape") == b"a\xff\xfe"
    admin.finish(name, lease, [[0, "x"]])
    assert admin.results(name)[0]["item"].encode("utf-8", "surrogateescape") == b"a\xff\xfe"
    assert b"a\xff\xfe" in admin.get(f"/v1/lists/{name}/results?format=csv").body


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "text/plain"),
        (b"\n\r\n \n", "text/plain"),
        (b"", "application/x-ndjson"),
        (b'"a"\n1\n', "application/x-ndjson"),
        (b'"a"\nb\n', "application/x-ndjson"),
        (b'"a"\n"\xff"\n', "application/x-ndjson"),
        (b'"a"\n"\\ud800"\n', "application/x-ndjson"),
        (b'"a"\n"b', "application/x-ndjson"),
        (b'"a" "b"\n', "application/x-ndjson"),
        (b"[" * 100_000 + b"\n", "application/x-ndjson"),
        (b'"a"\n' * 500_000 + b"1\n", "application/x-ndjson"),
    ],
)
def test_what_holds_no_items_is_refused_and_the_list_still_awaits_them(
    admin: Http, name: str, body: bytes, kind: str
) -> None:
    refused(upload(admin, name, body, kind), field="items")
    assert awaits(admin, name)
    assert upload(admin, name, b"a").status == 200


def test_a_line_beyond_the_limit_is_refused(admin: Http, name: str) -> None:
    refused(upload(admin, name, b"x" * (65 << 20)), field="items")
    assert awaits(admin, name)


def test_many_lines_are_streamed(admin: Http, name: str) -> None:
    pieces = (b"".join(b"line %d\n" % index for index in range(at, at + 1_000)) for at in range(0, 200_000, 1_000))
    answer = admin.call("PUT", f"/v1/lists/{name}/items", pieces, content_type="text/plain")
    assert (answer.status, answer.json["size"]) == (200, 200_000)
    page = admin.get(f"/v1/lists/{name}/items?index=190000&size=10000").json["items"]
    assert page == [f"line {index}" for index in range(190_000, 200_000)]


@pytest.mark.parametrize("sent", [0, 1, 100, 3_000_000])
def test_an_upload_that_is_cut_is_nothing(served: Served, name: str, sent: int) -> None:
    begun(served, name, 4_000_000, (b"a line\n" * 500_000)[:sent]).close()
    assert awaits(served.admin, name)
    assert upload(served.admin, name, b"whole").status == 200
    assert items(served.admin, name) == ["whole"]


def test_a_chunked_upload_that_is_cut_between_chunks_is_nothing(served: Served, name: str) -> None:
    head = f"PUT /v1/lists/{name}/items HTTP/1.1\r\nhost: here\r\nauthorization: Bearer {served.admin.token}\r\n"
    with served.connect() as sock:
        sock.sendall(f"{head}transfer-encoding: chunked\r\n\r\n".encode() + b"8\r\na\nb\nc\nd\n\r\n")
    assert awaits(served.admin, name)


def test_a_second_upload_is_refused(admin: Http, name: str) -> None:
    upload(admin, name, b"a\nb")
    for body in (b"a\nb", b"c"):
        answer = upload(admin, name, body)
        refused(answer, 409)
        assert answer.error["code"] == "wrong_state"
    assert items(admin, name) == ["a", "b"]


def test_of_two_uploads_at_once_one_wins_whole(served: Served, name: str) -> None:
    bodies = [b"%d\n" % number * 10 for number in range(4)]
    with ExitStack() as stack:
        sockets = [stack.enter_context(begun(served, name, 20, body[:7])) for body in bodies]
        assert awaits(served.admin, name)
        for sock, body in zip(sockets, bodies, strict=True):
            sock.sendall(body[7:])
        statuses = [int(read_all(sock).split()[1]) for sock in sockets]
    assert sorted(statuses) == [200, 409, 409, 409]
    assert items(served.admin, name) == [str(statuses.index(200))] * 10


def test_items_may_come_by_growing_instead(served: Served, name: str) -> None:
    admin = served.admin
    with begun(served, name, 2, b"a") as sock:
        grown = admin.post(f"/v1/lists/{name}/grow", {"items": ["x", "y\nz", "é"]})
        assert (grown.status, grown.json["changed"], grown.json["list"]["state"]) == (200, 3, "running")
        sock.sendall(b"b")
        assert b" 409 " in read_all(sock)[:20]
    assert admin.post(f"/v1/lists/{name}/grow", {"items": ["more"]}).json["changed"] == 1
    assert items(admin, name) == ["x", "y\nz", "é", "more"]
    refused(admin.post(f"/v1/lists/{name}/grow", {"items": []}), field="items")
    refused(admin.post(f"/v1/lists/{name}/grow", {"items": ["\ud800"]}))


def test_a_list_that_grows_goes_on_where_it_was_complete(admin: Http, name: str) -> None:
    upload(admin, name, b"a\nb")
    for _ in range(2):
        admin.finish(name, admin.claim(name))
    before = admin.show(name)
    assert before["state"] == "complete"
    admin.post(f"/v1/lists/{name}/grow", {"items": ["c"]})
    after = admin.show(name)
    assert (after["state"], after["size"], after["fingerprint"]) == ("running", 3, before["fingerprint"])
    assert admin.exchange(name, want={"items": True})["leases"][0]["items"] == ["c"]


def test_shuffled_lines_come_in_another_order_and_cannot_grow(admin: Http) -> None:
    name = admin.new_list(source={"kind": "lines", "shuffle": 7})
    lines = [f"line {index}" for index in range(100)]
    assert upload(admin, name, "\n".join(lines).encode()).status == 200
    found = items(admin, name)
    assert (sorted(found), found == lines) == (sorted(lines), False)
    refused(admin.post(f"/v1/lists/{name}/grow", {"items": ["x"]}), 409)


def test_no_upload_to_what_awaits_none(served: Served, admin: Http, name: str) -> None:
    refused(upload(admin, admin.new_list(3), b"a"), 409)
    refused(upload(admin, "nowhere", b"a"), 404)
    refused(upload(admin, name, b"a", "application/json"), 415)
    admin.post(f"/v1/lists/{name}/cancel")
    answer = upload(admin, name, b"a")
    refused(answer, 409)
    assert "cancelled" in answer.error["message"]
    assert admin.post(f"/v1/lists/{name}/resume").json["state"] == "awaiting_items"
    with begun(served, name, 2, b"a") as sock:
        admin.call("DELETE", f"/v1/lists/{name}")
        sock.sendall(b"b")
        assert b" 404 " in read_all(sock)[:20]


def awaited(served: Served, name: str, token: str | None, length: int) -> socket.socket:
    """Begin an upload, and wait until the server wants its body."""
    sock = served.connect()
    head = f"PUT /v1/lists/{name}/items HTTP/1.1\r\nhost: here\r\nauthorization: Bearer {token}\r\n"
    sock.sendall(f"{head}connection: close\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n".encode())
    assert sock.recv(1_000).startswith(b"HTTP/1.1 100 ")
    return sock


def test_a_new_list_of_the_same_name_is_another_one(served: Served, admin: Http, name: str) -> None:
    with awaited(served, name, admin.token, 3) as sock:
        assert admin.call("DELETE", f"/v1/lists/{name}").status == 204
        admin.new_list(name=name, source={"kind": "lines"})
        sock.sendall(b"old")
        assert read_all(sock).startswith(b"HTTP/1.1 404 ")
    assert awaits(admin, name)
    assert upload(admin, name, b"new").status == 200
    assert items(admin, name) == ["new"]


def test_who_is_no_owner_any_more_gives_no_items(served: Served, admin: Http) -> None:
    name = admin.new_list(source={"kind": "lines"}, roles={"owner": ["token:uploader"], "viewer": ["token:uploader"]})
    with awaited(served, name, admin.new_token("uploader"), 1) as sock:
        assert admin.send("PATCH", f"/v1/lists/{name}", {"roles": {"viewer": ["token:uploader"]}}).status == 200
        sock.sendall(b"x")
        assert read_all(sock).startswith(b"HTTP/1.1 403 ")
    assert awaits(admin, name)


def test_items_in_the_body_are_lines_too(admin: Http) -> None:
    lines = ["a", "", " ", "b\nc", "d\r", "\x00", "é", "a"]
    name = admin.new_list(source={"kind": "lines", "items": lines})
    assert items(admin, name) == lines
    refused(admin.post("/v1/lists", {"name": "empty", "source": {"kind": "lines", "items": []}}), field="source.items")
    refused(admin.post("/v1/lists", {"name": "odd", "source": {"kind": "lines", "items": [1]}}), field="source.items")
    body = json.dumps({"name": "half", "source": {"kind": "lines", "items": ["\ud800"]}})
    refused(admin.call("POST", "/v1/lists", body))
