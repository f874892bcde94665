"""`teamtask move`, and what looks at a server's store by its URL."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.parametrize("lists", ["server"], indirect=True)


def store_of(lists: Any) -> str:
    return f"sqlite:{lists.path(None)}"


def test_a_server_begins_over_what_was_moved_and_has_everything(lists: Any, teamtask: Any, tmp_path: Path) -> None:
    lists.work(*lists.of_lines("words", [b"x", b"y"]))
    done = teamtask("move", store_of(lists), f"sqlite:{tmp_path}/new.sqlite")
    assert (done.code, done.out) == (0, b"")
    assert done.err.splitlines() == [
        "Moving words",
        f"Moved 1 list, and compared on arrival. Now: teamtask serve --store sqlite:{tmp_path}/new.sqlite",
    ]
    shown = teamtask("results", "words", "--state", f"{tmp_path}/new.sqlite", "-o", "csv")
    assert shown.text.splitlines()[1].startswith("0,x,true")
    verified = teamtask("verify", "--store", f"sqlite:{tmp_path}/new.sqlite")
    assert (verified.code, verified.out) == (0, f"sqlite:{tmp_path}/new.sqlite: ok\n".encode())


def test_a_server_refuses_to_begin_over_the_half_of_a_move(lists: Any, teamtask: Any, tmp_path: Path) -> None:
    lists.of_lines("words", [b"x"])
    target = f"sqlite:{tmp_path}/new.sqlite"
    script = (
        "import sys\n"
        "from teamtask.stores import moving\n"
        "from teamtask.stores.open_store import open_store\n"
        "moving.move(open_store(sys.argv[1]), open_store(sys.argv[2]), lambda _: sys.exit(7))\n"
    )
    assert subprocess.run([sys.executable, "-c", script, store_of(lists), target], check=False).returncode == 7
    serve = [sys.executable, "-m", "teamtask", "serve", "--bind", "127.0.0.1:0", "--store", target]
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path)}
    refused = subprocess.run(serve, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert refused.returncode == 1
    assert "was not finished" in refused.stderr
    assert "Give the same `teamtask move` again" in refused.stderr
    assert teamtask("move", store_of(lists), target).code == 0


def test_what_is_not_there_is_not_moved_and_nothing_is_made(lists: Any, teamtask: Any, tmp_path: Path) -> None:
    assert lists
    done = teamtask("move", f"sqlite:{tmp_path}/none.sqlite", f"sqlite:{tmp_path}/new.sqlite")
    assert done.code == 1
    assert "There is no state file" in done.err
    assert not (tmp_path / "none.sqlite").exists()
    assert not (tmp_path / "new.sqlite").exists()


def test_a_store_that_has_something_is_not_moved_over(lists: Any, teamtask: Any) -> None:
    lists.of_lines("words", [b"x"])
    done = teamtask("move", store_of(lists), store_of(lists))
    assert done.code == 1
    assert "There is something in" in done.err
    assert teamtask("ls", "-o", "name").lines == ["words"]


def test_a_backup_of_a_store_is_a_state_file(lists: Any, teamtask: Any, tmp_path: Path) -> None:
    lists.work(*lists.of_lines("words", [b"x"]))
    copy = tmp_path / "copy.sqlite"
    done = teamtask("backup", "--store", store_of(lists), str(copy))
    assert done.code == 0
    assert done.err == f"Copied {store_of(lists)} to {copy}; `teamtask show --state {copy}` reads it.\n"
    assert teamtask("ls", "--state", str(copy), "-o", "name").lines == ["words"]
    assert teamtask("backup", "--store", "sqlite:x", "--state", "x", str(copy)).code == 2
