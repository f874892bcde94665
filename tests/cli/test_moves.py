"""`teamtask pause`, `resume`, `cancel`, `grow` and `set`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from teamtask.ledger.rules import BlockRule, Rules

both = pytest.mark.parametrize("lists", ["local", "server"], indirect=True)
RANGE = {"kind": "range", "start": 0, "stop": 10}


def shown(teamtask: Any, name: str = "nums") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(teamtask("show", name, "-o", "json").out)
    return found


@both
def test_a_list_is_paused_cancelled_and_goes_on(lists: Any, teamtask: Any) -> None:
    lists.create("nums", RANGE, rules=Rules(growable=True))
    for command, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled"), ("resume", "running")):
        done = teamtask(command, "nums")
        assert (done.code, done.out) == (0, b"")
        assert done.err.startswith(f"nums is {state}.\n")
        assert shown(teamtask)["state"] == state
    assert teamtask("resume", "nums").code == 0, "the same state again is no error"


@both
def test_what_a_state_does_not_allow_is_said(lists: Any, teamtask: Any) -> None:
    lists.work(*lists.create("nums", RANGE))
    for command, did in (("pause", "paused"), ("cancel", "cancelled")):
        done = teamtask(command, "nums")
        assert (done.code, done.out) == (1, b"")
        assert done.err == (
            f"teamtask: A list that is complete cannot be {did}.\n  It is finished; rerun what you want worked again.\n"
        )


@both
def test_a_run_is_told_how_it_goes_on_and_a_list_of_a_server_is_not(lists: Any, teamtask: Any) -> None:
    lists.create("nums", RANGE)
    assert ("resume nums" in teamtask("pause", "nums").err) is (lists.served is not None)
    again = "To work it: cd /somewhere && teamtask run items.txt -- true\n"
    assert (again in teamtask("resume", "nums").err) is (lists.served is None)


@both
def test_a_range_grows_to_so_many_items(lists: Any, teamtask: Any) -> None:
    lists.create("nums", RANGE, rules=Rules(growable=True))
    done = teamtask("grow", "nums", "--size", str(10**30))
    assert (done.code, done.out) == (0, b"")
    assert done.err.startswith("about 10^30 were added to nums, which has about 10^30 items now.\n")
    assert shown(teamtask)["source"]["stop"] == str(10**30)
    assert teamtask("items", "nums", str(10**29)).lines == [str(10**29)]
    refused = teamtask("grow", "nums", "--size", "5")
    assert refused.code == 1
    assert "cannot shrink to 5" in refused.err
    for words in ((), ("--size", "1", "file"), ("--size", "x"), ("--size", "-1")):
        assert teamtask("grow", "nums", *words).code == 2


@pytest.mark.parametrize("lists", ["server"], indirect=True)
def test_lines_are_added_to_a_list_of_a_server(lists: Any, teamtask: Any, tmp_path: Any) -> None:
    (tmp_path / "items").write_text("a\nb")
    (tmp_path / "more").write_text("\nc\n\nd\n")
    assert teamtask("create", "hosts", "items").code == 0
    done = teamtask("grow", "hosts", "more")
    assert done.err == "Blank lines skipped: 2.\n2 were added to hosts, which has 4 items now.\n"
    assert teamtask("grow", "hosts", "-", piped=b"e").err.startswith("1 was added to hosts, which has 5 items now.\n")
    assert teamtask("items", "hosts").lines == list("abcde")
    odd = teamtask("grow", "hosts", "-", piped=b"\xff\n")
    assert odd.code == 1
    assert "An item is no UTF-8" in odd.err
    assert lists.served is not None


def test_lines_of_a_run_are_those_of_its_own_file(lists: Any, teamtask: Any) -> None:
    lists.of_lines("hosts", [b"a"])
    done = teamtask("grow", "hosts", "-", piped=b"b\n")
    assert done.code == 1
    assert "Add lines to its file" in done.err
    assert shown(teamtask, "hosts")["size"] == 1


@both
def test_what_is_set_is_changed_and_the_rest_stays(lists: Any, teamtask: Any) -> None:
    lists.create("nums", RANGE, rules=Rules(block=BlockRule(size=7), attempts=5))
    before = shown(teamtask)
    done = teamtask("set", "nums", "--block-seconds", "60", "--block-max", str(2**60), "--limit-parked", "5",
                    "--limit-items-per-second", "2.5", "--stop-after-results", "9", "--item-seconds", "3")  # fmt: skip
    assert (done.code, done.out, done.err) == (0, b"", "Changed nums.\n")
    after = shown(teamtask)
    assert after["block"] == {"seconds": 60.0, "max": str(2**60)}
    assert after["limits"] == {**before["limits"], "parked": 5, "items_per_second": 2.5}
    assert (after["stop_after_results"], after["item_seconds"]) == (9, 3.0)
    for flag in ("--stop-after-results", "--item-seconds", "--limit-items-per-second"):
        assert teamtask("set", "nums", flag, "none").code == 0
    cleared = shown(teamtask)
    assert (cleared["stop_after_results"], cleared["item_seconds"]) == (None, None)
    assert cleared["limits"]["items_per_second"] is None
    changed = ("block", "limits", "eta_seconds")
    assert {name: cleared[name] for name in before if name not in changed} == {
        name: before[name] for name in before if name not in changed
    }
    teamtask("set", "nums", "--block-size", str(2**60), "--priority", "-5", "--weight", "0.5", "--lease-seconds", "90",
             "--attempts", "2")  # fmt: skip
    last = shown(teamtask)
    assert (last["block"], last["priority"], last["weight"]) == ({"size": str(2**60)}, -5, 0.5)
    assert (last["lease_seconds"], last["attempts"]) == (90.0, 2)


@both
def test_labels_and_roles_are_added_and_taken_away_one_by_one(lists: Any, teamtask: Any) -> None:
    lists.create("nums", RANGE)
    teamtask("set", "nums", "--label", "team=maths", "--label", "draft=a=b", "--worker", "token:ci", "--worker",
             "everyone", "--viewer", "everyone")  # fmt: skip
    found = shown(teamtask)
    assert found["labels"] == {"team": "maths", "draft": "a=b"}
    assert found["roles"] == {"worker": ["token:ci", "everyone"], "viewer": ["everyone"]}
    text = teamtask("show", "nums").text
    assert "draft=a=b, team=maths\n" in text
    assert "token:ci, everyone\n" in text
    teamtask("set", "nums", "--label", "draft=", "--owner", "group:staff", "--worker", "token:ci")
    teamtask("set", "nums", "--revoke", "everyone")
    found = shown(teamtask)
    assert found["labels"] == {"team": "maths"}
    assert found["roles"] == {"worker": ["token:ci"], "owner": ["group:staff"]}


@both
@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        ((), 2, "Say what is to be changed"),
        (("--label", "x"), 2, "--label takes NAME=VALUE"),
        (("--block-size", "5", "--block-seconds", "5"), 2, "--block-size is always so many items"),
        (("--block-seconds", "nan"), 2, "is not a number of seconds"),
        (("--stop-after-results", "never"), 2, "is not a valid integer"),
        (("--block-size", "0"), 1, "block.size: It must be 1 or more."),
        (("--priority", "5000"), 1, "A priority lies between -1000 and 1000."),
        (("--weight", "nan"), 1, ""),
        (("--limit-parked", "-1"), 1, "limits.parked: It must be 0 or more."),
        (("--viewer", "token:\x1b[2J"), 1, "roles.viewer: It must have 1 to 256 printable characters."),
        (("--viewer", "\x1b[2J"), 2, "is nobody: write token:NAME, group:NAME or everyone."),
        (("--worker", "anna"), 2, "'anna' is nobody: write token:NAME, group:NAME or everyone."),
    ],
)
def test_what_cannot_be_set_is_said_and_changes_nothing(
    lists: Any, teamtask: Any, flags: tuple[str, ...], code: int, message: str
) -> None:
    lists.create("nums", RANGE)
    before = shown(teamtask)
    done = teamtask("set", "nums", *flags)
    assert (done.code, done.out) == (code, b"")
    assert message in done.err
    assert "\x1b" not in done.err
    assert shown(teamtask) == before
