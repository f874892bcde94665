"""The runner of pages finds what is wrong with a page; else the tests of pages could not fail."""

from __future__ import annotations

import io
import os
import re
import time
from typing import TYPE_CHECKING

import pytest
from run_page import Command, File, PageIsWrong, matches, read_page, run_page

if TYPE_CHECKING:
    from pathlib import Path


def run(tmp_path: Path, text: str) -> str:
    """Run a page with this text; give what it prints."""
    page, out = tmp_path / "page.md", io.StringIO()
    page.write_text(text)
    run_page(page, out)
    return out.getvalue()


def console(*lines: str) -> str:
    return "\n".join(["```console", *lines, "```", ""])


def test_a_page_may_say_the_truth(tmp_path: Path) -> None:
    run(tmp_path, console("$ echo one; echo two", "one", "two"))


def test_output_that_differs_is_found(tmp_path: Path) -> None:
    with pytest.raises(PageIsWrong, match=r"page\.md:2: prints something else"):
        run(tmp_path, console("$ echo one", "two"))


def test_output_that_goes_on_is_found(tmp_path: Path) -> None:
    with pytest.raises(PageIsWrong, match="prints something else"):
        run(tmp_path, console("$ echo one; echo two", "one"))


def test_an_exit_status_that_is_not_shown_is_found(tmp_path: Path) -> None:
    with pytest.raises(PageIsWrong, match="exits with 3, not 0"):
        run(tmp_path, console("$ (exit 3)"))


def test_an_exit_status_may_be_shown_or_noted(tmp_path: Path) -> None:
    run(tmp_path, console("$ (exit 3)", "$ echo $?", "3") + "\n<!-- status: 4 -->\n" + console("$ true", "$ (exit 4)"))


def test_an_exit_status_that_was_noted_has_to_come(tmp_path: Path) -> None:
    with pytest.raises(PageIsWrong, match="exits with 0, not 4"):
        run(tmp_path, "<!-- status: 4 -->\n" + console("$ true"))


def test_a_note_concerns_the_next_block_only(tmp_path: Path) -> None:
    with pytest.raises(PageIsWrong, match="exits with 4, not 0"):
        run(tmp_path, "<!-- status: 4 -->\n\nText between.\n\n" + console("$ (exit 4)"))


def test_files_are_written_before_the_commands_that_follow(tmp_path: Path) -> None:
    shown = "<!-- file: a/b.txt -->\n```text\nshown\n```\n"
    hidden = "<!-- file: c.sh\n#!/bin/sh\necho hidden\n-->\n"
    run(tmp_path, shown + hidden + console("$ cat a/b.txt", "shown", "$ ./c.sh", "hidden"))


def test_a_file_may_be_one_that_lies_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.conf").write_text("a setting\n")
    shown = "<!-- file: my.conf -->\n```{literalinclude} elsewhere.conf\n:language: sh\n```\n"
    run(tmp_path, shown + console("$ cat my.conf", "a setting"))


def test_a_server_of_a_page_listens_where_it_says_though_another_one_does(tmp_path: Path) -> None:
    page = console("$ echo $TEAMTASK_BIND", "127.0.0.1:8080", "$ echo http://127.0.0.1:8080 | tr 0 x")
    assert "http://127.x.x.1:8x8x" not in run(tmp_path, page)


def test_ports_of_a_proxy_and_a_prometheus_are_free_ones_too(tmp_path: Path) -> None:
    page = console("$ echo localhost:8443 localhost:84433 127.0.0.1:9090 lists.example.org:8443 | tr : ' '")
    assert re.search(r"localhost (?!8443 )\d+ localhost 84433 127.0.0.1 (?!9090 )\d+ lists.*8443$", run(tmp_path, page))
    run(tmp_path, console("$ echo localhost:8443 127.0.0.1:9090", "localhost:8443 127.0.0.1:9090"))


