"""`teamtask items`."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

both = pytest.mark.parametrize("lists", ["local", "server"], indirect=True)

LINES = [b"plain", b"\xff\xfe no UTF-8", b"a,\"b'$(c)", b"-rf", b"\x1b[31mred", "größe".encode(), b"two\nlines"]


@both
def test_lines_come_out_byte_for_byte(lists: Any, teamtask: Any) -> None:
    lists.of_lines("odd", LINES)
    assert teamtask("items", "odd").out == b"".join(line + b"\n" for line in LINES)
    assert teamtask("items", "odd", "-0").out == b"".join(line + b"\0" for line in LINES)
    assert teamtask("items", "odd", "1").out == LINES[1] + b"\n"
    assert teamtask("items", "odd", "2", "3").out == b"".join(line + b"\n" for line in LINES[2:5])


@both
def test_a_terminal_gets_no_control_characters(lists: Any, on_terminal: Any) -> None:
    lists.of_lines("odd", LINES)
    lists.close()
    shown = on_terminal("items", "odd")
    assert "\x1b" not in shown
    assert "\\x1b[31mred\n" in shown
    assert "two\\nlines\n" in shown


@both
def test_the_json_is_valid_whatever_the_bytes(lists: Any, teamtask: Any) -> None:
    lists.of_lines("odd", LINES)
    page = json.loads(teamtask("items", "odd", "-o", "json").out)
    assert page["index"] == 0
    assert [item.encode("utf-8", "surrogateescape") for item in page["items"]] == LINES


@both
def test_json_has_10_000_items_at_most(lists: Any, teamtask: Any) -> None:
    lists.create("far", {"kind": "range", "start": 0, "stop": 10**30})
    assert len(json.loads(teamtask("items", "far", "-o", "json").out)["items"]) == 10_000
    assert json.loads(teamtask("items", "far", str(10**29), "2", "-o", "json").out) == {
        "index": str(10**29),
        "items": [str(10**29), str(10**29 + 1)],
    }
    done = teamtask("items", "far", "0", "10001", "-o", "json")
    assert (done.code, done.out) == (1, b"")
    assert "10,000 items a call at most" in done.err


@both
def test_more_items_than_one_call_gives_are_all_printed(lists: Any, teamtask: Any) -> None:
    lists.create("many", {"kind": "range", "start": 0, "stop": 20_123})
    assert teamtask("items", "many").lines == [str(number) for number in range(20_123)]


@both
def test_items_that_are_no_text_are_json(lists: Any, teamtask: Any) -> None:
    lists.create("grid", {"kind": "product", "axes": [["rate", [0.5, 2**60]], ["name", ["ü"]]]})
    assert teamtask("items", "grid").lines == ['{"rate":0.5,"name":"ü"}', f'{{"rate":{2**60},"name":"ü"}}']
    items = json.loads(teamtask("items", "grid", "-o", "json").out)["items"]
    assert items == [{"rate": 0.5, "name": "ü"}, {"rate": 2**60, "name": "ü"}], "a value of its owner's stays a number"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("3",), 1, "has no block of 1 at index 3"),
        (("1", "3"), 1, "has no block of 3 at index 1"),
        (("-1",), 2, "No such option"),
        (("one",), 2, "INDEX is a whole number, not 'one'"),
        (("1", "-"), 2, "SIZE is a whole number, not '-'"),
        (("9" * 4001,), 2, "INDEX has 4,000 digits at most"),
        (("٣",), 2, "INDEX is a whole number"),
        (("0", "1", "2"), 2, "one argument too many: '2'"),
    ],
)
@both
def test_what_is_not_there_is_said(lists: Any, teamtask: Any, words: tuple[str, ...], code: int, message: str) -> None:
    lists.create("abc", {"kind": "strings", "alphabet": "abc", "length": 1})
    done = teamtask("items", "abc", *words)
    assert (done.code, done.out) == (code, b"")
    assert message in done.err


def test_with_a_state_file_the_name_may_be_left_out(lists: Any, teamtask: Any) -> None:
    lists.of_lines("7", LINES)
    file = str(lists.path("7"))
    assert teamtask("items", "--state", file, "0").out == b"plain\n"
    assert teamtask("items", "7", "0").out == b"plain\n"
    assert len(teamtask("items", "--state", file).out) == sum(map(len, LINES)) + len(LINES)


def test_items_of_a_program_are_not_kept_and_it_says_so(lists: Any, teamtask: Any) -> None:
    service, _ = lists.create("objects", {"kind": "range", "start": 0, "stop": 3})
    assert service
    kept = b'{"source":{"kind":"objects","count":3,"fingerprint":"x"},"fingerprint":"x"}'
    lists.sql("objects", "UPDATE lists SET definition = ?", kept)
    done = teamtask("items", "objects")
    assert done.code == 1
    assert "were objects of the program" in done.err
    assert teamtask("results", "objects").code == teamtask("show", "objects").code == 0


@both
def test_who_stops_reading_gets_no_complaint(lists: Any) -> None:
    lists.create("far", {"kind": "range", "start": 0, "stop": 10**30})
    lists.close()
    command = f"{sys.executable} -m teamtask items far | head -n 2"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("0\n1\n", "")
