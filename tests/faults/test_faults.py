"""A short campaign in every way that servers and stores stand together; `make test-faults` has the long one."""

from __future__ import annotations

import pytest
from campaign import Plan, run_round
from faults import FAULTS
from report import Report
from wall_clock import can_set_clocks

PLANS = [
    Plan("sqlite", 1, seed=1, only=("server killed", "worker killed", "cable pulled out")),
    Plan("sqlite", 2, seed=2, only=("server frozen", "server killed", "disk full")),
    Plan("postgres", 1, seed=3, only=("PostgreSQL killed", "connections cut in COMMIT", "connections exhausted")),
    Plan("postgres", 2, seed=4, only=("server killed", "PostgreSQL frozen", "connections cut")),
    Plan("postgres", 2, seed=5, only=("PostgreSQL failed over",)),
]


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"{plan.store}, {plan.servers} server(s), seed {plan.seed}")
def test_nothing_acknowledged_is_lost_and_everything_counts_once(plan: Plan) -> None:
    report = Report()
    one = run_round(plan)
    report.add(one)
    print(report.last())
    assert one.wrong == []
    assert sum(one.done.values()) > 0, "something happened"
    assert one.recovery_seconds, "and work went on after it"


@pytest.mark.skipif(not can_set_clocks(), reason="there is no cc to make what tells programs another time")
def test_clocks_that_are_set_by_an_hour_change_nothing() -> None:
    one = run_round(Plan("postgres", items=40_000, seconds=3.0, faults=1, seed=7, only=("clocks set",)))
    assert one.wrong == []
    assert one.done == {"clocks set": 1}


def test_the_faults_that_tests_name_are_those_there_are() -> None:
    assert {name for plan in PLANS for name in plan.only} <= set(FAULTS)


def test_the_page_of_a_campaign_says_what_was_wrong_and_how_long_recovery_took() -> None:
    report = Report()
    one = run_round(Plan(seed=6, items=20_000, seconds=2.0, faults=1, only=("worker killed",)))
    report.add(one)
    assert not report.is_wrong
    assert "Nothing was wrong." in report.page()
    assert "| worker killed | 1 | " in report.page()
    one.wrong.append("The list is gone.")
    assert report.is_wrong
    assert "- The list is gone." in report.page()
