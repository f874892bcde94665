"""`teamtask results`."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from teamtask.ledger.rules import BlockRule, Rules
from teamtask.service.definition import LocalRun
from teamtask.wire.result_batch import PICKLE

if TYPE_CHECKING:
    from pathlib import Path

both = pytest.mark.parametrize("lists", ["local", "server"], indirect=True)


def outcome(index: int) -> dict[str, Any]:
    return {"exit": index % 2, "seconds": 0.5, "output": f"said {index}\n\x1b[2J"}


@pytest.fixture
def hosts(lists: Any) -> Any:
    found = lists.of_lines("hosts", [b"a", b"=b", b"\xffc", b"d\x1b[31m"])
    lists.work(*found, outcome, failed=lambda index: index % 2 == 1)
    return found


@pytest.mark.usefixtures("hosts")
@both
def test_csv_has_a_line_for_each_result_and_is_what_a_pipe_gets(teamtask: Any) -> None:
    done = teamtask("results", "hosts")
    assert done.out == teamtask("results", "hosts", "-o", "csv").out
    rows = list(csv.reader(done.out.decode("utf-8", "surrogateescape").splitlines()))
    assert rows[0] == ["index", "item", "ok", "result", "worker", "seq"]
    assert [row[:3] for row in rows[1:]] == [
        ["0", "a", "true"],
        ["1", "'=b", "false"],
        ["2", "\udcffc", "true"],
        ["3", "d\x1b[31m", "false"],
    ]
    assert [json.loads(row[3]) for row in rows[1:]] == [outcome(index) for index in range(4)]
    assert b"\xffc" in done.out


@pytest.mark.usefixtures("hosts")
@both
def test_ndjson_and_json_have_the_fields_of_the_api(teamtask: Any) -> None:
    found = [json.loads(line) for line in teamtask("results", "hosts", "-o", "ndjson").lines]
    assert list(found[0]) == ["seq", "index", "item", "result", "ok", "worker"]
    assert found[1] == {
        "seq": 1, "index": 1, "item": "=b", "result": outcome(1), "ok": False, "worker": "host-a/1",
    }  # fmt: skip
    assert found[2]["item"] == "\udcffc"
    assert json.loads(teamtask("results", "hosts", "-o", "json").out) == found


@pytest.mark.usefixtures("hosts")
@both
def test_a_table_says_how_commands_ended(teamtask: Any) -> None:
    header, first, second, *_ = teamtask("results", "hosts", "-o", "wide").lines
    assert header.split() == ["INDEX", "ITEM", "STATUS", "RESULT", "WORKER", "SEQ"]
    assert first.split() == ["0", "a", "ok", "exit", "0:", "said", "0\\n\\x1b[2J", "host-a/1", "0"]
    assert second.split()[:5] == ["1", "=b", "failed", "exit", "1:"]


@pytest.mark.usefixtures("hosts")
@both
def test_a_terminal_gets_a_table_without_control_characters(lists: Any, on_terminal: Any) -> None:
    lists.close()
    lines = on_terminal("results", "hosts", columns=50).splitlines()
    assert lines[0].split() == ["INDEX", "ITEM", "STATUS", "RESULT"]
    assert all(len(line) <= 50 and line.isprintable() for line in lines)
    stacked = on_terminal("results", "hosts", columns=20).splitlines()
    assert stacked[:3] == ["INDEX   0", "ITEM    a", "STATUS  ok"]


@pytest.mark.usefixtures("hosts")
@both
def test_results_are_chosen_by_outcome_index_and_arrival(teamtask: Any) -> None:
    def indices(*flags: str) -> list[str]:
        lines = teamtask("results", "hosts", *flags, "-o", "csv").out.splitlines()
        return [line.split(b",")[0].decode() for line in lines[1:]]

    assert indices("--failed") == ["1", "3"]
    assert indices("--ok") == ["0", "2"]
    assert indices("--from", "2") == ["2", "3"]
    assert indices("--from", str(10**30)) == []
    assert indices("--since", "3") == ["3"]
    assert indices("--since", "1", "--ok") == ["2"]
    assert indices("--since", "4") == []
    assert indices("--follow", "--failed") == ["1", "3"]
    assert indices("--follow", "--since", "2") == ["2", "3"]
    assert teamtask("results", "hosts", "--from", "1", "--since", "1").code == 2
    assert teamtask("results", "hosts", "--from", "x").code == 2
    assert teamtask("results", "hosts", "-f", "-o", "json").code == 2


@both
def test_following_gives_results_as_they_arrive_until_the_list_is_finished(lists: Any) -> None:
    found = lists.create("nums", {"kind": "range", "start": 0, "stop": 30}, rules=Rules(block=BlockRule(size=10)))
    lists.work(*found, leases=1)
    command = [sys.executable, "-m", "teamtask", "results", "nums", "-f", "-o", "ndjson"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = [json.loads(process.stdout.readline()) for _ in range(10)]
        assert process.poll() is None
        lists.work(*found)
        rest = [json.loads(line) for line in process.stdout.read().splitlines()]
    assert process.returncode == 0
    assert [line["index"] for line in first + rest] == list(range(30))
    assert [line["item"] for line in first + rest] == list(range(30))


class Lazy:
    """What a function may return, and JSON cannot carry."""

    def __repr__(self) -> str:
        return "<lazy>"


class Broken:
    def __repr__(self) -> str:
        raise ValueError

    def __reduce__(self) -> Any:
        return Broken, ()


def test_what_python_returned_is_json_where_it_can_be_else_as_python_shows_it(
    lists: Any, teamtask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in (Lazy, Broken):
        monkeypatch.setattr(kind, "__module__", "builtins_of_test")
    module = type(sys)("builtins_of_test")
    module.Lazy, module.Broken = Lazy, Broken  # type: ignore[attr-defined] # a module made here
    monkeypatch.setitem(sys.modules, "builtins_of_test", module)
    values = [
        (1, "two"), {"a": {3: None}}, ValueError("no such host"), {1, 2}, float("nan"), 10**6000, b"\xff", Lazy(),
        Broken(), "\ud800", -0.5,
    ]  # fmt: skip
    shown = [
        [1, "two"], {"a": {"3": None}}, "ValueError('no such host')", "{1, 2}", "nan", 10**6000, "b'\\xff'", "<lazy>",
        "<Broken>", "\ud800", -0.5,
    ]  # fmt: skip
    found = lists.of_lines("odd", [b"%d" % number for number in range(len(values))])
    lists.work(*found, lambda index: values[index], codec=PICKLE)
    digits = sys.get_int_max_str_digits()
    lines = teamtask("results", "odd", "-o", "ndjson").lines
    assert sys.get_int_max_str_digits() == digits
    sys.set_int_max_str_digits(0)
    try:
        assert [json.loads(line)["result"] for line in lines] == shown
        assert teamtask("results", "odd", "-o", "csv").lines[11].split(",")[3] == "-0.5"
    finally:
        sys.set_int_max_str_digits(digits)
    assert teamtask("results", "odd", "-o", "wide").code == 0


def test_a_class_that_is_gone_is_an_error_that_says_what_to_do(lists: Any, teamtask: Any, tmp_path: Any) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "mine_alone.py").write_text("class Mine:\n    def __repr__(self):\n        return 'mine'\n")
    local = LocalRun(str(tmp_path / "modules"), {"arguments": [], "command": []})
    found = lists.create("odd", {"kind": "range", "start": 0, "stop": 1}, local=local)
    sys.path.append(local.folder)
    try:
        import mine_alone  # type: ignore[import-not-found]

        lists.work(*found, lambda _index: mine_alone.Mine(), codec=PICKLE)
    finally:
        sys.path.remove(local.folder)
        del sys.modules["mine_alone"]
    assert teamtask("results", "odd", "-o", "csv").lines[1].split(",")[3] == "mine", "found in the run's folder"
    sys.modules.pop("mine_alone", None)
    (tmp_path / "modules" / "mine_alone.py").unlink()
    done = teamtask("results", "odd")
    assert done.code == 1
    assert "cannot be imported any more: No module named 'mine_alone'" in done.err
    assert "PYTHONPATH" in done.err


# The most memory that the process had, in bytes. Linux counts that of its parent into ru_maxrss.
PEAK = """
import resource, sys
from pathlib import Path
from teamtask.cli.main import main
sys.argv = ["teamtask", *sys.argv[1:]]
try:
    main()
