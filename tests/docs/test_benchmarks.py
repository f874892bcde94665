"""The benchmarks of commands run, say who is missing, and draw what they found; how fast is not asked here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).parents[2]


def benchmark(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_benchmark_of_commands_measures_everybody_who_is_there() -> None:
    done = benchmark("benchmarks.run_commands", "20", "1", "1000")
    assert done.returncode == 0, done.stderr
    assert "teamtask run" in done.stdout
    assert "import teamtask: " in done.stdout
    assert "1,000 lines" in done.stdout


def test_the_benchmark_of_commands_says_who_is_not_there(tmp_path: Path) -> None:
    for program in ("true", "false", "sh"):
        (tmp_path / program).symlink_to(f"/bin/{program}")
    done = benchmark("benchmarks.run_commands", "20", "1", "1000", PATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "GNU parallel is not installed and is left out." in done.stdout
    assert "xargs is not installed and is left out." in done.stdout


def script(name: str, *words: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, f"benchmarks/{name}.py", *words],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_benchmark_of_the_exchange_says_who_is_not_there(tmp_path: Path) -> None:
    printed = script("exchange", "--clients", "5", "--rounds", "1", "--seconds", "0.2", PATH=str(tmp_path))
    assert "left out: Celery (" in printed
    for name in ("teamtask, SQLite", "teamtask, PostgreSQL", "teamtask, PostgreSQL, 2 servers"):
        assert f"\n{name}:\n" in printed
    assert "CPU seconds of the server for 10,000 exchanges" in printed


def test_the_benchmark_of_lists_that_grow_compares_them_on_both_stores() -> None:
    printed = script("growth", "--clients", "10", "--rounds", "1", "--seconds", "0.5", "--exchanges", "1000")
    assert "SQLite: " in printed
    assert "PostgreSQL 18" in printed
    assert printed.count("10,000 active leases") == 2
    assert "snapshots of 10,000 leases" in printed


def test_a_list_of_size_one_leaves_one_range_and_little_state() -> None:
    words = ("--workers", "5", "--rounds", "1", "--items", "20000", "--leases", "50", "--seconds", "0.2")
    printed = script("size_one", *words)
    assert "20,000 items of size one: " in printed
    assert "50 leases held at once" in printed
    assert printed.count("afterwards 1 done range and ") == 2


def test_the_benchmark_of_many_lists_counts_memory_rate_and_start() -> None:
    words = ("--lists", "30", "--together", "10", "--workers", "5", "--rounds", "1", "--seconds", "0.2")
    printed = script("many_lists", *words)
    assert "30 lists and as many active leases" in printed
    assert "10 lists, a worker each" in printed
    assert "it starts with these lists in " in printed


def test_a_benchmark_that_there_is_not_is_named() -> None:
    done = benchmark("benchmarks", "nonsense")
    assert done.returncode == 1
    assert "There is no benchmark nonsense" in done.stderr


def test_every_benchmark_has_a_title() -> None:
    program = "from benchmarks.__main__ import TITLES, benchmarks; print(*(set(benchmarks()) - TITLES.keys()))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_plot_has_a_bar_for_each_row_of_the_table() -> None:
    rows = (
        "3 x true, 2 at once",
        "          jobs/s  ms",
        "teamtask run   1,900  1.37  all",
        "xargs   12.5",
        "2.0 times",
    )
    table = "\n".join(rows)
    program = f"from benchmarks.__main__ import bars, figures; print(bars('commands', figures({table!r})))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    picture = ET.fromstring(done.stdout)  # noqa: S314 - our own
    words = [element.text for element in picture.findall("{*}text")]
    assert words == ["commands", "xargs", "12.5", "teamtask run", "1,900"]
    assert len(picture.findall("{*}rect")) == 3, "two bars and the background"
