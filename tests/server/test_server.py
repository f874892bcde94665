"""`teamtask serve` as a process: it stops in peace, shares its store, and after a kill it has what it acknowledged."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from serving import ADMIN, WAIT_SECONDS, Http, refused

from teamtask.server import CannotListen, listen
from teamtask.settings import Bind
from teamtask.stores.sqlite.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Process

ENDED = (ConnectionError, http.client.HTTPException)


class Acknowledged:
    """What the workers of a list were told, until their connections were closed."""

    def __init__(self, server: Process, name: str, workers: int) -> None:
        self.name = name
        self.granted: dict[str, tuple[int, int]] = {}
        self.done: set[int] = set()
        self.odd: list[BaseException] = []
        self.some = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(server.client(), f"w{number}")) for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()
        assert self.some.wait(WAIT_SECONDS)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(WAIT_SECONDS)
            assert not thread.is_alive()
        assert self.odd == [], "a client has its answer, or a connection that is closed"

    def _work(self, client: Http, worker: str) -> None:
        leases: list[dict[str, Any]] = []
        try:
            for request in itertools.count():
                told = [
                    {
                        "lease": lease["lease"],
                        "index": lease["index"],
                        "upto": lease["index"] + lease["size"],
                        "results": [[index, worker] for index in range(lease["index"], lease["index"] + lease["size"])],
                    }
                    for lease in leases
                ]
                answer = client.post(
                    f"/v1/lists/{self.name}/exchange",
                    {"worker": worker, "request": str(request), "want": {}, "reports": told},
                )
                if answer.status == 503:
                    return
                assert answer.status == 200, answer
                for lease, status in zip(leases, answer.json["reports"], strict=True):
                    assert status["status"] == "done", status
                    self.done.update(range(lease["index"], lease["index"] + lease["size"]))
                leases = answer.json["leases"]
                self.granted |= {lease["lease"]: (lease["index"], lease["size"]) for lease in leases}
                if len(self.done) > 100:
                    self.some.set()
        except ENDED:
            return
        except BaseException as odd:  # noqa: BLE001 - told to the test
            self.odd.append(odd)

    def check(self, client: Http) -> None:
        """See that everything that was acknowledged is there."""
        lines = client.results(self.name)
        assert self.done <= {line["index"] for line in lines}
        assert len(lines) == len({line["index"] for line in lines})
        held = client.get(f"/v1/lists/{self.name}/blocks?limit=1000").json["items"]
        known = {(block["index"], block["size"]) for block in held}
        open_ones = {run for run in self.granted.values() if run[0] not in {line["index"] for line in lines}}
        assert open_ones <= known, "and so is every lease that was given"
        shown = client.show(self.name)
        assert shown["done"] + shown["leased"] + shown["returned"] + shown["size"] - shown["frontier"] == shown["size"]


def new_list(server: Process) -> str:
    return server.client().new_list(1_000_000, block={"size": 1}, limits={"blocks_per_worker": 1_000})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_told_to_stop_answers_what_is_in_flight(serve: Callable[..., Process], number: int) -> None:
    server = serve("--log-level", "warning")
    acknowledged = Acknowledged(server, new_list(server), 12)
    assert server.stop(number) == 0
    acknowledged.join()
    assert "rror" not in server.said, server.said
    acknowledged.check(serve().client())


def test_a_server_that_is_killed_has_what_it_acknowledged(serve: Callable[..., Process]) -> None:
    name = ""
    for _ in range(2):
        server = serve("--log-level", "error")
        name = name or new_list(server)
        acknowledged = Acknowledged(server, name, 12)
        server.stop(signal.SIGKILL)
        acknowledged.join()
        after = serve("--log-level", "error")
        acknowledged.check(after.client())
        assert after.stop() == 0
        store = SqliteStore(str(server.folder / "teamtask" / "server" / "lists.sqlite"))
        assert store.verify() == []
        store.close()


def test_work_goes_on_with_the_next_server(serve: Callable[..., Process]) -> None:
    first = serve()
    name = first.client().new_list(10, block={"size": 10})
    lease = first.client().claim(name, request="r")
    first.stop(signal.SIGKILL)
    client = serve().client()
    assert client.claim(name, request="r")["lease"] == lease["lease"], "a claim whose answer was lost is repeated"
    assert client.finish(name, lease, [[index, "x"] for index in range(10)]) == "done"
    assert client.show(name)["state"] == "complete"


def test_whoever_waits_for_nothing_does_not_keep_a_server_from_stopping(serve: Callable[..., Process]) -> None:
    server = serve("--log-level", "warning")
    client = server.client()
    name = client.new_list(10)
    sockets = [socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_SECONDS) for _ in range(3)]
    head = f"/v1/lists/{name}/%s HTTP/1.1\r\nhost: here\r\nauthorization: Bearer {ADMIN}\r\n"
    sockets[1].sendall(b"GET " + (head % "events").encode() + b"\r\n")
    sockets[2].sendall(b"POST " + (head % "exchange").encode() + b"content-length: 100\r\n\r\n{")
    assert sockets[1].recv(100).startswith(b"HTTP/1.1 200 ")
    assert server.stop() == 0
    for sock in sockets:
        sock.close()
    assert "rror" not in server.said, server.said


def test_servers_on_one_file_share_what_is_in_it(serve: Callable[..., Process]) -> None:
    one, other = serve().client(), serve().client()
    name = one.new_list(20, block={"size": 1}, roles={"worker": ["token:w"]})
    leases = [client.claim(name, f"w{number}") for number, client in enumerate([one, other] * 5)]
    assert sorted(lease["index"] for lease in leases) == list(range(10))
    assert [client.finish(name, lease) for client, lease in zip([other, one] * 5, leases, strict=True)] == ["done"] * 10
    assert one.show(name)["done"] == other.show(name)["done"] == 10
    assert one.claim(name, "w", request="r")["lease"] == other.claim(name, "w", request="r")["lease"]
    other.post(f"/v1/lists/{name}/pause")
    assert one.exchange(name, want={})["state"] == "paused"
    one.post(f"/v1/lists/{name}/resume")
    assert other.call("DELETE", f"/v1/lists/{name}").status == 204
    refused(one.post(f"/v1/lists/{name}/exchange", {"worker": "w", "want": {}}), 404)
    refused(one.get(f"/v1/lists/{name}"), 404)
    other.new_list(5, name=name, block={"size": 1})
    assert one.claim(name)["size"] == 1


def test_what_another_server_changes_about_rights_is_soon_heeded(serve: Callable[..., Process]) -> None:
    here, there = serve(), serve()
    name = there.client().new_list(5, roles={"worker": ["token:w"]})
    worker, revoked = (here.client(there.client().new_token(token)) for token in ("w", "revoked"))
    assert worker.exchange(name, want={})["leases"]
    assert revoked.get("/v1/me").status == 200
    there.client().send("PATCH", f"/v1/lists/{name}", {"roles": {}})
    (token,) = (one for one in there.client().get("/v1/tokens").json["items"] if one["name"] == "revoked")
    assert there.client().call("DELETE", f"/v1/tokens/{token['id']}").status == 204
    wait_for(lambda: worker.post(f"/v1/lists/{name}/exchange", {"worker": "w"}).status == 404)
    wait_for(lambda: revoked.get("/v1/me").status == 401)


def wait_for(happened: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(int(WAIT_SECONDS * 10)):
        if happened():
            return
        pause.wait(0.1)
    pytest.fail("that never happened")


def test_leases_of_workers_that_are_gone_come_back_unasked(serve: Callable[..., Process]) -> None:
    client = serve().client()
    name = client.new_list(5, lease_seconds=1)
    client.claim(name)
    wait_for(lambda: client.show(name)["returned"] == 1)


# --- how it begins


def test_the_admin_token_is_made_once_and_its_users_alone(serve: Callable[..., Process], tmp_path: Path) -> None:
    folder = tmp_path / "teamtask" / "server"
    first = serve(TEAMTASK_ADMIN_TOKEN="")
    path = folder / "admin-token"
    token = path.read_text("ascii")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert first.client(token).get("/v1/me").json["site_roles"] == ["admin"]
    assert (folder / f"{first.port}.url").read_text() == f"http://127.0.0.1:{first.port}"
    assert first.stop() == 0
    assert list(folder.glob("*.url")) == []
    second = serve(TEAMTASK_ADMIN_TOKEN="")
    assert path.read_text("ascii") == token
    assert second.client(token).get("/v1/me").status == 200
    assert token not in first.said


def test_another_admin_token_revokes_the_one_that_the_server_was_given_before(serve: Callable[..., Process]) -> None:
    first = serve()
    assert first.client(ADMIN).get("/v1/me").status == 200
    assert first.stop() == 0
    other = f"{ADMIN}-another"
    second = serve(TEAMTASK_ADMIN_TOKEN=other)
    assert second.client(other).get("/v1/me").json["site_roles"] == ["admin"]
    assert second.client(ADMIN).get("/v1/me").status == 401


def test_no_secret_is_ever_logged(serve: Callable[..., Process]) -> None:
    server = serve("--log-format", "json", "--log-level", "info")
    client = server.client()
    secret = client.new_token("w")
    server.client(secret).get("/v1/me?token=tt_in-a-url")
    server.client("tt_of-nobody-at-all").get("/v1/me")
    name = client.new_list(3)
    client.exchange(name, want={})
    assert server.stop() == 0
    lines = [json.loads(line) for line in server.said.splitlines() if line.startswith("{")]
    assert [line["status"] for line in lines if line["event"] == "request"][:3] == [201, 422, 401]
    assert {line["principal"] for line in lines if line["event"] == "request"} == {"token:admin", "token:w", None}
    for word in (ADMIN, secret, "tt_in-a-url", "tt_of-nobody-at-all"):
        assert word not in server.said


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TEAMTASK_")}
    return subprocess.run(
        [sys.executable, "-m", "teamtask", "serve", *words],
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )


def test_a_server_that_cannot_begin_says_why(tmp_path: Path) -> None:
    with listen(Bind("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("--bind", f"127.0.0.1:{port}", XDG_STATE_HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"127.0.0.1:{port}" in done.stderr
    for words, environment in (
        (("--bind", "nowhere"), {}),
        (("--bind", ":" + "9" * 5_000), {}),
        (("--bind", "127.0.0.1:0"), {"TEAMTASK_ADMIN_TOKEN": "short"}),
        (("--bind", "127.0.0.1:0", "--store", "mysql://x"), {}),
        (("--bind", "127.0.0.1:0", "--store", f"sqlite:{tmp_path}/none/there.sqlite"), {}),
    ):
        done = run(*words, XDG_STATE_HOME=str(tmp_path), **environment)
        assert done.returncode in (1, 2), (words, done)
        assert done.stderr, words
        assert "Traceback" not in done.stderr, words
    assert list((tmp_path / "teamtask" / "server").glob("*.url")) == []


def test_it_listens_where_it_is_told_and_nowhere_else() -> None:
    with listen(Bind("127.0.0.1", 0)) as sock:
        host, port = sock.getsockname()
        assert host == "127.0.0.1"
        with pytest.raises(CannotListen) as refusal:
            listen(Bind(host, port))
    assert refusal.value.field == "bind"
    assert str(port) in refusal.value.message
    with pytest.raises(CannotListen):
        listen(Bind("192.0.2.1", 0))
    with pytest.raises(CannotListen):
        listen(Bind("no.such.host.invalid", 0))
