"""Writes the examples of the web API (src/teamtask/api/openapi_examples.json): the story below, told to a real server.

    python docs/make_api_examples.py

A test tells the story again, and fails when a server answers anything else than what stands there. What differs from
run to run (ids, dates, speeds) is replaced by values that do not.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from base64 import urlsafe_b64encode
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import urllib3

from teamtask.api.app import PUBLIC, ROUTES
from teamtask.api.openapi import operation_id
from teamtask.api.openapi_examples import FILE, Example, filled_path

if TYPE_CHECKING:
    from collections.abc import Iterator

ADMIN = "tt_the-admin-of-these-examples"
METHODS = {operation_id(route.method, route.path): (route.method, route.path) for route in ROUTES} | {
    operation_id("GET", route.path): ("GET", route.path) for route in PUBLIC
}
_PRIMES, _HOSTS = {"list": "primes"}, {"list": "hosts"}
_DATE = "2026-01-02T03:04:05Z"
_LATER = "2026-01-03T03:04:05Z"
_MEASURED = {"rate": 13.3, "eta_seconds": 82.7, "expires_in_seconds": 60.0, "retry_in_seconds": 2.5}
_BLOCK_NAME = re.compile(r"(\w+)-[a-z0-9]{5}")
_METRICS_SHOWN = "teamtask_list_remaining"


class Call(NamedTuple):
    """A step of the story; `<lease 1>` stands for the first lease that was heard of, and so on."""

    call: str
    about: str
    name: str = "example"
    path: dict[str, str] = {}  # noqa: RUF012 - nobody changes it
    query: dict[str, str] = {}  # noqa: RUF012 - as above
    body: Any = None
    body_type: str = "application/json"


STORY = (
    Call("get_version", "The version and its limits."),
    Call("get_me", "The token that an admin has."),
    Call("get_tokens", "All tokens; here the one that the first start of the server made."),
    Call(
        "post_tokens", "A token for workers of one list, for a day.",
        body={"name": "ci", "role": "worker", "lists": ["primes"], "expires_in_seconds": 86400},
    ),
    Call(
        "post_lists", "A range, with a fold.", "range",
        body={
            "name": "primes", "source": {"kind": "range", "start": 2, "stop": 1002}, "block": {"size": 100},
            "fold": "count", "labels": {"team": "maths"}, "roles": {"worker": ["token:ci"], "viewer": ["everyone"]},
        },
    ),
    Call(
        "post_lists", "Lines that will be uploaded.", "lines",
        body={"name": "hosts", "source": {"kind": "lines"}, "block": {"size": 2}, "attempts": 1, "priority": 5},
    ),
    Call(
        "put_list_items", "Four lines.", path=_HOSTS, body="ant\nbee\ncat\ndog\n", body_type="text/plain"
    ),
    Call("post_list_grow", "Two more lines.", "lines", _HOSTS, body={"items": ["elk", "fox"]}),
    Call("post_list_grow", "A range of 1,200 items in all.", "range", _PRIMES, body={"size": 1200}),
    Call("get_lists", "Those with a label.", query={"label": "team=maths"}),
    Call("get_list", "One list.", path=_PRIMES),
    Call(
        "post_list_exchange", "A claim.", "claim", _PRIMES,
        body={"worker": "host-a/1", "request": "4f1c", "want": {}},
    ),
    Call(
        "post_list_exchange", "Progress; results come with it, and the fold of what it says is done.", "progress",
        _PRIMES,
        body={"worker": "host-a/1", "reports": [
            {"lease": "<lease 1>", "index": 0, "upto": 50, "fold": 15, "results": [[0, 2], [1, 3], [3, 5]]},
        ]},
    ),
    Call(
        "post_exchange", "A claim; the list of the highest priority has work.", "claim",
        body={"worker": "host-c/1", "want": {"items": True}},
    ),
    Call(
        "post_exchange", "An item that killed its worker.", "error",
        body={"worker": "host-c/1", "reports": [
            {"list": "hosts", "lease": "<lease 2>", "index": 0, "upto": 1, "results": [[0, "up"]],
             "error": {"message": "killed by signal 11", "index": 1}},
        ]},
    ),
    Call("post_list_blocks", "One block, by hand.", path=_HOSTS, body={"worker": "me"}),
    Call(
        "post_list_lease", "All of it is done, one item not well.", path=_HOSTS | {"lease": "<lease 3>"},
        body={"done": True, "results": [[2, "up"], [3, "no answer", False]]},
    ),
    Call("get_list_items", "The first three.", path=_HOSTS, query={"index": "0", "size": "3"}),
    Call("get_list_results", "As ndjson.", "ndjson", _HOSTS),
    Call("get_list_results", "As CSV, in order of arrival.", "csv", _HOSTS, {"format": "csv", "since": "0"}),
    Call("get_list_blocks", "Those that are worked on.", "active", _PRIMES),
    Call("get_list_blocks", "What failed too often, and why.", "parked", _HOSTS, {"state": "parked"}),
    Call("get_list_ranges", "What is done.", path=_PRIMES, query={"state": "done"}),
    Call("get_list_events", "The first event.", path=_PRIMES),
    Call("get_workers", "Of one list.", query={"list": "primes"}),
    Call("delete_worker_quarantine", "That worker.", path={"worker": "<worker-id 1>"}),
    Call("post_list_unpark", "All that is parked.", path=_HOSTS, body={}),
    Call("post_list_rerun", "What did not go well.", "failed", _HOSTS, body={"failed": True}),
    Call("post_list_rerun", "Everything.", "all", _PRIMES, body={"ranges": "0-"}),
    Call("delete_list_block", "The block of host-a/1.", path=_PRIMES | {"block": "<block 1>"}),
    Call("patch_list", "Work on it first.", path=_PRIMES, body={"priority": 10, "limits": {"blocks_per_worker": 8}}),
    Call("post_list_pause", "For now.", path=_PRIMES),
    Call("post_list_resume", "Again.", path=_PRIMES),
    Call("post_list_cancel", "For good.", path=_PRIMES),
    Call("get_audit", "The latest three entries.", query={"limit": "3"}),
    Call("get_metrics", "What is left of each list; there is more."),
    Call("get_healthz", "It does."),
    Call("get_readyz", "It can."),
    Call("delete_token", "The token ci.", path={"token": "<token-id 2>"}),
    Call("delete_list", "The list.", path=_PRIMES),
)  # fmt: skip


def main() -> None:
    """Write the file."""
    FILE.write_text(text(), "utf-8")


def text() -> str:
    """Give the whole file."""
    told = msgspec.json.encode(list(tell()))
    return msgspec.json.format(told, indent=1).decode() + "\n"


def tell() -> Iterator[Example]:
    """Tell the story to a server of its own; give what it said."""
    heard = Heard()
    with serving() as url:
        for step in STORY:
            method, template = METHODS[step.call]
            real = Example(
                step.call, step.name, step.about, 0, heard.real(step.path), step.query, heard.real(step.body),
                step.body_type,
            )  # fmt: skip
            status, media_type, said = send(url, method, filled_path(template, real), real)
            assert status in (200, 201, 204), f"{step.call} is refused: {said.decode()}"
            answer = heard.shown(media_type, said)
            yield msgspec.structs.replace(
                real, path=heard.fake(real.path), body=heard.fake(real.body), status=status, answer=answer,
                answer_type=media_type or real.answer_type,
            )  # fmt: skip


@contextmanager
def serving() -> Iterator[str]:
    """Run a server over an empty store; give its address."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "teamtask", "serve", "--store", "memory:", "--bind", "127.0.0.1:0"]
        environment = {**os.environ, "XDG_STATE_HOME": folder, "TEAMTASK_ADMIN_TOKEN": ADMIN}
        environment["TEAMTASK_LOG_LEVEL"] = "error"
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None, "it is a pipe"
            try:
                yield process.stderr.readline().split()[-1]
            finally:
                process.terminate()
                process.communicate()


