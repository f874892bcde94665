"""`run` is killed in every way there is, and goes on: nothing is lost, and only what was in hand is done again."""

from __future__ import annotations

import json
import math
import random
import signal
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from run_helpers import Shell

# Says when it began and when it had finished; each line is one write, so lines of many processes do not mix.
LOGGING = """
echo "began $1 $(date +%s.%N)" >> log
sleep 0.0$2
echo "ended $1 $(date +%s.%N)" >> log
"""


def wait_for(shell: Shell, word: str, count: int = 1, *, seconds: float = 30) -> None:
    """Wait until so many lines of the log begin with a word."""
    log, end = shell.folder / "log", time.monotonic() + seconds
    while time.monotonic() < end:
        if log.exists() and sum(line.startswith(word) for line in log.read_text().splitlines()) >= count:
            return
        time.sleep(0.01)
    raise AssertionError(f"the log has not {count} lines of {word!r}")


def read_log(path: Path) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    began, ended = [], []
    for line in path.read_text().splitlines():
        word, item, at = line.split()
        (began if word == "began" else ended).append((item, float(at)))
    return began, ended


AT_ONCE_SECONDS, LATE_SECONDS, LATE_MAX = 0.05, 0.25, 3


def test_twenty_kills_lose_nothing_and_repeat_only_what_was_in_hand(shell: Shell) -> None:
    items = 400
    shell.write("items", "".join(f"{i}\n" for i in range(items)))
    command = ("run", "-j4", "items", "--", shell.script("work", LOGGING), "{}", "3")
    chance = random.Random(20)
    killed_at, begun = [], 0
    for _ in range(20):
        process = shell.start(*command, start_new_session=True)
        wait_for(shell, "began", begun + chance.randrange(4, 16))
        time.sleep(chance.uniform(0, 0.03))
        killed_at.append(time.time())
        process.send_signal(signal.SIGKILL)
        process.wait()
        settle(shell)
        begun = len(read_log(shell.folder / "log")[0])
    finished = shell.run(*command)
    assert finished.returncode == 0, finished.stderr
    began, ended = read_log(shell.folder / "log")
    assert {item for item, _ in ended} == {str(i) for i in range(items)}
    assert Counter(item for item, _ in began) == Counter(item for item, _ in ended)
    hit = [kill for kill in killed_at if any(started < kill < end for started, end in spans(began, ended))]
    assert len(hit) >= 15, "so many kills found something in hand"
    late = repeats_ended_before(ended, killed_at)
    # An outcome is kept 50 ms after its command has ended. Where the machine gives us no CPU in those, it is a little
    # later for a few; what ended long before a kill is never done again.
    assert all(seconds < LATE_SECONDS for seconds in late), late
    assert sum(seconds > AT_ONCE_SECONDS for seconds in late) <= LATE_MAX, late
    assert len(began) - items <= 20 * 8, "a kill repeats no more than what four slots had in hand or had just finished"


def settle(shell: Shell) -> None:
    """Wait until the commands that outlived their parent have written their last line."""
    for _ in range(500):
        began, ended = read_log(shell.folder / "log")
        if len(began) == len(ended):
            return
        time.sleep(0.01)
    raise AssertionError("a command began and never ended")


def spans(began: list[tuple[str, float]], ended: list[tuple[str, float]]) -> list[tuple[float, float]]:
    """Give when each command ran: the n-th beginning of an item has the n-th end."""
    return [(start, end) for (_, start), (_, end) in zip(sorted(began), sorted(ended), strict=True)]


def repeats_ended_before(ended: list[tuple[str, float]], killed_at: list[float]) -> list[float]:
    """Give for each end whose item was worked again how many seconds before the kill that undid it; 0 if after it.

    Where there is no such kill it is infinity.
    """
    times: dict[str, list[float]] = {}
    for item, at in ended:
        times.setdefault(item, []).append(at)
    found = []
    for ends in times.values():
        for at, again in pairwise(sorted(ends)):
            kills = [kill for kill in killed_at if at - 1 < kill < again]
            found.append(min((max(0.0, kill - at) for kill in kills), default=math.inf))
    return found


