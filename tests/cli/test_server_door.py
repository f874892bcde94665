"""What a server says is read strictly, shown harmlessly, and means the same as what a state file holds."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask.cli.output import json_text
from teamtask.client.answers import read_view
from teamtask.wire.views import Block, Range, Worker, Worklist

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ESCAPE = "evil\x1b[2J\x07\nname"
LIST: dict[str, Any] = {
    "id": "1", "name": ESCAPE, "state": "running", "reason": ESCAPE, "start": 0, "size": str(10**30), "done": 5,
    "failed": 0, "leased": 0, "returned": 0, "parked": 1, "frontier": 5, "rate": 1, "eta_seconds": None, "workers": 1,
    "results": 5, "fold": None, "created_at": ESCAPE, "started_at": None, "completed_at": ESCAPE, "fingerprint": ESCAPE,
    "source": {"kind": ESCAPE}, "block": {"seconds": ESCAPE}, "lease_seconds": 60, "limits": {}, "attempts": 3,
    "item_seconds": None, "fold_rule": {ESCAPE: ESCAPE}, "stop_after_results": None, "priority": 0, "weight": 1,
    "labels": {ESCAPE: ESCAPE}, "roles": {ESCAPE: [ESCAPE]},
}  # fmt: skip
WORKER: dict[str, Any] = {
    "id": ESCAPE, "name": ESCAPE, "principal": ESCAPE, "list": ESCAPE, "blocks": 1, "rate": 1.5, "done": 1, "failed": 0,
    "first_seen_at": None, "last_seen_at": ESCAPE, "state": ESCAPE, "reason": ESCAPE,
}  # fmt: skip
BLOCK: dict[str, Any] = {
    "name": ESCAPE, "state": "parked", "index": 3, "size": 1, "done": 0, "attempt": 1, "restarts": 0, "worker": ESCAPE,
    "principal": ESCAPE, "leased_at": None, "expires_in_seconds": 5, "rate": None, "reason": ESCAPE,
}  # fmt: skip
RESULT: dict[str, Any] = {"seq": 0, "index": 3, "item": ESCAPE, "result": ESCAPE, "ok": False, "worker": ESCAPE}


@pytest.fixture
def foreign(lists: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, Any]], None]]:  # noqa: ARG001 - it gives the state folder
    """A server that says to each path (without /v1/lists/x) what a test has it say."""
    answers: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0].removeprefix("/v1").removeprefix("/lists/x") or "/"
            said = answers.get(path, {"items": [], "next": None})
            body = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("TEAMTASK_URL", f"http://127.0.0.1:{server.server_port}")
    yield answers.update
    server.shutdown()
    thread.join()
    server.server_close()


def page(*items: Any) -> dict[str, Any]:
    return {"items": list(items), "next": None}


@pytest.mark.parametrize(
    "words",
    [
        ("ls",), ("ls", "-o", "wide"), ("show", "x"), ("show", "x", "-o", "wide"), ("blocks", "x", "-o", "wide"),
        ("workers",), ("workers", "-o", "wide"), ("results", "x", "-o", "wide"), ("wait", "x", "--timeout", "0"),
        ("ls", "-o", "json"), ("results", "x", "-o", "ndjson"), ("token", "ls", "-o", "wide"),
    ],
)  # fmt: skip
def test_nothing_that_a_server_says_moves_the_cursor(foreign: Any, teamtask: Any, words: tuple[str, ...]) -> None:
    token = {"id": ESCAPE, "name": ESCAPE, "role": ESCAPE, "lists": [ESCAPE], "site_roles": [ESCAPE]}
    token |= {"created_at": ESCAPE, "created_by": ESCAPE, "expires_at": ESCAPE}
    foreign({
        "/": LIST, "/lists": page(LIST), "/workers": page(WORKER), "/blocks": page(BLOCK),
        "/results": json.dumps(RESULT).encode(), "/tokens": page(token),
    })  # fmt: skip
    done = teamtask(*words)
    assert done.code == (1 if words[0] == "wait" else 0), done.err
    assert "evil" in done.text + done.err or words[0] == "wait"
    assert all(line.isprintable() for line in (done.text + done.err).split("\n"))
    assert "evil\n" not in done.text + done.err


def test_names_alone_are_harmless_on_a_terminal(foreign: Any, on_terminal: Any) -> None:
    foreign({"/": LIST, "/lists": page(LIST), "/workers": page(WORKER), "/blocks": page(BLOCK)})
    for words in (("ls",), ("show", "x"), ("blocks", "x"), ("workers",)):
        assert on_terminal(*words, "-o", "name") == "evil\\x1b[2J\\x07\\nname\n"


@pytest.mark.parametrize(
    ("words", "path", "answer"),
    [
        (("show", "x"), "/", {}),
        (("show", "x"), "/", [LIST]),
        (("show", "x"), "/", {**LIST, "size": "many"}),
        (("show", "x"), "/", {**LIST, "labels": 5}),
        (("show", "x"), "/", {**LIST, "\ud800": 5}),
        (("show", "x"), "/", {**LIST, "size": "9" * 5_000}),
        (("ls",), "/lists", page(5)),
        (("blocks", "x"), "/blocks", page({**BLOCK, "index": 1.5})),
        (("ranges", "x"), "/ranges", page({"index": 0})),
        (("workers", "x"), "/workers", page(None)),
        (("items", "x"), "/items", {"index": 0, "items": []}),
        (("items", "x"), "/items", b"no JSON"),
        (("results", "x"), "/results", b"no JSON\n"),
        (("results", "x"), "/results", b'{"seq":0}\n'),
        (("results", "x"), "/results", b"[" * 100_000),
        (("token", "ls"), "/tokens", page({})),
    ],
)
def test_what_is_no_answer_is_said_to_be_none(
    foreign: Any, teamtask: Any, words: tuple[str, ...], path: str, answer: Any
) -> None:
    foreign({"/": {**LIST, "name": "x"}, path: answer})
    done = teamtask(*words)
    assert done.code == 1
    assert done.err.startswith(("teamtask: The server", "teamtask: http://127.0.0.1:"))
    assert "bug" not in done.err


numbers = st.integers(-(10**40), 10**40) | st.integers(2**53 - 2, 2**53 + 2)
texts = st.text(st.characters(codec="utf-8"))
COUNTS = "start size done failed leased returned parked frontier workers results attempts priority"
counts = dict.fromkeys(COUNTS.split(), numbers)
listed = st.builds(Worklist, **counts, stop_after_results=st.none() | numbers, fold=st.none(), fold_rule=st.none(),
                   source=st.just({}), block=st.just({}), limits=st.just({}), rate=st.floats(0, 1e300),
                   weight=st.floats(0, 1e6), lease_seconds=st.floats(1, 1e6),
                   eta_seconds=st.none() | st.floats(0, 1e300), item_seconds=st.none() | st.floats(0, 1e6), name=texts,
                   reason=st.none() | texts, labels=st.dictionaries(texts, texts, max_size=3),
                   roles=st.dictionaries(texts, st.lists(texts, max_size=3), max_size=3))  # fmt: skip
finite = st.none() | st.floats(0, 1e300)
blocks = st.builds(Block, index=numbers, size=numbers, done=numbers, attempt=numbers, restarts=numbers,
                   expires_in_seconds=finite, rate=finite)  # fmt: skip
workers = st.builds(Worker, blocks=numbers, done=numbers, failed=numbers, rate=st.floats(0, 1e300))


@given(listed | blocks | workers | st.builds(Range, numbers, numbers))
def test_a_view_that_was_sent_is_read_as_it_was(view: Any) -> None:
    assert read_view(json.loads(json_text(view)), type(view)) == view
