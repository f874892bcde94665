"""How many commands run at once: what `-j` takes, and what the limit on open files allows."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask.ledger.errors import InvalidField
from teamtask.worker.slots import JOBS_MAX, cpu_count, ensure_open_files, parse_jobs

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def limits() -> Iterator[tuple[int, int]]:
    """The limits on open files, which are the same again afterwards."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@given(st.integers(min_value=1, max_value=JOBS_MAX), st.integers(min_value=1, max_value=512))
def test_a_number_is_that_many_and_a_percentage_is_of_the_cpus(number: int, cpus: int) -> None:
    assert parse_jobs(str(number), cpus) == number
    assert parse_jobs(f"{number}%", cpus) == max(1, min(JOBS_MAX, number * cpus // 100))


def test_without_a_number_there_is_one_for_each_cpu() -> None:
    assert parse_jobs(None, 6) == 6
    assert parse_jobs(None) == cpu_count() >= 1
    assert parse_jobs(" 200% ", 2) == 4


@pytest.mark.parametrize(
    "text", ["0", "-1", "0%", "-50%", "", "%", "many", "1.5", "1e3", "+2", "99999999999", "٣", "8 0"]
)
def test_anything_else_is_refused_with_a_way_out(text: str) -> None:
    with pytest.raises(InvalidField, match="-j takes a number") as caught:
        parse_jobs(text)
    assert caught.value.field == "jobs"
    assert "-j 200%" in (caught.value.hint or "")


def test_a_limit_that_suffices_is_left_as_it_is(limits: tuple[int, int]) -> None:
    soft = len(os.listdir("/dev/fd")) + 200  # noqa: PTH208 - only counted
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, limits[1]))
    assert ensure_open_files(2) == (2, None)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == soft


def test_a_soft_limit_is_raised_no_further_than_needed(limits: tuple[int, int]) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, limits[1]))
    assert ensure_open_files(100) == (100, None)
    assert 1000 <= resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= 2000


def test_a_hard_limit_is_told_with_how_many_are_possible() -> None:
    program = (
        "import resource; from teamtask.worker.slots import ensure_open_files\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, 1024))\n"
        "print(*ensure_open_files(5000), sep='\\n'); print(*resource.getrlimit(resource.RLIMIT_NOFILE))\n"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    slots, sentence, limit = answer.stdout.splitlines()
    assert 50 <= int(slots) <= 100
    assert sentence.startswith(f"Only {slots} of 5,000 commands run at once: the limit on open files is 1,024.")
    assert limit == "1024 1024"
