"""Finding a list by what was typed."""

from __future__ import annotations

from typing import Any

import pytest

COMMANDS = ("show", "blocks", "ranges", "items", "results", "rerun", "unpark", "rm", "verify", "backup")
MORE = {"rerun": ("--all",), "backup": ("copy.teamtask",)}  # what these cannot do without


@pytest.mark.parametrize("command", COMMANDS)
def test_a_name_that_fits_nothing_is_an_error_with_names_that_are_near(lists: Any, teamtask: Any, command: str) -> None:
    for name in ("hosts-1f2e", "primes", "other"):
        lists.of_lines(name, [b"a"])
    done = teamtask(command, "host", *MORE.get(command, ()))
    assert (done.code, done.out) == (1, b"")
    assert done.err == "teamtask: There is no run 'host'.\n  Did you mean hosts-1f2e?\n"
    assert teamtask(command, "prines", *MORE.get(command, ())).err.endswith("Did you mean primes?\n")
    assert teamtask(command, "zzz", *MORE.get(command, ())).err.endswith("`teamtask ls` shows those there are.\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_name_nothing_is_guessed(lists: Any, teamtask: Any, command: str) -> None:
    lists.of_lines("only", [b"a"])
    done = teamtask(command, *MORE.get(command, ()))
    assert (done.code, done.out) == (2, b"")
    assert "Error: " in done.err


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a" * 5000, "", ".", "..", "a\x1bb", "\udcff"])
def test_no_name_leads_out_of_the_state_folder(lists: Any, teamtask: Any, name: str) -> None:
    lists.of_lines("good", [b"a"])
    (lists.folder.parent / "secret.teamtask").write_bytes(b"x")
    done = teamtask("show", name)
    assert done.code == 1
    assert done.err.startswith("teamtask: There is no run ")
    assert "\x1b" not in done.err


def test_a_state_file_given_as_a_name_is_told_how_it_is_given(lists: Any, teamtask: Any) -> None:
    lists.of_lines("hosts", [b"a"])
    lists.close()
    lists.path("hosts").rename("mine.teamtask")
    assert teamtask("show", "mine.teamtask").err.endswith("A state file is given as --state mine.teamtask.\n")
    assert teamtask("show", "--state", "mine.teamtask", "-o", "name").lines == ["hosts"]
    assert teamtask("show", "hosts", "--state", "mine.teamtask", "-o", "name").lines == ["hosts"]
    assert teamtask("show", "host", "--state", "mine.teamtask").err.endswith("Did you mean hosts?\n")


@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "backup"])
@pytest.mark.parametrize("file", ["missing.teamtask", "a" * 5000])
def test_a_state_file_that_is_not_there_is_not_made(teamtask: Any, tmp_path: Any, command: str, file: str) -> None:
    done = teamtask(command, "--state", file, *MORE.get(command, ()))
    assert done.code == 1
    assert "state file" in done.err
    assert not list(tmp_path.glob("*.teamtask"))


def test_a_file_that_is_empty_stays_so(teamtask: Any, tmp_path: Any) -> None:
    (tmp_path / "empty").touch()
    for command in ("show", "ls", "verify", "blocks"):
        done = teamtask(command, "--state", "empty")
        assert done.code == 1
        assert "is empty" in done.err + done.text
    assert (tmp_path / "empty").read_bytes() == b""


def test_a_run_is_called_as_its_file_is(lists: Any, teamtask: Any) -> None:
    lists.of_lines("before", [b"a"])
    lists.close()
    lists.path("before").rename(lists.path("after"))
    assert teamtask("ls", "-o", "name").lines == ["after"]
    assert teamtask("show", "after", "-o", "name").lines == ["after"]
    assert teamtask("show", "before").code == 1


def test_of_several_lists_in_a_file_one_is_named_too(lists: Any, teamtask: Any) -> None:
    lists.create("one", {"kind": "range", "start": 0, "stop": 5})
    lists.close()
    lists.path("one").rename("two.teamtask")
    lists.folder = lists.folder.parents[1]
    lists.create("two", {"kind": "range", "start": 0, "stop": 6})
    assert teamtask("ls", "--state", "two.teamtask", "-o", "name").lines == ["one", "two"]
    assert teamtask("show", "--state", "two.teamtask").code == 2
    assert '"size":5' in teamtask("show", "one", "--state", "two.teamtask", "-o", "json").text
