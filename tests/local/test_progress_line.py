"""Progress of lists of any length fits in one line."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from teamtask.local.figures import compact
from teamtask.local.progress_line import Pace
from teamtask.service.service import Progress

SIZE_MAX = 10**4000 - 1
counts = st.one_of(st.integers(0, 10**20), st.integers(0, 4000).map(lambda digits: 10**digits - 1))


@given(size=counts, done=counts, seconds=st.floats(0, 1e9))
@example(SIZE_MAX, SIZE_MAX, 1e-9)
@example(10**400, 5 * 10**399, 0.3)
@example(2**53, 2**53 - 1, 1e-300)
def test_any_list_at_any_pace_has_a_line(size: int, done: int, seconds: float) -> None:
    size = max(size, 1)
    pace = Pace(0.0, 0)
    line = pace.line(Progress(size, min(done, size), 0, 0), 1, seconds, bar=True)
    assert len(line) < 160
    assert "items/s" in line


def test_what_is_left_of_a_huge_list_takes_as_long_as_what_was_done() -> None:
    size = 10**400
    assert "ETA 10 s" in Pace(0.0, 0).line(Progress(size, size // 2, 0, 0), 1, 10.0, bar=False)
    assert "5.0e398 items/s" in Pace(0.0, 0).line(Progress(size, size // 2, 0, 0), 1, 10.0, bar=False)
    assert "ETA 10 s" in Pace(0.0, 0).line(Progress(1000, 500, 0, 0), 1, 10.0, bar=False)


@given(st.integers(18, 6000), st.integers(10, 99))
def test_a_number_of_any_length_is_two_digits_and_a_power_of_ten(digits: int, first: int) -> None:
    assert compact(first * 10 ** (digits - 1)) == f"{first // 10}.{first % 10}e{digits}"
