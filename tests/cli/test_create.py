"""`teamtask create`."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.parametrize("lists", ["server"], indirect=True)


def shown(teamtask: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(teamtask("show", name, "-o", "json").out)
    return found


def test_a_list_is_created_as_the_flags_say(lists: Any, teamtask: Any) -> None:
    done = teamtask(
        "create", "primes", "--range", f"2:{10**30}", "--block-seconds", "30", "--block-max", "500", "--fold", "top=3",
        "--lease-seconds", "120", "--attempts", "7", "--item-seconds", "5", "--stop-after-results", "10", "--priority",
        "3", "--weight", "2", "--label", "team=maths", "--owner", "group:heads", "--worker", "group:staff", "--worker",
        "token:ci", "--viewer", "everyone", "--start", "1000", "--limit-blocks-per-worker", "1",
        "--limit-blocks-per-principal", "2", "--limit-workers-per-principal", "3", "--limit-workers", "4",
        "--limit-items-per-second", "5", "--limit-parked", "6",
    )  # fmt: skip
    assert (done.code, done.out) == (0, b"")
    assert done.err == (
        f"primes: about 10^30 items, the first 2, the last {10**30 - 1}\n"
        f"Created primes at {lists.served.url}. To work it: teamtask work primes -- COMMAND\n"
    )
    found = shown(teamtask, "primes")
    assert (found["state"], found["start"], found["size"]) == ("running", 1000, str(10**30 - 2))
    assert (found["block"], found["fold_rule"]) == ({"seconds": 30.0, "max": 500}, {"top": 3})
    assert (found["lease_seconds"], found["attempts"], found["item_seconds"]) == (120.0, 7, 5.0)
    assert (found["stop_after_results"], found["priority"], found["weight"]) == (10, 3, 2.0)
    assert found["labels"] == {"team": "maths"}
    assert found["roles"] == {
        "owner": ["group:heads"], "worker": ["group:staff", "token:ci"], "viewer": ["everyone"],
    }  # fmt: skip
    assert list(found["limits"].values()) == [1, 2, 3, 4, 5.0, 6]


@pytest.mark.parametrize(
    ("flags", "said", "items"),
    [
        (("--range", "10:0:-2"), "5 items, the first 10, the last 2", ["10", "8", "6", "4", "2"]),
        (
            ("--strings", "ab", "--length", "1..2"),
            "6 items, the first a, the last bb",
            ["a", "b", "aa", "ab", "ba", "bb"],
        ),
        (("--mask", "?dX", "--block-size", "1"), "10 items, the first 0X, the last 9X", [f"{n}X" for n in range(10)]),
        (
            ("--axis", "rate=0.1,2", "--axis", "name=x"),
            '2 items, the first {"rate":0.1,"name":"x"}, the last {"rate":2,"name":"x"}',
            ['{"rate":0.1,"name":"x"}', '{"rate":2,"name":"x"}'],
        ),
        (
            ("--combinations", "items", "--choose", "2"),
            '1 item, the first ["a","b"], the last ["a","b"]',
            ['["a","b"]'],
        ),
    ],
)
def test_every_source_says_what_it_makes(
    teamtask: Any, tmp_path: Any, flags: tuple[str, ...], said: str, items: list[str]
) -> None:
    (tmp_path / "items").write_text("a\nb\n")
    assert teamtask("create", "made", *flags).err.startswith(f"made: {said}\n")
    assert teamtask("items", "made").lines == items


def test_a_shuffled_source_begins_where_the_seed_says(teamtask: Any) -> None:
    said = teamtask("create", "made", "--range", "0:1000", "--shuffle", "7").err
    items = teamtask("items", "made").lines
    assert said.startswith(f"made: 1000 items, the first {items[0]}, the last {items[-1]}\n")
    assert sorted(map(int, items)) == list(range(1000)) != list(map(int, items))


LINES = [b"plain", b"\xff\xfe no UTF-8", b"a,\"b'$(c)", b"\x1b[31mred", "größe".encode()]


def test_the_lines_of_a_file_are_uploaded_byte_for_byte(teamtask: Any, tmp_path: Any) -> None:
    (tmp_path / "items").write_bytes(b"\n" + b"\r\n".join(LINES))
    done = teamtask("create", "odd", "items", "--start", "5")
    assert done.code == 0
    said, blank, _created = done.err.splitlines()
    assert (said, blank) == ("odd: 5 items, the first plain, the last größe", "Blank lines skipped: 1.")
    assert teamtask("items", "odd").out == b"".join(line + b"\n" for line in LINES)
    assert (shown(teamtask, "odd")["start"], shown(teamtask, "odd")["state"]) == (5, "running")


def test_lines_of_a_pipe_are_uploaded_as_they_come(teamtask: Any) -> None:
    done = teamtask("create", "odd", "-", "--shuffle", "x", piped=b"\x1b[2J\n\nb\n\xffc")
    assert done.err.splitlines()[:2] == [
        "Blank lines skipped: 1.", "odd: 3 items, the first \\x1b[2J, the last \\xffc",
    ]  # fmt: skip
    assert sorted(teamtask("items", "odd").out.splitlines()) == [b"\x1b[2J", b"b", b"\xffc"]


def test_a_dry_run_shows_it_and_creates_nothing(lists: Any, teamtask: Any, tmp_path: Any) -> None:
    (tmp_path / "items").write_text("a\nb\n")
    assert teamtask("create", "a", "--range", "0:3", "--dry-run").err == "a: 3 items, the first 0, the last 2\n"
    assert teamtask("create", "b", "items", "--dry-run").err == "b: 2 items, the first a, the last b\n"
    assert teamtask("create", "c", "-", "--dry-run", piped=b"x").err == "c: 1 item, the first x, the last x\n"
    assert teamtask("ls", "-o", "name").out == b""
    assert teamtask("create", "a", "--range", "0:3", "--dry-run", "--url", "http://127.0.0.1:1").code == 0
    assert lists.served is not None


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("a",), 2, "Say where the items come from"),
        (("a", "items", "--range", "0:3"), 2, "Say where the items come from"),
        (("a", "--range", "0:3", "--mask", "?d"), 2, "exclude one another"),
        (("a", "--range", "0:3", "--start", "x"), 2, "--start is a whole number"),
        (("a", "--range", "0:3", "--fold", "top=x"), 2, "--fold takes a name"),
        (("a", "--range", "0:3", "--label", "x"), 2, "--label takes NAME=VALUE"),
        (("a b", "--range", "0:3"), 1, "'a b' is no name."),
        (("a", "--range", "3:3"), 1, "The list is empty"),
        (("a", "missing"), 1, "missing cannot be read: No such file or directory."),
        (("a", "empty"), 1, "There are no items in empty."),
        (("a", "-"), 1, "There are no items in stdin."),
        (("a", "."), 1, ". cannot be read: Is a directory."),
        (("a", "--range", "0:3", "--fold", "product"), 1, "There is no fold 'product'."),
        (("a", "--range", "0:3", "--attempts", "0"), 1, ""),
        (("a", "--range", "0:3", "--limit-workers", "0"), 1, ""),
    ],
)
def test_what_is_wrong_is_said_and_creates_nothing(
    teamtask: Any, tmp_path: Any, words: tuple[str, ...], code: int, message: str
) -> None:
    (tmp_path / "items").write_text("a\n")
    (tmp_path / "empty").write_text("\n\n")
    done = teamtask("create", *words)
    assert (done.code, done.out) == (code, b"")
    assert message in done.err
    assert teamtask("ls", "-o", "name").out == b""


def test_a_name_that_is_taken_is_said(teamtask: Any) -> None:
    assert teamtask("create", "a", "--range", "0:3").code == 0
    done = teamtask("create", "a", "--range", "0:4")
    assert done.code == 1
    assert "teamtask: There is a list named 'a' already.\n" in done.err
    assert shown(teamtask, "a")["size"] == 3


def test_an_upload_that_breaks_off_says_how_to_go_on(lists: Any, teamtask: Any, tmp_path: Any) -> None:
    lists.close()
    line = "import sys; w = sys.stdout.buffer.write; w(b'first\\n'); [w(b'x' * 2**20) for _ in range(66)]"
    create = [sys.executable, "-m", "teamtask", "create", "hosts", "-"]
    with subprocess.Popen([sys.executable, "-c", line], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as pipe:
        done = subprocess.run(create, stdin=pipe.stdout, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "more than 64 MiB" in done.stderr
    assert "hosts awaits its items: teamtask grow hosts - sends them, teamtask rm hosts gives it up.\n" in done.stderr
    assert (shown(teamtask, "hosts")["state"], shown(teamtask, "hosts")["size"]) == ("awaiting_items", 0)
    assert teamtask("ls").lines[1].split()[:3] == ["hosts", "awaiting_items", "-"]
    assert teamtask("show", "hosts").code == 0
    for words, message in (("items", "hosts awaits its items."), ("rerun", "Nothing of that is done in hosts.")):
        assert message in teamtask(words, "hosts", *(["--all"] if words == "rerun" else [])).err
    (tmp_path / "items").write_bytes(b"a\n\xff\n")
    assert teamtask("grow", "hosts", "items").err == "2 were added to hosts, which has 2 items now.\n"
    assert teamtask("items", "hosts").out == b"a\n\xff\n"
