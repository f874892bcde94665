"""What tests of the client share: a real server in a process of its own, clients of it, and state of their own."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from teamtask.sdk import Client

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

TOKEN = "tt_of-these-tests"  # noqa: S105 - of servers that live for seconds
_NUMBERS = itertools.count()


class ServerProcess:
    """It can be killed and started again: over the same store, at the same `url`."""

    token = TOKEN

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[str] | None = None
        self.url = ""
        self.start()

    def start(self) -> None:
        bind = self.url.rpartition("//")[2] or "127.0.0.1:0"
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "teamtask", "serve", "--bind", bind, "--log-level", "error"),
                *("--store", f"sqlite://{self.folder}/lists.sqlite"),
            ],
            env={**os.environ, "TEAMTASK_ADMIN_TOKEN": TOKEN, "XDG_STATE_HOME": str(self.folder)},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        said = ""
        for line in self._process.stderr:
            said += line
            found = re.search(r" at (http://\S+)", line)
            if found:
                self.url = found[1]
                return
        raise AssertionError(f"the server did not start: {said}")

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def close(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is not None and process.stderr is not None:
            process.send_signal(number)
            process.stderr.close()
            process.wait()


@pytest.fixture(scope="session")
def server() -> Iterator[ServerProcess]:
    """Give a server that all tests share, each with lists of its own."""
    with tempfile.TemporaryDirectory() as folder:
        running = ServerProcess(Path(folder))
        yield running
        running.close()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[ServerProcess]:
    """Give a server that a test may kill."""
    running = ServerProcess(tmp_path)
    yield running
    running.close()


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def client_of() -> Iterator[Callable[[ServerProcess], Client]]:
    clients: list[Client] = []

    def make(server: ServerProcess) -> Client:
        clients.append(Client(server.url, TOKEN))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(server: ServerProcess, client_of: Callable[[ServerProcess], Client]) -> Client:
    return client_of(server)


@pytest.fixture
def name() -> str:
    """Give a name that no list has."""
    return f"list-{next(_NUMBERS)}"


class Request(NamedTuple):
    """What was asked of a `FakeServer`."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def answer(status: str, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    """Give an answer as it travels; with a `length` of its own it may be cut short."""
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {size}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class FakeServer:
    """Answers with what it is told, in order, and the last for ever: bytes, then the connection is closed."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.answers: list[bytes] = []
        self.requests: list[Request] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._context = context
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError, ValueError):  # of clients that go away
                if self._context is None:
                    self._answer(connection)
                else:
                    with self._context.wrap_socket(connection, server_side=True) as secured:
                        self._answer(secured)

    def _answer(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            method, target, _ = stream.readline().decode().split()
            headers = dict(line.decode().strip().lower().split(": ", 1) for line in iter(stream.readline, b"\r\n"))
            if headers.get("transfer-encoding") == "chunked":
                sizes = iter(lambda: int(stream.readline(), 16), 0)
                body = b"".join([stream.read(size + 2)[:-2] for size in sizes])
            else:
                body = stream.read(int(headers.get("content-length", 0)))
            self.requests.append(Request(method, target, headers, body))
            connection.sendall(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])


@pytest.fixture
def make_fake() -> Iterator[Callable[..., FakeServer]]:
    made: list[FakeServer] = []

    def make(context: ssl.SSLContext | None = None) -> FakeServer:
        made.append(FakeServer(context))
        return made[-1]

    yield make
    for running in made:
        running.close()


@pytest.fixture
def fake(make_fake: Callable[..., FakeServer]) -> FakeServer:
    return make_fake()


@pytest.fixture
def answer_of() -> Callable[..., bytes]:
    return answer
