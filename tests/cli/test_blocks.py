"""`teamtask blocks` and `teamtask ranges`."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from teamtask.ledger.rules import BlockRule, Rules
from teamtask.local.processes import worker_name
from teamtask.wire.messages import Exchange, Report, ReportError

both = pytest.mark.parametrize("lists", ["local", "server"], indirect=True)

RULES = Rules(block=BlockRule(size=10), attempts=1)
FIELDS = [
    "name",
    "state",
    "index",
    "size",
    "done",
    "attempt",
    "restarts",
    "worker",
    "principal",
    "leased_at",
    "expires_in_seconds",
    "rate",
    "reason",
    "lease",
]


@pytest.fixture
def half_done(lists: Any) -> Any:
    """A list of 10^30: 0-9 done, 10-14 done and 15-19 leased, 20-29 returned but 23, which is parked, 30-39 leased."""
    service, list_id = lists.create("far", {"kind": "range", "start": 0, "stop": 10**30}, rules=RULES)
    lists.work(service, list_id, leases=1)
    leases = [lists.claim(service, list_id, f"host-{name}/1") for name in "xyz"]
    assert [lease.index for lease in leases] == [10, 20, 30]
    part = Report(leases[0].lease, 10, 15)
    failed = Report(leases[1].lease, 20, 20, error=ReportError("broken", 23))
    service.exchange(list_id, "local", Exchange("host-x/1", reports=(part,)))
    service.exchange(list_id, "local", Exchange("host-y/1", reports=(failed,)))
    return leases


@both
def test_blocks_that_are_worked_on_have_a_row_each(half_done: Any, teamtask: Any) -> None:
    header, first, second = teamtask("blocks", "far", "-o", "wide").lines
    assert header.split() == ["NAME", "READY", "STATUS", "RESTARTS", "INDEX", "SIZE", "WORKER", "LEASE"]
    assert first.split()[:7] == [half_done[0].name, "1/1", "Ready", "0", "10", "10", "host-x/1"]
    assert second.split()[:7] == [half_done[2].name, "1/1", "Ready", "0", "30", "10", "host-z/1"]
    assert teamtask("blocks", "far").lines[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "INDEX", "SIZE"]
    assert teamtask("blocks", "far", "-o", "name").lines == [half_done[0].name, half_done[2].name]


@both
def test_the_json_has_the_fields_of_the_api(half_done: Any, teamtask: Any) -> None:
    page = json.loads(teamtask("blocks", "far", "-o", "json").out)
    assert page["next"] is None
    first, second = page["items"]
    assert list(first) == FIELDS
    assert (first["name"], first["state"], first["index"], first["size"]) == (half_done[0].name, "ready", 10, 10)
    assert (first["done"], second["done"]) == (5, 0)
    assert (first["worker"], first["principal"], first["attempt"]) == ("host-x/1", "local", 1)
    assert 0 < first["expires_in_seconds"] <= 60
    assert half_done[0].lease not in teamtask("blocks", "far", "-o", "json").text


@pytest.mark.parametrize(
    ("state", "ranges", "row"),
    [
        ("done", [(0, 15)], ["far-0", "1/1", "Done", "0", "0", "15"]),
        ("returned", [(20, 3), (24, 6)], ["far-20", "0/1", "Returned", "1", "20", "3"]),
        ("parked", [(23, 1)], ["far-23", "0/1", "Parked", "0", "23", "1"]),
    ],
)
@pytest.mark.usefixtures("half_done")
@both
def test_what_is_in_a_state_is_shown_merged(
    teamtask: Any, state: str, ranges: list[tuple[int, int]], row: list[str]
) -> None:
    assert teamtask("blocks", "far", "--state", state).lines[1].split() == row
    shown = json.loads(teamtask("ranges", "far", "--state", state, "-o", "json").out)
    assert shown == {"items": [{"index": index, "size": size} for index, size in ranges], "next": None}
    assert [line.split() for line in teamtask("ranges", "far", "--state", state).lines] == [
        ["INDEX", "SIZE"],
        *([str(index), str(size)] for index, size in ranges),
    ]


@pytest.mark.usefixtures("half_done")
@both
def test_ranges_are_done_unless_asked_otherwise_and_can_be_text(teamtask: Any) -> None:
    assert teamtask("ranges", "far", "-o", "text").out == b"0-14\n"
    assert teamtask("ranges", "far", "--state", "leased", "-o", "text").out == b"15-19,30-39\n"
    assert teamtask("ranges", "far", "--state", "parked", "-o", "text").out == b"23\n"


@both
def test_a_finished_list_is_one_block(lists: Any, teamtask: Any) -> None:
    lists.work(*lists.of_lines("hosts", [b"%d" % number for number in range(100)]))
    for words in (("blocks", "hosts"), ("blocks", "hosts", "--state", "done"), ("blocks", "hosts", "-w")):
        assert teamtask(*words).lines[1:] == ["hosts-0  1/1    Done    0         0      100"]
    (block,) = json.loads(teamtask("blocks", "hosts", "-o", "json").out)["items"]
    assert (block["state"], block["index"], block["size"], block["done"]) == ("done", 0, 100, 100)


@both
def test_a_list_that_is_finished_but_for_parked_items_shows_those_too(lists: Any, teamtask: Any) -> None:
    service, list_id = lists.create("nums", {"kind": "range", "start": 0, "stop": 10}, rules=RULES)
    lease = lists.claim(service, list_id)
    report = Report(lease.lease, 0, 10, failed=((4, "broken"),))
    service.exchange(list_id, "local", Exchange("host-a/1", reports=(report,)))
    rows = [line.split() for line in teamtask("blocks", "nums").lines[1:]]
    assert [(row[2], row[4], row[5]) for row in rows] == [("Done", "0", "4"), ("Parked", "4", "1"), ("Done", "5", "5")]


@both
def test_the_block_of_a_process_that_is_dead_is_lost(lists: Any, teamtask: Any) -> None:
    service, list_id = lists.create("killed", {"kind": "range", "start": 0, "stop": 10**30}, rules=RULES)
    lists.claim(service, list_id, worker_name().replace(f"/{os.getpid()}", "/999999999"))
    lists.claim(service, list_id, worker_name())
    assert [line.split()[1:3] for line in teamtask("blocks", "killed").lines[1:]] == [["0/1", "Lost"], ["1/1", "Ready"]]


@both
def test_indices_and_sizes_of_thousands_of_digits_are_shown(lists: Any, teamtask: Any) -> None:
    size = 10**3999
    rules = Rules(block=BlockRule(size=size // 2))
    service, list_id = lists.create("vast", {"kind": "range", "start": 0, "stop": size}, rules=rules)
    lists.claim(service, list_id)
    lists.claim(service, list_id)
    assert teamtask("blocks", "vast").lines[2].split()[-2:] == [str(size // 2)] * 2
    assert json.loads(teamtask("blocks", "vast", "-o", "json").out)["items"][1]["index"] == str(size // 2)
    assert teamtask("show", "vast").code == teamtask("ls").code == 0


@both
def test_where_nothing_is_in_a_state_it_says_so(lists: Any, teamtask: Any) -> None:
    lists.of_lines("hosts", [b"a"])
    done = teamtask("blocks", "hosts")
    assert (done.code, done.out) == (0, b"")
    assert done.err == "No block of hosts is being worked on; --state done shows what is done.\n"
    assert teamtask("ranges", "hosts").err == "Nothing of hosts is done.\n"
    assert json.loads(teamtask("ranges", "hosts", "-o", "json").out) == {"items": [], "next": None}


@both
def test_more_ranges_than_one_call_gives_are_all_shown(lists: Any, teamtask: Any) -> None:
    rules = Rules(block=BlockRule(size=1_000))
    service, list_id = lists.create("holes", {"kind": "range", "start": 0, "stop": 10**30}, rules=rules)
    for worker in ("host-a/1", "host-b/1", "host-c/1"):
        lease = lists.claim(service, list_id, worker)
        every_other = tuple((index, 1) for index in range(lease.index + 1, lease.index + 1_000, 2))
        report = Report(lease.lease, lease.index, lease.index, ranges=every_other)
        service.exchange(list_id, "local", Exchange(worker, reports=(report,)))
    done = teamtask("ranges", "holes", "-o", "text").text.strip().split(",")
    assert done == [str(index) for index in range(1, 3_000, 2)]
    assert len(teamtask("blocks", "holes", "--state", "done", "-o", "name").lines) == 1_500


@pytest.mark.usefixtures("half_done")
def test_a_state_and_a_state_file_may_both_be_given(lists: Any, teamtask: Any) -> None:
    file = str(lists.path("far"))
    assert teamtask("ranges", "--state", file, "--state", "parked", "-o", "text").out == b"23\n"
    assert teamtask("ranges", "far", "--state", "dune").code == 1
    assert "States are done, leased, returned, parked" in teamtask("ranges", "far", "--state", "dune").err
    assert teamtask("ranges", "far", "--state", "done", "--state", "parked").code == 2
