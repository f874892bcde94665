"""The house rules that a program can check and no linter knows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def lengths(*folders: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "tests/house/lengths.py", *map(str, folders)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_file_and_no_function_is_too_long() -> None:
    done = lengths()
    assert (done.stdout, done.returncode) == ("", 0), f"too long:\n{done.stdout}{done.stderr}"


def test_a_file_of_500_lines_passes_and_one_more_is_reported_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "fits.py").write_text("x = 1\n" * 500)
    (tmp_path / "long.py").write_text("x = 1\n" * 501)
    done = lengths(tmp_path)
    assert done.returncode == 1
    assert done.stdout == f"{tmp_path}/long.py:501: the file has 501 lines, at most 500 are allowed\n"


def test_a_function_of_70_lines_passes_and_one_more_is_reported_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "fits.py").write_text("\ndef fits():\n" + "    x = 1\n" * 69)
    (tmp_path / "long.py").write_text("class A:\n    @property\n    async def long(self):\n" + "        x = 1\n" * 69)
    done = lengths(tmp_path)
    assert done.returncode == 1
    assert done.stdout == f"{tmp_path}/long.py:2: long has 71 lines, at most 70 are allowed\n"


def test_importing_teamtask_loads_nothing_heavy() -> None:
    heavy = "{'asyncio', 'click', 'msgspec', 'multiprocessing', 'rich', 'sqlite3', 'subprocess'}"
    program = f"import teamtask, sys; print(*sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
