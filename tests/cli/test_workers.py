"""`teamtask workers`."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from teamtask.ledger.rules import BlockRule, Rules
from teamtask.local.processes import worker_name

both = pytest.mark.parametrize("lists", ["local", "server"], indirect=True)
FIVE = Rules(block=BlockRule(size=5))
FIELDS = [
    "id", "name", "principal", "list", "blocks", "rate", "done", "failed", "first_seen_at", "last_seen_at", "state",
    "reason",
]  # fmt: skip


@both
def test_the_workers_of_a_list_have_a_row_each(lists: Any, teamtask: Any) -> None:
    found = lists.create("nums", {"kind": "range", "start": 0, "stop": 10**30}, rules=FIVE)
    lists.work(*found, leases=1)
    lists.claim(*found, "host-b/\x1b[2J")
    header, *rows = teamtask("workers", "nums").lines
    assert header.split() == ["WORKER", "STATE", "BLOCKS", "RATE", "DONE", "FAILED", "LIST", "SEEN"]
    cells = {row.split()[0]: row.split() for row in rows}
    assert cells["host-a/1"][1:3] == ["active", "0"]
    assert cells["host-a/1"][4:7] == ["5", "0", "nums"]
    assert cells["host-b/\\x1b[2J"][1:3] == ["active", "1"]
    assert teamtask("workers", "nums", "-o", "wide").lines[0].split()[8:] == ["PRINCIPAL", "ID"]
    assert sorted(teamtask("workers", "nums", "-o", "name").lines) == ["host-a/1", "host-b/\x1b[2J"]
    page = json.loads(teamtask("workers", "nums", "-o", "json").out)
    assert page["next"] is None
    assert list(page["items"][0]) == FIELDS


@both
def test_where_nobody_has_worked_it_says_so(lists: Any, teamtask: Any) -> None:
    lists.create("nums", {"kind": "range", "start": 0, "stop": 10**30})
    done = teamtask("workers", "nums")
    assert (done.code, done.out, done.err) == (0, b"", "Nobody has worked here yet.\n")
    assert json.loads(teamtask("workers", "nums", "-o", "json").out) == {"items": [], "next": None}


@pytest.mark.parametrize("lists", ["server"], indirect=True)
def test_without_a_name_they_are_those_of_all_lists_of_a_server(lists: Any, teamtask: Any) -> None:
    for name in ("a", "b"):
        lists.claim(*lists.create(name, {"kind": "range", "start": 0, "stop": 10**30}, rules=FIVE), f"host-{name}/1")
    rows = [line.split() for line in teamtask("workers").lines[1:]]
    assert [(row[0], row[6]) for row in rows] == [("host-a/1", "a"), ("host-b/1", "b")]


def test_a_process_that_is_dead_is_idle(lists: Any, teamtask: Any) -> None:
    found = lists.create("killed", {"kind": "range", "start": 0, "stop": 10**30}, rules=FIVE)
    lists.claim(*found, worker_name().replace(f"/{os.getpid()}", "/999999999"))
    lists.close()
    assert teamtask("workers", "--state", str(lists.path("killed"))).lines[1].split()[1] == "idle"