def test_a_page_that_speaks_of_postgresql_has_one_of_its_own(tmp_path: Path) -> None:
    ask = "$ psql -At postgresql://teamtask@localhost/postgres -c 'SELECT 1'"
    make = """$ psql -qU postgres -c "CREATE ROLE teamtask LOGIN PASSWORD 'secret'" && echo made"""
    page = console(
        make, "made", "$ export PGPASSWORD=secret", ask, "1", ask.replace("localhost", "localhost:5432"), "1"
    )
    run(tmp_path, page + "<!-- status: 2 -->\n" + console(ask.replace("$ ", "$ PGPASSWORD=wrong "), "...", "psql: ..."))
    with pytest.raises(PageIsWrong, match="exits with 2"):
        run(tmp_path, console(ask))


def test_a_page_that_speaks_of_no_postgresql_has_none(tmp_path: Path) -> None:
    run(tmp_path, console('$ echo "<$PGHOST$PGPORT>"', "<>"))


def test_what_a_page_leaves_running_is_ended_with_it(tmp_path: Path) -> None:
    run(tmp_path, console(f"$ sleep 600 & echo $! > {tmp_path}/pid"))
    pid = int((tmp_path / "pid").read_text())
    while is_running(pid):  # a signal arrives a moment later
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_ctrl_c_reaches_a_command_and_130_is_expected(tmp_path: Path) -> None:
    run(tmp_path, console("$ sh -c 'trap \"echo bye; exit 130\" INT; while :; do sleep 0.1; done'", "^C", "bye"))


def test_a_block_is_left_out_where_the_machine_lacks_what_it_needs(tmp_path: Path) -> None:
    printed = run(tmp_path, "<!-- needs: false -->\n" + console("$ (exit 9)"))
    assert "not run: this machine cannot false" in printed


def test_a_doctest_that_fails_is_found(tmp_path: Path) -> None:
    run(tmp_path, "```python\n>>> 1 + 1\n2\n```\n")
    with pytest.raises(PageIsWrong, match="exits with 1"):
        run(tmp_path, "```python\n>>> 1 + 1\n3\n```\n")


@pytest.mark.parametrize("language", ["sh", "bash", "python"])
def test_a_block_that_would_not_be_run_is_refused(language: str) -> None:
    with pytest.raises(PageIsWrong):
        read_page(f"```{language}\nls\n```\n")


def test_a_command_may_go_on_in_the_next_line() -> None:
    (command,) = read_page(console("$ echo \\", "    one", "one"))
    assert isinstance(command, Command)
    assert (command.text, command.expected) == ("echo \\\n    one", ["one"])


def test_a_file_in_an_indented_block_loses_the_indent() -> None:
    (file,) = read_page("<!-- file: a -->\n  ```text\n  one\n    two\n  ```\n")
    assert file == File("a", "one\n  two\n")


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        (["a", "...", "z"], ["a", "z"]),
        (["a", "...", "z"], ["a", "b", "c", "z"]),
        (["a ... z"], ["a b c z"]),
        (["2 ok, 13.2 s"], ["2 ok, 1 s"]),
        (["done on 2026-01-31 12:00:00"], ["done on 2031-12-01 23:59:59"]),
        (["NAME  STATE"], ["NAME       STATE"]),
        (["ping-0123abcd"], ["ping-ffff0000"]),
        (["{seconds: 0.00823}"], ["{seconds: 9e-05}"]),
        (["1,pear,true,,host/1,0"], ["1,pear,true,,host/1,61"]),
        (['{"seq":0,"index":1}'], ['{"seq":61,"index":1}']),
    ],
)
def test_what_varies_may_differ(expected: list[str], printed: list[str]) -> None:
    assert matches(expected, printed)


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        (["a", "...", "z"], ["a", "b"]),
        (["2 ok"], ["3 ok"]),
        (["a.c"], ["abc"]),
        (["a", "b"], ["b", "a"]),
        (["a"], []),
    ],
)
def test_what_does_not_vary_may_not_differ(expected: list[str], printed: list[str]) -> None:
    assert not matches(expected, printed)


def test_lines_in_any_order_are_compared_as_a_set() -> None:
    assert matches(["a", "b"], ["b", "a"], any_order=True)
    assert not matches(["a", "b"], ["b", "b"], any_order=True)
