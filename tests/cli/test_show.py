"""`teamtask show`."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from teamtask.ledger.rules import BlockRule, Rules
from teamtask.service.definition import LocalRun
from teamtask.wire.messages import Exchange, Report

both = pytest.mark.parametrize("lists", ["local", "server"], indirect=True)

# The design's list of what a list shows, then what it was created with.
FIELDS = [
    "id",
    "name",
    "state",
    "reason",
    "start",
    "size",
    "done",
    "failed",
    "leased",
    "returned",
    "parked",
    "frontier",
    "rate",
    "eta_seconds",
    "workers",
    "results",
    "fold",
    "created_at",
    "started_at",
    "completed_at",
    "fingerprint",
    "source",
    "block",
    "lease_seconds",
    "limits",
    "attempts",
    "item_seconds",
    "fold_rule",
    "stop_after_results",
    "priority",
    "weight",
    "labels",
    "roles",
]


@both
def test_the_json_has_the_fields_of_the_api(lists: Any, teamtask: Any) -> None:
    lists.work(*lists.of_lines("hosts", [b"a", b"b", b"c"]), failed=lambda index: index == 2)
    shown = json.loads(teamtask("show", "hosts", "-o", "json").out)
    assert list(shown) == FIELDS
    assert (shown["name"], shown["state"], shown["size"], shown["done"]) == ("hosts", "complete", 3, 3)
    assert (shown["failed"], shown["results"], shown["eta_seconds"]) == (1, 3, 0.0)
    assert shown["source"]["kind"] == "lines"
    assert shown["created_at"].endswith("Z")
    assert shown["completed_at"] >= shown["created_at"]


@both
def test_integers_from_2_to_the_53rd_on_are_decimal_text(lists: Any, teamtask: Any) -> None:
    lists.create("far", {"kind": "range", "start": 7, "stop": 10**30 + 7}, rules=Rules(block=BlockRule(size=2**53)))
    lists.create("near", {"kind": "range", "start": 0, "stop": 2**53 - 1})
    far = json.loads(teamtask("show", "far", "-o", "json").out)
    assert far["size"] == str(10**30)
    assert far["source"] == {"kind": "range", "start": 7, "stop": str(10**30 + 7)}
    assert far["block"] == {"size": str(2**53)}
    assert json.loads(teamtask("show", "near", "-o", "json").out)["size"] == 2**53 - 1


def test_people_see_what_is_left_and_how_to_go_on(lists: Any, teamtask: Any) -> None:
    rules = Rules(block=BlockRule(size=4), attempts=1)
    local = LocalRun("/my folder", {"arguments": [], "command": ["echo", "a b"]}, ("run", "--fresh", "x\x1b"), blank=3)
    service, list_id = lists.create("nums", {"kind": "range", "start": 0, "stop": 10**40}, rules=rules, local=local)
    lists.work(service, list_id, leases=1)
    lease = lists.claim(service, list_id, "host-b/1")
    report = Report(lease.lease, 4, 5, failed=((5, "no such\nfile \x1b[2J"),))
    service.exchange(list_id, "local", Exchange("host-b/1", reports=(report,)))
    lists.claim(service, list_id, "host-c/1")
    text = teamtask("show", "nums", "-o", "wide").text
    shown = dict(line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith(" "))
    assert shown["items"].startswith("about 10^40, range, fingerprint ")
    assert shown["done"] == "5 (0 %)"
    assert shown["parked"] == "1"
    assert "5 after 1 tries: no such\\nfile \\x1b[2J" in text
    assert shown["leased"] == "6 in 2 blocks"
    assert shown["command"] == "echo 'a b'"
    assert shown["folder"] == "/my folder"
    assert shown["blank"] == "3 lines, left out"
    assert "to go on    cd '/my folder' && teamtask run $'x\\033'\n" in text
    assert shown["WORKER"].split() == ["STATE", "BLOCKS", "RATE", "DONE", "FAILED"]
    assert shown["host-b/1"].split()[:2] == ["active", "1"]


@both
def test_a_fold_is_shown_with_its_name(lists: Any, teamtask: Any) -> None:
    rules = Rules(block=BlockRule(size=10), fold={"top": 2})
    service, list_id = lists.create("sums", {"kind": "range", "start": 0, "stop": 10}, rules=rules)
    assert re.search(r"^fold +top 2: nothing yet$", teamtask("show", "sums").text, re.MULTILINE)
    lease = lists.claim(service, list_id)
    report = Report(lease.lease, 0, 10, fold=[2**60, 3])
    service.exchange(list_id, "local", Exchange("host-a/1", reports=(report,)))
    assert re.search(rf"^fold +top 2: \[{2**60}, 3\]$", teamtask("show", "sums").text, re.MULTILINE)
    shown = json.loads(teamtask("show", "sums", "-o", "json").out)
    assert (shown["fold"], shown["fold_rule"]) == ([str(2**60), 3], {"top": 2})


@both
def test_watching_a_finished_list_shows_it_once(lists: Any, teamtask: Any) -> None:
    lists.work(*lists.of_lines("hosts", [b"a"]))
    assert teamtask("show", "hosts", "-w").out == teamtask("show", "hosts").out
