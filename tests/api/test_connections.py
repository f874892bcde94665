"""What a connection does: large bodies, clients that stop, pipelines, HTTP/1.0, HEAD; the server keeps its head."""

from __future__ import annotations

import http.client
import json
import select
import socket
import threading
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest
from serving import ADMIN, Served, read_all

from teamtask.api.call import BODY_BYTES_MAX
from teamtask.api.exchange_protocol import HEAD_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from serving import Http

MIB = b"x" * (1 << 20)
AUTH = f"authorization: Bearer {ADMIN}\r\n".encode()
PATIENCE = 0.8  # seconds that an impatient server waits


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Give a server that soon sends away who stops in the middle of a request."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("teamtask.api.call.RECEIVE_SECONDS", PATIENCE)
        patch.setattr("teamtask.api.exchange_protocol.RECEIVE_SECONDS", PATIENCE)
        running = Served(tmp_path_factory.mktemp("impatient"))
        yield running
        running.close()


@pytest.fixture
def name(admin: Http) -> str:
    return admin.new_list(100, block={"size": 1}, limits={"blocks_per_worker": 1000})


def request(method: str, path: str, body: bytes = b"", *, head: bytes = AUTH, version: str = "1.1") -> bytes:
    length = b"content-length: %d\r\n" % len(body) if body or method in ("POST", "PUT", "PATCH") else b""
    return f"{method} {path} HTTP/{version}\r\nhost: here\r\n".encode() + head + length + b"\r\n" + body


def claim(name: str, worker: str = "w", **kept: Any) -> bytes:
    return request("POST", f"/v1/lists/{name}/exchange", json.dumps({"worker": worker, "want": {}}).encode(), **kept)


