"""`teamtask ls`."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from teamtask.ledger.rules import BlockRule, Rules
from teamtask.local.processes import worker_name
from teamtask.local.state_files import KEPT_DAYS

if TYPE_CHECKING:
    from collections.abc import Callable

both = pytest.mark.parametrize("lists", ["local", "server"], indirect=True)

FOUR = Rules(block=BlockRule(size=4))


def test_where_there_are_no_runs_it_says_how_one_begins(teamtask: Any) -> None:
    done = teamtask("ls")
    assert (done.code, done.out) == (0, b"")
    assert done.err == "There are no runs; `teamtask run` begins one.\n"
    assert json.loads(teamtask("ls", "-o", "json").out) == {"items": [], "next": None}


@both
def test_each_list_has_a_row_in_order_of_name(lists: Any, teamtask: Any) -> None:
    lists.work(*lists.of_lines("hosts", [b"a", b"b", b"c"]), failed=lambda index: index == 1)
    service, list_id = lists.create("far", {"kind": "range", "start": 0, "stop": 10**30}, rules=FOUR)
    lists.work(service, list_id, leases=1)
    lists.claim(service, list_id, worker_name())
    header, far, hosts = teamtask("ls").lines
    assert header.split() == ["NAME", "STATE", "DONE", "RATE", "ETA", "WORKERS", "FAILED"]
    assert hosts.split() == ["hosts", "complete", "100", "%", "-", "-", "0", "1"]
    assert far.split()[:4] == ["far", "running", "0", "%"]
    assert far.split()[-3:] == [">300y", "2", "0"]


def test_a_process_that_is_dead_does_not_count_as_a_worker(lists: Any, teamtask: Any) -> None:
    dead = worker_name().replace(f"/{os.getpid()}", "/999999999")
    service, list_id = lists.create("killed", {"kind": "range", "start": 0, "stop": 100}, rules=FOUR)
    lists.claim(service, list_id, dead)
    (shown,) = json.loads(teamtask("ls", "-o", "json").out)["items"]
    assert (shown["workers"], shown["rate"], shown["eta_seconds"], shown["leased"]) == (0, 0.0, None, 4)


def test_the_wide_table_adds_the_size_and_the_command(lists: Any, teamtask: Any) -> None:
    lists.of_lines("hosts", [b"a", b"b"])
    header, row = teamtask("ls", "-o", "wide").lines
    assert header.split()[7:] == ["SIZE", "PARKED", "AGE", "COMMAND"]
    assert (row.split()[-4], row.split()[-1]) == ("2", "true")


@both
def test_names_alone_are_for_scripts_and_may_be_given_back(lists: Any, teamtask: Any) -> None:
    lists.of_lines("b", [b"a"])
    lists.of_lines("a", [b"a"])
    assert teamtask("ls", "-o", "name").lines == ["a", "b"]
    assert teamtask("ls", "b", "-o", "name").lines == ["b"]


_HARM = {
    "is no database": ("damaged", lambda lists: lists.path("odd").write_bytes(b"no database, but long enough" * 100)),
    "has a newer schema": ("newer", lambda lists: lists.sql("odd", "PRAGMA user_version = 99")),
    "has an unknown event": (
        "newer",
        lambda lists: lists.sql("odd", "UPDATE journal SET events = ?", b'[["dance",1]]'),
    ),
    "has no journal": ("damaged", lambda lists: lists.sql("odd", "DELETE FROM journal")),
    "has half a definition": ("damaged", lambda lists: lists.sql("odd", "UPDATE lists SET definition = '{'")),
    "has no list": ("empty", lambda lists: lists.sql("odd", "DELETE FROM lists")),
    "is empty": ("empty", lambda lists: lists.path("odd").write_bytes(b"")),
    "is a folder": ("unreadable", lambda lists: (lists.path("odd").unlink(), lists.path("odd").mkdir())),
}


@pytest.mark.parametrize(("state", "harm"), _HARM.values(), ids=_HARM)
def test_a_file_that_cannot_be_read_has_a_row_that_says_so(
    lists: Any, teamtask: Any, state: str, harm: Callable[[Any], object]
) -> None:
    lists.of_lines("good", [b"a"])
    lists.of_lines("odd", [b"a"])
    lists.close()
    harm(lists)
    done = teamtask("ls")
    assert done.code == 0
    assert done.lines[1].split()[:2] == ["good", "running"]
    assert done.lines[2].split() == ["odd", state, "-", "-", "-", "-", "-"]
    assert done.err.startswith("odd: ")
    _, odd = json.loads(teamtask("ls", "-o", "json").out)["items"]
    assert (odd["name"], odd["state"]) == ("odd", state)
    assert odd["reason"]


def test_a_journal_that_contradicts_itself_is_damage(lists: Any, teamtask: Any) -> None:
    service, list_id = lists.create("odd", {"kind": "range", "start": 0, "stop": 100}, rules=FOUR)
    lists.claim(service, list_id)
    lists.sql("odd", "DELETE FROM journal WHERE version = (SELECT max(version) FROM journal)")
    lists.sql("odd", "INSERT INTO journal VALUES (1, 1, ?)", b'[["done","no such lease",1.0,1.0]]')
    assert teamtask("ls").lines[1].split()[:2] == ["odd", "damaged"]


def test_an_odd_name_of_a_file_cannot_harm_the_terminal(lists: Any, teamtask: Any) -> None:
    lists.of_lines("plain", [b"a"])
    lists.close()
    lists.path("plain").rename(lists.path("o d\x1b[31m\nd"))
    assert teamtask("ls").lines[1].startswith("o d\\x1b[31m\\nd ")
    assert json.loads(teamtask("ls", "-o", "json").out)["items"][0]["name"] == "o d\x1b[31m\nd"
    assert teamtask("show", "o d\x1b[31m\nd").lines[0].split() == ["name", "o", "d\\x1b[31m\\nd"]


def test_runs_that_ended_long_ago_are_tidied_away_and_named(
    lists: Any, teamtask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago = time.time() - (KEPT_DAYS + 1) * 86_400
    with monkeypatch.context() as then:
        then.setattr(time, "time", lambda: long_ago)
        lists.work(*lists.of_lines("old", [b"a"]))
        lists.of_lines("unfinished", [b"a"])
    lists.work(*lists.of_lines("young", [b"a"]))
    lists.close()
    for name in ("old", "unfinished"):
        os.utime(lists.path(name), (long_ago, long_ago))
    done = teamtask("ls", "-o", "name")
    assert done.lines == ["unfinished", "young"]
    assert done.err == "Tidied away old, which ended more than 30 days ago.\n"
    assert teamtask("ls", "-o", "name").err == ""


@both
def test_watching_ends_when_what_is_watched_is_finished(lists: Any, teamtask: Any) -> None:
    lists.work(*lists.of_lines("hosts", [b"a"]))
    assert teamtask("ls", "hosts", "-w").out == teamtask("ls", "hosts").out


@both
def test_a_terminal_of_20_columns_shows_every_value(lists: Any, on_terminal: Any) -> None:
    lists.of_lines("a-name-that-is-longer-than-the-terminal", [b"a"])
    lists.close()
    lines = on_terminal("ls", columns=20).splitlines()
    assert lines[0] == "NAME     a-name-that-is-longer-than-the-terminal"
    assert lines[1] == "STATE    running"
