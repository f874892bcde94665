"""Upkeep: leases whose time is over come back although nobody asks, and what is old goes."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from teamtask.access import Principal, SiteRole
from teamtask.ledger.rules import BlockRule, Rules
from teamtask.service import upkeep as upkeep_module
from teamtask.service.auditing import RETENTION_SECONDS, audit_page
from teamtask.service.definition import Definition
from teamtask.service.site import Site
from teamtask.service.tokens import Tokens
from teamtask.service.upkeep import Upkeep
from teamtask.stores.sqlite.sqlite_store import SqliteStore
from teamtask.stores.store import Clock, StoreUnavailable
from teamtask.wire.messages import Exchange, Report, Want
from teamtask.wire.requests import NewToken

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamtask.ledger.ids import ListId

ADMIN = Principal("token:admin", site_roles=frozenset({SiteRole.ADMIN}))


class Place:
    """A store whose clock is moved by hand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = 1_000.0
        self.store = SqliteStore(str(path), clock=lambda: Clock(self.now, "e"))
        self.site = Site(self.store)
        self.upkeep = Upkeep(self.site)

    def new_list(self, name: str, lease_seconds: float) -> ListId:
        definition = Definition({"kind": "range", "start": 0, "stop": 9}, "f")
        rules = Rules(block=BlockRule(size=3), lease_seconds=lease_seconds)
        return self.site.service.create(name, definition, rules, 9, None)

    def claim(self, list_id: ListId, site: Site | None = None) -> str:
        (lease,) = (site or self.site).service.exchange(list_id, "me", Exchange("w", None, Want())).leases
        return lease.lease

    def leased(self, list_id: ListId) -> int:
        with self.store.read() as reader:
            return len(self.site.service.ledgers.read(reader, list_id).leases)

    def pass_by(self, seconds: float, step: float) -> None:
        """Let time pass while the server is there."""
        end = self.now + seconds
        while self.now < end:
            self.now += step
            self.upkeep.sweep()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr(upkeep_module, "ELSEWHERE_SECONDS", 0.0)
    made = Place(tmp_path / "state")
    yield made
    made.store.close()


@pytest.mark.parametrize("lease_seconds", [1.0, 7.0, 60.0, 3_600.0])
def test_a_lease_comes_back_when_its_time_is_over_although_nobody_asks(place: Place, lease_seconds: float) -> None:
    list_id = place.new_list("n", lease_seconds)
    place.claim(list_id)
    step = max(upkeep_module.SWEEP_SECONDS, lease_seconds / 100)
    place.pass_by(lease_seconds * 0.7, step)
    assert place.leased(list_id) == 1
    place.pass_by(lease_seconds * 0.3 + 2 * step, step)
    assert place.leased(list_id) == 0


def test_a_lease_that_is_reported_on_lives(place: Place) -> None:
    list_id = place.new_list("n", 10.0)
    lease = place.claim(list_id)
    for _ in range(5):
        place.pass_by(8.0, 0.5)
        report = Report(lease, 0, 0)
        (status,) = place.site.service.exchange(list_id, "me", Exchange("w", reports=(report,))).reports
        assert status.status == "held"
    place.pass_by(11.0, 0.5)
    assert place.leased(list_id) == 0


def test_after_an_outage_every_lease_has_another_lease_length(place: Place) -> None:
    list_id = place.new_list("n", 10.0)
    place.claim(list_id)
    place.now += 1_000.0
    place.upkeep.sweep()
    place.pass_by(9.0, 0.5)
    assert place.leased(list_id) == 1, "its worker had nobody to report to"
    place.pass_by(2.0, 0.5)
    assert place.leased(list_id) == 0


def test_lists_that_this_server_never_worked_with_get_their_turn(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep_module, "LOOKED_AT_ONCE", 3)
    other = Site(place.store)
    lists = [place.new_list(f"n{number:02}", 10.0) for number in range(10)]
    for list_id in lists:
        place.claim(list_id, other)
    place.pass_by(40.0, 0.5)
    assert [place.leased(list_id) for list_id in lists] == [0] * 10


def test_a_list_that_cannot_be_read_does_not_end_the_care_for_the_others(place: Place) -> None:
    other = Site(place.store)
    lists = [place.new_list(f"n{number}", 10.0) for number in range(4)]
    for list_id in lists[1:]:
        place.claim(list_id, other)
    place.claim(lists[0])
    with closing(sqlite3.connect(place.path, isolation_level=None)) as connection:
        connection.execute(
            "UPDATE journal SET events = x'00' WHERE list_no = (SELECT no FROM lists WHERE id = ?)", (lists[1],)
        )
    place.site.service.delete(lists[2])
    place.pass_by(40.0, 0.5)
    assert (place.leased(lists[0]), place.leased(lists[3])) == (0, 0)


def test_what_is_old_is_cleared_away(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = Tokens(place.store)
    tokens.create(ADMIN, NewToken("old", expires_in_seconds=60.0))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + RETENTION_SECONDS - 10)
    tokens.create(ADMIN, NewToken("new"))
    place.upkeep.clear()
    entries = audit_page(place.store, ADMIN, None, 10).items
    assert [entry.detail["name"] for entry in entries] == ["new", "old"]
    assert [token.name for token in tokens.list(ADMIN, "", 10).items] == ["new"], "the old one has expired long ago"
    monkeypatch.setattr(time, "time", lambda: now + RETENTION_SECONDS + 10)
    place.upkeep.clear()
    entries = audit_page(place.store, ADMIN, None, 10).items
    assert [entry.detail["name"] for entry in entries] == ["new"]


def test_its_thread_begins_and_ends(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep_module, "SWEEP_SECONDS", 0.001)
    list_id = place.new_list("n", 1.0)
    place.claim(list_id)
    place.upkeep.start()
    try:
        for _ in range(10_000):
            place.now += 0.1
            time.sleep(0.003)
            if not place.leased(list_id):
                break
        else:
            pytest.fail("the lease never came back")
    finally:
        place.upkeep.stop()
    assert not place.upkeep._thread.is_alive()


def test_a_store_that_is_away_is_told_once_and_that_it_is_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable

    with capture_logs() as told:
        with monkeypatch.context() as patched:
            patched.setattr(place.store, "read", away)
            for _ in range(3):
                place.upkeep.turn()
        for _ in range(2):
            place.upkeep.turn()
    assert [entry["event"] for entry in told] == ["upkeep_failed", "upkeep_goes_on"]
