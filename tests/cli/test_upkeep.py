"""`teamtask rm`, `teamtask verify` and `teamtask backup`."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from teamtask.ledger.rules import BlockRule, Rules
from teamtask.local.processes import worker_name

if TYPE_CHECKING:
    from pathlib import Path


def names(lists: Any) -> list[str]:
    return sorted(path.name for path in lists.folder.iterdir())


def test_removed_lists_leave_no_file(lists: Any, teamtask: Any) -> None:
    for name in ("a", "b", "c"):
        lists.work(*lists.of_lines(name, [b"x"]))
    lists.close()
    done = teamtask("rm", "a", "c", "a")
    assert (done.code, done.out, done.err) == (0, b"", "Removed a.\nRemoved c.\n")
    assert names(lists) == ["b.teamtask"]


@pytest.mark.parametrize("lists", ["server"], indirect=True)
def test_removed_lists_of_a_server_are_gone(lists: Any, teamtask: Any) -> None:
    for name in ("a", "b", "c"):
        lists.work(*lists.of_lines(name, [b"x"]))
    assert teamtask("rm", "a", "z").code == 1
    assert teamtask("ls", "-o", "name").lines == ["a", "b", "c"]
    done = teamtask("rm", "a", "c", "a")
    assert (done.code, done.out, done.err) == (0, b"", "Removed a.\nRemoved c.\n")
    assert teamtask("ls", "-o", "name").lines == ["b"]


@pytest.mark.parametrize("lists", ["server"], indirect=True)
def test_a_list_of_a_server_that_somebody_works_on_is_kept(lists: Any, teamtask: Any) -> None:
    lists.claim(*lists.create("busy", {"kind": "range", "start": 0, "stop": 10**30}))
    done = teamtask("rm", "-y", "busy")
    assert done.code == 1
    assert done.err.startswith("teamtask: host-a/1 is working on busy right now.\n")
    assert teamtask("ls", "-o", "name").lines == ["busy"]
    assert teamtask("rm", "-y", "--force", "busy").code == 0
    assert teamtask("ls", "-o", "name").lines == []


def test_of_several_names_none_is_removed_when_one_is_wrong(lists: Any, teamtask: Any) -> None:
    lists.of_lines("a", [b"x"])
    assert teamtask("rm", "a", "z").code == 1
    assert "a.teamtask" in names(lists)


def test_a_list_that_a_living_process_works_on_is_kept(lists: Any, teamtask: Any) -> None:
    service, list_id = lists.create("busy", {"kind": "range", "start": 0, "stop": 10**30})
    lists.claim(service, list_id, worker_name())
    done = teamtask("rm", "-y", "busy")
    assert done.code == 1
    assert "is working on busy right now" in done.err
    assert "busy.teamtask" in names(lists)
    assert teamtask("rm", "-y", "--force", "busy").code == 0
    assert "busy.teamtask" not in names(lists)


def test_a_list_of_a_process_that_is_dead_is_removed(lists: Any, teamtask: Any) -> None:
    service, list_id = lists.create("killed", {"kind": "range", "start": 0, "stop": 10**30})
    lists.claim(service, list_id, worker_name().replace(f"/{os.getpid()}", "/999999999"))
    assert teamtask("rm", "killed").code == 0


@pytest.mark.parametrize("harm", ["damaged", "newer", "unknown", "empty"])
def test_what_cannot_be_read_is_removed_by_name(lists: Any, teamtask: Any, harm: str) -> None:
    lists.of_lines("odd", [b"a"])
    lists.close()
    if harm == "newer":
        lists.sql("odd", "PRAGMA user_version = 99")
    elif harm == "unknown":
        lists.sql("odd", "UPDATE journal SET events = ?", b'[["dance"]]')
    else:
        lists.path("odd").write_bytes(b"no database" * 100 if harm == "damaged" else b"")
    assert teamtask("rm", "odd").code == 0
    assert names(lists) == []


@pytest.mark.parametrize("lists", ["local", "server"], indirect=True)
@pytest.mark.parametrize(("typed", "left"), [(b"y\n", False), (b"n\n", True)])
def test_on_a_terminal_it_asks_first(lists: Any, teamtask: Any, on_terminal: Any, typed: bytes, left: bool) -> None:  # noqa: FBT001 - a parameter
    lists.work(*lists.of_lines("a", [b"x"]))
    lists.close()
    shown = on_terminal("rm", "a", typed=typed)
    assert "a: complete, 100 % done" in shown
    assert "Remove? [y/N]" in shown
    assert teamtask("ls", "-o", "name").lines == (["a"] if left else [])


def test_a_file_that_was_named_is_removed_only_if_it_is_ours(lists: Any, teamtask: Any, tmp_path: Path) -> None:
    lists.of_lines("mine", [b"a"])
    lists.of_lines("newer", [b"a"])
    lists.sql("newer", "PRAGMA user_version = 99")
    (tmp_path / "text").write_text("not yours")
    (tmp_path / "empty").touch()
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE birds (name)")
    for foreign in ("text", "empty", "other.db", "."):
        done = teamtask("rm", "-y", "--state", foreign)
        assert done.code == 1
        assert "teamtask: " in done.err
    assert {path.name for path in tmp_path.iterdir()} >= {"text", "empty", "other.db"}
    for name in ("mine", "newer"):
        assert teamtask("rm", "-y", "--state", str(lists.path(name))).code == 0
    assert names(lists) == []
    assert teamtask("rm", "-y", "mine", "--state", "x").code == 2


def test_what_is_sound_is_ok(lists: Any, teamtask: Any) -> None:
    lists.work(*lists.of_lines("done", [b"a", b"b"]))
    lists.work(*lists.create("far", {"kind": "range", "start": 0, "stop": 10**30}), leases=3)
    done = teamtask("verify", "--all")
    assert (done.code, done.lines) == (0, ["done: ok", "far: ok"])
    assert teamtask("verify", "far", "done").lines == ["far: ok", "done: ok"]
    assert teamtask("verify", "far", "--all").code == 2
    assert teamtask("verify", "all").code == 1


_HARM = {
    "a result is missing": ("DELETE FROM results WHERE seq = 0", "19 results are kept"),
    "results are repeated": (
        "INSERT INTO results SELECT 99, list_no, 77, index_key, end_key, 1, 0, '', payload FROM results WHERE seq = 0",
        "Index 0 has a result twice",
    ),
    "a result cannot be read": ("UPDATE results SET payload = x'ff' WHERE seq = 0", "results of seq 0 are damaged."),
    "the lines are gone": ("DELETE FROM line_chunks", "list 'odd': The state file"),
    "the snapshot forgets a result": (
        "UPDATE snapshots SET state = CAST(replace(CAST(state AS TEXT), ',20,0,20,', ',19,0,20,') AS BLOB)",
        "20 results are kept, 0 of them not ok; the ledger says 19 and 0.",
    ),
    "the frontier moved": (
        "UPDATE snapshots SET state = CAST(replace(CAST(state AS TEXT), '[[0,20]]', '[[0,19]]') AS BLOB)",
        "The ledger contradicts itself. This should hold: ",
    ),
}


@pytest.mark.parametrize(("statement", "finding"), _HARM.values(), ids=_HARM)
def test_what_is_wrong_is_said_and_the_exit_is_1(lists: Any, teamtask: Any, statement: str, finding: str) -> None:
    service, list_id = lists.of_lines("odd", [b"%d" % number for number in range(20)])
    service.change_rules(list_id, lambda rules: Rules(block=BlockRule(size=1), growable=rules.growable))
    lists.work(service, list_id)
    lists.of_lines("good", [b"a"])
    lists.sql("odd", statement)
    done = teamtask("verify", "--all")
    assert done.code == 1
    assert done.lines[0] == "good: ok"
    assert any(line.startswith("odd: ") and finding in line for line in done.lines), done.text


def test_a_file_that_cannot_be_opened_fails_verification(lists: Any, teamtask: Any) -> None:
    lists.of_lines("good", [b"a"])
    lists.path("odd").write_bytes(b"no database" * 100)
    done = teamtask("verify", "--all")
    assert done.code == 1
    assert done.lines[0] == "good: ok"
    assert done.lines[1].startswith("odd: The state file")


def test_a_backup_is_a_state_file_and_replaces_nothing(lists: Any, teamtask: Any, tmp_path: Path) -> None:
    found = lists.of_lines("hosts", [b"a", b"b"])
    lists.work(*found, leases=1)
    assert teamtask("backup", "hosts", "copy.teamtask").code == 0
    lists.work(*found)
    assert teamtask("show", "--state", "copy.teamtask", "-o", "name").lines == ["hosts"]
    assert len(teamtask("results", "--state", "copy.teamtask").lines) == 2
    assert len(teamtask("results", "hosts").lines) == 3
    done = teamtask("backup", "hosts", "copy.teamtask")
    assert done.code == 1
    assert "it exists already" in done.err
    assert teamtask("backup", "--state", "copy.teamtask", "again.teamtask").code == 0
    assert teamtask("verify", "--state", "again.teamtask").lines == ["again.teamtask: ok"]
    for words in (("hosts",), ("hosts", "a", "b"), ()):
        assert teamtask("backup", *words).code == 2
    assert teamtask("backup", "hosts", "missing/copy").code == 1
    assert {path.name for path in tmp_path.iterdir()} == {"state", "copy.teamtask", "again.teamtask"}
