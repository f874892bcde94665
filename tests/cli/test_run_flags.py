"""The flags of `run` mean what they say, and say what they do not mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask.cli.run_display import tag_of, tagged
from teamtask.cli.shell_text import typed_flags
from teamtask.cli.source_options import _number_or_text
from teamtask.cli.waiting_output import WaitingOutput

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Done, Lists


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--results", "d.csv", "d.csv"), "--results would overwrite the items"),
        (("--results", "link.csv", "d.csv"), "--results would overwrite the items"),
        (("--results", "hard.csv", "d.csv"), "--results would overwrite the items"),
        (("--results", "d.csv", "--permutations", "d.csv"), "--results would overwrite the items"),
        (("--results", "d.csv", "--combinations", "./d.csv", "--choose", "1"), "--results would overwrite the items"),
        (("--results", "new.csv", "--state", "new.csv", "d.csv"), "--results would overwrite the state"),
        (("--fresh", "--state", "d.csv", "d.csv"), "--state would overwrite the items"),
        (("--block-seconds", "nan", "d.csv"), "--block-seconds"),
        (("--block-seconds", "inf", "d.csv"), "--block-seconds"),
        (("--timeout", "nan", "d.csv"), "--timeout"),
        (("--timeout", "inf", "d.csv"), "--timeout"),
        (("--timeout", "1e300", "d.csv"), "--timeout"),
        (("",), "The name of the file with the items is empty"),
        (("--mask", ""), "there are no alphabets"),
        (("--strings", "", "--length", "2"), "An alphabet is empty"),
        (("--range", ""), "START:STOP"),
        (("--axis", ""), "NAME=VALUE"),
        (("--permutations", ""), "A file without a name cannot be read"),
        (("--combinations", "", "--choose", "1"), "A file without a name cannot be read"),
        (("--shuffle", "1" * 5000, "--range", "0:5"), "The seed has more than"),
        (("--dry-run", "--per-block", "nofile"), "nofile cannot be read"),
        (("--dry-run", "--per-block", "empty"), "There are no items in empty"),
        (("--dry-run", "empty"), "There are no items in empty"),
        (("--strings", "ab", "--length", "9..3"), "--length MIN..MAX begins with the shorter"),
        (("--strings", "ab", "--length", "99999999999..99999999999"), "is not one of 1 to 20,000"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_changes_nothing(
    teamtask: Callable[..., Done], lists: Lists, words: tuple[str, ...], said: str
) -> None:
    Path("d.csv").write_text("a\nb\n")
    Path("empty").write_text("\n")
    Path("link.csv").symlink_to("d.csv")
    Path("hard.csv").hardlink_to("d.csv")
    done = teamtask("run", *words, "--", "true")
    assert done.code == 255, done
    assert said in done.err
    assert "Traceback" not in done.err
    assert Path("d.csv").read_text() == "a\nb\n"
    assert not Path("new.csv").exists()
    assert not list(lists.folder.glob("*"))


def test_a_folder_that_is_gone_is_said(
    teamtask: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    done = teamtask("run", "--", "true", ":::", "a")
    assert done.code == 255
    assert "The current folder cannot be found" in done.err


def test_several_lists_are_shuffled_too(teamtask: Callable[..., Done]) -> None:
    def shown(*flags: str) -> list[str]:
        return teamtask("run", "--dry-run", *flags, "--", "echo", ":::", "a", "b", ":::", "1", "2", "3").lines

    plain = shown()
    assert plain == [f"echo {letter} {digit}" for letter in "ab" for digit in "123"]
    assert sorted(shown("--shuffle", "1")) == plain
    assert shown("--shuffle", "1") == shown("--shuffle", "1")
    assert len({tuple(shown("--shuffle", seed)) for seed in "12345"}) > 2


@pytest.mark.parametrize("text", ["001", "1_000", "1.10", "1e5", "nan", "inf", "-0", "+1", " 1", "1" * 5000, ""])
def test_a_value_that_is_not_written_as_a_number_is_text(text: str) -> None:
    assert _number_or_text(text) == text


@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False)))
def test_a_number_is_the_number_it_was(number: float) -> None:
    read = _number_or_text(str(number))
    assert (read, type(read)) == (number, type(number))


def test_lines_of_permutations_pass_unharmed_and_blank_ones_are_counted(teamtask: Callable[..., Done]) -> None:
    Path("p").write_bytes(b"a\xff\n\nb\x0cx\r\n \nc\xe2\x80\xa8d")
    done = teamtask("run", "-k", "--combinations", "p", "--choose", "1", "--", "printf", "[%s]")
    assert done.out == b"[a\xff][b\x0cx][c\xe2\x80\xa8d]"
    assert "Blank lines skipped: 2." in done.err
    Path("p").write_bytes(b"a\nb\0 \0")
    assert teamtask("run", "-0k", "--permutations", "p", "--", "printf", "[%s]").out == b"[a\nb][ ][ ][a\nb]"


def test_arguments_may_be_empty_or_blank(teamtask: Callable[..., Done]) -> None:
    assert teamtask("run", "-k", "--", "printf", "[%s]", ":::", "", " ", "a").out == b"[][ ][a]"
    assert teamtask("run", "-k", "--", "printf", "[%s]", ":::", "").out == b"[]"
    assert teamtask("run", "-k", "--", "printf", "[%s%s]", ":::", "", "a", ":::", "1").out == b"[1][a1]"


def test_a_retry_line_is_the_command_that_was_given(teamtask: Callable[..., Done]) -> None:
    Path("tool").write_text("#!/bin/sh\nexit 1\n")
    Path("tool").chmod(0o755)
    done = teamtask("run", "--fresh", "-j1", "--", "./tool", "--fresh", "--retry-failed", ":::", "a\udcff", "it's")
    line = "teamtask run --retry-failed -j1 -- ./tool --fresh --retry-failed ::: $'a\\377' 'it'\"'\"'s'"
    assert f"To try them again: {line}\n" in done.err


def test_a_failed_item_of_a_pipe_is_retried_by_the_name_of_its_run(teamtask: Callable[..., Done]) -> None:
    for name, state in (("p", ()), ("q", ("--state", "s"))):
        done = teamtask("run", "--name", name, *state, "-", "--", "false", piped=b"a\n")
        rerun = f"teamtask rerun {name}{' --state s' if state else ''} --failed"
        assert f"To try them again: {rerun}\n" in done.err
        assert "the same items in its pipe" in done.err
        assert teamtask(*rerun.split()[1:]).code == 0


@given(st.lists(st.sampled_from(["--fresh", "--retry-failed", "--", "a", "-k"])))
def test_what_follows_the_dashes_is_never_touched(words: list[str]) -> None:
    found = typed_flags(words)
    if "--" in words:
        assert found[found.index("--") :] == words[words.index("--") :]
        found = found[: found.index("--")]
    assert not {"--fresh", "--retry-failed"} & set(found)


def test_a_finished_run_shows_its_fold_again(teamtask: Callable[..., Done]) -> None:
    words = ("run", "--per-block", "--fold", "sum", "--range", "0:3", "--", "sh", "-c",
             "echo fold $(awk '{s+=$1} END {print s}') >> $TEAMTASK_REPORT")  # fmt: skip
    assert teamtask(*words).out == b"3\n"
    again = teamtask(*words)
    assert again.out == b"3\n"
    assert "Nothing to do" in again.err


@given(st.lists(st.binary(min_size=1, max_size=6).map(lambda part: part.replace(b"x", b"\n"))))
def test_a_tag_is_put_before_each_line_however_the_output_comes(chunks: list[bytes]) -> None:
    found, at_start = b"", True
    for chunk in chunks:
        found += tagged(chunk, b"T\t", at_start=at_start)
        at_start = chunk.endswith(b"\n")
    whole = b"".join(chunks)
    lines = whole.split(b"\n")
    ended = lines.pop()
    assert found == b"".join(b"T\t" + line + b"\n" for line in lines) + (b"T\t" + ended if ended else b"")


def test_a_tag_is_what_the_command_gets_on_one_line() -> None:
    assert tag_of(["a", "1"]) == b"a 1\t"
    assert tag_of("x\ny\udcff\x1b") == b"x\\ny\\udcff\\x1b\t"
    assert tag_of(7) == b"7\t"
    assert tag_of({"rate": 0.1}) == b'{"rate":0.1}\t'


@given(st.lists(st.tuples(st.lists(st.binary(max_size=9), max_size=3), st.integers(0, 3))))
def test_output_waits_unharmed_and_leaves_no_room_taken(steps: list[tuple[list[bytes], int]]) -> None:
    waiting, kept = WaitingOutput(), []
    for chunks, drops in steps:
        kept.append((waiting.put(chunks), b"".join(chunks)))
        for _ in range(min(drops, len(kept))):
            span, expected = kept.pop(0)
            assert b"".join(waiting.chunks(span)) == expected
            waiting.drop()
    for span, expected in kept:
        assert b"".join(waiting.chunks(span)) == expected
        waiting.drop()
    assert waiting.put([b"again"]).offset == 0
    waiting.close()
