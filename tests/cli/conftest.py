"""Fixtures of the command line's tests: lists in a state folder of their own, and the real `main` over them.

With `@pytest.mark.parametrize("lists", ["local", "server"], indirect=True)` a test holds of both: lists in state files,
and lists of a server that runs in a process of its own. Test and server then share the server's file.
"""

from __future__ import annotations

import os
import pty
import re
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from teamtask.cli.main import main
from teamtask.client.connection import Connection, list_path
from teamtask.ledger.rules import Rules
from teamtask.local.state_files import SUFFIX
from teamtask.service.definition import Definition, LocalRun
from teamtask.service.list_source import new_upload
from teamtask.service.service import Service
from teamtask.sources import lines_in_memory, source_from_definition
from teamtask.stores.open_store import open_store
from teamtask.wire.messages import Exchange, Lease, Report, Want
from teamtask.wire.result_batch import JSON, pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from teamtask.ledger.ids import ListId

RUN = LocalRun("/somewhere", {"arguments": [], "command": ["true"]}, ("run", "items.txt", "--", "true"))


@dataclass
class Done:
    """How a command ended and what it wrote."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


class Lists:
    """Lists as `teamtask run` leaves them, made without running anything."""

    def __init__(self, folder: Path, served: Served | None = None) -> None:
        self.folder = folder
        self.served = served
        self._opened: list[Service] = []

    def path(self, name: str) -> Path:
        return self.folder / (name + SUFFIX) if self.served is None else self.served.file

    def open(self, name: str) -> Service:
        self.folder.mkdir(parents=True, exist_ok=True)
        service = Service(open_store(f"sqlite:{self.path(name)}"))
        self._opened.append(service)
        return service

    def create(
        self, name: str, source: dict[str, Any], *, rules: Rules | None = None, local: LocalRun | None = RUN
    ) -> tuple[Service, ListId]:
        service = self.open(name)
        made = source_from_definition(source)
        definition = Definition(source, made.fingerprint, local if self.served is None else None)
        return service, service.create(name, definition, rules or Rules(), made.size, None)

    def of_lines(self, name: str, lines: Sequence[bytes], **kept: Any) -> tuple[Service, ListId]:
        service = self.open(name)
        made = lines_in_memory(lines)
        upload = new_upload()
        with service.store.write() as writer:
            writer.put_lines(upload, 0, lines)
        local = LocalRun("/somewhere", {"arguments": [], "command": ["true"]}, **kept)
        definition = Definition(made.definition(), made.fingerprint, local if self.served is None else None)
        return service, service.create(name, definition, Rules(), len(lines), upload)

    def sql(self, name: str, statement: str, *values: object) -> None:
        """Change a state file behind everybody's back."""
        self.close()
        with closing(sqlite3.connect(self.path(name), isolation_level=None)) as connection:
            connection.execute(statement, values)

    def claim(self, service: Service, list_id: ListId, worker: str = "host-a/1") -> Lease:
        (lease,) = service.exchange(list_id, "local", Exchange(worker, want=Want())).leases
        return lease

    def work(
        self, service: Service, list_id: ListId, value: Callable[[int], Any] = lambda index: index, *,
        failed: Callable[[int], bool] = lambda _index: False, codec: str = JSON, leases: int | None = None,
    ) -> None:  # fmt: skip
        """Work a list to its end, or so many leases of it."""
        while leases is None or leases > 0:
            found = service.exchange(list_id, "local", Exchange("host-a/1", want=Want())).leases
            if not found:
                return
            indices = range(found[0].index, found[0].index + found[0].size)
            not_ok = [position for position, index in enumerate(indices) if failed(index)]
            batch = pack(indices, [value(index) for index in indices], failed=not_ok, codec=codec)
            report = Report(found[0].lease, indices.start, indices.stop, results=batch)
            service.exchange(list_id, "local", Exchange("host-a/1", reports=(report,)))
            leases = None if leases is None else leases - 1

    def close(self) -> None:
        while self._opened:
            self._opened.pop().store.close()


