"""Servers on PostgreSQL: they share its lists, and outlive its restarts without one of their own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def postgres() -> Iterator[Any]:
    """A PostgreSQL of one test."""
    path = Path(__file__).parents[1] / "stores" / "own_postgres.py"
    spec = importlib.util.spec_from_file_location("own_postgres", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault("own_postgres", module)
    spec.loader.exec_module(module)
    server = module.PostgresServer(fsync=True)
    yield server
    server.close()


def test_two_servers_share_lists_and_any_of_them_takes_any_request(serve: Callable[..., Any], postgres: Any) -> None:
    one, other = (serve("--store", postgres.url()).client() for _ in range(2))
    name = one.new_list(size=30, block={"size": 10})
    leases = [client.claim(name, worker) for client, worker in ((one, "a"), (other, "b"), (one, "c"))]
    assert sorted(lease["index"] for lease in leases) == [0, 10, 20]
    for client, lease, worker in zip((other, one, other), leases, "abc", strict=True):
        client.finish(name, lease, worker=worker)
    assert one.show(name)["state"] == other.show(name)["state"] == "complete"


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_server_answers_503_while_postgresql_is_away_and_goes_on_by_itself(
    serve: Callable[..., Any], postgres: Any, how: str
) -> None:
    server = serve("--store", postgres.url(), "--log-level", "error").client()
    name = server.new_list(size=20, block={"size": 10})
    lease = server.claim(name)
    getattr(postgres, how)()
    for _ in range(2):
        ready = server.get("/readyz")
        assert (ready.status, ready.json["status"]) == (503, "unavailable")
        for answer in (server.get(f"/v1/lists/{name}"), server.post(f"/v1/lists/{name}/pause")):
            assert answer.status == 503
            assert answer.error["code"] == "store_unavailable"
            assert "127.0.0.1" not in answer.error["message"], "where the database is concerns nobody who asks"
    postgres.start()
    assert server.get("/readyz").status == 200
    server.finish(name, lease)
    assert server.show(name)["done"] == 10


def test_a_server_that_finds_no_postgresql_says_so_and_ends(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "teamtask", "serve", "--bind", "127.0.0.1:0", "--store", "postgresql://127.0.0.1:1/a"],
        env=os.environ | {"XDG_STATE_HOME": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "Is PostgreSQL running" in ended.stderr
