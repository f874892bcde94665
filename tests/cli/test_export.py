"""`export_results`."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from teamtask.cli.export import NotExported, export_format, export_results
from teamtask.ledger.errors import InvalidField
from teamtask.local.open_run import source_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def export(lists: Any) -> Callable[[Path], None]:
    service, list_id = lists.of_lines("hosts", [b"a", b"=b", b"\xff"])
    lists.work(service, list_id, lambda index: {"n": index}, failed=lambda index: index == 1)
    record = service.find("hosts")
    source = source_of(service, record, 3)
    return lambda path: export_results(service, record, source, path)


def test_the_ending_of_the_name_decides_the_format(export: Any, tmp_path: Path) -> None:
    for ending in ("csv", "ndjson", "JSON"):
        export(tmp_path / f"out.{ending}")
    assert (tmp_path / "out.csv").read_bytes().splitlines()[2] == b'1,\'=b,false,"{""n"":1}",host-a/1,1'
    lines = [json.loads(line) for line in (tmp_path / "out.ndjson").read_bytes().splitlines()]
    assert [line["result"] for line in lines] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert json.loads((tmp_path / "out.JSON").read_bytes()) == lines
    for name in ("out", "out.txt", ".csv"):
        with pytest.raises(InvalidField, match="names no format"):
            export_format(tmp_path / name)


def test_a_file_is_replaced_only_by_a_complete_one(export: Any, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("before")
    target.chmod(0o640)
    (tmp_path / "link.csv").symlink_to(target)
    export(tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert target.read_bytes().startswith(b"index,")
    assert target.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.glob("*.csv")) == ["link.csv", "out.csv"]
    assert not list(tmp_path.glob(".*unfinished"))


def test_a_failure_leaves_what_was_there(lists: Any, tmp_path: Path) -> None:
    service, list_id = lists.of_lines("hosts", [b"a"])
    lists.work(service, list_id)
    target = tmp_path / "out.csv"
    target.write_text("before")

    class Torn:
        size = 1

        def items(self, _index: int, _size: int) -> Any:
            raise OSError(5, "Input/output error")

    with pytest.raises(NotExported, match="Input/output error"):
        export_results(service, service.find("hosts"), Torn(), target)  # type: ignore[arg-type] # as much of a source
    assert target.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == ["out.csv"]


def test_a_place_that_takes_no_file_is_said(export: Any, tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    for path in (tmp_path / "missing" / "out.csv", tmp_path / "folder.csv", tmp_path / ("a" * 300 + ".csv")):
        with pytest.raises(NotExported, match="The results cannot be written to"):
            export(path)


def test_a_pipe_is_written_to(export: Any, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.ndjson"
    os.mkfifo(pipe)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    export(pipe)
    reader.join()
    assert found[0].count(b"\n") == 3
    assert pipe.is_fifo()
