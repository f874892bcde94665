"""`teamtask.map` in a program that is killed, interrupted, edited, or runs twice at once."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import teamtask

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Log, Script

# Writes when a call begins and when it has ended, each in one write.
SCRIPT = """
import os, sys, time
import teamtask

def note(word, number):
    descriptor = os.open("log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{word} {number}\\n".encode())
    os.close(descriptor)

def work(number):
    note("began", number)
    time.sleep(SECONDS)
    note("ended", number)
    return number

if __name__ == "__main__":
    yielded = [outcome.index for outcome in teamtask.map(work, range(SIZE), processes=2)]
    assert yielded == list(range(SIZE)), yielded
    print("all", SIZE)
"""


def script_of(size: int, seconds: float) -> str:
    return SCRIPT.replace("SIZE", str(size)).replace("SECONDS", str(seconds))


def read_log(folder: Path) -> tuple[Counter[int], dict[int, list[int]]]:
    """How often each item was begun, and in which lines it ended."""
    began: Counter[int] = Counter()
    ended: dict[int, list[int]] = {}
    for at, line in enumerate((folder / "log").read_text().splitlines()):
        word, number = line.split()
        if word == "began":
            began[int(number)] += 1
        else:
            ended.setdefault(int(number), []).append(at)
    return began, ended


def test_killed_again_and_again_it_repeats_only_what_was_in_hand(script: Script, wait_until: Any) -> None:
    size, in_hand = 150, 6  # two processes have begun as much, or just finished it
    script.write(script_of(size, 0.02))
    chance = random.Random(7)
    kills = []  # from which line of the log to which what is repeated may have ended
    for _ in range(3):
        process = script.start(start_new_session=True)
        lines = count_lines(script.folder)
        if kills:
            kills[-1][1] = lines
        wait_until(lambda lines=lines: count_lines(script.folder) > lines)  # it works
        time.sleep(chance.uniform(0.1, 0.3))
        kills.append([count_lines(script.folder) - 2 * in_hand, 0])
        os.killpg(process.pid, signal.SIGKILL)  # the program, and the process that works for it
        process.communicate()
    wait_until(lambda: not processes_in(script.folder))
    kills[-1][1] = count_lines(script.folder)
    assert script.run() == f"all {size}\n"
    began, ended = read_log(script.folder)
    assert set(ended) == set(range(size))
    for number, lines_of_ends in ended.items():
        for at in lines_of_ends[:-1]:
            assert any(first <= at < last for first, last in kills), (number, at, kills)
    assert sum(began.values()) - size <= 3 * in_hand, "a kill repeats no more than that"


def count_lines(folder: Path) -> int:
    log = folder / "log"
    return log.read_text().count("\n") if log.exists() else 0


def test_a_killed_program_leaves_no_process_and_loses_nothing(script: Script, wait_until: Any) -> None:
    script.write(script_of(100, 0.02))
    process = script.start()
    wait_until(lambda: count_lines(script.folder) > 20)
    process.kill()  # only the program: whoever works for it sees that, and ends in good order
    process.communicate()
    wait_until(lambda: not processes_in(script.folder))
    began, ended = read_log(script.folder)
    assert set(began) == set(ended), "what was in hand had time to finish"
    assert script.run() == "all 100\n"
    began, _ = read_log(script.folder)
    assert began == Counter(range(100))


def processes_in(folder: Path) -> list[str]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - only names
        try:
            if os.readlink(f"/proc/{pid}/cwd") == str(folder):  # noqa: PTH115 - no file
                found.append(pid)
        except OSError:
            continue
    return found


def test_ctrl_c_raises_keyboard_interrupt_and_keeps_what_is_finished(script: Script, wait_until: Any) -> None:
    script.write(script_of(100, 0.02))
    process = script.start(start_new_session=True)
    wait_until(lambda: count_lines(script.folder) > 20)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert stderr.count("Traceback") == 1, stderr
    assert "KeyboardInterrupt" in stderr
    assert not processes_in(script.folder)
    began, ended = read_log(script.folder)
    assert 10 < sum(began.values()) < 100
    assert set(began) == set(ended), "what was in hand had time to finish"
    assert script.run() == "all 100\n"
    began, _ = read_log(script.folder)
    assert began == Counter(range(100))


def test_two_programs_at_once_share_the_work_and_each_yields_all(script: Script) -> None:
    script.write(script_of(100, 0.01))
    one, other = script.start(), script.start()
    assert one.communicate(timeout=60)[0] == "all 100\n"
    assert other.communicate(timeout=60)[0] == "all 100\n"
    began, _ = read_log(script.folder)
    assert began == Counter(range(100))


def test_a_program_whose_function_was_edited_begins_anew(script: Script) -> None:
    text = script_of(5, 0)
    script.write(text)
    script.run()
    script.write(text.replace("return number", "return number + 0  # edited"))
    script.run()
    assert read_log(script.folder)[0] == Counter(dict.fromkeys(range(5), 2))
    script.write(text.replace('("began", number)', '("began", number)  # only a comment\n'))
    script.run()
    assert read_log(script.folder)[0] == Counter(dict.fromkeys(range(5), 2))


def test_a_function_that_another_one_calls_counts_as_its_code(script: Script) -> None:
    text = script_of(5, 0)
    script.write(text)
    script.run()
    script.write(text.replace('f"{word} {number}', 'f"{word}  {number}'))
    script.run()
    assert read_log(script.folder)[0] == Counter(dict.fromkeys(range(5), 2))


def test_a_second_engine_takes_over_what_a_dead_one_held(log: Log, tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"

    def function(number: int) -> int:
        log.write(number)
        while not go_on.exists():
            time.sleep(0.01)
        return number

    first = teamtask.map(function, range(6), processes=2, name="taken-over")
    pid = os.fork()
    if pid == 0:  # a program that is killed while two items are in hand
        next(first)
        os._exit(1)
    while len(log.items()) < 2:
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    go_on.touch()
    assert [one.result for one in teamtask.map(function, range(6), processes=2, name="taken-over")] == list(range(6))


def test_when_the_engine_is_killed_that_is_said_and_the_next_call_goes_on(script: Script, wait_until: Any) -> None:
    text = script_of(60, 0.03).replace(
        'note("began", number)', 'note("began", number); note(f"engine-{os.getppid()}", 0)'
    )
    script.write(text)
    process = script.start()
    wait_until(lambda: count_lines(script.folder) > 20)
    engine = next(
        int(line.split()[0].removeprefix("engine-"))
        for line in (script.folder / "log").read_text().splitlines()
        if line.startswith("engine-")
    )
    os.kill(engine, signal.SIGKILL)
    _, stderr = process.communicate(timeout=30)
    assert "WorkDied" in stderr
    wait_until(lambda: not processes_in(script.folder))
    assert script.run() == "all 60\n"


def test_a_full_disk_stops_it_and_it_goes_on_later(script: Script) -> None:
    script.write(
        "import resource, sys, teamtask\n"
        "def work(number):\n"
        "    return bytes(10_000)\n"
        "if sys.argv[1:] == ['full']:\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))\n"
        "print(sum(len(outcome.result) for outcome in teamtask.map(work, range(500), processes=2)))\n"
    )
    process = script.start("full")
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert stderr.splitlines()[-1].startswith("teamtask.stores.store.StoreFull: No space is left")
    assert not processes_in(script.folder)
    assert script.run() == "5000000\n"


def test_results_whose_class_is_gone_are_said_to_be_unreadable(script: Script) -> None:
    text = (
        "import teamtask\n"
        "class Point:\n"
        "    pass\n"
        "def work(number):\n"
        "    return Point()\n"
        "print(len(list(teamtask.map(work, range(5), name='points'))))\n"
    )
    script.write(text)
    assert script.run() == "5\n"
    script.write(text.replace("class Point", "class Other").replace("Point()", "Other()"))
    process = script.start()
    _, stderr = process.communicate(timeout=30)
    assert "UnreadableResult: The results from index 0 on cannot be read: AttributeError" in stderr


def test_import_is_lazy_and_cheap(script: Script) -> None:
    script.write(
        "import sys\n"
        "before = set(sys.modules)\n"
        "import teamtask\n"
        "new = {name for name in set(sys.modules) - before if not name.startswith('_')}\n"
        "assert new == {'teamtask'}, new\n"
        "assert set(teamtask.__all__) <= set(dir(teamtask))\n"
        "for name in teamtask.__all__:\n"
        "    assert getattr(teamtask, name) is not None\n"
        "try:\n"
        "    teamtask.no_such_name\n"
        "except AttributeError as error:\n"
        "    print(error)\n"
    )
    assert script.run() == "module 'teamtask' has no attribute 'no_such_name'\n"


def test_a_progress_line_is_drawn_on_a_terminal_and_mixes_with_nothing(script: Script) -> None:
    script.write(
        "import time, teamtask\n"
        "def work(number):\n"
        "    time.sleep(0.05)\n"
        "    return number\n"
        "for outcome in teamtask.map(work, range(20), processes=2):\n"
        "    if outcome.index % 5 == 0:\n"
        "        print('result', outcome.result, flush=True)\n"
    )
    shown = on_a_terminal(script)
    assert "20 %" in shown or "30 %" in shown or "50 %" in shown
    assert "items/s" in shown
    for number in (0, 5, 10, 15):
        (line,) = [line for line in shown.splitlines() if line.endswith(f"result {number}")]
        assert line.rpartition("\x1b[2K")[2] == f"result {number}", "the progress line was erased first"


def on_a_terminal(script: Script) -> str:
    """What a program writes whose stdout and stderr are a terminal."""
    import pty
    import sys

    pid, descriptor = pty.fork()
    if pid == 0:
        os.chdir(script.folder)
        os.environ["TERM"] = "xterm"
        os.execv(sys.executable, [sys.executable, str(script.path)])  # noqa: S606 - there is no shell in it
    shown = b""
    while True:
        try:
            data = os.read(descriptor, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
    os.close(descriptor)
    os.waitpid(pid, 0)
    return shown.decode()