finally:
    status = Path("/proc/self/status")
    kib = status.read_text().split("VmHWM:")[1].split()[0] if status.exists() else None
    peak = int(kib) << 10 if kib else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak, file=sys.stderr)
"""


@both
def test_a_hundred_thousand_results_pass_through_little_memory(lists: Any, tmp_path: Path) -> None:
    rules = Rules(block=BlockRule(seconds=1, max=1_000))
    found = lists.create("many", {"kind": "range", "start": 0, "stop": 100_000}, rules=rules)
    lists.work(*found, lambda index: "x" * 600 + str(index))
    lists.close()
    kept = [path for path in lists.path("many").parent.iterdir() if path.name.startswith(lists.path("many").name)]
    assert sum(path.stat().st_size for path in kept) > 60_000_000
    for form in ("csv", "table"):
        command = [sys.executable, "-c", PEAK, "results", "many", "-o", form]
        with (tmp_path / "out").open("wb") as out:
            done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, check=True, timeout=120)
        assert (tmp_path / "out").read_bytes().count(b"\n") >= 100_000
        assert int(done.stderr) < 60_000_000, form


@both
def test_who_stops_reading_gets_no_complaint(lists: Any) -> None:
    found = lists.create("many", {"kind": "range", "start": 0, "stop": 10_000})
    lists.work(*found)
    lists.close()
    command = f"{sys.executable} -m teamtask results many | head -n 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("index,item,ok,result,worker,seq\n", "")


@both
def test_a_list_without_results_says_so(lists: Any, teamtask: Any) -> None:
    lists.of_lines("new", [b"a"])
    assert teamtask("results", "new", "-o", "table").err == "There are no such results of new.\n"
    assert teamtask("results", "new").out == b"index,item,ok,result,worker,seq\n"
    assert json.loads(teamtask("results", "new", "-o", "json").out) == []
