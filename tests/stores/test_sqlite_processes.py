"""Several processes on one state file: each sees what the others did, and kill -9 takes nothing acknowledged."""

from __future__ import annotations

import random
import signal
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from writers import acknowledged, let_go, start_writer, whole_versions

from teamtask.stores.sqlite.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable


def start(path: Path, name: str, commits: int, payload_bytes: int = 100) -> subprocess.Popen[bytes]:
    return start_writer(f"sqlite:{path}", name, commits, payload_bytes)


def check_versions(path: Path) -> list[int]:
    with closing(SqliteStore(str(path))) as store:
        return whole_versions(store)


def test_processes_that_write_at_once_take_turns(tmp_path: Path) -> None:
    """20 KB a commit, so that each of them also checkpoints now and then."""
    path = tmp_path / "state"
    processes = [start(path, f"writer {number}", 120, 20_000) for number in range(3)]
    let_go(*processes)
    kept = [acknowledged(process) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert [len(versions) for versions in kept] == [120, 120, 120]
    assert sorted(version for versions in kept for version in versions) == check_versions(path)


def test_two_processes_that_make_the_same_file_at_once_share_it(tmp_path: Path) -> None:
    for attempt in range(5):
        path = tmp_path / f"state {attempt}"
        processes = [start(path, "writer", 3) for _ in range(3)]
        let_go(*processes)
        kept = [acknowledged(process) for process in processes]
        assert sorted(version for versions in kept for version in versions) == check_versions(path) == list(range(9))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_processes_that_open_a_file_of_an_older_version_at_once_share_it(
    tmp_path: Path, make_version_1: Callable[[Path], None]
) -> None:
    for attempt in range(5):
        path = tmp_path / f"state {attempt}"
        make_version_1(path)
        processes = [start(path, "writer", 3) for _ in range(3)]
        let_go(*processes)
        kept = [acknowledged(process) for process in processes]
        assert sorted(version for versions in kept for version in versions) == check_versions(path) == list(range(9))


def test_what_was_acknowledged_before_kill_9_is_there(tmp_path: Path) -> None:
    """Forty kills: of every two writers one while it opens the file or begins, one after its first commit or later."""
    path = tmp_path / "state"
    chance = random.Random()
    seen: set[int] = set()
    for _ in range(20):
        processes = [start(path, f"writer {number}", 0, chance.choice([10, 3_000, 60_000])) for number in range(2)]
        let_go(*processes)
        early, late = processes
        time.sleep(chance.uniform(0.0, 0.08))
        early.send_signal(signal.SIGKILL)
        assert late.stdout is not None
        seen.add(int(late.stdout.readline()))
        time.sleep(chance.uniform(0.0, 0.05))
        late.send_signal(signal.SIGKILL)
        for process in processes:
            seen.update(acknowledged(process))
            assert process.returncode == -signal.SIGKILL
        assert seen <= set(check_versions(path))
    assert len(seen) >= 20


FORKS = """
import os, sys
from teamtask.ledger.ids import ListId
from teamtask.stores.sqlite.sqlite_store import SqliteStore
from teamtask.stores.store import ListRecord, StoreUnavailable

path = sys.argv[1]
store = SqliteStore(path)
with store.write() as writer:
    writer.create_list(ListRecord(ListId("a"), "a", b"", 0.0))
if os.fork() == 0:
    for use in (store.read, store.write):
        try:
            with use():
                os._exit(1)
        except StoreUnavailable as error:
            assert "fork" in error.message, error.message
    store.close()
    mine = SqliteStore(path)
    with mine.write() as writer:
        assert writer.list_named("a")
        writer.create_list(ListRecord(ListId("b"), "b", b"", 0.0))
    mine.close()
    os._exit(7)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 7
with store.write() as writer:
    assert [found.name for found in writer.lists()] == ["a", "b"]
    writer.create_list(ListRecord(ListId("c"), "c", b"", 0.0))
assert store.verify() == []
store.close()
"""


def test_a_forked_child_opens_a_store_of_its_own(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", FORKS, str(tmp_path / "state")], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="looks at the open files of a process in /proc")
def test_a_closed_store_leaves_no_file_open_and_no_file_beside_it(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    store = SqliteStore(str(tmp_path / "state"))
    with store.read(), store.read(), store.write():
        pass
    store.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert [file.name for file in tmp_path.iterdir()] == ["state"]


def test_importing_and_using_the_memory_store_does_not_load_sqlite() -> None:
    code = """
import sys
from teamtask.stores.open_store import open_store
store = open_store("memory:")
with store.write() as writer:
    pass
assert "sqlite3" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