@dataclass
class Served:
    """A server that runs, and the file in which it keeps its lists."""

    url: str
    token: str
    file: Path
    process: subprocess.Popen[bytes]

    def connection(self) -> Connection:
        return Connection(self.url, self.token, retry_seconds=1)

    def forget(self) -> None:
        """Delete every list and token but the one that it was started with."""
        connection = self.connection()
        for shown in list(connection.pages("/v1/lists")):
            connection.call("DELETE", list_path(shown["name"]))
        for shown in list(connection.pages("/v1/tokens")):
            if shown["created_by"] != "server":
                connection.call("DELETE", f"/v1/tokens/{shown['id']}")
        connection.close()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Start a server, with a store that the tests share."""
    folder = tmp_path_factory.mktemp("served")
    token, file, said = "the-token-of-the-tests", folder / "lists.sqlite", folder / "said"
    command = [sys.executable, "-m", "teamtask", "serve", "--bind", "127.0.0.1:0", "--store", f"sqlite://{file}"]
    environment = {**os.environ, "XDG_STATE_HOME": str(folder), "TEAMTASK_ADMIN_TOKEN": token}
    with said.open("wb") as stream, subprocess.Popen(command, env=environment, stderr=stream) as process:
        deadline = time.monotonic() + 60
        while (found := re.search(r"Serving \S+ at (\S+)\n", said.read_text())) is None:
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield Served(found[1], token, file, process)
        process.terminate()


@pytest.fixture
def lists(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lists]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    served = request.getfixturevalue("served") if getattr(request, "param", "local") == "server" else None
    for name, value in (("TEAMTASK_URL", served and served.url), ("TEAMTASK_TOKEN", served and served.token)):
        monkeypatch.setenv(name, value or "")
    made = Lists(tmp_path / "state" / "teamtask", served)
    yield made
    made.close()
    if served is not None:
        served.forget()


@pytest.fixture
def teamtask(
    lists: Lists,  # noqa: ARG001 - it gives the state folder
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> Callable[..., Done]:
    """Run `teamtask WORDS` in this process, with `piped` coming through a pipe."""

    def run(*words: str, piped: bytes = b"") -> Done:
        monkeypatch.setattr(sys, "argv", ["teamtask", *words])
        ours, theirs = os.pipe()
        os.write(theirs, piped)
        os.close(theirs)
        capfdbinary.readouterr()
        with os.fdopen(ours) as stdin, monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", stdin)
            with pytest.raises(SystemExit) as ended:
                main()
        sys.stdout.flush()
        sys.stderr.flush()
        out, err = capfdbinary.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return Done(code, out, err.decode("utf-8", "replace"))

    return run


@pytest.fixture
def on_terminal(lists: Lists) -> Callable[..., str]:  # noqa: ARG001 - it gives the state folder
    """Run `teamtask WORDS` with a terminal of so many columns for its output; give what it wrote there."""

    def run(*words: str, columns: int = 80, typed: bytes | None = None) -> str:
        ours, theirs = pty.openpty()
        environment = {**os.environ, "COLUMNS": str(columns), "LINES": "24", "TERM": "xterm"}
        with subprocess.Popen(
            [sys.executable, "-m", "teamtask", *words],
            stdin=subprocess.DEVNULL if typed is None else theirs,
            stdout=theirs,
            stderr=theirs if typed is not None else subprocess.PIPE,
            env=environment,
        ) as process:
            os.close(theirs)
            if typed is not None:
                os.write(ours, typed)
            written = b""
            while True:
                try:
                    some = os.read(ours, 65_536)
                except OSError:  # the other end is closed
                    break
                if not some:
                    break
                written += some
            process.communicate()
        os.close(ours)
        return written.decode().replace("\r\n", "\n")

    return run