def send(url: str, method: str, path: str, example: Example) -> tuple[int, str, bytes]:
    """Make a call; give status, media type and body of its answer, of events the first one."""
    headers = {"authorization": f"Bearer {ADMIN}"}
    body = example.body
    if body is not None:
        headers["content-type"] = example.body_type
        body = body.encode() if isinstance(body, str) else msgspec.json.encode(body)
    with urllib3.PoolManager() as pool:
        answer = pool.request(method, url + path, body=body, headers=headers, preload_content=False, timeout=30.0)
        media_type = answer.headers.get("content-type", "").partition(";")[0]
        said = b""
        while some := answer.read1():
            said += some
            if media_type == "text/event-stream" and said.endswith(b"\n\n"):
                break
        answer.close()
    return answer.status, media_type, said


class Heard:
    """What a server said, with what differs from run to run replaced by what does not; and the way back."""

    def __init__(self) -> None:
        self._fakes: dict[str, str] = {}
        self._symbols: dict[str, str] = {}

    def shown(self, media_type: str, said: bytes) -> Any:  # noqa: ANN401 - any JSON
        """Give an answer as the examples show it."""
        if not said:
            return None
        if media_type == "application/json":
            return self._shown(json.loads(said))
        if media_type == "text/event-stream":
            head, _, data = said.decode().partition("data: ")
            return f"{head}data: {json.dumps(self._shown(json.loads(data)))}\n\n"
        lines = said.decode().splitlines(keepends=True)
        if any(line.startswith(_METRICS_SHOWN) for line in lines):
            lines = [line for line in lines if line.startswith(_METRICS_SHOWN)]
        return "".join(lines)

    def real(self, value: Any) -> Any:  # noqa: ANN401 - any JSON
        """Give a step's path or body with what was heard in the place of symbols."""
        return _replaced(value, self._symbols)

    def fake(self, value: Any) -> Any:  # noqa: ANN401 - any JSON
        """Give a path or a body as the examples show it."""
        return _replaced(value, self._fakes)

    def real_text(self, shown: str) -> str:
        """Give a text of an example with what was heard in the place of what is shown."""
        for real, fake in self._fakes.items():
            shown = shown.replace(fake, real)
        return shown

    def _shown(self, value: Any, key: str = "") -> Any:  # noqa: ANN401 - any JSON
        if isinstance(value, dict):
            kind = "token-id" if "created_by" in value else "worker-id" if "last_seen_at" in value else "id"
            return {name: self._shown(part, kind if name == "id" else name) for name, part in value.items()}
        if isinstance(value, list):
            return [self._shown(part) for part in value]
        if isinstance(value, str):
            return self._text(value, key)
        return _MEASURED.get(key, value) if value else value

    def _text(self, value: str, key: str) -> str:
        if key == "at" or key.endswith("_at"):
            return _LATER if key == "expires_at" else _DATE
        if key == "version":
            return "0.1.0"
        if key in ("id", "list_id", "token-id", "worker-id", "lease", "token"):
            return self._named("id" if key == "list_id" else key, value)
        if key == "name" and (found := _BLOCK_NAME.fullmatch(value)):
            return self._named("block", value, f"{found[1]}-")
        return value

    def _named(self, kind: str, real: str, before: str = "") -> str:
        if real not in self._fakes:
            number = sum(symbol.startswith(f"<{kind} ") for symbol in self._symbols) + 1
            self._symbols[f"<{kind} {number}>"] = real
            self._fakes[real] = before + _fake(kind, number)
        return self._fakes[real]


def _fake(kind: str, number: int) -> str:
    digest = hashlib.sha256(f"{kind} {number}".encode()).digest()
    if kind == "token":
        return "tt_" + "0" * 42 + str(number)
    if kind == "lease":
        return urlsafe_b64encode(digest)[:16].decode()
    return digest.hex()[: 5 if kind == "block" else 16]


def _replaced(value: Any, names: dict[str, str]) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {name: _replaced(part, names) for name, part in value.items()}
    if isinstance(value, list):
        return [_replaced(part, names) for part in value]
    return names.get(value, value) if isinstance(value, str) else value


if __name__ == "__main__":
    main()
