"""How many writes a list may cause."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamtask.controller.write_budget import WriteBudget


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 2), st.floats(0, 30)), max_size=200))
def test_over_any_time_a_list_causes_its_rate_and_one_burst_at_most(wishes: list[tuple[str, float, float]]) -> None:
    budget: WriteBudget[str] = WriteBudget(10.0, 15.0, 0.0)
    now, written = 0.0, {"a": 0.0, "b": 0.0}
    for key, seconds, wanted in wishes:
        now += seconds
        may = min(wanted, max(0.0, budget.of_list(key, now)))
        budget.spend(key, may, now)
        written[key] += may
    assert all(writes <= 10.0 * (now + 1) + 1e-6 for writes in written.values())
    assert sum(written.values()) <= 15.0 * (now + 1) + 1e-6


def test_what_workers_wrote_is_paid_back_before_anything_is_handed_out() -> None:
    budget: WriteBudget[str] = WriteBudget(10.0, 100.0, 0.0)
    budget.spend("a", 30.0, 0.0)
    assert budget.of_list("a", 1.0) == pytest.approx(-10.0)
    assert budget.of_list("b", 1.0) == pytest.approx(10.0)
    assert budget.of_list("a", 2.5) == pytest.approx(5.0)


def test_a_list_that_writes_without_end_leaves_the_others_theirs() -> None:
    budget: WriteBudget[str] = WriteBudget(50.0, 200.0, 0.0)
    for tenth in range(100):
        budget.spend("loud", 200.0, tenth / 10)
    assert budget.of_list("loud", 10.0) < 0
    assert budget.of_list("quiet", 10.0) == pytest.approx(50.0)
    assert budget.of_list("loud", 14.0) > 0, "the debt has a bottom"


def test_a_slow_api_server_halves_the_rate_and_it_comes_back_slowly() -> None:
    budget: WriteBudget[str] = WriteBudget(50.0, 200.0, 0.0)
    for now in (10.0, 10.1, 10.2):
        budget.was_slow(now)
    assert budget.part(1.0, 3.0) == pytest.approx(25.0)
    budget.of_list("a", 14.0)
    assert budget.part(1.0, 3.0) == pytest.approx(30.0)
    budget.of_list("a", 100.0)
    assert budget.part(1.0, 3.0) == pytest.approx(50.0)


def test_what_those_ahead_wait_for_is_left_to_them_as_far_as_they_may_write_themselves() -> None:
    budget: WriteBudget[str] = WriteBudget(50.0, 60.0, 0.0)
    budget.spend("other", 20.0, 0.0)
    assert budget.of_list("low", 0.0) == pytest.approx(40.0)
    assert budget.of_list("low", 0.0, ahead=[("high", 30)]) == pytest.approx(10.0)
    budget.spend("high", 45.0, 0.0)
    assert budget.of_list("low", 0.5, ahead=[("high", 100)]) == pytest.approx(25.0 - 30.0)


def test_who_is_ahead_and_has_used_up_his_own_holds_up_nobody() -> None:
    budget: WriteBudget[str] = WriteBudget(10.0, 100.0, 0.0)
    budget.spend("high", 15.0, 0.0)
    assert budget.of_list("low", 0.0, ahead=[("high", 100)]) == pytest.approx(10.0)


def test_lists_share_by_their_weights_and_none_has_more_than_a_list_may() -> None:
    budget: WriteBudget[str] = WriteBudget(50.0, 90.0, 0.0)
    assert budget.part(1.0, 0.0) == pytest.approx(50.0)
    assert (budget.part(1.0, 2.0), budget.part(2.0, 1.0)) == (pytest.approx(30.0), pytest.approx(50.0))


def test_what_others_do_not_use_is_there_for_a_list_however_small_its_part() -> None:
    budget: WriteBudget[str] = WriteBudget(50.0, 200.0, 0.0)
    assert budget.of_list("light", 0.0, part=1e-6) == pytest.approx(50.0)
    budget.spend("heavy", 50.0, 0.0)
    budget.spend("other", 50.0, 0.0)
    budget.spend("third", 50.0, 0.0)
    assert budget.of_list("light", 0.0, part=1e-6) <= 4.0


def test_every_part_has_room_for_an_exchange_in_time() -> None:
    budget: WriteBudget[int] = WriteBudget(50.0, 200.0, 0.0)
    for key in range(250):
        budget.of_list(key, 0.0, part=200 / 250)
        budget.spend(key, 10.0, 0.0)
    written, now = [0] * 250, 0.0
    for _ in range(300):
        now += 0.1
        for key in sorted(range(250), key=written.__getitem__):
            if budget.of_list(key, now, part=200 / 250) >= 3:
                budget.spend(key, 3.0, now)
                written[key] += 1
    assert min(written) > 0
    assert sum(written) * 3 > 0.9 * 200 * 30 - 200


def test_groups_share_evenly_whatever_weights_are_in_them() -> None:
    budget: WriteBudget[str] = WriteBudget(50.0, 80.0, 0.0)
    assert budget.part(1e6, 0.0, groups=2) == pytest.approx(40.0)
    assert budget.part(1.0, 0.0, groups=2) == pytest.approx(40.0)