def test_ctrl_c_finishes_what_is_in_hand_and_the_same_command_goes_on(shell: Shell) -> None:
    shell.write("items", "".join(f"{i}\n" for i in range(60)))
    command = ("run", "-j2", "items", "--", shell.script("work", LOGGING), "{}", "9")
    process = shell.start(*command, stderr=-1)
    wait_for(shell, "began", 5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"left; the same command goes on where it stopped" in said
    began, ended = read_log(shell.folder / "log")
    assert sorted(item for item, _ in began) == sorted(item for item, _ in ended), "what was in hand is finished"
    assert 0 < len(ended) < 60
    assert shell.run(*command).returncode == 0
    began, ended = read_log(shell.folder / "log")
    assert Counter(item for item, _ in began) == Counter(str(i) for i in range(60))


def test_a_second_ctrl_c_kills_what_is_in_hand(shell: Shell) -> None:
    script = shell.script("work", 'echo "began $1" >> log; sleep 60')
    process = shell.start(
        "run", "-j2", "--name", "slow", "--", script, ":::", "a", "b", start_new_session=True, stderr=-1
    )
    wait_for(shell, "began", 2)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None, "it waits for what is in hand"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=10)
    assert process.returncode == 130
    assert b"2 left" in said


def test_two_copies_at_once_share_the_work(shell: Shell) -> None:
    shell.write("items", "".join(f"{i}\n" for i in range(200)))
    # The first items last until the log has lines of both copies, so that neither has done all before the other begins.
    both = "echo $PPID >> copies; i=0\nwhile [ $(sort -u copies | wc -l) -lt 2 ] && [ $i -lt 500 ]; do\n"
    command = ("run", "-j2", "--name", "both", "items", "--", shell.script(
        "work", both + "i=$((i+1)); sleep 0.02; done\n" + LOGGING), "{}", "2")  # fmt: skip
    one, other = shell.start(*command), shell.start(*command)
    assert one.wait(timeout=60) == 0
    assert other.wait(timeout=60) == 0
    began, _ = read_log(shell.folder / "log")
    assert Counter(item for item, _ in began) == Counter(str(i) for i in range(200))
    assert len(shell.names()) == 1
    rows = [json.loads(line) for line in shell.run("results", "both", "-o", "ndjson").stdout.splitlines()]
    assert len(rows) == 200
    assert len({row["worker"] for row in rows}) == 2, "both have worked"


def test_fresh_is_refused_while_another_process_works(shell: Shell) -> None:
    command = ("--", shell.script("work", "echo began >> log; while [ ! -e go ]; do sleep 0.05; done\n"), ":::", "a")
    process = shell.start("run", *command)
    wait_for(shell, "began")
    done = shell.run("run", "--fresh", *command)
    shell.write("go", "")
    assert done.returncode == 255
    assert b"is working on" in done.stderr
    assert process.wait(timeout=20) == 0
    assert shell.run("run", *command).returncode == 0


def test_what_a_killed_copy_held_is_worked_by_the_other_at_once(shell: Shell) -> None:
    shell.write("items", "".join(f"{i}\n" for i in range(60)))
    work = shell.script("work", 'echo "of $PPID" >> log\n' + LOGGING)
    command = ("run", "-j2", "items", "--", work, "{}", "5")
    one = shell.start(*command)
    wait_for(shell, f"of {one.pid}", 2)
    other = shell.start(*command)
    wait_for(shell, f"of {other.pid}", 2)
    assert one.poll() is None
    one.send_signal(signal.SIGKILL)
    one.wait()
    assert other.wait(timeout=30) == 0, "a lease would have lasted longer than this"
    lines = [line for line in (shell.folder / "log").read_text().splitlines() if line.startswith("ended")]
    assert {line.split()[1] for line in lines} == {str(i) for i in range(60)}


def test_sigterm_stops_in_good_order(shell: Shell) -> None:
    shell.write("items", "".join(f"{i}\n" for i in range(50)))
    command = ("run", "-j2", "items", "--", shell.script("work", LOGGING), "{}", "9")
    process = shell.start(*command)
    wait_for(shell, "began", 3)
    process.terminate()
    assert process.wait(timeout=20) == 130
    began, ended = read_log(shell.folder / "log")
    assert 3 <= len(began) == len(ended) < 50


def test_no_descriptor_or_process_is_left_behind(shell: Shell) -> None:
    shell.write("items", "".join(f"{i}\n" for i in range(30)))
    done = shell.run("run", "items", "--", "sh", "-c", "ls /proc/self/fd | wc -l; ls -l /proc/self/fd >&2")
    counts = {int(line) for line in done.stdout.split()}
    assert max(counts) <= 4, done.stderr.decode()
    assert not [process for process in Path("/proc").iterdir() if _works_in(process, shell.folder)]


def _works_in(process: Path, folder: Path) -> bool:
    try:
        return process.name.isdigit() and (process / "cwd").readlink() == folder
    except OSError:
        return False
