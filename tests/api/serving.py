"""`Served`: a real server over SQLite in a thread, and `Http`, a plain client of it that hides nothing."""

from __future__ import annotations

import gc
import http.client
import itertools
import json
import logging
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import structlog

from teamtask.server import Server, listen
from teamtask.settings import Bind
from teamtask.stores.sqlite.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from teamtask.api.server_parts import ServerParts

ADMIN = "tt_the-admin-of-these-tests"
WAIT_SECONDS = 30.0  # no answer takes so long; a test that waits for one fails
_NUMBERS = itertools.count()


class Reply(NamedTuple):
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """Give the error, after seeing that it has the documented form."""
        assert self.headers["content-type"] == "application/json", self
        (name, error), *others = self.json.items()
        assert (name, others) == ("error", []), self
        assert set(error) == {"code", "message", "hint", "detail"}, self
        assert isinstance(error["code"], str), self
        assert error["message"], self
        assert isinstance(error["detail"], dict), self
        return dict(error)

    @property
    def field(self) -> str | None:
        return self.error["detail"].get("field")


def refused(answer: Reply, status: int = 422, field: str | None = None) -> None:
    """See that a call was refused in the documented form, and that 422 names a field."""
    assert answer.status == status, answer
    assert answer.error["code"]
    if status == 422:
        assert answer.field is not None, answer
    if field is not None:
        assert answer.field == field, answer


class Http:
    """A client with one connection and one token."""

    def __init__(self, port: int, token: str | None) -> None:
        self.port, self.token = port, token
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)

    def call(self, method: str, path: str, body: bytes | str | Iterable[bytes] | None = None, **headers: str) -> Reply:
        """Send a request, `headers` with _ for -, and read the answer; of a stream that does not end only the head."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token is not None:
            sent.setdefault("authorization", f"Bearer {self.token}")
        try:
            self._connection.request(method, path, body, sent)
            answer = self._connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            if found.get("content-type", "").startswith("text/event-stream"):
                self.close()
                return Reply(answer.status, found, b"")
            return Reply(answer.status, found, answer.read())
        except BaseException:
            self.close()
            raise

    def get(self, path: str, **headers: str) -> Reply:
        return self.call("GET", path, **headers)

    def send(self, method: str, path: str, value: Any = None, **headers: str) -> Reply:
        """Send a value as JSON."""
        return self.call(method, path, json.dumps(value), content_type="application/json", **headers)

    def post(self, path: str, value: Any = None, **headers: str) -> Reply:
        return self.send("POST", path, value, **headers)

    def close(self) -> None:
        self._connection.close()

    # --- what nearly every test needs

    def new_list(self, size: int = 100, **fields: Any) -> str:
        """Create a list of a name that no other has."""
        name = fields.pop("name", None) or f"list-{next(_NUMBERS)}"
        source = fields.pop("source", {"kind": "range", "start": 0, "stop": size})
        answer = self.post("/v1/lists", {"name": name, "source": source, **fields})
        assert answer.status == 201, answer
        return str(name)

    def show(self, name: str) -> dict[str, Any]:
        answer = self.get(f"/v1/lists/{name}")
        assert answer.status == 200, answer
        return dict(answer.json)

    def exchange(self, name: str, worker: str = "w", **fields: Any) -> dict[str, Any]:
        answer = self.post(f"/v1/lists/{name}/exchange", {"worker": worker, **fields})
        assert answer.status == 200, answer
        return dict(answer.json)

    def claim(self, name: str, worker: str = "w", **fields: Any) -> dict[str, Any]:
        (lease,) = self.exchange(name, worker, want={}, **fields)["leases"]
        return dict(lease)

    def report(self, name: str, lease: dict[str, Any], worker: str = "w", **fields: Any) -> dict[str, Any]:
        told = {"lease": lease["lease"], "index": lease["index"], **fields}
        (status,) = self.exchange(name, worker, reports=[told])["reports"]
        return dict(status)

    def finish(self, name: str, lease: dict[str, Any], results: list[Any] | None = None, worker: str = "w") -> str:
        told = {"upto": lease["index"] + lease["size"]} | ({} if results is None else {"results": results})
        return str(self.report(name, lease, worker, **told)["status"])

    def results(self, name: str, query: str = "") -> list[dict[str, Any]]:
        answer = self.get(f"/v1/lists/{name}/results{query}")
        assert answer.status == 200, answer
        return [json.loads(line) for line in answer.body.splitlines()]

    def new_token(self, name: str, **fields: Any) -> str:
        answer = self.post("/v1/tokens", {"name": name, **fields})
        assert answer.status == 201, answer
        return str(answer.json["token"])


class _Kept(logging.Handler):
    def __init__(self, kept: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._kept = kept

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.append(self.format(record))


class Served:
    """A server in a thread of this process; whatever goes wrong in it fails the test that closes it."""

    parts: ServerParts

    def __init__(self, folder: Path) -> None:
        self.path = folder / "lists.sqlite"
        self.store = SqliteStore(str(self.path))
        self.complaints: list[str] = []
        self._patch = pytest.MonkeyPatch()
        self._clients: list[Http] = []
        self._begun = threading.Event()
        self._listening = listen(Bind("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._patch.setattr("teamtask.server._Uvicorn.capture_signals", self._no_signals())
        structlog.configure(processors=[self._note])
        self._handler = _Kept(self.complaints)
        logging.getLogger("uvicorn.error").addHandler(self._handler)
        self._thresholds = gc.get_threshold()
        self._thread = threading.Thread(target=self._run, name="server")
        self._thread.start()
        assert self._begun.wait(WAIT_SECONDS)
        self.admin = self.client(ADMIN)

    def client(self, token: str | None = ADMIN) -> Http:
        self._clients.append(Http(self.port, token))
        return self._clients[-1]

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_SECONDS)

    def raw(self, *pieces: bytes) -> bytes:
        """Send bytes as they are; give all that comes until the server closes."""
        with self.connect() as sock:
            for piece in pieces:
                sock.sendall(piece)
            return read_all(sock)

    def stop(self) -> None:
        """Have the server end as after SIGTERM, and wait until it has."""
        self._uvicorn.should_exit = True
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive()

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self.stop()
        self.store.close()
        logging.getLogger("uvicorn.error").removeHandler(self._handler)
        structlog.reset_defaults()
        self._patch.undo()
        gc.unfreeze()
        gc.set_threshold(*self._thresholds)
        assert self.complaints == [], "the server complains of nothing that was not expected"

    def _run(self) -> None:
        server = Server(self.store, ADMIN)
        self.parts = server.parts
        server.run(self._listening, lambda _bind: self._begun.set())

    def _no_signals(self) -> Any:
        @contextmanager
        def capture_signals(uvicorn: Any) -> Iterator[None]:
            self._uvicorn = uvicorn  # a thread gets no signals
            yield

        return capture_signals

    def _note(self, _logger: object, method: str, event: dict[str, Any]) -> Any:
        if method not in ("debug", "info"):
            self.complaints.append(str(event))
        raise structlog.DropEvent


def read_all(sock: socket.socket) -> bytes:
    """Give all that comes until the other end closes, or breaks the connection off."""
    found = b""
    try:
        while some := sock.recv(65_536):
            found += some
    except ConnectionError:
        pass
    return found
