"""The faults of a campaign: each does its harm, and undoes it as far as the world would."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final

import psycopg
from checks import lost
from logs import acknowledged, read_logs
from machines import Machine
from site_under_test import PostgresPlace
from wall_clock import can_set_clocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from campaign import Round

    Fault = Callable[[Round], None]

DELAY_SECONDS: Final = 0.15  # of whatever passes
CLOCK_STEP_SECONDS: Final = 3_600
POOL_SECONDS: Final = 2.0


def kill_server(one: Round) -> None:
    """A server is killed with -9, started again, and has what it acknowledged."""
    server = one.chance.choice(one.site.servers)
    server.kill()
    before = acknowledged(read_logs(one.logs))
    time.sleep(one.chance.uniform(0, 0.5))
    server.start()
    one.wrong += lost(server, one.name, before)


def freeze_server(one: Round) -> None:
    """A server stands still for longer than a lease."""
    server = one.chance.choice(one.site.servers)
    server.send(signal.SIGSTOP)
    one.sleep_longer_than_a_lease()
    server.send(signal.SIGCONT)


def kill_worker(one: Round) -> None:
    """A worker is killed with -9; another one comes."""
    one.replace_worker()


def freeze_worker(one: Round) -> None:
    """A worker stands still for longer than a lease, and reports late."""
    _, process = one.chance.choice(one.workers)
    process.send_signal(signal.SIGSTOP)
    one.sleep_longer_than_a_lease()
    process.send_signal(signal.SIGCONT)


def pull_cable(one: Round) -> None:
    """The cable of a machine full of workers is pulled out, maybe for longer than a lease."""
    machine = one.chance.choice([machine for machine in one.machines if isinstance(machine, Machine)])
    machine.plug(in_=False)
    time.sleep(one.chance.uniform(0, 1.5 * one.lease_seconds))
    machine.plug(in_=True)


def fill_disk(one: Round) -> None:
    """The disk of the store is full for a while."""
    place = one.site.place
    assert place.disk is not None
    full = place.disk / "full"
    with full.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with suppress(OSError):
                for _ in range((one.site.disk_mib << 20) // size):
                    file.write(bytes(size))
    time.sleep(1.0)
    full.unlink()
    if isinstance(place, PostgresPlace):
        place.primary.kill()  # it may have given up already
        place.start()


def set_clocks(one: Round) -> None:
    """The wall clocks of the servers and the store are set forth and back by an hour."""
    for step in (CLOCK_STEP_SECONDS, -CLOCK_STEP_SECONDS, 0):
        one.site.clock.set(step)
        time.sleep(0.5)


def kill_postgres(one: Round) -> None:
    """All processes of PostgreSQL are killed with -9."""
    place = _postgres(one)
    place.primary.kill()
    time.sleep(one.chance.uniform(0, 0.5))
    place.start()


def restart_postgres(one: Round) -> None:
    """PostgreSQL is restarted in good order."""
    place = _postgres(one)
    place.primary.stop()
    place.start()


def freeze_postgres(one: Round) -> None:
    """PostgreSQL stands still for longer than a lease."""
    place = _postgres(one)
    place.primary.send(signal.SIGSTOP)
    one.sleep_longer_than_a_lease()
    place.primary.send(signal.SIGCONT)


def fail_over(one: Round) -> None:
    """The primary is killed, its standby promoted."""
    _postgres(one).fail_over()


def cut_connections(one: Round) -> None:
    """Every connection to PostgreSQL is cut, and none comes about for a while."""
    for relay in _postgres(one).relays:
        relay.is_cut = True
        relay.cut()
    time.sleep(one.chance.uniform(0, 1))
    for relay in _postgres(one).relays:
        relay.is_cut = False


def cut_in_commit(one: Round) -> None:
    """Connections are cut where a commit was carried out and its answer is on the way."""
    relay = _postgres(one).relays[0]
    before = relay.commits_cut
    relay.commits_to_cut = 3
    until = time.monotonic() + 5.0
    while relay.commits_to_cut and time.monotonic() < until:
        time.sleep(0.05)
    relay.commits_to_cut = 0
    one.done["commits whose answer was cut off"] += relay.commits_cut - before


def delay_connections(one: Round) -> None:
    """Everything between servers and PostgreSQL takes longer."""
    for relay in _postgres(one).relays:
        relay.delay_seconds = DELAY_SECONDS
    time.sleep(2.0)
    for relay in _postgres(one).relays:
        relay.delay_seconds = 0.0


def exhaust_connections(one: Round) -> None:
    """Somebody else takes every connection that PostgreSQL has, after ours were cut."""
    place = _postgres(one)
    with ExitStack() as taken:
        for relay in place.relays:
            relay.cut()
        with suppress(psycopg.OperationalError):
            while True:
                taken.enter_context(psycopg.connect(place.direct))
        time.sleep(POOL_SECONDS)


def _postgres(one: Round) -> PostgresPlace:
    assert isinstance(one.site.place, PostgresPlace)
    return one.site.place


def _always(_: Round) -> bool:
    return True


def _on_postgres(one: Round) -> bool:
    return isinstance(one.site.place, PostgresPlace)


def _has_standby(one: Round) -> bool:
    return isinstance(one.site.place, PostgresPlace) and one.site.place.standby is not None


# What is done, by name, and where it can be done.
FAULTS: Final[dict[str, tuple[Fault, Callable[[Round], bool]]]] = {
    "server killed": (kill_server, _always),
    "server frozen": (freeze_server, _always),
    "worker killed": (kill_worker, _always),
    "worker frozen": (freeze_worker, _always),
    "cable pulled out": (pull_cable, lambda one: any(isinstance(machine, Machine) for machine in one.machines)),
    "disk full": (fill_disk, lambda one: one.site.small_disk and not _has_standby(one)),
    "clocks set": (set_clocks, lambda _: can_set_clocks()),
    "PostgreSQL killed": (kill_postgres, _on_postgres),
    "PostgreSQL restarted": (restart_postgres, _on_postgres),
    "PostgreSQL frozen": (freeze_postgres, _on_postgres),
    "PostgreSQL failed over": (fail_over, _has_standby),
    "connections cut": (cut_connections, _on_postgres),
    "connections cut in COMMIT": (cut_in_commit, _on_postgres),
    "connections delayed": (delay_connections, _on_postgres),
    "connections exhausted": (exhaust_connections, _on_postgres),
}