def answers(data: bytes) -> list[tuple[int, bytes]]:
    """Give the statuses and bodies of answers that came one after the other, and see that nothing else did."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        found = []
        stream = ours.makefile("rb")
        while stream.peek(1):
            head = stream.readline().split()
            assert head[0] == b"HTTP/1.1", data
            headers = http.client.parse_headers(stream)
            found.append((int(head[1]), stream.read(int(headers["content-length"]))))
        stream.close()
        return found


# --- bodies beyond the limit


LARGE: list[tuple[str, str]] = [
    ("POST", "/v1/lists"),
    ("PATCH", "/v1/lists/NAME"),
    ("POST", "/v1/lists/NAME/exchange"),
    ("POST", "/v1/lists/NAME/blocks"),
    ("POST", "/v1/lists/NAME/blocks/lease"),
    ("POST", "/v1/exchange"),
]


@pytest.mark.parametrize(("method", "path"), LARGE)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_beyond_the_limit_is_refused(served: Served, name: str, method: str, path: str, chunked: bool) -> None:  # noqa: FBT001 - of pytest
    pieces = [b'{"name": "', *[MIB] * 17, b'"}']
    client = served.client()
    sent = iter(pieces) if chunked else b"".join(pieces)
    before = client.show(name)
    answer = client.call(method, path.replace("NAME", name), sent, content_type="application/json")
    assert answer.status == 413
    assert answer.error["code"] == "body_too_large"
    assert client.show(name) == before


@pytest.mark.parametrize("path", ["/v1/lists/NAME/exchange", "/v1/lists"])
def test_a_body_of_the_limit_is_taken(served: Served, name: str, path: str) -> None:
    begun = b'{"worker": "'
    body = begun + b"w" * (BODY_BYTES_MAX - len(begun) - 2) + b'"}'
    answer = served.client().call("POST", path.replace("NAME", name), body)
    assert (answer.status, answer.field) == (422, "worker")


@pytest.mark.parametrize("path", ["/v1/lists/NAME/exchange", "/v1/lists/NAME/blocks", "/v1/lists"])
def test_who_announces_more_than_the_limit_hears_of_it_in_the_middle(served: Served, name: str, path: str) -> None:
    head = AUTH + b"content-length: 1000000000000\r\n"
    with served.connect() as sock:
        sock.sendall(request("POST", path.replace("NAME", name), head=head).replace(b"content-length: 0\r\n", b""))
        for _ in range(17):
            sock.sendall(MIB)
        assert sock.recv(65_536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("path", ["/v1/lists/NAME/exchange", "/v1/lists/NAME/blocks"])
def test_nothing_of_a_strangers_body_is_waited_for(served: Served, name: str, path: str) -> None:
    head = b"content-length: 1000000000\r\nexpect: 100-continue\r\n"
    with served.connect() as sock:
        sock.sendall(request("POST", path.replace("NAME", name), head=head).replace(b"content-length: 0\r\n", b""))
        assert sock.recv(65_536).startswith(b"HTTP/1.1 401 "), "and not 100"


@pytest.mark.parametrize(
    "head",
    [
        b"x" * (HEAD_BYTES_MAX << 3),
        b"GET /" + b"x" * (HEAD_BYTES_MAX << 3),
        b"GET / HTTP/1.1\r\nname: " + b"x" * (HEAD_BYTES_MAX << 3),
        b"GET / HTTP/1.1\r\n" + b"name: value\r\n" * (HEAD_BYTES_MAX >> 1),
    ],
)
def test_a_head_without_end_is_not_read_to_its_end(served: Served, head: bytes) -> None:
    with served.connect() as sock:
        try:
            for _ in range(1_000):
                sock.sendall(head)
        except ConnectionError:
            return
        pytest.fail("500 megabytes of headers were taken")


# --- clients that stop


STOPPED = [
    b"",
    b"P",
    b"POST /v1/lists HTTP/1.1\r\n",
    b"POST /v1/lists HTTP/1.1\r\nhost: here\r\nauthoriz",
    claim("nowhere")[:-5],
    claim("nowhere")[:-1],
    b"POST /v1/lists/nowhere/exchange HTTP/1.1\r\n" + AUTH + b"transfer-encoding: chunked\r\n\r\n5\r\n{",
    request("POST", "/v1/lists", b"x" * 1_000)[:-1],
    request("POST", "/v1/lists/nowhere/blocks", b"x" * 100_000)[:-1],
]


def test_who_stops_in_the_middle_of_a_request_is_sent_away(impatient: Served) -> None:
    with ExitStack() as stack:
        sockets = [stack.enter_context(impatient.connect()) for _ in STOPPED]
        for sock, begun in zip(sockets, STOPPED, strict=True):
            sock.sendall(begun)
        for sock in sockets:
            assert {status for status, _ in answers(read_all(sock))} <= {408}


def test_who_sends_headers_drop_by_drop_is_sent_away(impatient: Served) -> None:
    with impatient.connect() as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\n")
        while True:  # it would go on for ever
            try:
                sock.sendall(b"x: y\r\n")
            except ConnectionError:
                return
            select.select([], [], [], PATIENCE / 10)


def test_who_sends_a_body_drop_by_drop_is_heard(impatient: Served) -> None:
    made = impatient.admin.new_list(10)
    whole = claim(made)
    with impatient.connect() as sock:
        sock.sendall(whole[:-20])
        for at in range(len(whole) - 20, len(whole)):
            sock.sendall(whole[at : at + 1])
            select.select([], [], [], PATIENCE / 8)  # in all longer than the patience
        assert sock.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_a_quiet_connection_between_two_requests_is_kept(impatient: Served) -> None:
    made = impatient.admin.new_list(10)
    client = impatient.client()
    client.claim(made)
    before = client._connection.sock
    select.select([], [], [], 2.5 * PATIENCE)
    client.claim(made)
    assert client._connection.sock is before


def test_who_waits_for_a_slow_store_is_not_sent_away(impatient: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    made = impatient.admin.new_list(source={"kind": "lines"})
    write = impatient.store.write

    def slow_once(*arguments: Any) -> Any:
        monkeypatch.undo()
        select.select([], [], [], 3 * PATIENCE)
        return write(*arguments)

    monkeypatch.setattr(impatient.store, "write", slow_once)
    answer = impatient.admin.call("PUT", f"/v1/lists/{made}/items", b"a line of an upload\n" * 400_000)
    assert answer.status == 200
    assert answer.json["size"] == 400_000
    assert impatient.client().claim(made)["size"] >= 1


def test_who_does_not_read_the_answers_is_not_heard_for_ever(impatient: Served) -> None:
    asked = request("POST", "/v1/lists/x/exchange", b"{}", head=b"") * 1_000
    with impatient.connect() as sock:
        sock.setblocking(False)  # noqa: FBT003 - the standard library takes no name there
        sent = 0
        while sent < 256 << 20:
            if not select.select([], [sock], [], 2 * PATIENCE)[1]:
                return
            try:
                sent += sock.send(asked)
            except BlockingIOError:
                continue
            except ConnectionError:
                return
    pytest.fail("the answers to 256 megabytes of requests were kept for whoever does not read them")


# --- pipelines, and how a connection goes on


@pytest.fixture(params=["all at once", "one by one", "cut anywhere"])
def deliver(request: pytest.FixtureRequest, served: Served) -> Callable[..., bytes]:
    """Send requests down one connection without waiting for answers, then close it for sending; give all answers."""

    def all_at_once(*requests: bytes) -> bytes:
        cuts = {
            "all at once": [b"".join(requests)],
            "one by one": list(requests),
            "cut anywhere": [b"".join(requests)[at : at + 97] for at in range(0, len(b"".join(requests)), 97)],
        }[request.param]
        with served.connect() as sock:
            try:
                for piece in cuts:
                    sock.sendall(piece)
            except ConnectionError:
                pass
            return read_all(sock)

    return all_at_once


CLOSE = AUTH + b"connection: close\r\n"
BAD = request("POST", "/v1/lists/x/exchange", b"{")


def test_pipelined_requests_are_answered_in_order_or_not_at_all(deliver: Callable[..., bytes], name: str) -> None:
    show, me = request("GET", f"/v1/lists/{name}"), request("GET", "/v1/me")
    for batch in (
        [show, me, show, request("GET", "/v1/me", head=CLOSE)],
        [claim(name), claim(name), claim(name), claim(name, head=CLOSE)],
        [show, claim(name), me, request("GET", "/v1/me", head=CLOSE)],
        [claim(name), show, claim(name, head=CLOSE)],
        [BAD, claim(name), BAD, claim(name, head=CLOSE)],
        [BAD, me, BAD, request("GET", "/v1/me", head=CLOSE)],
    ):
        expected = []
        for sent in batch:
            known = {show: (200, b'"name":"%s"' % name.encode()), BAD: (422, b"invalid_field")}
            expected.append(known.get(sent, (200, b'"principal"' if b"/v1/me" in sent else b'"leases"')))
        found = answers(deliver(*batch))
        assert found, "at least the first one has its answer"
        for (status, body), (wanted, part) in zip(found, expected, strict=False):
            assert status == wanted, batch
            assert part in body, batch
        assert len(found) <= len(batch)


def test_what_was_given_down_a_pipeline_was_given_once(deliver: Callable[..., bytes], name: str, admin: Http) -> None:
    data = deliver(*[claim(name)] * 9, claim(name, head=CLOSE))
    leases = [lease["index"] for _, body in answers(data) for lease in json.loads(body)["leases"]]
    assert leases == list(range(len(leases)))
    assert admin.show(name)["leased"] >= len(leases)


def test_nothing_is_done_after_a_request_that_closes(deliver: Callable[..., bytes], name: str, admin: Http) -> None:
    closing_bad = request("POST", "/v1/lists/x/exchange", b"{", head=CLOSE)
    found = answers(deliver(closing_bad, claim(name), claim(name)))
    assert [status for status, _ in found] == [422]
    assert admin.show(name)["leased"] == 0


def test_an_exchange_keeps_its_connection_unless_it_is_told_not_to(served: Served, name: str) -> None:
    with served.connect() as sock:
        sock.sendall(claim(name))
        assert b"connection: close" not in sock.recv(65_536)
        sock.sendall(claim(name, head=CLOSE))
        last = read_all(sock)
    assert b"\r\nconnection: close\r\n" in last
    assert answers(last)[0][0] == 200


@pytest.mark.parametrize("path", ["/v1/me", "/healthz", "/v1/lists?limit=1"])
def test_http_1_0_is_answered_and_closed(served: Served, path: str) -> None:
    got = served.raw(request("GET", path, version="1.0"))
    assert got.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nconnection: close\r\n" in got


def test_an_exchange_over_http_1_0_is_answered_and_closed(served: Served, name: str) -> None:
    got = served.raw(claim(name, version="1.0"))
    assert answers(got)[0][0] == 200
    assert b"\r\nconnection: close\r\n" in got


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: here\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"POST /v1/lists/x/exchange HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/lists/x/exchange HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        b"POST /v1/lists/x/exchange HTTP/1.1\r\n" + AUTH + b"transfer-encoding: chunked\r\n\r\nZZ\r\n",
        b"POST /v1/lists HTTP/1.1\r\n" + AUTH + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
        b"BREW /v1/me HTTP/1.1\r\nhost: here\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_no_http_is_answered_as_all_errors_are(served: Served, junk: bytes) -> None:
    ((status, body),) = answers(served.raw(junk))
    assert status == 400
    assert json.loads(body)["error"]["code"] == "invalid_request"
    assert served.client(None).get("/healthz").status == 200


def test_a_length_that_lies_is_found_out(served: Served, name: str, admin: Http) -> None:
    body = b'{"worker": "w", "want": {}}'
    path = f"POST /v1/lists/{name}/exchange HTTP/1.1\r\n".encode()
    shorter = path + AUTH + b"content-length: %d\r\n\r\n" % (len(body) - 5) + body
    found = answers(served.raw(shorter))
    assert found[0][0] == 422, "what it says is all that is read as the body"
    assert [status for status, _ in found[1:]] in ([], [400]), "and the rest is no request"
    with served.connect() as sock:
        sock.sendall(path + AUTH + b"content-length: %d\r\n\r\n" % (len(body) + 5) + body)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""
    assert admin.show(name)["leased"] == 0


def test_a_trailer_is_no_header(served: Served, name: str, admin: Http) -> None:
    body = b'{"worker": "w", "want": {}}'
    chunks = b"%x\r\n%s\r\n0\r\n" % (len(body), body)
    for path in (f"/v1/lists/{name}/exchange", f"/v1/lists/{name}/blocks"):
        head = f"POST {path} HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n".encode()
        ((status, _),) = answers(served.raw(head + chunks + AUTH + b"\r\n"))
        assert status == 401
    assert admin.show(name)["leased"] == 0


def test_who_expects_to_be_told_to_continue_is_told(served: Served, name: str) -> None:
    for path, body in (
        (f"/v1/lists/{name}/exchange", b'{"worker": "w", "want": {}}'),
        (f"/v1/lists/{name}/blocks", b'{"worker": "w"}'),
    ):
        whole = request("POST", path, body, head=CLOSE + b"expect: 100-continue\r\n")
        with served.connect() as sock:
            sock.sendall(whole[: -len(body)])
            assert sock.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
            sock.sendall(body)
            assert answers(read_all(sock))[0][0] in (200, 201)


def test_head_is_get_without_a_body(served: Served, name: str) -> None:
    client = served.client()
    client.finish(name, client.claim(name), [[0, "x"]])
    for path in (
        "/healthz",
        "/v1/me",
        f"/v1/lists/{name}",
        f"/v1/lists/{name}/results",
        "/metrics",
        f"/v1/lists/{name}/events",
    ):
        head, get = client.call("HEAD", path), client.get(path)
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-type"] == get.headers["content-type"]
    assert served.client(None).call("HEAD", f"/v1/lists/{name}").status == 401
    assert client.call("HEAD", "/v1/lists/nowhere").status == 404
    assert client.call("HEAD", f"/v1/lists/{name}/exchange").status == 405


def test_an_upgrade_is_not_taken(served: Served) -> None:
    head = (
        AUTH + b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: eA==\r\nsec-websocket-version: 13\r\n"
    )
    with served.connect() as sock:
        sock.sendall(request("GET", "/v1/me", head=head))
        assert sock.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_a_request_keeps_the_id_that_it_came_with(served: Served, name: str) -> None:
    client = served.client()
    for path in ("/v1/me", "/v1/nothing"):
        assert client.get(path, x_request_id="mine-1.2_3").headers["x-request-id"] == "mine-1.2_3"
        assert client.get(path, x_request_id="not mine").headers["x-request-id"] != "not mine"
    path, body = f"/v1/lists/{name}/exchange", {"worker": "w"}
    ids = {client.post(path, body).headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5
    assert client.post(path, body, x_request_id="mine-1.2_3").headers["x-request-id"] == "mine-1.2_3"
    for wrong in ("not mine", "x" * 65, "", "m\xefne"):
        assert client.post(path, body, x_request_id=wrong).headers["x-request-id"] not in (wrong, "mine-1.2_3")
    items = client.post(path, {"worker": "w", "want": {"items": True}}, x_request_id="with-items")
    assert (items.status, items.headers["x-request-id"]) == (200, "with-items")
    for refusal in (
        client.post(path, 3, x_request_id="refused"),
        client.post("/v1/lists/nowhere/exchange", body, x_request_id="refused"),
        served.client("tt_of-nobody").post(path, body, x_request_id="refused"),
        client.call("POST", path, b"", content_type="text/html", x_request_id="refused"),
    ):
        assert (refusal.status // 100, refusal.headers["x-request-id"]) == (4, "refused")
    assert client.post(path, body).headers["x-request-id"] not in {*ids, "refused", "with-items"}


def test_an_id_is_of_its_own_request_alone(served: Served, name: str) -> None:
    path, body = f"/v1/lists/{name}/exchange", json.dumps({"worker": "w"}).encode()
    first = request("POST", path, body, head=AUTH + b"x-request-id: first\r\n")
    both = served.raw(first + request("POST", path, body))
    assert (both.count(b"HTTP/1.1 200"), both.count(b"x-request-id: first\r\n")) == (1, 1)
    with served.connect() as sock:
        sock.sendall(first)
        assert b"x-request-id: first\r\n" in sock.recv(65_536)
        sock.sendall(b"no HTTP\r\n\r\n")
        refusal = read_all(sock)
    assert refusal.startswith(b"HTTP/1.1 400 ")
    assert b"x-request-id: first\r\n" not in refusal


def test_who_goes_away_does_not_disturb_the_others(served: Served, name: str, admin: Http) -> None:
    def vanish() -> None:
        with closing(served.connect()) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            sock.sendall(claim(name) if threading.get_ident() % 2 else request("GET", f"/v1/lists/{name}"))

    threads = [threading.Thread(target=vanish) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert admin.get("/readyz").status == 200
    assert admin.claim(name)["size"] == 1
