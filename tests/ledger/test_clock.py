"""The clock: it may begin anew, jump, or not be looked at for long; then every lease gets its time again."""

from __future__ import annotations

import pytest
from ledger_desk import LEASE_SECONDS, Desk

from teamtask.ledger.commands import Sweep
from teamtask.ledger.events import LeasesRenewed
from teamtask.ledger.rules import Limits


def test_after_a_restart_of_the_machine_every_lease_lives_one_length_longer() -> None:
    desk = Desk()
    lease = desk.claim()
    desk.now, desk.epoch = 3.0, "boot-2"
    desk.sweep()
    assert lease.expires == 3.0 + LEASE_SECONDS
    desk.sweep(LEASE_SECONDS)
    assert lease.id not in desk.ledger.leases


def test_when_nobody_looked_for_a_lease_length_every_lease_is_renewed() -> None:
    desk = Desk()
    lease = desk.claim()
    desk.now += LEASE_SECONDS + 1
    desk.sweep()
    assert lease.expires == desk.now + LEASE_SECONDS


def test_when_somebody_looked_in_time_leases_expire() -> None:
    desk = Desk()
    lease = desk.claim()
    desk.now += LEASE_SECONDS
    desk.carry_out(Sweep())
    assert lease.id not in desk.ledger.leases


def test_looking_counts_on_another_server_too() -> None:
    """It knows by the journal when the first one last did something."""
    desk = Desk()
    lease = desk.claim("ann")
    desk.now += LEASE_SECONDS / 2
    desk.claim("bob")
    desk.ledger, desk.shadow = desk.shadow, desk.ledger
    desk.now += LEASE_SECONDS / 2
    desk.carry_out(Sweep())
    assert lease.id not in desk.ledger.leases
    assert len(desk.ledger.leases) == 1


@pytest.mark.parametrize("seconds", [-LEASE_SECONDS - 1, -1e6])
def test_a_clock_that_jumps_back_gives_leases_one_length_not_more(seconds: float) -> None:
    desk = Desk()
    lease = desk.claim()
    desk.now += seconds
    desk.sweep()
    assert lease.expires == desk.now + LEASE_SECONDS


def test_a_small_step_back_changes_nothing() -> None:
    desk = Desk()
    lease = desk.claim()
    expires = lease.expires
    desk.now -= 1
    desk.sweep()
    assert (lease.expires, desk.events) == (expires, [])


def test_a_new_epoch_is_written_even_when_there_is_no_lease() -> None:
    desk = Desk()
    desk.epoch = "boot-2"
    desk.sweep()
    assert desk.history[-1] == LeasesRenewed(desk.now, "boot-2", anew=True)
    desk.sweep()
    assert desk.events == []


@pytest.mark.parametrize("now", [5.0, 1e9], ids=["earlier", "later"])
def test_speeds_are_not_taken_from_two_clocks(now: float) -> None:
    desk = Desk(10**9)
    lease = desk.claim()
    desk.now, desk.epoch = now, "boot-2"
    desk.report(lease)
    speed = desk.ledger.workers.by_key[lease.key].speed
    assert speed == pytest.approx(10 / LEASE_SECONDS), "rather too low than absurd"


def test_limits_on_items_a_second_and_on_workers_go_on_after_a_restart_of_the_machine() -> None:
    desk = Desk(1_000, limits=Limits(items_per_second=5.0, workers=1))
    desk.sweep(10)
    desk.report(desk.claim("ann"))
    desk.now, desk.epoch = 1.0, "boot-2"
    assert desk.refused("ann")
    assert desk.refused("bob") == "The list has as many workers as it may have."
    desk.sweep(2 * LEASE_SECONDS)
    assert desk.claim("bob").start == 5
