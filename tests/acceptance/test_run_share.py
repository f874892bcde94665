"""`run --share` and `share`: workers elsewhere join in the middle, leave, are killed; every item is done once."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError

import pytest
from run_helpers import TEAMTASK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from run_helpers import Shell

SECONDS = 30.0
LOGGED = 'echo "$WHO $1" >> log; sleep 0.1\n'
WAITS = 'echo "$WHO $1" >> log\nwhile [ ! -e go ]; do sleep 0.05; done\n'
NAMESPACES = ("teamtask-t1", "teamtask-t2")
FUNCTIONS = """
import os, time

def squared(number):
    with open("log", "a") as log:
        log.write(f"{os.environ['WHO']} {number}\\n")
    time.sleep(0.05)
    if number == 7:
        raise ValueError("not seven")
    return (number, number * number)
"""


def until(holds: Callable[[], Any], what: str) -> Any:
    """Wait until something holds, and give it."""
    end = time.monotonic() + SECONDS
    while not (found := holds()):
        assert time.monotonic() < end, what
        time.sleep(0.02)
    return found


class Sharing:
    """A run in the background, with what it says in a file, and its workers."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.started: list[subprocess.Popen[bytes]] = []

    def start(
        self, *words: str, who: str = "run", within: tuple[str, ...] = (), state: str = ""
    ) -> subprocess.Popen[bytes]:
        """Start `teamtask WORDS`; what it says goes to the files WHO.out and WHO.err."""
        environment = self.shell.environment | {"WHO": who} | ({"XDG_STATE_HOME": state} if state else {})
        with (self.shell.folder / f"{who}.out").open("wb") as out, (self.shell.folder / f"{who}.err").open("wb") as err:
            process = subprocess.Popen(
                [*within, *TEAMTASK, *words], cwd=self.shell.folder, env=environment, stdin=subprocess.DEVNULL,
                stdout=out, stderr=err,
            )  # fmt: skip
        self.started.append(process)
        return process

    def said(self, who: str = "run", stream: str = "err") -> str:
        return (self.shell.folder / f"{who}.{stream}").read_text()

    def line(self, who: str = "run", stream: str = "err") -> list[str]:
        """Give the words of the line that workers are to type."""
        line = re.compile(r"^teamtask work .*\n", re.MULTILINE)
        found = until(lambda: line.search(self.said(who, stream)), "the line is said before anything is worked")
        return shlex.split(found[0])[1:]

    def join(self, words: list[str], who: str, within: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        """Type the line elsewhere, where nothing is known of the run."""
        return self.start(*words, who=who, within=within, state=str(self.shell.state / who))

    def log(self) -> list[tuple[str, str]]:
        """Give who began what."""
        path = self.shell.folder / "log"
        return [
            (who, item)
            for who, _, item in (line.partition(" ") for line in path.read_text("utf-8", "replace").splitlines())
        ]

    def wait_for(self, who: str, count: int = 1) -> None:
        log = self.shell.folder / "log"
        until(lambda: log.exists() and sum(name == who for name, _ in self.log()) >= count, f"{who} works")

    def results(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.shell.run("results", name, "-o", "ndjson").stdout.splitlines()]

    def documents(self, name: str) -> tuple[int, dict[str, Any]]:
        """Give how many tokens the state file of a run has, and the roles in it."""
        with closing(sqlite3.connect(self.shell.state / "teamtask" / f"{name}.teamtask")) as file:
            tokens = file.execute("SELECT count(*) FROM documents WHERE kind = 'token'").fetchone()[0]
            definition = json.loads(file.execute("SELECT definition FROM lists").fetchone()[0])
        return tokens, definition.get("roles", {})


@pytest.fixture
def sharing(shell: Shell) -> Iterator[Sharing]:
    made = Sharing(shell)
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def two_machines() -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Give what commands begin with to run in one of two network namespaces, 10.77.0.1 and 10.77.0.2."""

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    one, other = NAMESPACES
    try:
        ip("netns", "add", one)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine makes no network namespaces for us")
    try:
        ip("netns", "add", other)
        ip("-n", one, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", other)
        for number, name in enumerate(NAMESPACES, 1):
            ip("-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", one, "route", "add", "default", "via", "10.77.0.2")
        yield ("ip", "netns", "exec", one), ("ip", "netns", "exec", other)
    finally:
        for name in NAMESPACES:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def test_machines_join_in_the_middle_are_killed_and_leave_and_every_item_is_recorded_once(
    sharing: Sharing, two_machines: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    one, other = two_machines
    shell, items = sharing.shell, [f"{i}" for i in range(60)]
    shell.write("items", "".join(f"{item}\n" for item in items))
    shell.script("work", LOGGED)
    run = sharing.start("run", "-j1", "-q", "--name", "far", "--share", "items", "--", "./work", within=one)
    line = sharing.line()
    assert line[line.index("--url") + 1].startswith("http://10.77.0.1:"), "where others find it"
    assert "Without TLS" in sharing.said()
    sharing.wait_for("run", 2)
    killed = sharing.join(line, "killed", other)
    sharing.wait_for("killed", 3)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    leaving = sharing.join(line, "leaving", other)
    sharing.wait_for("leaving", 3)
    leaving.send_signal(signal.SIGINT)
    assert leaving.wait(SECONDS) == 130, sharing.said("leaving")
    last = sharing.join(line, "last", other)
    sharing.wait_for("last", 3)
    run.send_signal(signal.SIGINT)
    assert run.wait(SECONDS) == 130
    assert last.wait(SECONDS) == 0, sharing.said("last")
    assert "far is not shared any longer" in sharing.said("last"), "it is told, and goes home"
    assert sharing.documents("far") == (0, {})
    # What the killed one held went back when the sharing ended, so nobody has to wait for its lease.
    done = shell.run("run", "-j1", "-q", "--name", "far", "--share", "items", "--", "./work")
    assert done.returncode == 0, done.stderr
    assert [row["index"] for row in sharing.results("far")] == list(range(60))
    begun = Counter(item for _, item in sharing.log())
    assert set(begun) == set(items)
    assert all(begun[item] == 1 for _, item in sharing.log() if ("killed", item) not in sharing.log())
    assert sum(begun.values()) <= len(items) + sum(who == "killed" for who, _ in sharing.log())


def test_a_worker_that_is_there_at_the_end_hears_that_it_is_finished(sharing: Sharing) -> None:
    shell = sharing.shell
    shell.write("items", "a b\n\xff'\n".encode("latin-1") + b"".join(b"%d\n" % number for number in range(10)))
    shell.script("work", LOGGED + "while [ $(grep -c ^far log) -lt 2 ]; do sleep 0.05; done\nprintf '%s' \"$1\"\n")
    run = sharing.start("run", "-j1", "-q", "--name", "near", "--share", "127.0.0.1:0", "items", "--", "./work")
    far = sharing.join(sharing.line(), "far")
    assert run.wait(SECONDS) == 0, sharing.said()
    assert far.wait(SECONDS) == 0, sharing.said("far")
    assert "near is complete" in sharing.said("far")
    assert "Without TLS" not in sharing.said(), "nobody else reads what stays on this machine"
    rows = sharing.results("near")
    assert len({row["worker"] for row in rows}) == 2
    assert [row["item"] for row in rows] == ["a b", "\udcff'", *map(str, range(10))]
    assert [row["result"]["output"] for row in rows[2:]] == [row["item"] for row in rows[2:]]
    assert Counter(item for _, item in sharing.log()).total() == 12
    assert sharing.documents("near") == (0, {})
    assert shell.run("verify", "near").returncode == 0


def call(line: list[str], path: str, body: object = None, method: str | None = None) -> tuple[int, Any]:
    """Ask the server that a line names, with its token."""
    url, token = line[line.index("--url") + 1], line[line.index("--token") + 1]
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    try:
        request = urllib.request.Request(url + path, data, headers, method=method)  # noqa: S310 - of our own server
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - as above
            return answer.status, json.loads(answer.read() or b"null")
    except HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_the_token_is_good_for_working_on_that_run_alone(sharing: Sharing) -> None:
    shell = sharing.shell
    assert shell.run("run", "-q", "--state", "both", "--name", "other", "--", "true", ":::", "a").returncode == 0
    command = ("--state", "both", "--name", "one", "--", shell.script("work", WAITS), ":::", "a", "b", "c")
    run = sharing.start("run", "-j1", "--share", "127.0.0.1:0", *command)
    line = sharing.line()
    sharing.wait_for("run")
    assert call(line, "/v1/lists/one")[0] == 200
    assert [each["name"] for each in call(line, "/v1/lists")[1]["items"]] == ["one"]
    assert call(line, "/v1/lists/other")[0] == 404
    assert call(line, "/v1/lists/other/results")[0] == 404
    assert call(line, "/v1/lists/one", {"priority": 1}, "PATCH")[0] == 403
    assert call(line, "/v1/lists/one", method="DELETE")[0] == 403
    assert call(line, "/v1/lists/one/pause", {}, "POST")[0] == 403
    assert call(line, "/v1/lists", {"name": "mine", "source": {"kind": "range", "start": 0, "stop": 2}})[0] == 403
    assert call(line, "/v1/tokens", {"name": "me"})[0] == 403
    assert [call(line, path)[0] for path in ("/v1/tokens", "/v1/audit", "/metrics")] == [403, 403, 403]
    held = call(line, "/v1/lists/one/blocks")[1]["items"]
    assert {block["principal"] for block in held} == {"local"}
    block = call(line, "/v1/lists/one/blocks", {"worker": "curl"})[1]
    assert (
        call(line, f"/v1/lists/one/blocks/{block['lease']}", {"done": True, "results": [[block["index"], "by hand"]]})[
            0
        ]
        == 200
    )
    # The file is still one that its owner's commands know.
    for words in (
        ("verify", "--state", "both"),
        ("show", "one", "--state", "both"),
        ("backup", "copy", "--state", "both"),
    ):
        assert shell.run(*words).returncode == 0, words
    for words in (("rm", "--state", "both"), ("run", "--fresh", *command)):
        refused = shell.run(*words)
        assert (refused.returncode, b"right now" in refused.stderr) == (1 if words[0] == "rm" else 255, True), refused
    shell.write("go", "")
    assert run.wait(SECONDS) == 0, sharing.said()


def test_a_worker_of_a_run_over_several_lists_runs_the_same_command_line(sharing: Sharing) -> None:
    shell = sharing.shell
    work = shell.script(
        "work", LOGGED.replace("$1", "$*") + "while [ $(grep -c ^far log) -lt 2 ]; do sleep 0.05; done\n"
    )
    words = (
        "--retries",
        "2",
        "--timeout",
        "60",
        "--name",
        "rows",
        "--",
        work,
        "{2}-{1}",
        "{}",
        "{#}",
        ":::",
        "a",
        "b b",
        ":::",
        *"12345",
    )
    run = sharing.start("run", "-j1", "-q", "--share", "127.0.0.1:0", *words)
    line = sharing.line()
    assert line[line.index("--retries") :][:4] == ["--retries", "2", "--timeout", "60"]
    far = sharing.join(line, "far")
    assert (run.wait(SECONDS), far.wait(SECONDS)) == (0, 0), sharing.said("far")
    assert {who for who, _ in sharing.log()} == {"run", "far"}
    pairs = [(left, right) for left in ("a", "b b") for right in "12345"]
    assert sorted(item.rpartition(" ")[0] for _, item in sharing.log()) == sorted(
        f"{right}-{left} {left} {right}" for left, right in pairs
    )


def test_a_function_is_called_here_and_elsewhere(sharing: Sharing) -> None:
    shell = sharing.shell
    shell.write("functions.py", FUNCTIONS)
    words = ("--range", "0:60", "--python", "functions:squared", "--block-size", "5", "--name", "squares")
    run = sharing.start("run", "-j1", "--share", "127.0.0.1:0", *words)
    far = sharing.join([*sharing.line(), "-j1"], "far")
    assert run.wait(SECONDS) == 1, "an item has failed"
    assert far.wait(SECONDS) == 0, sharing.said("far")
    assert sorted(int(item) for _, item in sharing.log()) == list(range(60))
    rows = sharing.results("squares")
    assert [row["index"] for row in rows if not row["ok"]] == [7]
    assert "not seven" in str(rows[7]["result"])
    assert [row["result"] for row in rows if row["ok"]] == [[i, i * i] for i in range(60) if i != 7]
    assert len({row["worker"] for row in rows}) == 2


def test_a_run_that_is_killed_is_no_longer_shared_and_shares_again(sharing: Sharing) -> None:
    shell = sharing.shell
    command = (
        "run",
        "-j1",
        "-q",
        "--name",
        "dies",
        "--share",
        "127.0.0.1:0",
        "--",
        shell.script("work", WAITS),
        ":::",
        *"abc",
    )
    first = sharing.start(*command, who="first")
    line = sharing.line("first")
    sharing.wait_for("first")
    assert sharing.documents("dies") == (1, {"worker": ["token:share"]})
    first.send_signal(signal.SIGKILL)
    first.wait()
    until(lambda: sharing.documents("dies") == (0, {}), "the sharing ends with the run")
    second = sharing.start(*command, who="second")
    again = sharing.line("second")
    sharing.wait_for("second")
    assert again != line
    assert call(again, "/v1/me")[0] == 200
    old = [*again]
    old[old.index("--token") + 1] = line[line.index("--token") + 1]
    assert call(old, "/v1/me")[0] == 401
    shell.write("go", "")
    assert second.wait(SECONDS) == 0, sharing.said("second")


def told_to_go(line: list[str]) -> str | None:
    """Ask for a block, and give back what is handed out; give why nothing is."""
    status, answer = call(line, f"/v1/lists/{line[1]}/blocks", {"worker": "curl"})
    if status == 201:
        call(line, f"/v1/lists/{line[1]}/blocks/{answer['lease']}", {"release": True})
    return str(answer["error"]["message"]) if status == 410 else None


def test_a_run_that_is_there_is_shared_until_it_is_finished_or_interrupted(sharing: Sharing) -> None:
    shell = sharing.shell
    run = sharing.start(
        "run", "-j1", "-q", "--name", "there", "--", shell.script("work", WAITS), ":::", *"abcdefghijklmnopqrstuvwxyz"
    )
    sharing.wait_for("run")
    first = sharing.start("share", "there", "--bind", "127.0.0.1:0", who="first")
    second = sharing.start("share", "there", "--bind", "127.0.0.1:0", who="second")
    line = sharing.line("first", "out")
    assert call(sharing.line("second", "out"), "/v1/me")[1]["principal"] == "token:share"
    address = line[line.index("--url") + 1].removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1]))):  # somebody who does not go
        first.send_signal(signal.SIGINT)
        said = until(lambda: told_to_go(line), "nothing more is handed out")
        assert "there is not shared any longer" in said
        assert first.poll() is None, "it waits for reports"
        first.send_signal(signal.SIGINT)
        assert first.wait(SECONDS) == 0
    with pytest.raises(OSError, match="refused"):
        call(line, "/v1/me")
    assert sharing.documents("there") == (1, {"worker": ["token:share"]}), "the other one still shares it"
    far = sharing.join(sharing.line("second", "out"), "far")
    sharing.wait_for("far")
    shell.write("go", "")
    assert [process.wait(SECONDS) for process in (run, far, second)] == [0, 0, 0], sharing.said("far")
    assert sharing.documents("there") == (0, {})
    assert Counter(item for _, item in sharing.log()) == Counter("abcdefghijklmnopqrstuvwxyz")
    refused = shell.run("share", "there")
    assert (refused.returncode, b"there is complete" in refused.stderr) == (1, True)


def test_what_a_worker_could_not_deliver_is_taken_when_the_run_is_shared_again(sharing: Sharing) -> None:
    shell = sharing.shell
    work = shell.script("work", WAITS.replace("go", "go-$WHO"))
    run = sharing.start("run", "-q", "-j1", "--name", "kept", "--", work, ":::", "a", "b")
    sharing.wait_for("run")
    first = sharing.start("share", "kept", "--bind", "127.0.0.1:0", who="first")
    line = sharing.line("first", "out")
    far = sharing.join(line, "far")
    sharing.wait_for("far")
    run.send_signal(signal.SIGINT)
    shell.write("go-run", "")
    assert run.wait(SECONDS) == 130
    first.send_signal(signal.SIGINT)
    until(lambda: told_to_go(line), "it is leaving")
    first.send_signal(signal.SIGINT)
    assert first.wait(SECONDS) == 0
    shell.write("go-far", "")
    spool = shell.state / "far" / "teamtask" / "spool"
    until(lambda: [file for file in spool.glob("*") if file.stat().st_size], "what is finished is kept")
    far.kill()
    far.wait()
    second = sharing.start("share", "kept", "--bind", "127.0.0.1:0", who="second")
    again = sharing.join(sharing.line("second", "out"), "far")
    assert [process.wait(SECONDS) for process in (again, second)] == [0, 0], sharing.said("far")
    assert sharing.log() == [("run", "a"), ("far", "b")], "nothing is worked again"
    assert [row["index"] for row in sharing.results("kept")] == [0, 1]


def test_what_cannot_be_shared_is_refused_before_anything_is_worked(sharing: Sharing) -> None:
    shell = sharing.shell
    work = shell.script("work", LOGGED)
    for bind, said in (("127.0.0.1:99999", b"is not HOST:PORT"), ("192.0.2.1:0", b"cannot listen on 192.0.2.1")):
        done = shell.run("run", f"--share={bind}", "--", work, ":::", "a")
        assert (done.returncode, said in done.stderr) == (255, True), done.stderr
    assert not (shell.folder / "log").exists()
    shell.write("mapped.py", "import teamtask\nlist(teamtask.map(len, ['a'], name='mapped'))\n")
    subprocess.run(
        [sys.executable, "mapped.py"], cwd=shell.folder, env=shell.environment, check=True, capture_output=True
    )
    done = shell.run("share", "mapped")
    assert (done.returncode, b"worked by a Python program" in done.stderr) == (1, True)
    assert shell.run("share", "nothing").returncode == 1
    assert shell.run("share").returncode == 2


def test_nothing_is_left_behind(sharing: Sharing) -> None:
    shell = sharing.shell
    seen = shell.script("work", "ls -l /proc/self/fd\n")
    done = shell.run("run", "--share", "127.0.0.1:0", "--name", "clean", "--", seen, ":::", "a", "b")
    assert b"socket:" not in done.stdout, "commands inherit no connection"
    assert done.returncode == 0
    assert not [path for path in Path("/proc").glob("[0-9]*/cwd") if _leads_to(path, shell.folder)]


def _leads_to(path: Path, folder: Path) -> bool:
    try:
        return path.readlink() == folder and int(path.parent.name) != os.getpid()
    except OSError:
        return False
