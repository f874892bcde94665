"""`teamtask rerun` and `teamtask unpark`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from teamtask.ledger.list_state import Move
from teamtask.ledger.rules import BlockRule, Rules
from teamtask.wire.messages import Exchange, Report

both = pytest.mark.parametrize("lists", ["local", "server"], indirect=True)


@pytest.fixture
def hosts(lists: Any) -> Any:
    found = lists.of_lines("hosts", [b"%d" % number for number in range(10)], typed=("run", "hosts.txt", "--", "true"))
    lists.work(*found, failed=lambda index: index in (3, 4, 8))
    return found


def returned(teamtask: Any, name: str = "hosts") -> str:
    text: str = teamtask("ranges", name, "--state", "returned", "-o", "text").text
    return text.strip()


@pytest.mark.parametrize(
    ("flags", "back"),
    [
        (("--failed",), "3-4,8"),
        (("--all",), "0-9"),
        (("--ranges", "0-1, 5 ,9-"), "0-1,5,9"),
        (("--ranges", "7-,4", "--failed"), "4,8"),
    ],
)
@pytest.mark.usefixtures("hosts")
@both
def test_what_is_named_comes_back_and_its_outcomes_are_gone(
    lists: Any, teamtask: Any, flags: tuple[str, ...], back: str
) -> None:
    done = teamtask("rerun", "hosts", *flags)
    assert (done.code, done.out) == (0, b"")
    assert returned(teamtask) == back
    again = "To work them: cd /somewhere && teamtask run hosts.txt -- true\n"
    assert done.err.endswith(again if lists.served is None else "to be worked again.\n")
    shown = json.loads(teamtask("show", "hosts", "-o", "json").out)
    assert (shown["state"], shown["results"]) == ("running", 10 - shown["returned"])
    assert len(teamtask("results", "hosts").lines) == 1 + shown["results"]
    assert teamtask("verify", "--state", str(lists.path("hosts"))).code == 0


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        ((), 2, "Say what is to be worked again"),
        (("--all", "--failed"), 2, "--all is everything"),
        (("--ranges", "5-3"), 1, "5-3 ends before it begins"),
        (("--ranges", "0,x"), 1, "x is no range of indices"),
        (("--ranges", "0-10"), 1, "0-10 is not within the list, whose indices are 0-9"),
    ],
)
@pytest.mark.usefixtures("hosts")
@both
def test_what_is_wrong_is_named_and_changes_nothing(
    teamtask: Any, flags: tuple[str, ...], code: int, message: str
) -> None:
    done = teamtask("rerun", "hosts", *flags)
    assert (done.code, done.out) == (code, b"")
    assert message in done.err
    assert returned(teamtask) == ""


@both
def test_what_is_not_done_is_no_error_and_is_said(lists: Any, teamtask: Any) -> None:
    lists.of_lines("new", [b"a"])
    assert teamtask("rerun", "new", "--all").err == "Nothing of that is done in new.\n"
    assert teamtask("unpark", "new").err == "Nothing of that is parked in new.\n"


@both
def test_a_list_that_does_not_run_says_so(lists: Any, teamtask: Any) -> None:
    rules = Rules(block=BlockRule(size=5))
    service, list_id = lists.create("nums", {"kind": "range", "start": 0, "stop": 10**30}, rules=rules)
    lists.work(service, list_id, leases=1)
    service.move(list_id, Move.PAUSE)
    assert "The list is paused.\n" in teamtask("rerun", "nums", "--all").err


@both
def test_a_list_with_a_fold_is_rerun_whole(lists: Any, teamtask: Any) -> None:
    rules = Rules(block=BlockRule(size=10), fold="sum")
    service, list_id = lists.create("sums", {"kind": "range", "start": 0, "stop": 10}, rules=rules)
    lease = lists.claim(service, list_id)
    service.exchange(list_id, "local", Exchange("host-a/1", reports=(Report(lease.lease, 0, 10, fold=45),)))
    done = teamtask("rerun", "sums", "--ranges", "3")
    assert done.code == 1
    assert done.err == (
        "teamtask: A list with a fold is rerun whole or not at all.\n  Rerun the whole list; its fold starts anew.\n"
    )
    assert teamtask("rerun", "sums", "--all").code == 0


@both
def test_parked_items_come_back_all_or_those_that_are_named(lists: Any, teamtask: Any) -> None:
    rules = Rules(block=BlockRule(size=10), attempts=1)
    service, list_id = lists.create("nums", {"kind": "range", "start": 0, "stop": 10}, rules=rules)
    lease = lists.claim(service, list_id)
    failed = tuple((index, "broken") for index in (2, 3, 7))
    report = Report(lease.lease, 0, 10, failed=failed)
    service.exchange(list_id, "local", Exchange("host-a/1", reports=(report,)))
    assert json.loads(teamtask("show", "nums", "-o", "json").out)["state"] == "complete_except"
    assert teamtask("unpark", "nums", "--ranges", "0-2").err.startswith("1 item of nums is no longer parked.\n")
    assert returned(teamtask, "nums") == "2"
    assert teamtask("unpark", "nums").err.startswith("2 items of nums are no longer parked.\n")
    assert returned(teamtask, "nums") == "2-3,7"
