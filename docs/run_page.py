"""Carries out the commands that a page of the docs shows, and compares what they print with what it says.

    python docs/run_page.py README.md docs/howto/*.md         # prints every command, its output and what is wrong

A page is Markdown. In its ```console blocks a line that begins with `$ ` is a command (a backslash at its end goes on
in the next line), the lines under it are what it prints; where there are none, nothing is compared. All commands of a
page run in one shell, in one folder that is also $HOME: empty, or for an example's page a copy of the example. Blocks
of Python are files or doctests. A comment right before a block says more:

    <!-- file: hosts.txt -->              the block is the content of this file
                                          (of a {literalinclude}: the file that it shows)
    <!-- file: hosts.txt                  the same, not shown to readers
    content -->
    <!-- status: 3 -->                    how the last command of the block exits; 0 without it, 130 after Ctrl-C
    <!-- any order -->                    its output may come in any order
    <!-- not run: needs two machines -->  why the block is not run
    <!-- needs: ping -c1 127.0.0.1 -->    the block is run where this command succeeds

`...` in an output line stands for anything, as a line for any lines. Times, dates, the hashes in names and the
numbers in order of arrival (`seq`) may differ.
Under a command that waits, `^C` is somebody pressing Ctrl-C, two seconds after it began.
127.0.0.1:8080, where a server listens by default, becomes a port that is free, in files too, and so do 8081, 8443 and
9090 of 127.0.0.1 or localhost: pages are run beside one another, and beside the servers of this machine. What a page
leaves running is killed at its end.
Where `postgresql://` stands in a command or a file, the page has a PostgreSQL of its own, empty, with `psql` and the
like: $PGHOST and $PGPORT lead there, so that localhost does in a URL, and so does localhost:5432. `-U postgres` is its
superuser and needs no password; the role `teamtask`, which is for the page to make, does.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERRUPT_SECONDS = 2.0
INTERRUPTED = 130
SHELLS = ("bash", "fish", "sh", "shell", "zsh")
COMMAND_SECONDS = 60.0
SHOWN_PORTS = ("8080", "8081", "8443", "9090")  # of a server, another one, a proxy, a Prometheus

sys.path.append(str(Path(__file__).parents[1] / "tests" / "stores"))  # for own_postgres

_COMMENT = re.compile(r"<!-- (file|status|any order|not run|needs)(?:: *(\S[^\n]*?))? *(-->|\n)")
_FENCE = re.compile(r"^( *)(`{3,})(\S*) *(.*)")
# What differs from run to run, and what it becomes before texts are compared.
_VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(\.\d+)?Z?"), "DATE"),
    (re.compile(r"\b\d+m\d\ds\b|\b\d+(\.\d+)? (s|seconds)\b(?!=)|\b\d+\.\d{2,}\b|\b\d+(\.\d+)?e-\d+\b"), "TIME"),
    (re.compile(r"-[0-9a-f]{8}\b"), "-HASH"),
    # The order in which results arrive: `seq`, the last cell of a line of CSV.
    (re.compile(r'(?<="seq":)\d+|(?<=,)\d+$'), "SEQ"),
)


class PageIsWrong(Exception):
    """What a page says is not what happens."""


@dataclass(frozen=True)
class File:
    """A file that the page shows, to be written before the commands that follow; `includes` is where it lies."""

    name: str
    content: str
    includes: str | None = None


@dataclass(frozen=True)
class NotRun:
    """A block that is not run, and why."""

    reason: str
    line: int


@dataclass
class Command:
    """A command with what the page says of it; `expected` None compares nothing."""

    text: str
    line: int
    status: int | None = 0  # None: whatever it is
    any_order: bool = False
    needs: str | None = None  # a command that has to succeed before
    expected: list[str] | None = None

    def interrupted(self) -> bool:
        """Whether the page shows a Ctrl-C under it."""
        return any(line.startswith("^C") for line in self.expected or ())


Step = File | NotRun | Command


@dataclass
class _Comments:
    """What comments say of the block that follows them."""

    said: dict[str, str] = field(default_factory=dict)

    def take(self) -> dict[str, str]:
        said, self.said = self.said, {}
        return said


def read_page(text: str) -> list[Step]:
    """Give the steps of a page, in order."""
    steps: list[Step] = []
    comments = _Comments()
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        comment, fence = _COMMENT.match(lines[at] + "\n"), _FENCE.match(lines[at])
        if comment:
            what, value, end = comment.groups()
            if end == "-->":
                comments.said[what] = value or ""
            else:
                begin = at + 1
                while not lines[at].endswith("-->"):
                    at += 1
                body = "\n".join(lines[begin : at + 1]).removesuffix("-->")
                steps.append(File(value, body.rstrip("\n") + "\n"))
        elif fence:
            indent, ticks, language, argument = fence.groups()
            begin = at + 1
            while lines[at + 1] != indent + ticks:
                at += 1
            at += 1
            block = [line.removeprefix(indent) for line in lines[begin:at]]
            said = comments.take()
            if language == "{literalinclude}" and "file" in said:
                steps.append(File(said["file"], "", includes=argument))
            else:
                steps += _steps_of(language, block, begin, said)
        elif lines[at].strip():
            comments.take()
        at += 1
    return steps


def _steps_of(language: str, block: list[str], line: int, said: dict[str, str]) -> Iterator[Step]:
    if "file" in said:
        yield File(said["file"], _joined(block))
    elif "not run" in said:
        yield NotRun(said["not run"], line)
    elif language == "python":
        if not block[0].startswith(">>> "):
            raise PageIsWrong(f"line {line}: Python is a file, or begins with >>>")
        yield File(name := f".doctest-{line}.txt", _joined(block))
        yield Command(f"python3 -m doctest {name}", line)
    elif language in SHELLS:
        raise PageIsWrong(f"line {line}: commands stand in a console block, after `$ `")
    elif language == "console":
        yield from _console(block, line, said)


def _joined(block: list[str]) -> str:
    return "".join(line + "\n" for line in block)


def _console(block: list[str], line: int, said: dict[str, str]) -> list[Command]:
    commands = list(_commands(block, line, any_order="any order" in said, needs=said.get("needs")))
    for command, following in pairwise(commands):
        if following.text == "echo $?":
            command.status = None  # the page shows it
    for command in commands:
        if command.interrupted():
            command.status = INTERRUPTED
    if "status" in said:
        commands[-1].status = int(said["status"])
    return commands


def _commands(block: list[str], first_line: int, *, any_order: bool, needs: str | None) -> Iterator[Command]:
    command: Command | None = None
    continued = False
    for line, text in enumerate(block, first_line + 1):
        if continued and command is not None:
            command.text += "\n" + text
            continued = text.endswith("\\")
        elif text.startswith("$ "):
            if command:
                yield command
            command = Command(text[2:], line, any_order=any_order, needs=needs)
            continued = text.endswith("\\")
        elif command is None:
            raise PageIsWrong(f"line {line}: a console block begins with a command, after `$ `")
        else:
            command.expected = [*(command.expected or ()), text]
    if command:
        yield command


def run_page(page: Path, out: TextIO = sys.stdout) -> None:
    """Carry out a page, printing what happens to `out`. Raises PageIsWrong with everything that is wrong."""
    steps = read_page(page.read_text("utf-8"))
    wrong: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="page-", ignore_cleanup_errors=True) as home,
        _postgres_for(steps) as environment,
        _Shell(Path(home), environment) as shell,
    ):
        if page.parts[-3:-2] == ("examples",):
            shutil.copytree(page.parent, home, dirs_exist_ok=True)
        for step in steps:
            if isinstance(step, NotRun):
                print(f"# {page}:{step.line}: not run: {step.reason}", file=out)
            elif isinstance(step, File):
                content = (page.parent / step.includes).read_text("utf-8") if step.includes else step.content
                _write(Path(home) / step.name, shell.with_free_ports(content))
            elif step.needs and shell.run(step.needs)[1]:
                print(f"# {page}:{step.line}: not run: this machine cannot {step.needs}", file=out)
            else:
                wrong += [f"{page}:{step.line}: {found}" for found in _carry_out(shell, step, out)]
    if wrong:
        raise PageIsWrong("\n".join(wrong))


@contextmanager
def _postgres_for(steps: list[Step]) -> Iterator[dict[str, str]]:
    """Run a PostgreSQL for steps that speak of one; give the variables that lead to it."""
    shown = [step.text if isinstance(step, Command) else step.content for step in steps if not isinstance(step, NotRun)]
    if not any("postgresql://" in text for text in shown):
        yield {}
        return
    from own_postgres import PostgresServer, programs

    with closing(PostgresServer(fsync=False, superuser="postgres", locked="teamtask")) as server:
        path = os.pathsep.join((str(Path(sys.executable).parent), str(programs()), os.environ["PATH"]))
        yield {"PGHOST": "localhost", "PGPORT": str(server.port), "PATH": path}


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, "utf-8")
    path.chmod(0o755 if content.startswith("#!") else 0o644)


def _carry_out(shell: _Shell, command: Command, out: TextIO) -> Iterator[str]:
    printed, status = shell.run(command.text, interrupt=command.interrupted())
    print(f"$ {command.text}\n{printed}", end="", file=out)
    shown = f"    $ {command.text}\n"
    if command.status not in (status, None):
        yield f"exits with {status}, not {command.status}:\n{shown}{printed}"
    expected = [line for line in command.expected or () if not line.startswith("^C")]
    if expected and not matches(expected, printed.splitlines(), any_order=command.any_order):
        yield f"prints something else:\n{shown}{printed}"


def matches(expected: list[str], printed: list[str], *, any_order: bool = False) -> bool:
    """Tell whether what was printed is what a page says; see the top of this file."""
    expected, printed = [_even(line) for line in expected], [_even(line) for line in printed]
    if any_order:
        expected, printed = sorted(expected), sorted(printed)
    pattern = "".join(
        r"(?:[^\n]*\n)*?" if line == "..." else re.escape(line).replace(re.escape("..."), r"[^\n]*") + r"\n"
        for line in expected
    )
    return re.fullmatch(pattern, "".join(line + "\n" for line in printed)) is not None


def _even(line: str) -> str:
    line = line.rstrip()
    for pattern, name in _VARYING:
        line = pattern.sub(name, line)
    return re.sub(r" {2,}", "  ", line)


class _Shell:
    """One bash in `home`, with our `teamtask` and `python3` first on its PATH."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self._home = home
        self._environment = environment
        self._log = home.parent / (home.name + ".log")
        # Bound as long as the page takes, and never listened on: who sets SO_REUSEADDR too may listen there, and
        # nobody is given it for a connection of his own.
        self._reserved = {shown: socket.socket() for shown in SHOWN_PORTS}
        for reserved in self._reserved.values():
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            reserved.bind(("127.0.0.1", 0))
        self._free = {shown: str(reserved.getsockname()[1]) for shown, reserved in self._reserved.items()}
        if "PGPORT" in environment:
            self._free["5432"] = environment["PGPORT"]

    def with_free_ports(self, text: str) -> str:
        """Put ports that are free in the place of those that the page shows."""
        return _with_ports(text, self._free)

    def __enter__(self) -> Self:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "TEAMTASK_", "PG"))}
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=self._home,
            env=kept
            | {"HOME": str(self._home), "TERM": "dumb", "LC_ALL": "C.UTF-8", "PYTHONWARNINGS": ""}
            | {"TEAMTASK_BIND": f"127.0.0.1:{self._free['8080']}"}
            | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
            | self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # where it says that a background command was killed
            text=True,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._bash.stdin is not None
        self._bash.stdin.close()
        try:
            self._bash.wait(10)
        except subprocess.TimeoutExpired:
            self._bash.kill()
            self._bash.wait()
        with suppress(ProcessLookupError):
            os.killpg(self._bash.pid, signal.SIGKILL)
        if self._bash.stdout:
            self._bash.stdout.close()
        for reserved in self._reserved.values():
            reserved.close()
        self._log.unlink(missing_ok=True)

    def run(self, text: str, *, interrupt: bool = False) -> tuple[str, int]:
        """Give what a command printed, on stdout and stderr, and its exit status."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        text = self.with_free_ports(text)
        if interrupt:
            text = shlex.join([sys.executable, __file__, "--interrupt", text])
        # The status passes from one command to the next, so that `echo $?` means what it says.
        self._bash.stdin.write(
            f"(exit ${{status:-0}}); {{\n{text}\n}} >{shlex.quote(str(self._log))} 2>&1 </dev/null; "
            'status=$?; echo "$status"\n'
        )
        self._bash.stdin.flush()
        timer = Timer(COMMAND_SECONDS, os.killpg, (self._bash.pid, signal.SIGKILL))
        timer.start()
        status = self._bash.stdout.readline()
        timer.cancel()
        if not status:
            logs = "".join(f"\n{log.name}: {log.read_text('utf-8', 'replace')}" for log in self._home.glob("*.log"))
            raise PageIsWrong(f"the shell ended, or {COMMAND_SECONDS:.0f} seconds passed, in: {text}{logs}")
        shown = {free: shown for shown, free in self._free.items()}
        return _with_ports(self._log.read_text("utf-8", "replace"), shown), int(status)


def _with_ports(text: str, others: dict[str, str]) -> str:
    """Put ports of this machine in the place of others, wherever they stand behind its address."""
    return re.sub(
        rf"\b(127\.0\.0\.1|localhost):({'|'.join(others)})\b", lambda found: f"{found[1]}:{others[found[2]]}", text
    )


def _interrupt(text: str) -> int:
    """Run a command and press Ctrl-C after a while, as a terminal does: for its whole process group."""
    with subprocess.Popen(["bash", "-c", f"exec {text}"], start_new_session=True) as process:
        try:
            return process.wait(INTERRUPT_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)
            return process.wait()


def main(arguments: list[str]) -> int:
    """Run the pages that are named; return the exit code."""
    if arguments[:1] == ["--interrupt"]:
        return _interrupt(arguments[1])
    wrong = 0
    for name in arguments:
        print(f"== {name}")
        try:
            run_page(Path(name))
        except PageIsWrong as error:
            print(f"-- WRONG\n{error}", file=sys.stderr)
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
