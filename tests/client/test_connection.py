"""One server as its clients see it: what is tried again and what is not, what is cut, where the token goes."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teamtask.client.backoff import FIRST_SECONDS, MOST_SECONDS, Backoff
from teamtask.client.connection import ApiError, Connection, ServerUnreachable, list_path
from teamtask.ledger.errors import InvalidField

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.client.conftest import FakeServer, ServerProcess

HTML = b"<html><body><h1>502 Bad Gateway</h1><hr>nginx</body></html>"
JSON = b'{"a": 1}'


@pytest.fixture
def to_fake(fake: FakeServer) -> Iterator[Connection]:
    connection = Connection(fake.url, "tt_secret", retry_seconds=20)
    yield connection
    connection.close()


def test_a_proxy_that_cannot_reach_the_server_is_asked_again(
    fake: FakeServer, to_fake: Connection, answer_of: Callable[..., bytes]
) -> None:
    fake.answers = [
        answer_of("502 Bad Gateway", HTML),
        answer_of("504 Gateway Timeout", HTML),
        answer_of("200 OK", JSON),
    ]
    assert to_fake.call("GET", "/v1/lists", query={"limit": 5, "state": None}) == {"a": 1}
    assert [request.target for request in fake.requests] == ["/v1/lists?limit=5"] * 3
    assert fake.requests[0].headers["authorization"] == "bearer tt_secret"


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
def test_a_call_that_may_have_been_carried_out_is_not_repeated_unless_that_is_safe(
    fake: FakeServer, to_fake: Connection, answer_of: Callable[..., bytes], method: str
) -> None:
    fake.answers = [answer_of("502 Bad Gateway", HTML, "Content-Type: text/html"), answer_of("200 OK", JSON)]
    with pytest.raises(ApiError, match="answered 502 Bad Gateway") as refused:
        to_fake.call(method, "/v1/lists", body={"x": 2**70})
    assert (refused.value.status, refused.value.code) == (502, "unexpected_answer")
    assert "Try again" in (refused.value.hint or "")
    assert [request.body for request in fake.requests] == [b'{"x":%d}' % 2**70]


def test_the_same_key_goes_with_every_try(
    fake: FakeServer, to_fake: Connection, answer_of: Callable[..., bytes]
) -> None:
    fake.answers = [answer_of("503 Service Unavailable", HTML), answer_of("201 Created", JSON)]
    assert to_fake.call("POST", "/v1/lists", body={}, idempotency_key="k1") == {"a": 1}
    assert [request.headers["idempotency-key"] for request in fake.requests] == ["k1", "k1"]


def test_what_the_server_did_not_even_look_at_is_repeated_whatever_it_is(
    fake: FakeServer, to_fake: Connection, answer_of: Callable[..., bytes]
) -> None:
    overloaded = b'{"error": {"code": "overloaded", "message": "Too much.", "hint": null, "detail": {}}}'
    fake.answers = [
        answer_of("429 Too Many Requests", b"", "Retry-After: 0"),
        answer_of("503 Service Unavailable", overloaded),
        answer_of("200 OK", JSON),
    ]
    assert to_fake.call("POST", "/v1/lists/a/rerun", body={}) == {"a": 1}


@pytest.mark.parametrize("retry_after", ["3600", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_server_that_asks_for_more_patience_than_there_is_is_not_asked_again(
    fake: FakeServer, to_fake: Connection, answer_of: Callable[..., bytes], retry_after: str
) -> None:
    fake.answers = [answer_of("429 Too Many Requests", b"", f"Retry-After: {retry_after}")]
    with pytest.raises(ApiError) as refused:
        to_fake.call("GET", "/v1/lists")
    assert refused.value.retry_after is not None
    assert len(fake.requests) == 1


@given(st.integers(0, 20), st.none() | st.floats(0, 1e6))
def test_the_wait_is_anything_up_to_a_bound_that_doubles(tries: int, retry_after: float | None) -> None:
    backoff = Backoff()
    for _ in range(tries):
        backoff.next(None)
    bound = min(FIRST_SECONDS * 2**tries, MOST_SECONDS)
    assert (retry_after or 0) <= backoff.next(retry_after) <= (retry_after or 0) + bound


def test_an_error_says_what_the_server_said(
    fake: FakeServer, to_fake: Connection, answer_of: Callable[..., bytes]
) -> None:
    told = (
        b'{"error": {"code": "cannot_grow", "message": "It cannot.", "hint": "Make another.",'
        b' "detail": {"field": "size", "at": "9007199254740993"}}}'
    )
    fake.answers = [answer_of("409 Conflict", told)]
    with pytest.raises(ApiError) as refused:
        to_fake.call("GET", "/")
    error = refused.value
    assert (error.status, error.code, error.message) == (409, "cannot_grow", "It cannot.")
    assert (error.hint, error.field, error.detail) == ("Make another.", "size", {"at": "9007199254740993"})


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"error": 1}', b'{"error": {}}', HTML, b"\xff", b"[" * 100_000])
def test_whatever_an_error_looks_like_it_becomes_a_sentence(
    fake: FakeServer, to_fake: Connection, answer_of: Callable[..., bytes], body: bytes
) -> None:
    fake.answers = [answer_of("418 Teapot", body)]
    with pytest.raises(ApiError, match="answered 418"):
        to_fake.call("GET", "/")


def test_a_page_in_place_of_an_answer_is_no_answer(
    fake: FakeServer, to_fake: Connection, answer_of: Callable[..., bytes]
) -> None:
    fake.answers = [answer_of("200 OK", HTML)]
    with pytest.raises(ApiError, match="no JSON"):
        to_fake.call("GET", "/")


def test_the_token_does_not_follow_a_redirect(
    fake: FakeServer, to_fake: Connection, answer_of: Callable[..., bytes]
) -> None:
    fake.answers = [answer_of("307 Temporary Redirect", b"", "Location: http://127.0.0.2:1/v1/lists")]
    with pytest.raises(ApiError, match="307") as refused:
        to_fake.call("GET", "/v1/lists")
    assert refused.value.hint is not None
    assert "http://127.0.0.2:1/v1/lists" in refused.value.hint
    assert len(fake.requests) == 1


def test_an_answer_that_breaks_off_is_asked_for_again(
    fake: FakeServer, to_fake: Connection, answer_of: Callable[..., bytes]
) -> None:
    fake.answers = [answer_of("200 OK", JSON[:4], length=len(JSON)), b"", b"HTTP/1.1 200", answer_of("200 OK", JSON)]
    assert to_fake.call("GET", "/") == {"a": 1}
    assert len(fake.requests) == 4


CHUNKED = b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "cut",
    [
        CHUNKED + b"4\r\na\nb\n\r\n",  # between two chunks
        CHUNKED + b"4\r\na\nb\n\r\n8\r\nc",
        CHUNKED + b"4\r\na\nb\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na\nb\n",
    ],
)
def test_lines_that_break_off_do_not_look_whole(fake: FakeServer, to_fake: Connection, cut: bytes) -> None:
    fake.answers = [cut]
    found: list[bytes] = []
    with pytest.raises(ServerUnreachable):
        found.extend(to_fake.lines("GET", "/"))
    assert found in ([], [b"a", b"b"])
    assert len(fake.requests) == 1


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_whose_end_cannot_be_known_is_refused(fake: FakeServer, *, stream: bool) -> None:
    fake.answers = [b"HTTP/1.0 200 OK\r\n\r\n1\n"]
    connection = Connection(fake.url, None, retry_seconds=0)
    with pytest.raises(ServerUnreachable, match="no length"):
        list(connection.lines("GET", "/") if stream else [connection.call("GET", "/")])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # each time it is told anew what to answer
@given(st.lists(st.binary(max_size=5)), st.binary(max_size=5))
def test_lines_come_whole_however_the_network_cuts_them(
    fake: FakeServer, to_fake: Connection, chunks: list[bytes], last: bytes
) -> None:
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in [*chunks, last] if chunk)
    fake.answers = [CHUNKED + body + b"0\r\n\r\n"]
    text = b"".join(chunks) + last
    assert list(to_fake.lines("GET", "/")) == (text.removesuffix(b"\n").split(b"\n") if text else [])


def test_pages_are_followed_to_the_end(fake: FakeServer, to_fake: Connection, answer_of: Callable[..., bytes]) -> None:
    fake.answers = [
        answer_of("200 OK", b'{"items": [1, 2], "next": "a/b &c"}'),
        answer_of("200 OK", b'{"items": [], "next": "d"}'),
        answer_of("200 OK", b'{"items": [3], "next": null}'),
    ]
    assert list(to_fake.pages("/v1/lists", query={"limit": 2})) == [1, 2, 3]
    targets = [request.target for request in fake.requests]
    assert targets == ["/v1/lists?limit=2", "/v1/lists?limit=2&cursor=a%2Fb+%26c", "/v1/lists?limit=2&cursor=d"]


def test_a_delete_whose_answer_was_lost_is_no_error(
    fake: FakeServer, to_fake: Connection, answer_of: Callable[..., bytes]
) -> None:
    gone = answer_of("404 Not Found", b'{"error": {"code": "not_found", "message": "No."}}')
    fake.answers = [b"", gone]
    assert to_fake.call("DELETE", "/v1/lists/a") is None
    with pytest.raises(ApiError, match="No"):
        to_fake.call("DELETE", "/v1/lists/a")


def test_a_streamed_body_is_sent_once(fake: FakeServer, to_fake: Connection, answer_of: Callable[..., bytes]) -> None:
    fake.answers = [answer_of("502 Bad Gateway", HTML), answer_of("200 OK", JSON)]
    with pytest.raises(ApiError):
        to_fake.send("PUT", "/", body=iter([b"a\n", b"", b"b\n"]), content_type="text/plain", repeats=True)
    assert [(request.body, request.headers["content-type"]) for request in fake.requests] == [(b"a\nb\n", "text/plain")]


def test_what_goes_wrong_with_a_body_is_said_as_it_is(
    fake: FakeServer, to_fake: Connection, answer_of: Callable[..., bytes]
) -> None:
    def body() -> Iterator[bytes]:
        yield b"a\n"
        raise OSError(5, "the disk")

    fake.answers = [answer_of("200 OK", JSON)]
    with pytest.raises(OSError, match="the disk"):
        to_fake.send("PUT", "/", body=body())
    assert fake.requests == []  # the server never saw an end


@pytest.mark.parametrize("body", [{1, 2}, float("nan"), [object()]])
def test_what_is_no_json_is_not_sent(to_fake: Connection, body: object) -> None:
    with pytest.raises(InvalidField):
        to_fake.call("POST", "/", body=body)


def test_nobody_there_is_said_with_a_way_out() -> None:
    with pytest.raises(ServerUnreachable, match="Connection refused") as error:
        Connection("http://127.0.0.1:1", None, retry_seconds=0).call("POST", "/v1/lists", body={})
    assert not error.value.was_sent
    assert error.value.hint is not None


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:8080", "ftp://a", "http://", "http://a:b", "http://a:99999", "http://u:p@a", "http://a/?q",
     "http://a b", "http://a/#f", "http://[::1", "http://ä"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidField) as error:
        Connection(url, None)
    assert error.value.field == "url"


@pytest.mark.parametrize("token", ["a b", "a\nb: c", "ä"])
def test_a_token_that_would_break_the_header_is_refused(token: str) -> None:
    with pytest.raises(InvalidField):
        Connection("http://a", token)


def test_a_server_may_live_under_a_path(fake: FakeServer, answer_of: Callable[..., bytes]) -> None:
    fake.answers = [answer_of("204 No Content")]
    connection = Connection(fake.url + "/team/", None)
    assert connection.url == fake.url + "/team"
    assert connection.call("GET", "/v1/me") is None
    connection.close()
    assert fake.requests[0].target == "/team/v1/me"
    assert "authorization" not in fake.requests[0].headers


@given(st.text().filter(lambda name: name not in ("", ".", "..")))
def test_a_name_is_one_part_of_the_path_whatever_is_in_it(name: str) -> None:
    path = list_path(name, "pause")
    assert path.startswith("/v1/lists/")
    assert path.count("/") == 4
    assert path.isascii()
    assert "?" not in path
    assert "#" not in path


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_does_not_climb_out_of_the_path(name: str) -> None:
    with pytest.raises(InvalidField):
        list_path(name)


def test_a_proxy_is_used_for_other_machines_only(
    fake: FakeServer, answer_of: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", fake.url.replace("http://", "http://user:p%40ss@"))
    fake.answers = [answer_of("200 OK", JSON)]
    connection = Connection("http://teamtask.example", "tt_x")
    assert connection.call("GET", "/v1/me") == {"a": 1}
    connection.close()
    assert fake.requests[0].target == "http://teamtask.example/v1/me"
    assert fake.requests[0].headers["proxy-authorization"] == "basic dxnlcjpwqhnz"  # lower case, by FakeServer
    direct = Connection(fake.url, None)
    direct.call("GET", "/v1/me")
    direct.close()
    assert fake.requests[1].target == "/v1/me"
    monkeypatch.setenv("no_proxy", "teamtask.example")
    with pytest.raises(ServerUnreachable):
        Connection("http://teamtask.example", None, retry_seconds=0).call("GET", "/v1/me")
    assert len(fake.requests) == 2


def test_a_proxy_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "gopher://proxy:1")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(InvalidField, match="gopher"):
        Connection("http://teamtask.example", None)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    made, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-out", made, "-keyout", key],
        check=True, capture_output=True,
    )  # fmt: skip
    return made, key


def test_a_certificate_of_nobody_known_is_refused_at_once_and_one_that_is_known_is_taken(
    certificate: tuple[Path, Path], answer_of: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch,
    make_fake: Callable[[ssl.SSLContext], FakeServer],
) -> None:  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    fake = make_fake(context)
    fake.answers = [answer_of("200 OK", JSON)]
    with pytest.raises(ServerUnreachable, match="not to be trusted") as error:
        Connection(fake.url, "tt_x").call("GET", "/")
    assert error.value.is_final
    assert fake.requests == []
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    connection = Connection(fake.url, "tt_x")
    assert connection.call("GET", "/") == {"a": 1}
    connection.close()


FORKS = """
import os, sys
from teamtask.client.connection import Connection
connection = Connection(sys.argv[1], sys.argv[2])
connection.call("GET", "/v1/version")
before = connection._transport._pools
child = os.fork()
if not child:
    connection.call("GET", "/v1/version")
    os._exit(connection._transport._pools is before)
assert os.waitpid(child, 0)[1] == 0
connection.call("GET", "/v1/version")
assert connection._transport._pools is before
"""


def test_a_child_opens_connections_of_its_own(server: ServerProcess) -> None:
    subprocess.run([sys.executable, "-c", FORKS, server.url, server.token], check=True, env=os.environ)


def test_the_real_server_is_understood(server: ServerProcess) -> None:
    connection = Connection(server.url, server.token)
    me: dict[str, Any] = connection.call("GET", "/v1/me")
    assert me["principal"] == "token:admin"
    with pytest.raises(ApiError) as missing:
        connection.call("GET", list_path("no-such-list"))
    assert (missing.value.status, missing.value.code) == (404, "not_found")
    connection.close()
    with pytest.raises(ApiError) as nobody:
        Connection(server.url, "tt_wrong").call("GET", "/v1/me")
    assert nobody.value.status == 401
