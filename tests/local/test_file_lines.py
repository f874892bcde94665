"""`teamtask.lines`: the lines of a file as a source, and as the items of a map."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import teamtask
from teamtask.ledger.errors import InvalidField, InvalidSource
from teamtask.local import file_lines
from teamtask.local.item_lines import RunChanged
from teamtask.sources import lines_in_memory

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Log

MANY = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
LINES = st.lists(
    st.binary(min_size=1, max_size=30).map(lambda line: b"x" + line.replace(b"\n", b"")), min_size=1, max_size=60
)


@MANY
@given(LINES, st.sampled_from([b"\n", b"\r\n", b"\n\n \n"]), st.booleans(), st.data())
def test_any_range_of_lines_is_read(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lines: list[bytes],
    end: bytes,
    ended: bool,  # noqa: FBT001 - hypothesis gives it by position
    data: st.DataObject,
) -> None:
    monkeypatch.setattr(file_lines, "BLOCK_BYTES", data.draw(st.integers(1, 64)))
    lines = [line.rstrip(b"\r") for line in lines]  # one before a newline is part of the end
    path = tmp_path / "lines"
    path.write_bytes(end.join(lines) + (end if ended else b""))
    source, expected = teamtask.lines(path), lines_in_memory(lines)
    assert source.size == len(lines)
    assert source.fingerprint == expected.fingerprint
    index = data.draw(st.integers(0, len(lines)))
    size = data.draw(st.integers(0, len(lines) - index))
    assert list(source.items(index, size)) == list(expected.items(index, size))
    assert source.item(len(lines) - 1) == expected.item(len(lines) - 1)
    with pytest.raises(InvalidField):
        source.items(0, len(lines) + 1)


def test_a_file_that_is_missing_a_folder_empty_or_changed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSource, match="cannot be read: No such file"):
        teamtask.lines(tmp_path / "missing")
    with pytest.raises(InvalidSource, match="is a folder"):
        teamtask.lines(tmp_path)
    path = tmp_path / "lines"
    path.write_text("\n \n")
    with pytest.raises(InvalidSource, match="There are no items"):
        teamtask.lines(path).size  # noqa: B018 - counted when it is asked for
    path.write_text("one\ntwo\n")
    source = teamtask.lines(path)
    assert source.size == 2
    path.write_text("one\nthree\n")
    with pytest.raises(InvalidSource, match="has changed"):
        list(source.items(0, 2))


def test_lines_are_mapped_bytes_that_are_no_text_included(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"one\r\n\ntw\xff\nthree")
    outcomes = list(teamtask.map(os.fsencode, teamtask.lines(path), processes=2))
    assert [outcome.result for outcome in outcomes] == [b"one", b"tw\xff", b"three"]
    assert [outcome.item for outcome in outcomes] == ["one", "tw\udcff", "three"]


def test_a_map_of_lines_needs_the_file_no_more_once_it_has_begun_and_grows_with_it(tmp_path: Path, log: Log) -> None:
    def function(line: str) -> str:
        log.write(line)
        return line

    path = tmp_path / "lines"
    path.write_text("".join(f"{number}\n" for number in range(1000)))
    outcomes = teamtask.map(function, teamtask.lines(path), processes=2)
    first = next(outcomes)
    path.write_text("0\n")
    assert [first.result, *(outcome.result for outcome in outcomes)] == [str(number) for number in range(1000)]
    with pytest.raises(RunChanged):
        next(teamtask.map(function, teamtask.lines(path)))
    path.write_text("".join(f"{number}\n" for number in range(1500)))
    again = [outcome.result for outcome in teamtask.map(function, teamtask.lines(path), processes=2)]
    assert again == [str(number) for number in range(1500)]
    assert Counter(log.items()) == Counter(range(1500))


def test_lines_may_be_shuffled(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_text("".join(f"{number}\n" for number in range(300)))
    source = teamtask.shuffled(teamtask.lines(path), 3)
    results = [outcome.result for outcome in teamtask.map(int, source, processes=2)]
    assert results == [int(line) for line in source.items(0, 300)]
    assert sorted(results) == list(range(300))
    assert results != sorted(results)


def test_lines_are_folded(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_text("".join(f"{number}\n" for number in range(20_000)))
    assert teamtask.fold(int, teamtask.lines(path), "sum", processes=2) == sum(range(20_000))
